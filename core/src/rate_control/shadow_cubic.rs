//! The rate that a TCP flow with Cubic would have in our place, while such a flow competes with us.
//!
//! Source: RFC 9438, in bytes and integers: C = 0.4 segments/s³, a cut to 0.7, the Reno-friendly region, fast
//! convergence. A weight above 1 cuts less.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// The segment of the formula, bytes.
const SEGMENT: u64 = 1_448;
/// The window is never smaller, bytes.
const LEAST_WINDOW: u64 = 4 * SEGMENT;

/// A congestion window and its history.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShadowCubic {
    window: u64,
    /// Window at the last cut, bytes.
    most: u64,
    /// Time from the last cut to regaining `most`, ms.
    plateau_ms: u64,
    cut_at: Instant,
    reno: u64,
    weight_tenths: u64,
}

impl ShadowCubic {
    /// A flow that has `rate` now.
    pub(super) fn new(
        now: Instant,
        rate: BitRate,
        round_trip: Duration,
        weight_tenths: u64,
    ) -> Self {
        let window = rate.bytes_in(round_trip).max(LEAST_WINDOW);
        Self {
            window,
            most: window,
            plateau_ms: 0,
            cut_at: now,
            reno: window,
            weight_tenths: weight_tenths.max(10),
        }
    }

    /// Loss that means a full buffer.
    pub(super) fn on_congestion(&mut self, now: Instant) {
        // Fast convergence: who gives way repeatedly leaves room.
        self.most = if self.window < self.most {
            self.window.saturating_mul(17) / 20
        } else {
            self.window
        };
        // Three tenths are cut, less with a weight above 1.
        let cut = self.window.saturating_mul(3) / self.weight_tenths;
        self.window = (self.window - cut).max(LEAST_WINDOW);
        self.reno = self.window;
        // K = cbrt((most - window) / (0.4 segments)), in ms: the cube of K/ms is 2.5e9 times the segments.
        let missing = self.most.saturating_sub(self.window);
        let missing = (missing.saturating_mul(2_500_000) / SEGMENT).saturating_mul(1_000);
        self.plateau_ms = cube_root(missing);
        self.cut_at = now;
    }

    /// Grows over `step`, which `round_trip` is the time scale of, and returns the rate.
    pub(super) fn on_report(
        &mut self,
        now: Instant,
        step: Duration,
        round_trip: Duration,
    ) -> BitRate {
        let at_ms = (now.since(self.cut_at).as_micros() + round_trip.as_micros()) / 1_000;
        let distance = at_ms.abs_diff(self.plateau_ms).min(100_000);
        // 0.4 segments times the cube of the distance in seconds.
        let bytes = distance * distance / 1_000 * distance / 1_000 * SEGMENT * 4 / 10_000;
        let cubic = if at_ms >= self.plateau_ms {
            self.most.saturating_add(bytes)
        } else {
            self.most.saturating_sub(bytes)
        };
        // Reno with the same cut gains 0.53 segments each round trip.
        let gain = SEGMENT * 53 * self.weight_tenths / 1_000 * step.as_micros()
            / round_trip.as_micros().max(1);
        self.reno = self.reno.saturating_add(gain);
        let wanted = cubic.max(self.reno);
        // No more than half as much again in a round trip.
        let step = step.min(round_trip).as_micros();
        let growth = self.window.saturating_mul(step) / (2 * round_trip.as_micros().max(1));
        let most = self.window.saturating_add(growth);
        self.window = wanted.min(most).max(self.window).max(LEAST_WINDOW);
        BitRate::of(self.window, round_trip)
    }
}

/// The integer cube root, rounded down.
fn cube_root(value: u64) -> u64 {
    let mut root = 0_u64;
    for bit in (0..21).rev() {
        let candidate = root | 1 << bit;
        if candidate.checked_pow(3).is_some_and(|cube| cube <= value) {
            root = candidate;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cube_roots_are_exact() {
        for root in [0_u64, 1, 7, 100, 12_345, 2_000_000] {
            assert_eq!(cube_root(root.pow(3)), root);
            assert_eq!(cube_root(root.pow(3) + 1), root.max(1));
        }
    }

    #[test]
    fn a_round_trip_of_a_minute_at_the_highest_rate_overflows_nothing() {
        // A peer that echoes old clocks can make any round trip up to that.
        let (round_trip, rate) = (Duration::from_secs(60), BitRate(1 << 50));
        let mut now = Instant::from_micros(0);
        let mut cubic = ShadowCubic::new(now, rate, round_trip, 20);
        for _ in 0..100 {
            cubic.on_congestion(now);
            now += Duration::from_secs(4_000);
            let grown = cubic.on_report(now, Duration::from_secs(4_000), round_trip);
            assert!(grown.0 > 0);
        }
    }

    #[test]
    fn after_a_cut_the_window_is_regained_in_the_time_that_the_formula_says() {
        let (round_trip, start) = (Duration::from_millis(50), Instant::from_micros(0));
        let rate = BitRate(200_000_000);
        let mut cubic = ShadowCubic::new(start, rate, round_trip, 10);
        cubic.on_congestion(start);
        let after = cubic.on_report(start, Duration::ZERO, round_trip);
        assert!((139_000_000..146_000_000).contains(&after.0), "{after}");
        let mut now = start;
        let mut regained = None;
        while regained.is_none() {
            now += Duration::from_millis(10);
            if cubic.on_report(now, Duration::from_millis(10), round_trip) >= rate.scaled(99, 100) {
                regained = Some(now.since(start).as_micros() / 1_000);
            }
        }
        // 863 segments; K = cbrt(259 / 0.4) = 8.65 s; 99 % are there after K - cbrt(8.6 / 0.4) = 5.9 s.
        assert!((5_500..6_300).contains(&regained.unwrap()), "{regained:?}");
    }
}
