//! Both machines, their host's storage in memory, and the loop that drives them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fasp_core::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use fasp_core::crypto::{CipherSuite, KeySchedule, Role, SessionSecret};
use fasp_core::fault::Fault;
use fasp_core::metadata::{ByteRange, ObjectKind, OpenRecord};
use fasp_core::negotiation::{Agreement, Terms};
use fasp_core::receiver::{Block, Decision, Receiver, ReceiverEvent};
use fasp_core::sender::{FinishOutcome, ObjectSource, PathTrust, ReadOutcome, Sender, SenderEvent};
use fasp_core::time::Instant;
use fasp_core::units::{BitRate, ConnectionId, ObjectId};

use crate::link::{Direction, Link};

/// What differs from test to test.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) suite: CipherSuite,
    pub(crate) policy: RatePolicy,
    pub(crate) target: u64,
    pub(crate) decides: bool,
    pub(crate) capacity: u64,
    pub(crate) write_rate: u64,
    pub(crate) packet_window: u32,
    pub(crate) object_window: u32,
    pub(crate) max_datagram: u16,
    pub(crate) unproven: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            suite: CipherSuite::Aes128Gcm,
            policy: RatePolicy::Fair,
            target: 80_000_000,
            decides: false,
            capacity: 8 << 20,
            write_rate: u64::MAX,
            packet_window: 4_096,
            object_window: 512,
            max_datagram: 1_472,
            unproven: false,
        }
    }
}

/// Files in memory.
#[derive(Debug)]
pub(crate) struct Source {
    files: Vec<Vec<u8>>,
    path: Vec<u8>,
    /// Reading this object beyond this offset fails.
    pub(crate) fail_at: Option<(u32, u64)>,
}

fn record<'a>(object: ObjectId, size: usize, path: &'a mut Vec<u8>) -> OpenRecord<'a> {
    *path = format!("folder/file {}", object.0).into_bytes();
    OpenRecord {
        object,
        path,
        kind: ObjectKind::File,
        size: size as u64,
        modified_ns: 1,
        accessed_ns: 2,
        mode: 0o644,
    }
}

impl ObjectSource for Source {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let end = offset + buffer.len() as u64;
        if self
            .fail_at
            .is_some_and(|(id, at)| id == object.0 && end > at)
        {
            return ReadOutcome::Failed(Fault::DiskRead);
        }
        let file = &self.files[object.0 as usize - 1];
        buffer.copy_from_slice(&file[offset as usize..end as usize]);
        ReadOutcome::Filled
    }

    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        FinishOutcome::Unchanged
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        let size = self.files[object.0 as usize - 1].len();
        Some(record(object, size, &mut self.path))
    }
}

type TestSender = Sender<4096, 512, 16384>;
type TestReceiver = Receiver<1024, 512, 1024, 16384>;

/// Everything.
pub(crate) struct World {
    pub(crate) sender: Box<TestSender>,
    pub(crate) receiver: Box<TestReceiver>,
    pub(crate) source: Source,
    pub(crate) results: BTreeMap<u32, Option<Fault>>,
    pub(crate) sender_failure: Option<Fault>,
    pub(crate) receiver_failure: Option<Fault>,
    pub(crate) most_outstanding: u64,
    options: Options,
    now: Instant,
    forward: Direction,
    backward: Direction,
    offered: u32,
    delivered: BTreeMap<u32, Vec<u8>>,
    complete: BTreeSet<u32>,
    skips: BTreeSet<u32>,
    resumes: BTreeMap<u32, Vec<ByteRange>>,
    writes: VecDeque<(u64, u64)>,
    write_free_at: u64,
    settled: (bool, bool),
}

fn terms(options: &Options, sends: bool) -> Terms {
    let (own, peer) = if sends { (11, 22) } else { (22, 11) };
    Terms {
        version: 1,
        suite: options.suite,
        sends,
        own_connection: ConnectionId::new(own),
        peer_connection: ConnectionId::new(peer),
        target_rate: BitRate(options.target),
        minimum_rate: BitRate(0),
        policy: options.policy,
        max_datagram: options.max_datagram,
        fixed_datagram: None,
        report_size: 1_440,
        resume: if options.decides {
            ResumeLevel::Attributes
        } else {
            ResumeLevel::Restart
        },
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        object_window: options.object_window.max(16),
        packet_window: options.packet_window,
        metadata_window: 8_192,
        peer_max_body: 1 << 20,
        lanes: 1,
    }
}

fn keys() -> KeySchedule {
    KeySchedule::new(
        &SessionSecret::new([1; 32]),
        &SessionSecret::new([2; 32]),
        &[3; 32],
    )
}

impl World {
    pub(crate) fn new(options: Options, link: Link, files: Vec<Vec<u8>>) -> Self {
        let now = Instant::from_micros(1);
        let path = if options.unproven {
            PathTrust::Unproven { challenge: 77 }
        } else {
            PathTrust::Proven
        };
        let (sealer, opener) = keys().into_lane(options.suite, Role::Client);
        let agreement = Agreement::new(terms(&options, true)).expect("valid terms");
        let sender = Box::new(Sender::new(&agreement, sealer, opener, path, now));
        let (sealer, opener) = keys().into_lane(options.suite, Role::Server);
        let agreement = Agreement::new(terms(&options, false)).expect("valid terms");
        let receiver = Box::new(Receiver::new(
            &agreement,
            sealer,
            opener,
            options.capacity,
            now,
        ));
        Self {
            sender,
            receiver,
            source: Source {
                files,
                path: Vec::new(),
                fail_at: None,
            },
            results: BTreeMap::new(),
            sender_failure: None,
            receiver_failure: None,
            most_outstanding: 0,
            options,
            now,
            forward: Direction::new(&link, 1),
            backward: Direction::new(&link, 2),
            offered: 0,
            delivered: BTreeMap::new(),
            complete: BTreeSet::new(),
            skips: BTreeSet::new(),
            resumes: BTreeMap::new(),
            writes: VecDeque::new(),
            write_free_at: 0,
            settled: (false, false),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now.as_micros()
    }

    pub(crate) fn skip(&mut self, object: u32) {
        self.skips.insert(object);
    }

    pub(crate) fn resume(&mut self, object: u32, missing: &[(u64, u64)]) {
        let mut present = self.source.files[object as usize - 1].clone();
        for &(start, end) in missing {
            present[start as usize..end as usize].fill(0xEE);
        }
        self.delivered.insert(object, present);
        self.resumes.insert(
            object,
            missing
                .iter()
                .map(|&(start, end)| ByteRange { start, end })
                .collect(),
        );
    }

    /// Runs until both sides are settled or have failed, or `seconds` of virtual time have passed.
    pub(crate) fn run(&mut self, seconds: u64) {
        let end = seconds * 1_000_000;
        let mut idle_turns = 0;
        while self.now.as_micros() < end && !self.is_over() {
            let before = self.now;
            self.turn();
            if self.is_over() {
                return;
            }
            let next = self
                .next_at()
                .expect("a session that is not over must have a deadline");
            self.now = self.now.max(Instant::from_micros(next));
            idle_turns = if self.now == before {
                idle_turns + 1
            } else {
                0
            };
            assert!(
                idle_turns < 10_000,
                "time stands still at {:?}: sender {:?} receiver {:?} {:?} {:?} {:?}",
                self.now,
                self.sender.poll_timeout(),
                self.receiver.poll_timeout(),
                self.forward.next_at(),
                self.backward.next_at(),
                self.sender.statistics()
            );
        }
    }

    fn is_over(&self) -> bool {
        let sender_over = self.sender_failure.is_some() || self.settled.0;
        let receiver_over =
            self.receiver_failure.is_some() || self.settled.1 && self.receiver.is_settled();
        sender_over && receiver_over
    }

    fn turn(&mut self) {
        while let Some(mut datagram) = self.forward.receive(self.now.as_micros()) {
            self.receive(&mut datagram);
        }
        while let Some(mut datagram) = self.backward.receive(self.now.as_micros()) {
            let _ = self.sender.handle_datagram(self.now, &mut datagram);
        }
        while let Some(&(at, bytes)) = self.writes.front()
            && at <= self.now.as_micros()
        {
            self.writes.pop_front();
            self.receiver.handle_written(bytes);
        }
        self.offer();
        self.sender.handle_timeout(self.now);
        self.receiver.handle_timeout(self.now);
        self.sender_events();
        self.receiver_events();
        let mut out = vec![0; 20_000];
        while let Some(transmit) =
            self.sender
                .poll_transmit(self.now, &mut out, 10, &mut self.source)
        {
            for datagram in out[..transmit.length].chunks(transmit.segment_size) {
                self.forward.send(self.now.as_micros(), datagram);
            }
        }
        while let Some(length) = self.receiver.poll_transmit(self.now, &mut out) {
            self.backward.send(self.now.as_micros(), &out[..length]);
        }
    }

    fn next_at(&self) -> Option<u64> {
        let deadlines = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
        let deadlines = deadlines.into_iter().flatten().map(Instant::as_micros);
        let arrivals = [
            self.forward.next_at(),
            self.backward.next_at(),
            self.writes.front().map(|&(at, _)| at),
        ];
        deadlines.chain(arrivals.into_iter().flatten()).min()
    }

    fn offer(&mut self) {
        while (self.offered as usize) < self.source.files.len() {
            let Some(object) = self.sender.next_object() else {
                return;
            };
            let size = self.source.files[object.0 as usize - 1].len();
            let mut path = Vec::new();
            if self.sender.offer(&record(object, size, &mut path)).is_err() {
                return;
            }
            self.offered = object.0;
        }
        self.sender.end_offers();
    }

    fn sender_events(&mut self) {
        while let Some(event) = self.sender.poll_event() {
            match event {
                SenderEvent::Finished { first, last, fault } => {
                    for id in first.0..=last.0 {
                        assert!(
                            self.results.insert(id, fault).is_none(),
                            "two results for {id}"
                        );
                    }
                }
                SenderEvent::Skipped { first, last } => {
                    for id in first.0..=last.0 {
                        assert!(self.skips.contains(&id));
                        self.results.insert(id, None);
                    }
                }
                SenderEvent::Settled => self.settled.0 = true,
                SenderEvent::Failed(fault) => self.sender_failure = Some(fault),
                _ => {}
            }
        }
    }

    fn receive(&mut self, datagram: &mut [u8]) {
        let Ok(arrival) = self.receiver.handle_datagram(self.now, datagram) else {
            return;
        };
        let blocks: Vec<_> = arrival.blocks().collect();
        // Records come before the blocks that need them; completions after.
        let completed = self.records();
        for block in blocks {
            self.write(block);
        }
        for object in completed {
            self.finish(object);
        }
    }

    fn receiver_events(&mut self) {
        for object in self.records() {
            self.finish(object);
        }
    }

    fn records(&mut self) -> Vec<ObjectId> {
        let mut completed = Vec::new();
        let mut decisions = Vec::new();
        let mut cancelled = Vec::new();
        while let Some(event) = self.receiver.poll_event() {
            match event {
                ReceiverEvent::Offered(record) => {
                    assert_eq!(
                        record.path,
                        format!("folder/file {}", record.object.0).as_bytes()
                    );
                    let size = record.size as usize;
                    self.delivered
                        .entry(record.object.0)
                        .or_insert_with(|| vec![0xEE; size]);
                    decisions.push(record.object);
                }
                ReceiverEvent::Complete(object) => completed.push(object),
                ReceiverEvent::Cancelled { object, fault } => cancelled.push((object, fault)),
                ReceiverEvent::Settled => self.settled.1 = true,
                ReceiverEvent::Failed(fault) => self.receiver_failure = Some(fault),
                _ => {}
            }
        }
        for object in decisions.into_iter().filter(|_| self.options.decides) {
            match self.resumes.get(&object.0) {
                _ if self.skips.contains(&object.0) => self.receiver.decide(object, Decision::Skip),
                Some(missing) => self.receiver.decide(object, Decision::Resume(missing)),
                None => self.receiver.decide(object, Decision::Go),
            }
        }
        for (object, fault) in cancelled {
            self.receiver.handle_result(object, Some(fault));
        }
        completed
    }

    fn finish(&mut self, object: ObjectId) {
        assert!(self.complete.insert(object.0), "completed twice");
        self.receiver.handle_result(object, None);
    }

    fn write(&mut self, block: Block<'_>) {
        match block {
            Block::Bytes {
                object,
                offset,
                bytes,
            } => {
                let file = self
                    .delivered
                    .get_mut(&object.0)
                    .expect("bytes of an object that was offered");
                file[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
                self.written(bytes.len() as u64);
            }
            Block::Zeros {
                object,
                offset,
                length,
            } => {
                let file = self
                    .delivered
                    .get_mut(&object.0)
                    .expect("bytes of an object that was offered");
                file[offset as usize..(offset + length) as usize].fill(0);
            }
            Block::Whole { record, bytes } => {
                assert!(
                    self.delivered
                        .insert(record.object.0, bytes.to_vec())
                        .is_none()
                );
                self.written(bytes.len() as u64);
                self.finish(record.object);
            }
        }
    }

    fn written(&mut self, bytes: u64) {
        if self.options.write_rate == u64::MAX {
            self.receiver.handle_written(bytes);
            return;
        }
        self.write_free_at = self.write_free_at.max(self.now.as_micros());
        self.write_free_at += bytes * 8_000_000 / self.options.write_rate;
        self.writes.push_back((self.write_free_at, bytes));
        let outstanding = self.writes.iter().map(|&(_, bytes)| bytes).sum();
        self.most_outstanding = self.most_outstanding.max(outstanding);
    }

    pub(crate) fn assert_delivered(&self, object: u32) {
        let file = &self.source.files[object as usize - 1];
        if !self.skips.contains(&object) {
            assert!(
                self.complete.contains(&object),
                "object {object} did not complete by {:?}",
                self.now
            );
            assert!(
                self.delivered.get(&object) == Some(file),
                "object {object} differs"
            );
        }
        assert_eq!(
            self.results.get(&object),
            Some(&None),
            "result of object {object}"
        );
    }

    pub(crate) fn assert_all_delivered(&self) {
        assert_eq!((self.sender_failure, self.receiver_failure), (None, None));
        for object in 1..=self.source.files.len() {
            self.assert_delivered(object as u32);
        }
        assert!(
            self.sender.is_settled() && self.receiver.is_settled(),
            "not settled by {:?}",
            self.now
        );
    }
}
