//! Ripening, maps that do not fit, and the measurements of an interval.

use std::vec::Vec;

use super::*;
use crate::wire::{Fate, Frame, Frames};

const CREDIT: Storage = Storage {
    credit: 1 << 20,
    capacity: 1 << 20,
};

struct World {
    reporting: Reporting,
    window: ReplayWindow<1024>,
}

impl World {
    fn new(report_size: u16) -> Self {
        let reporting = Reporting::new(report_size, 1_472, Instant::from_micros(0));
        Self {
            reporting,
            window: ReplayWindow::new(),
        }
    }

    fn receive(&mut self, micros: u64, number: u64) {
        let largest = self.window.largest();
        self.window.mark(PacketNumber(number));
        let packet = Packet {
            now: Instant::from_micros(micros),
            number: PacketNumber(number),
            clock: Instant::from_micros(micros - 100).wire_clock(),
            length: 1_200,
        };
        self.reporting.on_packet(&packet, largest);
    }

    /// Numbers reported missing and one past the last one described.
    fn report(&mut self, micros: u64) -> (Vec<u64>, u64) {
        let mut body = [0; 1_500];
        let mut writer = FrameWriter::new(&mut body);
        assert!(self.reporting.write(
            Instant::from_micros(micros),
            &self.window,
            &CREDIT,
            &mut writer
        ));
        let length = writer.len();
        let Some(Ok(Frame::Report(report))) = Frames::new(&body[..length]).next() else {
            panic!("no report")
        };
        let Some(map) = report.loss_map else {
            return (Vec::new(), 0);
        };
        let missing = map.runs().filter(|run| run.fate == Fate::Missing);
        let missing = missing
            .flat_map(|run| run.start..run.start + run.len)
            .map(|n| u64::from(map.base() + n));
        (missing.collect(), u64::from(map.base() + map.described()))
    }
}

#[test]
fn what_came_in_order_is_acknowledged_at_once() {
    let mut world = World::new(1_440);
    for number in 0..10 {
        world.receive(1_000, number);
    }
    assert_eq!(world.report(1_000), (std::vec![], 10));
}

#[test]
fn a_gap_is_reported_once_three_packets_came_after_it() {
    let mut world = World::new(1_440);
    for number in [0, 1, 3, 4] {
        world.receive(1_000, number);
    }
    assert_eq!(world.report(1_000), (std::vec![], 2));
    world.receive(1_100, 5);
    world.receive(1_100, 6);
    assert_eq!(world.report(1_100), (std::vec![2], 7));
}

#[test]
fn a_gap_at_the_end_ripens_by_time() {
    let mut world = World::new(1_440);
    for number in [0, 2] {
        world.receive(1_000, number);
    }
    assert_eq!(world.report(1_000).1, 1);
    let mut told = Vec::new();
    for _ in 0..3 {
        let at = world
            .reporting
            .due_at(&world.window)
            .expect("a gap that is not ripe needs another report");
        told.push(world.report(at.as_micros()));
    }
    assert_eq!(told.last(), Some(&(std::vec![1], 3)));
}

#[test]
fn a_late_packet_makes_later_gaps_ripen_later() {
    let mut world = World::new(1_440);
    for number in (0..30).chain(31..50) {
        world.receive(1_000, number);
    }
    world.receive(1_000, 30);
    for number in (50..60).chain(61..70) {
        world.receive(1_000, number);
    }
    assert_eq!(world.report(1_000), (std::vec![], 60));
}

#[test]
fn a_map_that_does_not_fit_goes_on_in_the_next_report() {
    let mut world = World::new(256);
    for number in (0..8_192).filter(|number| number % 7 != 3) {
        world.receive(1_000, number);
    }
    let mut told = std::collections::BTreeSet::new();
    let mut now = 1_000;
    for _ in 0..200 {
        told.extend(world.report(now).0);
        match world.reporting.due_at(&world.window) {
            Some(at) => now = at.as_micros(),
            None => break,
        }
    }
    let missing = (0..8_192).filter(|number| number % 7 == 3).collect();
    assert_eq!(told, missing);
}

#[test]
fn the_smallest_report_tells_of_a_path_that_loses_every_other_packet() {
    let mut world = World::new(128);
    for number in (0..2_000).filter(|number| number % 2 == 1) {
        world.receive(1_000, number);
    }
    let mut told = std::collections::BTreeSet::new();
    let mut now = 1_000;
    for _ in 0..300 {
        told.extend(world.report(now).0);
        now = match world.reporting.due_at(&world.window) {
            Some(at) => at.as_micros(),
            None => break,
        };
    }
    let missing = (0..2_000).filter(|number| number % 2 == 0).collect();
    assert_eq!(told, missing);
}

#[test]
fn a_datagram_is_never_larger_than_was_agreed() {
    let mut reporting = Reporting::new(128, 296, Instant::from_micros(0));
    assert_eq!(reporting.datagram_limit(), 296);
    let packet = Packet {
        now: Instant::from_micros(1),
        number: PacketNumber(0),
        clock: 0,
        length: 1_400,
    };
    reporting.on_packet(&packet, None);
    assert_eq!(reporting.datagram_limit(), 296);
}

#[test]
fn what_the_sender_settled_is_not_described_again() {
    let mut world = World::new(1_440);
    for number in (0..400).filter(|number| number % 5 != 0) {
        world.receive(1_000, number);
    }
    world.report(1_000);
    world.reporting.on_sender_state(300, 10_000);
    let (missing, _) = world.report(3_000);
    assert!(missing.iter().all(|&number| number >= 256), "{missing:?}");
}

#[test]
fn reports_come_closer_together_while_the_sender_looks_for_its_rate() {
    let mut world = World::new(1_200);
    let mut due = |at_us: u64, first: u64| {
        for number in first..first + 5 {
            world.receive(at_us, number);
        }
        world.report(at_us);
        for number in first + 5..first + 10 {
            world.receive(at_us, number);
        }
        let due_at = world.reporting.due_at(&world.window).unwrap();
        due_at.as_micros() - at_us
    };
    assert_eq!(due(1_000, 0), 250);
    assert_eq!(due(20_900, 10), 250);
    assert_eq!(due(21_100, 20), 1_000);
}
