//! Whole transfers over real stacks: the same checkers hold as over bare hosts.

use super::*;
use crate::link::Part;
use crate::paths::{self, Path};
use crate::scenario::{Outcome, Scenario};

fn run(scenario: &Scenario) -> Outcome {
    let outcome = scenario.run_twice(1);
    assert_eq!(outcome.breaches, Vec::<String>::new());
    outcome
}

#[test]
fn a_transfer_over_either_version_of_ip_delivers_everything() {
    for stack in [Stack::Ipv4, Stack::Ipv6] {
        let mut scenario = Scenario::transfer(Path::plain(20_000_000, 20_000, 10_000), 2.0);
        scenario.flows[0].put_on(stack);
        let outcome = run(&scenario);
        assert_eq!(outcome.flows[0].received, scenario.flows[0].files[0]);
        assert_eq!(outcome.flows[0].confirmed, 1);
    }
}

#[test]
fn ipv6_needs_twenty_bytes_more_for_the_same_datagram() {
    let packets = |stack| {
        let mut scenario = Scenario::transfer(Path::plain(20_000_000, 20_000, 0), 2.0);
        scenario.flows[0].put_on(stack);
        let size = scenario.flows[0].files[0];
        (size as f64 / run(&scenario).packets as f64) as u64
    };
    let (bare, v4, v6) = (
        packets(Stack::Bare),
        packets(Stack::Ipv4),
        packets(Stack::Ipv6),
    );
    assert!(bare.abs_diff(v4) <= 4, "{bare} {v4}");
    assert!((v4 - v6).abs_diff(20) <= 4, "{v4} {v6}");
}

#[test]
fn neighbours_are_found_although_the_first_questions_are_lost() {
    for stack in [Stack::Ipv4, Stack::Ipv6] {
        let mut scenario = Scenario::transfer(Path::plain(20_000_000, 20_000, 0), 1.0);
        scenario.flows[0].put_on(stack);
        let outage = crate::link::Outage::once(0, 1_500_000);
        scenario.path.forward.push(Part::Outage(outage));
        let outcome = run(&scenario);
        assert_eq!(outcome.flows[0].confirmed, 1);
        // Asked at 0 s, 1 s and 2 s.
        let mut samples = outcome.samples.iter();
        let first = samples.find(|sample| sample.flows[0].received > 0).unwrap();
        assert!(
            (2_000_000..2_200_000).contains(&first.at_us),
            "{}",
            first.at_us
        );
    }
}

#[test]
fn a_neighbour_that_is_heard_is_not_asked_for_again() {
    // The entry is valid for a minute.
    let mut scenario = Scenario::transfer(Path::plain(2_000_000, 20_000, 0), 70.0);
    scenario.flows[0].put_on(Stack::Ipv4);
    let outcome = run(&scenario);
    let rates = outcome
        .samples
        .windows(50)
        .skip(200)
        .map(|window| window[49].flows[0].received - window[0].flows[0].received);
    let end = outcome.samples.len() - 400;
    let least = rates.take(end).min();
    assert!(least > Some(20_000), "{least:?}");
}

#[test]
fn files_of_all_sizes_survive_everything_over_a_stack() {
    let mut scenario = crate::named_runs::named("torture").unwrap();
    scenario.path = paths::torture();
    scenario.flows[0].policy = fasp_core::control::choices::RatePolicy::Fixed;
    scenario.flows[0].target_bps = 15_000_000;
    for stack in [Stack::Ipv4, Stack::Ipv6] {
        scenario.flows[0].put_on(stack);
        let outcome = run(&scenario);
        assert_eq!(outcome.flows[0].confirmed, 40, "{stack:?}");
    }
}

#[test]
fn bare_hosts_and_hosts_with_a_stack_share_a_path() {
    let path = Path::plain(50_000_000, 30_000, 0);
    let mut scenario = Scenario::transfer(path, 4.0);
    let mut other = scenario.flows[0].clone();
    other.put_on(Stack::Ipv6);
    scenario.flows.push(other);
    let outcome = run(&scenario);
    assert_eq!(
        (outcome.flows[0].confirmed, outcome.flows[1].confirmed),
        (1, 1)
    );
}
