//! Each kind of traffic alone and with its like: does it do what the real thing is known for?

use super::*;
use crate::link::{Bottleneck, Buffer, Part, RateSchedule};
use crate::measure::jain_index;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

const RATE: u64 = 100_000_000;
const ROUND_TRIP_US: u64 = 50_000;
/// Payload of the models' segments to their size on the wire.
const PAYLOAD_SHARE: f64 = 1_448.0 / 1_538.0;

fn run_on(path: Path, cross: &[CrossOptions], seconds: u64, from_seconds: u64) -> Outcome {
    let scenario = Scenario {
        path,
        flows: Vec::new(),
        cross: cross.to_vec(),
        limit_us: seconds * 1_000_000,
        measure_from_us: from_seconds * 1_000_000,
        must_end: false,
    };
    let outcome = scenario.run_twice(1);
    assert_eq!(outcome.breaches, Vec::<String>::new());
    outcome
}

fn run(kinds: &[CrossKind], seconds: u64, from_seconds: u64) -> Outcome {
    let cross: Vec<CrossOptions> = (0..)
        .zip(kinds)
        .map(|(index, &kind)| CrossOptions {
            start_us: index * 1_000_000,
            ..CrossOptions::bulk(kind)
        })
        .collect();
    let path = Path::plain(RATE, ROUND_TRIP_US, 0);
    run_on(path, &cross, seconds, from_seconds)
}

/// Mean rate of arriving payload from `from_seconds` on, to what fits.
fn used(outcome: &Outcome, index: usize, from_seconds: u64) -> f64 {
    let mut inside = outcome
        .samples
        .iter()
        .filter(|sample| sample.at_us >= from_seconds * 1_000_000);
    let (first, last) = (inside.next().unwrap(), inside.next_back().unwrap());
    let bits = (last.cross[index] - first.cross[index]) as f64 * 8e6;
    bits / (last.at_us - first.at_us) as f64 / (RATE as f64 * PAYLOAD_SHARE)
}

const CUBIC: CrossKind = CrossKind::Model(ControlKind::Cubic);
const RENO: CrossKind = CrossKind::Model(ControlKind::Reno);
const BBR: CrossKind = CrossKind::Model(ControlKind::Bbr);

#[test]
fn cubic_and_reno_alone_fill_a_path_with_a_queue_of_one_product() {
    for kind in [CUBIC, RENO] {
        let outcome = run(&[kind], 40, 5);
        let share = used(&outcome, 0, 5);
        assert!((0.97..=1.001).contains(&share), "{kind:?}: {share}");
        // A saw tooth: neither always empty nor always full.
        let queue_ms = outcome.queue_mean_us / 1e3;
        assert!((10.0..48.0).contains(&queue_ms), "{kind:?}: {queue_ms}");
        assert!(outcome.dropped > 0, "{kind:?}");
    }
}

#[test]
fn slow_start_is_over_in_a_second_and_its_losses_are_repaired_at_once() {
    let outcome = run(&[CUBIC], 4, 1);
    let share = used(&outcome, 0, 1);
    assert!(share > 0.95, "{share}");
}

#[test]
fn random_loss_hurts_loss_based_controls_and_not_bbr() {
    let alone = |kind| {
        let path = Path::plain(RATE, ROUND_TRIP_US, 5_000);
        let outcome = run_on(path, &[CrossOptions::bulk(kind)], 20, 5);
        used(&outcome, 0, 5)
    };
    let (reno, cubic, bbr) = (alone(RENO), alone(CUBIC), alone(BBR));
    // 1448 bytes / 50 ms x sqrt(3 / (2 x 2 x 0.005)) = 2.8 Mbit/s with an acknowledgement for every other segment
    // and byte counting in between.
    assert!((0.02..0.08).contains(&reno), "{reno}");
    assert!((0.02..0.12).contains(&cubic), "{cubic}");
    assert!(bbr > 0.9, "{bbr}");
}

#[test]
fn two_of_a_kind_share_evenly() {
    // Cubic gives little away at each cut: a latecomer has its half after about two minutes.
    for (kind, from, to) in [(CUBIC, 130, 260), (RENO, 130, 260), (BBR, 20, 60)] {
        let outcome = run(&[kind, kind], to, from);
        let shares = [used(&outcome, 0, from), used(&outcome, 1, from)];
        let sum: f64 = shares.iter().sum();
        assert!(jain_index(&shares) > 0.95, "{kind:?}: {shares:?}");
        assert!(sum > 0.95, "{kind:?}: {shares:?}");
    }
}

#[test]
fn bbr_alone_fills_a_path_with_a_short_queue() {
    let outcome = run(&[BBR], 40, 5);
    let share = used(&outcome, 0, 5);
    assert!((0.93..=1.001).contains(&share), "{share}");
    let queue_ms = outcome.queue_mean_us / 1e3;
    assert!(queue_ms < 12.0, "{queue_ms}");
}

#[test]
fn bbr_lets_the_queue_run_empty_every_ten_seconds() {
    let outcome = run(&[BBR], 35, 5);
    // Little arrives while the window is short.
    let quiet = outcome.samples.windows(20).filter(|window| {
        let (first, last) = (&window[0], &window[19]);
        let bits = (last.cross[0] - first.cross[0]) * 8;
        first.at_us > 5_000_000 && bits * 1_000_000 / (last.at_us - first.at_us) < RATE / 10
    });
    let times: Vec<u64> = quiet.map(|window| window[0].at_us / 1_000_000).collect();
    for (least, most) in [(10, 11), (20, 21), (30, 32)] {
        let mut within = times.iter().filter(|at| (least..=most).contains(*at));
        assert!(within.next().is_some(), "{times:?}");
    }
    // A quarter of a second each.
    assert!(times.len() < 100, "{}", times.len());
}

#[test]
fn cubic_takes_more_than_reno_on_a_long_path_and_not_on_a_short_one() {
    let ratio = |rate_bps, round_trip_us| {
        let cross = [CUBIC, RENO].map(CrossOptions::bulk);
        let outcome = run_on(Path::plain(rate_bps, round_trip_us, 0), &cross, 150, 30);
        used(&outcome, 0, 30) / used(&outcome, 1, 30)
    };
    let (long, short) = (ratio(RATE, 150_000), ratio(20_000_000, 10_000));
    assert!(long > 1.5, "{long}");
    assert!((0.6..1.7).contains(&short), "{short}");
}

#[test]
fn bbr_takes_most_of_a_short_queue_from_cubic_and_less_than_half_of_a_deep_one() {
    // As measured with the first version of BBR on real networks ("Modeling BBR's Interactions with Loss-Based
    // Congestion Control", 2019).
    let share = |products| {
        let buffer = Buffer::time(RATE, ROUND_TRIP_US * products);
        let path = Path::plain(RATE, ROUND_TRIP_US, 0).with_buffer(buffer);
        let outcome = run_on(path, &[BBR, CUBIC].map(CrossOptions::bulk), 80, 20);
        used(&outcome, 0, 20)
    };
    let (short, deep) = (share(1), share(4));
    assert!(short > 0.7, "{short}");
    assert!((0.3..0.5).contains(&deep), "{deep}");
}

#[test]
fn on_off_sends_its_rate_in_its_share_of_the_time() {
    for spread in [Spread::Constant, Spread::Exponential] {
        let on_off = OnOff {
            rate_bps: 40_000_000,
            on_us: 50_000,
            off_us: 150_000,
            spread,
        };
        let outcome = run(&[CrossKind::OnOff(on_off)], 100, 0);
        let rate = outcome.cross[0].delivered as f64 * 8.0 / 100.0 * 1_538.0 / 1_472.0;
        assert!((9.0e6..11.0e6).contains(&rate), "{spread:?}: {rate}");
        let again = run(&[CrossKind::OnOff(on_off)], 100, 0);
        assert_eq!(outcome.cross, again.cross);
    }
}

#[test]
fn smoltcp_delivers_the_right_bytes_with_either_control() {
    for control in [StackControl::Reno, StackControl::Cubic] {
        let outcome = run(&[CrossKind::Stack(control)], 30, 5);
        // Wrong bytes would be breaches; without selective acknowledgements it does not fill the path.
        let share = used(&outcome, 0, 5);
        assert!(share > 0.3, "{control:?}: {share}");
        assert!(outcome.dropped > 0, "{control:?}");
    }
}

#[test]
fn smoltcp_survives_loss_disorder_and_wrong_bits() {
    let mut path = Path::plain(10_000_000, 20_000, 5_000);
    path.forward.push(Part::Flip(2_000));
    path.backward.push(Part::Flip(2_000));
    path.forward.push(Part::Reorder(crate::link::Reorder {
        ppm: 2_000,
        most_us: 3_000,
    }));
    let cross = [CrossOptions::bulk(CrossKind::Stack(StackControl::Cubic))];
    let outcome = run_on(path, &cross, 30, 0);
    assert!(
        outcome.cross[0].delivered > 2_000_000,
        "{:?}",
        outcome.cross
    );
}

#[test]
fn the_models_survive_everything_too_and_end_when_told() {
    let mut path = crate::paths::torture();
    path.forward[0] = Part::Bottleneck(Bottleneck::new(
        RateSchedule::constant(20_000_000),
        Buffer::Packets(50),
    ));
    for kind in [CUBIC, RENO, BBR] {
        let cross = [CrossOptions {
            start_us: 1_000_000,
            stop_us: Some(8_000_000),
            ..CrossOptions::bulk(kind)
        }];
        let outcome = run_on(path.clone(), &cross, 12, 0);
        let at = |us: u64| {
            let mut samples = outcome.samples.iter();
            samples.find(|sample| sample.at_us >= us).unwrap().cross[0]
        };
        assert!(at(950_000) == 0 && at(8_000_000) > 200_000, "{kind:?}");
        assert_eq!(at(8_500_000), outcome.cross[0].delivered, "{kind:?}");
    }
}

#[test]
fn another_delay_for_one_flow_only() {
    let slow = CrossOptions {
        extra_us: 200_000,
        ..CrossOptions::bulk(CUBIC)
    };
    let outcome = run_on(
        Path::plain(RATE, 10_000, 0),
        &[CrossOptions::bulk(CUBIC), slow],
        2,
        0,
    );
    let first = |index: usize| {
        let mut samples = outcome.samples.iter();
        samples
            .find(|sample| sample.cross[index] > 0)
            .unwrap()
            .at_us
    };
    assert!(first(0) < 10_000 && first(1) >= 205_000);
}
