//! Losing without queueing: tells a full path from a path that loses at random, by experiment.
//!
//! Random loss takes the same part of every rate; a shallow buffer or a policer lets no more than
//! its rate through, so that below it nothing is lost. When more is lost than accepted so far and no queue
//! explains it, the loss of some packets at the present rate is compared with that of as many at a rate just
//! below what arrived. Losses are counted by packet number, so none is put down to the wrong rate.
//!
//! Source: the test and its statistics are our choice.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::ReportFacts;
use super::loss_runs::{LossRuns, ONE};

const MILLION: u64 = 1_000_000;
/// Loss below this above the accepted one, per million, is left alone.
const TOLERATED_PPM: u64 = 8_000;
/// So much more than the opening train lost may be chance.
const BELIEVABLE_PPM: u64 = 100_000;
/// No path is believed to lose more than this by itself.
const MOST_OF_PATH_PPM: u64 = 550_000;
/// More than this is doubted: a buffer that others keep full loses as much whatever one session does, until they give way.
const DOUBTED_PPM: u64 = 150_000;
/// First pause before accepted loss is doubted, and the longest.
const FIRST_DOUBT: Duration = Duration::from_secs(2);
const LAST_DOUBT: Duration = Duration::from_secs(8);
/// Packets that make a judgement.
const LEAST_SAMPLE: u64 = 400;
const LARGEST_SAMPLE: u64 = 12_000;
/// Losses expected in a sample, for each of the factor.
const LOSSES_EXPECTED: u64 = 40;
/// Counting at one rate is given up after so long, or eight round trips.
const LONGEST_STAGE: Duration = Duration::from_secs(2);
/// Slow enough that a bucket that has filled up meanwhile is empty before much is lost.
const PROBE_STEP: Duration = Duration::from_millis(400);
/// A cap is a little below what arrived.
const CAP_PERCENT: u64 = 98;

/// Packets passed and lost.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: u64,
    lost: u64,
}

impl Count {
    const fn ppm(self) -> u64 {
        match self.lost.saturating_mul(MILLION).checked_div(self.passed) {
            Some(ppm) => ppm,
            None => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    /// Watching loss.
    #[default]
    Watch,
    /// Counting at the present rate.
    High { needed: u64 },
    /// Counting just below what arrived.
    Low {
        needed: u64,
        high_ppm: u64,
        high: BitRate,
    },
}

/// A rate above which the path loses.
#[derive(Clone, Copy, Debug)]
struct Cap {
    rate: BitRate,
    /// The first rate it had.
    first: BitRate,
    /// Loss that led to it.
    high_ppm: u64,
    probe_at: Instant,
    backoff: u64,
    /// Loss was seen to vanish under it.
    verified: bool,
}

/// The state of the experiment and what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossTest {
    runs: LossRuns,
    accepted_ppm: Option<u64>,
    /// The highest rate at which no more than that was lost.
    accepted_at: BitRate,
    /// At the start no more loss than this, per million, is put down to the path.
    believable_ppm: u64,
    stage: Stage,
    count: Count,
    count_started: Instant,
    /// Only packets from this number on are counted.
    from: u64,
    cap: Option<Cap>,
    next_test_at: Instant,
    /// When accepted loss is doubted next, and how long after that.
    doubt_at: Option<Instant>,
    doubt_pause: Duration,
}

/// What the rate must do because of loss.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Demand {
    /// Nothing.
    Free,
    /// Not grow while it is measured.
    Hold,
    /// Be exactly this.
    Exactly(BitRate),
}

/// The situation in which a report is judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// The rate in force.
    pub(super) rate: BitRate,
    /// What arrived over about a round trip.
    pub(super) delivered: BitRate,
    /// A queue explains losses.
    pub(super) queued: bool,
    /// Hardly a queue shows: what is taken for the path's delay may be a full buffer.
    pub(super) unqueued: bool,
    /// The session has found its rate.
    pub(super) started: bool,
}

impl Default for LossTest {
    fn default() -> Self {
        Self {
            runs: LossRuns::default(),
            accepted_ppm: None,
            accepted_at: BitRate(0),
            believable_ppm: BELIEVABLE_PPM,
            stage: Stage::Watch,
            count: Count::default(),
            count_started: Instant::default(),
            from: 0,
            cap: None,
            next_test_at: Instant::default(),
            doubt_at: None,
            doubt_pause: FIRST_DOUBT,
        }
    }
}

impl LossTest {
    /// Packet `number` was lost.
    pub(super) fn on_lost(&mut self, number: u64) {
        self.runs.on_lost(number);
    }

    /// `loss_ppm` of the opening train were lost: much more is not the path's own loss.
    pub(super) const fn on_train(&mut self, loss_ppm: u64) {
        self.believable_ppm = loss_ppm + BELIEVABLE_PPM;
    }

    /// Loss that is put down to the path, per million, given `recent_ppm`.
    pub(super) fn accepted_ppm(&self, recent_ppm: u64) -> u64 {
        match (self.accepted_ppm, self.stage) {
            (Some(accepted), Stage::Watch) if self.cap.is_some() => recent_ppm.min(accepted),
            // Statistical noise goes with what arrived.
            (Some(accepted), _) => recent_ppm.min(accepted + accepted / 2 + TOLERATED_PPM),
            (None, _) => recent_ppm.min(self.believable_ppm),
        }
    }

    /// The highest rate, if one has been found.
    pub(super) fn cap(&self) -> Option<BitRate> {
        self.cap.map(|cap| cap.rate)
    }

    /// Start-up ended because nothing more arrived: the rate is capped at once. No more loss is the path's own than there was
    /// before, `before_ppm`.
    pub(super) fn on_full(
        &mut self,
        facts: &ReportFacts,
        delivered: BitRate,
        loss_ppm: u64,
        before_ppm: u64,
    ) {
        let of_train = self.believable_ppm.saturating_sub(BELIEVABLE_PPM);
        let believable = before_ppm.max(of_train).min(self.believable_ppm);
        self.accepted_ppm = Some(self.accepted_ppm.unwrap_or(believable).min(believable));
        self.set_cap(facts, delivered, loss_ppm, 1);
        if let Some(cap) = &mut self.cap {
            // Few packets said so, and they may have been those of the opening train.
            let soon = Duration::from_millis(500).max(facts.round_trip.scaled(10, 1));
            cap.probe_at = facts.now + soon;
        }
    }

    /// What was put down to the path was lost by a full buffer: begins anew.
    pub(super) fn forget_accepted(&mut self) {
        self.accepted_ppm = None;
        self.accepted_at = BitRate(0);
        self.stage = Stage::Watch;
        self.count = Count::default();
        self.from = 0;
    }

    /// Takes one report.
    pub(super) fn on_report(&mut self, facts: &ReportFacts, situation: &Situation) -> Demand {
        let first = facts
            .largest
            .saturating_sub(u64::from(facts.passed_packets));
        if facts.passed_packets > 0 && first + 1 >= self.from && !facts.application_limited {
            let lost = facts.passed_packets.saturating_sub(facts.received_packets);
            self.count.passed = self
                .count
                .passed
                .saturating_add(facts.passed_packets.into());
            self.count.lost = self.count.lost.saturating_add(lost.into());
        }
        if situation.queued && !matches!(self.stage, Stage::Low { .. }) {
            // Whatever is lost now, the queue tells what to do.
            self.begin(facts, Stage::Watch);
            return Demand::Free;
        }
        if self.stage != Stage::Watch && self.takes_too_long(facts) {
            self.put_off(facts);
            self.begin(facts, Stage::Watch);
        }
        match self.stage {
            Stage::Watch => self.watch(facts, situation),
            Stage::High { needed } => self.count_high(facts, situation, needed),
            Stage::Low {
                needed,
                high_ppm,
                high,
            } => self.count_low(facts, needed, high_ppm, high),
        }
    }

    /// A slow session cannot tell in a useful time.
    fn takes_too_long(&self, facts: &ReportFacts) -> bool {
        let limit = LONGEST_STAGE.max(facts.round_trip.scaled(8, 1));
        facts.now.since(self.count_started) >= limit
    }

    fn begin(&mut self, facts: &ReportFacts, stage: Stage) {
        self.stage = stage;
        self.count = Count::default();
        self.count_started = facts.now;
        self.from = if stage == Stage::Watch { 0 } else { facts.next };
    }

    fn watch(&mut self, facts: &ReportFacts, situation: &Situation) -> Demand {
        let count = self.count;
        let ppm = count.ppm();
        let Some(accepted) = self.accepted_ppm else {
            if count.passed >= LEAST_SAMPLE {
                self.accepted_ppm = Some(ppm.min(self.believable_ppm));
                self.accepted_at = situation.rate;
                self.begin(facts, Stage::Watch);
            }
            return Demand::Free;
        };
        let significant = self.is_significant(count, accepted);
        if significant && self.cap.is_some() {
            return self.cap_exceeded(facts, situation, ppm);
        }
        if significant && situation.started && ppm > MOST_OF_PATH_PPM {
            // No path loses that much: no experiment is needed.
            self.set_cap(facts, situation.delivered, ppm, 1);
            return Demand::Free;
        }
        if significant && situation.started && facts.now >= self.next_test_at {
            let needed = self.sample_for(ppm);
            self.begin(facts, Stage::High { needed });
            return Demand::Hold;
        }
        let enough =
            count.passed >= LEAST_SAMPLE && facts.now.since(self.count_started) >= facts.round_trip;
        if enough {
            if let Some(cap) = &mut self.cap {
                cap.verified |= ppm * 10 < cap.high_ppm * 3;
            }
            if !situation.started {
                self.accepted_ppm = Some(accepted.min(ppm));
            } else if ppm <= accepted {
                self.accepted_ppm = Some((accepted * 3 + ppm) / 4);
                self.accepted_at = self.accepted_at.max(situation.rate);
            } else if self.cap.is_none() && self.may_accept_more(facts, situation, significant) {
                self.accepted_ppm = Some(((accepted * 3 + ppm) / 4).min(MOST_OF_PATH_PPM));
            }
            if self.is_doubtful(facts, situation, ppm) {
                return self.begin_low(facts, situation.rate, ppm);
            }
            self.begin(facts, Stage::Watch);
        }
        self.probe(facts);
        Demand::Free
    }

    /// Much is lost and accepted, and it is time to see again whether less is lost at a lower rate.
    fn is_doubtful(&mut self, facts: &ReportFacts, situation: &Situation, ppm: u64) -> bool {
        let much = ppm.min(self.accepted_ppm.unwrap_or(0)) >= DOUBTED_PPM;
        if !much || self.cap.is_some() || !situation.started || !situation.unqueued {
            return false;
        }
        let pause = self.doubt_pause.max(facts.round_trip.scaled(20, 1));
        if facts.now < *self.doubt_at.get_or_insert(facts.now + pause) {
            return false;
        }
        self.doubt_pause = self.doubt_pause.scaled(2, 1).min(LAST_DOUBT);
        self.doubt_at = None;
        true
    }

    /// Goes just below what arrives of `high`, of which `high_ppm` are lost.
    fn begin_low(&mut self, facts: &ReportFacts, high: BitRate, high_ppm: u64) -> Demand {
        let low = high.scaled(MILLION.saturating_sub(high_ppm) * 97, MILLION * 100);
        self.begin(
            facts,
            Stage::Low {
                needed: self.sample_for(high_ppm),
                high_ppm,
                high,
            },
        );
        Demand::Exactly(low)
    }

    /// Loss that grew with the rate is not the path's own; loss that grew by itself may be.
    fn may_accept_more(
        &self,
        facts: &ReportFacts,
        situation: &Situation,
        significant: bool,
    ) -> bool {
        let same_rate = situation.rate <= self.accepted_at.scaled(103, 100);
        same_rate && (!significant || facts.now < self.next_test_at)
    }

    /// More was lost than accepted, more than chance explains and more than is tolerated.
    fn is_significant(&self, count: Count, accepted_ppm: u64) -> bool {
        let factor = self.runs.factor();
        let expected = count.passed.saturating_mul(accepted_ppm + TOLERATED_PPM) / MILLION;
        let variance = factor.saturating_mul(expected + 1) / ONE;
        let margin = 3 * variance.isqrt() + 3 * factor / ONE;
        count.passed >= 100 && count.lost > expected + margin
    }

    /// More of `passed` packets was lost than chance explains.
    pub(super) fn is_excess(&self, passed: u64, loss_ppm: u64) -> bool {
        let lost = passed.saturating_mul(loss_ppm) / MILLION;
        let expected = passed.saturating_mul(self.accepted_ppm.unwrap_or(loss_ppm)) / MILLION;
        let variance = self.runs.factor().saturating_mul(expected) / ONE;
        lost > 0 && lost > expected + 3 * variance.isqrt()
    }

    /// The same for a session that competes: loss of which nothing was known before is a full buffer, as TCP has it.
    pub(super) fn is_congestion(&self, passed: u64, loss_ppm: u64) -> bool {
        loss_ppm > 0 && (self.accepted_ppm.is_none() || self.is_excess(passed, loss_ppm))
    }

    /// Packets after which a loss of `ppm` can be told from none.
    fn sample_for(&self, ppm: u64) -> u64 {
        let wanted = LOSSES_EXPECTED * self.runs.factor() * (MILLION / ONE) / ppm.max(1);
        wanted.clamp(LEAST_SAMPLE / 2, LARGEST_SAMPLE)
    }

    fn count_high(&mut self, facts: &ReportFacts, situation: &Situation, needed: u64) -> Demand {
        if self.count.passed < needed {
            return Demand::Hold;
        }
        let high_ppm = self.count.ppm();
        if !self.is_significant(self.count, self.accepted_ppm.unwrap_or(0)) {
            // It has gone by itself.
            self.begin(facts, Stage::Watch);
            return Demand::Free;
        }
        self.begin_low(facts, situation.rate, high_ppm)
    }

    fn count_low(
        &mut self,
        facts: &ReportFacts,
        needed: u64,
        high_ppm: u64,
        high: BitRate,
    ) -> Demand {
        if self.count.passed < needed {
            return Demand::Hold;
        }
        let count = self.count;
        let expected = count.passed.saturating_mul(high_ppm) / MILLION;
        let margin = 3 * (expected.saturating_mul(self.runs.factor()) / ONE).isqrt();
        if count.lost + margin.max(expected / 2) < expected {
            let delivered = high.scaled(MILLION.saturating_sub(high_ppm), MILLION);
            self.accepted_ppm = Some(self.accepted_ppm.unwrap_or(0).min(count.ppm()));
            self.set_cap(facts, delivered, high_ppm, 1);
            return Demand::Free;
        }
        self.accepted_ppm = Some(((high_ppm + count.ppm()) / 2).min(MOST_OF_PATH_PPM));
        self.accepted_at = high;
        self.put_off(facts);
        self.begin(facts, Stage::Watch);
        Demand::Exactly(high)
    }

    fn put_off(&mut self, facts: &ReportFacts) {
        self.next_test_at = facts.now + Duration::from_secs(2).max(facts.round_trip.scaled(10, 1));
    }

    fn set_cap(&mut self, facts: &ReportFacts, delivered: BitRate, high_ppm: u64, backoff: u64) {
        let rate = delivered.scaled(CAP_PERCENT, 100);
        let pause = Duration::from_secs(3).max(facts.round_trip.scaled(20, 1));
        self.cap = Some(Cap {
            rate,
            first: rate,
            high_ppm,
            probe_at: facts.now + pause.scaled(backoff, 1),
            backoff,
            verified: false,
        });
        self.begin(facts, Stage::Watch);
        self.from = facts.next;
    }

    /// Loss above what is accepted although a cap holds.
    fn cap_exceeded(&mut self, facts: &ReportFacts, situation: &Situation, ppm: u64) -> Demand {
        let Some(cap) = self.cap else {
            return Demand::Free;
        };
        if !cap.verified && self.count.passed < self.sample_for(cap.high_ppm) {
            return Demand::Hold;
        }
        // A bucket that was full lets too much through at first, and the cap is too high: then less is lost, not as much.
        let as_much = if cap.high_ppm > 200_000 { 9 } else { 7 };
        if !cap.verified && ppm <= MOST_OF_PATH_PPM && ppm * 10 >= cap.high_ppm * as_much {
            // Less did not help: it was not the rate.
            self.cap = None;
            self.accepted_ppm = Some(ppm);
            self.accepted_at = situation.rate;
            self.put_off(facts);
            self.begin(facts, Stage::Watch);
            return Demand::Free;
        }
        let backoff = (cap.backoff + 1).min(5);
        let high_ppm = ppm.max(cap.high_ppm / 2);
        if cap.verified && cap.rate > cap.first {
            // A probe went too far: nothing was lost at the rate before it, and what arrives now is about the limit.
            let held = cap.first.scaled(100, CAP_PERCENT);
            let limit = situation.delivered.min(cap.rate);
            self.set_cap(
                facts,
                limit.scaled(CAP_PERCENT, 100).max(held),
                high_ppm,
                backoff,
            );
        } else {
            let delivered = situation.delivered.min(cap.rate);
            self.set_cap(facts, delivered, high_ppm, backoff);
        }
        if let Some(new) = &mut self.cap {
            new.verified = cap.verified;
        }
        Demand::Free
    }

    /// After a while a cap is raised, a sixteenth each [`PROBE_STEP`], until loss shows again or it is gone.
    fn probe(&mut self, facts: &ReportFacts) {
        let Some(cap) = &mut self.cap else {
            return;
        };
        if facts.now < cap.probe_at {
            return;
        }
        let slowly = if cap.backoff > 1 {
            PROBE_STEP
        } else {
            PROBE_STEP.scaled(1, 4)
        };
        let round_trip = facts.round_trip.max(slowly).as_micros();
        let step = facts.interval.as_micros().min(round_trip);
        cap.rate = cap.rate.scaled(16 * round_trip + step, 16 * round_trip);
        if cap.rate.0 > cap.first.scaled(2, 1).0 {
            self.cap = None;
        }
    }
}

#[cfg(test)]
mod tests;
