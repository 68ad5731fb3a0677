//! Noting how the datagrams of a packet train arrive, and telling the sender.
//!
//! A fixed number of places, each for one train of the session: whatever a sender marks its datagrams with,
//! nothing grows, and no more than a few answers of 17 bytes leave for each train.
//!
//! Source: PROTOCOL.md §5.6; repeating each answer twice is our choice, since reports may be lost.

use crate::time::{Duration, Instant};
use crate::trains::{MOST_TRAINS, TrainOutcome, TrainOutcomes};
use crate::wire::{Frame, FrameWriter};

/// A train of which nothing came for this long is over.
const QUIET: Duration = Duration::from_millis(500);
/// An answer is sent this often,
const ANSWERS: u8 = 3;
/// this far apart.
const APART: Duration = Duration::from_millis(100);

/// One train as it arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    received: u8,
    instants: u8,
    first: Instant,
    last: Instant,
    bytes: u32,
    answers: u8,
    answer_at: Instant,
}

impl Arrived {
    const fn is_owed(&self) -> bool {
        self.received > 0 && self.answers < ANSWERS
    }

    fn outcome(&self) -> TrainOutcome {
        TrainOutcome {
            received: self.received,
            instants: self.instants,
            span: self.last.since(self.first),
            bytes: self.bytes,
        }
    }
}

/// All trains of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ArrivedTrains([Arrived; MOST_TRAINS]);

impl ArrivedTrains {
    /// Notes a datagram of `bytes` UDP payload that says it is number `index` of `count` in `train`.
    pub(super) fn on_datagram(
        &mut self,
        now: Instant,
        (train, index, count): (u8, u8, u8),
        bytes: usize,
    ) {
        let Some(arrived) = self.0.get_mut(usize::from(train)) else {
            return;
        };
        if index >= count || arrived.answers > 0 || arrived.received == u8::MAX {
            return;
        }
        if arrived.received == 0 {
            arrived.first = now;
            arrived.last = now;
            arrived.instants = 1;
        } else if now > arrived.last {
            arrived.last = now;
            arrived.instants += 1;
        }
        arrived.received += 1;
        if arrived.instants > 1 {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            arrived.bytes = arrived.bytes.saturating_add(bytes);
        }
        arrived.answer_at = if arrived.received >= count {
            now
        } else {
            now + QUIET
        };
    }

    /// When an answer is owed; `None` if none is.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let owed = self.0.iter().filter(|arrived| arrived.is_owed());
        owed.map(|arrived| arrived.answer_at).min()
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due_at().is_some_and(|at| now >= at)
    }

    /// Puts the answers that are due, as far as they find room.
    pub(super) fn put(&mut self, now: Instant, writer: &mut FrameWriter<'_>) {
        for (train, arrived) in (0..).zip(self.0.iter_mut()) {
            if !arrived.is_owed() || now < arrived.answer_at {
                continue;
            }
            let result = Frame::TrainResult {
                train,
                received: arrived.received,
                instants: arrived.instants,
                first_arrival: arrived.first.wire_clock(),
                last_arrival: arrived.last.wire_clock(),
                bytes: arrived.bytes,
            };
            if writer.push(&result).is_ok() {
                arrived.answers += 1;
                arrived.answer_at = now + APART;
            }
        }
    }

    pub(super) fn outcomes(&self) -> TrainOutcomes {
        let mut outcomes = TrainOutcomes::default();
        for (train, arrived) in (0..).zip(&self.0) {
            if arrived.received > 0 {
                outcomes.note(train, arrived.outcome());
            }
        }
        outcomes
    }
}

#[cfg(test)]
mod tests;
