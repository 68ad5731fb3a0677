//! An upload: the receiving machine, and the files it fills on the storage.
//!
//! Blocks are written as they come, before the next datagram is taken, so that the machine's view of what is
//! missing is also the storage's. Runs of zero bytes cost the client nothing and may be long: they are written
//! a little at a time, and no datagram is taken meanwhile. What becomes of each file is in `files`.

mod files;

use fasp_core::control::choices::ResumeLevel;
use fasp_core::crypto::{Opener, Sealer};
use fasp_core::fault::Fault;
use fasp_core::metadata::{ObjectKind, OpenRecord};
use fasp_core::negotiation::Agreement;
use fasp_core::receiver::{Block, Receiver, ReceiverEvent};
use fasp_core::sender::Transmit;
use fasp_core::time::{Duration, Instant};
use fasp_core::units::ObjectId;

use super::Ground;
use super::destination::Destination;
use super::outbox::Outbox;
use super::paths::Path;
use super::running::News;
use crate::host::{Event, Host};
use crate::storage::Storage;

/// Bytes that may be on their way to an appliance: what it has taken is written at once.
const CAPACITY: u64 = 1 << 20;
/// Runs of zeros that one datagram can hold.
const MOST_ZERO_RUNS: usize = 64;
/// Zero bytes written in one go, and how many goes a call to [`Receiving::advance`] takes.
const ZEROS: [u8; 512] = [0; 512];
const ZERO_WRITES: usize = 16;
/// A partial is synced after so many new bytes, or after this long with any.
const SYNC_BYTES: u64 = 128 << 10;
const SYNC_INTERVAL: Duration = Duration::from_millis(1_000);

/// A file being received.
#[derive(Debug)]
struct InHand<P> {
    object: ObjectId,
    path: Path,
    size: u64,
    modified_ns: i64,
    partial: P,
    unsaved: u64,
    saved_at: Instant,
}

/// An object as offered, with its place on the storage.
#[derive(Clone, Debug)]
struct Offer {
    object: ObjectId,
    is_folder: bool,
    size: u64,
    modified_ns: i64,
    path: Result<Path, Fault>,
}

impl Offer {
    fn new(record: &OpenRecord<'_>, destination: &Destination) -> Self {
        Self {
            object: record.object,
            is_folder: record.kind == ObjectKind::Directory,
            size: record.size,
            modified_ns: record.modified_ns,
            path: destination.locate(record.path),
        }
    }
}

/// A run of zero bytes that is not written yet.
#[derive(Clone, Copy, Debug)]
struct ZeroRun {
    object: ObjectId,
    at: u64,
    end: u64,
}

/// What an event of the machine says, without what it lends.
enum Told {
    Connected,
    Offered(Offer),
    /// A symbolic link, which this storage does not have.
    Linked(ObjectId),
    Complete(ObjectId),
    Cancelled(ObjectId, Fault),
    Settled,
    Failed(Fault),
    Other,
}

/// How many files ended how, and the bytes of their content that came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) delivered: u32,
    pub(super) failed: u32,
    pub(super) skipped: u32,
    pub(super) bytes: u64,
}

/// A running upload.
#[derive(Debug)]
pub(super) struct Receiving<
    S: Storage,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    receiver: Receiver<WORDS, OBJECTS, GAPS, META>,
    destination: Destination,
    in_hand: heapless::Vec<InHand<S::Partial>, OBJECTS>,
    /// Complete but for zeros that are not written yet.
    completed: heapless::Vec<ObjectId, OBJECTS>,
    zeros: heapless::Deque<ZeroRun, MOST_ZERO_RUNS>,
    /// The session decides on each object.
    decides: bool,
    /// Partials outlive the session.
    keeps: bool,
    /// The client wants files to keep their modification times.
    keeps_times: bool,
    totals: Totals,
    news: News,
}

impl<S: Storage, const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize>
    Receiving<S, WORDS, OBJECTS, GAPS, META>
{
    pub(super) fn new(
        agreement: &Agreement,
        sealer: Sealer,
        opener: Opener,
        destination: Destination,
        now: Instant,
    ) -> Self {
        Self {
            receiver: Receiver::new(agreement, sealer, opener, CAPACITY, now),
            destination,
            in_hand: heapless::Vec::new(),
            completed: heapless::Vec::new(),
            zeros: heapless::Deque::new(),
            decides: agreement.decides_each_object(),
            keeps: agreement.resume() != ResumeLevel::Restart,
            keeps_times: agreement.preserve().modification_times,
            totals: Totals::default(),
            news: News::default(),
        }
    }

    pub(super) const fn totals(&self) -> Totals {
        self.totals
    }

    /// Zeros of the last datagram are not all written.
    pub(super) fn is_behind(&self) -> bool {
        !self.zeros.is_empty()
    }

    /// `true` if the datagram is authentic and was taken.
    pub(super) fn handle_datagram<H: Host>(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) -> bool {
        let Ok(arrival) = self.receiver.handle_datagram(now, datagram) else {
            return false;
        };
        // Records come before the blocks that need them, completions after.
        self.take_events(now, ground, outbox);
        for block in arrival.blocks() {
            self.take_block(now, block, ground, outbox);
        }
        self.finish_completed(ground, outbox);
        true
    }

    fn take_events<H: Host>(
        &mut self,
        now: Instant,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        loop {
            let told = match self.receiver.poll_event() {
                None => return,
                Some(ReceiverEvent::Connected) => Told::Connected,
                Some(ReceiverEvent::Offered(record)) => {
                    Told::Offered(Offer::new(&record, &self.destination))
                }
                Some(ReceiverEvent::Linked(link)) => Told::Linked(link.object),
                Some(ReceiverEvent::Complete(object)) => Told::Complete(object),
                Some(ReceiverEvent::Cancelled { object, fault }) => Told::Cancelled(object, fault),
                Some(ReceiverEvent::Settled) => Told::Settled,
                Some(ReceiverEvent::Failed(fault)) => Told::Failed(fault),
                Some(_) => Told::Other,
            };
            match told {
                Told::Connected => self.news.connected = true,
                Told::Offered(offer) => self.take_offer(now, &offer, ground, outbox),
                Told::Linked(object) => self.receiver.handle_skip(object),
                Told::Complete(object) => {
                    // There are as many places as objects, and each completes once.
                    let _ = self.completed.push(object);
                }
                Told::Cancelled(object, fault) => self.cancelled(object, fault, ground),
                Told::Settled => self.news.settled = true,
                Told::Failed(fault) => self.news.failure = Some(fault),
                Told::Other => {}
            }
        }
    }

    fn take_block<H: Host>(
        &mut self,
        now: Instant,
        block: Block<'_>,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        match block {
            Block::Bytes {
                object,
                offset,
                bytes,
            } => {
                self.totals.bytes = self.totals.bytes.saturating_add(bytes.len() as u64);
                self.write(now, object, offset, bytes, ground, outbox);
                self.receiver.handle_written(bytes.len() as u64);
            }
            Block::Zeros {
                object,
                offset,
                length,
            } => {
                self.totals.bytes = self.totals.bytes.saturating_add(length);
                // As many find room as a datagram can hold, and none is taken before all are written.
                let _ = self.zeros.push_back(ZeroRun {
                    object,
                    at: offset,
                    end: offset.saturating_add(length),
                });
            }
            Block::Whole { record, bytes } => {
                self.totals.bytes = self.totals.bytes.saturating_add(bytes.len() as u64);
                let offer = Offer::new(&record, &self.destination);
                self.take_whole(now, &offer, bytes, ground, outbox);
                self.receiver.handle_written(bytes.len() as u64);
            }
        }
    }

    /// Does what is due, and tells what happened since the last call.
    pub(super) fn advance<H: Host>(
        &mut self,
        now: Instant,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) -> News {
        self.write_zeros(now, ground, outbox);
        self.receiver.handle_timeout(now);
        self.take_events(now, ground, outbox);
        self.finish_completed(ground, outbox);
        self.sync_one(now, ground, outbox);
        // The results that were just given may settle the session.
        self.take_events(now, ground, outbox);
        core::mem::take(&mut self.news)
    }

    fn write_zeros<H: Host>(
        &mut self,
        now: Instant,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        for _ in 0..ZERO_WRITES {
            let Some(mut run) = self.zeros.pop_front() else {
                return;
            };
            let length = usize::try_from(run.end - run.at).unwrap_or(usize::MAX);
            let zeros = ZEROS.get(..length).unwrap_or(&ZEROS);
            if self.write(now, run.object, run.at, zeros, ground, outbox) {
                run.at += zeros.len() as u64;
                if run.at < run.end {
                    // A place has just become free.
                    let _ = self.zeros.push_front(run);
                }
            }
        }
    }

    /// When something is due at the latest.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_behind() {
            return Some(Instant::default());
        }
        let sync = self
            .in_hand
            .iter()
            .filter(|file| self.keeps && file.unsaved > 0);
        let sync = sync.map(|file| file.saved_at + SYNC_INTERVAL);
        self.receiver.poll_timeout().into_iter().chain(sync).min()
    }

    pub(super) fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<Transmit> {
        let length = self.receiver.poll_transmit(now, out)?;
        Some(Transmit {
            length,
            segment_size: length,
        })
    }

    /// The session ends: what can be resumed is kept, and with a fault the client is told a few times.
    pub(super) fn end<H: Host>(
        &mut self,
        now: Instant,
        fault: Option<Fault>,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        // Zeros that were taken and not written count as missing only if the machine's word is not used.
        let trusted = self.zeros.is_empty();
        while let Some(mut file) = self.in_hand.pop() {
            let keep = self.keeps && (!trusted || self.sync(now, &mut file, ground).is_ok());
            ground.storage.abandon(file.partial, keep);
            ground.host.observe(&Event::Failed {
                path: &file.path,
                fault: fault.unwrap_or(Fault::PeerAborted),
            });
        }
        if fault.is_some() {
            self.receiver.close(fault);
        }
    }
}
