//! The arithmetic of trains on plain numbers.

use super::*;

fn outcome(received: u8, instants: u8, span_us: u64, bytes: u32) -> TrainOutcome {
    TrainOutcome {
        received,
        instants,
        span: Duration::from_micros(span_us),
        bytes,
    }
}

fn measured(outcomes: &[TrainOutcome]) -> Bandwidth {
    let mut all = TrainOutcomes::default();
    for (train, outcome) in (0..).zip(outcomes) {
        all.note(train, *outcome);
    }
    all.bandwidth()
}

#[test]
fn sixteen_datagrams_at_a_hundred_megabits_are_a_hundred_megabits() {
    // 15 × 1,250 bytes at 100 Mbit/s take 1,500 µs.
    let rate = outcome(16, 16, 1_500, 15 * 1_250).capacity();
    assert_eq!(rate, Some(BitRate(100_000_000)));
}

#[test]
fn a_train_that_came_at_one_instant_or_hardly_at_all_says_nothing() {
    for silent in [
        outcome(16, 1, 0, 0),
        outcome(16, 1, 1_500, 18_750),
        outcome(16, 2, 0, 18_750),
        outcome(3, 3, 1_500, 3_750),
        outcome(16, 16, u64::MAX, u32::MAX),
        TrainOutcome::default(),
    ] {
        assert_eq!(silent.capacity(), None, "{silent:?}");
    }
}

#[test]
fn the_median_ignores_one_train_that_met_other_traffic() {
    let good = outcome(16, 16, 1_500, 18_750);
    let slow = outcome(16, 16, 15_000, 18_750);
    let fast = outcome(16, 16, 150, 18_750);
    let bandwidth = measured(&[good, slow, good, fast, good]);
    assert_eq!(bandwidth.capacity, Some(BitRate(100_000_000)));
    assert_eq!(bandwidth.trains, 5);
    assert!(!bandwidth.coalesced);
}

#[test]
fn arrivals_in_groups_are_told_with_and_without_a_number() {
    let groups = outcome(16, 4, 1_500, 15_000);
    let bandwidth = measured(&[groups, groups, groups]);
    assert!(bandwidth.coalesced && bandwidth.capacity.is_some());
    let instant = outcome(16, 1, 0, 0);
    let bandwidth = measured(&[instant, instant, instant]);
    assert!(bandwidth.coalesced && bandwidth.capacity.is_none());
    assert_eq!(measured(&[]), Bandwidth::default());
}

#[test]
fn the_first_word_about_a_train_counts_and_impossible_trains_do_not() {
    let mut all = TrainOutcomes::default();
    all.note(0, outcome(16, 16, 1_500, 18_750));
    all.note(0, outcome(16, 16, 1, 18_750));
    all.note(200, outcome(16, 16, 1, 18_750));
    assert_eq!(all.bandwidth().capacity, Some(BitRate(100_000_000)));
    assert!(all.has_all(1) && !all.has_all(2));
}
