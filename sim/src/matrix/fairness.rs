//! Own flows that share one bottleneck and begin one after another.
//!
//! Shares are those of the last 15 seconds, when the youngest flow has run for 20 s and 30 round trips.

use super::{Cell, Extent, Verdict, rate_name};
use crate::host::FlowOptions;
use crate::measure::{goodput, jain_index};
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario, flow};

/// More than any flow can send.
const ENDLESS: u64 = 1 << 40;
const SHARED_US: u64 = 15_000_000;

/// Flows, rate, round trips in ms (used in turn), loss per million, least Jain index.
type Case = (usize, u64, &'static [u64], u64, f64);
const CASES: [Case; 10] = [
    (2, 100_000_000, &[50], 0, 0.98),
    (4, 100_000_000, &[50], 0, 0.98),
    (8, 100_000_000, &[50], 0, 0.98),
    (16, 100_000_000, &[50], 0, 0.98),
    (32, 100_000_000, &[50], 0, 0.98),
    (4, 100_000_000, &[50], 10_000, 0.98),
    (2, 10_000_000, &[50], 0, 0.98),
    (4, 10_000_000, &[50], 10_000, 0.98),
    (4, 200_000_000, &[10, 50, 100, 200], 0, 0.95),
    (10, 1_000_000_000, &[20], 0, 0.98),
];

pub(super) fn header() -> Vec<&'static str> {
    vec![
        "flows",
        "rate",
        "RTT ms",
        "loss %",
        "Jain",
        "used",
        "least/mean",
        "queue ms",
        "95 %",
        "drops",
    ]
}

pub(super) fn cells(seeds: &[u64], extent: Extent) -> Vec<Cell> {
    let smoke = extent == Extent::Smoke;
    let cases = CASES
        .iter()
        .filter(|case| !smoke || (case.0 == 2 && case.1 == 10_000_000));
    cases
        .flat_map(|case| seeds.iter().map(|&seed| cell(case, seed)))
        .collect()
}

fn cell(case: &Case, seed: u64) -> Cell {
    let &(count, rate_bps, round_trips_ms, loss_ppm, least_jain) = case;
    let shortest_us = round_trips_ms.iter().min().map_or(0, |ms| ms * 1_000);
    let longest_us = round_trips_ms.iter().max().map_or(0, |ms| ms * 1_000);
    let path = Path::plain(rate_bps, shortest_us, loss_ppm);
    let flows: Vec<FlowOptions> = (0..count)
        .map(|index| FlowOptions {
            start_us: index as u64 * 1_000_000,
            extra_us: (round_trips_ms[index % round_trips_ms.len()] * 1_000 - shortest_us) / 2,
            ..flow(&path, vec![ENDLESS])
        })
        .collect();
    let from_us = count as u64 * 1_000_000 + 20_000_000 + 30 * longest_us;
    let labels = vec![
        count.to_string(),
        rate_name(rate_bps),
        round_trips_ms
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join("/"),
        (loss_ppm as f64 / 1e4).to_string(),
    ];
    Cell {
        scenario: Scenario {
            path,
            flows,
            cross: Vec::new(),
            limit_us: from_us + SHARED_US,
            measure_from_us: from_us,
            must_end: false,
        },
        seed,
        labels,
        judge: if least_jain < 0.98 {
            judge_spread
        } else {
            judge
        },
    }
}

fn judge_spread(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    judge_against(scenario, outcome, 0.95)
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    judge_against(scenario, outcome, 0.98)
}

fn judge_against(scenario: &Scenario, outcome: &Outcome, least_jain: f64) -> Verdict {
    let shares: Vec<f64> = (0..scenario.flows.len())
        .map(|flow| {
            goodput(
                &outcome.samples,
                flow,
                scenario.measure_from_us,
                scenario.limit_us,
            )
        })
        .collect();
    let sum: f64 = shares.iter().sum();
    let count = shares.len() as f64;
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let jain = jain_index(&shares);
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = 1.3 * (0.5 + 10.0 * (count * 1e7 / scenario.path.rate_bps as f64).sqrt());
    let used = sum / scenario.path.ceiling_bps();
    let mut verdict = Verdict {
        values: vec![
            format!("{jain:.4}"),
            format!("{used:.4}"),
            format!("{:.3}", least * count / sum.max(1.0)),
            format!("{queue_ms:.2}"),
            format!("{:.2}", outcome.queue_p95_us as f64 / 1e3),
            outcome.dropped.to_string(),
        ],
        misses: Vec::new(),
        main: jain,
    };
    verdict.miss(jain < least_jain, || format!("Jain < {least_jain}"));
    verdict.miss(queue_ms > most_queue_ms, || {
        format!("queue > {most_queue_ms:.2}")
    });
    verdict.miss(used < 0.97, || "used < 0.97".to_owned());
    verdict
}
