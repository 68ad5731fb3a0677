//! The thread that sends: walks the sources, offers them, and hands their bytes to the core when they may leave.

mod describing;
mod judging;
mod observed;
mod offering;
mod sources_after;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Receiver as Items;
use std::time::Instant as HostInstant;

use fasp_core::fault::Fault;
use fasp_core::rate_control::RateLimits;
use fasp_core::sender::{PathTrust, Sender, SenderEvent};
use fasp_core::time::{Duration, Instant};
use fasp_core::units::ObjectId;

use self::observed::Observed;
use super::clock::Clock;
use super::job_count::JobCount;
use super::message::{Command, FileReport, FileVerdict, KeptReport, TransferEvent, TransferReport};
use super::progress::Progress;
use super::wait::{precise_timers, wait};
use super::{CHALLENGE_ROOM, HostSender, Lane, ThreadEnds, Transfer, trusted};
use crate::failure::{Failure, Outcome};
use crate::logging::session_lines::StatisticsFacts;
use crate::storage::after_transfer::{SourceCare, SourceWishes};
use crate::storage::docroot::Docroot;
use crate::storage::selection::Choice;
use crate::storage::source_files::{ReadRules, SourceFiles};
use crate::storage::source_list::SourceNames;
use crate::storage::stored_attributes::SentAttributes;
use crate::storage::waker::Waker;
use crate::storage::walk::{SourceItem, SourceProblem};
use crate::udp::{ReceiveBatch, UdpPort};

/// Bytes of one batch to the kernel.
const BATCH_BYTES: usize = 65_000;
/// Sending rounds are at least this far apart: at high rates the pacer would open for every single datagram, and
/// waking for each costs more than it smooths. What is due meanwhile leaves in one batch, which the receiver's
/// least delay does not notice and its buffers hardly do.
const ROUND: Duration = Duration::from_micros(200);
/// The progress line is refreshed this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// An offered object.
#[derive(Debug)]
struct Offered {
    name: Vec<u8>,
    size: u64,
    /// Or a link: counted and shown nowhere unless it failed.
    is_folder: bool,
    started: Option<HostInstant>,
    present: u64,
    /// The receiver wants nothing or everything.
    compares: bool,
}

/// The sending thread.
#[derive(Debug)]
pub struct Sending {
    sender: Box<HostSender>,
    udp: UdpPort,
    peer: Option<SocketAddr>,
    waker: Waker,
    source: Observed,
    /// Objects whose checks are compared.
    judged: Vec<ObjectId>,
    walk: Items<Result<SourceItem, SourceProblem>>,
    job_count: Option<JobCount>,
    next_item: Option<SourceItem>,
    walk_ended: bool,
    ends: ThreadEnds,
    clock: Clock,
    offered: HashMap<ObjectId, Offered>,
    report: TransferReport,
    first_byte: Option<HostInstant>,
    last_byte: Option<HostInstant>,
    progress_at: Instant,
    unsent: Option<(usize, usize)>,
    care: Option<SourceCare>,
    docroot: Arc<Docroot>,
    finished: bool,
}

impl Sending {
    /// Starts sending `sources` below `docroot`, as far as `choice` wants them; `wishes` deal with them afterwards.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn start(
        lane: Lane,
        docroot: Arc<Docroot>,
        sources: SourceNames,
        choice: Choice,
        wishes: SourceWishes,
        sent: SentAttributes,
    ) -> Outcome<Transfer> {
        let waker = lane.waker.clone();
        Transfer::start(waker, move |ends| {
            match Self::new(lane, docroot, sources, choice, (wishes, sent), ends) {
                Ok(this) => this.run(),
                Err(failure) => TransferReport {
                    failure: Some(failure),
                    ..TransferReport::default()
                },
            }
        })
    }

    fn new(
        lane: Lane,
        docroot: Arc<Docroot>,
        sources: SourceNames,
        choice: Choice,
        (wishes, sent): (SourceWishes, SentAttributes),
        ends: ThreadEnds,
    ) -> Outcome<Self> {
        let clock = Clock::start();
        let docroot = match lane.agreement.preserve().source_access_times {
            true => Arc::new(docroot.quietly()),
            false => docroot,
        };
        let (sealer, opener) = Lane::protection(lane.keys, &lane.agreement, lane.role);
        let mut sender = Box::new(Sender::new(
            &lane.agreement,
            sealer,
            opener,
            PathTrust::Proven,
            clock.now(),
        ));
        sender.limit_silence(lane.silence);
        if let Some(secret) = lane.follow {
            sender.follow_peer(secret, trusted(lane.trusted));
        }
        let rules = ReadRules {
            checksum: lane.agreement.checksum(),
            read_size: lane.block_size,
            ..ReadRules::default()
        };
        let files = SourceFiles::with_rules(Arc::clone(&docroot), lane.waker.clone(), rules)?;
        let count = || {
            let (docroot, waker) = (Arc::clone(&docroot), lane.waker.clone());
            JobCount::start(docroot, wishes.sources.clone(), choice.clone(), waker)
        };
        let job_count = lane.counts_job.then(count).flatten();
        let care = sources_after::start(&docroot, wishes, &lane.waker)?;
        Ok(Self {
            sender,
            udp: lane.udp,
            peer: lane.peer,
            job_count,
            walk: offering::walk_ahead(
                Arc::clone(&docroot),
                sources,
                choice,
                sent,
                lane.waker.clone(),
            )?,
            docroot,
            waker: lane.waker,
            source: Observed::new(files),
            judged: Vec::new(),
            next_item: None,
            walk_ended: false,
            ends,
            clock,
            offered: HashMap::new(),
            report: TransferReport::default(),
            first_byte: None,
            last_byte: None,
            progress_at: clock.now(),
            unsent: None,
            care,
            finished: false,
        })
    }

    fn run(mut self) -> TransferReport {
        precise_timers();
        let mut batch = ReceiveBatch::default();
        let mut out = vec![0; BATCH_BYTES + 512];
        while !self.finished {
            self.take_commands();
            while self.udp.receive(&mut batch) {
                self.take_batch(&mut batch);
            }
            self.waker.drain();
            if let Some(size) = JobCount::take(&mut self.job_count) {
                self.ends.tell(TransferEvent::JobSize(size));
            }
            self.offer();
            let now = self.clock.now();
            self.sender.handle_timeout(now);
            self.take_events();
            self.judge();
            self.take_care_events();
            self.show_progress(now);
            let blocked = !self.transmit(&mut out);
            if !self.finished {
                let now = self.clock.now();
                let deadline = self.sender.poll_timeout();
                let deadline = deadline.map(|at| at.max(now + ROUND));
                wait(&self.udp, &self.waker, blocked, now, deadline);
            }
        }
        self.summary()
    }

    fn take_commands(&mut self) {
        while let Ok(command) = self.ends.commands.try_recv() {
            match command {
                Command::Stop(failure) => self.stop(failure),
                Command::Finish => self.finished = true,
                // For those who receive.
                Command::Allow(_) => {}
                Command::Limits(rate) => self.sender.set_limits(RateLimits {
                    target: rate.target,
                    minimum: rate.minimum,
                    policy: rate.policy,
                }),
            }
        }
    }

    fn stop(&mut self, failure: Failure) {
        if self.report.failure.is_none() {
            self.sender.close(Some(failure.fault));
            self.report.failure = Some(failure);
        }
        let mut out = vec![0; BATCH_BYTES];
        let _ = self.transmit(&mut out);
        self.finished = true;
    }

    fn take_batch(&mut self, batch: &mut ReceiveBatch) {
        for arrived in batch.datagrams() {
            let now = self.clock.at(arrived.at);
            // What was not taken is counted there.
            let _ = self
                .sender
                .handle_datagram_from(now, arrived.source, arrived.bytes);
        }
    }

    /// A client sends where the server told it to, a server where its client has proven to be.
    fn destination(&self) -> Option<SocketAddr> {
        self.peer.or_else(|| self.sender.peer_address())
    }

    fn take_events(&mut self) {
        // Before its end.
        self.tell_begun();
        while self.source.files.has_room_for_checks()
            && let Some(event) = self.sender.poll_event()
        {
            match event {
                SenderEvent::Connected => {
                    if let Some(peer) = self.destination() {
                        self.ends.tell(TransferEvent::Connected(peer));
                    }
                }
                SenderEvent::Moved(moved) => self.ends.tell(TransferEvent::Moved(moved)),
                SenderEvent::Finished { first, last, fault } => {
                    self.range_over(first, last, |this, object| match fault {
                        None => FileVerdict::Delivered,
                        Some(fault) => FileVerdict::Failed(this.failure_of(object, fault)),
                    })
                }
                SenderEvent::Skipped { first, last } => {
                    self.range_over(first, last, |_, _| FileVerdict::Skipped)
                }
                SenderEvent::Resumed { object, present } => {
                    if let Some(offered) = self.offered.get_mut(&object) {
                        offered.present = present;
                        self.ends.tell(TransferEvent::Kept(KeptReport {
                            name: offered.name.clone(),
                            size: offered.size,
                            kept: present,
                            wrong: 0,
                        }));
                    }
                    self.source.files.hash_behind(object);
                }
                SenderEvent::Check(object) => {
                    if let Some(record) = self.sender.check_record() {
                        for check in record.checks() {
                            self.source.files.compare(object, check);
                        }
                    }
                }
                SenderEvent::ChecksEnd {
                    object,
                    compares,
                    present,
                } => {
                    if let Some(offered) = self.offered.get_mut(&object) {
                        (offered.present, offered.compares) = (present, compares);
                        self.source.files.end_checks(object, present, compares);
                        self.judged.push(object);
                    }
                }
                SenderEvent::Settled => self.settle(),
                SenderEvent::Failed(fault) => {
                    self.report
                        .failure
                        .get_or_insert_with(|| Failure::from(fault));
                    self.finished = true;
                }
                _ => {}
            }
        }
    }

    fn tell_begun(&mut self) {
        for object in std::mem::take(&mut self.source.begun) {
            let now = HostInstant::now();
            self.first_byte.get_or_insert(now);
            if let Some(offered) = self.offered.get_mut(&object)
                && offered.started.is_none()
            {
                offered.started = Some(now);
                self.ends
                    .tell(TransferEvent::Started(offered.name.clone(), offered.size));
            }
        }
    }

    /// Our own words if the file failed here, the public ones if it failed there.
    fn failure_of(&self, object: ObjectId, fault: Fault) -> Failure {
        let name = self
            .offered
            .get(&object)
            .map(|offered| offered.name.clone())
            .unwrap_or_default();
        self.own_failure(object, fault)
            .unwrap_or_else(|| super::message::peer_failure(fault, &String::from_utf8_lossy(&name)))
    }

    fn own_failure(&self, object: ObjectId, fault: Fault) -> Option<Failure> {
        let own = self.source.files.failure(object);
        own.filter(|own| own.fault == fault)
    }

    /// The file failed, and not for a reason found here.
    fn failed_there(&self, object: ObjectId, verdict: &FileVerdict) -> bool {
        match verdict {
            FileVerdict::Failed(failure) => self.own_failure(object, failure.fault).is_none(),
            FileVerdict::Delivered | FileVerdict::Skipped => false,
        }
    }

    fn range_over(
        &mut self,
        first: ObjectId,
        last: ObjectId,
        verdict: impl Fn(&Self, ObjectId) -> FileVerdict,
    ) {
        for id in first.0..=last.0 {
            let object = ObjectId(id);
            if self.offered.contains_key(&object) {
                let verdict = verdict(self, object);
                self.over(object, verdict);
            }
        }
    }

    fn over(&mut self, object: ObjectId, verdict: FileVerdict) {
        let Some(offered) = self.offered.remove(&object) else {
            return;
        };
        let peer_gave_up = self.failed_there(object, &verdict);
        self.care_for(object, &verdict);
        let checksum = match verdict {
            FileVerdict::Delivered => self.source.files.checksum_of(object),
            FileVerdict::Skipped | FileVerdict::Failed(_) => None,
        };
        self.source.files.release(object);
        self.last_byte = Some(HostInstant::now());
        if !offered.is_folder || matches!(verdict, FileVerdict::Failed(_)) {
            let totals = &mut self.report.totals;
            match verdict {
                FileVerdict::Delivered => totals.passed += 1,
                FileVerdict::Skipped => totals.skipped += 1,
                FileVerdict::Failed(_) => totals.failed += 1,
            }
        }
        if verdict == FileVerdict::Delivered {
            self.report.bytes += offered.size - offered.present.min(offered.size);
        }
        self.ends.tell(TransferEvent::File(FileReport {
            object: Some(object.0),
            name: offered.name,
            size: offered.size,
            start_byte: offered.present,
            elapsed: offered.started.map(|started| started.elapsed()),
            verdict,
            peer_gave_up,
            is_folder: offered.is_folder,
            checksum,
        }));
    }

    fn show_progress(&mut self, now: Instant) {
        if now < self.progress_at {
            return;
        }
        self.progress_at = now + PROGRESS_INTERVAL;
        let Some((object, done)) = self.source.latest else {
            return;
        };
        let Some(offered) = self.offered.get(&object) else {
            return;
        };
        self.ends.board.write(Progress {
            name: offered.name.clone(),
            done,
            total: offered.size,
            session_bytes: self.sender.statistics().file_bytes_sent,
        });
    }

    /// `false` if the socket has no room.
    fn transmit(&mut self, out: &mut [u8]) -> bool {
        let mut question = [0; CHALLENGE_ROOM];
        let now = self.clock.now();
        while let Some((length, to)) = self.sender.poll_challenge(now, &mut question) {
            let bytes = question.get(..length).unwrap_or_default();
            // One that the socket has no room for is lost like any other.
            let _ = self.udp.send(bytes, length, to);
        }
        let Some(peer) = self.destination() else {
            return true;
        };
        let segments = self.udp.most_segments();
        // After some batches the feedback that came meanwhile is looked at.
        for _ in 0..16 {
            let now = self.clock.now();
            let batch = self.unsent.take().or_else(|| {
                self.sender
                    .poll_transmit(now, out, segments, &mut self.source)
                    .map(|transmit| (transmit.length, transmit.segment_size))
            });
            let Some((length, segment_size)) = batch else {
                return true;
            };
            let bytes = out.get(..length).unwrap_or_default();
            if !self.udp.send(bytes, segment_size, peer) {
                self.unsent = Some((length, segment_size));
                return false;
            }
        }
        self.waker.wake();
        true
    }

    fn summary(&self) -> TransferReport {
        let statistics = self.sender.statistics();
        let elapsed = match (self.first_byte, self.last_byte) {
            (Some(first), Some(last)) => last.duration_since(first),
            _ => std::time::Duration::ZERO,
        };
        TransferReport {
            elapsed,
            refused: statistics.datagrams_refused,
            statistics: StatisticsFacts {
                round_trip: std::time::Duration::from_micros(statistics.round_trip.as_micros()),
                blocks_total: statistics.packets_sent,
                blocks_repeated: statistics.packets_lost,
                bytes_on_wire: statistics.bytes_sent,
                bytes_of_files: statistics.file_bytes_sent,
                elapsed,
            },
            ..self.report.clone()
        }
    }
}
