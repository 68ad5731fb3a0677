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
        Instant::from_micros(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}
