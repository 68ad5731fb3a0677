//! Queueing delay: how far the one-way delay stands above the least one seen lately.
//!
//! Clocks of the two ends need not agree: only differences count.

use crate::time::{Duration, Instant};

/// A delay so close to the base, µs, counts as the base seen again.
const NEAR_US: u64 = 500;

/// Base-delay filter and the standing delay over the last two reports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QueuingDelay {
    previous: Option<i64>,
    standing: i64,
    /// The least delay since the path was last found to have changed. It does not grow old: while others keep the queue full it cannot
    /// be seen again.
    base: Option<i64>,
    queue_us: u64,
    /// The least delay since the base was last looked for, and when one close to it was last seen. All who share a queue see it at the
    /// same instant, though they may hold different bases.
    low: Option<i64>,
    low_seen: Instant,
}

impl QueuingDelay {
    /// Takes the least one-way delay of one interval and returns the standing queueing delay in µs.
    pub(super) fn on_sample(&mut self, now: Instant, delay_us: i64) -> u64 {
        self.standing = self
            .previous
            .map_or(delay_us, |previous| previous.min(delay_us));
        self.previous = Some(delay_us);
        let base = self.base.map_or(delay_us, |base| base.min(delay_us));
        self.base = Some(base);
        self.queue_us = u64::try_from(self.standing - base).unwrap_or(0);
        let low = *self.low.get_or_insert(delay_us);
        if self.queue_us <= NEAR_US || delay_us < low.saturating_add(NEAR_US.cast_signed()) {
            self.low = Some(low.min(delay_us));
            self.low_seen = now;
        }
        self.queue_us
    }

    /// The path has changed: what stands now is the base.
    pub(super) fn rebase(&mut self, now: Instant) {
        self.base = Some(self.standing);
        self.queue_us = 0;
        self.low = self.base;
        self.low_seen = now;
    }

    /// The base is looked for: what is seen from now on counts.
    pub(super) const fn look_anew(&mut self) {
        self.low = None;
    }

    /// What stood in the way is gone, though nothing has told so yet.
    pub(super) const fn forget_standing(&mut self) {
        self.previous = None;
        self.queue_us = 0;
    }

    /// The standing queueing delay in µs.
    pub(super) const fn queue_us(&self) -> u64 {
        self.queue_us
    }

    /// The least delay lately, µs against an arbitrary zero.
    pub(super) fn base_us(&self) -> i64 {
        self.base.unwrap_or(0)
    }

    /// How long ago the base, or the least delay since it was last looked for, was seen.
    pub(super) const fn base_age(&self, now: Instant) -> Duration {
        now.since(self.low_seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_interval_is_not_a_queue() {
        let mut delay = QueuingDelay::default();
        let now = Instant::from_micros(0);
        delay.on_sample(now, 1_000);
        assert_eq!(delay.on_sample(now, 9_000), 0);
        assert_eq!(delay.on_sample(now, 9_000), 8_000);
        assert_eq!(delay.on_sample(now, 1_100), 100);
    }

    #[test]
    fn clocks_that_disagree_do_not_make_a_queue() {
        let mut delay = QueuingDelay::default();
        let now = Instant::from_micros(0);
        delay.on_sample(now, -5_000);
        assert_eq!(delay.on_sample(now, -1_000), 0);
        assert_eq!(delay.on_sample(now, -2_000), 3_000);
    }

    #[test]
    fn a_queue_that_stands_for_long_stays_a_queue() {
        let mut delay = QueuingDelay::default();
        let mut now = Instant::from_micros(0);
        delay.on_sample(now, 1_000);
        for _ in 0..60 {
            now += Duration::from_secs(1);
            delay.on_sample(now, 9_000);
        }
        assert_eq!(delay.queue_us(), 8_000);
    }

    #[test]
    fn the_base_grows_old_under_a_queue_and_young_when_it_is_seen() {
        let mut delay = QueuingDelay::default();
        delay.on_sample(Instant::from_micros(0), 1_000);
        for second in 1..8 {
            delay.on_sample(Instant::from_micros(second * 1_000_000), 5_000);
        }
        let now = Instant::from_micros(7_000_000);
        assert!(delay.base_age(now) >= Duration::from_secs(5));
        delay.on_sample(now, 1_200);
        assert_eq!(delay.base_age(now), Duration::ZERO);
    }

    #[test]
    fn after_a_look_the_least_delay_seen_since_makes_the_age() {
        let at = |ms: u64| Instant::from_micros(ms * 1_000);
        let mut delay = QueuingDelay::default();
        delay.on_sample(at(0), 1_000);
        delay.on_sample(at(3_000), 5_000);
        delay.on_sample(at(3_010), 5_000);
        assert_eq!(delay.base_age(at(4_000)), Duration::from_secs(1));
        delay.look_anew();
        // A base of 1 ms that cannot be seen again does not make the others wait.
        delay.on_sample(at(4_000), 4_000);
        assert_eq!(delay.base_age(at(4_000)), Duration::ZERO);
        delay.on_sample(at(5_000), 9_000);
        assert_eq!(delay.base_age(at(5_000)), Duration::from_secs(1));
        delay.on_sample(at(6_000), 4_400);
        assert_eq!(delay.base_age(at(6_000)), Duration::ZERO);
        assert_eq!(delay.base_us(), 1_000);
    }

    #[test]
    fn a_changed_path_has_a_new_base() {
        let mut delay = QueuingDelay::default();
        delay.on_sample(Instant::from_micros(0), 1_000);
        delay.on_sample(Instant::from_micros(10), 101_000);
        delay.on_sample(Instant::from_micros(20), 101_000);
        assert_eq!(delay.queue_us(), 100_000);
        delay.rebase(Instant::from_micros(20));
        assert_eq!(delay.on_sample(Instant::from_micros(30), 101_000), 0);
    }
}
