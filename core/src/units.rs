//! Numbers that must not be mixed: object ids, packet numbers, connection ids, bit rates.

use core::fmt;

use crate::time::Duration;

/// Identifies one file or folder of a session; consecutive from 1.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ObjectId(pub u32);

impl ObjectId {
    /// The id after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The full 64-bit number of a datagram in one direction; never used twice.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PacketNumber(pub u64);

impl PacketNumber {
    /// The low 32 bits, as the header carries them.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the wire carries the number modulo 2^32"
    )]
    pub const fn on_wire(self) -> u32 {
        self.0 as u32
    }

    /// The number closest to `largest` whose low 32 bits are `on_wire`.
    #[must_use]
    #[expect(
        clippy::cast_possible_wrap,
        reason = "the difference modulo 2^32 is meant as signed"
    )]
    pub const fn recover(on_wire: u32, largest: Self) -> Self {
        let ahead = on_wire.wrapping_sub(largest.on_wire()) as i32;
        match largest.0.checked_add_signed(ahead as i64) {
            Some(number) => Self(number),
            None => Self(on_wire as u64),
        }
    }
}

/// Names a flow towards the side that chose it; 24 bits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnectionId(u32);

impl ConnectionId {
    /// The id made of the low 24 bits of `bits`.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0x00FF_FFFF)
    }

    /// The 24 bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

/// A rate in bits per second of UDP payload.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BitRate(pub u64);

impl BitRate {
    /// `kilobits` × 1000 bit/s.
    #[must_use]
    pub const fn from_kbps(kilobits: u64) -> Self {
        Self(kilobits.saturating_mul(1_000))
    }

    /// The rate at which `bytes` pass in `span`; zero if `span` is zero.
    #[must_use]
    pub const fn of(bytes: u64, span: Duration) -> Self {
        match bytes
            .saturating_mul(8_000_000)
            .checked_div(span.as_micros())
        {
            Some(bits) => Self(bits),
            None => Self(0),
        }
    }

    /// Time that `bytes` take at this rate, rounded up; a second a byte at rate 0.
    #[must_use]
    pub const fn time_for(self, bytes: u64) -> Duration {
        if self.0 == 0 {
            return Duration::from_secs(bytes);
        }
        Duration::from_micros(bytes.saturating_mul(8_000_000).div_ceil(self.0))
    }

    /// Bytes that pass in `span`, rounded down.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "clamped to u64 first")]
    pub const fn bytes_in(self, span: Duration) -> u64 {
        let bits = self.0 as u128 * span.as_micros() as u128 / 8_000_000;
        if bits > u64::MAX as u128 {
            u64::MAX
        } else {
            bits as u64
        }
    }

    /// `numerator / denominator` of the rate; zero if `denominator` is zero.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "clamped to u64 first")]
    pub const fn scaled(self, numerator: u64, denominator: u64) -> Self {
        if denominator == 0 {
            return Self(0);
        }
        let rate = self.0 as u128 * numerator as u128 / denominator as u128;
        Self(if rate > u64::MAX as u128 {
            u64::MAX
        } else {
            rate as u64
        })
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bit/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_number_is_recovered_across_the_wrap_of_its_low_half() {
        let largest = PacketNumber(0xFFFF_FFFE);
        assert_eq!(
            PacketNumber::recover(1, largest),
            PacketNumber(0x1_0000_0001)
        );
        assert_eq!(
            PacketNumber::recover(0xFFFF_FFF0, PacketNumber(0x1_0000_0001)),
            PacketNumber(0xFFFF_FFF0)
        );
    }

    #[test]
    fn a_number_before_the_first_is_taken_as_it_stands() {
        assert_eq!(
            PacketNumber::recover(0xFFFF_FFFF, PacketNumber(0)),
            PacketNumber(0xFFFF_FFFF)
        );
    }

    #[test]
    fn a_rate_and_its_time_agree() {
        let rate = BitRate(8_000_000);
        assert_eq!(rate.time_for(1_000), Duration::from_millis(1));
        assert_eq!(rate.bytes_in(Duration::from_millis(1)), 1_000);
        assert_eq!(BitRate::of(1_000, Duration::from_millis(1)), rate);
    }
}
