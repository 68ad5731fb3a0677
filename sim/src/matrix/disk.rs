//! The receiver's disk is the narrowest place: the sender follows it, and nothing is lost for it.

use super::{Cell, Column, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, rate_name};
use crate::link::RateSchedule;
use crate::measure::goodput;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};
use crate::storage::StorageOptions;

/// Memory between the network and the disk.
const BUFFER_BYTES: u64 = 4 << 20;
const SECONDS: f64 = 20.0;

const COLUMNS: &[Column] = &[
    least("of disk", 4),
    most("drops then", 0),
    most("backlog MiB", 2),
    most("queue ms", 2),
    most("time/ideal", 3),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "disk",
    about: "disks that are slow, stand still, answer late or flush slowly",
    notes: "`of disk`: goodput to what the disk writes, from a quarter to 95 % of the bytes (with slow flushes over \
            the whole time). `drops then`: at the bottleneck \
            in that time, none allowed. `backlog`: most bytes that waited for the disk; the host lends 4 MiB.",
    labels: &["disk", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

/// Name, disk, and the bit rate that it can take on average.
fn disks(disk_bps: u64) -> Vec<(&'static str, StorageOptions, u64)> {
    let plain = |speed: RateSchedule| StorageOptions {
        speed: Some(speed),
        buffer: BUFFER_BYTES,
        ..StorageOptions::default()
    };
    let constant = || plain(RateSchedule::constant(disk_bps));
    // Half a second in every five.
    let mut halting = RateSchedule::constant(disk_bps);
    for second in 0..60 {
        halting = halting
            .then(second * 5_000_000 + 2_000_000, 0)
            .then(second * 5_000_000 + 2_500_000, disk_bps);
    }
    vec![
        ("slow", constant(), disk_bps),
        ("halts 0.5 s in 5", plain(halting), disk_bps / 10 * 9),
        (
            "answers after 20 ms",
            StorageOptions {
                latency_us: 20_000,
                ..constant()
            },
            disk_bps,
        ),
    ]
}

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (rate_bps, round_trip_ms, disk_bps) in [
        (100_000_000, 20, 20_000_000),
        (100_000_000, 200, 50_000_000),
        (1_000_000_000, 20, 80_000_000),
        (1_000_000_000, 100, 300_000_000),
    ] {
        if plan.is_smoke() && (rate_bps > 100_000_000 || round_trip_ms > 20) {
            continue;
        }
        let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
        let seconds = if plan.is_smoke() { 10.0 } else { SECONDS };
        let mut add = |name: &str, files: Vec<u64>, storage: StorageOptions, disk_bps: u64| {
            let mut scenario = Scenario::transfer(path.clone(), seconds);
            scenario.limit_us = (seconds * 4e6) as u64 + 30_000_000;
            scenario.flows[0].files = files;
            scenario.flows[0].storage = storage;
            cells.push(Cell::new(
                [
                    name.to_owned(),
                    rate_name(rate_bps),
                    round_trip_ms.to_string(),
                ],
                scenario,
                move |scenario, outcome| judge(disk_bps, scenario, outcome),
            ));
        };
        for (name, storage, disk_bps) in disks(disk_bps) {
            let bytes = (disk_bps as f64 * seconds / 8.0) as u64;
            add(name, vec![bytes], storage, disk_bps);
        }
        // Every file of 1 MB takes 40 ms to become durable, while others are written.
        let storage = StorageOptions {
            sync_us: 40_000,
            buffer: BUFFER_BYTES,
            ..StorageOptions::default()
        };
        let most_bps = 1_000_000 * 8 * 1_000_000 / 40_000;
        let possible = most_bps.min(path.ceiling_bps() as u64);
        let files = (possible as f64 * seconds / 8e6) as usize;
        add(
            "flushes 40 ms a file",
            vec![1_000_000; files],
            storage,
            possible,
        );
    }
    cells
}

fn judge(disk_bps: u64, scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let size: u64 = scenario.flows[0].files.iter().sum();
    let reached = |bytes: u64| {
        let mut samples = outcome.samples.iter();
        samples.find(|sample| sample.flows[0].received >= bytes)
    };
    let (Some(from), Some(to)) = (reached(size / 4), reached(size / 100 * 95)) else {
        return Verdict::new([0.0; 5]).check(Goal::SlowStorage, false, "never came to an end");
    };
    let drops = to.dropped - from.dropped;
    let ideal_us = size as f64 * 8e6 / disk_bps as f64;
    let longer = outcome.flows[0].completed_at as f64 / ideal_us;
    let flushes = scenario.flows[0].storage.sync_us > 0;
    // What is written but not flushed may lie anywhere between: only the end counts.
    let of_disk = if flushes {
        1.0 / longer
    } else {
        goodput(&outcome.samples, 0, from.at_us, to.at_us) / disk_bps as f64
    };
    Verdict::new([
        of_disk,
        drops as f64,
        outcome.flows[0].most_waiting as f64 / 1_048_576.0,
        outcome.queue_mean_us / 1e3,
        longer,
    ])
    .check(Goal::SlowStorage, of_disk >= 0.95, "of disk < 0.95")
    .check(Goal::SlowStorage, drops == 0, "drops")
}
