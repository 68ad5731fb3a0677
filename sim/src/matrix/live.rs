//! Wishes that change while a session runs: target rate, minimum rate, policy.

use fasp_core::control::choices::RatePolicy;
use fasp_core::rate_control::RateLimits;
use fasp_core::units::BitRate;

use super::{
    Cell, Column, Goal, Matrix, Plan, Verdict, farthest, least, nothing_overall, rate_name,
};
use crate::host::FlowOptions;
use crate::measure::goodput;
use crate::paths::{ETHERNET, Path};
use crate::scenario::{ENDLESS, Outcome, Scenario, flow};

const FIRST_US: u64 = 15_000_000;
const SECOND_US: u64 = 30_000_000;
const END_US: u64 = 45_000_000;
const ROUND_TRIP_US: u64 = 50_000;

const COLUMNS: &[Column] = &[
    least("obeyed", 4),
    farthest("wanted", 3, 0.0),
    least("used", 4),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "live",
    about: "target rate, minimum rate and policy changed while the session runs",
    notes: "`obeyed`: what arrives to what the new target allows (at least 0.95), to the new minimum (at least 0.95), or the \
            ratio to the other flow (2.0 +- 0.15 for high, 5 % of the link for low), from 2 s + 10 RTT after the change on, \
            8 s for a ratio. `wanted`: that bound.",
    labels: &["change", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn limits(policy: RatePolicy, target_bps: u64, minimum_bps: u64) -> RateLimits {
    RateLimits {
        target: BitRate(target_bps),
        minimum: BitRate(minimum_bps),
        policy,
    }
}

/// File bytes that a target carries: it counts bytes of UDP payload.
fn carried(target_bps: u64) -> f64 {
    target_bps as f64 * f64::from(ETHERNET - 40) / f64::from(ETHERNET)
}

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in [10_000_000, 100_000_000, 1_000_000_000] {
        if plan.is_smoke() && rate_bps > 10_000_000 {
            continue;
        }
        cells.push(targets(rate_bps, RatePolicy::Fair, "target 0.3 then 0.8"));
        cells.push(targets(rate_bps, RatePolicy::Fixed, "fixed 0.3 then 0.8"));
        for (name, policy) in [
            ("fair to high", RatePolicy::High),
            ("fair to low", RatePolicy::Low),
        ] {
            let change = limits(policy, 2 * rate_bps, 0);
            cells.push(beside_another(rate_bps, name, change));
        }
        let change = limits(RatePolicy::Fair, 2 * rate_bps, rate_bps * 7 / 10);
        cells.push(beside_another(rate_bps, "minimum 0.7", change));
    }
    cells
}

fn labels(name: &str, rate_bps: u64) -> [String; 3] {
    [
        name.to_owned(),
        rate_name(rate_bps),
        (ROUND_TRIP_US / 1_000).to_string(),
    ]
}

/// The target of a flow alone falls to 0.3 and rises to 0.8 of the rate.
fn targets(rate_bps: u64, policy: RatePolicy, name: &str) -> Cell {
    let path = Path::plain(rate_bps, ROUND_TRIP_US, 0);
    let steps = [
        (FIRST_US, rate_bps * 3 / 10),
        (SECOND_US, rate_bps * 8 / 10),
    ];
    let flow = FlowOptions {
        changes: steps
            .iter()
            .map(|&(at_us, target)| (at_us, limits(policy, target, 0)))
            .collect(),
        ..flow(&path, vec![ENDLESS])
    };
    Cell::new(
        labels(name, rate_bps),
        Scenario::endless(path, vec![flow], FIRST_US, END_US),
        move |_, outcome| {
            let settled = |at_us| at_us + 2_000_000 + 10 * ROUND_TRIP_US;
            let spans = [
                (settled(steps[0].0), steps[1].0, steps[0].1),
                (settled(steps[1].0), END_US, steps[1].1),
            ];
            let obeyed = spans
                .map(|(from, to, target)| goodput(&outcome.samples, 0, from, to) / carried(target));
            let least = obeyed[0].min(obeyed[1]);
            Verdict::new([least, 0.95, f64::NAN]).check(
                Goal::LiveLimits,
                least >= 0.95 && obeyed.iter().all(|&obeyed| obeyed <= 1.01),
                format!("{:.3} and {:.3} of the targets", obeyed[0], obeyed[1]),
            )
        },
    )
}

/// One of two fair flows gets other wishes.
fn beside_another(rate_bps: u64, name: &str, change: RateLimits) -> Cell {
    let path = Path::plain(rate_bps, ROUND_TRIP_US, 0);
    let other = flow(&path, vec![ENDLESS]);
    let changing = FlowOptions {
        changes: vec![(FIRST_US, change)],
        ..other.clone()
    };
    let later = FlowOptions {
        start_us: 1_000_000,
        ..other
    };
    Cell::new(
        labels(name, rate_bps),
        Scenario::endless(path, vec![changing, later], FIRST_US, END_US),
        move |scenario, outcome| judge_beside(change, scenario, outcome),
    )
}

fn judge_beside(change: RateLimits, scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let yields = change.policy == RatePolicy::Low;
    let settle_us = if yields { 2_000_000 } else { 8_000_000 };
    let from_us = FIRST_US + settle_us + 10 * ROUND_TRIP_US;
    let rate = |flow| goodput(&outcome.samples, flow, from_us, END_US);
    let ceiling = scenario.path.ceiling_bps();
    let used = (rate(0) + rate(1)) / ceiling;
    let (obeyed, wanted, reached) = if yields {
        let share = rate(0) / ceiling;
        (share, 0.05, share <= 0.05)
    } else if change.minimum.0 > 0 {
        let obeyed = rate(0) / carried(change.minimum.0);
        (obeyed, 0.95, obeyed >= 0.95)
    } else {
        let ratio = rate(0) / rate(1).max(1.0);
        (ratio, 2.0, (1.85..=2.15).contains(&ratio))
    };
    Verdict::new([obeyed, wanted, used]).check(
        Goal::LiveLimits,
        reached,
        format!("{obeyed:.3} instead of {wanted}"),
    )
}
