//! Delay that varies for reasons of the path: the part of the target delay that must not count as a queue.
//!
//! Source: our choice. Twice the mean change of the standing delay between reports, between half a
//! millisecond (timers, interrupts) and ten.

/// Timers and interrupts.
pub(super) const LEAST_US: u64 = 500;
const MOST_US: u64 = 10_000;

/// Mean change of the delay from report to report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Jitter {
    previous: Option<i64>,
    /// In sixteenths of a µs.
    mean_change: u64,
}

impl Jitter {
    /// Takes the least delay of one interval.
    pub(super) fn on_sample(&mut self, delay_us: i64) {
        if let Some(previous) = self.previous {
            // A step (another route, a burst of others) is not jitter: no change counts for more than the most.
            let change = delay_us.abs_diff(previous).min(2 * MOST_US) * 16;
            self.mean_change = self.mean_change - self.mean_change / 64 + change / 64;
        }
        self.previous = Some(delay_us);
    }

    /// The floor of the target delay, µs.
    pub(super) fn floor_us(&self) -> u64 {
        (self.mean_change / 16 * 2).clamp(LEAST_US, MOST_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_path_has_the_least_floor_and_a_restless_one_more() {
        let mut jitter = Jitter::default();
        for step in 0..500 {
            jitter.on_sample(10_000 + step % 2 * 100);
        }
        assert_eq!(jitter.floor_us(), LEAST_US);
        for step in 0..500 {
            jitter.on_sample(10_000 + step % 2 * 3_000);
        }
        assert!(
            (5_500..=6_000).contains(&jitter.floor_us()),
            "{}",
            jitter.floor_us()
        );
    }
}
