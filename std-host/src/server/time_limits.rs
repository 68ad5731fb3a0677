//! How long a server waits for a client that says nothing.

use std::time::Duration;

use fasp_core::silence::SilenceLimits;

use crate::configuration::Effective;

/// The limits of one session; a client may take as long for each step of its opening as for its first datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeLimits {
    /// For each step of the opening.
    pub opening: Duration,
    /// For datagrams.
    pub silence: SilenceLimits,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            opening: Duration::from_secs(30),
            silence: SilenceLimits::default(),
        }
    }
}

impl TimeLimits {
    /// The limits for the user of `settings`.
    #[must_use]
    pub fn new(settings: &Effective<'_>) -> Self {
        let seconds = |path: &str| settings.said(path)?.parse::<u64>().ok();
        let mut limits = Self::default();
        if let Some(limit) = seconds("connection_timeout_sec") {
            limits.opening = Duration::from_secs(limit);
            limits.silence.connecting = fasp_core::time::Duration::from_secs(limit);
        }
        if let Some(limit) = seconds("session_timeout_sec") {
            limits.silence.running = fasp_core::time::Duration::from_secs(limit);
        }
        limits
    }
}
