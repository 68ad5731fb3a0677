//! One of our flows beside one flow of others, in a drop-tail queue of so many bandwidth-delay products.

use fasp_core::control::choices::RatePolicy;

use super::{
    Cell, Column, Goal, Matrix, Plan, Verdict, farthest, least, most, nothing_overall, rate_name,
};
use crate::cross_traffic::{ControlKind, CrossKind, CrossOptions, OnOff, Spread, StackControl};
use crate::host::FlowOptions;
use crate::link::Buffer;
use crate::measure::{goodput, other_goodput};
use crate::paths::Path;
use crate::scenario::{ENDLESS, Outcome, Scenario, flow};

const QUEUES_BDP: [u64; 3] = [1, 2, 3];
const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 4] = [10, 50, 100, 200];
/// The second one begins so long after the first.
const LATER_US: u64 = 5_000_000;
/// So long the two have to find their shares, and so long shares are measured at least.
const SETTLE_US: u64 = 20_000_000;
const LEAST_MEASURED_US: u64 = 40_000_000;

const COLUMNS: &[Column] = &[
    farthest("share", 3, 0.5),
    least("used", 3),
    most("queue ms", 2),
    most("drops", 0),
];

pub(super) const MATRIX: Matrix = Matrix {
    name: "cross",
    about: "our flow beside one of others: Cubic, BBR-like, Reno, real stacks, UDP",
    notes: "`share`: file bytes of ours to those and the other's payload, from 25 s on for 40 s or three of Cubic's periods. \
            The first one begins 5 s before the second. Only fair against Cubic and BBR has a goal.",
    labels: &["ours", "other", "first", "queue BDP", "rate", "RTT ms"],
    columns: COLUMNS,
    misses_only: false,
    cells,
    overall: nothing_overall,
};

/// One cell.
#[derive(Clone, Copy)]
struct Case {
    policy: RatePolicy,
    other: &'static str,
    kind: CrossKind,
    ours_first: bool,
    queue_bdp: u64,
    rate_bps: u64,
    round_trip_ms: u64,
}

const CUBIC: CrossKind = CrossKind::Model(ControlKind::Cubic);
const BBR: CrossKind = CrossKind::Model(ControlKind::Bbr);

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            for queue_bdp in QUEUES_BDP {
                let cubic = Case {
                    policy: RatePolicy::Fair,
                    other: "cubic",
                    kind: CUBIC,
                    ours_first: false,
                    queue_bdp,
                    rate_bps,
                    round_trip_ms,
                };
                cases.push(cubic);
                let middle = rate_bps == 100_000_000 && round_trip_ms == 50;
                if middle {
                    cases.push(Case {
                        ours_first: true,
                        ..cubic
                    });
                }
                if round_trip_ms < 200 && queue_bdp < 3 {
                    cases.push(Case {
                        other: "bbr",
                        kind: BBR,
                        ..cubic
                    });
                }
            }
        }
    }
    cases.extend(for_information());
    cases
}

fn for_information() -> impl Iterator<Item = Case> {
    let pulses = CrossKind::OnOff(OnOff {
        rate_bps: 50_000_000,
        on_us: 1_000_000,
        off_us: 1_000_000,
        spread: Spread::Exponential,
    });
    let others = [
        (RatePolicy::High, "cubic", CUBIC),
        (RatePolicy::Low, "cubic", CUBIC),
        (RatePolicy::High, "bbr", BBR),
        (RatePolicy::Low, "bbr", BBR),
        (
            RatePolicy::Fair,
            "reno",
            CrossKind::Model(ControlKind::Reno),
        ),
        (
            RatePolicy::Fair,
            "stack cubic",
            CrossKind::Stack(StackControl::Cubic),
        ),
        (
            RatePolicy::Fair,
            "stack reno",
            CrossKind::Stack(StackControl::Reno),
        ),
        (RatePolicy::Fair, "udp on-off", pulses),
    ];
    others.into_iter().flat_map(|(policy, other, kind)| {
        [1, 3].map(|queue_bdp| Case {
            policy,
            other,
            kind,
            ours_first: false,
            queue_bdp,
            rate_bps: 100_000_000,
            round_trip_ms: 50,
        })
    })
}

fn cells(plan: &Plan) -> Vec<Cell> {
    let small = |case: &Case| case.rate_bps == 10_000_000 && case.round_trip_ms == 50;
    let mut cases = cases();
    cases.retain(|case| !plan.is_smoke() || small(case) && case.queue_bdp == 1);
    cases
        .into_iter()
        .map(|case| cell(&case, plan.is_smoke()))
        .collect()
}

/// Three times what Cubic takes from one full queue to the next at `segments` in flight (RFC 9438: W = 0.4 K^3, a cut
/// of 0.3, half of them its own).
fn three_periods_us(segments: f64) -> u64 {
    ((0.3 * segments / 2.0 / 0.4).cbrt() * 3e6) as u64
}

fn cell(case: &Case, smoke: bool) -> Cell {
    let round_trip_us = case.round_trip_ms * 1_000;
    let path = Path::plain(case.rate_bps, round_trip_us, 0)
        .with_buffer(Buffer::time(case.rate_bps, round_trip_us * case.queue_bdp));
    let (ours_us, others_us) = if case.ours_first {
        (0, LATER_US)
    } else {
        (LATER_US, 0)
    };
    let flow = FlowOptions {
        policy: case.policy,
        start_us: ours_us,
        ..flow(&path, vec![ENDLESS])
    };
    let in_flight_us = round_trip_us * (1 + case.queue_bdp);
    let segments = case.rate_bps as f64 / 12_304.0 * in_flight_us as f64 / 1e6;
    let from_us = LATER_US + if smoke { LATER_US } else { SETTLE_US };
    let measured_us = three_periods_us(segments).max(LEAST_MEASURED_US);
    let limit_us = from_us + if smoke { LATER_US } else { measured_us };
    let mut scenario = Scenario::endless(path, vec![flow], from_us, limit_us);
    scenario.cross = vec![CrossOptions {
        start_us: others_us,
        ..CrossOptions::bulk(case.kind)
    }];
    let judged = case.policy == RatePolicy::Fair && !smoke;
    let other = case.other;
    Cell::new(
        [
            format!("{:?}", case.policy).to_lowercase(),
            other.to_owned(),
            if case.ours_first { "ours" } else { "other" }.to_owned(),
            case.queue_bdp.to_string(),
            rate_name(case.rate_bps),
            case.round_trip_ms.to_string(),
        ],
        scenario,
        move |scenario, outcome| judge(if judged { other } else { "" }, scenario, outcome),
    )
}

fn judge(judged_against: &str, scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let (from_us, to_us) = (scenario.measure_from_us, scenario.limit_us);
    let ours = goodput(&outcome.samples, 0, from_us, to_us);
    let other = other_goodput(&outcome.samples, 0, from_us, to_us);
    let share = ours / (ours + other).max(1.0);
    let verdict = Verdict::new([
        share,
        (ours + other) / scenario.path.ceiling_bps(),
        outcome.queue_mean_us / 1e3,
        outcome.dropped as f64,
    ]);
    match judged_against {
        "cubic" => verdict.check(
            Goal::Cubic,
            (0.33..=0.67).contains(&share),
            "share not 0.33 to 0.67",
        ),
        "bbr" => verdict.check(Goal::Bbr, share >= 0.15, "share < 0.15"),
        _ => verdict,
    }
}
