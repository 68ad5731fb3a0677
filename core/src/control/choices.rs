//! Choices that both sides name by number: direction, rate policy, resume, overwrite, preserve.
//!
//! Source: PROTOCOL.md §2.2; the choices themselves are public options of `ascp` (`--mode`,
//! `--policy`, `-k`, `--overwrite`, `-p`).

/// Which way the files go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum TransferDirection {
    /// The client sends, the server receives.
    Upload,
    /// The server sends, the client receives.
    Download,
}

impl TransferDirection {
    /// Its number in HELLO.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Upload => 0,
            Self::Download => 1,
        }
    }

    /// The direction with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Upload),
            1 => Some(Self::Download),
            _ => None,
        }
    }
}

/// How a session behaves towards other traffic.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RatePolicy {
    /// The target rate, whatever happens.
    Fixed,
    /// Twice the share of a fair session under congestion.
    High,
    /// An even share under congestion.
    Fair,
    /// The minimum rate as soon as others want the path.
    Low,
}

impl RatePolicy {
    /// Every policy, by number.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::High, Self::Fair, Self::Low];

    /// Its number in HELLO, ACCEPT and RATE.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Fixed => 0,
            Self::High => 1,
            Self::Fair => 2,
            Self::Low => 3,
        }
    }

    /// The policy with this number.
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

    /// The word that `--policy` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::High => "high",
            Self::Fair => "fair",
            Self::Low => "low",
        }
    }
}

/// What proves that bytes already at the destination may stay (`-k`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ResumeLevel {
    /// 0: nothing; always send the whole file.
    #[default]
    Restart,
    /// 1: size and modification time.
    Attributes,
    /// 2: attributes and a sparse checksum.
    Sparse,
    /// 3: attributes and a full checksum.
    Full,
}

impl ResumeLevel {
    /// The number that `-k` takes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Restart => 0,
            Self::Attributes => 1,
            Self::Sparse => 2,
            Self::Full => 3,
        }
    }

    /// The level with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Restart),
            1 => Some(Self::Attributes),
            2 => Some(Self::Sparse),
            3 => Some(Self::Full),
            _ => None,
        }
    }
}

/// When a file at the destination is replaced (`--overwrite`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum OverwriteRule {
    /// Never.
    Never,
    /// Always.
    Always,
    /// If it differs, as the resume level judges.
    #[default]
    Diff,
    /// If it differs and is older than the source.
    DiffOlder,
    /// If it is older than the source.
    Older,
}

impl OverwriteRule {
    /// Its number in HELLO and ACCEPT.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Never => 0,
            Self::Always => 1,
            Self::Diff => 2,
            Self::DiffOlder => 3,
            Self::Older => 4,
        }
    }

    /// The rule with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            1 => Some(Self::Always),
            2 => Some(Self::Diff),
            3 => Some(Self::DiffOlder),
            4 => Some(Self::Older),
            _ => None,
        }
    }
}

/// Which attributes of a source the destination gets (`-p`).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Preserve {
    /// Modification times.
    pub modification_times: bool,
    /// Access times.
    pub access_times: bool,
    /// Access times of the sources: reading does not change them.
    pub source_access_times: bool,
    /// Numbers of owners.
    pub owner_uids: bool,
    /// Numbers of groups.
    pub owner_gids: bool,
}

impl Preserve {
    /// Both times.
    pub const TIMES: Self = Self {
        modification_times: true,
        access_times: true,
        source_access_times: false,
        owner_uids: false,
        owner_gids: false,
    };

    /// Everything.
    pub const ALL: Self = Self {
        modification_times: true,
        access_times: true,
        source_access_times: true,
        owner_uids: true,
        owner_gids: true,
    };

    /// Whether owners or groups are kept.
    #[must_use]
    pub const fn owners(self) -> bool {
        self.owner_uids || self.owner_gids
    }

    /// Its bits in HELLO and ACCEPT.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.modification_times as u8
            | (self.access_times as u8) << 1
            | (self.source_access_times as u8) << 2
            | (self.owner_uids as u8) << 3
            | (self.owner_gids as u8) << 4
    }

    /// The attributes with these bits; `None` if another bit is set.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number > 31 {
            return None;
        }
        Some(Self {
            modification_times: number & 1 != 0,
            access_times: number & 2 != 0,
            source_access_times: number & 4 != 0,
            owner_uids: number & 8 != 0,
            owner_gids: number & 16 != 0,
        })
    }

    /// What both ask for.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self {
            modification_times: self.modification_times && other.modification_times,
            access_times: self.access_times && other.access_times,
            source_access_times: self.source_access_times && other.source_access_times,
            owner_uids: self.owner_uids && other.owner_uids,
            owner_gids: self.owner_gids && other.owner_gids,
        }
    }
}
