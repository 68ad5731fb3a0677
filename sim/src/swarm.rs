//! Random scenarios, all from one seed each: paths, flows, disks, clocks and traffic of others put together at
//! will. The checks must hold in every one, and every transfer must end in a bound, whole.
//!
//! How well a transfer does is the matter of the matrices; here it only counts that nothing goes wrong.

mod path_at_random;

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fasp_core::control::choices::RatePolicy;
use fasp_core::rate_control::RateLimits;
use fasp_core::units::BitRate;

use crate::clock::Clock;
use crate::cross_traffic::{ControlKind, CrossKind, CrossOptions, OnOff, Spread};
use crate::host::FlowOptions;
use crate::large_stack;
use crate::link::RateSchedule;
use crate::paths::Path;
use crate::random::Random;
use crate::scenario::{Scenario, flow};
use crate::storage::StorageOptions;
use crate::timeline;

use path_at_random::Course;

/// Flows of others are silent from here on, so that every policy can come to its end.
const OTHERS_END_US: u64 = 8_000_000;
/// Nothing on a path changes for the worse after this.
pub(super) const TROUBLES_END_US: u64 = 10_000_000;
/// A transfer may take this many times what it takes if it gets a tenth of the worst rate.
const MOST_TIMES_IDEAL: f64 = 30.0;
const LEAST_BOUND_US: f64 = 120e6;
/// Breaches that are told.
const MOST_TOLD: usize = 10;

/// The scenario of `seed`.
pub(crate) fn scenario(seed: u64) -> Scenario {
    let mut random = Random::named(seed, "swarm");
    let course = Course::draw(&mut random);
    let count = random.one_of(&[1, 1, 1, 2, 3, 4]);
    let flows: Vec<FlowOptions> = (0..count)
        .map(|_| flow_at_random(&mut random, &course, count))
        .collect();
    let bytes: u64 = flows.iter().flat_map(|flow| &flow.files).sum();
    let files: usize = flows.iter().map(|flow| flow.files.len()).sum();
    let ideal_us = bytes as f64 * 8e6 / course.worst_bps as f64;
    let disk_us = flows
        .iter()
        .map(|flow| slowest_us(&flow.storage, bytes, files));
    let longest_disk_us = disk_us.fold(0.0, f64::max);
    let round_trips_us = 300.0 * course.longest_us as f64;
    let bound_us =
        LEAST_BOUND_US + MOST_TIMES_IDEAL * (ideal_us + longest_disk_us) + round_trips_us;
    let cross = others_at_random(&mut random, &course.path);
    Scenario {
        path: course.path,
        flows,
        cross,
        limit_us: bound_us as u64,
        measure_from_us: 0,
        must_end: true,
    }
}

/// What a disk takes for so much.
fn slowest_us(storage: &StorageOptions, bytes: u64, files: usize) -> f64 {
    let flushes = files as f64 * storage.sync_us as f64;
    let mut speed = storage.speed.clone();
    let end = speed.as_mut().and_then(|speed| speed.finish(0, bytes));
    flushes + end.map_or(0.0, |end| end as f64 / 1e6)
}

fn flow_at_random(random: &mut Random, course: &Course, count: u64) -> FlowOptions {
    let path = &course.path;
    let policy = random.one_of(&[
        RatePolicy::Fair,
        RatePolicy::Fair,
        RatePolicy::High,
        RatePolicy::Low,
        RatePolicy::Fixed,
    ]);
    // A fixed rate above what the path carries would lose for ever.
    let fixed_bps = course.worst_bps / (2 * count);
    let target = |random: &mut Random, policy| match policy {
        RatePolicy::Fixed => fixed_bps.max(100_000),
        _ => random.spread(path.rate_bps / 4 + 100_000, path.rate_bps * 3),
    };
    let target_bps = target(random, policy);
    let milliseconds = random.spread(100, 3_000);
    let bytes = course.worst_bps * milliseconds / 8_000 / count;
    let changes = if random.chance(200_000) {
        let changed = random.one_of(&[RatePolicy::Fair, RatePolicy::High, RatePolicy::Low]);
        vec![(
            random.below(4_000_000),
            RateLimits {
                target: BitRate(target(random, changed)),
                minimum: BitRate(0),
                policy: changed,
            },
        )]
    } else {
        Vec::new()
    };
    FlowOptions {
        policy,
        target_bps,
        start_us: random.below(3_000_000),
        extra_us: if random.chance(300_000) {
            random.below(60_000)
        } else {
            0
        },
        storage: disk_at_random(random, course),
        changes,
        sender_clock: clock_at_random(random),
        receiver_clock: clock_at_random(random),
        ..flow(path, files_at_random(random, bytes))
    }
}

fn files_at_random(random: &mut Random, bytes: u64) -> Vec<u64> {
    match random.below(4) {
        0 => vec![bytes],
        1 => vec![1_024; (bytes / 1_024).clamp(1, 20_000) as usize],
        _ => {
            let mut files = Vec::new();
            let mut rest = bytes;
            while rest > 0 && files.len() < 500 {
                let size = match random.below(5) {
                    0 => 0,
                    1 => random.below(2_000),
                    _ => random.spread(1_000, bytes.max(2_000)),
                };
                files.push(size.min(rest));
                rest -= size.min(rest);
            }
            files.push(rest);
            files
        }
    }
}

fn disk_at_random(random: &mut Random, course: &Course) -> StorageOptions {
    let mut storage = StorageOptions::default();
    if random.chance(300_000) {
        let speed_bps = random.spread(course.worst_bps / 4 + 100_000, course.worst_bps * 4);
        let halt_us = random.below(4_000_000);
        let speed = RateSchedule::constant(speed_bps)
            .then(2_000_000, 0)
            .then(2_000_000 + halt_us, speed_bps);
        storage.speed = Some(speed);
        storage.buffer = random.spread(1 << 20, 64 << 20);
        storage.latency_us = random.below(30_000);
    }
    if random.chance(150_000) {
        storage.sync_us = random.below(5_000);
    }
    if random.chance(50_000) {
        storage.space = random.below(course.worst_bps / 8 + 1);
    }
    storage
}

fn clock_at_random(random: &mut Random) -> Clock {
    if !random.chance(300_000) {
        return Clock::default();
    }
    Clock {
        offset_us: random.one_of(&[0, (1 << 32) - 3_000_000, 1 << 40]),
        fast_ppm: random.below(1_001) as i32 - 500,
        granularity_us: random.one_of(&[1, 1, 100, 1_000]),
        jump_us: random
            .chance(200_000)
            .then(|| (random.below(5_000_000), random.below(1_000_000))),
    }
}

fn others_at_random(random: &mut Random, path: &Path) -> Vec<CrossOptions> {
    let count = random.one_of(&[0, 0, 0, 1, 1, 2]);
    let others = (0..count).map(|_| {
        let kind = match random.below(4) {
            0 => CrossKind::Model(ControlKind::Cubic),
            1 => CrossKind::Model(ControlKind::Reno),
            2 => CrossKind::Model(ControlKind::Bbr),
            _ => CrossKind::OnOff(OnOff {
                rate_bps: path.rate_bps / 2 + 1,
                on_us: 1 + random.below(1_000_000),
                off_us: random.below(1_000_000),
                spread: Spread::Exponential,
            }),
        };
        let start_us = random.below(OTHERS_END_US / 2);
        CrossOptions {
            start_us,
            stop_us: Some(start_us + random.below(OTHERS_END_US - start_us)),
            ..CrossOptions::bulk(kind)
        }
    });
    others.collect()
}

/// Runs the scenario of `seed` twice and prints its timeline; `false` on a breach.
pub(crate) fn replay(seed: u64) -> io::Result<bool> {
    let scenario = scenario(seed);
    let outcome = scenario.run_twice(seed);
    let mut out = io::stdout().lock();
    writeln!(out, "swarm, seed {seed}: {scenario:#?}")?;
    write!(out, "{}", timeline::of(&scenario, &outcome))?;
    Ok(outcome.breaches.is_empty())
}

/// Runs scenarios of `first` and the seeds after it on all cores for `length`; `false` on a breach.
pub(crate) fn run(first: u64, length: Duration) -> io::Result<bool> {
    let started = Instant::now();
    let (next, packets) = (AtomicU64::new(first), AtomicU64::new(0));
    let enough = AtomicBool::new(false);
    let failed = Mutex::new(Vec::new());
    large_stack::on_all_cores(usize::MAX, || {
        while started.elapsed() < length && !enough.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let outcome = scenario(seed).run_twice_here(seed);
            packets.fetch_add(outcome.packets, Ordering::Relaxed);
            if let Some(breach) = outcome.breaches.into_iter().next() {
                let mut failed = failed.lock().expect("nothing here panics");
                failed.push((seed, breach));
                enough.store(failed.len() >= MOST_TOLD, Ordering::Relaxed);
            }
        }
    });
    let mut out = io::stdout().lock();
    let mut failed = failed.into_inner().expect("nothing here panics");
    failed.sort();
    for (seed, breach) in &failed {
        writeln!(out, "seed {seed}: {breach}")?;
        writeln!(out, "    again: cargo sim swarm --seed {seed} --once")?;
    }
    writeln!(
        out,
        "{} scenarios from seed {first} on, {} packets, {:.0} s; {} with breaches",
        next.load(Ordering::Relaxed) - first,
        packets.load(Ordering::Relaxed),
        started.elapsed().as_secs_f64(),
        failed.len()
    )?;
    Ok(failed.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_always_the_same_scenario() {
        for seed in 0..200 {
            let text = format!("{:?}", scenario(seed));
            assert_eq!(text, format!("{:?}", scenario(seed)));
            assert_ne!(text, format!("{:?}", scenario(seed + 1)));
        }
    }
}
