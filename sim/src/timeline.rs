//! A run as lines of text: rate, queue and loss, one line per interval.

use std::fmt::Write as _;

use crate::marks::TransferMarks;
use crate::measure::Sample;
use crate::scenario::{Outcome, Scenario};

const LINES: usize = 40;

/// The run as text.
pub(crate) fn of(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = String::new();
    let flows = scenario.flows.len();
    // Writing to a String cannot fail.
    let _ = write!(text, "{:>9} {:>9}", "time s", "queue ms");
    for flow in 0..flows {
        let _ = write!(
            text,
            " | {:>9} {:>9} {:>8} {:>6}",
            format!("rate {flow}"),
            "arrives",
            "seen ms",
            "loss %"
        );
    }
    for cross in 0..scenario.cross.len() {
        let _ = write!(text, " | {:>9}", format!("other {cross}"));
    }
    text.push('\n');
    let step = (outcome.ended_us / LINES as u64).max(1);
    let mut before: Option<&Sample> = None;
    for sample in &outcome.samples {
        if before.is_some_and(|before| sample.at_us < before.at_us + step) {
            continue;
        }
        line(&mut text, before, sample);
        before = Some(sample);
    }
    summary(&mut text, scenario, outcome);
    text
}

fn line(text: &mut String, before: Option<&Sample>, sample: &Sample) {
    let span_us = sample.at_us - before.map_or(0, |before| before.at_us);
    let _ = write!(
        text,
        "{:9.3} {:9.2}",
        sample.at_us as f64 / 1e6,
        sample.queue_us as f64 / 1e3
    );
    for (index, flow) in sample.flows.iter().enumerate() {
        let last = before
            .and_then(|before| before.flows.get(index))
            .copied()
            .unwrap_or_default();
        let arrived = (flow.received - last.received) as f64 * 8.0 / span_us.max(1) as f64;
        let sent = (flow.sent - last.sent).max(1) as f64;
        let loss = (flow.lost - last.lost) as f64 * 100.0 / sent;
        let _ = write!(
            text,
            " | {:9.2} {arrived:9.2} {:8.2} {loss:6.2}",
            flow.rate_bps as f64 / 1e6,
            flow.seen_queue_us as f64 / 1e3
        );
    }
    for (index, &bytes) in sample.cross.iter().enumerate() {
        let last = before.and_then(|before| before.cross.get(index));
        let arrived = (bytes - last.copied().unwrap_or(0)) as f64 * 8.0 / span_us.max(1) as f64;
        let _ = write!(text, " | {arrived:9.2}");
    }
    text.push('\n');
}

fn summary(text: &mut String, scenario: &Scenario, outcome: &Outcome) {
    let marks = TransferMarks::of(scenario, outcome);
    let _ = writeln!(
        text,
        "\npossible {:.2} Mbit/s of file bytes; {} packets, {} lost on the way, of these {} at the queue",
        scenario.path.ceiling_bps() / 1e6,
        outcome.packets,
        outcome.lost,
        outcome.dropped
    );
    let _ = writeln!(
        text,
        "queue: mean {:.2} ms, 95 % below {:.2} ms",
        outcome.queue_mean_us / 1e3,
        outcome.queue_p95_us as f64 / 1e3
    );
    for (index, flow) in outcome.flows.iter().enumerate() {
        let _ = writeln!(
            text,
            "flow {index}: {} file bytes arrived; {} objects complete, {} confirmed; last at {:.3} s; \
             most bytes waiting for the disk {}",
            flow.received,
            flow.complete,
            flow.confirmed,
            flow.completed_at as f64 / 1e6,
            flow.most_waiting
        );
    }
    for (index, cross) in outcome.cross.iter().enumerate() {
        let _ = writeln!(
            text,
            "other {index}: {} bytes arrived of {} packets sent",
            cross.delivered, cross.packets
        );
    }
    if scenario.flows.len() == 1 {
        let _ = writeln!(
            text,
            "steady {:.4} of the possible; 90 % after {:.2} round trips; sent/needed - 1 {:.5}; came twice {:.5}; \
             time/ideal {:.3}; tail {:.2} round trips",
            marks.efficiency,
            marks.t90_round_trips,
            marks.overhead,
            marks.duplicates,
            marks.completion,
            marks.tail_round_trips
        );
    }
    let _ = writeln!(
        text,
        "ended at {:.6} s, trace {:016x}",
        outcome.ended_us as f64 / 1e6,
        outcome.trace
    );
    for breach in &outcome.breaches {
        let _ = writeln!(text, "BREACH: {breach}");
    }
}
