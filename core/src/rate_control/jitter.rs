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
/// Delay that wanders by itself deviates from its mean by this part of its mean above the base, in percent, or more: if it moves
/// evenly, by half. A queue that is drained now and then deviates by less,
const WANDERS_PERCENT: u64 = 30;
/// and leaves the base unseen for longer than this.
const OFTEN: Duration = Duration::from_secs(2);
/// It must have been so for so long, less the time when it was not. What came before the longest is forgotten.
const WANDERS_AFTER: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(10);
/// A longer interval counts as this.
const LONGEST_STEP: Duration = Duration::from_secs(1);
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
    /// How long the delay has come and gone while the path was shared, less how long it has not.
    wandered: Duration,
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
        self.undrained_us
            .min(RANGE_TO_DEVIATION * self.deviation_us())
    }

    fn deviation_us(&self) -> u64 {
        u64::try_from(self.deviation / FRACTIONS).unwrap_or(0)
    }

    /// Takes one interval in which less arrives than the path carries, because of others or because of the delay's own moving.
    pub(super) fn watch_shared(&mut self, interval: Duration, base_us: i64, base_age: Duration) {
        let mean_us = self.mean.unwrap_or(0) / FRACTIONS;
        let level_us = u64::try_from(mean_us.saturating_sub(base_us)).unwrap_or(0);
        let deviates = self.deviation_us() * 100 >= level_us.saturating_mul(WANDERS_PERCENT);
        let step = interval.min(LONGEST_STEP);
        self.wandered = if deviates && base_age < OFTEN {
            (self.wandered + step).min(LONGEST)
        } else {
            self.wandered - step
        };
    }

    /// Whether the delay was seen to move by itself where the path seemed to be shared: that was no queue of others.
    pub(super) fn wanders(&self) -> bool {
        self.wandered >= WANDERS_AFTER
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

    /// So many seconds of a delay of `least_us` to `most_us` above the base, which is seen again each `base_each_ms`.
    fn shared(jitter: &mut Jitter, seconds: u64, (least_us, most_us): (i64, i64), each_ms: u64) {
        for step in 0..seconds * 100 {
            let at_ms = step * 10;
            let wave = (i64::try_from(step % 100).unwrap() - 50).abs();
            let drained = at_ms % each_ms < 50;
            let above_us = least_us + (most_us - least_us) * wave / 50;
            jitter.on_sample(INTERVAL, if drained { 10_000 } else { 10_000 + above_us });
            jitter.watch_shared(
                INTERVAL,
                10_000,
                Duration::from_micros(at_ms % each_ms * 1_000),
            );
        }
    }

    #[test]
    fn delay_that_comes_and_goes_often_moves_by_itself() {
        let mut jitter = Jitter::default();
        shared(&mut jitter, 1, (0, 8_000), 1_000);
        assert!(!jitter.wanders());
        shared(&mut jitter, 4, (0, 8_000), 1_000);
        assert!(jitter.wanders());
        // It is forgotten when the delay has become that of a queue.
        shared(&mut jitter, 20, (4_000, 6_000), 5_000);
        assert!(!jitter.wanders());
    }

    #[test]
    fn a_queue_that_is_drained_now_and_then_does_not_move_by_itself() {
        let mut jitter = Jitter::default();
        shared(&mut jitter, 60, (4_000, 6_000), 1_000);
        assert!(!jitter.wanders());
        // Neither does one that moves far and leaves the base unseen for long.
        shared(&mut jitter, 60, (1_000, 20_000), 5_000);
        assert!(!jitter.wanders());
    }

    #[test]
    fn a_deep_queue_that_a_drain_does_not_empty_is_not_jitter() {
        let mut jitter = wandering(8_000);
        jitter.on_drain(40_000);
        assert_eq!(jitter.range_us(), 0);
    }
}
