//! Both machines, their host's storage in memory, and the loop that drives them.

use std::collections::{BTreeMap, BTreeSet};

use fasp_core::crypto::Role;
use fasp_core::fault::Fault;
use fasp_core::metadata::{ByteRange, LinkRecord};
use fasp_core::negotiation::Agreement;
use fasp_core::path::{ChallengeSecret, Move};
use fasp_core::receiver::{Receiver, ReceiverEvent};
use fasp_core::sender::{PathTrust, Sender, SenderEvent};
use fasp_core::time::Instant;
use fasp_core::units::ObjectId;

mod options;
mod storage;

pub(crate) use options::{Options, Server, THIEF};
pub(crate) use storage::Task;

use options::{FIRST_PORT, address, keys, terms};

use crate::link::{Direction, Link};
use crate::source::{Random, Source};

/// Everything.
pub(crate) struct Machines<
    const PACKETS: usize,
    const OBJECTS: usize,
    const META: usize,
    const WORDS: usize,
    const GAPS: usize,
> {
    pub(crate) sender: Box<Sender<PACKETS, OBJECTS, META>>,
    pub(crate) receiver: Box<Receiver<WORDS, OBJECTS, GAPS, META>>,
    pub(crate) source: Source,
    pub(crate) results: BTreeMap<u32, Option<Fault>>,
    pub(crate) sender_failure: Option<Fault>,
    pub(crate) receiver_failure: Option<Fault>,
    pub(crate) most_outstanding: u64,
    /// The receiving host fails these objects as soon as they are offered.
    pub(crate) refused: BTreeSet<u32>,
    pub(crate) moves: Vec<Move>,
    /// The thief begins after this time.
    pub(crate) thief_waits_us: u64,
    /// What the server sends is lost.
    pub(crate) server_is_mute: bool,
    /// Bytes that came from an address, and that went there.
    pub(crate) traffic: BTreeMap<u16, (u64, u64)>,
    options: Options,
    now: Instant,
    forward: Direction,
    backward: Direction,
    offered: u32,
    told: BTreeSet<u32>,
    pub(crate) delivered: BTreeMap<u32, Vec<u8>>,
    complete: BTreeSet<u32>,
    cancelled: BTreeSet<u32>,
    pub(crate) skips: BTreeSet<u32>,
    pub(crate) compares: BTreeSet<u32>,
    /// What the sending host found wrong at the receiver.
    pub(crate) wrong: BTreeMap<u32, Vec<ByteRange>>,
    pub(crate) resumes: BTreeMap<u32, Vec<ByteRange>>,
    tasks: BTreeMap<(u64, u64), Task>,
    tasks_made: u64,
    outstanding: u64,
    write_free_at: u64,
    random: Random,
    settled: (bool, bool),
}

/// Roomy machines.
pub(crate) type World = Machines<4096, 512, 16_384, 1024, 1024>;
/// The smallest that the protocol allows.
pub(crate) type SmallWorld = Machines<128, 16, 4_608, 4, 32>;

impl<
    const PACKETS: usize,
    const OBJECTS: usize,
    const META: usize,
    const WORDS: usize,
    const GAPS: usize,
> Machines<PACKETS, OBJECTS, META, WORDS, GAPS>
{
    pub(crate) fn new(options: Options, link: Link, files: Vec<Vec<u8>>) -> Self {
        let now = Instant::from_micros(options.starts_at_us);
        let link = link.starting_at(options.starts_at_us);
        let path = if options.unproven && options.server == Server::Nobody {
            PathTrust::Unproven { challenge: 77 }
        } else {
            PathTrust::Proven
        };
        let (sealer, opener) = keys().into_lane(options.suite, Role::Client);
        let agreement = Agreement::new(terms(&options, true)).expect("valid terms");
        let mut sender = Box::new(Sender::new(&agreement, sealer, opener, path, now));
        let secret = || ChallengeSecret::new([9; 32]);
        let trusted = Some(
            address(
                &options,
                if options.distrusted {
                    THIEF
                } else {
                    FIRST_PORT
                },
            )
            .ip(),
        );
        if options.server == Server::Sender {
            sender.follow_peer(secret(), trusted);
        }
        let (sealer, opener) = keys().into_lane(options.suite, Role::Server);
        let agreement = Agreement::new(terms(&options, false)).expect("valid terms");
        let mut receiver = Box::new(Receiver::new(
            &agreement,
            sealer,
            opener,
            options.capacity,
            now,
        ));
        if options.server == Server::Receiver {
            receiver.follow_peer(secret(), trusted);
        }
        Self {
            sender,
            receiver,
            source: Source::new(files, link.seed),
            results: BTreeMap::new(),
            sender_failure: None,
            receiver_failure: None,
            most_outstanding: 0,
            refused: BTreeSet::new(),
            moves: Vec::new(),
            thief_waits_us: 0,
            server_is_mute: false,
            traffic: BTreeMap::new(),
            options,
            now,
            forward: Direction::new(&link, 1),
            backward: Direction::new(&link.backward(), 2),
            offered: 0,
            told: BTreeSet::new(),
            delivered: BTreeMap::new(),
            complete: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            skips: BTreeSet::new(),
            compares: BTreeSet::new(),
            wrong: BTreeMap::new(),
            resumes: BTreeMap::new(),
            tasks: BTreeMap::new(),
            tasks_made: 0,
            outstanding: 0,
            write_free_at: 0,
            random: Random(link.seed ^ 0xABCD),
            settled: (false, false),
        }
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.now.as_micros() - self.options.starts_at_us
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
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
        let end = self.options.starts_at_us + seconds * 1_000_000;
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
                idle_turns < 50,
                "time stands still at {:?}: {:?} {:?} {:?}",
                self.now,
                self.sender.poll_timeout(),
                self.receiver.poll_timeout(),
                self.tasks.first_key_value()
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
        while let Some((port, mut datagram)) = self.forward.receive(self.now.as_micros()) {
            if self.arrives(Server::Receiver, port, datagram.len()) {
                self.receive(port, &mut datagram);
            }
        }
        while let Some((port, mut datagram)) = self.backward.receive(self.now.as_micros()) {
            if self.arrives(Server::Sender, port, datagram.len()) {
                let from = address(&self.options, port);
                let _ = self
                    .sender
                    .handle_datagram_from(self.now, from, &mut datagram);
            }
        }
        while let Some(entry) = self.tasks.first_entry()
            && entry.key().0 <= self.now.as_micros()
        {
            let task = entry.remove();
            self.perform(task);
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
            assert!(transmit.segment_size <= usize::from(self.options.max_datagram));
            let port = self.sender.peer_address().map(|at| at.port());
            for datagram in out[..transmit.length].chunks(transmit.segment_size) {
                self.send(Server::Sender, port, datagram);
            }
        }
        while let Some(length) = self.receiver.poll_transmit(self.now, &mut out) {
            assert!(length <= usize::from(self.options.max_datagram));
            let port = self.receiver.peer_address().map(|at| at.port());
            self.send(Server::Receiver, port, &out[..length]);
        }
        while let Some((length, to)) = self.sender.poll_challenge(self.now, &mut out) {
            self.send(Server::Sender, Some(to.port()), &out[..length]);
        }
        while let Some((length, to)) = self.receiver.poll_challenge(self.now, &mut out) {
            self.send(Server::Receiver, Some(to.port()), &out[..length]);
        }
        if std::mem::take(&mut self.source.waits) {
            let delay = 1 + self.source.random.below(3_000);
            self.later(delay, Task::PollSender);
        }
    }

    /// The client's port now.
    pub(crate) fn port(&self) -> u16 {
        if self.options.server == Server::Nobody {
            return FIRST_PORT;
        }
        let moved = |at: &&u64| self.now.as_micros() >= **at + self.options.starts_at_us;
        FIRST_PORT + self.options.moves_at_us.iter().filter(moved).count() as u16
    }

    /// A datagram of the machine that is a server when `server` is leaves, to `port`.
    fn send(&mut self, server: Server, port: Option<u16>, datagram: &[u8]) {
        let now = self.now.as_micros();
        let is_client = self.options.server != Server::Nobody && self.options.server != server;
        let ports = match port {
            _ if is_client && self.options.thief && self.now_us() > self.thief_waits_us => {
                vec![THIEF, self.port()]
            }
            _ if is_client => vec![self.port()],
            Some(port) if !is_client => vec![port],
            // A server that has heard nobody has nowhere to send to.
            _ if self.options.server == server => return,
            _ => vec![self.port()],
        };
        for port in ports {
            let way = match server {
                Server::Sender => &mut self.forward,
                _ => &mut self.backward,
            };
            if self.options.server != server || !self.server_is_mute {
                way.send(now, port, datagram);
            }
            if self.options.server == server {
                self.traffic.entry(port).or_default().1 += datagram.len() as u64;
            }
        }
    }

    /// Whether a datagram with this tag comes to the machine that is a server when `server` is.
    fn arrives(&mut self, server: Server, port: u16, length: usize) -> bool {
        if self.options.server == server {
            self.traffic.entry(port).or_default().0 += length as u64;
            return true;
        }
        // A NAT that has given the client another port knows nothing of the old one.
        self.options.server == Server::Nobody || port == self.port()
    }

    fn next_at(&self) -> Option<u64> {
        let deadlines = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
        let deadlines = deadlines.into_iter().flatten().map(Instant::as_micros);
        let arrivals = [
            self.forward.next_at(),
            self.backward.next_at(),
            self.tasks.keys().next().map(|&(at, _)| at),
        ];
        deadlines.chain(arrivals.into_iter().flatten()).min()
    }

    fn offer(&mut self) {
        while (self.offered as usize) < self.source.files.len() {
            let Some(object) = self.sender.next_object() else {
                return;
            };
            let mut path = Vec::new();
            let record = self.source.record(object, &mut path);
            let link = LinkRecord {
                object,
                path: record.path,
                target: b"../somewhere",
                replaces: object.0 % 2 == 0,
            };
            let offered = if self.source.links.contains(&object.0) {
                self.sender.offer_link(&link)
            } else {
                self.sender.offer(&record)
            };
            if offered.is_err() {
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
                        assert!(self.results.insert(id, None).is_none(), "two results");
                    }
                }
                SenderEvent::Settled => {
                    assert!(!self.settled.0, "settled twice");
                    self.settled.0 = true;
                }
                SenderEvent::Failed(fault) => self.sender_failure = Some(fault),
                SenderEvent::Check(object) => self.compare(object),
                SenderEvent::ChecksEnd { object, .. } => self.later(1, Task::Judge(object)),
                SenderEvent::Moved(moved) => self.moves.push(moved),
                _ => {}
            }
        }
    }

    fn receive(&mut self, port: u16, datagram: &mut [u8]) {
        let from = address(&self.options, port);
        let taken = self.receiver.handle_datagram_from(self.now, from, datagram);
        let Ok(arrival) = taken else {
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
        let mut offered = Vec::new();
        let mut cancelled = Vec::new();
        let mut linked = Vec::new();
        while let Some(event) = self.receiver.poll_event() {
            match event {
                ReceiverEvent::Offered(record) => {
                    assert_eq!(
                        record.path,
                        format!("folder/file {}", record.object.0).as_bytes()
                    );
                    assert!(self.told.insert(record.object.0), "offered twice");
                    let size = record.size as usize;
                    self.delivered
                        .entry(record.object.0)
                        .or_insert_with(|| vec![0xEE; size]);
                    offered.push(record.object);
                }
                ReceiverEvent::Linked(link) => {
                    assert_eq!(
                        (link.target, link.object.0 % 2 == 0),
                        (&b"../somewhere"[..], link.replaces)
                    );
                    assert!(self.told.insert(link.object.0), "offered twice");
                    linked.push(link.object);
                }
                ReceiverEvent::Complete(object) if self.source.links.contains(&object.0) => {}
                ReceiverEvent::Complete(object) => completed.push(object),
                ReceiverEvent::Cancelled { object, fault } => cancelled.push((object, fault)),
                ReceiverEvent::Settled => {
                    assert!(!self.settled.1, "settled twice");
                    self.settled.1 = true;
                }
                ReceiverEvent::Failed(fault) => self.receiver_failure = Some(fault),
                ReceiverEvent::Sending { object, ranges } => {
                    let nothing = ranges.iter().next().is_none();
                    if nothing && self.compares.contains(&object.0) {
                        self.skips.insert(object.0);
                        self.receiver.handle_skip(object);
                    }
                }
                ReceiverEvent::Moved(moved) => self.moves.push(moved),
                _ => {}
            }
        }
        for object in offered {
            if self.refused.contains(&object.0) {
                self.later(0, Task::Result(object, Some(Fault::NoPermissions)));
            } else if self.options.decides {
                let delay = self.storage_delay();
                self.later(delay, Task::Decide(object));
            }
        }
        for object in linked {
            let delay = self.storage_delay();
            self.later(delay, Task::Link(object));
        }
        for (object, fault) in cancelled {
            assert!(self.cancelled.insert(object.0), "cancelled twice");
            assert!(!self.complete.contains(&object.0), "cancelled after all");
            let delay = self.storage_delay();
            self.later(delay, Task::Result(object, Some(fault)));
        }
        completed
    }

    pub(crate) fn is_skipped(&self, object: u32) -> bool {
        self.skips.contains(&object)
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
