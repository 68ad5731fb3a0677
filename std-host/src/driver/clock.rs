//! The core's clock on this host: microseconds since the thread began.

use std::time::Instant as HostInstant;

use fasp_core::time::Instant;

/// A monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(HostInstant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(HostInstant::now())
    }

    pub(super) fn now(&self) -> Instant {
        // Half a million years of microseconds fit.
        self.at(HostInstant::now())
    }

    /// A moment on the core's clock; its beginning if the moment was before it.
    pub(super) fn at(&self, moment: HostInstant) -> Instant {
        let since = moment.saturating_duration_since(self.0);
        Instant::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }
}
