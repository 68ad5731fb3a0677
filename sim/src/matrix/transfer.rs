//! One transfer of one file alone on a path: the columns and the verdict that several matrices share.

use super::{Column, Goal, Verdict, least, most, queue_bound_ms};
use crate::marks::TransferMarks;
use crate::paths::Path;
use crate::scenario::{Outcome, Scenario};

/// So long a transfer lasts at least if it goes well.
const LEAST_SECONDS: f64 = 30.0;
const LEAST_ROUND_TRIPS: f64 = 100.0;
const SMOKE_SECONDS: f64 = 3.0;

pub(super) const COLUMNS: &[Column] = &[
    least("steady", 4),
    most("t90 RTT", 1),
    most("queue ms", 2),
    most("95 %", 2),
    most("sent-1", 4),
    most("of allowed", 3),
    most("twice %", 3),
    most("time/ideal", 3),
    most("tail RTT", 2),
];

/// A transfer over `path` that is long enough to speak of a steady state; a short one for a smoke.
pub(super) fn long(path: Path, smoke: bool) -> Scenario {
    let least = if smoke { SMOKE_SECONDS } else { LEAST_SECONDS };
    let seconds = (LEAST_ROUND_TRIPS * path.round_trip_us as f64 / 1e6).max(least);
    Scenario::transfer(path, seconds)
}

/// The numbers of one transfer without a judgement.
pub(super) fn measure(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    verdict(&TransferMarks::of(scenario, outcome), outcome)
}

fn verdict(marks: &TransferMarks, outcome: &Outcome) -> Verdict {
    Verdict::new([
        marks.efficiency,
        marks.t90_round_trips,
        outcome.queue_mean_us / 1e3,
        outcome.queue_p95_us as f64 / 1e3,
        marks.overhead,
        marks.of_allowed(),
        marks.duplicates * 100.0,
        marks.completion,
        marks.tail_round_trips,
    ])
}

/// The verdict on one transfer of which only the goodput must reach that of `goal`.
pub(super) fn judge_goodput(
    scenario: &Scenario,
    outcome: &Outcome,
    (goal, wanted): (Goal, f64),
) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    let text = format!("steady < {wanted}");
    verdict(&marks, outcome).check(goal, marks.efficiency >= wanted, text)
}

/// The verdict on one transfer, whose goodput must reach that of `goal` if there is one.
pub(super) fn judge(scenario: &Scenario, outcome: &Outcome, goal: Option<(Goal, f64)>) -> Verdict {
    let marks = TransferMarks::of(scenario, outcome);
    let rate_bps = scenario.path.rate_bps;
    let queue_ms = outcome.queue_mean_us / 1e3;
    let most_queue_ms = queue_bound_ms(1, rate_bps);
    let mut verdict = verdict(&marks, outcome)
        .check(
            Goal::Queue,
            queue_ms <= most_queue_ms,
            format!("queue > {most_queue_ms:.2}"),
        )
        .check(Goal::Overhead, marks.of_allowed() <= 1.0, "sent")
        .check(Goal::Duplicates, marks.duplicates <= 0.005, "twice");
    if let Some((goal, wanted)) = goal {
        let text = format!("steady < {wanted}");
        verdict = verdict.check(goal, marks.efficiency >= wanted, text);
    }
    if rate_bps >= 100_000_000 {
        verdict = verdict.check(Goal::StartUp, marks.t90_round_trips <= 4.0, "t90 > 4");
    }
    if scenario.path.loss_ppm <= 100_000 {
        verdict = verdict
            .check(Goal::Completion, marks.completion <= 1.05, "time > 1.05")
            .check(Goal::Tail, marks.tail_round_trips <= 1.5, "tail > 1.5");
    }
    verdict
}
