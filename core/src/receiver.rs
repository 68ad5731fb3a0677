//! The receiving machine: takes datagrams, lends their blocks to the host, reports what is missing, and
//! tells the result of every object.
//!
//! Here stand its public verbs; `intake` takes datagrams apart, `reporting` measures and describes what
//! arrived, `outcomes` tells the sender what becomes of objects. Blocks are never queued here: a datagram
//! that cannot be taken now is not marked as received, so it is asked for again.
//!
//! Source: PROTOCOL.md chapters 5 and 6.

mod arrival;
mod events;
mod intake;
mod object_table;
mod outcomes;
mod path;
mod reporting;
mod trains;
mod upkeep;

pub use arrival::{Arrival, Block};
pub use events::ReceiverEvent;
pub use outcomes::{Decision, NoRoomForChecks};

use core::net::SocketAddr;

use heapless::{Deque, Vec};

use crate::crypto::{GcmBackend, Opener, Sealer, SoftwareGcm};
use crate::fault::Fault;
use crate::lane::{Inbound, Outbound};
use crate::loss::GapList;
use crate::metadata::ByteRange;
use crate::negotiation::Agreement;
use crate::path::{Move, NO_ADDRESS, PathGuard};
use crate::silence::SilenceLimits;
use crate::statistics::ReceiverStatistics;
use crate::stream::{Incoming, Outgoing};
use crate::time::{Duration, Instant};
use crate::trains::Bandwidth;
use crate::units::ObjectId;

use object_table::ObjectTable;
use outcomes::SentDecisions;
use reporting::Reporting;
use trains::ArrivedTrains;

/// Challenges of one moment that are answered.
const PATH_ANSWERS: usize = 4;

/// A receiving machine.
///
/// `WORDS` × 64 packet numbers are remembered, `OBJECTS` objects unfinished, `GAPS` missing ranges of file
/// bytes, `META` bytes of records in each direction.
#[derive(Debug)]
pub struct Receiver<
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
    G: GcmBackend = SoftwareGcm,
> {
    inbound: Inbound<WORDS, G>,
    outbound: Outbound<G>,
    objects: ObjectTable<OBJECTS>,
    gaps: GapList<GAPS>,
    meta: Incoming<META>,
    meta_parsed: u64,
    completed: Deque<ObjectId, OBJECTS>,
    to_tell: Deque<ObjectId, OBJECTS>,
    decide: Outgoing<META>,
    sent_decisions: SentDecisions,
    decides_each: bool,
    reporting: Reporting,
    trains: ArrivedTrains,
    capacity: u64,
    outstanding: u64,
    /// The largest id of an object that was offered.
    offered: u32,
    ended: Option<u32>,
    settled_told: bool,
    path: PathGuard,
    /// Where the datagram in hand came from.
    arriving_from: SocketAddr,
    path_answers: Vec<u64, PATH_ANSWERS>,
    moved: Option<Move>,
    pong_due: Option<(u32, Instant)>,
    ping_due_at: Instant,
    last_heard: Instant,
    silence: SilenceLimits,
    heard: bool,
    close_frames_left: u8,
    closed_with: Option<Fault>,
    failure: Option<Fault>,
    failure_told: bool,
    connected_told: bool,
    statistics: ReceiverStatistics,
}

impl<const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize, G: GcmBackend>
    Receiver<WORDS, OBJECTS, GAPS, META, G>
{
    /// A machine at the start of a session. The host can hold `capacity` file bytes that are not written yet.
    #[must_use]
    pub fn new(
        agreement: &Agreement,
        sealer: Sealer<G>,
        opener: Opener<G>,
        capacity: u64,
        now: Instant,
    ) -> Self {
        let largest = agreement.max_datagram();
        let largest = agreement.fixed_datagram().unwrap_or(largest);
        Self {
            inbound: Inbound::new(opener, agreement.own_connection()),
            outbound: Outbound::new(sealer, agreement.peer_connection()),
            objects: ObjectTable::new(),
            gaps: GapList::new(),
            meta: Incoming::new(),
            meta_parsed: 0,
            completed: Deque::new(),
            to_tell: Deque::new(),
            decide: Outgoing::new(agreement.metadata_window()),
            sent_decisions: SentDecisions::default(),
            decides_each: agreement.decides_each_object(),
            reporting: Reporting::new(agreement.report_size(), largest, now),
            trains: ArrivedTrains::default(),
            capacity,
            outstanding: 0,
            offered: 0,
            ended: None,
            settled_told: false,
            path: PathGuard::proven(),
            arriving_from: NO_ADDRESS,
            path_answers: Vec::new(),
            moved: None,
            pong_due: None,
            ping_due_at: now,
            last_heard: now,
            silence: SilenceLimits::default(),
            heard: false,
            close_frames_left: 0,
            closed_with: None,
            failure: None,
            failure_told: false,
            connected_told: false,
            statistics: ReceiverStatistics::default(),
        }
    }

    /// The host wrote, or threw away, `bytes` of the blocks it was lent: that much more may come.
    pub fn handle_written(&mut self, bytes: u64) {
        self.outstanding = self.outstanding.saturating_sub(bytes);
        self.reporting.on_written(bytes);
    }

    /// The host can now hold `capacity` file bytes that are not written yet.
    pub fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Ends the session: tells the sender a few times, then stays quiet.
    pub fn close(&mut self, fault: Option<Fault>) {
        self.close_frames_left = 3;
        self.closed_with = fault;
        self.failure = Some(self.failure.or(fault).unwrap_or(Fault::UserCancelled));
        self.failure_told = true;
    }

    /// Goes on as if so many packets had been exchanged in both directions.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, own: u64, peers: u64) {
        self.outbound.skip_to(crate::units::PacketNumber(own));
        self.inbound.skip_to(crate::units::PacketNumber(peers));
        self.reporting.skip_to(peers);
    }

    /// What of `object` was not lent out yet, in order; nothing for one that is complete or not known.
    pub fn missing(&self, object: ObjectId) -> impl Iterator<Item = ByteRange> + '_ {
        let entry = self.objects.get(object).unwrap_or_default();
        let rest = (entry.high < entry.size).then_some(ByteRange {
            start: entry.high,
            end: entry.size,
        });
        let gaps = self.gaps.of(object).map(|gap| ByteRange {
            start: gap.start,
            end: gap.end,
        });
        gaps.chain(rest)
    }

    /// Counters.
    #[must_use]
    pub const fn statistics(&self) -> ReceiverStatistics {
        self.statistics
    }

    /// What the packet trains of the sender showed so far; nothing if it sent none.
    #[must_use]
    pub fn bandwidth(&self) -> Bandwidth {
        self.trains.outcomes().bandwidth()
    }

    /// The round trip as the sender tells it; zero while it has not.
    #[must_use]
    pub const fn round_trip(&self) -> Duration {
        self.reporting.round_trip()
    }

    /// Whether the sender has ended its offers, every object has its result, and the sender knows them all.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.all_told() && self.decide.acknowledged() == self.decide.written()
    }

    fn all_told(&self) -> bool {
        self.ended
            .is_some_and(|objects| self.objects.base().0 > objects)
    }

    fn fail(&mut self, fault: Fault) {
        self.failure = self.failure.or(Some(fault));
    }
}
