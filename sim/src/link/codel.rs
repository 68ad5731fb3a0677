//! Active queue management by time in the queue (CoDel), with the constants and the law of RFC 8289.
//!
//! One difference: whether the queue is nearly empty is judged when a datagram enters, not when it leaves,
//! because everything that happens to a datagram is decided when it enters.

use super::MICROSECOND;

/// A queue that stays longer than this is a standing one.
const TARGET: u64 = 5_000 * MICROSECOND;
/// So long it may last.
const INTERVAL: u64 = 100_000 * MICROSECOND;
/// A full frame: less than this does not count as a queue.
const FRAME_BYTES: u64 = 1_514;

/// The state of the algorithm.
#[derive(Clone, Debug, Default)]
pub(super) struct CoDel {
    /// When a queue above the target will have lasted for the interval, ps.
    first_above: Option<u64>,
    dropping: bool,
    drop_next: u64,
    count: u64,
    last_count: u64,
}

/// Drops come faster with the square root of their number.
fn control_law(at: u64, count: u64) -> u64 {
    at + (INTERVAL as f64 / (count as f64).sqrt()) as u64
}

impl CoDel {
    /// Whether the datagram that leaves at `now` ps after waiting for `waited` ps, with `behind` bytes
    /// queued when it came, itself included, is dropped instead. Calls come in the order of time.
    pub(super) fn drops(&mut self, now: u64, waited: u64, behind: u64) -> bool {
        let may_drop = self.is_above(now, waited, behind);
        if self.dropping {
            if !may_drop {
                self.dropping = false;
                return false;
            }
            if now < self.drop_next {
                return false;
            }
            self.count += 1;
            self.drop_next = control_law(self.drop_next, self.count);
            return true;
        }
        if !may_drop {
            return false;
        }
        self.dropping = true;
        // A queue that comes back soon is dropped from at the rate that worked last.
        let delta = self.count - self.last_count;
        let recent = now.saturating_sub(self.drop_next) < 16 * INTERVAL;
        self.count = if delta > 1 && recent { delta } else { 1 };
        self.drop_next = control_law(now, self.count);
        self.last_count = self.count;
        true
    }

    fn is_above(&mut self, now: u64, waited: u64, behind: u64) -> bool {
        if waited < TARGET || behind <= FRAME_BYTES {
            self.first_above = None;
            return false;
        }
        let first_above = *self.first_above.get_or_insert(now + INTERVAL);
        now >= first_above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drops among datagrams 1 ms apart that all waited for `waited_ms`, by time in ms.
    fn drops(waited_ms: u64, until_ms: u64) -> Vec<u64> {
        let mut codel = CoDel::default();
        let millisecond = 1_000 * MICROSECOND;
        (0..until_ms)
            .filter(|at| codel.drops(at * millisecond, waited_ms * millisecond, 100_000))
            .collect()
    }

    #[test]
    fn a_short_queue_is_left_alone() {
        assert_eq!(drops(4, 2_000), Vec::<u64>::new());
    }

    #[test]
    fn a_standing_queue_loses_one_after_an_interval_and_more_and_more_often() {
        let drops = drops(20, 1_000);
        // Intervals of 100 ms over the roots of 1, 2, 3.
        assert_eq!(drops[..5], [100, 200, 271, 329, 379]);
        assert!(drops.len() > 12);
    }
}
