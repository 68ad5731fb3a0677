//! What one transfer of one file is judged by, and how each mark is defined.

use crate::measure::{Sample, goodput};
use crate::scenario::{Outcome, Scenario};

/// The marks of one transfer. Round trips are those of the path without queues, unless said otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransferMarks {
    /// Goodput between the first quarter and 95 % of the bytes, to what is possible.
    pub(crate) efficiency: f64,
    /// The same, but to what was possible with what the path lost at random in that time.
    pub(crate) realised_efficiency: f64,
    /// What was lost of all datagrams in that time, for whatever reason.
    pub(crate) loss: f64,
    /// Round trips until 90 % of what is possible arrived for a quarter round trip (at least 16 full packets) and
    /// went on to arrive for four round trips (at least 20 ms); infinite if never.
    pub(crate) t90_round_trips: f64,
    /// File bytes repeated from one round trip after the first quarter had been sent, to the others sent since.
    pub(crate) overhead: f64,
    /// What `overhead` may be, by what the path lost at random in this run.
    pub(crate) allowed_overhead: f64,
    /// File bytes of the last three quarters that came although they were there, to all of these.
    pub(crate) duplicates: f64,
    /// Time of the transfer to the ideal; infinite if it did not end.
    pub(crate) completion: f64,
    /// From the last new byte to completion less the way there, in round trips with the mean queue.
    pub(crate) tail_round_trips: f64,
}

impl TransferMarks {
    /// Repeats to what is allowed of them: 1 at most.
    pub(crate) fn of_allowed(&self) -> f64 {
        self.overhead / self.allowed_overhead.max(1e-9)
    }

    /// The marks of flow 0 of `outcome`, which ran `scenario`.
    pub(crate) fn of(scenario: &Scenario, outcome: &Outcome) -> Self {
        let (path, flow) = (&scenario.path, outcome.flows[0]);
        let size: u64 = scenario.flows[0].files.iter().sum();
        let ceiling = path.ceiling_bps();
        let reached = |bytes: u64| {
            let mut samples = outcome.samples.iter();
            let sample = samples.find(|sample| sample.flows[0].received >= bytes);
            sample.map_or(outcome.ended_us, |sample| sample.at_us)
        };
        let (from, to) = (reached(size / 4), reached(size / 100 * 95));
        let t90 = outcome.arrived.time_to_rate(
            scenario.flows[0].start_us,
            path.start_up_window_us(),
            (4 * path.round_trip_us).max(20_000),
            0.9 * ceiling,
        );
        let round_trip = path.round_trip_us as f64;
        let (overhead, allowed_overhead) = overhead(scenario, outcome, size);
        let ideal_us = size as f64 * 8e6 / ceiling + round_trip / 2.0;
        let tail_us = flow.completed_at.saturating_sub(flow.newest_read_at) as f64
            - round_trip / 2.0
            - outcome.queue_mean_us;
        let ended = |mark: f64| if flow.over { mark } else { f64::INFINITY };
        let between = Losses::between(&outcome.samples, from, to);
        let steady = goodput(&outcome.samples, 0, from, to);
        let lossless = ceiling / (1.0 - path.loss_ppm as f64 / 1e6);
        Self {
            efficiency: steady / ceiling,
            realised_efficiency: steady / (lossless * (1.0 - between.at_random)),
            loss: between.all,
            t90_round_trips: t90.map_or(f64::INFINITY, |at_us| at_us as f64 / round_trip),
            overhead,
            allowed_overhead,
            duplicates: duplicates(outcome, size),
            completion: ended(flow.completed_at as f64 / ideal_us),
            tail_round_trips: ended(tail_us / (round_trip + outcome.queue_mean_us)),
        }
    }
}

/// What the forward direction lost in a time, as shares.
struct Losses {
    /// Of what came past the bottleneck.
    at_random: f64,
    /// Of what was sent.
    all: f64,
}

impl Losses {
    fn between(samples: &[Sample], from_us: u64, to_us: u64) -> Self {
        let mut inside = samples
            .iter()
            .filter(|sample| (from_us..=to_us).contains(&sample.at_us));
        let first = inside.next().cloned().unwrap_or_default();
        let last = inside.next_back().cloned().unwrap_or_default();
        let entered = last.entered.saturating_sub(first.entered) as f64;
        let lost = last.lost.saturating_sub(first.lost) as f64;
        let dropped = last.dropped.saturating_sub(first.dropped) as f64;
        Self {
            at_random: (lost - dropped) / (entered - dropped).max(1.0),
            all: lost / entered.max(1.0),
        }
    }
}

/// Repeats and what is allowed of them. What is lost of a quarter's last bytes comes to light within a round trip,
/// so that repeats are counted that much later; the end of the transfer counts.
fn overhead(scenario: &Scenario, outcome: &Outcome, size: u64) -> (f64, f64) {
    let samples = &outcome.samples;
    let sent = |sample: &Sample| sample.flows[0].file_bytes_sent;
    let Some(quarter) = samples.iter().find(|sample| sent(sample) >= size / 4) else {
        return (f64::INFINITY, 0.0);
    };
    // The last twentieth is the tail, where blocks may travel more than once on purpose.
    let last = samples
        .iter()
        .find(|sample| sent(sample) >= size / 100 * 95)
        .or_else(|| samples.last());
    // What was lost is repeated a round trip later.
    let after = |sample: &Sample| {
        let at_us = sample.at_us + scenario.path.round_trip_us;
        samples.iter().find(|sample| sample.at_us >= at_us)
    };
    let (Some(later), Some(last)) = (after(quarter), last) else {
        return (f64::INFINITY, 0.0);
    };
    let repeated = |sample: &Sample| sample.flows[0].file_bytes_repeated;
    let repeats = repeated(after(last).unwrap_or(last)).saturating_sub(repeated(later));
    let overhead = repeats as f64 / (sent(last) - sent(quarter)).max(1) as f64;
    let loss = Losses::between(samples, quarter.at_us, last.at_us).at_random;
    (overhead, loss / (1.0 - loss) * 1.02 + 0.001)
}

fn duplicates(outcome: &Outcome, size: u64) -> f64 {
    let samples = &outcome.samples;
    let quarter = samples
        .iter()
        .find(|sample| sample.flows[0].received >= size / 4);
    let (Some(quarter), Some(last)) = (quarter, samples.last()) else {
        return 0.0;
    };
    let since = |of: fn(&Sample) -> u64| (of(last) - of(quarter)) as f64;
    since(|sample| sample.flows[0].duplicates) / since(|sample| sample.flows[0].received).max(1.0)
}
