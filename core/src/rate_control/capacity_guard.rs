//! Losing without queueing: tells a full path from a path that loses at random.
//!
//! Random loss takes the same part of every rate; a shallow buffer or a policer lets no more than
//! its rate through. So when the rate grew and the delivery did not follow, the lower rate becomes a cap,
//! which is probed again later. Delay remains the first signal; this is the backstop without one.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// Remembers a rate and what it delivered, and compares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CapacityGuard {
    reference: Option<Reference>,
    cap: Option<BitRate>,
    probe_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Reference {
    sent: BitRate,
    delivered: BitRate,
    since: Instant,
}

impl CapacityGuard {
    /// Judges a window in which `sent` was the rate and `delivered` arrived; returns the cap, if any.
    pub(super) fn on_window(
        &mut self,
        now: Instant,
        round_trip: Duration,
        sent: BitRate,
        delivered: BitRate,
        loss_ppm: u64,
    ) -> Option<BitRate> {
        if self.cap.is_some() && now >= self.probe_at {
            self.cap = None;
            self.reference = None;
        }
        let settle = round_trip.scaled(5, 2) + Duration::from_millis(20);
        let Some(reference) = self.reference else {
            self.reference = Some(Reference {
                sent,
                delivered,
                since: now,
            });
            return self.cap;
        };
        if sent < reference.sent.scaled(9, 10) || loss_ppm < 5_000 {
            self.reference = Some(Reference {
                sent,
                delivered,
                since: now,
            });
        } else if now.since(reference.since) >= settle && sent >= reference.sent.scaled(23, 20) {
            self.compare(now, round_trip, reference, sent, delivered);
        }
        self.cap
    }

    fn compare(
        &mut self,
        now: Instant,
        round_trip: Duration,
        reference: Reference,
        sent: BitRate,
        delivered: BitRate,
    ) {
        let growth = sent.0.saturating_sub(reference.sent.0);
        let expected = reference
            .delivered
            .scaled(reference.sent.0 + growth / 2, reference.sent.0.max(1))
            .0;
        if delivered.0 < expected {
            self.cap = Some(delivered.max(reference.delivered).scaled(51, 50));
            self.probe_at = now + Duration::from_secs(3).max(round_trip.scaled(20, 1));
            self.reference = None;
        } else {
            self.reference = Some(Reference {
                sent,
                delivered,
                since: now,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn ramp(deliver: impl Fn(u64) -> u64) -> Option<BitRate> {
        let mut guard = CapacityGuard::default();
        let mut now = Instant::from_micros(0);
        let mut rate = 10_000_000;
        let mut cap = None;
        while rate < 80_000_000 && cap.is_none() {
            let delivered = deliver(rate);
            let loss_ppm = (rate - delivered) * 1_000_000 / rate;
            cap = guard.on_window(now, ROUND_TRIP, BitRate(rate), BitRate(delivered), loss_ppm);
            now += Duration::from_millis(60);
            rate = rate * 53 / 50;
        }
        cap
    }

    #[test]
    fn random_loss_sets_no_cap() {
        assert_eq!(ramp(|rate| rate * 9 / 10), None);
    }

    #[test]
    fn rates_of_many_gigabits_are_compared_as_well_as_small_ones() {
        let mut guard = CapacityGuard::default();
        let (sent, more) = (BitRate(40_000_000_000), BitRate(50_000_000_000));
        let carried = BitRate(39_000_000_000);
        let start = Instant::from_micros(0);
        guard.on_window(start, ROUND_TRIP, sent, carried, 25_000);
        let later = start + Duration::from_secs(1);
        let cap = guard.on_window(later, ROUND_TRIP, more, carried, 220_000);
        assert!(cap.is_some_and(|cap| cap < sent), "{cap:?}");
    }

    #[test]
    fn a_policer_sets_a_cap_near_its_rate() {
        let cap = ramp(|rate| rate.min(30_000_000)).expect("a policer must be noticed");
        assert!((29_000_000..33_000_000).contains(&cap.0), "{cap}");
    }
}
