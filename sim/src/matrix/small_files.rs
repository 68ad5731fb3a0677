//! Many small files: the time they take follows from the link, not from the round trip.

use super::{Cell, Check, Goal, Matrix, Plan, Row, Verdict, least, most, percent, rate_name};
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

const RATE_BPS: u64 = 100_000_000;
const FILE_BYTES: u64 = 1_024;
const FILES: usize = 1_000_000;
const SMOKE_FILES: usize = 5_000;
const ROUND_TRIPS_MS: [u64; 3] = [1, 50, 200];
/// How much longer the longest round trip may take than the shortest, apart from its own start and end.
const MOST_LONGER: f64 = 1.05;
const START_AND_END_ROUND_TRIPS: f64 = 10.0;

pub(super) const MATRIX: Matrix = Matrix {
    name: "small_files",
    about: "1,000,000 files of 1 KiB",
    notes: "`of link`: file bytes over the whole time, from the first packet until the last file is complete, to what the link \
            carries of full datagrams.",
    labels: &["files", "RTT ms", "loss %", "rate"],
    columns: &[least("of link", 4), most("seconds", 2), least("files/s", 0)],
    misses_only: false,
    cells,
    overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let files = if plan.is_smoke() { SMOKE_FILES } else { FILES };
    ROUND_TRIPS_MS
        .iter()
        .map(|&round_trip_ms| {
            let path = Path::plain(RATE_BPS, round_trip_ms * 1_000, 10_000);
            let bytes = files as f64 * FILE_BYTES as f64;
            let seconds = bytes * 8.0 / path.ceiling_bps();
            let mut scenario = Scenario::transfer(path, seconds);
            scenario.flows[0].files = vec![FILE_BYTES; files];
            Cell::new(
                [
                    files.to_string(),
                    round_trip_ms.to_string(),
                    percent(10_000),
                    rate_name(RATE_BPS),
                ],
                scenario,
                judge,
            )
        })
        .collect()
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let flow = &outcome.flows[0];
    let seconds = flow.completed_at as f64 / 1e6;
    let bits = flow.received as f64 * 8.0;
    let of_link = bits / seconds / scenario.path.ceiling_bps();
    Verdict::new([of_link, seconds, f64::from(flow.complete) / seconds]).check(
        Goal::SmallFiles,
        flow.over && of_link >= 0.8,
        "of link < 0.8",
    )
}

fn overall(rows: &[Row]) -> Vec<Check> {
    let longest = |round_trip_ms: u64| {
        let name = round_trip_ms.to_string();
        let rows = rows.iter().filter(|row| row.labels[1] == name);
        rows.map(|row| row.values[1]).fold(0.0, f64::max)
    };
    let (near_ms, far_ms) = (ROUND_TRIPS_MS[0], ROUND_TRIPS_MS[2]);
    let (near, far) = (longest(near_ms), longest(far_ms));
    let most = near * MOST_LONGER + START_AND_END_ROUND_TRIPS * far_ms as f64 / 1e3;
    vec![Check {
        goal: Goal::SmallFilesRoundTrip,
        reached: far <= most,
        text: format!("{near:.1} s at {near_ms} ms, {far:.1} s at {far_ms} ms"),
    }]
}
