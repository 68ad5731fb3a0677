//! Losses and round trips beyond what is usual.

use super::{Cell, Goal, Matrix, Plan, nothing_overall, percent, rate_name, transfer};
use crate::paths::Path;

/// Rate in kbit/s, round trip in ms, loss per million, goodput that must be reached.
const CASES: [(u64, u64, u64, Option<f64>); 6] = [
    (100_000, 1_000, 300_000, Some(0.90)),
    (100_000, 300, 300_000, None),
    (10_000, 1_000, 300_000, None),
    (100_000, 1_000, 500_000, None),
    (100_000, 3_000, 10_000, None),
    (64, 1_000, 10_000, None),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "extreme",
    about: "30 and 50 % loss, round trips of seconds, 64 kbit/s",
    notes: "The first row has a goal; the others are for information (but must end, whole).",
    labels: &["RTT ms", "loss %", "rate"],
    columns: transfer::COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let cases = CASES
        .iter()
        .filter(|case| !plan.is_smoke() || case.0 < 1_000);
    cases
        .map(|&(rate_kbps, round_trip_ms, loss_ppm, least)| {
            let path = Path::plain(rate_kbps * 1_000, round_trip_ms * 1_000, loss_ppm);
            let rate = if rate_kbps < 1_000 {
                format!("{rate_kbps}k")
            } else {
                rate_name(rate_kbps * 1_000)
            };
            let goal = least.map(|least| (Goal::Extreme, least));
            Cell::new(
                [round_trip_ms.to_string(), percent(loss_ppm), rate],
                transfer::long(path, plan.is_smoke()),
                move |scenario, outcome| match goal {
                    Some(goal) => transfer::judge(scenario, outcome, Some(goal)),
                    None => transfer::measure(scenario, outcome),
                },
            )
        })
        .collect()
}
