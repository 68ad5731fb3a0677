//! Many runs at once: on all cores, judged against what must be reached, as a table, as CSV and as pictures.
//!
//! A matrix is a list of cells, each run with every seed. It says in its head what it measures and how.

mod bursts;
mod changes;
mod clocks;
mod completion;
mod cross;
mod disk;
mod execution;
mod extreme;
mod fairness;
mod false_verdicts;
mod goal;
mod grid;
mod jitter;
mod live;
mod policies;
mod reverse;
mod shallow;
mod small_files;
mod stacks;
mod table;
mod transfer;

use std::path::PathBuf;

use crate::scenario::{Outcome, Scenario};

pub(crate) use goal::{Goal, Tally};
pub(crate) use table::Table;

/// One matrix.
pub(crate) struct Matrix {
    pub(crate) name: &'static str,
    /// What it measures, in one line.
    pub(crate) about: &'static str,
    /// Definitions that a reader of the numbers needs.
    pub(crate) notes: &'static str,
    /// First columns: what tells cells apart.
    labels: &'static [&'static str],
    /// Columns of numbers.
    columns: &'static [Column],
    /// Whether the table leaves out cells that reach every goal.
    misses_only: bool,
    cells: fn(&Plan) -> Vec<Cell>,
    /// Goals of the matrix as a whole.
    overall: fn(&[Row]) -> Vec<Check>,
}

/// All of them, in the order of the results.
pub(crate) const MATRICES: &[Matrix] = &[
    grid::MATRIX,
    extreme::MATRIX,
    bursts::MATRIX,
    jitter::MATRIX,
    shallow::SHALLOW,
    shallow::POLICERS,
    reverse::MATRIX,
    completion::MATRIX,
    fairness::MATRIX,
    false_verdicts::MATRIX,
    policies::MATRIX,
    cross::MATRIX,
    changes::MATRIX,
    live::MATRIX,
    small_files::MATRIX,
    disk::MATRIX,
    clocks::MATRIX,
    stacks::MATRIX,
];

impl Plan {
    /// Everything, with `seeds`.
    pub(crate) const fn full(seeds: Vec<u64>) -> Self {
        Self {
            seeds,
            extent: Extent::Full,
            twice: true,
            only: None,
            pictures: None,
            misses_only: false,
        }
    }
}

/// Names and what they measure, with the number of cells and of packets.
pub(crate) fn names() -> Vec<(&'static str, String)> {
    let with_size = |matrix: &Matrix| {
        let cells = (matrix.cells)(&Plan::full(vec![1]));
        let millions = cells.iter().map(Cell::packets).sum::<f64>() / 1e6;
        let (about, count) = (matrix.about, cells.len());
        format!("{about} ({count} cells, {millions:.0} million packets for each seed)")
    };
    MATRICES
        .iter()
        .map(|matrix| (matrix.name, with_size(matrix)))
        .collect()
}

/// The matrix called `name`.
pub(crate) fn named(name: &str) -> Option<&'static Matrix> {
    MATRICES.iter().find(|matrix| matrix.name == name)
}

/// How much of a matrix is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// A few small cells.
    Smoke,
    /// Without the cells of more than a million packets.
    Brief,
    /// Everything.
    Full,
}

/// What of a matrix is run, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seeds: Vec<u64>,
    pub(crate) extent: Extent,
    /// Each run twice, to see that it is the same again.
    pub(crate) twice: bool,
    /// Only cells whose labels, joined by spaces, contain this.
    pub(crate) only: Option<String>,
    /// Folder for pictures of the runs.
    pub(crate) pictures: Option<PathBuf>,
    /// Pictures only of runs that miss a goal.
    pub(crate) misses_only: bool,
}

impl Plan {
    fn is_smoke(&self) -> bool {
        self.extent == Extent::Smoke
    }
}

/// Packets of the largest cell of a brief matrix.
const BRIEF_PACKETS: f64 = 1.0e6;

/// What to run, and how to make a row of it.
struct Cell {
    /// First columns of the row.
    labels: Vec<String>,
    scenario: Scenario,
    judge: Judge,
    /// The only seed it is run with, where cells are drawn by chance themselves.
    only_seed: Option<u64>,
}

type Judge = Box<dyn Fn(&Scenario, &Outcome) -> Verdict + Send + Sync>;

impl Cell {
    fn new(
        labels: impl IntoIterator<Item = String>,
        scenario: Scenario,
        judge: impl Fn(&Scenario, &Outcome) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self {
            labels: labels.into_iter().collect(),
            scenario,
            judge: Box::new(judge),
            only_seed: None,
        }
    }

    /// About so many packets, full link for the whole time.
    fn packets(&self) -> f64 {
        let path = &self.scenario.path;
        let rate = path.ceiling_bps() / 8.0 / f64::from(path.datagram);
        let until_limit = rate * self.scenario.limit_us as f64 / 1e6;
        let bytes: u64 = self.scenario.flows.iter().flat_map(|f| &f.files).sum();
        until_limit.min(bytes as f64 / f64::from(path.datagram))
    }
}

/// A column of numbers.
#[derive(Clone, Copy, Debug)]
struct Column {
    name: &'static str,
    decimals: usize,
    /// Which of several seeds' numbers is the worst.
    worst: Worst,
}

#[derive(Clone, Copy, Debug)]
enum Worst {
    Least,
    Most,
    /// The one farthest from this.
    Farthest(f64),
}

const fn least(name: &'static str, decimals: usize) -> Column {
    let worst = Worst::Least;
    Column {
        name,
        decimals,
        worst,
    }
}

const fn most(name: &'static str, decimals: usize) -> Column {
    let worst = Worst::Most;
    Column {
        name,
        decimals,
        worst,
    }
}

const fn farthest(name: &'static str, decimals: usize, from: f64) -> Column {
    let worst = Worst::Farthest(from);
    Column {
        name,
        decimals,
        worst,
    }
}

/// Whether one goal was reached.
#[derive(Clone, Debug)]
struct Check {
    goal: Goal,
    reached: bool,
    /// What is not as it must be.
    text: String,
}

/// What a run measured, and which goals it reached.
#[derive(Debug)]
struct Verdict {
    /// One number for each column; not a number where there is nothing to measure.
    values: Vec<f64>,
    checks: Vec<Check>,
}

impl Verdict {
    fn new(values: impl Into<Vec<f64>>) -> Self {
        Self {
            values: values.into(),
            checks: Vec::new(),
        }
    }

    /// Records whether `goal` was reached; `otherwise` says how not.
    fn check(mut self, goal: Goal, reached: bool, otherwise: impl Into<String>) -> Self {
        self.checks.push(Check {
            goal,
            reached,
            text: otherwise.into(),
        });
        self
    }
}

/// One run of one cell.
#[derive(Debug)]
struct Row {
    labels: Vec<String>,
    seed: u64,
    values: Vec<f64>,
    checks: Vec<Check>,
    breaches: Vec<String>,
    packets: u64,
    picture: Option<String>,
}

impl Matrix {
    /// Runs what `plan` says.
    pub(crate) fn run(&self, plan: &Plan) -> std::io::Result<Table> {
        let mut cells = (self.cells)(plan);
        if plan.extent == Extent::Brief {
            cells.retain(|cell| cell.packets() <= BRIEF_PACKETS);
        }
        if let Some(only) = &plan.only {
            cells.retain(|cell| cell.labels.join(" ").contains(only.as_str()));
        }
        let rows = execution::run_all(self, &cells, plan)?;
        let overall = if plan.extent == Extent::Full && plan.only.is_none() {
            (self.overall)(&rows)
        } else {
            Vec::new()
        };
        Ok(Table::new(self, rows, overall))
    }
}

fn nothing_overall(_: &[Row]) -> Vec<Check> {
    Vec::new()
}

/// `100M`, `1G`.
fn rate_name(rate_bps: u64) -> String {
    if rate_bps >= 1_000_000_000 {
        format!("{}G", rate_bps / 1_000_000_000)
    } else {
        format!("{}M", rate_bps / 1_000_000)
    }
}

/// Parts per million as a percentage.
fn percent(ppm: u64) -> String {
    (ppm as f64 / 1e4).to_string()
}

/// The most that may stand in the queue with `flows` own flows on `rate_bps`, ms: the target queueing delay,
/// whose jitter term is 0.5 ms, and 30 %.
fn queue_bound_ms(flows: usize, rate_bps: u64) -> f64 {
    1.3 * (0.5 + 10.0 * (flows as f64 * 1e7 / rate_bps as f64).sqrt())
}
