//! How long a session waits for a peer that says nothing.
//!
//! Source: the usual limits are our choice; a server may be told others.

use crate::time::Duration;

/// Nothing authentic for this long ends the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SilenceLimits {
    /// From the start, until the peer was heard once.
    pub connecting: Duration,
    /// Later.
    pub running: Duration,
}

impl Default for SilenceLimits {
    fn default() -> Self {
        Self {
            connecting: Duration::from_secs(15),
            running: Duration::from_secs(60),
        }
    }
}
