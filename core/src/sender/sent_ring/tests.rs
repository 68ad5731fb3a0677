//! Windows that move, fates told in any order.

use std::vec::Vec;

use super::*;

fn bytes_at(offset: u64) -> [Content; 1] {
    [Content {
        kind: ContentKind::Bytes,
        object: ObjectId(1),
        length: 100,
        offset,
    }]
}

fn ring_with(packets: u64) -> SentRing<128> {
    let mut ring = SentRing::new(64);
    for number in 0..packets {
        ring.push(number, 140, &bytes_at(number * 100));
    }
    ring
}

#[test]
fn the_lowest_lost_packet_comes_first_in_whatever_order_they_were_told() {
    let mut ring = ring_with(6);
    ring.lose(4);
    ring.lose(1);
    assert_eq!(ring.first_lost(), Some(1));
    ring.lose(0);
    assert_eq!(ring.first_lost(), Some(0));
}

#[test]
fn a_floor_that_is_lost_last_still_finds_room_to_move_the_window() {
    let mut ring = ring_with(48);
    for number in 1..48 {
        ring.lose(number);
    }
    let mut next = 48;
    while ring.has_room_for_lost() {
        ring.settle_first_lost();
        ring.push(next, 140, &bytes_at(0));
        next += 1;
    }
    ring.lose(0);
    assert_eq!(ring.first_lost(), Some(0));
    assert!(ring.has_room_for_lost());
}

#[test]
fn contents_leave_room_to_repeat_the_floor() {
    let mut ring = SentRing::<128>::new(128);
    let mut next = 0;
    while ring.has_room() {
        let contents = std::vec![bytes_at(0)[0]; ring.most_contents()];
        ring.push(next, 1_000, &contents);
        next += 1;
    }
    assert!(next >= 4, "{next}");
    for number in 1..next {
        ring.lose(number);
    }
    while ring.has_room_for_lost() {
        let contents = std::vec![bytes_at(0)[0]; ring.most_contents()];
        ring.settle_first_lost();
        ring.push(next, 1_000, &contents);
        next += 1;
    }
    ring.lose(0);
    assert!(ring.has_room_for_lost());
}

#[test]
fn lost_packets_come_back_oldest_first() {
    let mut ring = ring_with(6);
    ring.lose(1);
    ring.lose(4);
    ring.acknowledge(0);
    assert_eq!(ring.first_lost(), Some(1));
    ring.settle_first_lost();
    assert_eq!(ring.first_lost(), Some(4));
    assert_eq!(ring.contents_of(4).collect::<Vec<_>>(), bytes_at(400));
    ring.settle_first_lost();
    assert_eq!(ring.first_lost(), None);
}

#[test]
fn a_packet_that_arrives_after_it_was_given_up_is_not_sent_again() {
    let mut ring = ring_with(3);
    ring.lose(0);
    assert_eq!(
        ring.acknowledge(0),
        Some(Arrived {
            bytes: 140,
            was_lost: true
        })
    );
    assert_eq!(ring.first_lost(), None);
    assert_eq!(ring.floor(), 1);
}

#[test]
fn the_floor_waits_for_the_oldest_unresolved_packet() {
    let mut ring = ring_with(4);
    ring.acknowledge(1);
    ring.acknowledge(2);
    assert_eq!(ring.floor(), 0);
    ring.acknowledge(0);
    assert_eq!(ring.floor(), 3);
    assert_eq!(ring.in_flight_bytes(), 140);
}

#[test]
fn a_full_window_stops_new_packets_until_the_floor_rises() {
    let mut ring = ring_with(48);
    assert!(!ring.has_room());
    assert!(ring.has_room_for_upkeep());
    ring.acknowledge(0);
    assert!(ring.has_room());
}

#[test]
fn a_fate_told_twice_counts_once() {
    let mut ring = ring_with(2);
    assert!(ring.acknowledge(1).is_some());
    assert_eq!(ring.acknowledge(1), None);
    assert_eq!(ring.lose(1), None);
    assert_eq!(ring.acknowledge(7), None);
}

#[test]
fn a_lost_packet_without_content_is_done_with() {
    let mut ring = SentRing::<128>::new(64);
    ring.push(0, 40, &[]);
    assert_eq!(ring.lose(0), Some(40));
    assert_eq!(ring.first_lost(), None);
    assert_eq!(ring.floor(), 1);
}
