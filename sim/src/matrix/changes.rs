//! A path that changes: another route, another rate, an outage. How soon 95 % of what is then possible is back.

use super::{
    Cell, Column, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, queue_bound_ms,
    rate_name,
};
use crate::link::{Bottleneck, Buffer, Delay, Jitter, Outage, Part, RateSchedule};
use crate::paths::Path;
use crate::scenario::{ENDLESS, Outcome, Scenario, flow};

/// The change comes after so long, and after so many round trips.
const SETTLE_US: u64 = 10_000_000;
const SETTLE_ROUND_TRIPS: u64 = 30;
/// A rate counts as back when it lasts for so long.
const LASTS_US: u64 = 2_000_000;
/// The queue after the change is measured for so long.
const AFTER_US: u64 = 10_000_000;
const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];

const COLUMNS: &[Column] = &[
    most("back after s", 2),
    least("allowed s", 2),
    least("then", 4),
    most("queue ms", 2),
    most("drops", 0),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "changes",
    about: "routes 100 ms longer and shorter, rates 4x up and 10x down, outages and standstills",
    notes: "`back after`: from the change (the end of an outage) until 95 % of what is then possible arrived for a round \
            trip (0.1 s at least) and goes on for 2 s. `then` and `queue`: from the allowed time on. `lost`: everything \
            vanishes; `held`: everything is kept and comes at once.",
    labels: &["change", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = routes();
    cells.extend(rates());
    cells.extend(outages());
    if plan.is_smoke() {
        let wanted = ["both +100 ms", "lost 0.5 s"];
        cells.retain(|cell| wanted.contains(&cell.labels[0].as_str()));
        cells.retain(|cell| ["10M", "100M"].contains(&cell.labels[1].as_str()));
        cells.truncate(2);
    }
    cells
}

/// When the change comes on a path of this round trip.
fn change_at(round_trip_us: u64) -> u64 {
    SETTLE_US + SETTLE_ROUND_TRIPS * round_trip_us
}

fn routes() -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for (longer, change_name) in [(true, "+100 ms"), (false, "-100 ms")] {
            for way in ["both", "forward", "backward"] {
                let (short_us, long_us) = (50_000, 150_000);
                let at_us = change_at(long_us);
                let delays = |changes: bool, share: u64| {
                    let (short, long) = (short_us / 2, short_us / 2 + 100_000 / share);
                    let (before, after) = if longer { (short, long) } else { (long, short) };
                    let delay = Delay::constant(if changes { before } else { short });
                    if changes {
                        delay.then(at_us, after)
                    } else {
                        delay
                    }
                };
                let share = if way == "both" { 2 } else { 1 };
                let mut path = Path::plain(rate_bps, long_us, 0);
                path = path.with_delays(
                    delays(way != "backward", share),
                    delays(way != "forward", share),
                );
                let after_ms = if longer { long_us } else { short_us } / 1_000;
                cells.push(cell(
                    [
                        format!("{way} {change_name}"),
                        rate_name(rate_bps),
                        after_ms.to_string(),
                    ],
                    path,
                    at_us,
                    Goal::Changes,
                ));
            }
        }
    }
    cells
}

fn rates() -> Vec<Cell> {
    let mut cells = Vec::new();
    for round_trip_ms in [20, 100] {
        for (before, after) in [(25, 100), (100, 400), (250, 1_000), (100, 10), (1_000, 100)] {
            let round_trip_us = round_trip_ms * 1_000;
            let at_us = change_at(round_trip_us);
            let (before_bps, after_bps) = (before * 1_000_000, after * 1_000_000);
            let mut path = Path::plain(before_bps.max(after_bps), round_trip_us, 0);
            let rate = RateSchedule::constant(before_bps).then(at_us, after_bps);
            let buffer = Buffer::time(before_bps.max(after_bps), round_trip_us.max(20_000));
            path.forward[0] = Part::Bottleneck(Bottleneck::new(rate, buffer));
            path.rate_bps = after_bps;
            cells.push(cell(
                [
                    format!("from {before}M"),
                    rate_name(after_bps),
                    round_trip_ms.to_string(),
                ],
                path,
                at_us,
                Goal::Changes,
            ));
        }
    }
    cells
}

fn outages() -> Vec<Cell> {
    let mut cells = Vec::new();
    let round_trip_us = 50_000;
    let from_us = change_at(round_trip_us);
    for rate_bps in RATES {
        for (lost, length_ms) in [
            (true, 50),
            (true, 500),
            (true, 2_000),
            (true, 10_000),
            (false, 500),
            (false, 2_000),
        ] {
            let length_us = length_ms * 1_000;
            let part = if lost {
                Part::Outage(Outage::once(from_us, length_us))
            } else {
                Part::Jitter(Jitter::hold(from_us, length_us))
            };
            let name = if lost { "lost" } else { "held" };
            cells.push(cell(
                [
                    format!("{name} {} s", length_ms as f64 / 1e3),
                    rate_name(rate_bps),
                    (round_trip_us / 1_000).to_string(),
                ],
                Path::plain(rate_bps, round_trip_us, 0).with_both([part]),
                from_us + length_us,
                Goal::Outages,
            ));
        }
    }
    cells
}

fn cell(labels: [String; 3], path: Path, at_us: u64, goal: Goal) -> Cell {
    let allowed_us = 3_000_000 + 10 * path.round_trip_us;
    let from_us = at_us + allowed_us;
    let mut flow = flow(&path, vec![ENDLESS]);
    // The rate before a change may have been higher.
    flow.target_bps = flow.target_bps.max(2_000_000_000);
    Cell::new(
        labels,
        Scenario::endless(path, vec![flow], from_us, from_us + AFTER_US),
        move |scenario, outcome| judge(at_us, allowed_us, goal, scenario, outcome),
    )
}

fn judge(
    at_us: u64,
    allowed_us: u64,
    goal: Goal,
    scenario: &Scenario,
    outcome: &Outcome,
) -> Verdict {
    let path = &scenario.path;
    let ceiling = path.ceiling_bps();
    let back_us = outcome.arrived.time_to_rate(
        at_us,
        path.round_trip_us.max(100_000),
        LASTS_US,
        0.95 * ceiling,
    );
    let then = outcome
        .arrived
        .rate_bps(scenario.measure_from_us, scenario.limit_us)
        / ceiling;
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = queue_bound_ms(1, path.rate_bps);
    Verdict::new([
        back_us.map_or(f64::INFINITY, |back| back as f64 / 1e6),
        allowed_us as f64 / 1e6,
        then,
        queue_ms,
        outcome.dropped as f64,
    ])
    .check(
        goal,
        back_us.is_some_and(|back| back <= allowed_us),
        "back late",
    )
    .check(
        Goal::Queue,
        queue_ms <= most_queue_ms,
        format!("queue > {most_queue_ms:.2}"),
    )
}
