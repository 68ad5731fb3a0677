//! Elastic competitors: flows that fill every buffer, such as TCP with Cubic, found by the queue they leave.
//!
//! Sessions of ours give way when a queue grows, and all drain together when it surges, so the queue they share never stands
//! far above what each of them wants. A queue that does is somebody's who does not
//! give way. Then, and only for policies that may, the rate is that of a flow of the competitor's kind.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::shadow_cubic::ShadowCubic;

/// A queue that stands for so long, or sixty round trips, is not one of ours: ours are drained.
const STANDING: Duration = Duration::from_secs(8);
/// A queue that grew by one of so many parts of a round trip in one to two of them is that of a session of ours that begins.
const STEEP_PARTS: u64 = 4;
/// Marks of the queue in the past, one each round trip.
const MARKS: usize = 4;
/// The highest rate of the last one to two spans is what the shadow flow takes half of.
const PEAK_SPAN: Duration = Duration::from_secs(20);
/// Without loss for so long the verdict is doubted.
const DOUBT_AFTER: Duration = Duration::from_secs(30);

/// Evidence, and the shadow flow while there is a verdict.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Competition {
    standing_since: Option<Instant>,
    marks: [u64; MARKS],
    marked_at: Instant,
    /// Highest rate of the present and the previous span.
    peaks: [BitRate; 2],
    peaks_since: Instant,
    shadow: Option<ShadowCubic>,
    verdicts: u32,
    /// Latest loss that meant a full buffer.
    congestion_at: Instant,
    /// Largest queue in the present and the previous span, µs.
    largest: [u64; 2],
    span_started: Instant,
}

/// What one report says about competitors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contest {
    pub(super) now: Instant,
    pub(super) interval: Duration,
    pub(super) round_trip: Duration,
    pub(super) least_round_trip: Duration,
    pub(super) queue_us: u64,
    /// Queue that we would keep alone, µs.
    pub(super) wanted_us: u64,
    /// The same at a sixteenth of the highest rate lately, µs.
    pub(super) wanted_at_sixteenth_us: u64,
    /// More was lost than the path loses by itself.
    pub(super) excess_loss: bool,
    /// The rate in force.
    pub(super) rate: BitRate,
    pub(super) weight_tenths: u64,
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

    /// Looks for a competitor while none is believed in.
    pub(super) fn watch(&mut self, contest: &Contest) {
        self.note_peak(contest);
        let standing = self.stands_for(contest);
        self.mark(contest);
        if standing >= STANDING.max(contest.round_trip.scaled(60, 1)) {
            self.believe(contest);
        }
    }

    /// The highest rate lately.
    pub(super) fn peak(&self) -> BitRate {
        self.peaks[0].max(self.peaks[1])
    }

    fn note_peak(&mut self, contest: &Contest) {
        if contest.now.since(self.peaks_since) >= PEAK_SPAN {
            self.peaks = [self.peaks[1], BitRate(0)];
            self.peaks_since = contest.now;
        }
        self.peaks[1] = self.peaks[1].max(contest.rate);
    }

    /// How long the queue has been far above what we would keep.
    fn stands_for(&mut self, contest: &Contest) -> Duration {
        let before = self.marks.iter().rev().nth(1).copied().unwrap_or(0);
        let rise_us = contest.queue_us.saturating_sub(before);
        if rise_us * STEEP_PARTS > contest.least_round_trip.as_micros() {
            // A session of ours has come; give all of us time.
            self.standing_since = None;
        }
        // A competitor takes little by little; then what we want at the rate that is left grows with its queue.
        let far = contest.wanted_us.min(contest.wanted_at_sixteenth_us);
        if contest.queue_us * 2 > far * 3 {
            self.standing_since.get_or_insert(contest.now);
        } else if contest.queue_us * 5 <= contest.wanted_us * 3 {
            self.standing_since = None;
        }
        self.standing_since
            .map_or(Duration::ZERO, |since| contest.now.since(since))
    }

    fn mark(&mut self, contest: &Contest) {
        if contest.now.since(self.marked_at) >= contest.round_trip {
            self.marked_at = contest.now;
            self.marks.rotate_left(1);
            if let Some(newest) = self.marks.last_mut() {
                *newest = contest.queue_us;
            }
        }
    }

    fn believe(&mut self, contest: &Contest) {
        let now = contest.now;
        let rate = self.peak().scaled(1, 2).max(contest.rate);
        *self = Self {
            shadow: Some(ShadowCubic::new(
                now,
                rate,
                contest.round_trip,
                contest.weight_tenths,
            )),
            verdicts: self.verdicts.saturating_add(1),
            congestion_at: now,
            largest: [u64::MAX; 2],
            span_started: now,
            peaks: self.peaks,
            peaks_since: self.peaks_since,
            ..Self::default()
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn contest(at_ms: u64, queue_us: u64, excess_loss: bool) -> Contest {
        Contest {
            now: Instant::from_micros(at_ms * 1_000),
            interval: Duration::from_millis(10),
            round_trip: ROUND_TRIP,
            least_round_trip: ROUND_TRIP,
            queue_us,
            wanted_us: 5_000,
            wanted_at_sixteenth_us: 9_000,
            excess_loss,
            rate: BitRate(50_000_000),
            weight_tenths: 10,
        }
    }

    #[test]
    fn a_queue_that_stands_is_a_competitor_and_one_that_is_drained_is_not() {
        let mut competition = Competition::default();
        for step in 0..2_000 {
            // Empty for a moment each two seconds.
            let queue_us = if step % 200 < 10 { 0 } else { 20_000 };
            competition.watch(&contest(step * 10, queue_us, false));
        }
        assert!(!competition.is_on());
        for step in 2_000..2_900 {
            competition.watch(&contest(step * 10, 20_000, false));
        }
        assert!(competition.is_on());
        assert_eq!(competition.verdicts(), 1);
    }

    #[test]
    fn a_queue_that_rises_at_once_again_and_again_is_not_a_competitor() {
        let mut competition = Competition::default();
        for step in 0..4_000 {
            let queue_us = if step % 100 < 50 { 20_000 } else { 45_000 };
            competition.watch(&contest(step * 10, queue_us, false));
        }
        assert!(!competition.is_on());
    }

    #[test]
    fn a_competitor_whose_queue_is_gone_is_gone() {
        let mut competition = Competition::default();
        let mut step = 0;
        while !competition.is_on() {
            competition.watch(&contest(step * 10, 20_000, false));
            step += 1;
        }
        let believed = step;
        while competition
            .on_report(&contest(step * 10, 1_000, false))
            .is_some()
        {
            step += 1;
        }
        assert!(
            (1..300).contains(&(step - believed)),
            "{step} after {believed}"
        );
    }
}
