//! Elastic competitors: flows that fill every buffer, such as TCP with Cubic, found by the queue they leave.
//!
//! Sessions of ours give way when a queue grows, and all drain together when it surges, so the queue they share never stands
//! far above what each of them wants. A queue that does is somebody's who does not
//! give way. Sessions of ours that hold a wrong base delay leave such a queue as well, but they overflow it all the time; TCP gives way
//! to loss, so beside it little is lost. Then, and only for policies that may, the rate goes to our part of the capacity, and on as
//! that of a flow of the competitor's kind.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::shadow_cubic::ShadowCubic;

/// A queue that stands for so long, or thirty round trips, is not one of ours: ours are drained.
const STANDING: Duration = Duration::from_secs(5);
/// Time without a queue counts so many times as much as time with one: between two of its cuts Cubic may be seen without.
const WITHOUT_COUNTS: u32 = 2;
/// A longer pause between two reports counts as this.
const LONGEST_STEP: Duration = Duration::from_secs(1);
/// Where more than this is lost, nobody gives way to loss: that is not TCP.
const LOSS_BESIDE_TCP_PPM: u64 = 10_000;
/// A queue that grew by one of so many parts of a round trip in one to two of them is that of a session of ours that begins.
const STEEP_PARTS: u64 = 4;
/// Marks of the queue in the past, one each round trip.
const MARKS: usize = 4;
/// The highest rate of the last one to two spans is what the shadow flow takes half of.
const PEAK_SPAN: Duration = Duration::from_secs(20);
/// Going to the share of the capacity takes so long, or ten round trips.
const SETTLING: Duration = Duration::from_secs(2);
/// Without loss for so long the verdict is doubted.
const DOUBT_AFTER: Duration = Duration::from_secs(30);

/// Evidence, and the shadow flow while there is a verdict.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Competition {
    /// How long the queue has stood, less what it has not.
    standing: Duration,
    watched_at: Option<Instant>,
    /// Packets passed and lost lately, in thousandths.
    passed: u64,
    lost: u64,
    marks: [u64; MARKS],
    marked_at: Instant,
    /// Highest rate of the present and the previous span.
    peaks: [BitRate; 2],
    peaks_since: Instant,
    /// What start-up found the path to carry, and the most that arrived in the present and the previous span.
    capacity: BitRate,
    most_delivered: [BitRate; 2],
    /// Until then the rate goes straight to a share of the capacity.
    settling: Option<Instant>,
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
    /// Packet numbers of the report, and how many of them were lost.
    pub(super) passed: u32,
    pub(super) lost: u32,
    /// More was lost than the path loses by itself.
    pub(super) excess_loss: bool,
    /// The rate in force.
    pub(super) rate: BitRate,
    /// What arrived over about a round trip.
    pub(super) delivered: BitRate,
    pub(super) weight_tenths: u64,
}

impl Competition {
    /// Whether a competitor is believed in.
    pub(super) const fn is_on(&self) -> bool {
        self.shadow.is_some()
    }

    /// What the path carries, as far as is known.
    pub(super) fn capacity(&self) -> BitRate {
        self.capacity
            .max(self.most_delivered[0])
            .max(self.most_delivered[1])
    }

    /// The session competes with nobody any more; what the path carries stays known.
    pub(super) const fn give_up(&mut self) {
        self.shadow = None;
        self.settling = None;
        self.standing = Duration::ZERO;
    }

    /// Start-up found that the path carries `capacity`.
    pub(super) fn on_capacity(&mut self, capacity: Option<BitRate>) {
        self.capacity = capacity.unwrap_or(self.capacity);
    }

    /// How often one was.
    pub(super) const fn verdicts(&self) -> u32 {
        self.verdicts
    }

    /// Looks for a competitor while none is believed in.
    pub(super) fn watch(&mut self, contest: &Contest) {
        self.note_peak(contest);
        let patience = STANDING.max(contest.round_trip.scaled(30, 1));
        self.count_loss(contest, patience);
        self.count_standing(contest);
        self.mark(contest);
        // Without knowing the capacity there is no share to go to.
        if self.standing >= patience && self.loses_little() && self.capacity > BitRate(0) {
            self.believe(contest);
        }
    }

    /// Counts over about `span`, the newest most.
    fn count_loss(&mut self, contest: &Contest, span: Duration) {
        let span = span.as_micros().max(1);
        let left = span - contest.interval.as_micros().min(span);
        let faded =
            |count: u64| u64::try_from(u128::from(count) * u128::from(left) / u128::from(span));
        self.passed = faded(self.passed).unwrap_or(0) + u64::from(contest.passed) * 1_000;
        self.lost = faded(self.lost).unwrap_or(0) + u64::from(contest.lost) * 1_000;
    }

    const fn loses_little(&self) -> bool {
        self.lost.saturating_mul(1_000_000) <= self.passed.saturating_mul(LOSS_BESIDE_TCP_PPM)
    }

    /// The highest rate lately.
    pub(super) fn peak(&self) -> BitRate {
        self.peaks[0].max(self.peaks[1])
    }

    /// Remembers what is sent and what arrives, also for who does not compete.
    pub(super) fn note_peak(&mut self, contest: &Contest) {
        if contest.now.since(self.peaks_since) >= PEAK_SPAN {
            self.peaks = [self.peaks[1], BitRate(0)];
            self.most_delivered = [self.most_delivered[1], BitRate(0)];
            self.peaks_since = contest.now;
        }
        self.peaks[1] = self.peaks[1].max(contest.rate);
        self.most_delivered[1] = self.most_delivered[1].max(contest.delivered);
    }

    /// Adds to the time for which the queue has been far above what we would keep, or takes from it.
    fn count_standing(&mut self, contest: &Contest) {
        let since = self.watched_at.replace(contest.now).unwrap_or(contest.now);
        let step = contest.now.since(since).min(LONGEST_STEP);
        let before = self.marks.iter().rev().nth(1).copied().unwrap_or(0);
        let rise_us = contest.queue_us.saturating_sub(before);
        if rise_us * STEEP_PARTS > contest.least_round_trip.as_micros() {
            // A session of ours has come; give all of us time.
            self.standing = Duration::ZERO;
        }
        // A competitor takes little by little; then what we want at the rate that is left grows with its queue.
        let far = contest.wanted_us.min(contest.wanted_at_sixteenth_us);
        if contest.queue_us * 10 > far * 13 {
            self.standing = self.standing + step;
        } else if contest.queue_us * 5 <= contest.wanted_us * 3 {
            let without = step.scaled(WITHOUT_COUNTS.into(), 1);
            self.standing = Duration::from_micros(
                self.standing
                    .as_micros()
                    .saturating_sub(without.as_micros()),
            );
        }
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
        let rate = contest.rate.max(self.share(contest).scaled(1, 4));
        let settled = now + SETTLING.max(contest.round_trip.scaled(10, 1));
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
            capacity: self.capacity,
            most_delivered: self.most_delivered,
            settling: Some(settled),
            ..Self::default()
        };
    }

    /// What is ours of the capacity, with one competitor.
    fn share(&self, contest: &Contest) -> BitRate {
        self.capacity()
            .scaled(contest.weight_tenths, contest.weight_tenths + 10)
    }

    /// Cubic would need minutes to take what it is entitled to: the rate goes there within some round trips, and the shadow
    /// flow goes on from what that brought.
    fn settle(&mut self, contest: &Contest, until: Instant) -> BitRate {
        let now = contest.now;
        self.congestion_at = now;
        let share = self.share(contest);
        let round_trip = contest.round_trip.as_micros().max(1);
        let step = contest.interval.as_micros().min(round_trip);
        let rate = contest.rate.max(share.scaled(1, 4));
        let rate = rate
            .scaled(round_trip + step, round_trip)
            .min(share.max(contest.delivered));
        if now >= until {
            self.settling = None;
            let got = rate.min(contest.delivered.scaled(5, 4));
            self.shadow = Some(ShadowCubic::new(
                now,
                got,
                contest.round_trip,
                contest.weight_tenths,
            ));
        }
        rate
    }

    /// The rate against the competitor; `None` once it is gone.
    pub(super) fn on_report(&mut self, contest: &Contest) -> Option<BitRate> {
        self.shadow?;
        if self.is_gone(contest) {
            self.shadow = None;
            return None;
        }
        if let Some(until) = self.settling {
            return Some(self.settle(contest, until));
        }
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
        Some(shadow.on_report(now, contest.interval, contest.round_trip))
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
            passed: 10,
            lost: 0,
            excess_loss,
            rate: BitRate(50_000_000),
            delivered: BitRate(50_000_000),
            weight_tenths: 10,
        }
    }

    fn on_known_path() -> Competition {
        let mut competition = Competition::default();
        competition.on_capacity(Some(BitRate(100_000_000)));
        competition
    }

    #[test]
    fn a_queue_that_stands_is_a_competitor_and_one_that_is_drained_is_not() {
        let mut competition = on_known_path();
        for step in 0..2_000 {
            // Empty for a third of each second.
            let queue_us = if step % 100 < 34 { 0 } else { 20_000 };
            competition.watch(&contest(step * 10, queue_us, false));
        }
        assert!(!competition.is_on());
        for step in 2_000..2_600 {
            competition.watch(&contest(step * 10, 20_000, false));
        }
        assert!(competition.is_on());
        assert_eq!(competition.verdicts(), 1);
    }

    #[test]
    fn a_queue_that_overflows_all_the_time_is_not_that_of_tcp() {
        for (lost, is_tcp) in [(0, true), (1, false)] {
            let mut competition = on_known_path();
            for step in 0..2_000 {
                let report = contest(step * 10, 20_000, false);
                competition.watch(&Contest { lost, ..report });
            }
            assert_eq!(competition.is_on(), is_tcp, "{lost} of 10 lost");
        }
    }

    #[test]
    fn the_rate_goes_to_half_of_the_capacity_within_some_round_trips() {
        let mut competition = on_known_path();
        let mut rate = BitRate(100_000);
        let mut step = 0;
        while !competition.is_on() {
            competition.watch(&contest(step * 10, 20_000, false));
            step += 1;
        }
        for _ in 0..100 {
            let report = Contest {
                rate,
                delivered: rate,
                ..contest(step * 10, 20_000, true)
            };
            rate = competition.on_report(&report).unwrap();
            step += 1;
        }
        assert!((49_000_000..=50_000_000).contains(&rate.0), "{rate}");
    }

    #[test]
    fn a_queue_that_rises_at_once_again_and_again_is_not_a_competitor() {
        let mut competition = on_known_path();
        for step in 0..4_000 {
            let queue_us = if step % 100 < 50 { 20_000 } else { 45_000 };
            competition.watch(&contest(step * 10, queue_us, false));
        }
        assert!(!competition.is_on());
    }

    #[test]
    fn who_gives_up_competes_no_more_and_remembers_the_capacity() {
        let mut competition = on_known_path();
        for step in 0..1_000 {
            competition.watch(&contest(step * 10, 20_000, false));
        }
        assert!(competition.is_on());
        competition.give_up();
        assert!(!competition.is_on());
        assert_eq!(competition.capacity(), BitRate(100_000_000));
    }

    #[test]
    fn a_competitor_whose_queue_is_gone_is_gone() {
        let mut competition = on_known_path();
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
