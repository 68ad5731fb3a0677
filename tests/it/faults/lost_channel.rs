//! The SSH connection breaks or falls silent while datagrams pass.

use std::fs;
use std::time::{Duration, Instant};

use fasp_tests::client::Outcome;
use fasp_tests::process::Running;
use fasp_tests::tree;

use super::{BOTH, Way, Wire, tries};

const RETRY: [&str; 3] = ["-k1", "--retry-timeout", "60"];

fn wait_for_tries(running: &mut Running, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while tries(&String::from_utf8_lossy(&running.stderr_so_far())) < count {
        assert!(running.is_running() && Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_cut_connection_is_opened_again_and_the_transfer_goes_on() {
    for way in BOTH {
        let wire = Wire::open();
        wire.make(way, super::SIZE);
        let running = wire.start(way, &RETRY);
        wire.ssh.cut();
        let run = wire.survived(way, running, 60);
        assert_eq!(tries(&run.err()), 1, "{way:?}: {}", run.words());
        assert!(run.err().contains("Connection lost"), "{}", run.words());
        assert!(run.err().contains("(try 1, 60 s left)"), "{}", run.words());
        assert_eq!(wire.ssh.accepted(), 2);
    }
}

#[test]
fn complete_files_are_not_sent_again_after_a_cut() {
    let wire = Wire::open();
    for number in 0..40 {
        tree::write_file(&wire.world.local(format!("t/a{number}")), number, 50_000);
    }
    tree::write_file(&wire.world.local("t/big"), 77, super::SIZE);
    let ascp = wire.ascp().args(RETRY).args(["-L-", "t"]);
    let mut running = ascp.arg(wire.server.at("")).start();
    wire.wait_for_more(Way::Up, 500, &mut running);
    wire.ssh.cut();
    let run = Outcome(running.wait(Duration::from_secs(60)));
    run.succeeded();
    tree::assert_same(&wire.world.local("t"), &wire.world.remote("t"));
    let log = run.err();
    assert_eq!(
        log.matches("file=\"t/a7\"").count(),
        2,
        "begun and ended once: {log}"
    );
    let (_, last) = log.rsplit_once("transfers passed").expect("the totals");
    let passed: String = last.chars().filter(char::is_ascii_digit).take(2).collect();
    assert_eq!(passed, "41", "each file counts once: {log}");
    let out = run.out();
    assert_eq!(out.matches("a7 ").count(), 1, "shown once: {out}");
}

#[test]
fn a_folder_that_takes_a_new_name_keeps_it_after_a_cut() {
    for way in BOTH {
        let wire = Wire::open();
        let (from, to) = match way {
            Way::Up => (wire.world.local("t"), wire.world.remote("new")),
            Way::Down => (wire.world.remote("t"), wire.world.local("new")),
        };
        tree::write_file(&from.join("first"), 1, 1_000);
        tree::write_file(&from.join("second"), 2, super::SIZE);
        let ascp = wire.ascp().args(RETRY);
        let ascp = match way {
            Way::Up => ascp.arg("t").arg(wire.server.at("new")),
            Way::Down => ascp.arg(wire.server.at("t")).arg("new"),
        };
        let before = wire.passed(way);
        let mut running = ascp.start();
        wire.wait_for_more(way, before, &mut running);
        wire.ssh.cut();
        let run = Outcome(running.wait(Duration::from_secs(60)));
        run.succeeded();
        assert_eq!(tries(&run.err()), 1, "{}", run.words());
        tree::assert_same(&from, &to);
        assert_eq!(tree::names_in(&to), ["first", "second"], "{way:?}");
    }
}

#[test]
fn without_the_option_a_cut_ends_the_run_and_the_next_one_completes() {
    for way in BOTH {
        let wire = Wire::open();
        wire.make(way, super::SIZE);
        let running = wire.start(way, &["-k1"]);
        wire.ssh.cut();
        wire.fails_and_the_next_run_completes(way, running, "Connection lost");
    }
}

#[test]
fn a_login_that_is_refused_after_a_cut_ends_the_run_at_once() {
    let wire = Wire::open();
    wire.make(Way::Up, super::SIZE);
    let running = wire.start(Way::Up, &RETRY);
    fs::write(wire.world.server_folder().join("authorized_keys"), "").unwrap();
    wire.ssh.cut();
    let run = Outcome(running.wait(Duration::from_secs(20)));
    run.failed_with(&["failed to authenticate"]);
    assert_eq!(tries(&run.err()), 1, "{}", run.words());
}

#[test]
fn tries_end_with_their_time_and_ctrl_c_ends_them_at_once() {
    let wire = Wire::open();
    wire.make(Way::Up, super::SIZE);
    let mut running = wire.start(Way::Up, &["-k1", "--retry-timeout", "4"]);
    wire.ssh.refuse(true);
    wire.ssh.cut();
    wait_for_tries(&mut running, 1);
    let begun = Instant::now();
    let run = Outcome(running.wait(Duration::from_secs(60)));
    let _ = run.failure();
    let lasted = begun.elapsed().as_secs_f32();
    assert!((3.0..25.0).contains(&lasted), "{lasted} s: {}", run.words());

    wire.ssh.refuse(false);
    let mut running = wire.start(Way::Up, &["-k1", "--retry-timeout", "300"]);
    wire.ssh.refuse(true);
    wire.ssh.cut();
    wait_for_tries(&mut running, 3);
    let begun = Instant::now();
    running.interrupt();
    let ended = running.wait(Duration::from_secs(10));
    assert_eq!(ended.code(), Some(130), "{}", ended.err());
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );

    wire.ssh.refuse(false);
    wire.command(Way::Up, &["-k1"]).run().succeeded();
    wire.assert_delivered(Way::Up);
}

#[test]
fn a_connection_that_falls_silent_does_not_stop_the_data() {
    let wire = Wire::open();
    wire.make(Way::Up, super::SIZE);
    let running = wire.start(Way::Up, &[]);
    wire.ssh.freeze(true);
    let run = wire.survived(Way::Up, running, 60);
    wire.ssh.freeze(false);
    assert!(run.took < Duration::from_secs(40), "{}", run.words());
}

#[test]
fn a_server_that_is_not_there_from_the_start_is_not_waited_for() {
    let wire = Wire::open();
    wire.make(Way::Up, 1_000);
    wire.ssh.refuse(true);
    let run = wire.command(Way::Up, &RETRY).run();
    let _ = run.failure();
    assert_eq!(tries(&run.err()), 0, "{}", run.words());
}

#[test]
fn going_on_needs_something_to_go_on_with() {
    let wire = Wire::open();
    wire.make(Way::Up, 1_000);
    let run = wire.command(Way::Up, &["--retry-timeout", "60"]).run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    assert!(run.err().contains("needs -k 1 or more"), "{}", run.words());
    wire.command(Way::Up, &["--retry-timeout=0"])
        .run()
        .succeeded();
}
