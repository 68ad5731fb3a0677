//! Own flows that share one bottleneck and begin one after another; some leave.
//!
//! Shares are those of the last 15 seconds, when the youngest flow has run for 20 s and 30 round trips.

use super::{
    Cell, Goal, Matrix, Plan, Verdict, farthest, least, most, nothing_overall, percent,
    queue_bound_ms, rate_name,
};
use crate::host::FlowOptions;
use crate::measure::{goodput, jain_index};
use crate::paths::Path;
use crate::scenario::{ENDLESS, Outcome, Scenario, flow};

const SHARED_US: u64 = 15_000_000;
/// Flows that leave have as many bytes as their share carries in this time.
const LEAVE_AFTER_SECONDS: f64 = 15.0;

/// A set of flows; round trips in ms are used in turn.
#[derive(Clone, Copy)]
struct Case {
    flows: usize,
    leaving: usize,
    rate_bps: u64,
    round_trips_ms: &'static [u64],
    loss_ppm: u64,
}

const fn case(flows: usize, rate_mbps: u64, round_trips_ms: &'static [u64], loss_ppm: u64) -> Case {
    Case {
        flows,
        leaving: 0,
        rate_bps: rate_mbps * 1_000_000,
        round_trips_ms,
        loss_ppm,
    }
}

const fn leaving(leaving: usize, case: Case) -> Case {
    Case { leaving, ..case }
}

const CASES: [Case; 22] = [
    case(2, 100, &[50], 0),
    case(4, 100, &[50], 0),
    case(8, 100, &[50], 0),
    case(16, 100, &[50], 0),
    case(32, 100, &[50], 0),
    case(4, 100, &[10], 0),
    case(4, 100, &[200], 0),
    case(4, 100, &[50], 10_000),
    case(16, 100, &[50], 10_000),
    case(2, 10, &[50], 0),
    case(4, 10, &[50], 0),
    case(4, 10, &[50], 10_000),
    case(2, 1_000, &[20], 0),
    case(10, 1_000, &[20], 0),
    case(32, 1_000, &[20], 0),
    case(4, 1_000, &[100], 10_000),
    case(2, 100, &[10, 200], 0),
    case(4, 200, &[10, 50, 100, 200], 0),
    case(8, 200, &[10, 200], 0),
    leaving(2, case(4, 100, &[50], 0)),
    leaving(6, case(8, 100, &[50], 0)),
    leaving(1, case(2, 10, &[50], 0)),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "fairness",
    about: "own flows sharing one bottleneck, one beginning a second after the other, some leaving",
    notes: "The last 15 s count, when the youngest flow has run for 20 s and 30 round trips. `least/mean`: the smallest \
            share. Buffer of one round trip of the nearest flow, 20 ms at least.",
    labels: &["flows", "leaving", "rate", "RTT ms", "loss %"],
    columns: &[
        least("Jain", 4),
        least("used", 4),
        farthest("least/mean", 3, 1.0),
        most("queue ms", 2),
        most("95 %", 2),
        most("drops", 0),
    ],
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let small = |case: &&Case| case.flows == 2 && case.rate_bps <= 10_000_000;
    let cases = CASES.iter().filter(|case| !plan.is_smoke() || small(case));
    cases.map(|&case| cell(case)).collect()
}

fn cell(case: Case) -> Cell {
    let shortest_us = case.round_trips_ms.iter().min().map_or(0, |ms| ms * 1_000);
    let longest_us = case.round_trips_ms.iter().max().map_or(0, |ms| ms * 1_000);
    let path = Path::plain(case.rate_bps, shortest_us, case.loss_ppm);
    let staying = case.flows - case.leaving;
    let share_bytes = path.ceiling_bps() / case.flows as f64 / 8.0;
    let flows: Vec<FlowOptions> = (0..case.flows)
        .map(|index| {
            let round_trip_us = case.round_trips_ms[index % case.round_trips_ms.len()] * 1_000;
            let bytes = if index < staying {
                ENDLESS
            } else {
                (share_bytes * LEAVE_AFTER_SECONDS) as u64
            };
            FlowOptions {
                start_us: index as u64 * 1_000_000,
                extra_us: (round_trip_us - shortest_us) / 2,
                ..flow(&path, vec![bytes])
            }
        })
        .collect();
    let begun_us = case.flows as u64 * 1_000_000;
    let mut from_us = begun_us + 20_000_000 + 30 * longest_us;
    if case.leaving > 0 {
        // Those that leave may have got less than their share.
        from_us += (2.0 * LEAVE_AFTER_SECONDS * 1e6) as u64;
    }
    let names = case.round_trips_ms.iter().map(u64::to_string);
    Cell::new(
        [
            case.flows.to_string(),
            case.leaving.to_string(),
            rate_name(case.rate_bps),
            names.collect::<Vec<_>>().join("/"),
            percent(case.loss_ppm),
        ],
        Scenario::endless(path, flows, from_us, from_us + SHARED_US),
        move |scenario, outcome| judge(staying, case.round_trips_ms.len() > 1, scenario, outcome),
    )
}

fn judge(staying: usize, spread: bool, scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let (from_us, to_us) = (scenario.measure_from_us, scenario.limit_us);
    let share = |flow| goodput(&outcome.samples, flow, from_us, to_us);
    let shares: Vec<f64> = (0..staying).map(share).collect();
    let sum: f64 = shares.iter().sum();
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let jain = jain_index(&shares);
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = queue_bound_ms(staying, scenario.path.rate_bps);
    let used = sum / scenario.path.ceiling_bps();
    let (goal, least_jain) = if spread {
        (Goal::JainSpread, 0.95)
    } else {
        (Goal::Jain, 0.98)
    };
    Verdict::new([
        jain,
        used,
        least * staying as f64 / sum.max(1.0),
        queue_ms,
        outcome.queue_p95_us as f64 / 1e3,
        outcome.dropped as f64,
    ])
    .check(goal, jain >= least_jain, format!("Jain < {least_jain}"))
    .check(
        Goal::Queue,
        queue_ms <= most_queue_ms,
        format!("queue > {most_queue_ms:.2}"),
    )
    .check(Goal::SharedLink, used >= 0.97, "used < 0.97")
}
