//! One run and what came of it.

use fasp_core::control::choices::RatePolicy;

use crate::clock::Clock;
use crate::cross_traffic::{
    ControlKind, CrossFlow, CrossKind, CrossOptions, CrossOutcome, OnOff, Spread, StackControl,
};
use crate::flow::Flow;
use crate::host::{FlowOptions, Progress, STACK_BYTES};
use crate::link::RateSchedule;
use crate::measure::{Arrived, Sample};
use crate::paths::{self, Path};
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

    /// Runs it once, on a thread of its own: machines need a large stack while they are made.
    /// A run that panics is one with a breach.
    pub(crate) fn run(&self, seed: u64) -> Outcome {
        std::thread::scope(|scope| {
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, || self.run_here(seed))
                .expect("a thread can be started")
                .join()
                .unwrap_or_else(|_| Outcome {
                    flows: vec![FlowOutcome::default(); self.flows.len()],
                    breaches: vec![format!("the run with seed {seed} panicked")],
                    ..Outcome::default()
                })
        })
    }

    /// Runs it twice; a difference is a breach.
    pub(crate) fn run_twice(&self, seed: u64) -> Outcome {
        let mut outcome = self.run(seed);
        if outcome.samples.is_empty() {
            return outcome;
        }
        let again = self.run(seed);
        if (outcome.trace, outcome.ended_us) != (again.trace, again.ended_us) {
            outcome.breaches.push(format!(
                "two runs with seed {seed} differ: {:016x} and {:016x}",
                outcome.trace, again.trace
            ));
        }
        outcome
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

    fn run_here(&self, seed: u64) -> Outcome {
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

/// Runs with names, apart from the named paths.
pub(crate) const NAMES: [(&str, &str); 14] = [
    (
        "torture",
        "everything that can go wrong, 40 files of all sizes",
    ),
    (
        "many_files",
        "20,000 files of 1 KiB, 100 Mbit/s, 200 ms, 1 % loss",
    ),
    (
        "slow_disk",
        "1 Gbit/s, 20 ms; the disk writes 80 Mbit/s and stands still from 2 to 4 s",
    ),
    (
        "full_disk",
        "100 Mbit/s, 20 ms; the disk is full after 4 of 8 files",
    ),
    (
        "four_flows",
        "four fair flows one after another on 100 Mbit/s, 50 ms",
    ),
    (
        "over_ipv4",
        "one flow over Ethernet, ARP and IPv4 of a real stack, 100 Mbit/s, 50 ms, 1 % loss",
    ),
    ("over_ipv6", "the same over neighbour discovery and IPv6"),
    (
        "against_cubic",
        "one flow and a model of Cubic on 100 Mbit/s, 50 ms",
    ),
    (
        "against_reno",
        "one flow and a model of Reno on 100 Mbit/s, 50 ms",
    ),
    (
        "against_bbr",
        "one flow and a model of BBR on 100 Mbit/s, 50 ms",
    ),
    (
        "against_on_off",
        "one flow and 60 Mbit/s of UDP that comes and goes, on 100 Mbit/s, 50 ms",
    ),
    (
        "against_pulses",
        "one flow and 60 Mbit/s of UDP every other second, on 100 Mbit/s, 50 ms",
    ),
    (
        "against_smoltcp_reno",
        "one flow and the Reno of a real stack on 100 Mbit/s, 50 ms",
    ),
    (
        "against_smoltcp",
        "one flow and the Cubic of a real stack on 100 Mbit/s, 50 ms",
    ),
];

/// What flows of others a run with a name has.
fn cross_of(name: &str) -> Option<CrossKind> {
    Some(match name {
        "against_cubic" => CrossKind::Model(ControlKind::Cubic),
        "against_reno" => CrossKind::Model(ControlKind::Reno),
        "against_bbr" => CrossKind::Model(ControlKind::Bbr),
        "against_smoltcp" => CrossKind::Stack(StackControl::Cubic),
        "against_smoltcp_reno" => CrossKind::Stack(StackControl::Reno),
        "against_pulses" => CrossKind::OnOff(OnOff {
            rate_bps: 60_000_000,
            on_us: 1_000_000,
            off_us: 1_000_000,
            spread: Spread::Constant,
        }),
        "against_on_off" => CrossKind::OnOff(OnOff {
            rate_bps: 60_000_000,
            on_us: 2_000_000,
            off_us: 2_000_000,
            spread: Spread::Exponential,
        }),
        _ => return None,
    })
}

/// The run called `name`: a named path with one transfer over it, or one of [`NAMES`].
pub(crate) fn named(name: &str) -> Option<Scenario> {
    if let Some(kind) = cross_of(name) {
        let mut scenario = Scenario::transfer(Path::plain(100_000_000, 50_000, 0), 20.0);
        scenario.limit_us = 60_000_000;
        scenario.must_end = false;
        scenario.cross = vec![CrossOptions::bulk(kind)];
        return Some(scenario);
    }
    let mut scenario = match name {
        "torture" => Scenario::transfer(paths::torture(), 10.0),
        "many_files" => Scenario::transfer(Path::plain(100_000_000, 200_000, 10_000), 5.0),
        "slow_disk" => Scenario::transfer(Path::plain(1_000_000_000, 20_000, 0), 1.0),
        "full_disk" => Scenario::transfer(Path::plain(100_000_000, 20_000, 0), 2.0),
        "four_flows" => Scenario::transfer(Path::plain(100_000_000, 50_000, 0), 20.0),
        "over_ipv4" | "over_ipv6" => {
            Scenario::transfer(Path::plain(100_000_000, 50_000, 10_000), 20.0)
        }
        other => Scenario::transfer(
            paths::named(other)?,
            if other == "leo_handover" { 40.0 } else { 20.0 },
        ),
    };
    let first = scenario.flows[0].clone();
    match name {
        "torture" => {
            let sizes = [0, 1, 700, 1_200, 5_000, 90_000, 400_000, 1_300_000];
            scenario.flows[0].files = sizes.repeat(5);
        }
        "over_ipv4" => scenario.flows[0].put_on(Stack::Ipv4),
        "over_ipv6" => scenario.flows[0].put_on(Stack::Ipv6),
        "many_files" => scenario.flows[0].files = vec![1_024; 20_000],
        "slow_disk" => {
            let speed = RateSchedule::constant(80_000_000)
                .then(2_000_000, 0)
                .then(4_000_000, 80_000_000);
            scenario.limit_us = 60_000_000;
            scenario.flows[0].storage = StorageOptions {
                speed: Some(speed),
                buffer: 8 << 20,
                ..StorageOptions::default()
            };
        }
        "full_disk" => {
            scenario.flows[0].files = vec![2_000_000; 8];
            scenario.flows[0].storage.space = 8_500_000;
        }
        "four_flows" => {
            scenario.flows = (0..4_u64)
                .map(|index| FlowOptions {
                    start_us: index * 5_000_000,
                    ..first.clone()
                })
                .collect();
        }
        _ => {}
    }
    Some(scenario)
}

#[cfg(test)]
mod tests;
