//! Pacing: when the next datagram may leave, so that the target rate holds to the bit.
//!
//! Pure arithmetic on the host's clock: a bucket of bits that fills at the rate. A host that wakes late
//! may catch up a few milliseconds; a sender that had nothing to send earns nothing.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// How much lateness of the host is made good.
const CATCH_UP: Duration = Duration::from_millis(2);
/// A bucket holds this much at any rate: two full datagrams.
const LEAST_DEPTH_BYTES: u64 = 3_000;
/// One bit in the bucket's unit: bit/s times µs.
const UNIT: i64 = 1_000_000;

/// Token bucket in millionths of a bit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    rate: BitRate,
    tokens: i64,
    filled_at: Instant,
}

impl Pacer {
    pub(super) const fn new(rate: BitRate, now: Instant) -> Self {
        Self {
            rate,
            tokens: 0,
            filled_at: now,
        }
    }

    /// Changes the rate from `now` on.
    pub(super) fn set_rate(&mut self, rate: BitRate, now: Instant) {
        self.fill(now);
        self.rate = rate;
        self.tokens = self.tokens.min(self.depth());
    }

    /// Charges a datagram of `bytes` UDP payload; the bucket may go below zero.
    pub(super) fn on_sent(&mut self, bytes: usize, now: Instant) {
        self.fill(now);
        let bits = i64::try_from(bytes).unwrap_or(i64::MAX / UNIT / 8) * 8;
        self.tokens = self.tokens.saturating_sub(bits * UNIT);
    }

    /// `bytes` sent ahead of time have been earned since.
    pub(super) fn repay(&mut self, bytes: u64) {
        let most = self.tokens.max(0);
        self.tokens = self.tokens.saturating_add(bucket(bytes)).min(most);
    }

    /// There was nothing to send: what was saved beyond a small start is lost.
    pub(super) fn on_idle(&mut self, now: Instant) {
        self.fill(now);
        self.tokens = self.tokens.min(bucket(LEAST_DEPTH_BYTES));
    }

    /// Whether a datagram may leave now.
    pub(super) fn is_open(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.rate.0 > 0 && self.tokens >= 0
    }

    /// When the next datagram may leave; `None` while the rate is 0.
    pub(super) fn opens_at(&self) -> Option<Instant> {
        if self.rate.0 == 0 {
            return None;
        }
        let missing = u64::try_from(-self.tokens).unwrap_or(0);
        Some(self.filled_at + Duration::from_micros(missing.div_ceil(self.rate.0)))
    }

    fn fill(&mut self, now: Instant) {
        let span_us = now.since(self.filled_at).as_micros().min(1_000_000);
        let gained = self.rate.0.min(1 << 42).saturating_mul(span_us);
        let gained = i64::try_from(gained).unwrap_or(i64::MAX);
        self.tokens = self
            .tokens
            .saturating_add(gained)
            .min(self.depth().max(self.tokens));
        self.filled_at = self.filled_at.max(now);
    }

    fn depth(&self) -> i64 {
        bucket(self.rate.bytes_in(CATCH_UP).max(LEAST_DEPTH_BYTES))
    }
}

fn bucket(bytes: u64) -> i64 {
    i64::try_from(bytes.saturating_mul(8))
        .unwrap_or(i64::MAX)
        .saturating_mul(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    /// Sends whenever allowed, woken every `tick_us` up to and at one second, and returns the bytes sent.
    fn bytes_in_a_second(rate: u64, tick_us: u64) -> u64 {
        let mut pacer = Pacer::new(BitRate(rate), at(0));
        let mut sent = 0;
        for tick in 0..=1_000_000 / tick_us {
            while pacer.is_open(at(tick * tick_us)) {
                pacer.on_sent(1_472, at(tick * tick_us));
                sent += 1_472;
            }
        }
        sent
    }

    #[test]
    fn the_rate_holds_within_a_thousandth_whatever_the_timer() {
        for tick_us in [10, 400, 1_000, 1_800] {
            let bytes = bytes_in_a_second(50_000_000, tick_us);
            assert!(
                (6_244_000..6_256_000).contains(&bytes),
                "{tick_us} µs: {bytes}"
            );
        }
    }

    #[test]
    fn an_idle_second_earns_no_burst() {
        let mut pacer = Pacer::new(BitRate(10_000_000), at(0));
        pacer.on_idle(at(1_000_000));
        let mut burst = 0;
        while pacer.is_open(at(1_000_000)) {
            pacer.on_sent(1_250, at(1_000_000));
            burst += 1;
        }
        assert!(burst <= 3, "{burst}");
    }

    #[test]
    fn the_opening_time_is_when_it_opens() {
        let mut pacer = Pacer::new(BitRate(10_000_000), at(0));
        pacer.on_sent(1_250, at(0));
        let opens = pacer.opens_at().unwrap();
        assert_eq!(opens, at(1_000));
        assert!(!pacer.is_open(at(999)));
        assert!(pacer.is_open(opens));
    }

    #[test]
    fn a_rate_of_nothing_never_opens() {
        let mut pacer = Pacer::new(BitRate(0), at(0));
        assert!(!pacer.is_open(at(5_000_000)));
        assert_eq!(pacer.opens_at(), None);
    }
}
