//! The sending machine: offers objects, sends their bytes at the controller's rate, repeats what is
//! missing, and ends when the receiver has told the result of every object.
//!
//! Here stand its public verbs and the order in which things are sent; what a datagram holds is put
//! together in `assembly`, what comes back is taken in `feedback`. It reads no clock, does no I/O
//! and keeps no file bytes: a repeated block is read again from the [`ObjectSource`].
//!
//! Source: PROTOCOL.md chapters 5 and 6.

mod assembly;
mod checking;
mod events;
mod feedback;
mod object_source;
mod object_window;
mod offering;
mod opening_train;
mod pacer;
mod path;
mod path_mtu;
mod resume_plan;
mod sent_ring;
mod tail_copies;
mod trains;
mod upkeep;

pub use checking::NoRoomForJudgement;
pub use events::SenderEvent;
pub use object_source::{FinishOutcome, ObjectSource, ReadOutcome};
pub use offering::OfferError;

use core::net::SocketAddr;

use heapless::{Deque, Vec};

use crate::control::choices::ResumeLevel;
use crate::crypto::{GcmBackend, Opener, Sealer, SoftwareGcm};
use crate::fault::Fault;
use crate::lane::{Inbound, Outbound};
use crate::negotiation::Agreement;
use crate::path::{NO_ADDRESS, PathGuard};
use crate::rate_control::{RateController, RateLimits, RoundTrip};
use crate::silence::SilenceLimits;
use crate::statistics::SenderStatistics;
use crate::stream::{Incoming, Outgoing};
use crate::time::{Duration, Instant};
use crate::units::ObjectId;

use object_window::ObjectWindow;
use opening_train::OpeningTrain;
use pacer::Pacer;
use path_mtu::{BASE_BYTES, PathMtu};
use resume_plan::ResumePlans;
use sent_ring::SentRing;
use tail_copies::TailCopies;
use trains::Trains;

/// Words of the replay window for the receiver's packets.
const REVERSE_WORDS: usize = 16;
/// Challenges of one moment that are answered.
const PATH_ANSWERS: usize = 4;
/// Bytes a sender may have in flight before the first report tells the receiver's credit.
const FIRST_CREDIT: u64 = 4 << 20;
/// A batch of datagrams never takes longer to send than this.
const BATCH: Duration = Duration::from_micros(250);

/// Datagrams ready to leave: `length` bytes that hold datagrams of `segment_size` bytes each, the last
/// one possibly shorter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Transmit {
    /// Bytes written to the buffer.
    pub length: usize,
    /// Bytes of each datagram but the last.
    pub segment_size: usize,
}

/// Whether the receiver's address has been proven to be the receiver's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PathTrust {
    /// It is the address the control channel comes from.
    Proven,
    /// It is another one: no more than three times what came from it is sent there until it answers
    /// a challenge with these bits, which must be unpredictable.
    Unproven {
        /// Random bits.
        challenge: u64,
    },
}

/// What keeps content from being sent although the pacer is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Blocked {
    /// Nothing: ask the pacer.
    No,
    /// No content is waiting.
    Empty,
    /// The host's storage has the bytes not ready; the host polls again.
    Source,
    /// Packet numbers, credit or the unproven path allow no more; feedback opens it.
    Window,
}

/// A sending machine.
///
/// `PACKETS` (a power of two, 128 at least) bounds the packets in flight, `OBJECTS` the objects offered and
/// not finished, `META` the bytes of records held in each direction.
#[derive(Debug)]
pub struct Sender<
    const PACKETS: usize,
    const OBJECTS: usize,
    const META: usize,
    G: GcmBackend = SoftwareGcm,
> {
    inbound: Inbound<REVERSE_WORDS, G>,
    outbound: Outbound<G>,
    sent: SentRing<PACKETS>,
    copies: TailCopies,
    objects: ObjectWindow<OBJECTS>,
    ready: Deque<ObjectId, OBJECTS>,
    closing: Deque<ObjectId, OBJECTS>,
    plans: ResumePlans,
    meta: Outgoing<META>,
    decide: Incoming<META>,
    decides_each: bool,
    /// The receiver may send checks.
    allows_checks: bool,
    /// Where in the DECIDE stream the CHECK record stands that the host was told of last.
    check_at: Option<u64>,
    offers_ended: bool,
    end_written: bool,
    offered_bytes: u64,
    first_meta_sent: u8,
    rate: RateController,
    pacer: Pacer,
    train: OpeningTrain,
    mtu: PathMtu,
    trains: Option<Trains>,
    round_trip: RoundTrip,
    credit: u64,
    report_sequence: Option<u16>,
    delay_zero: Option<i32>,
    report_delay_zero: Option<u32>,
    marks_seen: u32,
    limited_until: u64,
    blocked: Blocked,
    path: PathGuard,
    /// Where the datagram in hand came from.
    arriving_from: SocketAddr,
    path_answers: Vec<u64, PATH_ANSWERS>,
    pong_due: Option<(u32, Instant)>,
    state_due_at: Instant,
    silence_step_at: Instant,
    /// The lowest unsettled number, and since when it fills the window.
    stuck: (u64, Instant),
    last_heard: Instant,
    silence: SilenceLimits,
    heard: bool,
    close_frames_left: u8,
    closed_with: Option<Fault>,
    failure: Option<Fault>,
    events: Deque<SenderEvent, 8>,
    settled_told: bool,
    statistics: SenderStatistics,
}

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// A machine at the start of a session; `now` begins its time-outs.
    ///
    /// # Panics
    ///
    /// If `PACKETS` is not a power of two or below 128.
    #[must_use]
    pub fn new(
        agreement: &Agreement,
        sealer: Sealer<G>,
        opener: Opener<G>,
        path: PathTrust,
        now: Instant,
    ) -> Self {
        let limits = RateLimits {
            target: agreement.target_rate(),
            minimum: agreement.minimum_rate(),
            policy: agreement.policy(),
        };
        let rate = RateController::new(limits, now);
        let sent = SentRing::new(agreement.packet_window());
        // What is lost in one large datagram must find room in several small ones, even half filled.
        let most = u64::from(BASE_BYTES) * sent.most_parts() / 2;
        let most = match agreement.fixed_datagram() {
            Some(fixed) => fixed,
            None => agreement
                .max_datagram()
                .min(u16::try_from(most).unwrap_or(u16::MAX)),
        };
        Self {
            inbound: Inbound::new(opener, agreement.own_connection()),
            outbound: Outbound::new(sealer, agreement.peer_connection()),
            sent,
            copies: TailCopies::default(),
            objects: ObjectWindow::new(agreement.object_window()),
            ready: Deque::new(),
            closing: Deque::new(),
            plans: ResumePlans::default(),
            meta: Outgoing::new(agreement.metadata_window()),
            decide: Incoming::new(),
            decides_each: agreement.decides_each_object(),
            allows_checks: agreement.resume() >= ResumeLevel::Sparse,
            check_at: None,
            offers_ended: false,
            end_written: false,
            offered_bytes: 0,
            first_meta_sent: 0,
            pacer: Pacer::new(rate.rate(), now),
            train: OpeningTrain::new(rate.opens_with_train(), limits.target, BASE_BYTES),
            rate,
            mtu: PathMtu::new(most, agreement.fixed_datagram(), now),
            trains: None,
            round_trip: RoundTrip::new(),
            credit: FIRST_CREDIT,
            report_sequence: None,
            delay_zero: None,
            report_delay_zero: None,
            marks_seen: 0,
            limited_until: 0,
            blocked: Blocked::No,
            path: match path {
                PathTrust::Proven => PathGuard::proven(),
                PathTrust::Unproven { challenge } => PathGuard::unproven(challenge),
            },
            arriving_from: NO_ADDRESS,
            path_answers: Vec::new(),
            pong_due: None,
            state_due_at: now,
            silence_step_at: now + Duration::from_secs(1),
            stuck: (0, now),
            last_heard: now,
            silence: SilenceLimits::default(),
            heard: false,
            close_frames_left: 0,
            closed_with: None,
            failure: None,
            events: Deque::new(),
            settled_told: false,
            statistics: SenderStatistics::default(),
        }
    }

    /// Writes datagrams that may leave now into `out`: at most `most_segments` of equal size (the last one
    /// may be shorter). Call until `None`, then wait for [`Self::poll_timeout`] or an input.
    ///
    /// `out` should hold at least one largest datagram; file bytes are read from `source` straight into it.
    pub fn poll_transmit<S: ObjectSource>(
        &mut self,
        now: Instant,
        out: &mut [u8],
        most_segments: usize,
        source: &mut S,
    ) -> Option<Transmit> {
        if self.failure.is_some() {
            let length = self.next_close(now, out)?;
            return Some(Transmit {
                length,
                segment_size: length,
            });
        }
        loop {
            let floor = self.sent.floor();
            let transmit = self.next_batch(now, out, most_segments, source);
            // What turned out not to be wanted any more may have made room for something else.
            if transmit.is_some() || self.sent.floor() == floor {
                return transmit;
            }
        }
    }

    fn next_batch<S: ObjectSource>(
        &mut self,
        now: Instant,
        out: &mut [u8],
        most_segments: usize,
        source: &mut S,
    ) -> Option<Transmit> {
        self.blocked = Blocked::No;
        self.watch_floor(now);
        self.pacer.set_rate(self.rate.rate(), now);
        self.flush_closing(source);
        if let Some(length) = self.next_probe(now, out) {
            return Some(Transmit {
                length,
                segment_size: length,
            });
        }
        if let Some(transmit) = self.next_train(now, out, most_segments) {
            return Some(transmit);
        }
        let most_bytes = usize::try_from(self.rate.rate().bytes_in(BATCH)).unwrap_or(usize::MAX);
        let limit = usize::from(self.mtu.current());
        let (mut length, mut segments, mut segment_size) = (0, 0, 0);
        while segments < most_segments
            && (segments < 2 || length < most_bytes || self.train.is_open(now))
        {
            let Some(room) = out.get_mut(length..).filter(|room| room.len() >= limit) else {
                break;
            };
            let Some(bytes) = self.next_datagram(now, room, limit, segments == 0, source) else {
                break;
            };
            length += bytes;
            segments += 1;
            self.train
                .on_datagram(now, self.sent.next() - 1, bytes == limit);
            segment_size = segment_size.max(bytes);
            // Only full datagrams are followed by others of the same size.
            if bytes < limit {
                break;
            }
        }
        (length > 0).then_some(Transmit {
            length,
            segment_size,
        })
    }

    /// The order of sending: what the path needs, what was lost, records and small objects, file bytes.
    fn next_datagram<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        first: bool,
        source: &mut S,
    ) -> Option<usize> {
        if first && let Some(bytes) = self.next_upkeep(now, room) {
            return Some(bytes);
        }
        if !self.may_send_content(now) {
            return None;
        }
        if let Some(bytes) = self.next_lost(now, room, limit, source) {
            return Some(bytes);
        }
        if !self.sent.has_room() {
            return self.window_is_full();
        }
        self.next_frames(now, room, limit, source)
            .or_else(|| self.next_data(now, room, limit, source))
            .or_else(|| self.next_copy(now, room, limit, source))
            .or_else(|| self.nothing_to_send(now))
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_transmit`] has something to do at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.failure.is_some() {
            return (self.close_frames_left > 0).then_some(self.last_heard);
        }
        let mut next = self.silence_step_at;
        next = next.min(if self.may_send_upkeep() && self.owes_answers() {
            self.last_heard
        } else if !self.sent.has_room_for_upkeep() {
            self.stuck_until()
        } else if !self.may_send_upkeep() {
            // Only the peer's next datagram opens an unproven path.
            self.silence_step_at
        } else if !self.path_answers.is_empty() || self.pong_due.is_some() {
            self.last_heard
        } else {
            self.state_due_at
        });
        if let Some(path_at) = self.next_path_at() {
            next = next.min(path_at);
        }
        if self.blocked == Blocked::No
            && let Some(opens_at) = self.pacer.opens_at()
        {
            next = next.min(opens_at);
        }
        if self.blocked == Blocked::Empty && self.wants_copies() {
            next = next.min(self.next_copies_at());
        }
        if self.may_probe()
            && let Some(probe_at) = self.mtu.next_probe_at()
        {
            next = next.min(probe_at);
        }
        if let Some(train_at) = self.next_train_at() {
            next = next.min(train_at);
        }
        Some(next)
    }

    /// Takes new wishes for the running session.
    pub fn set_limits(&mut self, limits: RateLimits) {
        self.rate.set_limits(limits);
        self.blocked = Blocked::No;
    }

    /// Ends the session: tells the receiver a few times, then stays quiet.
    pub fn close(&mut self, fault: Option<Fault>) {
        self.close_frames_left = 3;
        self.closed_with = fault;
        self.failure = Some(self.failure.or(fault).unwrap_or(Fault::UserCancelled));
    }

    /// Goes on as if so many packets had been exchanged in both directions.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, own: u64, peers: u64) {
        self.outbound.skip_to(crate::units::PacketNumber(own));
        self.sent.skip_to(own);
        self.inbound.skip_to(crate::units::PacketNumber(peers));
    }

    /// Counters and measurements.
    #[must_use]
    pub fn statistics(&self) -> SenderStatistics {
        SenderStatistics {
            round_trip: self.round_trip.smoothed(),
            least_round_trip: self.round_trip.least(),
            queueing_delay: Duration::from_micros(self.rate.queue_us()),
            rate: self.rate.rate(),
            competing: self.rate.is_competing(),
            competition_verdicts: self.rate.competition_verdicts(),
            datagram_size: self.mtu.current(),
            ..self.statistics
        }
    }

    /// Whether everything offered has its result and no more will be offered.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.offers_ended && self.end_written && self.objects.is_settled()
    }
}
