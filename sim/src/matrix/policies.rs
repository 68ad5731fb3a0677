//! Policies against each other: high takes twice the share of fair, low gets out of the way and comes back.

use fasp_core::control::choices::RatePolicy;

use super::{Cell, Extent, Verdict, rate_name};
use crate::host::FlowOptions;
use crate::measure::goodput;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario, flow};

const ENDLESS: u64 = 1 << 40;
/// When the second flow of a low one begins, and how long it would last alone.
const FAIR_FROM_US: u64 = 10_000_000;
const FAIR_SECONDS: f64 = 10.0;

const PATHS: [(u64, u64); 3] = [(100_000_000, 50), (1_000_000_000, 20), (10_000_000, 50)];

pub(super) fn header() -> Vec<&'static str> {
    vec!["case", "rate", "RTT ms", "ratio", "used", "back"]
}

pub(super) fn cells(seeds: &[u64], extent: Extent) -> Vec<Cell> {
    let smoke = extent == Extent::Smoke;
    let mut cells = Vec::new();
    for (rate_bps, round_trip_ms) in PATHS {
        if smoke && rate_bps > 10_000_000 {
            continue;
        }
        for &seed in seeds {
            cells.push(high_and_fair(rate_bps, round_trip_ms, seed));
            cells.push(low_and_fair(rate_bps, round_trip_ms, seed));
        }
    }
    cells
}

fn labels(case: &str, rate_bps: u64, round_trip_ms: u64) -> Vec<String> {
    vec![
        case.to_owned(),
        rate_name(rate_bps),
        round_trip_ms.to_string(),
    ]
}

fn high_and_fair(rate_bps: u64, round_trip_ms: u64, seed: u64) -> Cell {
    let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
    let fair = flow(&path, vec![ENDLESS]);
    let high = FlowOptions {
        policy: RatePolicy::High,
        start_us: 1_000_000,
        ..fair.clone()
    };
    Cell {
        scenario: Scenario {
            path,
            flows: vec![high, fair],
            cross: Vec::new(),
            limit_us: 40_000_000,
            measure_from_us: 20_000_000,
            must_end: false,
        },
        seed,
        labels: labels("high/fair", rate_bps, round_trip_ms),
        judge: judge_high,
    }
}

fn judge_high(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let share = |flow| {
        goodput(
            &outcome.samples,
            flow,
            scenario.measure_from_us,
            scenario.limit_us,
        )
    };
    let ratio = share(0) / share(1).max(1.0);
    let used = (share(0) + share(1)) / scenario.path.ceiling_bps();
    let mut verdict = Verdict {
        values: vec![format!("{ratio:.3}"), format!("{used:.4}"), "-".to_owned()],
        misses: Vec::new(),
        main: ratio,
    };
    verdict.miss(!(1.85..=2.15).contains(&ratio), || {
        "not 2.0 +- 0.15".to_owned()
    });
    verdict
}

fn low_and_fair(rate_bps: u64, round_trip_ms: u64, seed: u64) -> Cell {
    let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
    let low = FlowOptions {
        policy: RatePolicy::Low,
        ..flow(&path, vec![ENDLESS])
    };
    let bytes = path.ceiling_bps() * FAIR_SECONDS / 8.0;
    let fair = FlowOptions {
        start_us: FAIR_FROM_US,
        ..flow(&path, vec![bytes as u64])
    };
    Cell {
        scenario: Scenario {
            path,
            flows: vec![low, fair],
            cross: Vec::new(),
            limit_us: 50_000_000,
            measure_from_us: 0,
            must_end: false,
        },
        seed,
        labels: labels("low/all", rate_bps, round_trip_ms),
        judge: judge_low,
    }
}

fn judge_low(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let path = &scenario.path;
    let ceiling = path.ceiling_bps();
    let ended = outcome.flows[1].completed_at;
    let from = FAIR_FROM_US + 10 * path.round_trip_us + 2_000_000;
    let (low, fair) = (
        goodput(&outcome.samples, 0, from, ended),
        goodput(&outcome.samples, 1, from, ended),
    );
    let back = goodput(&outcome.samples, 0, ended + 5_000_000, scenario.limit_us) / ceiling;
    let share = low / ceiling;
    let mut verdict = Verdict {
        values: vec![
            format!("{share:.3}"),
            format!("{:.4}", (low + fair) / ceiling),
            format!("{back:.4}"),
        ],
        misses: Vec::new(),
        main: share,
    };
    verdict.miss(share > 0.05, || "low > 5 %".to_owned());
    verdict.miss(back < 0.95, || "back < 0.95".to_owned());
    verdict.miss(ended == 0, || "the fair flow never ended".to_owned());
    verdict
}
