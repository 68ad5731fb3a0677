//! Start-up on paths with a known capacity, report by report.

use super::*;

const ROUND_TRIP: Duration = Duration::from_millis(100);

fn report(at_ms: u64, packets: u32, lost: u32) -> ReportFacts {
    ReportFacts {
        now: Instant::from_micros(at_ms * 1_000),
        interval: Duration::from_millis(10),
        received_packets: packets - lost,
        passed_packets: packets,
        received_bytes: (packets - lost) * 1_200,
        round_trip: ROUND_TRIP,
        least_round_trip: ROUND_TRIP,
        ..ReportFacts::default()
    }
}

fn delivery(rate: u64, loss_ppm: u64) -> Delivery {
    Delivery {
        rate: BitRate(rate),
        loss_ppm,
        passed: 1_000,
        ..Delivery::default()
    }
}

/// A train of 32 datagrams of 1,200 bytes spread over 3,072 µs: 96.9 Mbit/s.
fn after_train() -> StartUp {
    let mut start_up = StartUp::default();
    let train = ReportFacts {
        largest_spread_us: 3_060,
        in_train: true,
        train_passed: true,
        next: 40,
        largest: 31,
        ..report(110, 32, 0)
    };
    let step = start_up.on_report(&train, Delivery::default(), BitRate(1_200_000), BitRate(0));
    assert_eq!(step, Step::Rate(BitRate(48_437_500)));
    start_up
}

#[test]
fn the_spread_of_a_train_tells_the_capacity_and_half_of_it_is_tried_first() {
    assert!(!after_train().in_train());
}

#[test]
fn the_rest_waits_until_the_half_has_been_seen() {
    let mut start_up = after_train();
    let half = BitRate(48_437_500);
    let early = ReportFacts {
        largest: 35,
        next: 300,
        ..report(150, 4, 0)
    };
    let step = start_up.on_report(&early, delivery(48_000_000, 0), half, BitRate(48_000_000));
    assert_eq!(step, Step::Rate(half));
    let seen = ReportFacts {
        largest: 41,
        next: 400,
        ..report(210, 4, 0)
    };
    let step = start_up.on_report(&seen, delivery(48_000_000, 0), half, BitRate(48_000_000));
    assert_eq!(step, Step::Rate(BitRate(92_031_250)));
}

#[test]
fn too_short_a_train_says_nothing() {
    let mut start_up = StartUp::default();
    let train = ReportFacts {
        largest_spread_us: 300,
        in_train: true,
        train_passed: true,
        ..report(110, 4, 0)
    };
    let step = start_up.on_report(&train, Delivery::default(), BitRate(1_200_000), BitRate(0));
    assert!(
        matches!(step, Step::Rate(rate) if rate < BitRate(3_000_000)),
        "{step:?}"
    );
}

#[test]
fn random_loss_of_the_train_does_not_count_against_the_capacity_and_an_overflow_does() {
    for (lost, least, most) in [(3, 46_000_000, 51_000_000), (20, 16_000_000, 20_000_000)] {
        let mut start_up = StartUp::default();
        let train = ReportFacts {
            largest_spread_us: 3_060,
            in_train: true,
            train_passed: true,
            ..report(110, 32, lost)
        };
        let step = start_up.on_report(&train, Delivery::default(), BitRate(1_200_000), BitRate(0));
        let Step::Rate(rate) = step else {
            panic!("{step:?}");
        };
        assert!((least..most).contains(&rate.0), "{lost}: {rate}");
    }
}

#[test]
fn a_rate_that_loses_far_more_than_before_has_found_a_full_path() {
    let mut start_up = after_train();
    let rate = BitRate(48_437_500);
    let first = ReportFacts {
        largest: 41,
        ..report(210, 40, 0)
    };
    start_up.on_report(&first, delivery(20_000_000, 0), rate, BitRate(20_000_000));
    let later = ReportFacts {
        largest: 400,
        ..report(330, 40, 24)
    };
    let step = start_up.on_report(&later, delivery(20_000_000, 600_000), rate, rate);
    assert_eq!(step, Step::Full(BitRate(20_000_000)));
}

#[test]
fn a_session_without_a_train_doubles_in_a_round_trip_while_all_arrives() {
    let mut start_up = StartUp::without_train();
    let mut rate = BitRate(2_000_000);
    for step in 0..10 {
        let facts = report(step * 10, 4, 0);
        if let Step::Rate(next) = start_up.on_report(&facts, delivery(rate.0, 0), rate, rate) {
            rate = next;
        }
    }
    assert!((4_000_000..6_000_000).contains(&rate.0), "{rate}");
}

#[test]
fn a_path_that_holds_less_than_the_train_is_filled_without_waiting() {
    let mut start_up = StartUp::default();
    let train = ReportFacts {
        // 16 of 32 datagrams have arrived, 96 µs apart, and the path holds 12,500 bytes.
        largest_spread_us: 1_428,
        in_train: true,
        next: 32,
        largest: 15,
        in_flight: 19_200,
        round_trip: Duration::from_millis(1),
        least_round_trip: Duration::from_millis(1),
        ..report(2, 16, 0)
    };
    let step = start_up.on_report(&train, Delivery::default(), BitRate(1_200_000), BitRate(0));
    assert_eq!(start_up.capacity(), Some(BitRate(100_000_000)));
    assert_eq!(step, Step::Rate(BitRate(95_000_000)));
}
