//! A delay that does not move: what stands above the base for long without rising or falling is the path, not a queue.
//!
//! Whoever fills a buffer makes it move: Cubic and BBR by their cuts and probes, sessions of ours by their drains. A session that
//! hardly gets anything cannot tell a longer path from the queue of others by draining, for it has nothing to drain; so it waits.

use crate::time::{Duration, Instant};

/// A queue of others moves within so long, or a hundred round trips.
const LONGEST_STILL: Duration = Duration::from_secs(20);
const ROUND_TRIPS: u64 = 100;
/// By no more than this, µs, or one of so many parts of the delay, the delay moves by itself.
const LEAST_MOVE_US: u64 = 500;
const PARTS: u64 = 4;

/// Least and largest delay above the base since it last moved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StillDelay {
    since: Option<Instant>,
    least_us: u64,
    largest_us: u64,
}

impl StillDelay {
    /// Takes the delay above the base that one report tells of, µs.
    pub(super) fn on_report(&mut self, now: Instant, queue_us: u64) {
        let least = self.least_us.min(queue_us);
        let largest = self.largest_us.max(queue_us);
        let moved = largest - least > LEAST_MOVE_US.max(least / PARTS);
        if self.since.is_none() || moved {
            *self = Self {
                since: Some(now),
                least_us: queue_us,
                largest_us: queue_us,
            };
        } else {
            self.least_us = least;
            self.largest_us = largest;
        }
    }

    /// Whether it has not moved for longer than any queue stands still.
    pub(super) fn has_lasted(&self, now: Instant, round_trip: Duration) -> bool {
        let longest = LONGEST_STILL.max(round_trip.scaled(ROUND_TRIPS, 1));
        self.since.is_some_and(|since| now.since(since) >= longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(60);

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    #[test]
    fn a_delay_that_stays_is_the_path() {
        let mut still = StillDelay::default();
        for step in 0..200 {
            still.on_report(at(step * 100), 29_000 + step % 3 * 100);
            assert!(!still.has_lasted(at(step * 100), ROUND_TRIP), "{step}");
        }
        assert!(still.has_lasted(at(20_000), ROUND_TRIP));
        assert!(!still.has_lasted(at(20_000), Duration::from_millis(600)));
    }

    #[test]
    fn a_delay_that_falls_for_a_moment_is_a_queue() {
        let mut still = StillDelay::default();
        for step in 0..600 {
            let queue_us = if step % 150 == 149 { 8_000 } else { 29_000 };
            still.on_report(at(step * 100), queue_us);
            assert!(!still.has_lasted(at(step * 100), ROUND_TRIP), "{step}");
        }
    }
}
