//! The circuit breaker of `fixed`: a path that loses most of what is sent is not sent more of it.
//!
//! A fixed session ignores congestion, so something must end a hopeless one: after ten seconds in which
//! more than half was lost the rate is halved, and again, until what is sent arrives; ten good seconds
//! double it. Source: the idea is RFC 8084; the figures are our choice.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// How long loss must last, and how long it must be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Loss above this, per million, trips.
const TRIPS_ABOVE: u64 = 500_000;
/// Loss below this, per million, is good.
const GOOD_BELOW: u64 = 200_000;

/// How often the rate is halved, and since when loss is what it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CircuitBreaker {
    halvings: u32,
    bad_since: Option<Instant>,
    good_since: Option<Instant>,
}

impl CircuitBreaker {
    /// Takes the loss of about one round trip.
    pub(super) fn on_loss(&mut self, now: Instant, loss_ppm: u64) {
        if loss_ppm > TRIPS_ABOVE {
            self.good_since = None;
            let since = *self.bad_since.get_or_insert(now);
            if now.since(since) >= PATIENCE {
                self.halvings = (self.halvings + 1).min(16);
                self.bad_since = None;
            }
            return;
        }
        self.bad_since = None;
        if loss_ppm < GOOD_BELOW && self.halvings > 0 {
            let since = *self.good_since.get_or_insert(now);
            if now.since(since) >= PATIENCE {
                self.halvings -= 1;
                self.good_since = None;
            }
        } else {
            self.good_since = None;
        }
    }

    /// What is left of `target`.
    pub(super) const fn limit(&self, target: BitRate) -> BitRate {
        BitRate(target.0 >> self.halvings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(breaker: &mut CircuitBreaker, from: u64, seconds: u64, loss_ppm: u64) -> u64 {
        for tenth in 0..=seconds * 10 {
            let now = Instant::from_micros((from * 10 + tenth) * 100_000);
            breaker.on_loss(now, loss_ppm);
        }
        breaker.limit(BitRate(80)).0
    }

    #[test]
    fn a_hopeless_path_halves_the_rate_every_ten_seconds_and_a_good_one_restores_it() {
        let mut breaker = CircuitBreaker::default();
        assert_eq!(after(&mut breaker, 0, 9, 900_000), 80);
        assert_eq!(after(&mut breaker, 9, 1, 900_000), 40);
        assert_eq!(after(&mut breaker, 11, 10, 900_000), 20);
        assert_eq!(after(&mut breaker, 22, 10, 50_000), 40);
        assert_eq!(after(&mut breaker, 33, 10, 50_000), 80);
    }

    #[test]
    fn heavy_random_loss_does_not_trip() {
        let mut breaker = CircuitBreaker::default();
        assert_eq!(after(&mut breaker, 0, 60, 450_000), 80);
    }
}
