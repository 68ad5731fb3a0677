//! A model after the first version of BBR: sends at the rate that arrived, with twice its product in flight.
//!
//! Start-up, drain, a cycle of gains, and a short window now and then to see the round trip without a queue.
//! Left out: what it does about losses (it keeps its rate; only a timeout makes it begin anew with a small
//! window) and its detection of policers.
//!
//! Source: "BBR: Congestion-Based Congestion Control" (2016); the gain of start-up is that of later versions.

use super::congestion_control::{AckSample, INITIAL_WINDOW};
use crate::random::Random;

/// Gains of start-up: of the rate (4 ln 2) and of the window (2 / ln 2).
const STARTUP_RATE: f64 = 2.77;
const STARTUP_WINDOW: f64 = 2.89;
const DRAIN_RATE: f64 = 1.0 / STARTUP_WINDOW;
const WINDOW: f64 = 2.0;
/// Gains of one cycle, each for one round trip.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// Rounds without a quarter more that end start-up.
const FULL_ROUNDS: u32 = 3;
/// Rounds for which the largest rate counts.
const RATE_ROUNDS: u64 = 10;
/// How long the least round trip counts, and how long the window is short to measure it again.
const ROUND_TRIP_US: u64 = 10_000_000;
const PROBE_US: u64 = 200_000;
const PROBE_WINDOW: f64 = 4.0;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Startup,
    Drain,
    ProbeRate {
        phase: usize,
        since_us: u64,
    },
    /// Ends at a time that is known once little is in flight.
    ProbeRoundTrip {
        until_us: Option<u64>,
    },
}

#[derive(Debug)]
pub(super) struct Bbr {
    state: State,
    random: Random,
    /// Largest rates, segments a second, with their rounds: falling from the front.
    rates: std::collections::VecDeque<(u64, f64)>,
    least_us: u64,
    least_at: u64,
    round: u64,
    round_ends: u64,
    full_rate: f64,
    full_rounds: u32,
    filled: bool,
    after_timeout: Option<f64>,
    /// Rates measured by what was sent before so many were acknowledged say nothing: the window was short.
    limited_until: u64,
}

impl Bbr {
    pub(super) fn new(seed: u64, name: &str, now_us: u64) -> Self {
        Self {
            state: State::Startup,
            random: Random::named(seed, name),
            rates: std::collections::VecDeque::new(),
            least_us: u64::MAX,
            least_at: now_us,
            round: 0,
            round_ends: 0,
            full_rate: 0.0,
            full_rounds: 0,
            filled: false,
            after_timeout: None,
            limited_until: 0,
        }
    }

    fn rate(&self) -> Option<f64> {
        self.rates.front().map(|&(_, rate)| rate)
    }

    /// What fits into the path without a queue, segments.
    fn product(&self) -> Option<f64> {
        self.rate()
            .map(|rate| rate * self.least_us as f64 / 1e6)
            .filter(|_| self.least_us < u64::MAX)
    }

    pub(super) fn window(&self) -> f64 {
        let gain = match self.state {
            State::Startup | State::Drain => STARTUP_WINDOW,
            State::ProbeRate { .. } => WINDOW,
            State::ProbeRoundTrip { .. } => return PROBE_WINDOW,
        };
        let window = self
            .product()
            .map_or(INITIAL_WINDOW, |product| gain * product);
        let window = window.max(PROBE_WINDOW);
        let window = if self.filled {
            window
        } else {
            window.max(INITIAL_WINDOW)
        };
        self.after_timeout.map_or(window, |most| window.min(most))
    }

    pub(super) fn pacing(&self) -> Option<f64> {
        let gain = match self.state {
            State::Startup => STARTUP_RATE,
            State::Drain => DRAIN_RATE,
            State::ProbeRate { phase, .. } => CYCLE[phase],
            State::ProbeRoundTrip { .. } => 1.0,
        };
        self.rate().map(|rate| gain * rate)
    }

    pub(super) fn on_timeout(&mut self) {
        self.after_timeout = Some(1.0);
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        if let Some(most) = self.after_timeout {
            let most = most + sample.acked as f64;
            let restored = self
                .product()
                .is_some_and(|product| most > WINDOW * product);
            self.after_timeout = (!restored).then_some(most);
        }
        let new_round = sample.delivered_before >= self.round_ends;
        let limited = matches!(self.state, State::ProbeRoundTrip { .. })
            || sample.delivered_before < self.limited_until;
        if new_round {
            self.round += u64::from(!limited);
            self.round_ends = sample.delivered;
        }
        if let Some(rate) = sample.rate
            && (!limited || self.rate().is_none_or(|known| rate > known))
        {
            self.take_rate(rate);
        }
        let expired = self.least_us < u64::MAX && sample.now_us > self.least_at + ROUND_TRIP_US;
        if let Some(round_trip_us) = sample.round_trip_us
            && (round_trip_us <= self.least_us || expired)
        {
            self.least_us = round_trip_us;
            self.least_at = sample.now_us;
        }
        if new_round && !self.filled {
            self.check_filled();
        }
        self.change_state(sample, expired);
    }

    fn take_rate(&mut self, rate: f64) {
        while self.rates.back().is_some_and(|&(_, other)| other <= rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round, rate));
        while self
            .rates
            .front()
            .is_some_and(|&(round, _)| round + RATE_ROUNDS <= self.round)
        {
            self.rates.pop_front();
        }
    }

    fn check_filled(&mut self) {
        let rate = self.rate().unwrap_or(0.0);
        if rate >= self.full_rate * 1.25 {
            self.full_rate = rate;
            self.full_rounds = 0;
        } else {
            self.full_rounds += 1;
            self.filled = self.full_rounds >= FULL_ROUNDS;
        }
    }

    fn change_state(&mut self, sample: &AckSample, expired: bool) {
        let now_us = sample.now_us;
        let product = self.product().unwrap_or(INITIAL_WINDOW);
        let in_flight = sample.in_flight as f64;
        match self.state {
            State::Startup if self.filled => self.state = State::Drain,
            State::Drain if in_flight <= product => self.begin_cycle(now_us),
            State::ProbeRate { phase, since_us } => {
                let lasted = now_us - since_us > self.least_us;
                let ends = match phase {
                    0 => lasted && (in_flight >= CYCLE[0] * product || sample.in_recovery),
                    1 => lasted || in_flight <= product,
                    _ => lasted,
                };
                if ends {
                    self.state = State::ProbeRate {
                        phase: (phase + 1) % CYCLE.len(),
                        since_us: now_us,
                    };
                }
            }
            State::ProbeRoundTrip { until_us: None } if in_flight <= PROBE_WINDOW => {
                let round_trip_us = sample.round_trip_us.unwrap_or(0);
                self.state = State::ProbeRoundTrip {
                    until_us: Some(now_us + PROBE_US.max(round_trip_us)),
                };
            }
            State::ProbeRoundTrip {
                until_us: Some(until_us),
            } if now_us >= until_us => {
                self.least_at = now_us;
                self.limited_until = sample.delivered + sample.in_flight;
                if self.filled {
                    self.begin_cycle(now_us);
                } else {
                    self.state = State::Startup;
                }
            }
            _ => {}
        }
        if expired && !matches!(self.state, State::ProbeRoundTrip { .. }) {
            self.state = State::ProbeRoundTrip { until_us: None };
        }
    }

    /// At any phase but the one that drains.
    fn begin_cycle(&mut self, now_us: u64) {
        let drawn = self.random.below(CYCLE.len() as u64 - 1) as usize;
        self.state = State::ProbeRate {
            phase: if drawn == 0 { 0 } else { drawn + 1 },
            since_us: now_us,
        };
    }
}
