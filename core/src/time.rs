//! Time as the core sees it: whole microseconds on a clock that the host supplies.
//!
//! Not a clock: every entry point takes `now` as an argument, so the same code runs in a
//! simulation, on a microcontroller and on a server. Arithmetic saturates.

use core::ops::{Add, AddAssign, Sub};

/// A point on the host's monotonic clock, microseconds since a moment the host chose.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

/// A span of time in microseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Duration(u64);

impl Instant {
    /// The instant `micros` µs after the clock's zero.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the clock's zero.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The low 32 bits, as a datagram header carries them; wraps every 71.6 minutes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the wire carries the clock modulo 2^32"
    )]
    pub const fn wire_clock(self) -> u32 {
        self.0 as u32
    }

    /// Time since `earlier`, zero if `earlier` lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }
}

impl Duration {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A span of `micros` µs.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A span of `millis` ms.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// A span of `secs` s.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// The span in µs.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// `numerator / denominator` of the span, rounded down; zero if `denominator` is zero.
    #[must_use]
    pub const fn scaled(self, numerator: u64, denominator: u64) -> Self {
        match self.0.saturating_mul(numerator).checked_div(denominator) {
            Some(micros) => Self(micros),
            None => Self::ZERO,
        }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span.0))
    }
}

impl Add for Duration {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Duration {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_steps_back_gives_no_time_instead_of_a_wrap() {
        let early = Instant::from_micros(5);
        assert_eq!(early.since(Instant::from_micros(9)), Duration::ZERO);
        assert_eq!(early - Duration::from_micros(9), Instant::from_micros(0));
    }

    #[test]
    fn the_wire_clock_wraps_at_32_bits() {
        assert_eq!(Instant::from_micros((1 << 32) + 7).wire_clock(), 7);
    }

    #[test]
    fn scaling_by_nothing_is_nothing() {
        assert_eq!(Duration::from_millis(3).scaled(1, 0), Duration::ZERO);
        assert_eq!(
            Duration::from_millis(3).scaled(1, 2),
            Duration::from_micros(1_500)
        );
    }
}
