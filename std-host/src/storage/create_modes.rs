//! Permission bits that a server gives to what it creates, whatever the source had.
//!
//! Source: the meaning of the create modes and grant masks of `aspera.conf` is public.

/// For one kind of thing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ModeRule {
    /// Exactly these bits, whatever the mask of the process.
    pub exact: Option<u32>,
    /// At least these bits besides those of the source; nothing beside exact ones.
    pub granted: u32,
}

impl ModeRule {
    /// Whether it changes anything.
    #[must_use]
    pub fn is_set(self) -> bool {
        self != Self::default()
    }

    /// The same for a folder that must still be filled.
    #[must_use]
    pub fn usable(self) -> Self {
        Self {
            exact: self.exact.map(|exact| exact | 0o700),
            ..self
        }
    }

    /// The bits of something that has `current` now, and had `source` at its source.
    #[must_use]
    pub const fn settled(self, current: u32, source: u32) -> u32 {
        match self.exact {
            Some(exact) => exact & 0o7777,
            None => current & (source & 0o777 | 0o7000) | self.granted & 0o777,
        }
    }
}

/// For files and for folders.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CreateModes {
    /// Files.
    pub files: ModeRule,
    /// Folders.
    pub folders: ModeRule,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_mode_goes_before_what_is_granted() {
        let granted = ModeRule {
            exact: None,
            granted: 0o644,
        };
        assert_eq!(granted.settled(0o600, 0o600), 0o644);
        assert_eq!(granted.settled(0o700, 0o755), 0o744);
        let exact = ModeRule {
            exact: Some(0o640),
            ..granted
        };
        assert_eq!(exact.settled(0o600, 0o777), 0o640);
        assert_eq!(ModeRule::default().settled(0o755, 0o700), 0o700);
    }
}
