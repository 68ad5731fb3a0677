//! Trains as a receiver sees them, honest and not.

use super::*;

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// The answers that are put at `now`, decoded.
fn answers(trains: &mut ArrivedTrains, now: Instant) -> usize {
    let mut bytes = [0; 1_000];
    let mut writer = FrameWriter::new(&mut bytes);
    trains.put(now, &mut writer);
    writer.len() / crate::wire::TRAIN_RESULT_BYTES
}

#[test]
fn a_whole_train_is_answered_at_once_and_twice_more() {
    let mut trains = ArrivedTrains::default();
    for index in 0..16 {
        assert_eq!(answers(&mut trains, at(9_000)), 0);
        let now = at(10_000 + 100 * u64::from(index));
        trains.on_datagram(now, (0, index, 16), 1_250);
    }
    assert_eq!(trains.due_at(), Some(at(11_500)));
    assert_eq!(answers(&mut trains, at(11_500)), 1);
    assert_eq!(answers(&mut trains, at(11_500)), 0);
    assert_eq!(answers(&mut trains, at(111_500)), 1);
    assert_eq!(answers(&mut trains, at(211_500)), 1);
    assert_eq!(trains.due_at(), None);
    let bandwidth = trains.outcomes().bandwidth();
    assert_eq!(bandwidth.capacity.map(|rate| rate.0), Some(100_000_000));
}

#[test]
fn a_train_with_losses_is_answered_when_it_has_been_quiet() {
    let mut trains = ArrivedTrains::default();
    for index in (0..16).filter(|index| index % 5 != 4) {
        let now = at(100 * u64::from(index));
        trains.on_datagram(now, (1, index, 16), 1_250);
    }
    assert_eq!(trains.due_at(), Some(at(1_500) + QUIET));
    assert!(!trains.is_due(at(400_000)));
    assert_eq!(answers(&mut trains, at(501_500)), 1);
    trains.on_datagram(at(502_000), (1, 4, 16), 1_250);
    let outcome = trains.outcomes().bandwidth();
    assert_eq!(
        outcome.trains, 1,
        "what comes after the answer changes nothing"
    );
    assert_eq!(trains.due_at(), Some(at(501_500) + APART));
}

#[test]
fn datagrams_in_one_batch_are_one_instant_and_their_bytes_do_not_count_before_the_next() {
    let mut trains = ArrivedTrains::default();
    for index in 0..16_u8 {
        let now = at(1_000 + 400 * u64::from(index / 4));
        trains.on_datagram(now, (0, index, 16), 1_250);
    }
    let bandwidth = trains.outcomes().bandwidth();
    assert!(bandwidth.coalesced);
    assert_eq!(bandwidth.capacity.map(|rate| rate.0), Some(100_000_000));
}

#[test]
fn impossible_places_are_ignored_and_nothing_overflows() {
    let mut trains = ArrivedTrains::default();
    trains.on_datagram(at(1), (200, 0, 16), 1_250);
    trains.on_datagram(at(1), (0, 16, 16), 1_250);
    trains.on_datagram(at(1), (0, 0, 0), 1_250);
    assert_eq!(trains.due_at(), None);
    for tick in 0..1_000 {
        trains.on_datagram(at(tick), (0, 3, 255), usize::MAX);
    }
    assert!(
        trains
            .0
            .iter()
            .all(|train| train.instants <= train.received)
    );
    assert_eq!(answers(&mut trains, at(u64::MAX / 2)), 1);
}

#[test]
fn answers_that_find_no_room_stay_owed() {
    let mut trains = ArrivedTrains::default();
    for train in 0..8 {
        trains.on_datagram(at(1), (train, 0, 1), 1_250);
    }
    let mut bytes = [0; 40];
    trains.put(at(1), &mut FrameWriter::new(&mut bytes));
    assert_eq!(trains.due_at(), Some(at(1)));
    assert_eq!(answers(&mut trains, at(1)), 6);
}
