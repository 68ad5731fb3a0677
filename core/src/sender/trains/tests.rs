//! Both machines over a link of known rate in virtual time: the trains find that rate, obey the mean
//! rate, and end whatever the receiver does.

use std::boxed::Box;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use crate::crypto::{CipherSuite, KeySchedule, Role, SessionSecret};
use crate::metadata::OpenRecord;
use crate::negotiation::{Agreement, Terms};
use crate::receiver::Receiver;
use crate::sender::{FinishOutcome, ObjectSource, PathTrust, ReadOutcome};
use crate::units::{ConnectionId, ObjectId};

struct Nothing;

impl ObjectSource for Nothing {
    fn read(&mut self, _: ObjectId, _: u64, _: &mut [u8]) -> ReadOutcome {
        ReadOutcome::NotReady
    }
    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        FinishOutcome::NotReady
    }
    fn describe(&mut self, _: ObjectId) -> Option<OpenRecord<'_>> {
        None
    }
}

fn agreement(sends: bool) -> Agreement {
    Agreement::new(Terms {
        version: 1,
        suite: CipherSuite::AuthOnly,
        sends,
        own_connection: ConnectionId::new(1),
        peer_connection: ConnectionId::new(1),
        target_rate: BitRate(10_000_000),
        minimum_rate: BitRate(0),
        policy: RatePolicy::Fair,
        max_datagram: 1_472,
        fixed_datagram: None,
        report_size: 1_440,
        resume: ResumeLevel::Restart,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        object_window: 64,
        packet_window: 1_024,
        metadata_window: 4_354,
        peer_max_body: 1 << 20,
        lanes: 1,
        checksum: None,
        split_from: 0,
    })
    .expect("the terms are within bounds")
}

/// A link of one rate and 10 ms each way; every `loses`th datagram is lost, arrivals are seen every `tick_us`.
struct Link {
    rate: BitRate,
    loses: u64,
    tick_us: u64,
    answers: bool,
}

/// One way.
const DELAY: Duration = Duration::from_millis(10);

impl Link {
    /// When the receiver sees what left the link at `left_at`.
    fn seen_at(&self, left_at: Instant) -> Instant {
        let arrival = (left_at + DELAY).as_micros();
        Instant::from_micros(arrival.next_multiple_of(self.tick_us))
    }
}

const CLEAN: Link = Link {
    rate: BitRate(100_000_000),
    loses: u64::MAX,
    tick_us: 1,
    answers: true,
};

/// What a measurement was like.
struct Measurement {
    bandwidth: Bandwidth,
    seen_by_receiver: Bandwidth,
    train_bytes: u64,
    took: Duration,
}

type Machines = (
    Box<Sender<1024, 64, 4_608>>,
    Box<Receiver<64, 64, 256, 4_608>>,
);

fn machines(now: Instant) -> Machines {
    let keys = || {
        KeySchedule::new(
            &SessionSecret::new([1; 32]),
            &SessionSecret::new([2; 32]),
            &[3; 32],
        )
    };
    let (sealer, opener) = keys().into_lane(CipherSuite::AuthOnly, Role::Client);
    let (agreed, path) = (agreement(true), PathTrust::Proven);
    let sender = Box::new(Sender::new(&agreed, sealer, opener, path, now));
    let (sealer, opener) = keys().into_lane(CipherSuite::AuthOnly, Role::Server);
    let agreed = agreement(false);
    let receiver = Box::new(Receiver::new(&agreed, sealer, opener, 1 << 20, now));
    (sender, receiver)
}

/// Datagrams under way, each with its arrival.
type Flight = VecDeque<(Instant, Vec<u8>)>;

fn run(link: &Link, mean_rate: BitRate) -> Measurement {
    // The clock of the wire wraps in between.
    let start = Instant::from_micros(0xFFFF_0000);
    let mut now = start;
    let (mut sender, mut receiver) = machines(now);
    let (mut there, mut back) = (Flight::new(), Flight::new());
    let (mut free_at, mut sent, mut train_bytes) = (now, 0_u64, 0);
    let mut out = vec![0; 60_000];
    sender.measure(mean_rate);
    while sender.is_measuring() {
        assert!(now.since(start) < Duration::from_secs(1_000), "it must end");
        sender.handle_timeout(now);
        receiver.handle_timeout(now);
        while let Some(transmit) = sender.poll_transmit(now, &mut out, 44, &mut Nothing) {
            for datagram in out[..transmit.length].chunks(transmit.segment_size) {
                sent += 1;
                free_at = free_at.max(now) + link.rate.time_for(datagram.len() as u64);
                train_bytes += if datagram.len() == 1_472 { 1_472 } else { 0 };
                if !sent.is_multiple_of(link.loses) {
                    there.push_back((link.seen_at(free_at), datagram.to_vec()));
                }
            }
        }
        while let Some(length) = receiver.poll_transmit(now, &mut out) {
            if link.answers || receiver.bandwidth().trains == 0 {
                back.push_back((now + DELAY, out[..length].to_vec()));
            }
        }
        let timeouts = [sender.poll_timeout(), receiver.poll_timeout()];
        let next = timeouts.into_iter().chain([first(&there), first(&back)]);
        now = now.max(next.flatten().min().expect("something is always next"));
        while let Some(mut datagram) = arrived(&mut there, now) {
            let _ = receiver.handle_datagram(now, &mut datagram);
        }
        while let Some(mut datagram) = arrived(&mut back, now) {
            let taken = sender.handle_datagram(now, &mut datagram);
            taken.expect("the link damages nothing");
        }
    }
    Measurement {
        bandwidth: sender.bandwidth(),
        seen_by_receiver: receiver.bandwidth(),
        train_bytes,
        took: now.since(start),
    }
}

fn arrived(queue: &mut Flight, now: Instant) -> Option<Vec<u8>> {
    let is_there = first(queue).is_some_and(|at| at <= now);
    is_there
        .then(|| queue.pop_front())
        .flatten()
        .map(|(_, datagram)| datagram)
}

fn first(queue: &Flight) -> Option<Instant> {
    queue.front().map(|(at, _)| *at)
}

/// `measured` is within `percent` of `rate`.
fn assert_near(measured: Bandwidth, rate: BitRate, percent: u64) {
    let capacity = measured.capacity.expect("there must be a result").0;
    assert!(
        capacity.abs_diff(rate.0) * 100 <= percent * rate.0,
        "{capacity} against {rate}"
    );
}

#[test]
fn the_rate_of_the_link_is_found_on_both_sides_from_1_mbit_to_1_gbit() {
    for megabits in [1, 10, 100, 1_000] {
        let link = Link {
            rate: BitRate(megabits * 1_000_000),
            ..CLEAN
        };
        let measured = run(&link, BitRate::from_kbps(100));
        // Arrivals are known to the microsecond: 1 % of what sixteen datagrams take at 1 Gbit/s.
        assert_near(measured.bandwidth, link.rate, 2);
        assert_near(measured.seen_by_receiver, link.rate, 2);
        assert!(!measured.bandwidth.coalesced);
        assert_eq!(measured.bandwidth.trains, TRAINS);
    }
}

#[test]
fn the_mean_rate_is_obeyed() {
    for (kbps, most_secs) in [(20, 50), (100, 12), (1_000, 12), (100_000, 6)] {
        let measured = run(&CLEAN, BitRate::from_kbps(kbps));
        // The last train leaves in a burst and the wait behind it is not made.
        let spread_over = measured.train_bytes * 4 / 5;
        let mean = BitRate::of(spread_over, measured.took);
        assert!(mean <= BitRate::from_kbps(kbps), "{mean} of {kbps} kbit/s");
        assert!(
            measured.took < Duration::from_secs(most_secs),
            "{:?}",
            measured.took
        );
    }
}

#[test]
fn losses_do_not_spoil_the_result() {
    let link = Link { loses: 7, ..CLEAN };
    assert_near(run(&link, BitRate::from_kbps(200)).bandwidth, link.rate, 20);
}

#[test]
fn arrivals_seen_in_groups_are_told_as_coalesced() {
    let link = Link {
        tick_us: 1_000,
        ..CLEAN
    };
    let measured = run(&link, BitRate::from_kbps(100)).bandwidth;
    assert!(
        measured.coalesced && measured.capacity.is_some(),
        "{measured:?}"
    );
    let link = Link {
        tick_us: 1_000_000,
        ..CLEAN
    };
    let measured = run(&link, BitRate::from_kbps(100)).bandwidth;
    assert!(
        measured.coalesced && measured.capacity.is_none(),
        "{measured:?}"
    );
}

#[test]
fn a_receiver_that_never_answers_ends_the_measurement_without_a_result() {
    let link = Link {
        answers: false,
        ..CLEAN
    };
    let measured = run(&link, BitRate::from_kbps(100));
    assert_eq!(measured.bandwidth, Bandwidth::default());
    assert!(
        measured.took < Duration::from_secs(20),
        "{:?}",
        measured.took
    );
}

#[test]
fn answers_about_trains_that_were_not_sent_do_not_count() {
    let mut trains = Trains {
        mean_rate: BitRate(1),
        starts_at: None,
        train: 1,
        sent: 0,
        count: 0,
        gives_up_at: None,
        outcomes: TrainOutcomes::default(),
        is_over: false,
    };
    let claimed = TrainOutcome {
        received: 16,
        instants: 16,
        span: Duration::from_micros(1),
        bytes: u32::MAX,
    };
    trains.on_result(1, claimed);
    trains.on_result(255, claimed);
    assert_eq!(trains.outcomes.bandwidth(), Bandwidth::default());
    let impossible = TrainOutcome {
        instants: 17,
        ..claimed
    };
    trains.on_result(0, impossible);
    assert_eq!(trains.outcomes.bandwidth(), Bandwidth::default());
    trains.on_result(0, claimed);
    assert_eq!(trains.outcomes.bandwidth().trains, 1);
}
