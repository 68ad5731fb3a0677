//! How fast to send: facts from reports go in, a rate comes out.
//!
//! Pure integer arithmetic, so the same reports give the same rates on every processor. It
//! neither reads a clock nor sends anything; the sender feeds it and its pacer obeys.
//! Source: PROTOCOL.md chapter 9; the target queueing delay and the tracking law are our choice.

mod circuit_breaker;
mod clock_skew;
mod competition;
mod controller;
mod drain;
mod jitter;
mod loss_runs;
mod loss_test;
mod queuing_delay;
mod round_trip;
mod shadow_cubic;
mod start_up;
mod still_delay;
mod window;

pub use controller::RateController;
pub use round_trip::RoundTrip;

use crate::control::choices::RatePolicy;
use crate::time::{Duration, Instant};
use crate::units::BitRate;

/// What one report says about one interval; the only input of a controller besides silence.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReportFacts {
    /// When the sender got the report.
    pub now: Instant,
    /// Receiver time that the interval covers.
    pub interval: Duration,
    /// Packets that arrived in the interval.
    pub received_packets: u32,
    /// Packet numbers passed in the interval: arrived or lost.
    pub passed_packets: u32,
    /// UDP payload bytes that arrived in the interval.
    pub received_bytes: u32,
    /// Least one-way delay of the interval in µs, against an arbitrary but fixed zero.
    pub least_delay_us: i64,
    /// Median minus least one-way delay, µs.
    pub median_spread_us: u32,
    /// Largest minus least one-way delay, µs.
    pub largest_spread_us: u32,
    /// One-way delay of the report itself in µs, against an arbitrary but fixed zero.
    pub report_delay_us: i64,
    /// Smoothed round trip.
    pub round_trip: Duration,
    /// Least round trip seen.
    pub least_round_trip: Duration,
    /// Largest packet number that arrived.
    pub largest: u64,
    /// The number that the next packet will have.
    pub next: u64,
    /// UDP payload bytes sent of which nothing is known yet.
    pub in_flight: u64,
    /// Whether the interval began within the train that opened the session.
    pub in_train: bool,
    /// Whether the last packet of that train, or a later one, has arrived.
    pub train_passed: bool,
    /// Packets that arrived with a congestion mark in the interval.
    pub congestion_marks: u32,
    /// How fast the receiver's storage takes bytes, if it said.
    pub storage_rate: Option<BitRate>,
    /// The sender had nothing to send, or no credit, for part of the interval.
    pub application_limited: bool,
}

/// What the user and the peer allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateLimits {
    /// Never faster than this.
    pub target: BitRate,
    /// Not slower than this because of congestion.
    pub minimum: BitRate,
    /// How to share.
    pub policy: RatePolicy,
}
