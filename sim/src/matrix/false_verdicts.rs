//! Own flows that come and go by chance: none may take the others for TCP.

use fasp_core::control::choices::RatePolicy;

use super::{Cell, Goal, Matrix, Plan, Verdict, least, most, nothing_overall, percent, rate_name};
use crate::host::FlowOptions;
use crate::measure::{goodput, jain_index};
use crate::paths::Path;
use crate::random::Random;
use crate::scenario::{ENDLESS, Outcome, Scenario, flow};

const RUNS: u64 = 1_000;
const SMOKE_RUNS: u64 = 3;
const LENGTH_US: u64 = 20_000_000;
/// The youngest flow has run for so long at the end.
const ALL_FOR_US: u64 = 10_000_000;
/// A flow has this much on average, at least.
const LEAST_EACH_BPS: u64 = 1_000_000;
const RATES: [u64; 5] = [10_000_000, 20_000_000, 50_000_000, 100_000_000, 200_000_000];
/// One run in fifty has this rate: these runs are long.
const RARE_BPS: u64 = 1_000_000_000;

pub(super) const MATRIX: Matrix = Matrix {
    name: "false_verdicts",
    about: "1,000 runs of 2 to 20 own flows: none may be taken for TCP",
    notes: "Each run is drawn by chance: flows, rate, round trips, starts within 10 s, some leaving, random loss in a third, \
            buffers of 0.5 to 3 round trips, high and low among fair ones in a fifth. Runs last 20 s. Only runs with a \
            verdict are shown; `Jain` of the last 5 s is for information, over all flows and policies.",
    labels: &["run", "flows", "rate", "RTT ms", "loss %"],
    columns: &[most("verdicts", 0), least("Jain", 4), most("queue ms", 2)],
    misses_only: true,
    cells,
    overall: nothing_overall,
};

fn cells(plan: &Plan) -> Vec<Cell> {
    let runs = if plan.is_smoke() { SMOKE_RUNS } else { RUNS };
    let mut cells = Vec::new();
    for run in 0..runs {
        // The runs are dealt out to the seeds, so that there are a thousand in all.
        let seed = plan.seeds[run as usize % plan.seeds.len()];
        cells.push(cell(run, seed, plan.is_smoke()));
    }
    cells
}

fn cell(run: u64, seed: u64, smoke: bool) -> Cell {
    let mut random = Random::named(seed, &format!("own flows {run}"));
    let mut count = 2 + random.below(19);
    let usable = |rate: &&u64| **rate >= count * LEAST_EACH_BPS && (!smoke || **rate <= 20_000_000);
    let rates: Vec<u64> = RATES.iter().filter(usable).copied().collect();
    let choices = rates.len().max(1) as u64;
    let index = random.below(choices).min(random.below(choices)) as usize;
    let mut rate_bps = rates.get(index).copied().unwrap_or(20_000_000);
    if random.chance(20_000) && !smoke {
        rate_bps = RARE_BPS;
    }
    if smoke {
        count = count.min(5);
    }
    let round_trip_us = random.spread(2_000, 300_000);
    let loss_ppm = if random.chance(333_333) {
        random.one_of(&[1_000, 5_000, 10_000, 30_000])
    } else {
        0
    };
    let mut path = Path::plain(rate_bps, round_trip_us, loss_ppm);
    let queue_us = (round_trip_us * (5 + random.below(26)) / 10).max(20_000);
    path = path.with_buffer_time(queue_us);
    let mixed = random.chance(200_000);
    let spread = random.chance(300_000);
    let flows: Vec<FlowOptions> = (0..count)
        .map(|_| {
            let policy = match random.below(4) {
                0 if mixed => RatePolicy::High,
                1 if mixed => RatePolicy::Low,
                _ => RatePolicy::Fair,
            };
            let leaves = random.chance(200_000);
            let seconds = 1 + random.below(10);
            let bytes = if leaves {
                rate_bps * seconds / 8 / count
            } else {
                ENDLESS
            };
            FlowOptions {
                policy,
                start_us: random.below(LENGTH_US - ALL_FOR_US),
                extra_us: if spread { random.below(40_000) } else { 0 },
                ..flow(&path, vec![bytes])
            }
        })
        .collect();
    let labels = [
        run.to_string(),
        count.to_string(),
        rate_name(rate_bps),
        (round_trip_us / 1_000).to_string(),
        percent(loss_ppm),
    ];
    let from_us = LENGTH_US - 5_000_000;
    let scenario = Scenario::endless(path, flows, from_us, LENGTH_US);
    let mut cell = Cell::new(labels, scenario, judge);
    // Runs of one seed differ in their random losses too.
    cell.only_seed = Some(seed.wrapping_mul(RUNS) + run);
    cell
}

fn judge(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    let verdicts: u32 = outcome
        .flows
        .iter()
        .map(|flow| flow.competition_verdicts)
        .sum();
    let (from_us, to_us) = (scenario.measure_from_us, scenario.limit_us);
    let rates = (0..scenario.flows.len())
        .map(|flow| goodput(&outcome.samples, flow, from_us, to_us))
        .filter(|&rate| rate > 0.0);
    let rates: Vec<f64> = rates.collect();
    Verdict::new([
        f64::from(verdicts),
        jain_index(&rates),
        outcome.queue_mean_us / 1e3,
    ])
    .check(Goal::FalseVerdicts, verdicts == 0, "a verdict")
}
