//! The train that opens a session: full datagrams that leave together, ahead of the pacer.
//!
//! How far apart they arrive tells what the path carries; they hold content like any other, so nothing is wasted.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// Most datagrams of a train.
const LONGEST: u64 = 32;
/// Fewer say too little.
const SHORTEST: u64 = 8;
/// A train is no longer than what the target rate sends in this time.
const TIME_AT_TARGET: Duration = Duration::from_millis(20);

/// Where the train stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpeningTrain {
    left: u64,
    started: Option<Instant>,
    /// Packet numbers `first..end`.
    first: u64,
    end: u64,
    measured: bool,
}

impl OpeningTrain {
    /// A train as long as `target` allows of datagrams of `bytes`; none if not `wanted`.
    pub(super) fn new(wanted: bool, target: BitRate, bytes: u16) -> Self {
        let fits = target.bytes_in(TIME_AT_TARGET) / u64::from(bytes.max(1));
        let left = if wanted && fits >= SHORTEST {
            fits.min(LONGEST)
        } else {
            0
        };
        Self {
            left,
            started: None,
            first: 0,
            end: 0,
            measured: false,
        }
    }

    /// Whether datagrams may leave at `now` whatever the pacer says.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.left > 0 && self.started.is_none_or(|started| started == now)
    }

    /// A datagram with content has left as packet `number`; the train begins with the first full one.
    pub(super) fn on_datagram(&mut self, now: Instant, number: u64, full: bool) {
        if self.left == 0 {
            return;
        }
        if self.started.is_none() && !full {
            self.left -= 1;
            return;
        }
        if self.started.is_none() {
            self.started = Some(now);
            self.first = number;
        }
        if self.started != Some(now) {
            self.left = 0;
            return;
        }
        self.end = number + 1;
        self.left -= 1;
    }

    /// Whether the interval that begins with `first` holds packets of the train.
    pub(super) const fn overlaps(&self, first: u64, largest: u64) -> bool {
        first < self.end && largest >= self.first
    }

    /// Whether its last packet, or a later one, has arrived when `largest` has; also when there is no train.
    pub(super) const fn is_passed(&self, largest: u64) -> bool {
        match self.end {
            0 => self.left == 0,
            end => largest + 1 >= end,
        }
    }

    /// When it left, once: as soon as its last packet has arrived, or what the path carries is `known` before that.
    pub(super) fn take_measured(&mut self, largest: u64, known: bool) -> Option<Instant> {
        if self.measured || !(known || self.is_passed(largest)) {
            return None;
        }
        self.measured = true;
        self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_train_is_open_only_at_the_moment_it_starts_and_until_it_is_complete() {
        let mut train = OpeningTrain::new(true, BitRate(1_000_000_000), 1_200);
        train.on_datagram(at(0), 2, false);
        assert!(train.is_open(at(1)));
        train.on_datagram(at(5), 3, true);
        assert!(train.is_open(at(5)) && !train.is_open(at(6)));
        for number in 4..34 {
            train.on_datagram(at(5), number, true);
        }
        assert!(!train.is_open(at(5)));
        assert!(train.overlaps(33, 40) && !train.overlaps(34, 40) && !train.overlaps(0, 2));
        assert!(!train.is_passed(32) && train.is_passed(33));
        assert_eq!(train.take_measured(32, false), None);
        assert_eq!(train.take_measured(32, true), Some(at(5)));
        assert_eq!(train.take_measured(41, false), None);
    }

    #[test]
    fn a_small_target_rate_has_no_train() {
        let mut train = OpeningTrain::new(true, BitRate(1_000_000), 1_200);
        train.on_datagram(at(5), 0, true);
        assert!(!train.is_open(at(5)));
    }
}
