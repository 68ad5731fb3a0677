//! Queueing delay: how far the one-way delay stands above the least one seen lately.
//!
//! Clocks of the two ends need not agree: only differences count.

use crate::time::{Duration, Instant};

/// How long a least delay is remembered; two halves, so between this and half of it.
const MEMORY: Duration = Duration::from_secs(25);

/// Base-delay filter and the standing delay over the last two reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueuingDelay {
    halves: [Option<i64>; 2],
    half_started: Instant,
    previous: Option<i64>,
    queue_us: u64,
}

impl QueuingDelay {
    /// Takes the least one-way delay of one interval and returns the standing queueing delay in µs.
    pub(super) fn on_sample(&mut self, now: Instant, delay_us: i64) -> u64 {
        if now.since(self.half_started) > MEMORY.scaled(1, 2) {
            self.halves = [self.halves[1], None];
            self.half_started = now;
        }
        let standing = self
            .previous
            .map_or(delay_us, |previous| previous.min(delay_us));
        self.previous = Some(delay_us);
        let newest = self.halves[1].map_or(delay_us, |least| least.min(delay_us));
        self.halves[1] = Some(newest);
        let base = self.halves[0].map_or(newest, |older| older.min(newest));
        self.queue_us = u64::try_from(standing - base).unwrap_or(0);
        self.queue_us
    }

    /// The standing queueing delay in µs.
    pub(super) const fn queue_us(&self) -> u64 {
        self.queue_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_interval_is_not_a_queue() {
        let mut delay = QueuingDelay::default();
        let now = Instant::from_micros(0);
        delay.on_sample(now, -5_000);
        assert_eq!(delay.on_sample(now, -1_000), 0);
        assert_eq!(delay.on_sample(now, -2_000), 3_000);
    }

    #[test]
    fn an_old_base_is_forgotten() {
        let mut delay = QueuingDelay::default();
        let mut now = Instant::from_micros(0);
        delay.on_sample(now, 1_000);
        for _ in 0..30 {
            now += Duration::from_secs(1);
            delay.on_sample(now, 9_000);
        }
        assert_eq!(delay.queue_us(), 0);
    }
}
