//! Limits that say nothing by delay: buffers of a few packets, and policers.

use super::{
    Cell, Column, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, rate_name, transfer,
};
use crate::link::{Bottleneck, Buffer, Part, Policer, RateSchedule};
use crate::marks::TransferMarks;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

const PACKETS: [usize; 5] = [2, 5, 10, 20, 50];
const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 3] = [10, 50, 100];

const LINE_BPS: u64 = 1_000_000_000;
const POLICED_BPS: [u64; 3] = [20_000_000, 50_000_000, 200_000_000];
const BUCKETS_KB: [u64; 5] = [10, 30, 100, 300, 1_000];

const COLUMNS: &[Column] = &[
    least("steady", 4),
    most("lost %", 2),
    most("t90 RTT", 1),
    most("time/ideal", 3),
    most("twice %", 3),
];

pub(super) const SHALLOW: Matrix = Matrix {
    name: "shallow",
    about: "buffers of 2 to 50 packets; a queue managed by CoDel",
    notes: "`lost`: of all packets, from a quarter to 95 % of the bytes. The target rate is twice that of the path. \
            `codel`: a queue of a round trip managed as in RFC 8289, for information.",
    labels: &["packets", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells: shallow,
    overall: nothing_overall,
};

pub(super) const POLICERS: Matrix = Matrix {
    name: "policers",
    about: "1 Gbit/s policed to less by a token bucket",
    notes: "`lost`: of all packets, from a quarter to 95 % of the bytes. The target rate is that of the line, 1 Gbit/s.",
    labels: &["rate", "bucket kB", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells: policers,
    overall: nothing_overall,
};

fn shallow(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for packets in PACKETS {
                let small = rate_bps == 10_000_000 && round_trip_ms == 10;
                if plan.is_smoke() && !small {
                    continue;
                }
                let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0)
                    .with_buffer(Buffer::Packets(packets));
                cells.push(Cell::new(
                    [
                        packets.to_string(),
                        rate_name(rate_bps),
                        round_trip_ms.to_string(),
                    ],
                    transfer::long(path, plan.is_smoke()),
                    |scenario, outcome| {
                        judge((Goal::Shallow, Goal::ShallowLoss), scenario, outcome)
                    },
                ));
            }
        }
    }
    cells.extend(managed(plan));
    cells
}

/// A queue managed by CoDel, for information.
fn managed(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES.into_iter().filter(|_| !plan.is_smoke()) {
        for round_trip_ms in ROUND_TRIPS_MS {
            let round_trip_us = round_trip_ms * 1_000;
            let mut path = Path::plain(rate_bps, round_trip_us, 0);
            let rate = RateSchedule::constant(rate_bps);
            let buffer = Buffer::time(rate_bps, round_trip_us.max(20_000));
            path.forward[0] = Part::Bottleneck(Bottleneck::new(rate, buffer).with_codel());
            cells.push(Cell::new(
                [
                    "codel".to_owned(),
                    rate_name(rate_bps),
                    round_trip_ms.to_string(),
                ],
                transfer::long(path, false),
                measure,
            ));
        }
    }
    cells
}

fn policers(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in POLICED_BPS {
        for round_trip_ms in ROUND_TRIPS_MS {
            for bucket_kb in BUCKETS_KB {
                let small = rate_bps == 20_000_000 && round_trip_ms == 10 && bucket_kb == 100;
                if plan.is_smoke() && !small {
                    continue;
                }
                let mut path = Path::plain(LINE_BPS, round_trip_ms * 1_000, 0);
                let policer = Policer::new(rate_bps, bucket_kb * 1_000);
                path.forward.insert(0, Part::Policer(policer));
                path.rate_bps = rate_bps;
                let mut scenario = transfer::long(path, plan.is_smoke());
                scenario.flows[0].target_bps = LINE_BPS;
                cells.push(Cell::new(
                    [
                        rate_name(rate_bps),
                        bucket_kb.to_string(),
                        round_trip_ms.to_string(),
                    ],
                    scenario,
                    |scenario, outcome| {
                        judge((Goal::Policed, Goal::PolicedLoss), scenario, outcome)
                    },
                ));
            }
        }
    }
    cells
}

fn measure(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    verdict(&TransferMarks::of(scenario, outcome))
}

fn verdict(marks: &TransferMarks) -> Verdict {
    Verdict::new([
        marks.efficiency,
        marks.loss * 100.0,
        marks.t90_round_trips,
        marks.completion,
        marks.duplicates * 100.0,
    ])
}

fn judge((goodput, loss): (Goal, Goal), scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    verdict(&marks)
        .check(goodput, marks.efficiency >= 0.95, "steady < 0.95")
        .check(loss, marks.loss <= 0.03, "lost > 3 %")
        .check(Goal::Duplicates, marks.duplicates <= 0.005, "twice")
}
