//! A rate that changes at known times; 0 stands still.

/// One bit at 1 bit/s, in picoseconds.
const SECOND: u64 = 1_000_000_000_000;

/// Rates in bit/s, each from a time on.
#[derive(Clone, Debug)]
pub(crate) struct RateSchedule {
    steps: Vec<(u64, u64)>,
    current: usize,
}

impl RateSchedule {
    /// `rate_bps` for ever.
    pub(crate) fn constant(rate_bps: u64) -> Self {
        Self {
            steps: vec![(0, rate_bps)],
            current: 0,
        }
    }

    /// The same, but `rate_bps` from `at_us` on; changes are added in the order of time.
    pub(crate) fn then(mut self, at_us: u64, rate_bps: u64) -> Self {
        self.steps.push((at_us * super::MICROSECOND, rate_bps));
        self
    }

    /// When `bytes` that begin to leave at `start` ps have left; `None` if they never do.
    /// Calls come in the order of time.
    pub(crate) fn finish(&mut self, start: u64, bytes: u64) -> Option<u64> {
        let mut at = start;
        let mut bits = bytes * 8;
        while self
            .steps
            .get(self.current + 1)
            .is_some_and(|step| step.0 <= at)
        {
            self.current += 1;
        }
        let mut index = self.current;
        loop {
            let rate = self.steps.get(index)?.1;
            let until = self.steps.get(index + 1).map_or(u64::MAX, |step| step.0);
            // A rate of nothing never gets there.
            let needed = u128::from(bits) * u128::from(SECOND);
            if let Some(needed) = needed.checked_div(u128::from(rate)) {
                let needed = u64::try_from(needed).unwrap_or(u64::MAX);
                if at.saturating_add(needed) <= until {
                    return Some(at.saturating_add(needed));
                }
                let passed = u128::from(until - at) * u128::from(rate) / u128::from(SECOND);
                bits = bits.saturating_sub(passed as u64);
            }
            at = until;
            index += 1;
        }
    }
}
