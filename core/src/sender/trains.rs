//! Sending packet trains to measure the path: bursts of full datagrams, far enough apart that their mean
//! rate stays below what the user allows.
//!
//! Trains go past the pacer on purpose (a paced burst would measure the pacer) and carry nothing that would
//! be sent again. Before them a short wait lets the path MTU and the round trip settle.
//!
//! Source: PROTOCOL.md §5.6; numbers of trains and datagrams are our choice.

use super::{Sender, Transmit};
use crate::crypto::GcmBackend;
use crate::lane;
use crate::time::{Duration, Instant};
use crate::trains::{Bandwidth, TrainOutcome, TrainOutcomes};
use crate::units::BitRate;
use crate::wire::{Frame, FrameWriter, PacketKind};

/// Trains of one measurement.
const TRAINS: u8 = 5;
/// A train takes this much time of the mean rate, within the two bounds below.
const SHARE: Duration = Duration::from_secs(2);
/// Datagrams of the shortest train.
const LEAST_DATAGRAMS: u64 = 16;
/// Datagrams of the longest train.
const MOST_DATAGRAMS: u64 = 200;
/// What the path MTU search gets before the first train, besides three round trips.
const SETTLING: Duration = Duration::from_millis(500);
/// What the last answer gets, besides two late round trips.
const PATIENCE: Duration = Duration::from_secs(2);

/// A measurement under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trains {
    mean_rate: BitRate,
    /// When the next train leaves; `None` before the receiver was heard.
    starts_at: Option<Instant>,
    /// The train that leaves now or next.
    train: u8,
    /// Datagrams of that train sent, and all of them.
    sent: u8,
    count: u8,
    /// When answers are no longer waited for; `None` while trains are left.
    gives_up_at: Option<Instant>,
    outcomes: TrainOutcomes,
    is_over: bool,
}

impl Trains {
    /// Takes an answer about a train that was sent.
    pub(super) fn on_result(&mut self, train: u8, outcome: TrainOutcome) {
        if train < self.train && outcome.instants <= outcome.received {
            self.outcomes.note(train, outcome);
        }
        if self.gives_up_at.is_some() && self.outcomes.has_all(TRAINS) {
            self.is_over = true;
        }
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        self.is_over |= self.gives_up_at.is_some_and(|at| now >= at);
    }

    /// When something is to be done; `None` before the receiver is heard and after the end.
    fn next_at(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        self.gives_up_at.or(self.starts_at)
    }
}

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// Measures the capacity of the path with trains whose mean rate is `mean_rate`.
    ///
    /// The host waits until [`Self::is_measuring`] says no more before it offers objects or ends its offers;
    /// [`Self::bandwidth`] then has the result. A receiver that does not answer costs some seconds.
    pub fn measure(&mut self, mean_rate: BitRate) {
        self.trains = Some(Trains {
            mean_rate,
            starts_at: None,
            train: 0,
            sent: 0,
            count: 0,
            gives_up_at: None,
            outcomes: TrainOutcomes::default(),
            is_over: false,
        });
    }

    /// Whether a measurement has begun and its result is not final yet.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        self.trains.as_ref().is_some_and(|trains| !trains.is_over)
    }

    /// What the trains showed so far; nothing without [`Self::measure`].
    #[must_use]
    pub fn bandwidth(&self) -> Bandwidth {
        self.trains
            .as_ref()
            .map_or_else(Bandwidth::default, |trains| trains.outcomes.bandwidth())
    }

    /// Takes a TRAIN_RESULT.
    pub(super) fn on_train_result(&mut self, frame: &Frame<'_>) {
        if let Some(trains) = &mut self.trains
            && let Frame::TrainResult {
                train,
                received,
                instants,
                first_arrival,
                last_arrival,
                bytes,
            } = *frame
        {
            let span = last_arrival.wrapping_sub(first_arrival);
            let outcome = TrainOutcome {
                received,
                instants,
                span: Duration::from_micros(span.into()),
                bytes,
            };
            trains.on_result(train, outcome);
        }
    }

    /// When the measurement has something to do.
    pub(super) fn next_train_at(&self) -> Option<Instant> {
        let at = self.trains.as_ref()?.next_at()?;
        let is_waiting = self.path.is_proven() && self.sent.has_room_for_upkeep();
        is_waiting.then_some(at)
    }

    /// The datagrams of a train that is due, as many as one call can send.
    pub(super) fn next_train(
        &mut self,
        now: Instant,
        out: &mut [u8],
        most_segments: usize,
    ) -> Option<Transmit> {
        if !self.heard || !self.path.is_proven() {
            return None;
        }
        let size = self.mtu.current();
        let mut trains = self.trains.filter(|trains| !trains.is_over)?;
        self.begin_train(now, &mut trains);
        // What a train uses is not taken from the rate of the session: its mean is kept by waiting.
        let pacer = self.pacer;
        let (mut length, mut segments) = (0, 0);
        while trains.sent < trains.count
            && segments < most_segments.max(1)
            && self.sent.has_room_for_upkeep()
        {
            let Some(room) = out.get_mut(length..) else {
                break;
            };
            let Some(bytes) = self.train_datagram(now, room, size, &trains) else {
                break;
            };
            trains.sent += 1;
            length += bytes;
            segments += 1;
        }
        self.pacer = pacer;
        if trains.count > 0 && trains.sent >= trains.count {
            self.end_train(now, &mut trains, size);
        }
        self.trains = Some(trains);
        (length > 0).then_some(Transmit {
            length,
            segment_size: usize::from(size),
        })
    }

    /// Sets the next train off if its time has come.
    fn begin_train(&self, now: Instant, trains: &mut Trains) {
        let settled_at = now + SETTLING + self.round_trip.smoothed().scaled(3, 1);
        let starts_at = *trains.starts_at.get_or_insert(settled_at);
        if trains.count > 0 || trains.gives_up_at.is_some() || now < starts_at {
            return;
        }
        let wanted = trains.mean_rate.bytes_in(SHARE) / u64::from(self.mtu.current());
        // A window that a train would fill would cut it in two.
        let most = MOST_DATAGRAMS.min(self.sent.window() / 4).max(1);
        let count = wanted.max(LEAST_DATAGRAMS).min(most);
        trains.count = u8::try_from(count).unwrap_or(u8::MAX);
        trains.sent = 0;
        trains.starts_at = Some(now);
    }

    /// The train has left: when the next one does, or how long answers are waited for.
    fn end_train(&self, now: Instant, trains: &mut Trains, size: u16) {
        let bytes = u64::from(trains.count) * u64::from(size);
        let apart = trains
            .mean_rate
            .time_for(bytes)
            .max(Duration::from_millis(100) + self.round_trip.smoothed());
        trains.starts_at = trains.starts_at.map(|started| started + apart);
        trains.train += 1;
        trains.count = 0;
        if trains.train == TRAINS {
            let late = self.round_trip.overdue().scaled(2, 1);
            trains.gives_up_at = Some(now + PATIENCE + late);
        }
    }

    fn train_datagram(
        &mut self,
        now: Instant,
        room: &mut [u8],
        size: u16,
        trains: &Trains,
    ) -> Option<usize> {
        let body = lane::body_of(room, usize::from(size))?;
        let length = body.len();
        if length + lane::PACKET_OVERHEAD < usize::from(size) {
            return None;
        }
        let mut writer = FrameWriter::new(body);
        let mark = Frame::Train {
            train: trains.train,
            index: trains.sent,
            count: trains.count,
        };
        writer.push(&mark).ok()?;
        writer.pad_to(length).ok()?;
        self.dispatch(now, PacketKind::Frames, false, room, length, &[])
    }
}

#[cfg(test)]
mod tests;
