//! Delay that varies, and a path that stands still now and then.

use super::{
    Cell, Column, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, rate_name, transfer,
};
use crate::link::{Jitter, Part};
use crate::marks::TransferMarks;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 2] = [10, 100];
/// Stalls come five times a second.
const STALLS_EVERY_US: u64 = 200_000;

const COLUMNS: &[Column] = &[
    least("steady", 4),
    most("queue ms", 2),
    most("95 %", 2),
    most("t90 RTT", 1),
    most("sent-1", 4),
    most("twice %", 3),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "jitter",
    about: "delay that varies by up to 10 ms in several ways; stalls of 20 and 60 ms",
    notes: "`slow A/B`: wanders up to A ms, to a new value every B ms. `slots A`: arrivals only every A ms. `spikes`: 1 % \
            come up to 10 ms late and are overtaken. `stall A`: five times a second everything is held up to A ms and \
            comes at once. Nothing is lost. Stalls forward only and both ways (independent), the others both ways.",
    labels: &["kind", "ways", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn kinds() -> Vec<(String, Jitter)> {
    let mut kinds = Vec::new();
    for (most_ms, period_ms) in [(2, 20), (10, 20), (10, 100), (10, 1_000)] {
        let jitter = Jitter::slow(most_ms * 1_000, period_ms * 1_000);
        kinds.push((format!("slow {most_ms}/{period_ms}"), jitter));
    }
    for slot_ms in [4, 10] {
        kinds.push((format!("slots {slot_ms}"), Jitter::slots(slot_ms * 1_000)));
    }
    kinds.push(("spikes".to_owned(), Jitter::spikes(10_000, 10_000)));
    kinds
}

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            if plan.is_smoke() && (rate_bps > 10_000_000 || round_trip_ms > 10) {
                continue;
            }
            let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
            let mut add = |kind: &str, ways: &str, jitter: Jitter, goal: (Goal, f64)| {
                let part = [Part::Jitter(jitter)];
                let path = match ways {
                    "both" => path.clone().with_both(part),
                    _ => path.clone().with_forward(part),
                };
                cells.push(Cell::new(
                    [
                        kind.to_owned(),
                        ways.to_owned(),
                        rate_name(rate_bps),
                        round_trip_ms.to_string(),
                    ],
                    transfer::long(path, plan.is_smoke()),
                    move |scenario, outcome| judge(goal, scenario, outcome),
                ));
            };
            for (kind, jitter) in kinds() {
                add(&kind, "both", jitter, (Goal::Jitter, 0.95));
            }
            for length_ms in [20, 60] {
                let length_us = length_ms * 1_000;
                let stalls = Jitter::stalls(STALLS_EVERY_US - length_us, length_us);
                for ways in ["forward", "both"] {
                    let kind = format!("stall {length_ms}");
                    add(&kind, ways, stalls.clone(), (Goal::Stalls, 0.90));
                }
            }
        }
    }
    cells
}

fn judge((goal, wanted): (Goal, f64), scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    Verdict::new([
        marks.efficiency,
        outcome.queue_mean_us / 1e3,
        outcome.queue_p95_us as f64 / 1e3,
        marks.t90_round_trips,
        marks.overhead,
        marks.duplicates * 100.0,
    ])
    .check(
        goal,
        marks.efficiency >= wanted,
        format!("steady < {wanted}"),
    )
    .check(Goal::Duplicates, marks.duplicates <= 0.005, "twice")
}
