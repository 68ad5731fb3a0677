//! Rates: the target, the minimum and the policy in both directions, percent of a link, and measuring the path.

use std::time::{Duration, Instant};

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::tree;

use crate::site::{Arm, Site};

const SIZE: u64 = 3_000_000;

/// Runs `ascp` with `options` and tells how long it took.
fn timed(site: &Site, options: &[&str], operands: [std::ffi::OsString; 2]) -> (Outcome, Duration) {
    let command = Ascp::to(&site.world, &site.server)
        .args(options)
        .args(operands);
    let begin = Instant::now();
    let run = command.run();
    (run, begin.elapsed())
}

#[test]
fn the_target_rate_holds_in_both_directions() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("up"), 1, SIZE);
    tree::write_file(&site.world.remote("down"), 2, SIZE);
    // Twelve megabits a second: three million bytes take two seconds.
    for operands in [
        ["up".into(), site.server.at("")],
        [site.server.at("down"), ".".into()],
    ] {
        for rate in ["12M", "0.012g", "12000"] {
            let (run, took) = timed(&site, &["-l", rate, "--policy=fixed"], operands.clone());
            run.succeeded();
            assert!(took >= Duration::from_millis(1_950), "{rate}: {took:?}");
        }
    }
}

#[test]
fn every_policy_delivers_in_both_directions() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("up"), 1, SIZE);
    tree::write_file(&site.world.remote("down"), 2, SIZE);
    for policy in ["high", "fair", "low", "fixed"] {
        let policy = format!("--policy={policy}");
        let options = [policy.as_str(), "-l", "100M", "-m", "5M"];
        let (run, _) = timed(&site, &options, ["up".into(), site.server.at("")]);
        run.succeeded();
        let (run, _) = timed(&site, &options, [site.server.at("down"), ".".into()]);
        run.succeeded();
    }
    tree::assert_same(&site.world.local("up"), &site.world.remote("up"));
    tree::assert_same(&site.world.local("down"), &site.world.remote("down"));
}

#[test]
fn percent_of_a_link_without_a_known_speed_is_refused_in_words_that_help() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("up"), 1, 10);
    let (run, _) = timed(&site, &["-l", "80%"], ["up".into(), site.server.at("")]);
    let words = run
        .failed_with(&["interface lo is not known", "100M"])
        .words();
    assert!(!words.contains('%'), "{words}");
    assert!(tree::names_in(&site.world.remote("")).is_empty());
}

/// The lines of a run that measured, after the first.
fn measured(arm: Arm, options: &[&str]) {
    let Some(site) = Site::open(arm) else { return };
    for direction in ["f", "r"] {
        let run = Ascp::to(&site.world, &site.server)
            .args(["-w", direction, "-K", "300M"])
            .args(options)
            .arg(site.server.at(""))
            .run();
        run.succeeded();
        let out = run.0.out();
        let first = "Measuring bottleneck bandwidth from 127.0.0.1 to 127.0.0.1";
        assert_eq!(out.lines().next(), Some(first), "{out}");
        let kbps = out.lines().find_map(|line| {
            let rest = line.strip_prefix("Bottleneck bandwidth: ")?;
            rest.strip_suffix(" Kbps (5 packet trains)")?
                .parse::<u64>()
                .ok()
        });
        assert!(kbps.is_some_and(|kbps| kbps > 10_000), "{out}");
        assert!(!out.contains('%') && !out.contains("Completed"), "{out}");
    }
    assert!(tree::names_in(&site.world.remote("")).is_empty());
    assert!(tree::names_in(&site.world.local("")).is_empty());
}

#[test]
fn the_path_is_measured_both_ways_through_ascpd() {
    measured(Arm::Daemon, &[]);
}

#[test]
fn the_path_is_measured_both_ways_through_sshd() {
    measured(Arm::OpenSsh, &["-T"]);
}

#[test]
fn a_path_that_loses_and_reorders_is_measured_too() {
    measured(Arm::BadPath, &[]);
}

#[test]
fn files_go_after_the_measurement_in_their_own_direction() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("up"), 1, SIZE);
    let run = Ascp::to(&site.world, &site.server)
        .args(["-wr", "-K300M", "-l200M", "up"])
        .arg(site.server.at(""))
        .run();
    run.succeeded();
    let out = run.0.out();
    let (measuring, completed) = (out.find("Measuring"), out.find("Completed: 2929K bytes"));
    assert!(measuring < completed && measuring.is_some(), "{out}");
    tree::assert_same(&site.world.local("up"), &site.world.remote("up"));
}

#[test]
fn a_quiet_measurement_says_nothing_and_a_refused_login_fails() {
    let site = Site::daemon();
    let quiet = Ascp::to(&site.world, &site.server)
        .args(["-q", "-w", "f", "-K", "300M"])
        .arg(site.server.at(""))
        .run();
    quiet.succeeded();
    assert_eq!(quiet.0.out(), "");
    let stranger = Ascp::new(&site.world)
        .options(&site.server)
        .arg("-i")
        .arg(site.world.stranger_key())
        .args(["-w", "f"])
        .arg(site.server.at(""));
    stranger.run().failed_with(&["failed to authenticate"]);
}
