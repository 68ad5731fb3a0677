//! Whole runs: what is delivered is right, measured as it is, and the same again.

use super::*;
use crate::measure::goodput;
use crate::named_runs::{NAMES, named};
use crate::paths;

fn clean(outcome: &Outcome) {
    assert_eq!(outcome.breaches, Vec::<String>::new());
}

#[test]
fn every_named_run_exists() {
    for (name, _) in paths::NAMES.iter().chain(&NAMES) {
        assert!(named(name).is_some(), "{name}");
    }
    assert!(named("nowhere").is_none());
}

#[test]
fn a_transfer_on_a_clean_path_delivers_everything_twice_the_same() {
    let scenario = Scenario::transfer(Path::plain(20_000_000, 20_000, 0), 2.0);
    let outcome = scenario.run_twice(1);
    clean(&outcome);
    assert_eq!(outcome.flows[0].received, scenario.flows[0].files[0]);
    assert_eq!(
        (outcome.flows[0].complete, outcome.flows[0].confirmed),
        (1, 1)
    );
}

#[test]
fn files_of_all_sizes_survive_everything_that_can_go_wrong() {
    for seed in [1, 3] {
        let mut scenario = named("torture").expect("it is listed");
        // What is delivered must be right whatever the controller makes of such a path.
        scenario.flows[0].policy = RatePolicy::Fixed;
        scenario.flows[0].target_bps = 15_000_000;
        let outcome = scenario.run_twice(seed);
        clean(&outcome);
        assert_eq!(
            (outcome.flows[0].complete, outcome.flows[0].confirmed),
            (40, 40)
        );
    }
}

#[test]
fn another_seed_is_another_run() {
    let scenario = Scenario::transfer(Path::plain(20_000_000, 20_000, 20_000), 1.0);
    assert_ne!(scenario.run(1).trace, scenario.run(2).trace);
}

#[test]
fn a_slow_disk_bounds_what_waits_for_it() {
    let mut scenario = named("slow_disk").expect("it is listed");
    scenario.flows[0].files = vec![30_000_000];
    let outcome = scenario.run(1);
    clean(&outcome);
    assert!(
        outcome.flows[0].most_waiting <= 9 << 20,
        "{}",
        outcome.flows[0].most_waiting
    );
}

#[test]
fn a_full_disk_fails_the_files_that_do_not_fit_and_no_others() {
    let outcome = named("full_disk").expect("it is listed").run(1);
    clean(&outcome);
    assert_eq!(
        (outcome.flows[0].complete, outcome.flows[0].confirmed),
        (4, 4)
    );
}

#[test]
fn a_fixed_rate_below_that_of_the_path_is_what_arrives() {
    let mut scenario = Scenario::transfer(Path::plain(100_000_000, 20_000, 0), 1.0);
    scenario.flows[0].policy = RatePolicy::Fixed;
    scenario.flows[0].target_bps = 40_000_000;
    let outcome = scenario.run(1);
    clean(&outcome);
    let rate = goodput(&outcome.samples, 0, 500_000, 2_000_000);
    assert!((38.0e6..40.0e6).contains(&rate), "{rate}");
}
