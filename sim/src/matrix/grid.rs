//! One fair flow alone on a path: round trip x loss x rate.
//!
//! A transfer lasts 30 s and 100 round trips at least. Paths of 10 Gbit/s carry jumbo frames, the others
//! Ethernet frames. The buffer is one round trip, 20 ms at least; the target rate is twice that of the path.

use super::{Cell, Check, Goal, Matrix, Plan, Row, percent, rate_name, transfer};
use crate::paths::{ETHERNET, JUMBO, Path};

const ROUND_TRIPS_MS: [u64; 5] = [1, 10, 100, 300, 600];
const LOSSES_PPM: [u64; 5] = [0, 1_000, 10_000, 50_000, 100_000];
const RATES: [u64; 4] = [10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
/// Cells of a smoke: round trip, loss, rate.
const SMOKE: [(u64, u64, u64); 4] = [
    (10, 0, 10_000_000),
    (100, 10_000, 10_000_000),
    (10, 10_000, 100_000_000),
    (100, 1_000, 100_000_000),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "grid",
    about: "one flow: round trip x loss x rate",
    notes: "30 s and 100 round trips at least in every cell; buffer of one round trip, 20 ms at least; target rate 2C.",
    labels: &["RTT ms", "loss %", "rate"],
    columns: transfer::COLUMNS,
    misses_only: false,
    cells,
    overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for loss_ppm in LOSSES_PPM {
                if !plan.is_smoke() || SMOKE.contains(&(round_trip_ms, loss_ppm, rate_bps)) {
                    cells.push(cell(rate_bps, round_trip_ms, loss_ppm, plan.is_smoke()));
                }
            }
        }
    }
    cells
}

fn cell(rate_bps: u64, round_trip_ms: u64, loss_ppm: u64, smoke: bool) -> Cell {
    let mut path = Path::plain(rate_bps, round_trip_ms * 1_000, loss_ppm);
    path.datagram = if rate_bps >= 10_000_000_000 {
        JUMBO
    } else {
        ETHERNET
    };
    Cell::new(
        [
            round_trip_ms.to_string(),
            percent(loss_ppm),
            rate_name(rate_bps),
        ],
        transfer::long(path, smoke),
        |scenario, outcome| transfer::judge(scenario, outcome, Some((Goal::Goodput, 0.97))),
    )
}

fn overall(rows: &[Row]) -> Vec<Check> {
    let values = rows.iter().filter_map(|row| row.values.first());
    let mean = values.sum::<f64>() / rows.len().max(1) as f64;
    vec![Check {
        goal: Goal::MeanGoodput,
        reached: mean >= 0.99,
        text: format!("mean {mean:.4}"),
    }]
}
