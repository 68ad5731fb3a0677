//! The bare host: drives a sender and a receiver of `core` directly, with made-up files and a model disk.
//!
//! It does what a real host must do and nothing else, and checks everything that passes through its hands.

use std::collections::{BTreeMap, VecDeque};

use fasp_core::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use fasp_core::crypto::{CipherSuite, KeySchedule, Role, SessionSecret};
use fasp_core::fault::Fault;
use fasp_core::metadata::{ObjectKind, OpenRecord};
use fasp_core::negotiation::{Agreement, Terms};
use fasp_core::rate_control::RateLimits;
use fasp_core::receiver::{Block, Receiver, ReceiverEvent};
use fasp_core::sender::{
    FinishOutcome, ObjectSource, PathTrust, ReadOutcome, Sender, SenderEvent, Transmit,
};
use fasp_core::statistics::{ReceiverStatistics, SenderStatistics};
use fasp_core::time::Instant;
use fasp_core::units::{BitRate, ConnectionId, ObjectId};

use crate::allocations::{none_in, of_host};
use crate::cheap_seal::CheapSeal;
use crate::checks::{Breaches, Coverage, WireWatch, check_bytes};
use crate::clock::Clock;
use crate::pattern;
use crate::smoltcp_host::Stack;
use crate::storage::{Storage, StorageOptions};

/// Packets in flight: 10 Gbit/s for 600 ms in jumbo datagrams take a third of it.
const PACKETS: usize = 1 << 18;
/// Objects and bytes of records under way: those of the real programs.
const OBJECTS: usize = 1 << 13;
const META: usize = 1 << 18;
const GAPS: usize = 1 << 15;
type SimSender = Sender<PACKETS, OBJECTS, META, CheapSeal>;
type SimReceiver = Receiver<{ PACKETS / 64 }, OBJECTS, GAPS, META, CheapSeal>;

const BATCH_SEGMENTS: usize = 64;

/// What a sender may have under way before it has heard of the receiver's credit.
const FIRST_CREDIT: u64 = 4 << 20;
/// By so much a backlog may exceed the credit: what the machine takes while a report is under way.
const BACKLOG_SLACK: u64 = 1 << 20;

/// What one flow is to do.
#[derive(Clone, Debug)]
pub(crate) struct FlowOptions {
    pub(crate) policy: RatePolicy,
    pub(crate) target_bps: u64,
    pub(crate) minimum_bps: u64,
    /// Size of each file.
    pub(crate) files: Vec<u64>,
    pub(crate) start_us: u64,
    /// Largest datagram, bytes of UDP payload; the size in use is found by probing.
    pub(crate) datagram: u16,
    /// Delay each way in addition to that of the path.
    pub(crate) extra_us: u64,
    pub(crate) storage: StorageOptions,
    /// What is under the machine at both ends.
    pub(crate) stack: Stack,
    /// Wishes that change while the session runs: when, and what from then on.
    pub(crate) changes: Vec<(u64, RateLimits)>,
    pub(crate) sender_clock: Clock,
    pub(crate) receiver_clock: Clock,
}

impl FlowOptions {
    /// Puts both hosts on `stack`; the largest datagram shrinks by what its headers are longer.
    pub(crate) fn put_on(&mut self, stack: Stack) {
        self.datagram = self.datagram + self.stack.header_bytes() - stack.header_bytes();
        self.stack = stack;
    }
}

fn agreement(options: &FlowOptions, sends: bool) -> Agreement {
    let (own, peer) = if sends { (11, 22) } else { (22, 11) };
    let terms = Terms {
        version: 1,
        suite: CipherSuite::Aes128Gcm,
        sends,
        own_connection: ConnectionId::new(own),
        peer_connection: ConnectionId::new(peer),
        target_rate: BitRate(options.target_bps),
        minimum_rate: BitRate(options.minimum_bps),
        policy: options.policy,
        max_datagram: options.datagram,
        fixed_datagram: None,
        report_size: options.datagram.min(1_440),
        resume: ResumeLevel::Restart,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        object_window: OBJECTS as u32,
        packet_window: PACKETS as u32,
        metadata_window: META as u32 / 2,
        peer_max_body: 1 << 20,
        lanes: 1,
        checksum: None,
        split_from: 0,
    };
    Agreement::new(terms).expect("terms within the bounds of the protocol")
}

fn keys() -> KeySchedule {
    let secret = |byte| SessionSecret::new([byte; 32]);
    KeySchedule::new(&secret(1), &secret(2), &[3; 32])
}

/// Files that are not there: every byte follows from its place.
#[derive(Debug)]
struct Source {
    sizes: Vec<u64>,
    path: Vec<u8>,
    now_us: u64,
    newest: (u32, u64),
    newest_read_at: u64,
}

fn record<'a>(object: ObjectId, size: u64, path: &'a mut Vec<u8>) -> OpenRecord<'a> {
    *path = format!("folder/file {}", object.0).into_bytes();
    OpenRecord {
        object,
        path,
        kind: ObjectKind::File,
        size,
        modified_ns: 1,
        accessed_ns: 2,
        mode: 0o644,
    }
}

impl Source {
    fn size(&self, object: ObjectId) -> u64 {
        self.sizes[object.0 as usize - 1]
    }
}

impl ObjectSource for Source {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let end = offset + buffer.len() as u64;
        if (object.0, end) > self.newest {
            self.newest = (object.0, end);
            self.newest_read_at = self.now_us;
        }
        of_host(|| pattern::fill(object.0, offset, buffer));
        ReadOutcome::Filled
    }

    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        FinishOutcome::Unchanged
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        let size = self.size(object);
        Some(of_host(|| record(object, size, &mut self.path)))
    }
}

/// How far a host has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Progress {
    #[default]
    Running,
    Settled,
    Failed(Fault),
}

/// The sending end of one flow.
#[derive(Debug)]
pub(crate) struct SendingHost {
    machine: Box<SimSender>,
    source: Source,
    offered: usize,
    watch: WireWatch,
    clock: Clock,
    /// The changes that are still to come.
    changes: VecDeque<(u64, RateLimits)>,
    pub(crate) progress: Progress,
    pub(crate) results: BTreeMap<u32, Option<Fault>>,
}

impl SendingHost {
    pub(crate) fn new(name: &str, options: &FlowOptions, now_us: u64) -> Self {
        let (sealer, opener) = keys().into_lane(CipherSuite::Aes128Gcm, Role::Client);
        let local_us = options.sender_clock.local(now_us);
        let now = Instant::from_micros(local_us);
        let agreement = agreement(options, true);
        Self {
            machine: Box::new(Sender::new(
                &agreement,
                sealer,
                opener,
                PathTrust::Proven,
                now,
            )),
            source: Source {
                sizes: options.files.clone(),
                path: Vec::new(),
                now_us,
                newest: (0, 0),
                newest_read_at: now_us,
            },
            offered: 0,
            watch: WireWatch::new(
                format!("{name} sender"),
                Some(options.target_bps),
                options.datagram,
                local_us,
            ),
            clock: options.sender_clock.clone(),
            changes: options.changes.iter().copied().collect(),
            progress: Progress::Running,
            results: BTreeMap::new(),
        }
    }

    pub(crate) fn receive(&mut self, now_us: u64, datagram: &mut [u8], breaches: &mut Breaches) {
        let now = Instant::from_micros(self.clock.local(now_us));
        // What is refused is counted by the machine.
        let _ = none_in("sender handle_datagram", breaches, || {
            self.machine.handle_datagram(now, datagram)
        });
    }

    /// What comes before sending: wishes change, time passes, objects are offered, events are taken.
    pub(crate) fn prepare(&mut self, now_us: u64, breaches: &mut Breaches) {
        let local_us = self.clock.local(now_us);
        self.source.now_us = now_us;
        while let Some(&(at_us, limits)) = self.changes.front()
            && at_us <= now_us
        {
            self.changes.pop_front();
            none_in("set_limits", breaches, || self.machine.set_limits(limits));
            self.watch.set_target(limits.target.0, local_us);
        }
        none_in("sender handle_timeout", breaches, || {
            self.machine.handle_timeout(Instant::from_micros(local_us));
        });
        self.offer(breaches);
        self.take_events(breaches);
    }

    /// Writes the next datagrams to `out`; they must be sent.
    pub(crate) fn transmit(
        &mut self,
        now_us: u64,
        out: &mut [u8],
        breaches: &mut Breaches,
    ) -> Option<Transmit> {
        let local_us = self.clock.local(now_us);
        let now = Instant::from_micros(local_us);
        let transmit = none_in("sender poll_transmit", breaches, || {
            self.machine
                .poll_transmit(now, out, BATCH_SEGMENTS, &mut self.source)
        })?;
        for datagram in out[..transmit.length].chunks(transmit.segment_size) {
            self.watch.on_sent(local_us, datagram, breaches);
        }
        Some(transmit)
    }

    fn offer(&mut self, breaches: &mut Breaches) {
        while self.offered < self.source.sizes.len() {
            let Some(object) = self.machine.next_object() else {
                return;
            };
            let mut path = Vec::new();
            if object.0 as usize != self.offered + 1 {
                breaches.add(|| format!("object {} is offered out of order", object.0));
            }
            let record = record(object, self.source.size(object), &mut path);
            let offered = none_in("offer", breaches, || self.machine.offer(&record));
            if offered.is_err() {
                return;
            }
            self.offered += 1;
        }
        none_in("end_offers", breaches, || self.machine.end_offers());
    }

    fn take_events(&mut self, breaches: &mut Breaches) {
        while let Some(event) = none_in("sender poll_event", breaches, || self.machine.poll_event())
        {
            match event {
                SenderEvent::Finished { first, last, fault } => {
                    for id in first.0..=last.0 {
                        if self.results.insert(id, fault).is_some() {
                            breaches.add(|| format!("object {id} has two results"));
                        }
                    }
                }
                SenderEvent::Settled => self.progress = Progress::Settled,
                SenderEvent::Failed(fault) => self.progress = Progress::Failed(fault),
                _ => {}
            }
        }
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        let own = self.machine.poll_timeout().map(Instant::as_micros);
        let own = own.map(|at| self.clock.world(at));
        let change = self.changes.front().map(|change| change.0);
        own.into_iter().chain(change).min()
    }

    pub(crate) fn statistics(&self) -> SenderStatistics {
        self.machine.statistics()
    }

    /// When bytes that had not been sent before were last read, µs.
    pub(crate) const fn newest_read_at(&self) -> u64 {
        self.source.newest_read_at
    }
}

/// The receiving end of one flow.
#[derive(Debug)]
pub(crate) struct ReceivingHost {
    machine: Box<SimReceiver>,
    sizes: Vec<u64>,
    storage: Storage,
    watch: WireWatch,
    open: BTreeMap<u32, Coverage>,
    failed: BTreeMap<u32, Fault>,
    complete: u32,
    completed_at: u64,
    received: u64,
    clock: Clock,
    /// Complete objects that the disk has not made durable yet, and when it will have.
    unsynced: VecDeque<(u64, ObjectId)>,
    /// More waited for the disk than may.
    overran: bool,
    pub(crate) progress: Progress,
}

impl ReceivingHost {
    pub(crate) fn new(name: &str, options: &FlowOptions, now_us: u64) -> Self {
        let (sealer, opener) = keys().into_lane(CipherSuite::Aes128Gcm, Role::Server);
        let local_us = options.receiver_clock.local(now_us);
        let now = Instant::from_micros(local_us);
        let storage = Storage::new(options.storage.clone());
        let agreement = agreement(options, false);
        Self {
            machine: Box::new(Receiver::new(
                &agreement,
                sealer,
                opener,
                storage.buffer(),
                now,
            )),
            sizes: options.files.clone(),
            storage,
            watch: WireWatch::new(format!("{name} receiver"), None, options.datagram, local_us),
            open: BTreeMap::new(),
            failed: BTreeMap::new(),
            complete: 0,
            completed_at: 0,
            received: 0,
            clock: options.receiver_clock.clone(),
            unsynced: VecDeque::new(),
            overran: false,
            progress: Progress::Running,
        }
    }

    pub(crate) fn receive(&mut self, now_us: u64, datagram: &mut [u8], breaches: &mut Breaches) {
        let now = Instant::from_micros(self.clock.local(now_us));
        let arrival = none_in("receiver handle_datagram", breaches, || {
            self.machine.handle_datagram(now, datagram)
        });
        let Ok(arrival) = arrival else {
            return;
        };
        // Records come before the blocks that need them, results after.
        let ended = self.take_events(breaches);
        for block in arrival.blocks() {
            self.take_block(now_us, block, breaches);
        }
        for object in ended {
            self.finish(now_us, object, breaches);
        }
    }

    fn take_block(&mut self, now_us: u64, block: Block<'_>, breaches: &mut Breaches) {
        match block {
            Block::Bytes {
                object,
                offset,
                bytes,
            } => {
                check_bytes(object.0, offset, bytes, breaches);
                self.cover(object, offset, bytes.len() as u64, breaches);
                self.write(now_us, object, bytes.len() as u64, breaches);
            }
            Block::Zeros {
                object,
                offset,
                length,
            } => {
                breaches.add(|| {
                    format!(
                        "object {}: {length} zeros at {offset} were not sent",
                        object.0
                    )
                });
            }
            Block::Whole { record, bytes } => {
                let object = record.object;
                if self.open.insert(object.0, Coverage::default()).is_some() {
                    breaches.add(|| format!("object {} is offered twice", object.0));
                }
                check_bytes(object.0, 0, bytes, breaches);
                self.cover(object, 0, bytes.len() as u64, breaches);
                self.write(now_us, object, bytes.len() as u64, breaches);
                self.finish(now_us, object, breaches);
            }
        }
    }

    fn cover(&mut self, object: ObjectId, offset: u64, length: u64, breaches: &mut Breaches) {
        let size = self.sizes.get(object.0 as usize - 1).copied().unwrap_or(0);
        if offset + length > size {
            breaches.add(|| format!("object {}: bytes beyond its end at {offset}", object.0));
        }
        match self.open.get_mut(&object.0) {
            Some(coverage) => self.received += coverage.add(offset, offset + length),
            None => breaches.add(|| format!("object {}: bytes while it is not open", object.0)),
        }
    }

    fn write(&mut self, now_us: u64, object: ObjectId, length: u64, breaches: &mut Breaches) {
        let fits = self.storage.write(now_us, length);
        let (waiting, credit) = (self.storage.most_waiting(), self.storage.buffer());
        if !self.overran && waiting > credit.max(FIRST_CREDIT) + BACKLOG_SLACK {
            self.overran = true;
            breaches.add(|| format!("{waiting} bytes wait for the disk, credit is {credit}"));
        }
        if !fits && !self.failed.contains_key(&object.0) {
            self.failed.insert(object.0, Fault::NoSpaceLeft);
            none_in("handle_result", breaches, || {
                self.machine.handle_result(object, Some(Fault::NoSpaceLeft));
            });
        }
    }

    fn finish(&mut self, now_us: u64, object: ObjectId, breaches: &mut Breaches) {
        if self.failed.contains_key(&object.0) {
            return;
        }
        let size = self.sizes.get(object.0 as usize - 1).copied().unwrap_or(0);
        match self.open.remove(&object.0) {
            Some(coverage) if coverage.is_complete(size) => {}
            Some(_) => breaches.add(|| format!("object {} completes with bytes missing", object.0)),
            None => breaches.add(|| format!("object {} completes twice", object.0)),
        }
        let synced_at = self.storage.sync(now_us);
        self.unsynced.push_back((synced_at, object));
        self.confirm(now_us, breaches);
    }

    /// Tells the machine of what is durable by now.
    fn confirm(&mut self, now_us: u64, breaches: &mut Breaches) {
        while let Some(&(at_us, object)) = self.unsynced.front()
            && at_us <= now_us
        {
            self.unsynced.pop_front();
            self.complete += 1;
            self.completed_at = now_us;
            none_in("handle_result", breaches, || {
                self.machine.handle_result(object, None);
            });
        }
    }

    /// What comes before sending: the disk has written, time passes, events are taken.
    pub(crate) fn prepare(&mut self, now_us: u64, breaches: &mut Breaches) {
        let local_us = self.clock.local(now_us);
        self.confirm(now_us, breaches);
        let written = self.storage.written(now_us);
        if written > 0 {
            none_in("handle_written", breaches, || {
                self.machine.handle_written(written);
            });
        }
        none_in("receiver handle_timeout", breaches, || {
            self.machine.handle_timeout(Instant::from_micros(local_us));
        });
        for object in self.take_events(breaches) {
            self.finish(now_us, object, breaches);
        }
    }

    /// Writes the next datagram to `out`; it must be sent.
    pub(crate) fn transmit(
        &mut self,
        now_us: u64,
        out: &mut [u8],
        breaches: &mut Breaches,
    ) -> Option<Transmit> {
        let local_us = self.clock.local(now_us);
        let now = Instant::from_micros(local_us);
        let length = none_in("receiver poll_transmit", breaches, || {
            self.machine.poll_transmit(now, out)
        })?;
        self.watch.on_sent(local_us, &out[..length], breaches);
        Some(Transmit {
            length,
            segment_size: length,
        })
    }

    /// Takes what the machine tells and returns the objects that are complete.
    fn take_events(&mut self, breaches: &mut Breaches) -> Vec<ObjectId> {
        let mut complete = Vec::new();
        let mut cancelled = Vec::new();
        while let Some(event) = none_in("receiver poll_event", breaches, || {
            self.machine.poll_event()
        }) {
            match event {
                ReceiverEvent::Offered(record) => {
                    let id = record.object.0;
                    if self.open.insert(id, Coverage::default()).is_some() {
                        breaches.add(|| format!("object {id} is offered twice"));
                    }
                    if record.path != format!("folder/file {id}").as_bytes() {
                        breaches.add(|| format!("object {id} has another name"));
                    }
                }
                ReceiverEvent::Complete(object) => complete.push(object),
                ReceiverEvent::Cancelled { object, fault } => cancelled.push((object, fault)),
                ReceiverEvent::Settled => self.progress = Progress::Settled,
                ReceiverEvent::Failed(fault) => self.progress = Progress::Failed(fault),
                _ => {}
            }
        }
        for (object, fault) in cancelled {
            if self.failed.insert(object.0, fault).is_none() {
                none_in("handle_result", breaches, || {
                    self.machine.handle_result(object, Some(fault));
                });
            }
        }
        complete
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        let own = self.machine.poll_timeout().map(Instant::as_micros);
        let own = own.map(|at| self.clock.world(at));
        let synced = self.unsynced.front().map(|object| object.0);
        let disk = self.storage.next_at().into_iter().chain(synced);
        own.into_iter().chain(disk).min()
    }

    /// Whether the session has ended for both this host and, as far as it knows, the other.
    pub(crate) fn is_over(&self) -> bool {
        match self.progress {
            Progress::Running => false,
            Progress::Settled => self.machine.is_settled(),
            Progress::Failed(_) => true,
        }
    }

    pub(crate) const fn statistics(&self) -> ReceiverStatistics {
        self.machine.statistics()
    }

    /// File bytes that have arrived, each counted once.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// Objects complete, and when the latest was.
    pub(crate) const fn completed(&self) -> (u32, u64) {
        (self.complete, self.completed_at)
    }

    /// The most bytes that waited for the disk at a time.
    pub(crate) const fn most_waiting(&self) -> u64 {
        self.storage.most_waiting()
    }
}
