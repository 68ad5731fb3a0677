//! The rate controller: start-up, then tracking a small queueing delay.
//!
//! The set point of the queue shrinks with the square root of the rate, so sessions that see the same
//! queue settle at shares proportional to their weights. The rate is anchored on what was delivered,
//! corrected for the loss that is the path's own: random loss changes nothing. Now and then, and whenever the queue
//! surges, the session drains it, which shows the base delay to everybody who shares it.

mod draining;

use crate::control::choices::RatePolicy;
use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::circuit_breaker::CircuitBreaker;
use super::clock_skew::ClockSkew;
use super::competition::{Competition, Contest};
use super::drain::Drain;
use super::jitter::Jitter;
use super::loss_test::{Demand, LossTest, Situation};
use super::queuing_delay::QueuingDelay;
use super::start_up::{StartUp, Step};
use super::still_delay::StillDelay;
use super::window::{Delivery, ReportWindow};
use super::{RateLimits, ReportFacts};
use draining::{Judgement, Passing};

/// Queueing delay a fair session aims for at 10 Mbit/s, above the floor.
const DELAY_AT_10_MBIT_US: u64 = 10_000;
/// No session aims for more than this.
const DELAY_CEILING_US: u64 = 25_000;
/// First rate of an adaptive session: ten full packets in 100 ms.
const FIRST_RATE: BitRate = BitRate(1_200_000);
/// Adaptive sessions keep probing at this rate at least.
const LEAST_RATE: BitRate = BitRate(64_000);
/// Where a queue has stood for so long, or eight round trips, although `low` gave way,
const LONG_STOOD: Duration = Duration::from_secs(1);
/// it grows only when the queue has been short for so long, or three round trips.
const LEAST_QUIET: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Growing until a queue shows or delivery stops following.
    StartUp(StartUp),
    /// Below the delivered rate until the queue is gone.
    Drain(Drain),
    /// Holding the target queueing delay.
    Track,
}

/// Decides the sending rate of one lane.
#[derive(Clone, Debug)]
pub struct RateController {
    limits: RateLimits,
    rate: BitRate,
    phase: Phase,
    delay: QueuingDelay,
    skew: ClockSkew,
    jitter: Jitter,
    window: ReportWindow,
    loss: LossTest,
    competition: Competition,
    breaker: CircuitBreaker,
    velocity: u64,
    error_positive: bool,
    error_since: Instant,
    /// How long the queue was above its target before it was short.
    stood_for: Duration,
    velocity_raised: Instant,
    /// Since when hardly any queue shows.
    empty_since: Option<Instant>,
    /// Since when the queue is far above its target.
    surge_since: Option<Instant>,
    /// Much less arrives than the path is known to carry: others use it.
    shares: bool,
    /// Running mean of the queue while tracking, µs.
    usual_queue_us: u64,
    drained_at: Instant,
    /// The rate after the latest drain.
    drained_to: BitRate,
    /// When the base delay is looked for next because others were there when we came, and how long after that.
    next_look: Option<(Instant, Duration)>,
    /// It was planned because start-up ended by loss, and is left out if a queue shows.
    look_where_no_queue_shows: bool,
    judgement: Option<Judgement>,
    /// Drains in a row that changed nothing at all.
    still_after_drains: u8,
    still: StillDelay,
    /// Until then reports tell of the time before the latest drain.
    anchor: Option<(Instant, BitRate)>,
}

impl RateController {
    /// A controller at the start of a session.
    #[must_use]
    pub fn new(limits: RateLimits, now: Instant) -> Self {
        let rate = match limits.policy {
            RatePolicy::Fixed => limits.target,
            _ => FIRST_RATE.max(limits.minimum).min(limits.target),
        };
        Self {
            limits,
            rate,
            phase: Phase::StartUp(StartUp::default()),
            delay: QueuingDelay::default(),
            skew: ClockSkew::default(),
            jitter: Jitter::default(),
            window: ReportWindow::new(),
            loss: LossTest::default(),
            competition: Competition::default(),
            breaker: CircuitBreaker::default(),
            velocity: 1,
            error_positive: true,
            error_since: now,
            stood_for: Duration::ZERO,
            velocity_raised: now,
            empty_since: None,
            surge_since: None,
            shares: false,
            usual_queue_us: 0,
            drained_at: now,
            drained_to: BitRate(0),
            next_look: None,
            look_where_no_queue_shows: false,
            judgement: None,
            still_after_drains: 0,
            still: StillDelay::default(),
            anchor: None,
        }
    }

    /// The rate to send at now.
    #[must_use]
    pub const fn rate(&self) -> BitRate {
        self.rate
    }

    /// The rate that is never exceeded.
    #[must_use]
    pub const fn target(&self) -> BitRate {
        self.limits.target
    }

    /// During start-up, what the path carries by the train that opened the session, once that is known.
    #[must_use]
    pub const fn train_capacity(&self) -> Option<BitRate> {
        match &self.phase {
            Phase::StartUp(start_up) => start_up.capacity(),
            _ => None,
        }
    }

    /// The standing queueing delay, µs.
    #[must_use]
    pub const fn queue_us(&self) -> u64 {
        self.delay.queue_us()
    }

    /// Whether a flow that fills buffers is believed to compete now.
    #[must_use]
    pub const fn is_competing(&self) -> bool {
        self.competition.is_on()
    }

    /// How often that has been believed.
    #[must_use]
    pub const fn competition_verdicts(&self) -> u32 {
        self.competition.verdicts()
    }

    /// Whether the session may begin with a train: several packets at once whose spread tells the capacity.
    #[must_use]
    pub fn opens_with_train(&self) -> bool {
        matches!(self.limits.policy, RatePolicy::Fair | RatePolicy::High)
    }

    /// New wishes for the running session.
    pub fn set_limits(&mut self, limits: RateLimits) {
        let was_fixed = self.limits.policy == RatePolicy::Fixed;
        self.limits = limits;
        if limits.policy == RatePolicy::Low {
            self.competition.give_up();
        }
        if limits.policy == RatePolicy::Fixed {
            self.rate = limits.target;
        } else if was_fixed {
            self.phase = Phase::Track;
        }
        self.set_rate(self.rate);
    }

    /// Packet `number` was reported missing.
    pub fn on_lost(&mut self, number: u64) {
        self.loss.on_lost(number);
    }

    /// Takes what one report says.
    pub fn on_report(&mut self, facts: &ReportFacts) {
        self.window.on_report(facts);
        self.skew.on_report(facts.now, facts.report_delay_us);
        if facts.received_packets > 0 {
            // A report of nothing measured no delay.
            let delay_us = facts.least_delay_us + self.skew.correction_us(facts.now);
            self.delay.on_sample(facts.now, delay_us);
            self.jitter.on_sample(facts.interval, delay_us);
        }
        let span = facts.round_trip.max(facts.interval.scaled(4, 1));
        let delivery = self.window.delivery(span);
        if self.limits.policy == RatePolicy::Fixed {
            self.breaker.on_loss(facts.now, delivery.loss_ppm);
            self.rate = self.breaker.limit(self.limits.target).max(self.floor());
            return;
        }
        self.adapt(facts, delivery);
        if let Some(storage) = facts.storage_rate {
            self.set_rate(self.rate.min(storage.scaled(9, 8)));
        }
    }

    fn adapt(&mut self, facts: &ReportFacts, delivery: Delivery) {
        let wanted = self.target_delay_us(self.rate);
        let queue = self.delay.queue_us();
        let situation = Situation {
            rate: self.rate,
            delivered: delivery.rate,
            queued: queue > wanted + wanted / 2 || self.competition.is_on(),
            unqueued: queue < wanted / 2,
            started: !matches!(self.phase, Phase::StartUp(_)),
        };
        let demand = self.loss.on_report(facts, &situation);
        let accepted = self.loss.accepted_ppm(delivery.loss_ppm);
        let arrived = delivery
            .rate
            .scaled(1_000_000, 1_000_000 - accepted.min(900_000));
        if let Demand::Exactly(rate) = demand {
            self.set_rate(rate);
            return;
        }
        match self.phase {
            Phase::StartUp(start_up) => self.start_up(facts, delivery, arrived, start_up),
            Phase::Drain(drain) => self.drain(
                facts,
                Passing {
                    arrived,
                    delivered: delivery.rate,
                },
                drain,
            ),
            Phase::Track if self.competition.is_on() => self.compete(facts, delivery),
            Phase::Track => self.track(facts, delivery, arrived, demand),
        }
        if let Some(cap) = self.loss.cap()
            && self.rate > cap
        {
            self.set_rate(cap);
        }
    }

    /// No report came for `silent_for`: halves the rate; after 3 s only the least rate is left.
    pub fn on_silence(&mut self, silent_for: Duration) {
        if self.limits.policy == RatePolicy::Fixed && silent_for < Duration::from_secs(3) {
            return;
        }
        self.rate = if silent_for >= Duration::from_secs(3) {
            self.floor()
        } else {
            self.rate.scaled(1, 2).max(self.floor())
        };
        if self.limits.policy != RatePolicy::Fixed {
            self.phase = Phase::StartUp(StartUp::without_train());
        }
    }

    /// The path is another one: nothing measured counts, and what it carries is found without a train.
    pub fn on_path_change(&mut self, now: Instant) {
        *self = Self {
            phase: Phase::StartUp(StartUp::without_train()),
            ..Self::new(self.limits, now)
        };
    }

    fn start_up(
        &mut self,
        facts: &ReportFacts,
        delivery: Delivery,
        arrived: BitRate,
        mut start_up: StartUp,
    ) {
        let queue = self.delay.queue_us();
        let wanted = self.target_delay_us(self.rate);
        let passing = Passing {
            arrived,
            delivered: delivery.rate,
        };
        let deep = (facts.least_round_trip.as_micros() / 8)
            .clamp(4_000, 16_000)
            .max(wanted);
        let in_train = start_up.in_train();
        let step = start_up.on_report(facts, delivery, self.rate, arrived);
        self.competition.on_capacity(start_up.capacity());
        self.phase = Phase::StartUp(start_up);
        if in_train {
            // The train was its own queue, and it has passed.
            self.delay.forget_standing();
            self.loss.on_train(start_up.loss_of_train());
            if let Step::Rate(rate) = step {
                self.set_rate(rate);
            }
            return;
        }
        if queue > deep {
            self.drain_start_up(facts, passing, start_up.is_shared(arrived));
            return;
        }
        if queue * 10 > wanted * 6 && arrived >= self.rate.scaled(7, 10) {
            // What is under way may hold a queue that cannot be seen yet.
            let base = self.unqueued_round_trip(facts);
            let fits = arrived.bytes_in(base + Duration::from_micros(2 * wanted));
            if facts.in_flight > fits || start_up.is_shared(arrived) {
                self.drain_start_up(facts, passing, start_up.is_shared(arrived));
            } else {
                self.begin_tracking(facts);
                self.set_rate(arrived);
            }
            return;
        }
        match step {
            Step::Rate(rate) => self.set_rate(rate),
            Step::Full(rate) => {
                let before_ppm = start_up.loss_before();
                self.loss
                    .on_full(facts, rate, delivery.loss_ppm, before_ppm);
                // The buffer may have been full since before we came.
                self.plan_look(facts, true);
                self.begin_tracking(facts);
                self.set_rate(rate);
            }
        }
    }

    fn begin_tracking(&mut self, facts: &ReportFacts) {
        self.phase = Phase::Track;
        self.error_since = facts.now;
        self.velocity = 1;
        self.surge_since = None;
    }

    /// What the queue means besides a rate: another path, or a drain that begins.
    fn has_left_tracking(
        &mut self,
        facts: &ReportFacts,
        delivery: Delivery,
        passing: Passing,
        wanted: u64,
    ) -> bool {
        self.judge_drain(facts, delivery, wanted);
        if self.is_on_longer_path(facts, delivery) {
            self.on_path_change(facts.now);
            return true;
        }
        let queue = self.delay.queue_us();
        let contest = self.contest(facts, delivery);
        match self.limits.policy {
            RatePolicy::Low => self.competition.note_peak(&contest),
            _ => self.competition.watch(&contest),
        }
        let looks = self.look_is_due(facts, queue, wanted);
        if looks || self.drain_is_due(facts, queue, wanted) {
            let joins = self.joins_looks(facts);
            self.begin_drain(facts, passing, looks || joins);
            return true;
        }
        false
    }

    fn track(&mut self, facts: &ReportFacts, delivery: Delivery, arrived: BitRate, demand: Demand) {
        self.watch_sharing(facts, delivery);
        let queue = self.delay.queue_us();
        let wanted = self.target_delay_us(self.rate);
        // Where hardly a queue shows, a full buffer may have been taken for the path: then loss is ours.
        let passing = Passing {
            arrived,
            delivered: if queue < wanted / 2 {
                delivery.rate
            } else {
                arrived
            },
        };
        if self.has_left_tracking(facts, delivery, passing, wanted) {
            return;
        }
        self.usual_queue_us = (self.usual_queue_us * 31 + queue) / 32;
        if self.anchor.is_some_and(|(until, _)| facts.now < until) {
            // What is seen of the queue is from before the drain.
            return;
        }
        if demand == Demand::Hold && queue <= wanted + wanted / 2 {
            return;
        }
        self.update_velocity(facts, wanted >= queue);
        if wanted >= queue && self.waits_for_quiet(facts) {
            return;
        }
        let far = self.is_far_from_full(facts, queue, wanted);
        let base = if delivery.application_limited {
            arrived.max(self.rate)
        } else if far {
            arrived.max(self.rate.min(arrived.scaled(8, 5)))
        } else if queue < wanted && delivery.span > facts.round_trip.scaled(3, 1) {
            // So few packets pass that what arrived is long ago.
            arrived.max(self.rate.min(arrived.scaled(5, 4)))
        } else {
            arrived.max(self.rate_before_drain(facts, queue < wanted))
        };
        let scale = (2 * facts.round_trip.as_micros()).max(20_000);
        let gain_permille = self.velocity.saturating_mul(wanted.abs_diff(queue)) * 1_000 / scale;
        // Who gives way to everybody does so twice as fast.
        let surges = queue > 2 * wanted + 1_000;
        let haste = if surges && self.limits.policy == RatePolicy::Low {
            2
        } else {
            1
        };
        let gain_permille = if far {
            250
        } else {
            gain_permille.min(250 * haste)
        };
        let rate = if wanted >= queue {
            let most = if queue * 10 > wanted * 3 { 62 } else { 250 };
            base.scaled(1_000 + gain_permille.min(most), 1_000)
        } else {
            base.scaled(1_000 - gain_permille, 1_000)
        };
        let round_trip = facts.round_trip.as_micros().max(2_000);
        let step = facts.interval.as_micros().min(round_trip);
        let fastest = self.rate.scaled(4 * round_trip + step, 4 * round_trip);
        let slowest = self
            .rate
            .scaled(4 * round_trip - haste * step, 4 * round_trip);
        self.set_rate(rate.min(fastest).max(slowest));
    }

    /// Whether others use the path, and whether the delay moves by itself meanwhile: who is slow because of that looks the same.
    fn watch_sharing(&mut self, facts: &ReportFacts, delivery: Delivery) {
        self.shares = delivery.rate.scaled(4, 3) < self.competition.capacity();
        if self.shares {
            let base_age = self.delay.base_age(facts.now);
            self.jitter
                .watch_shared(facts.interval, self.delay.base_us(), base_age);
        }
    }

    /// No queue has shown for long although none was drained: what arrives says nothing about what could.
    fn is_far_from_full(&mut self, facts: &ReportFacts, queue: u64, wanted: u64) -> bool {
        if queue * 10 > wanted * 3 {
            self.empty_since = None;
            return false;
        }
        let since = *self.empty_since.get_or_insert(facts.now);
        let long = |round_trips| facts.round_trip.scaled(round_trips, 1);
        facts.now.since(since) > long(3) && facts.now.since(self.drained_at) > long(6)
    }

    /// A queue that stood for long whatever was sent is short for a moment when others drain it: who gives way to everybody
    /// does not take their place.
    fn waits_for_quiet(&self, facts: &ReportFacts) -> bool {
        let stood = self.stood_for >= LONG_STOOD.max(facts.round_trip.scaled(8, 1));
        let quiet = facts.round_trip.scaled(3, 1).max(LEAST_QUIET);
        let short_for = facts.now.since(self.error_since);
        self.limits.policy == RatePolicy::Low && stood && short_for < quiet
    }

    /// What this report says about competitors.
    fn contest(&self, facts: &ReportFacts, delivery: Delivery) -> Contest {
        Contest {
            now: facts.now,
            interval: facts.interval,
            round_trip: facts.round_trip,
            least_round_trip: facts.least_round_trip,
            queue_us: self.delay.queue_us(),
            wanted_us: self.target_delay_us(self.rate),
            wanted_at_sixteenth_us: self.target_delay_us(self.competition.peak().scaled(1, 16)),
            passed: facts.passed_packets,
            lost: facts.passed_packets.saturating_sub(facts.received_packets),
            excess_loss: self.loss.is_congestion(delivery.passed, delivery.loss_ppm),
            rate: self.rate,
            delivered: delivery.rate,
            weight_tenths: weight_permille(self.limits.policy) / 100,
        }
    }

    fn compete(&mut self, facts: &ReportFacts, delivery: Delivery) {
        match self.competition.on_report(&self.contest(facts, delivery)) {
            Some(rate) => self.set_rate(rate),
            None => self.begin_tracking(facts),
        }
    }

    /// The gain doubles each round trip while the error keeps its sign for more than two.
    fn update_velocity(&mut self, facts: &ReportFacts, positive: bool) {
        let now = facts.now;
        if positive != self.error_positive {
            if positive {
                self.stood_for = now.since(self.error_since);
            }
            self.error_positive = positive;
            self.error_since = now;
            self.velocity = 1;
        } else if now.since(self.error_since) > facts.round_trip.scaled(2, 1)
            && now.since(self.velocity_raised) > facts.round_trip
        {
            self.velocity = (self.velocity * 2).min(64);
            self.velocity_raised = now;
        }
    }

    fn target_delay_us(&self, rate: BitRate) -> u64 {
        self.jitter
            .floor_us()
            .saturating_add(self.above_floor_us(rate))
            .max(self.range_us())
            .min(DELAY_CEILING_US)
    }

    /// How far the delay rises by itself, slowly. Who gives way to everybody, though it did not before, must not take the queue of
    /// others for that, nor must who shares the path: those who took their common queue for noise would all hold what they have.
    fn range_us(&self) -> u64 {
        if self.limits.policy == RatePolicy::Low || (self.shares && !self.jitter.wanders()) {
            0
        } else {
            self.jitter.range_us()
        }
    }

    /// The queue that is aimed for, without what the delay varies by itself.
    fn above_floor_us(&self, rate: BitRate) -> u64 {
        // (10 ms)² · weight · 10 Mbit/s ÷ rate, in µs²; weight is in thousandths, hence 10 kbit/s.
        let squared = u128::from(DELAY_AT_10_MBIT_US * DELAY_AT_10_MBIT_US)
            * u128::from(weight_permille(self.limits.policy))
            * 10_000
            / u128::from(rate.0.max(1));
        u64::try_from(squared.isqrt()).unwrap_or(u64::MAX)
    }

    fn floor(&self) -> BitRate {
        LEAST_RATE.max(self.limits.minimum).min(self.limits.target)
    }

    fn set_rate(&mut self, rate: BitRate) {
        self.rate = rate.max(self.floor()).min(self.limits.target);
    }
}

/// Weight in the target queueing delay, in thousandths: a share is proportional to it.
const fn weight_permille(policy: RatePolicy) -> u64 {
    match policy {
        RatePolicy::High => 2_000,
        RatePolicy::Fixed | RatePolicy::Fair => 1_000,
        RatePolicy::Low => 20,
    }
}

#[cfg(test)]
mod tests;
