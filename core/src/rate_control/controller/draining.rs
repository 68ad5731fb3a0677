//! Draining while a session goes on: when it begins, what it means for the rate, and what its effect says about the path.

use crate::control::choices::RatePolicy;
use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::super::ReportFacts;
use super::super::drain::{Drain, View};
use super::super::jitter::{Jitter, LEAST_US};
use super::super::window::Delivery;
use super::{Phase, RateController};

/// A base delay not seen for so long is looked for.
const STALE_AFTER: Duration = Duration::from_secs(5);
/// One not seen for so long is looked for when others drain.
const JOIN_AFTER: Duration = Duration::from_secs(2);
/// Who joined others looks for it after so long or ten round trips, and after twice as long again.
const FIRST_LOOK_AFTER: Duration = Duration::from_secs(1);
/// Draining does not find a path to be longer for who gets less than one of so many parts of its capacity: that is the queue of others.
const PARTS_TO_REBASE: u64 = 4;
/// `low` comes back to one of so many parts of what it had when others surge.
const GIVES_WAY_TO: u64 = 3;
/// No step towards our share after a drain is larger.
const MOST_STEP_PERMILLE: u64 = 62;
/// A path that is longer by less than this, µs, starves nobody.
const LONGER_US: u64 = 2_000;
/// So many drains in a row that change nothing mean that the path has become longer.
const DRAINS_TO_REBASE: u8 = 2;

/// What arrives over about a round trip: without the path's own loss, and as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passing {
    pub(super) arrived: BitRate,
    pub(super) delivered: BitRate,
}

/// A drain that is over, until its effect can be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    /// From then on the drained path is seen.
    from: Instant,
    at: Instant,
    queue_before_us: u64,
    /// Least and largest queue since.
    least_us: u64,
    largest_us: u64,
    /// The largest of the drained path.
    left_us: u64,
    /// More was lost than the path loses by itself.
    lossy: bool,
}

impl RateController {
    /// Empties the queue; `looks` makes sure that the base delay is the path's.
    pub(super) fn begin_drain(&mut self, facts: &ReportFacts, passing: Passing, looks: bool) {
        if looks {
            self.delay.look_anew();
        }
        let drain = Drain::new(&self.view(facts, passing), looks);
        self.judgement = None;
        self.set_rate(drain.rate(facts.round_trip));
        self.phase = Phase::Drain(drain);
    }

    /// Ends start-up with a drain. Where others share the path, what is taken for its base delay may hold their queue. They
    /// will drain now, because we have come: until then we stay below them, so that the queue can be emptied.
    pub(super) fn drain_start_up(&mut self, facts: &ReportFacts, passing: Passing, shared: bool) {
        let view = self.view(facts, passing);
        let mut drain = Drain::new(&view, false);
        if shared {
            drain.listen(&view);
            self.plan_look(facts, false);
        }
        self.judgement = None;
        self.set_rate(drain.rate(facts.round_trip));
        self.phase = Phase::Drain(drain);
    }

    /// What is taken for the path's base delay may be a queue: it is looked for.
    pub(super) fn plan_look(&mut self, facts: &ReportFacts, where_no_queue_shows: bool) {
        self.look_where_no_queue_shows = where_no_queue_shows;
        let pause = FIRST_LOOK_AFTER.max(facts.round_trip.scaled(10, 1));
        self.next_look = Some((facts.now + pause, pause));
    }

    fn view(&self, facts: &ReportFacts, passing: Passing) -> View {
        View {
            now: facts.now,
            interval: facts.interval,
            round_trip: facts.round_trip,
            unqueued: self.unqueued_round_trip(facts),
            in_flight: facts.in_flight,
            queue_us: self.delay.queue_us(),
            base_us: self.delay.base_us(),
            arrived: passing.arrived,
            delivered: passing.delivered,
        }
    }

    /// The round trip that the path would have without a queue of data.
    pub(super) fn unqueued_round_trip(&self, facts: &ReportFacts) -> Duration {
        let queue_us = self.delay.queue_us() + self.jitter.floor_us();
        let unqueued_us = facts.round_trip.as_micros().saturating_sub(queue_us);
        facts
            .least_round_trip
            .max(Duration::from_micros(unqueued_us))
    }

    pub(super) fn drain(&mut self, facts: &ReportFacts, passing: Passing, mut drain: Drain) {
        let view = self.view(facts, passing);
        let goes_on = drain.on_report(&view);
        if goes_on {
            self.set_rate(drain.rate(facts.round_trip));
            self.phase = Phase::Drain(drain);
            return;
        }
        let queue = self.delay.queue_us();
        // A surge although we have not grown is that of others: who gives way to everybody does not come back to what it had.
        let passes = drain.after(&view);
        let grown = passes > self.drained_to.scaled(5, 4);
        let gives_way =
            self.limits.policy == RatePolicy::Low && self.surge_since.is_some() && !grown;
        let after = if gives_way {
            passes.scaled(1, GIVES_WAY_TO)
        } else {
            self.stepped(passes)
        };
        self.drained_at = facts.now;
        self.drained_to = after;
        self.begin_tracking(facts);
        let seen = facts.round_trip.scaled(5, 4) + facts.interval.scaled(2, 1);
        if drain.has_found_queue(&view) {
            // What a full buffer lost was not lost by the path.
            self.loss.forget_accepted();
        }
        self.anchor = Some((facts.now + seen, after));
        self.judgement = Some(Judgement {
            from: facts.now + facts.round_trip,
            at: facts.now + seen,
            queue_before_us: queue.max(self.usual_queue_us),
            least_us: u64::MAX,
            largest_us: 0,
            left_us: 0,
            lossy: false,
        });
        self.set_rate(after);
    }

    /// A drain is the moment to go some way towards our share: afterwards all who share the path begin anew at what they have.
    pub(super) fn stepped(&self, rate: BitRate) -> BitRate {
        if !self.shares || self.limits.policy == RatePolicy::Low {
            return rate;
        }
        let wanted = self.target_delay_us(rate).max(1);
        let usual = self.usual_queue_us;
        let distance = usual.abs_diff(wanted).min(wanted);
        let step_permille = (distance * 500 / wanted).min(MOST_STEP_PERMILLE);
        if wanted > usual {
            rate.scaled(1_000 + step_permille, 1_000)
        } else {
            rate.scaled(1_000 - step_permille, 1_000)
        }
    }

    /// Others drain, and the base has not been seen for long: all look for it together.
    pub(super) fn joins_looks(&self, facts: &ReportFacts) -> bool {
        self.shares
            && self.limits.policy != RatePolicy::Low
            && self.delay.base_age(facts.now) >= JOIN_AFTER
    }

    /// While reports tell of a drain little arrived because little was sent, not because the path is full:
    /// what passed before it counts.
    pub(super) fn rate_before_drain(&self, facts: &ReportFacts, short_queue: bool) -> BitRate {
        let echo = facts.round_trip.scaled(3, 2);
        match self.anchor {
            Some((until, rate)) if short_queue && facts.now < until + echo => rate,
            _ => BitRate(0),
        }
    }

    /// The base delay has not been seen for long, or others were there when we came.
    pub(super) fn look_is_due(&mut self, facts: &ReportFacts, queue: u64, wanted: u64) -> bool {
        if let Some((at, pause)) = self.next_look
            && facts.now >= at
        {
            let pause = pause.scaled(2, 1);
            self.next_look = (pause < STALE_AFTER).then(|| (facts.now + pause, pause));
            // Above a full buffer that was taken for the path no queue of our own would show.
            if !self.look_where_no_queue_shows || queue < wanted / 2 {
                return true;
            }
        }
        self.delay.base_age(facts.now) >= STALE_AFTER
            && facts.now.since(self.drained_at) >= STALE_AFTER.scaled(1, 4)
    }

    pub(super) fn drain_is_due(&mut self, facts: &ReportFacts, queue: u64, wanted: u64) -> bool {
        let age = self.delay.base_age(facts.now);
        let pause = facts
            .round_trip
            .scaled(4, 1)
            .max(Duration::from_millis(200));
        let rested = facts.now.since(self.drained_at) >= pause;
        if queue <= 2 * wanted + 1_000 {
            self.surge_since = None;
        }
        if !rested {
            return false;
        }
        // Others drain: with them the queue can be emptied.
        if age >= JOIN_AFTER && queue * 10 < self.usual_queue_us * 6 {
            return true;
        }
        if queue > 2 * wanted + 1_000 {
            let since = *self.surge_since.get_or_insert(facts.now);
            return facts.now.since(since) >= facts.interval.scaled(2, 1);
        }
        // Delay has cost a quarter of the rate: is it a queue?
        let given_up =
            self.limits.policy != RatePolicy::Low && self.rate < self.drained_to.scaled(3, 4);
        given_up && queue > wanted && Jitter::may_explain(queue)
    }

    /// A round trip after a drain its effect shows: the queue is smaller, or the path has changed.
    pub(super) fn judge_drain(&mut self, facts: &ReportFacts, delivery: Delivery, wanted: u64) {
        let queue = self.delay.queue_us();
        let Some(mut judgement) = self.judgement else {
            return;
        };
        judgement.least_us = judgement.least_us.min(queue);
        judgement.largest_us = judgement.largest_us.max(queue);
        if facts.now >= judgement.from {
            judgement.left_us = judgement.left_us.max(queue);
        }
        judgement.lossy |= self.loss.is_excess(delivery.passed, delivery.loss_ppm);
        if facts.now < judgement.at {
            self.judgement = Some(judgement);
            return;
        }
        self.judgement = None;
        if !judgement.lossy && self.limits.policy != RatePolicy::Low {
            let meant = judgement.left_us <= LEAST_US + self.above_floor_us(self.rate);
            self.jitter
                .on_drain(if meant { 0 } else { judgement.left_us });
        }
        if judgement.least_us <= wanted || judgement.least_us * 2 < judgement.queue_before_us {
            self.still_after_drains = 0;
            return;
        }
        // A full buffer stands as still as a longer path, but it loses.
        let spread = judgement.largest_us - judgement.least_us;
        let still = spread <= 500.max(judgement.least_us * 6 / 100);
        self.still_after_drains = if still && !judgement.lossy {
            self.still_after_drains.saturating_add(1)
        } else {
            0
        };
        // A queue of others lengthens the round trip too; a clock that was set does not.
        let longer =
            facts.round_trip.as_micros() - facts.least_round_trip.min(facts.round_trip).as_micros();
        let squeezed = longer * 2 > queue
            && delivery.rate.scaled(PARTS_TO_REBASE, 1) < self.competition.capacity();
        if self.still_after_drains >= DRAINS_TO_REBASE && !squeezed {
            self.still_after_drains = 0;
            self.delay.rebase(facts.now);
        }
    }

    /// Who has hardly a rate left cannot find out by draining that the path has become longer: it has nothing to drain, and
    /// what few packets it sends may be lost by the path. A delay that has not moved for very long tells: the path is another one.
    pub(super) fn is_on_longer_path(&mut self, facts: &ReportFacts, delivery: Delivery) -> bool {
        let queue = self.delay.queue_us();
        self.still.on_report(facts.now, queue);
        let starved = self.rate == self.floor()
            || delivery.rate.scaled(PARTS_TO_REBASE, 1) < self.competition.capacity();
        starved && queue > LONGER_US && self.still.has_lasted(facts.now, facts.round_trip)
    }
}
