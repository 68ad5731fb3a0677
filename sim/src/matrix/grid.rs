//! One fair flow alone on a path: round trip x loss x rate.
//!
//! A transfer lasts at least 60 round trips. Paths of 10 Gbit/s carry jumbo frames, the others Ethernet frames.
//! The buffer is one round trip, 20 ms at least; the target rate is twice that of the path.

use super::{Cell, Extent, Verdict, rate_name};
use crate::paths::{ETHERNET, JUMBO, Path};
use crate::scenario::{Outcome, Scenario, TransferMarks};

const ROUND_TRIPS_MS: [u64; 5] = [1, 10, 100, 300, 600];
const LOSSES_PPM: [u64; 5] = [0, 1_000, 10_000, 50_000, 100_000];
/// Rates, and the seconds that a transfer lasts at least.
const RATES: [(u64, f64); 4] = [
    (10_000_000, 20.0),
    (100_000_000, 10.0),
    (1_000_000_000, 4.0),
    (10_000_000_000, 2.0),
];
/// Packets of the largest cell of a brief matrix.
const BRIEF_PACKETS: f64 = 1.2e6;
/// Cells of a smoke: round trip, loss, rate.
const SMOKE: [(u64, u64, u64); 4] = [
    (10, 0, 10_000_000),
    (100, 10_000, 10_000_000),
    (10, 10_000, 100_000_000),
    (100, 1_000, 100_000_000),
];

pub(super) fn header() -> Vec<&'static str> {
    vec![
        "RTT ms",
        "loss %",
        "rate",
        "steady",
        "t90 RTT",
        "queue ms",
        "95 %",
        "sent-1",
        "allowed",
        "twice %",
        "time/ideal",
        "tail RTT",
    ]
}

pub(super) fn cells(seeds: &[u64], extent: Extent) -> Vec<Cell> {
    let smoke = extent == Extent::Smoke;
    let mut cells = Vec::new();
    for (rate_bps, least_seconds) in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for loss_ppm in LOSSES_PPM {
                if smoke && !SMOKE.contains(&(round_trip_ms, loss_ppm, rate_bps)) {
                    continue;
                }
                let least = if smoke { 3.0 } else { least_seconds };
                let seconds = (60.0 * round_trip_ms as f64 / 1e3).max(least);
                if extent == Extent::Brief && packets(rate_bps, seconds) > BRIEF_PACKETS {
                    continue;
                }
                cells.extend(
                    seeds
                        .iter()
                        .map(|&seed| cell(rate_bps, round_trip_ms, loss_ppm, seconds, seed)),
                );
            }
        }
    }
    cells
}

const fn datagram(rate_bps: u64) -> u16 {
    if rate_bps >= 10_000_000_000 {
        JUMBO
    } else {
        ETHERNET
    }
}

fn packets(rate_bps: u64, seconds: f64) -> f64 {
    rate_bps as f64 * seconds / 8.0 / f64::from(datagram(rate_bps))
}

fn cell(rate_bps: u64, round_trip_ms: u64, loss_ppm: u64, seconds: f64, seed: u64) -> Cell {
    let mut path = Path::plain(rate_bps, round_trip_ms * 1_000, loss_ppm);
    path.datagram = datagram(rate_bps);
    Cell {
        scenario: Scenario::transfer(path, seconds),
        seed,
        labels: vec![
            round_trip_ms.to_string(),
            (loss_ppm as f64 / 1e4).to_string(),
            rate_name(rate_bps),
        ],
        judge,
    }
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    let path = &scenario.path;
    let loss = path.loss_ppm as f64 / 1e6;
    let allowed = loss / (1.0 - loss) * 1.02 + 0.001;
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = 1.3 * (0.5 + 10.0 * (1e7 / path.rate_bps as f64).sqrt());
    let t90 = marks.t90_round_trips.unwrap_or(f64::INFINITY);
    let mut verdict = Verdict {
        values: vec![
            format!("{:.4}", marks.efficiency),
            format!("{t90:.1}"),
            format!("{queue_ms:.2}"),
            format!("{:.2}", outcome.queue_p95_us as f64 / 1e3),
            format!("{:.4}", marks.overhead),
            format!("{allowed:.4}"),
            format!("{:.3}", marks.duplicates * 100.0),
            format!("{:.3}", marks.completion),
            format!("{:.2}", marks.tail_round_trips),
        ],
        misses: Vec::new(),
        main: marks.efficiency,
    };
    verdict.miss(marks.efficiency < 0.97, || "steady < 0.97".to_owned());
    verdict.miss(path.rate_bps >= 100_000_000 && t90 > 4.0, || {
        "t90 > 4".to_owned()
    });
    verdict.miss(queue_ms > most_queue_ms, || {
        format!("queue > {most_queue_ms:.2}")
    });
    verdict.miss(marks.overhead > allowed, || "sent".to_owned());
    verdict.miss(marks.duplicates > 0.005, || "twice".to_owned());
    verdict.miss(marks.completion > 1.05, || "time > 1.05".to_owned());
    verdict.miss(marks.tail_round_trips > 1.5, || "tail > 1.5".to_owned());
    verdict
}
