//! Elastic competitors: flows that fill every buffer, such as TCP with Cubic, found by what a drain does.
//!
//! Sessions of ours give way when a queue grows, and all drain together, so the queue they share can be emptied. A queue
//! that stands although we have drained is somebody else's who does not give way. Then, and only for policies
//! that may, the rate is that of a flow of the competitor's kind.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::shadow_cubic::ShadowCubic;

/// Drains that failed before a verdict.
const FAILURES: u8 = 3;
/// Without loss for so long the verdict is doubted.
const DOUBT_AFTER: Duration = Duration::from_secs(30);

/// Evidence, and the shadow flow while there is a verdict.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Competition {
    failures: u8,
    shadow: Option<ShadowCubic>,
    verdicts: u32,
    /// Latest loss that meant a full buffer.
    congestion_at: Instant,
    /// Largest queue in the present and the previous span, µs.
    largest: [u64; 2],
    span_started: Instant,
}

/// What one report means while there is a competitor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contest {
    pub(super) now: Instant,
    pub(super) interval: Duration,
    pub(super) round_trip: Duration,
    pub(super) queue_us: u64,
    /// Queue that we would keep alone, µs.
    pub(super) wanted_us: u64,
    /// More was lost than the path loses by itself.
    pub(super) excess_loss: bool,
}

impl Competition {
    /// Whether a competitor is believed in.
    pub(super) const fn is_on(&self) -> bool {
        self.shadow.is_some()
    }

    /// How often one was.
    pub(super) const fn verdicts(&self) -> u32 {
        self.verdicts
    }

    /// A drain emptied the queue: whoever shares it gives way.
    pub(super) const fn on_drained(&mut self) {
        self.failures = 0;
    }

    /// A drain did not help; `true` if that makes a verdict, with `rate` as the rate to begin with.
    pub(super) fn on_drain_failed(
        &mut self,
        now: Instant,
        rate: BitRate,
        round_trip: Duration,
        weight_tenths: u64,
    ) -> bool {
        self.failures += 1;
        if self.failures < FAILURES {
            return false;
        }
        self.failures = 0;
        self.verdicts = self.verdicts.saturating_add(1);
        self.shadow = Some(ShadowCubic::new(now, rate, round_trip, weight_tenths));
        self.congestion_at = now;
        self.largest = [u64::MAX; 2];
        self.span_started = now;
        true
    }

    /// The rate against the competitor; `None` once it is gone.
    pub(super) fn on_report(&mut self, contest: &Contest) -> Option<BitRate> {
        let shadow = self.shadow.as_mut()?;
        let now = contest.now;
        let deep = self.largest.iter().filter(|&&most| most < u64::MAX).max();
        let deep = deep.copied().unwrap_or(0) / 2;
        let settled = contest.round_trip + Duration::from_micros(contest.queue_us);
        if contest.excess_loss
            && contest.queue_us >= deep
            && now.since(self.congestion_at) >= settled
        {
            self.congestion_at = now;
            shadow.on_congestion(now);
        }
        let rate = shadow.on_report(now, contest.interval, contest.round_trip);
        if self.is_gone(contest) {
            self.shadow = None;
            return None;
        }
        Some(rate)
    }

    /// The queue has been short for a while, or nothing has overflowed for long.
    fn is_gone(&mut self, contest: &Contest) -> bool {
        let now = contest.now;
        let span = Duration::from_secs(2)
            .max(contest.round_trip.scaled(20, 1))
            .scaled(1, 2);
        if let Some(newest) = self.largest.last_mut() {
            *newest = if *newest == u64::MAX {
                contest.queue_us
            } else {
                contest.queue_us.max(*newest)
            };
        }
        if now.since(self.span_started) >= span {
            self.span_started = now;
            self.largest = [self.largest[1], contest.queue_us];
            let most = self.largest[0];
            if most != u64::MAX && most * 5 < contest.wanted_us * 6 {
                return true;
            }
        }
        now.since(self.congestion_at) >= DOUBT_AFTER
    }
}
