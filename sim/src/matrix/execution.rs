//! Runs cells on all cores, the longest first, and tells how far it is.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::{Cell, Matrix, Plan, Row};
use crate::{large_stack, plot};

/// All runs of `cells`, in their order and for each in the order of seeds.
pub(super) fn run_all(matrix: &Matrix, cells: &[Cell], plan: &Plan) -> io::Result<Vec<Row>> {
    let mut jobs: Vec<(usize, u64)> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        match cell.only_seed {
            Some(seed) => jobs.push((index, seed)),
            None => jobs.extend(plan.seeds.iter().map(|&seed| (index, seed))),
        }
    }
    // No core waits for a long run that began late.
    jobs.sort_by(|a, b| {
        let work = |job: &(usize, u64)| cells[job.0].packets();
        work(b).total_cmp(&work(a))
    });
    let progress = Progress::new(
        matrix.name,
        jobs.iter().map(|job| cells[job.0].packets()).sum(),
    );
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    large_stack::on_all_cores(jobs.len(), || {
        while let Some(&(cell, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let row = run(matrix, &cells[cell], seed, plan);
            progress.add(cells[cell].packets());
            let mut rows = rows.lock().expect("no run panics while it holds the rows");
            rows.push((cell, row));
        }
    });
    progress.end();
    let mut rows = rows
        .into_inner()
        .expect("no run panics while it holds the rows");
    let place = |seed: u64| plan.seeds.iter().position(|&other| other == seed);
    rows.sort_by_key(|(cell, row)| {
        let seed = row.as_ref().map_or(0, |row| row.seed);
        (*cell, place(seed))
    });
    rows.into_iter().map(|(_, row)| row).collect()
}

fn run(matrix: &Matrix, cell: &Cell, seed: u64, plan: &Plan) -> io::Result<Row> {
    let outcome = if plan.twice {
        cell.scenario.run_twice_here(seed)
    } else {
        cell.scenario.run_here(seed)
    };
    let verdict = (cell.judge)(&cell.scenario, &outcome);
    let good = outcome.breaches.is_empty() && verdict.checks.iter().all(|check| check.reached);
    let picture = match &plan.pictures {
        Some(folder) if !(good && (plan.misses_only || matrix.misses_only)) => {
            let labels = cell.labels.join(" ");
            let file = folder.join(format!(
                "{}-seed-{seed}.svg",
                labels.replace(['/', ' '], "-")
            ));
            let named = matrix.labels.iter().zip(&cell.labels);
            let named = named.map(|(name, label)| format!("{name} {label}"));
            let named: Vec<String> = named.collect();
            let title = format!("{}: {}, seed {seed}", matrix.name, named.join(", "));
            std::fs::write(&file, plot::of(&title, &cell.scenario, &outcome))?;
            Some(file.display().to_string())
        }
        _ => None,
    };
    Ok(Row {
        labels: cell.labels.clone(),
        seed,
        values: verdict.values,
        checks: verdict.checks,
        packets: outcome.packets,
        picture,
        breaches: outcome.breaches,
    })
}

/// A bar on the terminal; nothing elsewhere.
struct Progress {
    name: String,
    shown: bool,
    started: Instant,
    all: f64,
    done: Mutex<(f64, usize)>,
}

impl Progress {
    fn new(name: &str, all: f64) -> Self {
        Self {
            name: name.to_owned(),
            shown: io::stderr().is_terminal(),
            started: Instant::now(),
            all,
            done: Mutex::new((0.0, 0)),
        }
    }

    fn add(&self, work: f64) {
        if !self.shown {
            return;
        }
        let mut done = self.done.lock().expect("nothing here panics");
        done.0 += work;
        done.1 += 1;
        let share = (done.0 / self.all.max(1.0)).min(1.0);
        let seconds = self.started.elapsed().as_secs_f64();
        let bar = "#".repeat((share * 30.0) as usize);
        // A bar that cannot be shown is not missed.
        let _ = write!(
            io::stderr(),
            "\r{}: {} runs [{bar:30}] {:3.0} %, {seconds:.0} s, {:.0} s left ",
            self.name,
            done.1,
            share * 100.0,
            seconds / share.max(1e-3) * (1.0 - share)
        );
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{:100}\r", "");
        }
    }
}
