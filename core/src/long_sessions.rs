//! Sessions that have lasted: packet numbers across the edges of key epochs and of their low 32 bits, the
//! wire clock across its wrap, streams of records many times as long as their buffers.
//!
//! Only tests. What no wrap can disturb is tested with both machines in `tests/pair`.

use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::vec;
use std::vec::Vec;

use crate::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use crate::crypto::{CipherSuite, KeySchedule, Role, SessionSecret};
use crate::metadata::{ObjectKind, OpenRecord};
use crate::negotiation::{Agreement, Terms};
use crate::receiver::{Block, Decision, Receiver, ReceiverEvent};
use crate::sender::{FinishOutcome, ObjectSource, PathTrust, ReadOutcome, Sender, SenderEvent};
use crate::time::{Duration, Instant};
use crate::units::{BitRate, ConnectionId, ObjectId};

const SIZE: u64 = 2_000;
const ONE_WAY: Duration = Duration::from_millis(5);

fn open(object: ObjectId) -> OpenRecord<'static> {
    OpenRecord {
        object,
        path: b"a file with a name of some length",
        kind: ObjectKind::File,
        size: SIZE,
        modified_ns: 0,
        accessed_ns: 0,
        mode: 0,
    }
}

fn byte_at(object: ObjectId, offset: u64) -> u8 {
    object.0.wrapping_mul(7).to_le_bytes()[0].wrapping_add(offset.to_le_bytes()[0])
}

struct Files;

impl ObjectSource for Files {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        for (at, byte) in (offset..).zip(buffer) {
            *byte = byte_at(object, at);
        }
        ReadOutcome::Filled
    }

    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        FinishOutcome::Unchanged
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        Some(open(object))
    }
}

fn agreement(sends: bool) -> Agreement {
    Agreement::new(Terms {
        version: 1,
        suite: CipherSuite::Aes128Cfb,
        sends,
        own_connection: ConnectionId::new(1),
        peer_connection: ConnectionId::new(1),
        target_rate: BitRate(30_000_000),
        minimum_rate: BitRate(0),
        policy: RatePolicy::Fixed,
        max_datagram: 1_472,
        fixed_datagram: None,
        report_size: 1_440,
        resume: ResumeLevel::Attributes,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        object_window: 64,
        packet_window: 1_000,
        metadata_window: 4_354,
        peer_max_body: 1 << 20,
        lanes: 1,
        checksum: None,
        split_from: 0,
    })
    .expect("the terms are within bounds")
}

struct Session {
    sender: Box<Sender<1024, 64, 4_608>>,
    receiver: Box<Receiver<64, 64, 256, 4_608>>,
    now: Instant,
    there: VecDeque<(Instant, Vec<u8>)>,
    back: VecDeque<(Instant, Vec<u8>)>,
    carried: u64,
    filled: BTreeMap<ObjectId, u64>,
    finished: u32,
    settled: (bool, bool),
}

impl Session {
    /// A session whose sender has sent `sent` packets and whose receiver has sent `reports`.
    fn after(sent: u64, reports: u64, now: Instant) -> Self {
        let keys = |role| {
            let secrets = (SessionSecret::new([1; 32]), SessionSecret::new([2; 32]));
            KeySchedule::new(&secrets.0, &secrets.1, &[3; 32])
                .into_lane(CipherSuite::Aes128Cfb, role)
        };
        let (sealer, opener) = keys(Role::Client);
        let path = PathTrust::Proven;
        let mut sender = Box::new(Sender::new(&agreement(true), sealer, opener, path, now));
        let (sealer, opener) = keys(Role::Server);
        let mut receiver = Box::new(Receiver::new(
            &agreement(false),
            sealer,
            opener,
            1 << 20,
            now,
        ));
        if sent > 0 {
            sender.skip_to(sent, reports);
            receiver.skip_to(reports, sent);
        }
        Self {
            sender,
            receiver,
            now,
            there: VecDeque::new(),
            back: VecDeque::new(),
            carried: 0,
            filled: BTreeMap::new(),
            finished: 0,
            settled: (false, false),
        }
    }

    /// Every 23rd datagram is lost.
    fn is_carried(&mut self) -> bool {
        self.carried += 1;
        !self.carried.is_multiple_of(23)
    }

    fn run(&mut self, files: u32) {
        let end = self.now + Duration::from_secs(120);
        while !(self.settled.0 && self.settled.1 && self.receiver.is_settled()) {
            assert!(self.now < end, "{} of {files} finished", self.finished);
            self.turn(files);
            let deadlines = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
            let arrivals = [&self.there, &self.back].map(|way| way.front().map(|(at, _)| *at));
            let next = deadlines.into_iter().chain(arrivals).flatten().min();
            self.now = self.now.max(next.expect("a deadline"));
        }
        assert_eq!(self.finished, files);
        assert!(self.filled.values().all(|&bytes| bytes == SIZE));
    }

    fn turn(&mut self, files: u32) {
        while let Some(mut datagram) = arrived(&mut self.there, self.now) {
            let arrival = self.receiver.handle_datagram(self.now, &mut datagram);
            let blocks: Vec<_> = arrival
                .iter()
                .flat_map(|arrival| arrival.blocks())
                .collect();
            for block in blocks {
                self.write(&block);
            }
            self.receiver_events();
        }
        while let Some(mut datagram) = arrived(&mut self.back, self.now) {
            let taken = self.sender.handle_datagram(self.now, &mut datagram);
            assert!(taken.is_ok(), "{taken:?}");
        }
        while let Some(object) = self.sender.next_object().filter(|object| object.0 <= files) {
            if self.sender.offer(&open(object)).is_err() {
                break;
            }
        }
        if self
            .sender
            .next_object()
            .is_some_and(|object| object.0 > files)
        {
            self.sender.end_offers();
        }
        self.sender.handle_timeout(self.now);
        self.receiver.handle_timeout(self.now);
        self.sender_events();
        self.transmit();
    }

    fn transmit(&mut self) {
        let mut out = vec![0; 1_500];
        while let Some(transmit) = self.sender.poll_transmit(self.now, &mut out, 1, &mut Files) {
            if self.is_carried() {
                let datagram = out[..transmit.length].to_vec();
                self.there.push_back((self.now + ONE_WAY, datagram));
            }
        }
        while let Some(length) = self.receiver.poll_transmit(self.now, &mut out) {
            if self.is_carried() {
                self.back
                    .push_back((self.now + ONE_WAY, out[..length].to_vec()));
            }
        }
    }

    fn write(&mut self, block: &Block<'_>) {
        let &Block::Bytes {
            object,
            offset,
            bytes,
        } = block
        else {
            panic!("{block:?} in a session that decides on each object");
        };
        for (at, &byte) in (offset..).zip(bytes) {
            assert_eq!(byte, byte_at(object, at));
        }
        *self.filled.entry(object).or_default() += bytes.len() as u64;
        self.receiver.handle_written(bytes.len() as u64);
    }

    fn receiver_events(&mut self) {
        while let Some(event) = self.receiver.poll_event() {
            match event {
                ReceiverEvent::Offered(record) => {
                    let object = record.object;
                    self.receiver.decide(object, Decision::Go);
                }
                ReceiverEvent::Complete(object) => self.receiver.handle_result(object, None),
                ReceiverEvent::Settled => self.settled.1 = true,
                ReceiverEvent::Failed(fault) => panic!("the receiver failed: {fault}"),
                _ => {}
            }
        }
    }

    fn sender_events(&mut self) {
        while let Some(event) = self.sender.poll_event() {
            match event {
                SenderEvent::Finished { first, last, fault } => {
                    assert_eq!(fault, None);
                    self.finished += last.0 - first.0 + 1;
                }
                SenderEvent::Settled => self.settled.0 = true,
                SenderEvent::Failed(fault) => panic!("the sender failed: {fault}"),
                _ => {}
            }
        }
    }
}

fn arrived(way: &mut VecDeque<(Instant, Vec<u8>)>, now: Instant) -> Option<Vec<u8>> {
    way.front().filter(|(at, _)| *at <= now)?;
    way.pop_front().map(|(_, datagram)| datagram)
}

#[test]
fn packet_numbers_cross_the_edges_of_epochs_and_of_their_low_half() {
    for edge in [1 << 22, 2 << 22, 1 << 31, 1 << 32, 5 << 32] {
        let now = Instant::from_micros((9 << 32) - 400_000);
        let mut session = Session::after(edge - 700, edge - 100, now);
        session.run(800);
        assert!(session.sender.statistics().packets_sent > 700);
        assert!(session.receiver.statistics().reports > 100);
    }
}

#[test]
fn records_many_times_as_long_as_their_buffers_get_through() {
    let mut session = Session::after(0, 0, Instant::from_micros(0));
    session.run(4_000);
    assert!(session.sender.statistics().packets_lost > 100);
}
