//! Transfers of 100 times what is under way: how long they take in all, and how long the end takes.

use super::{Cell, Matrix, Plan, nothing_overall, percent, rate_name, transfer};
use crate::paths::Path;
use crate::scenario::Scenario;

const RATES: [u64; 2] = [100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 4] = [10, 50, 100, 300];
const LOSSES_PPM: [u64; 5] = [0, 1_000, 10_000, 50_000, 100_000];

pub(super) const MATRIX: Matrix = Matrix {
    name: "completion",
    about: "transfers of 100 bandwidth-delay products, from the first packet to the last confirmation",
    notes: "The ideal: all bytes at the possible rate, and the way there. The start is in it.",
    labels: &["RTT ms", "loss %", "rate"],
    columns: transfer::COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for loss_ppm in LOSSES_PPM {
                let small = rate_bps == 100_000_000 && round_trip_ms == 10;
                if plan.is_smoke() && !small {
                    continue;
                }
                let path = Path::plain(rate_bps, round_trip_ms * 1_000, loss_ppm);
                cells.push(Cell::new(
                    [
                        round_trip_ms.to_string(),
                        percent(loss_ppm),
                        rate_name(rate_bps),
                    ],
                    Scenario::transfer(path, 0.1 * round_trip_ms as f64),
                    |scenario, outcome| transfer::judge(scenario, outcome, None),
                ));
            }
        }
    }
    cells
}
