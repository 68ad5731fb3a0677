//! What a client may send at most: the server's word is kept here, whatever the client does with it.
//!
//! A client of ours paces itself. One that does not is let go on as long as what came too much stays a burst; then its
//! session ends. Only authentic datagrams count: nobody else can end a session by sending to its port.

use fasp_core::fault::Fault;
use fasp_core::time::{Duration, Instant};
use fasp_core::units::BitRate;

use super::Receiving;
use crate::failure::Failure;

/// Arrivals may exceed the rate by this part, in percent: clocks differ, and networks bunch what was spaced.
const MARGIN_PERCENT: u64 = 125;
/// A burst may hold as much as comes in so long at the rate.
const BURST: Duration = Duration::from_secs(5);
/// And so much in any case, bits.
const LEAST_BURST: u64 = 8_000_000;
/// How long a client may take to hear of a lower rate and to follow.
const NOTICE: Duration = Duration::from_secs(3);

/// A bucket that leaks at the allowed rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    limit: Option<BitRate>,
    /// A higher one of before, and until when it still holds.
    former: Option<(BitRate, Instant)>,
    /// Bits that came too much.
    excess: u64,
    seen_bytes: u64,
    looked_at: Option<Instant>,
}

impl Allowance {
    /// From `now` on, or soon after where it is less than before, no more than `limit`.
    pub(super) fn allow(&mut self, limit: BitRate, now: Instant) {
        let still = self.former.filter(|(_, until)| now < *until);
        if let Some(before) = self.limit
            && before > limit
            // A higher one ends when it was to end, or rates that go up and down would keep it for ever.
            && still.is_none_or(|(rate, _)| rate < before)
        {
            self.former = Some((before, now + NOTICE));
        }
        self.limit = Some(limit);
    }

    /// Takes note of all `bytes` that arrived so far; the rate that was exceeded for too long, if one was.
    pub(super) fn take(&mut self, bytes: u64, now: Instant) -> Option<BitRate> {
        let came = bytes.saturating_sub(self.seen_bytes).saturating_mul(8);
        self.seen_bytes = bytes;
        let since = self.looked_at.replace(now).unwrap_or(now);
        let limit = self.in_force(now)?;
        let allowed = part(limit, MARGIN_PERCENT);
        let leaked = bits(allowed, now.since(since));
        self.excess = self.excess.saturating_add(came).saturating_sub(leaked);
        let most = bits(allowed, BURST).max(LEAST_BURST);
        (self.excess > most).then_some(limit)
    }

    fn in_force(&self, now: Instant) -> Option<BitRate> {
        let former = self.former.filter(|(_, until)| now < *until);
        let former = former.map_or(BitRate(0), |(rate, _)| rate);
        Some(self.limit?.max(former))
    }
}

impl Receiving {
    /// Ends the session of a client that sends more than it may.
    pub(super) fn hold_allowance(&mut self, now: Instant) {
        let bytes = self.receiver.statistics().bytes_received;
        let exceeded = self.allowance.take(bytes, now);
        if let Some(limit) = exceeded.filter(|_| self.report.failure.is_none()) {
            let text = format!(
                "the client keeps sending faster than the {} bit/s that it may",
                limit.0
            );
            self.stop(Failure::new(Fault::Protocol, text));
        }
    }
}

fn part(rate: BitRate, percent: u64) -> BitRate {
    BitRate(u64::try_from(u128::from(rate.0) * u128::from(percent) / 100).unwrap_or(u64::MAX))
}

fn bits(rate: BitRate, span: Duration) -> u64 {
    let bits = u128::from(rate.0) * u128::from(span.as_micros()) / 1_000_000;
    u64::try_from(bits).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `rate` bit/s for `seconds` in steps of 10 ms; when it was too much, in milliseconds.
    fn send(
        allowance: &mut Allowance,
        from_ms: u64,
        seconds: u64,
        rate: u64,
        bytes: &mut u64,
    ) -> Option<u64> {
        (0..seconds * 100).find_map(|step| {
            *bytes += rate / 800;
            let now_ms = from_ms + step * 10;
            let now = Instant::from_micros(now_ms * 1_000);
            allowance.take(*bytes, now).map(|_| now_ms - from_ms)
        })
    }

    fn allowing(rate: u64) -> Allowance {
        let mut allowance = Allowance::default();
        allowance.allow(BitRate(rate), Instant::from_micros(0));
        allowance
    }

    #[test]
    fn who_keeps_to_the_rate_goes_on_for_ever_and_who_triples_it_for_seconds() {
        for rate in [8_000_000, 1_000_000_000] {
            let mut bytes = 0;
            assert_eq!(send(&mut allowing(rate), 0, 300, rate, &mut bytes), None);
            let (mut bytes, mut allowance) = (0, allowing(rate));
            let ended = send(&mut allowance, 0, 300, rate * 3, &mut bytes).unwrap();
            assert!((3_000..6_000).contains(&ended), "{rate}: {ended} ms");
        }
    }

    #[test]
    fn a_burst_is_forgiven_and_one_after_another_is_not() {
        let (mut bytes, mut allowance) = (0, allowing(8_000_000));
        assert_eq!(send(&mut allowance, 0, 2, 20_000_000, &mut bytes), None);
        assert_eq!(send(&mut allowance, 2_000, 60, 4_000_000, &mut bytes), None);
        let mut ended = None;
        for turn in 0..40 {
            let from = 100_000 + turn * 3_000;
            ended = ended.or_else(|| send(&mut allowance, from, 2, 20_000_000, &mut bytes));
            ended = ended.or_else(|| send(&mut allowance, from + 2_000, 1, 1_000_000, &mut bytes));
        }
        assert!(ended.is_some(), "the mean is above the rate");
    }

    #[test]
    fn a_lower_rate_holds_after_a_while_also_if_it_is_lowered_again_and_again() {
        let (mut bytes, mut allowance) = (0, allowing(100_000_000));
        assert_eq!(send(&mut allowance, 0, 10, 100_000_000, &mut bytes), None);
        allowance.allow(BitRate(10_000_000), Instant::from_micros(10_000_000));
        assert_eq!(
            send(&mut allowance, 10_000, 2, 100_000_000, &mut bytes),
            None
        );
        assert_eq!(
            send(&mut allowance, 12_000, 60, 10_000_000, &mut bytes),
            None
        );
        let ended = send(&mut allowance, 72_000, 60, 100_000_000, &mut bytes);
        assert!(ended.unwrap() < 2_000);
    }

    #[test]
    fn rates_that_go_up_and_down_do_not_keep_a_higher_one_alive() {
        let (mut bytes, mut allowance) = (0, allowing(100_000_000));
        let mut ended = None;
        for turn in 0..60 {
            let now_ms = 1_000 + turn * 1_000;
            let rate = BitRate(10_000_000 + turn % 2 * 100_000);
            allowance.allow(rate, Instant::from_micros(now_ms * 1_000));
            ended = ended
                .or_else(|| send(&mut allowance, now_ms, 1, 60_000_000, &mut bytes).map(|_| turn));
        }
        assert!(ended.unwrap() < 8);
    }

    #[test]
    fn without_a_limit_nothing_is_too_much() {
        let (mut bytes, mut allowance) = (0, Allowance::default());
        assert_eq!(
            send(&mut allowance, 0, 60, 100_000_000_000, &mut bytes),
            None
        );
    }
}
