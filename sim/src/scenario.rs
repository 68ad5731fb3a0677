//! One run and what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fasp_core::control::choices::RatePolicy;

use crate::clock::Clock;
use crate::cross_traffic::{CrossFlow, CrossOptions, CrossOutcome};
use crate::flow::Flow;
use crate::host::{FlowOptions, Progress};
use crate::large_stack;
use crate::measure::{Arrived, Sample};
use crate::paths::Path;
use crate::smoltcp_host::Stack;
use crate::storage::StorageOptions;
use crate::world::{World, WorldOptions};

/// Longest virtual time that a transfer may take, in times of the ideal.
const MOST_TIMES_IDEAL: u64 = 8;

/// For so long the start of a run is watched closely.
const FINE_ROUND_TRIPS: u64 = 100;

/// What is to run.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) path: Path,
    pub(crate) flows: Vec<FlowOptions>,
    /// Traffic of others on the same path; without own flows the run lasts until its limit.
    pub(crate) cross: Vec<CrossOptions>,
    pub(crate) limit_us: u64,
    pub(crate) measure_from_us: u64,
    /// Whether a flow that is not over at the limit is a breach.
    pub(crate) must_end: bool,
}

/// What came of one flow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlowOutcome {
    pub(crate) received: u64,
    /// Objects complete at the receiver, and with a good result at the sender.
    pub(crate) complete: u32,
    pub(crate) confirmed: usize,
    /// When the latest object was complete, µs.
    pub(crate) completed_at: u64,
    /// When bytes not sent before were last read, µs.
    pub(crate) newest_read_at: u64,
    pub(crate) over: bool,
    pub(crate) most_waiting: u64,
    /// How often the sender took the others for TCP.
    pub(crate) competition_verdicts: u32,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) flows: Vec<FlowOutcome>,
    pub(crate) cross: Vec<CrossOutcome>,
    pub(crate) samples: Vec<Sample>,
    /// What flow 0 received over time, on a fine grid during its first round trips.
    pub(crate) arrived: Arrived,
    pub(crate) ended_us: u64,
    pub(crate) trace: u64,
    pub(crate) queue_mean_us: f64,
    pub(crate) queue_p95_us: u64,
    pub(crate) dropped: u64,
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) breaches: Vec<String>,
}

/// More than any flow can send.
pub(crate) const ENDLESS: u64 = 1 << 40;

/// A flow that sends `files` as fast as the path allows.
pub(crate) fn flow(path: &Path, files: Vec<u64>) -> FlowOptions {
    FlowOptions {
        policy: RatePolicy::Fair,
        target_bps: 2 * path.rate_bps,
        minimum_bps: 0,
        files,
        start_us: 0,
        datagram: path.datagram,
        extra_us: 0,
        storage: StorageOptions::default(),
        changes: Vec::new(),
        sender_clock: Clock::default(),
        receiver_clock: Clock::default(),
        stack: Stack::Bare,
    }
}

impl Scenario {
    /// One fair flow with one file that takes `seconds` if all goes well.
    pub(crate) fn transfer(path: Path, seconds: f64) -> Self {
        let bytes = (path.ceiling_bps() * seconds / 8.0) as u64;
        let ideal_us = (seconds * 1e6) as u64;
        let flow = flow(&path, vec![bytes]);
        Self {
            limit_us: ideal_us * MOST_TIMES_IDEAL + 20 * path.round_trip_us + 5_000_000,
            measure_from_us: ideal_us / 4,
            flows: vec![flow],
            cross: Vec::new(),
            path,
            must_end: true,
        }
    }

    /// `flows` that go on until `limit_us`, measured from `from_us` on.
    pub(crate) const fn endless(
        path: Path,
        flows: Vec<FlowOptions>,
        from_us: u64,
        limit_us: u64,
    ) -> Self {
        Self {
            path,
            flows,
            cross: Vec::new(),
            limit_us,
            measure_from_us: from_us,
            must_end: false,
        }
    }

    /// Runs it once, on a thread of its own.
    #[cfg(test)]
    pub(crate) fn run(&self, seed: u64) -> Outcome {
        large_stack::on_one(|| self.run_here(seed))
    }

    /// Runs it twice, on a thread of its own; a difference is a breach.
    pub(crate) fn run_twice(&self, seed: u64) -> Outcome {
        large_stack::on_one(|| self.run_twice_here(seed))
    }

    /// As [`Self::run_twice`], but on this thread, whose stack is large.
    pub(crate) fn run_twice_here(&self, seed: u64) -> Outcome {
        let mut outcome = self.run_here(seed);
        if outcome.samples.is_empty() {
            return outcome;
        }
        let again = self.run_here(seed);
        if (outcome.trace, outcome.ended_us) != (again.trace, again.ended_us) {
            outcome.breaches.push(format!(
                "two runs with seed {seed} differ: {:016x} and {:016x}",
                outcome.trace, again.trace
            ));
        }
        outcome
    }

    /// Runs it once on this thread, whose stack is large. A run that panics is one with a breach.
    pub(crate) fn run_here(&self, seed: u64) -> Outcome {
        let run = AssertUnwindSafe(|| self.run_unguarded(seed));
        catch_unwind(run).unwrap_or_else(|_| Outcome {
            flows: vec![FlowOutcome::default(); self.flows.len()],
            breaches: vec![format!("the run with seed {seed} panicked")],
            ..Outcome::default()
        })
    }

    /// What must hold of every session when a run is over.
    fn check_ends(&self, world: &mut World, flows: &[FlowOutcome]) {
        let now = world.now_us();
        for (index, (flow, options)) in flows.iter().zip(&self.flows).enumerate() {
            if self.must_end && !flow.over {
                let ends = world.flows[index]
                    .as_ref()
                    .map(|flow| (flow.sender.progress, flow.receiver.progress));
                world.breaches.add(|| {
                    let got = flow.received;
                    format!("flow {index} is not over after {now} us: {got} bytes arrived, ends {ends:?}")
                });
            }
            let files = options.files.len();
            let (complete, confirmed) = (flow.complete, flow.confirmed);
            let whole = complete as usize == files && confirmed == files;
            if flow.over && options.storage.space == u64::MAX && !whole {
                world.breaches.add(|| {
                    format!(
                        "flow {index}: of {files} files {complete} complete, {confirmed} confirmed"
                    )
                });
            }
        }
    }

    fn run_unguarded(&self, seed: u64) -> Outcome {
        let mut world = World::new(WorldOptions {
            seed,
            forward: self.path.forward.clone(),
            backward: self.path.backward.clone(),
            flows: self.flows.clone(),
            cross: self.cross.clone(),
            limit_us: self.limit_us,
            sample_us: (self.path.round_trip_us / 8).clamp(2_000, 20_000),
            fine_us: self.path.start_up_window_us() / 8,
            fine_until_us: FINE_ROUND_TRIPS * self.path.round_trip_us,
            measure_from_us: self.measure_from_us,
        });
        world.run();
        let flows: Vec<FlowOutcome> = world
            .flows
            .iter()
            .map(|flow| flow.as_ref().map_or_else(FlowOutcome::default, outcome_of))
            .collect();
        self.check_ends(&mut world, &flows);
        let mut breaches = world.breaches.texts().to_vec();
        if world.breaches.count() > breaches.len() as u64 {
            breaches.push(format!("{} breaches in all", world.breaches.count()));
        }
        let (packets, lost, ended_us, trace) = (
            world.forward.entered,
            world.forward.lost,
            world.now_us(),
            world.trace(),
        );
        let bottleneck = world.forward.bottleneck();
        let queue = bottleneck.map(|part| {
            (
                part.delays().mean(),
                part.delays().quantile(950),
                part.dropped(),
            )
        });
        let (queue_mean_us, queue_p95_us, dropped) = queue.unwrap_or_default();
        let cross = world.cross.iter();
        let cross = cross.map(|flow| {
            flow.as_ref()
                .map_or_else(CrossOutcome::default, CrossFlow::outcome)
        });
        Outcome {
            seed,
            flows,
            cross: cross.collect(),
            samples: world.samples,
            arrived: world.arrived,
            ended_us,
            trace,
            queue_mean_us,
            queue_p95_us,
            dropped,
            packets,
            lost,
            breaches,
        }
    }
}

fn outcome_of(flow: &Flow) -> FlowOutcome {
    let (complete, completed_at) = flow.receiver.completed();
    let settled =
        flow.sender.progress == Progress::Settled && flow.receiver.progress == Progress::Settled;
    FlowOutcome {
        received: flow.receiver.received(),
        complete,
        confirmed: flow
            .sender
            .results
            .values()
            .filter(|result| result.is_none())
            .count(),
        completed_at,
        newest_read_at: flow.sender.newest_read_at(),
        over: settled,
        most_waiting: flow.receiver.most_waiting(),
        competition_verdicts: flow.sender.statistics().competition_verdicts,
    }
}

#[cfg(test)]
mod tests;
