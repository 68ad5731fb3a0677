//! Paths that repeat, delay and lose far more than any path should, or that carry less than they did.

use std::time::Duration;

use fasp_tests::client::Outcome;
use fasp_tests::relay::{Badness, Toward};
use fasp_tests::tree;

use super::{BOTH, Way, Wire};

fn cross(way: Way, badness: Badness, size: u64) -> Wire {
    let wire = Wire::with(badness, |daemon| daemon);
    wire.make(way, size);
    let running = wire.command(way, &[]).start();
    wire.survived(way, running, 120);
    wire
}

#[test]
fn a_flood_of_copies_and_late_datagrams_changes_nothing() {
    for way in BOTH {
        let flood = Badness {
            duplicate: 500,
            reorder: 500,
            replay: 200,
            hold: Duration::from_millis(40),
            ..Badness::default()
        };
        let wire = cross(way, flood, 4_000_000);
        let count = wire.udp.count(super::toward(way));
        assert!(count.duplicated > 150 && count.held > 150, "{count:?}");
    }
}

#[test]
fn a_path_that_loses_thirty_in_a_hundred_is_survived() {
    for way in BOTH {
        let wire = cross(
            way,
            Badness {
                loss: 300,
                ..Badness::default()
            },
            4_000_000,
        );
        let count = wire.udp.count(super::toward(way));
        assert!(count.lost * 5 > count.seen, "{count:?}");
    }
}

#[test]
fn a_path_that_carries_less_in_mid_transfer_is_survived() {
    for way in BOTH {
        let wire = Wire::open();
        wire.make(way, super::SIZE);
        let running = wire.start(way, &[]);
        wire.udp.lose_longer_than(1_300);
        wire.survived(way, running, 60);
        assert!(wire.udp.count(super::toward(way)).lost > 40);
    }
}

#[test]
fn small_files_on_a_path_that_carries_less_arrive_too() {
    let wire = Wire::open();
    for number in 0..4_000_u64 {
        let path = wire.world.local(format!("t/f{number}"));
        tree::write_file(&path, number, 1_250 + number % 3_000);
    }
    let ascp = wire.ascp().arg("t");
    let mut running = ascp.arg(wire.server.at("")).start();
    while wire.udp.count(Toward::Server).seen < 400 && running.is_running() {
        std::thread::sleep(Duration::from_millis(2));
    }
    wire.udp.lose_longer_than(1_250);
    let run = Outcome(running.wait(Duration::from_secs(60)));
    run.succeeded();
    tree::assert_same(&wire.world.local("t"), &wire.world.remote("t"));
    assert!(wire.udp.count(Toward::Server).lost > 40);
}
