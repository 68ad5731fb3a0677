//! A token bucket that drops what exceeds its rate: a limit without a queue.

use super::Leaves;
use crate::datagram::Datagram;

/// One bit in the bucket's unit: bit/s times ps.
const BIT: u128 = 1_000_000_000_000;

/// A rate and how much may pass at once.
#[derive(Clone, Debug)]
pub(crate) struct Policer {
    rate_bps: u64,
    depth: u128,
    tokens: u128,
    filled_at: u64,
}

impl Policer {
    pub(crate) fn new(rate_bps: u64, burst_bytes: u64) -> Self {
        let depth = u128::from(burst_bytes) * 8 * BIT;
        Self {
            rate_bps,
            depth,
            tokens: depth,
            filled_at: 0,
        }
    }

    pub(super) fn pass(&mut self, at: u64, datagram: &Datagram) -> Leaves {
        let gained = u128::from(at.saturating_sub(self.filled_at)) * u128::from(self.rate_bps);
        self.tokens = (self.tokens + gained).min(self.depth);
        self.filled_at = self.filled_at.max(at);
        let cost = u128::from(datagram.wire_bytes()) * 8 * BIT;
        self.tokens = self.tokens.checked_sub(cost)?;
        Some(at)
    }
}
