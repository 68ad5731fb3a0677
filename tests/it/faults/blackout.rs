//! The data path carries nothing for a while, or for good.

use std::time::Duration;

use super::{BOTH, Way, Wire, tries};

/// Nothing passes for `seconds`, then everything does.
fn black_out(way: Way, seconds: u64, options: &[&str]) -> usize {
    let wire = Wire::open();
    wire.make(way, super::SIZE);
    let running = wire.start(way, options);
    wire.udp.swallow_everything(true);
    std::thread::sleep(Duration::from_secs(seconds));
    wire.udp.swallow_everything(false);
    let run = wire.survived(way, running, 120);
    tries(&run.err())
}

#[test]
fn four_seconds_of_nothing_are_survived_by_the_same_session() {
    for way in BOTH {
        assert_eq!(black_out(way, 4, &[]), 0, "{way:?}");
    }
}

#[test]
#[ignore = "takes 30 s"]
fn ten_seconds_of_nothing_are_survived_by_the_same_session() {
    for way in BOTH {
        assert_eq!(black_out(way, 10, &[]), 0, "{way:?}");
    }
}

#[test]
#[ignore = "takes more than a minute"]
fn a_minute_of_nothing_is_survived_up() {
    black_out(Way::Up, 62, &["-k1", "--retry-timeout", "300"]);
}

#[test]
#[ignore = "takes more than a minute"]
fn a_minute_of_nothing_is_survived_down() {
    black_out(Way::Down, 62, &["-k1", "--retry-timeout", "300"]);
}

#[test]
#[ignore = "takes more than five minutes"]
fn five_minutes_of_nothing_are_survived_up() {
    let tries = black_out(Way::Up, 300, &["-k1", "--retry-timeout", "600"]);
    assert!(tries >= 3, "{tries}");
}

#[test]
#[ignore = "takes more than five minutes"]
fn five_minutes_of_nothing_are_survived_down() {
    let tries = black_out(Way::Down, 300, &["-k1", "--retry-timeout", "600"]);
    assert!(tries >= 3, "{tries}");
}

#[test]
#[ignore = "takes more than a minute"]
fn a_path_that_is_gone_for_good_ends_the_tries_and_the_next_run_completes() {
    let wire = Wire::open();
    wire.make(Way::Up, super::SIZE);
    let running = wire.start(Way::Up, &["-k1", "--retry-timeout", "20"]);
    wire.udp.swallow_everything(true);
    let run = fasp_tests::client::Outcome(running.wait(Duration::from_secs(150)));
    assert!(tries(&run.err()) >= 1, "{}", run.words());
    run.failed_with(&["UDP"]);
    assert!(!wire.copy(Way::Up).exists());
    wire.udp.swallow_everything(false);
    wire.command(Way::Up, &["-k1"]).run().succeeded();
    wire.assert_delivered(Way::Up);
}
