//! Clocks of the two hosts that do not agree: too fast, too slow, coarse, jumping, wrapping on the wire.

use super::{
    Cell, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, queue_bound_ms, rate_name,
};
use crate::clock::Clock;
use crate::marks::TransferMarks;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

const RATES: [u64; 3] = [10_000_000, 100_000_000, 1_000_000_000];
const ROUND_TRIPS_MS: [u64; 2] = [10, 100];
/// Long enough for 500 ppm to amount to 30 ms; to come to rest after a jump; to wrap.
const SKEW_SECONDS: f64 = 60.0;
const JUMP_SECONDS: f64 = 40.0;
const LEAST_SECONDS: f64 = 30.0;
const SMOKE_SECONDS: f64 = 25.0;
/// When a clock jumps.
const JUMP_US: u64 = 20_000_000;
/// The wire clock wraps so long after the beginning.
const WRAP_AFTER_US: u64 = 10_000_000;

pub(super) const MATRIX: Matrix = Matrix {
    name: "clock",
    about: "clocks that run apart by 500 ppm, jump, show only milliseconds, or wrap on the wire",
    notes: "Transfers of 60 s with a skew, 40 s with a jump, 30 s else. Jumps come after 20 s, the 32-bit clock of a datagram wraps after 10 s.",
    labels: &["clocks", "rate", "RTT ms"],
    columns: &[
        least("steady", 4),
        most("queue ms", 2),
        most("95 %", 2),
        most("time/ideal", 3),
    ],
    misses_only: false,
    cells,
    overall: nothing_overall,
};

/// Name, clock of the sender, clock of the receiver.
fn kinds() -> Vec<(&'static str, Clock, Clock)> {
    let right = Clock::default;
    let fast = |fast_ppm| Clock {
        fast_ppm,
        ..right()
    };
    let jump = |length_us| Clock {
        jump_us: Some((JUMP_US, length_us)),
        ..right()
    };
    let wrapping = || Clock {
        offset_us: (1 << 32) - WRAP_AFTER_US,
        ..right()
    };
    let coarse = || Clock {
        granularity_us: 1_000,
        ..right()
    };
    vec![
        ("receiver +500 ppm", right(), fast(500)),
        ("receiver -500 ppm", right(), fast(-500)),
        ("sender +500 ppm", fast(500), right()),
        ("receiver +50 ms", right(), jump(50_000)),
        ("receiver +2 s", right(), jump(2_000_000)),
        ("sender +50 ms", jump(50_000), right()),
        ("sender +2 s", jump(2_000_000), right()),
        ("sender wraps", wrapping(), right()),
        ("receiver wraps", right(), wrapping()),
        ("sender coarse", coarse(), right()),
        ("receiver coarse", right(), coarse()),
        ("both coarse", coarse(), coarse()),
    ]
}

fn cells(plan: &Plan) -> Vec<Cell> {
    let mut cells = Vec::new();
    for rate_bps in RATES {
        for round_trip_ms in ROUND_TRIPS_MS {
            if plan.is_smoke() && (rate_bps > 10_000_000 || round_trip_ms > 10) {
                continue;
            }
            for (name, sender, receiver) in kinds() {
                let path = Path::plain(rate_bps, round_trip_ms * 1_000, 0);
                let seconds = match (&sender, &receiver) {
                    _ if plan.is_smoke() => SMOKE_SECONDS,
                    (a, b) if a.fast_ppm != b.fast_ppm => SKEW_SECONDS,
                    (a, b) if a.jump_us != b.jump_us => JUMP_SECONDS,
                    _ => LEAST_SECONDS,
                };
                let mut scenario = Scenario::transfer(path, seconds);
                scenario.flows[0].sender_clock = sender;
                scenario.flows[0].receiver_clock = receiver;
                cells.push(Cell::new(
                    [
                        name.to_owned(),
                        rate_name(rate_bps),
                        round_trip_ms.to_string(),
                    ],
                    scenario,
                    judge,
                ));
            }
        }
    }
    cells
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = queue_bound_ms(1, scenario.path.rate_bps);
    Verdict::new([
        marks.efficiency,
        queue_ms,
        outcome.queue_p95_us as f64 / 1e3,
        marks.completion,
    ])
    .check(Goal::Clocks, marks.efficiency >= 0.95, "steady < 0.95")
    .check(
        Goal::Queue,
        queue_ms <= most_queue_ms,
        format!("queue > {most_queue_ms:.2}"),
    )
}
