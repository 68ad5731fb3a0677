//! Policies against each other: high takes twice the share of fair, low gets out of the way and comes back.

use fasp_core::control::choices::RatePolicy;

use super::{
    Cell, Column, Goal, Matrix, Plan, Verdict, farthest, least, nothing_overall, rate_name,
};
use crate::cross_traffic::{ControlKind, CrossKind, CrossOptions};
use crate::host::FlowOptions;
use crate::measure::{goodput, other_goodput};
use crate::paths::Path;
use crate::scenario::{ENDLESS, Outcome, Scenario, flow};

/// When the other flow of a low one begins, and how long it would last alone.
const OTHER_FROM_US: u64 = 10_000_000;
const OTHER_SECONDS: f64 = 10.0;
/// So soon a low flow must be back.
const BACK_US: u64 = 5_000_000;

const PATHS: [(u64, u64); 5] = [
    (10_000_000, 50),
    (100_000_000, 10),
    (100_000_000, 50),
    (100_000_000, 200),
    (1_000_000_000, 20),
];

const COLUMNS: &[Column] = &[
    farthest("ratio", 3, 2.0),
    farthest("low share", 3, 0.0),
    least("used", 4),
    least("back", 4),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "policies",
    about: "high against fair; low against fair, high, Cubic and BBR, and with a minimum rate",
    notes: "`ratio`: high to fair. `low share`: of the possible, from 10 RTT + 2 s after the other flow began until it \
            ended. `back`: share of the low flow from 5 s after that on.",
    labels: &["case", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (rate_bps, round_trip_ms) in PATHS {
        if plan.is_smoke() && rate_bps > 10_000_000 {
            continue;
        }
        cells.push(high_and_fair("high/fair", 1, rate_bps, round_trip_ms));
        cells.push(high_and_fair("2 high/2 fair", 2, rate_bps, round_trip_ms));
        let tenth = rate_bps / 10;
        for (case, policy, minimum_bps) in [
            ("low/fair", RatePolicy::Fair, 0),
            ("low/high", RatePolicy::High, 0),
            ("low with minimum/fair", RatePolicy::Fair, tenth),
        ] {
            cells.push(low_and(case, policy, minimum_bps, rate_bps, round_trip_ms));
        }
        for (case, kind) in [
            ("low/cubic", ControlKind::Cubic),
            ("low/bbr", ControlKind::Bbr),
        ] {
            cells.push(low_and_other(case, kind, rate_bps, round_trip_ms));
        }
    }
    cells
}

fn labels(case: &str, rate_bps: u64, round_trip_ms: u64) -> [String; 3] {
    [
        case.to_owned(),
        rate_name(rate_bps),
        round_trip_ms.to_string(),
    ]
}

fn high_and_fair(case: &str, each: u64, rate_bps: u64, round_trip_ms: u64) -> Cell {
    let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
    let flows = (0..2 * each).map(|index| FlowOptions {
        policy: if index % 2 == 0 {
            RatePolicy::High
        } else {
            RatePolicy::Fair
        },
        start_us: index * 1_000_000,
        ..flow(&path, vec![ENDLESS])
    });
    let flows = flows.collect();
    Cell::new(
        labels(case, rate_bps, round_trip_ms),
        Scenario::endless(path, flows, 25_000_000, 45_000_000),
        judge_high,
    )
}

fn judge_high(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let (from_us, to_us) = (scenario.measure_from_us, scenario.limit_us);
    let shares = |policy| -> f64 {
        let flows = scenario.flows.iter().enumerate();
        flows
            .filter(|(_, flow)| flow.policy == policy)
            .map(|(index, _)| goodput(&outcome.samples, index, from_us, to_us))
            .sum()
    };
    let (high, fair) = (shares(RatePolicy::High), shares(RatePolicy::Fair));
    let ratio = high / fair.max(1.0);
    let used = (high + fair) / scenario.path.ceiling_bps();
    Verdict::new([ratio, f64::NAN, used, f64::NAN]).check(
        Goal::HighToFair,
        (1.85..=2.15).contains(&ratio),
        "not 2.0 +- 0.15",
    )
}

fn low_and(
    case: &str,
    policy: RatePolicy,
    minimum_bps: u64,
    rate_bps: u64,
    round_trip_ms: u64,
) -> Cell {
    let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
    let low = FlowOptions {
        policy: RatePolicy::Low,
        minimum_bps,
        ..flow(&path, vec![ENDLESS])
    };
    let bytes = path.ceiling_bps() * OTHER_SECONDS / 8.0;
    let other = FlowOptions {
        policy,
        start_us: OTHER_FROM_US,
        ..flow(&path, vec![bytes as u64])
    };
    Cell::new(
        labels(case, rate_bps, round_trip_ms),
        Scenario::endless(path, vec![low, other], 0, 50_000_000),
        |scenario, outcome| judge_low(outcome.flows[1].completed_at, scenario, outcome),
    )
}

/// A flow of others comes and falls silent again.
fn low_and_other(case: &str, kind: ControlKind, rate_bps: u64, round_trip_ms: u64) -> Cell {
    let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
    let low = FlowOptions {
        policy: RatePolicy::Low,
        ..flow(&path, vec![ENDLESS])
    };
    let ends_us = OTHER_FROM_US + 2 * (OTHER_SECONDS * 1e6) as u64;
    let mut scenario = Scenario::endless(path, vec![low], 0, 50_000_000);
    scenario.cross = vec![CrossOptions {
        start_us: OTHER_FROM_US,
        stop_us: Some(ends_us),
        ..CrossOptions::bulk(CrossKind::Model(kind))
    }];
    Cell::new(
        labels(case, rate_bps, round_trip_ms),
        scenario,
        move |scenario, outcome| judge_low(ends_us, scenario, outcome),
    )
}

fn judge_low(ended: u64, scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let path = &scenario.path;
    let ceiling = path.ceiling_bps();
    let from = OTHER_FROM_US + 10 * path.round_trip_us + 2_000_000;
    let rate = |flow, from, to| goodput(&outcome.samples, flow, from, to);
    let others = other_goodput(&outcome.samples, 0, from, ended);
    let (low, other) = (rate(0, from, ended), rate(1, from, ended) + others);
    let back = rate(0, ended + BACK_US, scenario.limit_us) / ceiling;
    let share = low / ceiling;
    // The minimum rate counts UDP payload, so it is compared with what the path carries of that. It is a floor, so that the
    // share hovers around it.
    let minimum = scenario.flows[0].minimum_bps as f64 / path.payload_bps();
    let most = (minimum * 1.02).max(0.05);
    let yields = ended > from && share <= most;
    Verdict::new([f64::NAN, share, (low + other) / ceiling, back])
        .check(
            Goal::LowYields,
            yields,
            format!("low > {:.0} %", most * 100.0),
        )
        .check(Goal::LowReturns, ended > 0 && back >= 0.95, "back < 0.95")
}
