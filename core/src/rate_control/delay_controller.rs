//! The rate controller: start-up, then tracking a small queueing delay.
//!
//! The set point of the queue shrinks with the square root of the rate, so sessions that see the same
//! queue settle at shares proportional to their weights. The rate is anchored on what was delivered,
//! corrected for the loss that came with it: random loss changes nothing.

use crate::control::choices::RatePolicy;
use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::capacity_guard::CapacityGuard;
use super::queuing_delay::QueuingDelay;
use super::window::{Delivery, ReportWindow};
use super::{RateLimits, ReportFacts};

/// Floor of the target delay: timer and interrupt noise.
const JITTER_FLOOR_US: u64 = 500;
/// Queueing delay a fair session aims for at 10 Mbit/s, above the floor.
const DELAY_AT_10_MBIT_US: u64 = 10_000;
/// No session aims for more than this.
const DELAY_CEILING_US: u64 = 25_000;
/// First rate of an adaptive session: ten full packets in 100 ms.
const FIRST_RATE: BitRate = BitRate(1_200_000);
/// Adaptive sessions keep probing at this rate at least.
const LEAST_RATE: BitRate = BitRate(64_000);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Doubling each round trip until a queue shows or delivery stops following.
    StartUp,
    /// Below the delivered rate until the start-up queue is gone.
    Drain { until: Instant },
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
    window: ReportWindow,
    guard: CapacityGuard,
    velocity: u64,
    error_positive: bool,
    error_since: Instant,
    velocity_raised: Instant,
    silent: bool,
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
            phase: Phase::StartUp,
            delay: QueuingDelay::default(),
            window: ReportWindow::new(),
            guard: CapacityGuard::default(),
            velocity: 1,
            error_positive: true,
            error_since: now,
            velocity_raised: now,
            silent: false,
        }
    }

    /// The rate to send at now.
    #[must_use]
    pub const fn rate(&self) -> BitRate {
        self.rate
    }

    /// The standing queueing delay, µs.
    #[must_use]
    pub const fn queue_us(&self) -> u64 {
        self.delay.queue_us()
    }

    /// New wishes for the running session.
    pub fn set_limits(&mut self, limits: RateLimits) {
        let was_fixed = self.limits.policy == RatePolicy::Fixed;
        self.limits = limits;
        if limits.policy == RatePolicy::Fixed {
            self.rate = limits.target;
        } else if was_fixed {
            self.phase = Phase::Track;
        }
        self.set_rate(self.rate);
    }

    /// Takes what one report says.
    pub fn on_report(&mut self, facts: &ReportFacts) {
        self.silent = false;
        self.window.on_report(facts);
        if facts.received_packets > 0 {
            // A report of nothing measured no delay.
            self.delay.on_sample(facts.now, facts.least_delay_us);
        }
        if self.limits.policy == RatePolicy::Fixed {
            self.rate = self.limits.target;
            return;
        }
        let span = facts.round_trip.max(facts.interval.scaled(4, 1));
        let delivery = self.window.delivery(span);
        match self.phase {
            Phase::StartUp => self.start_up(facts, delivery),
            Phase::Drain { until } => {
                if facts.now >= until {
                    self.phase = Phase::Track;
                    self.set_rate(corrected(delivery));
                }
            }
            Phase::Track => self.track(facts, delivery),
        }
    }

    /// No report came for `silent_for`: halves the rate; after 3 s only the least rate is left.
    pub fn on_silence(&mut self, silent_for: Duration) {
        if self.limits.policy == RatePolicy::Fixed && silent_for < Duration::from_secs(3) {
            return;
        }
        self.silent = true;
        self.rate = if silent_for >= Duration::from_secs(3) {
            self.floor()
        } else {
            self.rate.scaled(1, 2).max(self.floor())
        };
        if self.limits.policy != RatePolicy::Fixed {
            self.phase = Phase::StartUp;
        }
    }

    fn start_up(&mut self, facts: &ReportFacts, delivery: Delivery) {
        let queue = self.delay.queue_us();
        let wanted = self.target_delay_us(self.rate);
        let deep = (facts.least_round_trip.as_micros() / 8)
            .clamp(4_000, 16_000)
            .max(wanted);
        let arrived = corrected(delivery);
        if queue > deep {
            let until =
                facts.now + Duration::from_micros(2 * queue) + facts.round_trip.scaled(11, 10);
            self.phase = Phase::Drain { until };
            self.set_rate(arrived.scaled(1, 2));
            return;
        }
        if queue * 10 > wanted * 6 && arrived >= self.rate.scaled(7, 10) {
            self.phase = Phase::Track;
            self.error_since = facts.now;
            self.set_rate(arrived);
            return;
        }
        if self.capped(facts, delivery) {
            self.phase = Phase::Track;
            return;
        }
        // What a round trip ago was sent must have arrived before the rate grows further.
        if !delivery.application_limited
            && arrived.scaled(5, 2) < self.rate
            && delivery.passed >= 24
        {
            return;
        }
        let round_trip = facts.round_trip.as_micros().max(2_000);
        let step = facts.interval.as_micros().min(round_trip);
        self.set_rate(self.rate.scaled(round_trip + step, round_trip));
    }

    fn track(&mut self, facts: &ReportFacts, delivery: Delivery) {
        let queue = self.delay.queue_us();
        let wanted = self.target_delay_us(self.rate);
        self.update_velocity(facts, wanted >= queue);
        let capped = self.capped(facts, delivery);
        let base = corrected(delivery);
        let base = if delivery.application_limited {
            base.max(self.rate)
        } else {
            base
        };
        let scale = (2 * facts.round_trip.as_micros()).max(20_000);
        let gain_permille = self.velocity.saturating_mul(wanted.abs_diff(queue)) * 1_000 / scale;
        let gain_permille = gain_permille.min(250);
        let rate = if wanted >= queue {
            let most = if queue * 10 > wanted * 3 { 62 } else { 250 };
            base.scaled(1_000 + gain_permille.min(most), 1_000)
        } else {
            base.scaled(1_000 - gain_permille, 1_000)
        };
        if capped && rate > self.rate {
            return;
        }
        let round_trip = facts.round_trip.as_micros().max(2_000);
        let step = facts.interval.as_micros().min(round_trip);
        let fastest = self.rate.scaled(4 * round_trip + step, 4 * round_trip);
        let slowest = self.rate.scaled(4 * round_trip - step, 4 * round_trip);
        self.set_rate(rate.min(fastest).max(slowest));
    }

    /// Applies the capacity guard; `true` while a cap holds the rate down.
    fn capped(&mut self, facts: &ReportFacts, delivery: Delivery) -> bool {
        if delivery.application_limited {
            return false;
        }
        let cap = self.guard.on_window(
            facts.now,
            facts.round_trip,
            self.rate,
            delivery.rate,
            delivery.loss_ppm,
        );
        if let Some(cap) = cap
            && self.rate > cap
        {
            self.set_rate(cap);
        }
        cap.is_some()
    }

    /// The gain doubles each round trip while the error keeps its sign for more than two.
    fn update_velocity(&mut self, facts: &ReportFacts, positive: bool) {
        let now = facts.now;
        if positive != self.error_positive {
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
        // (10 ms)² · weight · 10 Mbit/s ÷ rate, in µs²; weight is in tenths, hence 1 Mbit/s.
        let squared = u128::from(DELAY_AT_10_MBIT_US * DELAY_AT_10_MBIT_US)
            * u128::from(weight_tenths(self.limits.policy))
            * 1_000_000
            / u128::from(rate.0.max(1));
        let above_floor = u64::try_from(squared.isqrt()).unwrap_or(u64::MAX);
        JITTER_FLOOR_US
            .saturating_add(above_floor)
            .min(DELAY_CEILING_US)
    }

    fn floor(&self) -> BitRate {
        LEAST_RATE.max(self.limits.minimum).min(self.limits.target)
    }

    fn set_rate(&mut self, rate: BitRate) {
        self.rate = rate.max(self.floor()).min(self.limits.target);
    }
}

/// Weight in the target queueing delay, in tenths: a share is proportional to it.
const fn weight_tenths(policy: RatePolicy) -> u64 {
    match policy {
        RatePolicy::High => 20,
        RatePolicy::Fixed | RatePolicy::Fair => 10,
        RatePolicy::Low => 1,
    }
}

/// The rate that would have arrived without loss.
fn corrected(delivery: Delivery) -> BitRate {
    delivery.rate.scaled(
        1_000_000,
        1_000_000_u64.saturating_sub(delivery.loss_ppm).max(100_000),
    )
}

#[cfg(test)]
mod tests;
