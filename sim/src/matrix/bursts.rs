//! Losses in runs (Gilbert-Elliott).

use super::{
    Cell, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, percent, queue_bound_ms,
    rate_name, transfer,
};
use crate::link::{Bursts, Part};
use crate::marks::TransferMarks;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

const MEANS: [u64; 4] = [4, 8, 32, 128];
const LOSSES_PPM: [u64; 2] = [10_000, 50_000];
const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 2] = [10, 100];

pub(super) const MATRIX: Matrix = Matrix {
    name: "bursts",
    about: "losses in runs: mean length x loss x rate x round trip",
    notes: "`steady` is relative to C(1-p) with the p that the path lost in that run: runs of losses are so rare that \
            it differs much from the mean.",
    labels: &["mean", "loss %", "rate", "RTT ms"],
    columns: &[
        least("steady", 4),
        most("lost %", 2),
        most("queue ms", 2),
        most("sent-1", 4),
        most("of allowed", 3),
        most("twice %", 3),
    ],
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for loss_ppm in LOSSES_PPM {
                for mean in MEANS {
                    let small = rate_bps == 10_000_000 && round_trip_ms == 10 && mean == 8;
                    if plan.is_smoke() && !small {
                        continue;
                    }
                    let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0)
                        .with_forward([Part::Bursts(Bursts::new(loss_ppm, mean))]);
                    let path = Path { loss_ppm, ..path };
                    cells.push(Cell::new(
                        [
                            mean.to_string(),
                            percent(loss_ppm),
                            rate_name(rate_bps),
                            round_trip_ms.to_string(),
                        ],
                        transfer::long(path, plan.is_smoke()),
                        judge,
                    ));
                }
            }
        }
    }
    cells
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = queue_bound_ms(1, scenario.path.rate_bps);
    Verdict::new([
        marks.realised_efficiency,
        marks.loss * 100.0,
        queue_ms,
        marks.overhead,
        marks.of_allowed(),
        marks.duplicates * 100.0,
    ])
    .check(
        Goal::Bursts,
        marks.realised_efficiency >= 0.95,
        "steady < 0.95",
    )
    .check(
        Goal::Queue,
        queue_ms <= most_queue_ms,
        format!("queue > {most_queue_ms:.2}"),
    )
    .check(Goal::Overhead, marks.of_allowed() <= 1.0, "sent")
    .check(Goal::Duplicates, marks.duplicates <= 0.005, "twice")
}
