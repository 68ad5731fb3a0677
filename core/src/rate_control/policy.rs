//! The four policies, by the names that `ascp --policy` uses.

/// How a session shares a path with others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum RatePolicy {
    /// The target rate, whatever the path does.
    Fixed = 0,
    /// Twice the share of a fair session.
    High = 1,
    /// An equal share.
    #[default]
    Fair = 2,
    /// What others leave.
    Low = 3,
}

impl RatePolicy {
    /// The policy with this number on the wire.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Fixed),
            1 => Some(Self::High),
            2 => Some(Self::Fair),
            3 => Some(Self::Low),
            _ => None,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::High => "high",
            Self::Fair => "fair",
            Self::Low => "low",
        }
    }

    /// Weight in the target queueing delay, in tenths: a share is proportional to it.
    pub(super) const fn weight_tenths(self) -> u64 {
        match self {
            Self::High => 20,
            Self::Fixed | Self::Fair => 10,
            Self::Low => 1,
        }
    }
}
