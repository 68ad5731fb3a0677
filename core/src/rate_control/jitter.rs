//! Delay that varies for reasons of the path: the part of the target delay that must not count as a queue.
//!
//! Quick variation is twice the mean change of the standing delay between reports. Slow variation looks like a queue, but
//! does not go away when less is sent: it is what is left of the delay after a drain, if the delay moves all the time. The queue of
//! others that a drain does not empty stands still.
//! Source: our choice, between half a millisecond (timers, interrupts) and ten.

use crate::time::Duration;

/// Timers and interrupts.
pub(super) const LEAST_US: u64 = 500;
const MOST_US: u64 = 10_000;
/// Mean and mean deviation forget in this time.
const MEMORY_US: i64 = 3_000_000;
/// Delay that moves evenly between nothing and a most: the most by its mean deviation.
const RANGE_TO_DEVIATION: u64 = 5;
/// Fractions of a µs that are kept.
const FRACTIONS: i64 = 1 << 12;

/// Mean change of the delay from report to report, and what drains did not empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Jitter {
    previous: Option<i64>,
    /// In sixteenths of a µs.
    mean_change: u64,
    /// Mean delay and mean deviation from it, in [`FRACTIONS`] of a µs.
    mean: Option<i64>,
    deviation: i64,
    /// Delay that stays although less is sent, µs.
    undrained_us: u64,
}

impl Jitter {
    /// Takes the least delay of one interval.
    pub(super) fn on_sample(&mut self, interval: Duration, delay_us: i64) {
        let share = |difference: i64| {
            let interval_us = i64::try_from(interval.as_micros()).unwrap_or(MEMORY_US);
            difference.saturating_mul(interval_us.min(MEMORY_US)) / MEMORY_US
        };
        let delay = delay_us.saturating_mul(FRACTIONS);
        let mean = *self.mean.get_or_insert(delay);
        let most = i64::try_from(2 * MOST_US).unwrap_or(i64::MAX) * FRACTIONS;
        let distance = delay.saturating_sub(mean).clamp(-most, most);
        self.mean = Some(mean + share(distance));
        self.deviation += share(distance.abs() - self.deviation);
        if let Some(previous) = self.previous {
            // A step (another route, a burst of others) is not jitter: no change counts for more than the most.
            let change = delay_us.abs_diff(previous).min(2 * MOST_US) * 16;
            self.mean_change = self.mean_change - self.mean_change / 64 + change / 64;
        }
        self.previous = Some(delay_us);
    }

    /// Takes the delay above the base that a drain left. Far more than varies by itself is the queue of others.
    pub(super) const fn on_drain(&mut self, left_us: u64) {
        if left_us <= MOST_US {
            let faded = (self.undrained_us * 7 + left_us) / 8;
            self.undrained_us = if left_us > faded { left_us } else { faded };
        }
    }

    /// Whether a delay of `queue_us` above the base may be no queue at all.
    pub(super) const fn may_explain(queue_us: u64) -> bool {
        queue_us <= MOST_US
    }

    /// How far the delay rises by itself, slowly, µs: no smaller queue is known to be one.
    pub(super) fn range_us(&self) -> u64 {
        let deviation_us = u64::try_from(self.deviation / FRACTIONS).unwrap_or(0);
        self.undrained_us.min(RANGE_TO_DEVIATION * deviation_us)
    }

    /// The floor of the target delay, µs.
    pub(super) fn floor_us(&self) -> u64 {
        (self.mean_change / 16 * 2).clamp(LEAST_US, MOST_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(10);

    #[test]
    fn a_quiet_path_has_the_least_floor_and_a_restless_one_more() {
        let mut jitter = Jitter::default();
        for step in 0..500 {
            jitter.on_sample(INTERVAL, 10_000 + step % 2 * 100);
        }
        assert_eq!(jitter.floor_us(), LEAST_US);
        for step in 0..500 {
            jitter.on_sample(INTERVAL, 10_000 + step % 2 * 3_000);
        }
        assert!(
            (5_500..=6_000).contains(&jitter.floor_us()),
            "{}",
            jitter.floor_us()
        );
    }

    /// Half a minute in which the delay wanders between nothing and `most_us` and back each second.
    fn wandering(most_us: i64) -> Jitter {
        let mut jitter = Jitter::default();
        for step in 0..3_000 {
            let share = (step % 100 - 50_i64).abs();
            jitter.on_sample(INTERVAL, 10_000 + most_us * share / 50);
        }
        jitter
    }

    #[test]
    fn delay_that_wanders_is_no_queue_once_drains_have_left_it() {
        let mut jitter = wandering(8_000);
        assert_eq!(jitter.range_us(), 0);
        jitter.on_drain(6_000);
        jitter.on_drain(2_000);
        assert_eq!(jitter.range_us(), 5_500);
        jitter.on_drain(8_000);
        assert_eq!(jitter.range_us(), 8_000);
        for _ in 0..24 {
            jitter.on_drain(0);
        }
        assert!(jitter.range_us() < 500);
    }

    #[test]
    fn a_queue_of_others_that_stands_still_stays_a_queue_though_drains_leave_it() {
        let mut jitter = wandering(400);
        jitter.on_drain(6_000);
        assert!(jitter.range_us() <= 500, "{}", jitter.range_us());
    }

    #[test]
    fn a_deep_queue_that_a_drain_does_not_empty_is_not_jitter() {
        let mut jitter = wandering(8_000);
        jitter.on_drain(40_000);
        assert_eq!(jitter.range_us(), 0);
    }
}
