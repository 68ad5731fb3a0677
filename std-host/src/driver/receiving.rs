//! The thread that receives: datagrams in, blocks to the writer threads, results back.

mod allowance;
mod deciding;
mod linking;
mod machine;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant as HostInstant;

use fasp_core::control::choices::ResumeLevel;
use fasp_core::fault::Fault;
use fasp_core::metadata::{ByteRange, ObjectKind, OpenRecord};
use fasp_core::receiver::{Block, ReceiverEvent};
use fasp_core::time::{Duration, Instant};
use fasp_core::units::ObjectId;

use self::machine::{Agreed, machine};
use super::answers::Answers;
use super::clock::Clock;
use super::message::{Command, FileReport, FileVerdict, TransferEvent, TransferReport};
use super::progress::Progress;
use super::wait::{precise_timers, wait};
use super::write_runs::WriteRuns;
use super::{CHALLENGE_ROOM, HostReceiver, Lane, ThreadEnds, Transfer, trusted};
use crate::failure::{Failure, Outcome};
use crate::logging::session_lines::StatisticsFacts;
use crate::storage::checksum::Checksum;
use crate::storage::stored_attributes::OwnedAttributes;
use crate::storage::write_behind::{Completion, Job, OwnedRecord, WriteBehind, WriteConfig};
use crate::udp::{ReceiveBatch, UdpPort};

/// File bytes that may wait for the disk on a short path.
const LEAST_CAPACITY: u64 = 16 << 20;
/// And on the longest one.
const MOST_CAPACITY: u64 = 1 << 30;
/// The progress line is refreshed this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// A file or folder in hand.
#[derive(Debug)]
struct InHand {
    name: Vec<u8>,
    size: u64,
    /// Or a link: counted and shown nowhere unless it failed.
    is_folder: bool,
    started: HostInstant,
    present: u64,
    received: u64,
    root: Option<[u8; 32]>,
    /// The checksum at the sender; empty if it told none.
    told_checksum: Vec<u8>,
    /// The checksum here.
    checksum: Option<Checksum>,
    /// It is complete, if what is there is right.
    compares: bool,
}

/// The receiving thread.
#[derive(Debug)]
pub struct Receiving {
    receiver: Box<HostReceiver>,
    udp: UdpPort,
    peer: Option<SocketAddr>,
    lane_waker: crate::storage::waker::Waker,
    storage: WriteBehind,
    runs: WriteRuns,
    ends: ThreadEnds,
    clock: Clock,
    in_hand: HashMap<ObjectId, InHand>,
    /// Of the object that is offered next.
    attributes: Option<(ObjectId, Box<OwnedAttributes>)>,
    decides: bool,
    answers: Answers,
    allowance: allowance::Allowance,
    /// What is here is checked before it is relied on.
    checks: bool,
    keep_partial: bool,
    latest: Option<ObjectId>,
    report: TransferReport,
    first_byte: Option<HostInstant>,
    last_byte: Option<HostInstant>,
    progress_at: Instant,
    capacity_at: Instant,
    capacity_bytes: u64,
    unsent: Option<usize>,
    settled: bool,
    finished: bool,
}

impl Receiving {
    /// Starts receiving into the tree of `config`.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn start(lane: Lane, config: WriteConfig) -> Outcome<Transfer> {
        let waker = lane.waker.clone();
        Transfer::start(waker, move |ends| match Self::new(lane, config, ends) {
            Ok(this) => this.run(),
            Err(failure) => TransferReport {
                failure: Some(failure),
                ..TransferReport::default()
            },
        })
    }

    fn new(lane: Lane, config: WriteConfig, ends: ThreadEnds) -> Outcome<Self> {
        let clock = Clock::start();
        let Agreed {
            mut receiver,
            decides,
        } = machine(lane.agreement, lane.keys, lane.role, clock.now());
        receiver.limit_silence(lane.silence);
        if let Some(secret) = lane.follow {
            receiver.follow_peer(secret, trusted(lane.trusted));
        }
        let keep_partial = config.resume_level > ResumeLevel::Restart;
        let checks = config.resume_level > ResumeLevel::Attributes;
        let storage = WriteBehind::start(config, lane.waker.clone())?;
        Ok(Self {
            receiver,
            udp: lane.udp,
            peer: lane.peer,
            lane_waker: lane.waker,
            storage,
            runs: WriteRuns::of(lane.block_size),
            ends,
            clock,
            in_hand: HashMap::new(),
            attributes: None,
            decides,
            answers: Answers::default(),
            allowance: allowance::Allowance::default(),
            checks,
            keep_partial,
            latest: None,
            report: TransferReport::default(),
            first_byte: None,
            last_byte: None,
            progress_at: clock.now(),
            capacity_at: clock.now(),
            capacity_bytes: 0,
            unsent: None,
            settled: false,
            finished: false,
        })
    }

    fn run(mut self) -> TransferReport {
        precise_timers();
        let mut batch = ReceiveBatch::default();
        let mut out = vec![0; 2_048];
        while !self.finished {
            self.take_commands();
            let mut received = 0;
            while received < 64 && self.udp.receive(&mut batch) {
                self.take_batch(&mut batch);
                received += 1;
            }
            if received == 0 {
                self.runs.flush(&self.storage);
            }
            self.lane_waker.drain();
            self.take_completions();
            self.answers.flush(&mut self.receiver);
            let now = self.clock.now();
            self.hold_allowance(now);
            self.receiver.handle_timeout(now);
            self.take_events();
            self.show_progress(now);
            self.grow_capacity(now);
            let blocked = !self.transmit(now, &mut out);
            if received == 0 && !self.finished {
                wait(
                    &self.udp,
                    &self.lane_waker,
                    blocked,
                    now,
                    self.receiver.poll_timeout(),
                );
            }
        }
        self.end()
    }

    fn take_commands(&mut self) {
        while let Ok(command) = self.ends.commands.try_recv() {
            match command {
                Command::Stop(failure) => self.stop(failure),
                Command::Finish => self.finished = true,
                Command::Allow(most) => self.allowance.allow(most, self.clock.now()),
                Command::Limits(_) => {}
            }
        }
    }

    /// Ends before everything is there: tells the sender; what can be resumed is kept.
    fn stop(&mut self, failure: Failure) {
        if self.report.failure.is_none() {
            self.receiver.close(Some(failure.fault));
            self.report.failure = Some(failure);
        }
        let mut out = vec![0; 2_048];
        let now = self.clock.now();
        let _ = self.transmit(now, &mut out);
        self.finished = true;
    }

    fn take_batch(&mut self, batch: &mut ReceiveBatch) {
        for arrived in batch.datagrams() {
            // The delay that the sender is told must not contain our own.
            let now = self.clock.at(arrived.at);
            let Ok(arrival) =
                self.receiver
                    .handle_datagram_from(now, arrived.source, arrived.bytes)
            else {
                continue;
            };
            // Records come before the blocks that need them, completions after.
            let complete = self.take_records();
            for block in arrival.blocks() {
                self.write(block);
            }
            for object in complete {
                self.complete(object);
            }
        }
    }

    fn take_events(&mut self) {
        for object in self.take_records() {
            self.complete(object);
        }
    }

    /// Handles events; returns the objects that are complete once their blocks are written.
    fn take_records(&mut self) -> Vec<ObjectId> {
        let mut complete = Vec::new();
        while let Some(event) = self.receiver.poll_event() {
            match event {
                ReceiverEvent::Offered(record) => {
                    let (object, mut record) = (record.object, OwnedRecord::from(record));
                    let came = self.attributes.take().filter(|(of, _)| *of == object);
                    record.attributes = came.map(|(_, attributes)| attributes);
                    self.offered(object, record);
                }
                ReceiverEvent::Attributes(record) => {
                    let attributes = Box::new(OwnedAttributes::from(record));
                    self.attributes = Some((record.object, attributes));
                }
                ReceiverEvent::Linked(link) => {
                    let (object, link) = (link.object, linking::owned(&link));
                    self.linked(object, link);
                }
                ReceiverEvent::Root {
                    object,
                    root,
                    checksum,
                } => {
                    let (root, checksum) = (*root, checksum.to_vec());
                    if let Some(in_hand) = self.in_hand.get_mut(&object) {
                        in_hand.root = Some(root);
                        in_hand.told_checksum = checksum;
                    }
                }
                ReceiverEvent::Sending { object, ranges } => {
                    let ranges: Vec<ByteRange> = ranges.iter().collect();
                    self.sending(object, ranges);
                }
                ReceiverEvent::Recheck(object) => self.storage.submit(Job::Recheck { object }),
                ReceiverEvent::Complete(object) => complete.push(object),
                ReceiverEvent::Cancelled { object, fault } => self.cancelled(object, fault),
                ReceiverEvent::Connected => {
                    let peer = self.peer.or_else(|| self.receiver.peer_address());
                    if let Some(peer) = peer {
                        self.ends.tell(TransferEvent::Connected(peer));
                    }
                }
                ReceiverEvent::Moved(moved) => self.ends.tell(TransferEvent::Moved(moved)),
                ReceiverEvent::Settled => self.storage.submit(Job::SettleFolders),
                ReceiverEvent::Failed(fault) => self.failed(fault),
                _ => {}
            }
        }
        complete
    }

    fn failed(&mut self, fault: Fault) {
        if self.settled {
            // Everything is delivered and told; how the other side says good-bye changes nothing.
            self.finished = true;
            return;
        }
        self.report
            .failure
            .get_or_insert_with(|| Failure::from(fault));
        self.finished = true;
    }

    fn offered(&mut self, object: ObjectId, record: OwnedRecord) {
        let is_folder = record.kind == ObjectKind::Directory;
        self.take_in_hand(object, &record, is_folder);
        if is_folder {
            self.storage.submit(Job::Whole {
                object,
                record,
                bytes: Vec::new(),
            });
        } else {
            self.ends
                .tell(TransferEvent::Started(record.path.clone(), record.size));
            self.storage.submit(Job::Open { object, record });
        }
    }

    fn take_in_hand(&mut self, object: ObjectId, record: &OwnedRecord, is_folder: bool) {
        let in_hand = InHand {
            name: record.path.clone(),
            size: record.size,
            is_folder,
            started: HostInstant::now(),
            present: 0,
            received: 0,
            root: None,
            told_checksum: Vec::new(),
            checksum: None,
            compares: false,
        };
        self.in_hand.insert(object, in_hand);
    }

    fn write(&mut self, block: Block<'_>) {
        let now = HostInstant::now();
        self.first_byte.get_or_insert(now);
        self.last_byte = Some(now);
        match block {
            Block::Bytes {
                object,
                offset,
                bytes,
            } => {
                if !self.in_hand.contains_key(&object) {
                    self.receiver.handle_written(bytes.len() as u64);
                    return;
                }
                self.runs.add(&self.storage, object, offset, bytes);
                self.note_received(object, bytes.len() as u64);
            }
            Block::Zeros {
                object,
                offset,
                length,
            } => {
                if !self.in_hand.contains_key(&object) {
                    return;
                }
                self.runs.flush_object(&self.storage, object);
                self.storage.submit(Job::Zeros {
                    object,
                    offset,
                    len: length,
                });
                self.note_received(object, length);
            }
            Block::Whole { record, bytes } => self.write_whole(&record, bytes),
        }
    }

    fn write_whole(&mut self, record: &OpenRecord<'_>, bytes: &[u8]) {
        let (object, record) = (record.object, OwnedRecord::from(*record));
        self.take_in_hand(object, &record, false);
        self.ends
            .tell(TransferEvent::Started(record.path.clone(), record.size));
        self.note_received(object, bytes.len() as u64);
        self.storage.submit(Job::Whole {
            object,
            record,
            bytes: bytes.to_vec(),
        });
    }

    fn note_received(&mut self, object: ObjectId, bytes: u64) {
        self.report.bytes = self.report.bytes.saturating_add(bytes);
        self.latest = Some(object);
        if let Some(in_hand) = self.in_hand.get_mut(&object) {
            in_hand.received = in_hand.received.saturating_add(bytes);
        }
    }

    fn complete(&mut self, object: ObjectId) {
        let in_hand = self.in_hand.get_mut(&object);
        if let Some((root, checksum)) = in_hand
            .filter(|in_hand| !in_hand.is_folder)
            .map(|in_hand| (in_hand.root, std::mem::take(&mut in_hand.told_checksum)))
        {
            self.runs.flush_object(&self.storage, object);
            self.storage.submit(Job::Commit {
                object,
                root,
                checksum,
            });
        }
    }

    fn cancelled(&mut self, object: ObjectId, fault: Fault) {
        let forgotten = self.runs.forget(object);
        self.receiver.handle_written(forgotten);
        self.storage.submit(Job::Abandon {
            object,
            keep_partial: false,
        });
        self.receiver.handle_result(object, Some(fault));
        let name = self
            .in_hand
            .get(&object)
            .map(|in_hand| in_hand.name.clone())
            .unwrap_or_default();
        let failure = super::message::peer_failure(fault, &String::from_utf8_lossy(&name));
        self.over(object, FileVerdict::Failed(failure), true);
    }

    fn take_completions(&mut self) {
        while let Some(completion) = self.storage.next_completion() {
            match completion {
                Completion::Written { bytes, .. } => self.receiver.handle_written(bytes),
                Completion::Checked { object, checks } => self.answers.check(object, checks),
                Completion::Decided { object, decision } => self.decided(object, decision),
                Completion::Linked { object, made } => self.link_over(object, made),
                Completion::Summed { object, checksum } => {
                    if let Some(in_hand) = self.in_hand.get_mut(&object) {
                        in_hand.checksum = Some(checksum);
                    }
                }
                Completion::Finished { object, result } => self.file_finished(object, result),
                Completion::FoldersSettled { failures } => {
                    for failure in failures {
                        self.ends.tell(TransferEvent::File(FileReport {
                            object: None,
                            name: Vec::new(),
                            size: 0,
                            start_byte: 0,
                            elapsed: None,
                            verdict: FileVerdict::Failed(failure),
                            peer_gave_up: false,
                            is_folder: true,
                            checksum: None,
                        }));
                        self.report.totals.failed += 1;
                    }
                    self.settle();
                }
            }
        }
    }

    fn settle(&mut self) {
        self.settled = true;
        let report = self.summary();
        self.ends.tell(TransferEvent::Settled(report));
    }

    fn file_finished(&mut self, object: ObjectId, result: Result<(), Failure>) {
        let forgotten = self.runs.forget(object);
        self.receiver.handle_written(forgotten);
        self.receiver
            .handle_result(object, result.as_ref().err().map(|failure| failure.fault));
        self.over(
            object,
            result.map_or_else(FileVerdict::Failed, |()| FileVerdict::Delivered),
            false,
        );
    }

    fn over(&mut self, object: ObjectId, verdict: FileVerdict, peer_gave_up: bool) {
        let Some(in_hand) = self.in_hand.remove(&object) else {
            return;
        };
        if !in_hand.is_folder || matches!(verdict, FileVerdict::Failed(_)) {
            let totals = &mut self.report.totals;
            match verdict {
                FileVerdict::Delivered => totals.passed += 1,
                FileVerdict::Skipped => totals.skipped += 1,
                FileVerdict::Failed(_) => totals.failed += 1,
            }
        }
        self.ends.tell(TransferEvent::File(FileReport {
            object: Some(object.0),
            name: in_hand.name,
            size: in_hand.size,
            start_byte: in_hand.present,
            elapsed: Some(in_hand.started.elapsed()),
            checksum: in_hand
                .checksum
                .filter(|_| verdict == FileVerdict::Delivered),
            verdict,
            peer_gave_up,
            is_folder: in_hand.is_folder,
        }));
    }

    fn show_progress(&mut self, now: Instant) {
        if now < self.progress_at {
            return;
        }
        self.progress_at = now + PROGRESS_INTERVAL;
        let Some(in_hand) = self.latest.and_then(|object| self.in_hand.get(&object)) else {
            return;
        };
        self.ends.board.write(Progress {
            name: in_hand.name.clone(),
            done: in_hand.present + in_hand.received,
            total: in_hand.size,
            session_bytes: self.report.bytes,
        });
    }

    /// A long fast path needs more credit than a short one: two round trips of what arrives.
    fn grow_capacity(&mut self, now: Instant) {
        let span = now.since(self.capacity_at);
        if span < Duration::from_millis(100) {
            return;
        }
        let bytes = self.report.bytes - self.capacity_bytes;
        self.capacity_at = now;
        self.capacity_bytes = self.report.bytes;
        let round_trip = self.receiver.round_trip().as_micros();
        let path = bytes.saturating_mul(4 * round_trip) / span.as_micros().max(1);
        self.receiver
            .set_capacity(path.clamp(LEAST_CAPACITY, MOST_CAPACITY));
    }

    /// `false` if the socket has no room.
    fn transmit(&mut self, now: Instant, out: &mut [u8]) -> bool {
        let mut question = [0; CHALLENGE_ROOM];
        while let Some((length, to)) = self.receiver.poll_challenge(now, &mut question) {
            let bytes = question.get(..length).unwrap_or_default();
            // One that the socket has no room for is lost like any other.
            let _ = self.udp.send(bytes, length, to);
        }
        // A client sends where the server told it to, a server where its client has proven to be.
        let peer = self.peer.or_else(|| self.receiver.peer_address());
        let Some(peer) = peer else { return true };
        loop {
            let length = self
                .unsent
                .take()
                .or_else(|| self.receiver.poll_transmit(now, out));
            let Some(length) = length else { return true };
            let datagram = out.get(..length).unwrap_or_default();
            if !self.udp.send(datagram, length, peer) {
                self.unsent = Some(length);
                return false;
            }
        }
    }

    fn summary(&self) -> TransferReport {
        let statistics = self.receiver.statistics();
        let elapsed = match (self.first_byte, self.last_byte) {
            (Some(first), Some(last)) => last.duration_since(first),
            _ => std::time::Duration::ZERO,
        };
        TransferReport {
            elapsed,
            refused: statistics.datagrams_refused,
            statistics: StatisticsFacts {
                round_trip: std::time::Duration::from_micros(
                    self.receiver.round_trip().as_micros(),
                ),
                blocks_total: statistics.packets_received,
                blocks_repeated: 0,
                bytes_on_wire: statistics.bytes_received,
                bytes_of_files: statistics.file_bytes_received,
                elapsed,
            },
            ..self.report.clone()
        }
    }

    fn end(mut self) -> TransferReport {
        self.runs.flush(&self.storage);
        self.take_completions();
        let mut report = self.summary();
        let unfinished = self
            .in_hand
            .values()
            .filter(|in_hand| !in_hand.is_folder)
            .count();
        report.totals.failed += unfinished as u64;
        let keep_partial = self.keep_partial;
        let _ = self.storage.stop(keep_partial);
        report
    }
}
