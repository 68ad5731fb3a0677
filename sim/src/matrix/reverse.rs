//! A bad way back: reports are lost, or the return path is thin.

use super::{Cell, Goal, Matrix, Plan, nothing_overall, rate_name, transfer};
use crate::link::{Bottleneck, Buffer, Part, RateSchedule};
use crate::paths::Path;

const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 2] = [10, 100];

pub(super) const MATRIX: Matrix = Matrix {
    name: "reverse",
    about: "half and nine tenths of the reports lost; a return path of 64 kbit/s",
    notes: "1 % loss forward besides none. Half of the reports lost has a goal, the others are for information: those that do \
            not end within eight times the ideal show `inf`.",
    labels: &["way back", "RTT ms", "loss %", "rate"],
    columns: transfer::COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for loss_ppm in [0, 10_000] {
                for back in ["half lost", "9/10 lost", "64 kbit/s"] {
                    let small = rate_bps == 10_000_000 && round_trip_ms == 10 && loss_ppm == 0;
                    if plan.is_smoke() && !small {
                        continue;
                    }
                    let mut path = Path::plain(rate_bps, round_trip_ms * 1_000, loss_ppm);
                    match back {
                        "half lost" => path.backward.push(Part::Loss(500_000)),
                        "9/10 lost" => path.backward.push(Part::Loss(900_000)),
                        _ => {
                            let rate = RateSchedule::constant(64_000);
                            let thin = Bottleneck::new(rate, Buffer::Bytes(16_000));
                            path.backward[0] = Part::Bottleneck(thin);
                        }
                    }
                    let mut scenario = transfer::long(path, plan.is_smoke());
                    scenario.must_end = back == "half lost";
                    cells.push(Cell::new(
                        [
                            back.to_owned(),
                            round_trip_ms.to_string(),
                            super::percent(loss_ppm),
                            rate_name(rate_bps),
                        ],
                        scenario,
                        move |scenario, outcome| {
                            if back == "half lost" {
                                let goal = (Goal::LostReports, 0.97);
                                transfer::judge_goodput(scenario, outcome, goal)
                            } else {
                                transfer::measure(scenario, outcome)
                            }
                        },
                    ));
                }
            }
        }
    }
    cells
}
