//! Start-up: from the train that opens a session to the first sign of a full path.
//!
//! A train of packets that leave together is spread out by the narrowest place, so the delays of its first
//! and last packet tell how much passes there. The session jumps to half of that, doubles each round trip up to
//! it, and goes on more slowly until a queue shows. Without a train it doubles from a small rate.

use crate::time::{Duration, Instant};
use crate::units::BitRate;

use super::ReportFacts;
use super::window::Delivery;

/// Fewer packets of a train than this say nothing.
const LEAST_TRAIN: u64 = 6;
/// So many packets of a train that is still arriving say enough.
const ENOUGH_OF_TRAIN: u64 = 12;
/// After so many packets that belong to none there will be no train.
const WITHOUT_TRAIN: u32 = 48;
/// Losses of a train up to this part are taken for the path's own, above for a full buffer.
const LOSS_OF_PATH_PERCENT: u64 = 20;
/// Packets after which the loss of a round trip means something.
const LEAST_PASSED: u64 = 12;

/// What start-up knows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StartUp {
    train: Train,
    /// What the path seems to carry.
    capacity: Option<BitRate>,
    /// The first packet that was sent at half of that.
    half_from: u64,
    /// Rate and delivery a round trip ago.
    mark: Option<Mark>,
    /// Round trips in which delivery did not follow the rate.
    stalled: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Train {
    received: u64,
    passed: u64,
    bytes: u64,
    first_delay_us: Option<i64>,
    last_delay_us: i64,
    started: Instant,
    /// Packets that arrived and belong to no train.
    others: u32,
    over: bool,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    delivered: BitRate,
    loss_ppm: u64,
}

/// What start-up wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Go on at this rate.
    Rate(BitRate),
    /// Delivery no longer follows the rate, and much is lost: the path carries this.
    Full(BitRate),
}

impl StartUp {
    /// Start-up that resumes from a working rate: no train.
    pub(super) fn without_train() -> Self {
        Self {
            train: Train {
                over: true,
                ..Train::default()
            },
            ..Self::default()
        }
    }

    /// What the path seems to carry, if that is known.
    pub(super) const fn capacity(&self) -> Option<BitRate> {
        self.capacity
    }

    /// Whether much less arrives than the path carries: others use it.
    pub(super) fn is_shared(&self, arrived: BitRate) -> bool {
        self.capacity
            .is_some_and(|capacity| arrived < capacity.scaled(3, 4))
    }

    /// Loss of the train, per million, unless it met a full buffer.
    pub(super) const fn loss_of_train(&self) -> u64 {
        self.train.loss_ppm()
    }

    /// Loss about a round trip ago, per million.
    pub(super) fn loss_before(&self) -> u64 {
        self.mark.map_or(0, |mark| mark.loss_ppm)
    }

    /// Whether a queue is that of our own train.
    pub(super) const fn in_train(&self) -> bool {
        !self.train.over
    }

    /// Takes one report; `rate` is the one in force, `arrived` what came corrected for random loss.
    pub(super) fn on_report(
        &mut self,
        facts: &ReportFacts,
        delivery: Delivery,
        rate: BitRate,
        arrived: BitRate,
    ) -> Step {
        if !self.train.over {
            self.on_train(facts);
        }
        if let Some(full) = self.watch_delivery(facts, delivery) {
            return Step::Full(full);
        }
        let round_trip = facts.round_trip.as_micros().max(500);
        let step = facts.interval.as_micros().min(round_trip);
        let Some(mut capacity) = self.capacity else {
            return Step::Rate(Self::double(delivery, rate, arrived, step, round_trip));
        };
        if arrived.0 > capacity.scaled(11, 10).0 {
            capacity = arrived.scaled(2, 1);
            self.capacity = Some(capacity);
        }
        let near = capacity.scaled(19, 20);
        let half = capacity.scaled(1, 2);
        let rate = if rate < near && self.is_short(facts, capacity) {
            // What passes in a round trip is no more than the train was: waiting would save nobody a queue.
            near
        } else if rate < half {
            self.half_from = facts.next;
            half
        } else if rate < near && facts.largest < self.half_from {
            rate
        } else if rate < near {
            near
        } else if delivery.application_limited || arrived.scaled(4, 3) >= rate {
            rate.scaled(20 * round_trip + 3 * step, 20 * round_trip)
        } else {
            rate
        };
        Step::Rate(rate)
    }

    /// The path holds no more than the train had.
    fn is_short(&self, facts: &ReportFacts, capacity: BitRate) -> bool {
        let train = self.train.bytes + if self.train.over { 0 } else { facts.in_flight };
        capacity.bytes_in(facts.least_round_trip) <= train
    }

    /// What a round trip ago was sent must have arrived before the rate grows further.
    fn double(
        delivery: Delivery,
        rate: BitRate,
        arrived: BitRate,
        step: u64,
        round_trip: u64,
    ) -> BitRate {
        if !delivery.application_limited && arrived.scaled(5, 2) < rate && delivery.passed >= 12 {
            return rate;
        }
        rate.scaled(round_trip + step, round_trip)
    }

    fn on_train(&mut self, facts: &ReportFacts) {
        let train = &mut self.train;
        if facts.in_train && facts.received_packets > 0 {
            if train.first_delay_us.is_none() {
                train.started = facts.now;
            }
            train.first_delay_us.get_or_insert(facts.least_delay_us);
            train.received += u64::from(facts.received_packets);
            train.passed += u64::from(facts.passed_packets);
            train.bytes += u64::from(facts.received_bytes);
            let last = facts.least_delay_us + i64::from(facts.largest_spread_us);
            train.last_delay_us = train.last_delay_us.max(last);
            if train.received == u64::from(facts.received_packets) {
                train.last_delay_us = last;
            }
        }
        if !facts.in_train {
            train.others = train.others.saturating_add(facts.received_packets);
        }
        let patience = facts.round_trip.max(Duration::from_millis(30));
        let waited = train.first_delay_us.is_some() && facts.now.since(train.started) > patience;
        if train.received >= ENOUGH_OF_TRAIN && self.capacity.is_none() {
            // On a path so short that the train is still arriving, it need not be waited for.
            let capacity = self.train.capacity();
            self.capacity = capacity.filter(|&capacity| self.is_short(facts, capacity));
        }
        if facts.train_passed || waited || self.train.others >= WITHOUT_TRAIN {
            self.train.over = true;
            // What came at last may have been mixed with packets that were paced.
            self.capacity = self.capacity.or_else(|| self.train.capacity());
        }
    }

    /// Each round trip: a rate that grew without more arriving, with loss that grew, has found a full path.
    fn watch_delivery(&mut self, facts: &ReportFacts, delivery: Delivery) -> Option<BitRate> {
        if delivery.application_limited || delivery.passed < LEAST_PASSED {
            return None;
        }
        let Some(mark) = self.mark else {
            self.mark = Some(Mark {
                at: facts.now,
                delivered: delivery.rate,
                loss_ppm: delivery.loss_ppm,
            });
            return None;
        };
        if facts.now.since(mark.at) < facts.round_trip {
            return None;
        }
        let chance = 900_000 / delivery.passed.isqrt().max(1);
        let more_lost = delivery.loss_ppm > mark.loss_ppm.max(20_000) + 80_000 + chance;
        let follows = delivery.rate.0 > mark.delivered.scaled(6, 5).0;
        // Loss far beyond what was seen before says it at once, loss alone after two round trips.
        self.stalled = if more_lost && !follows {
            self.stalled.saturating_add(1)
        } else {
            0
        };
        let at_once = delivery.loss_ppm > mark.loss_ppm + 250_000 + chance;
        if self.stalled >= 2 || at_once {
            return Some(delivery.rate.max(mark.delivered));
        }
        self.mark = Some(Mark {
            at: facts.now,
            delivered: delivery.rate,
            loss_ppm: mark.loss_ppm.min(delivery.loss_ppm),
        });
        None
    }
}

impl Train {
    /// More was lost than paths lose.
    const fn met_full_buffer(&self) -> bool {
        let lost = self.passed.saturating_sub(self.received);
        lost * 100 > self.passed * LOSS_OF_PATH_PERCENT
    }

    /// What was lost, per million, or nothing if it met a full buffer.
    const fn loss_ppm(&self) -> u64 {
        let lost = self.passed.saturating_sub(self.received);
        if self.met_full_buffer() {
            return 0;
        }
        match (lost * 1_000_000).checked_div(self.passed) {
            Some(ppm) => ppm,
            None => 0,
        }
    }

    /// What passed between its first and its last packet.
    fn capacity(&self) -> Option<BitRate> {
        let first = self.first_delay_us?;
        if self.received < LEAST_TRAIN {
            return None;
        }
        let spread_us = u64::try_from(self.last_delay_us - first).unwrap_or(0);
        let bytes = self.bytes - self.bytes / self.received.max(1);
        // Spreads come in units of 16 µs, rounded down.
        let rate = BitRate::of(bytes, Duration::from_micros(spread_us + 12));
        if self.met_full_buffer() {
            return Some(rate);
        }
        Some(rate.scaled(self.passed, self.received))
    }
}

#[cfg(test)]
mod tests;
