//! The round trip: last, least, smoothed and its deviation.
//!
//! Used for timers and for the pace of control, never as a congestion signal.
//! Source: the smoothing constants are those of RFC 6298.

use crate::time::Duration;

/// Estimates from round-trip samples.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RoundTrip {
    smoothed_us: u64,
    deviation_us: u64,
    least_us: u64,
    samples: u32,
}

/// What is assumed before the first sample.
const ASSUMED: Duration = Duration::from_millis(100);

impl Default for RoundTrip {
    fn default() -> Self {
        Self::new()
    }
}

impl RoundTrip {
    /// No sample yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            smoothed_us: 0,
            deviation_us: 0,
            least_us: u64::MAX,
            samples: 0,
        }
    }

    /// Takes one sample.
    pub fn on_sample(&mut self, sample: Duration) {
        let sample_us = sample.as_micros();
        self.least_us = self.least_us.min(sample_us);
        if self.samples == 0 {
            self.smoothed_us = sample_us;
            self.deviation_us = sample_us / 2;
        } else {
            let distance = self.smoothed_us.abs_diff(sample_us);
            self.deviation_us = (self.deviation_us * 3 + distance) / 4;
            self.smoothed_us = (self.smoothed_us * 7 + sample_us) / 8;
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// The smoothed round trip; 100 ms before the first sample.
    #[must_use]
    pub const fn smoothed(&self) -> Duration {
        if self.samples == 0 {
            ASSUMED
        } else {
            Duration::from_micros(self.smoothed_us)
        }
    }

    /// The least round trip; 100 ms before the first sample.
    #[must_use]
    pub const fn least(&self) -> Duration {
        if self.samples == 0 {
            ASSUMED
        } else {
            Duration::from_micros(self.least_us)
        }
    }

    /// A time after which an answer is overdue: smoothed plus four deviations, at least 2 ms more.
    #[must_use]
    pub fn overdue(&self) -> Duration {
        let slack = if self.samples == 0 {
            300_000
        } else {
            (self.deviation_us * 4).max(2_000)
        };
        self.smoothed() + Duration::from_micros(slack)
    }

    /// Whether there was a sample.
    #[must_use]
    pub const fn is_measured(&self) -> bool {
        self.samples > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_is_taken_whole() {
        let mut round_trip = RoundTrip::new();
        round_trip.on_sample(Duration::from_millis(40));
        assert_eq!(round_trip.smoothed(), Duration::from_millis(40));
        assert_eq!(round_trip.least(), Duration::from_millis(40));
    }

    #[test]
    fn a_late_answer_moves_the_estimate_by_an_eighth_and_leaves_the_least() {
        let mut round_trip = RoundTrip::new();
        round_trip.on_sample(Duration::from_millis(40));
        round_trip.on_sample(Duration::from_millis(120));
        assert_eq!(round_trip.smoothed(), Duration::from_millis(50));
        assert_eq!(round_trip.least(), Duration::from_millis(40));
    }
}
