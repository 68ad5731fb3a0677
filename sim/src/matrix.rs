//! Many runs at once: on all cores, judged against what must be reached, as a table and as CSV.

mod fairness;
mod grid;
mod policies;
mod stacks;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::scenario::{Outcome, Scenario};

/// Names and what they measure.
pub(crate) const NAMES: [(&str, &str); 4] = [
    ("grid", "one flow: round trip x loss x rate"),
    ("fairness", "several own flows sharing one bottleneck"),
    ("policies", "high against fair, low against fair"),
    ("stacks", "hosts with a real stack against bare ones"),
];

/// How much of a matrix is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// A few small cells.
    Smoke,
    /// Without the cells of more than 1.2 million packets.
    Brief,
    /// Everything.
    Full,
}

/// One run of a matrix: what to run, with which seed, and how to make a row of it.
struct Cell {
    scenario: Scenario,
    seed: u64,
    /// First columns of the row.
    labels: Vec<String>,
    judge: fn(&Scenario, &Outcome) -> Verdict,
}

/// What a run measured, and which goals it missed.
struct Verdict {
    values: Vec<String>,
    misses: Vec<String>,
    /// The number that the whole matrix has a mean of.
    main: f64,
}

impl Verdict {
    fn miss(&mut self, missed: bool, text: impl FnOnce() -> String) {
        if missed {
            self.misses.push(text());
        }
    }
}

/// The rows of a matrix.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    pub(crate) runs: usize,
    pub(crate) missed: usize,
    /// Runs in which something happened that must never happen.
    pub(crate) breached: usize,
    pub(crate) packets: u64,
    main_name: &'static str,
    main_mean: f64,
    main_least: f64,
}

/// Runs the matrix called `name` with `seeds`.
pub(crate) fn run(name: &str, seeds: &[u64], extent: Extent) -> Option<Table> {
    Some(match name {
        "grid" => table("grid", "steady", grid::header(), grid::cells(seeds, extent)),
        "fairness" => table(
            "fairness",
            "Jain",
            fairness::header(),
            fairness::cells(seeds, extent),
        ),
        "policies" => table(
            "policies",
            "ratio",
            policies::header(),
            policies::cells(seeds, extent),
        ),
        "stacks" => table(
            "stacks",
            "ratio",
            stacks::header(),
            stacks::cells(seeds, extent),
        ),
        _ => return None,
    })
}

fn table(
    name: &'static str,
    main_name: &'static str,
    mut header: Vec<&'static str>,
    cells: Vec<Cell>,
) -> Table {
    header.extend(["seed", "missed"]);
    let results = in_parallel(&cells);
    let mut table = Table {
        name,
        header,
        rows: Vec::new(),
        runs: cells.len(),
        missed: 0,
        breached: 0,
        packets: 0,
        main_name,
        main_mean: 0.0,
        main_least: f64::INFINITY,
    };
    for (cell, (mut verdict, breaches, packets)) in cells.iter().zip(results) {
        table.packets += packets;
        table.breached += usize::from(!breaches.is_empty());
        verdict
            .misses
            .extend(breaches.into_iter().map(|text| format!("BREACH {text}")));
        table.missed += usize::from(!verdict.misses.is_empty());
        table.main_mean += verdict.main / cells.len() as f64;
        table.main_least = table.main_least.min(verdict.main);
        let mut row = cell.labels.clone();
        row.extend(verdict.values);
        row.extend([cell.seed.to_string(), verdict.misses.join("; ")]);
        table.rows.push(row);
    }
    table
}

fn in_parallel(cells: &[Cell]) -> Vec<(Verdict, Vec<String>, u64)> {
    // The longest first, so that no core waits for one that began late.
    let mut order: Vec<usize> = (0..cells.len()).collect();
    let work = |index: &usize| -> u64 {
        cells[*index]
            .scenario
            .flows
            .iter()
            .flat_map(|flow| &flow.files)
            .sum()
    };
    order.sort_by_key(|index| std::cmp::Reverse(work(index)));
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(cells.len()) {
            scope.spawn(|| {
                while let Some(&index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let cell = &cells[index];
                    let outcome = cell.scenario.run(cell.seed);
                    let verdict = (cell.judge)(&cell.scenario, &outcome);
                    let mut results = results
                        .lock()
                        .expect("no run panics while it holds the results");
                    results.push((index, (verdict, outcome.breaches, outcome.packets)));
                }
            });
        }
    });
    let mut results = results
        .into_inner()
        .expect("no run panics while it holds the results");
    results.sort_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

impl Table {
    /// As Markdown, aligned for reading as it stands.
    pub(crate) fn to_markdown(&self) -> String {
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(String::len);
            cells.chain([self.header[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!(" {cell:>width$} "));
            format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
        };
        let mut text = line(self.header.clone());
        let rule: Vec<String> = widths
            .iter()
            .map(|&width| "-".repeat(width + 1) + ":")
            .collect();
        text += &format!("|{}|\n", rule.join("|"));
        for row in &self.rows {
            text += &line(row.iter().map(String::as_str).collect());
        }
        text
    }

    /// One line: how much was reached.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{}: {} of {} runs reach every goal; {}: mean {:.4}, least {:.4}; {} runs with breaches",
            self.name,
            self.runs - self.missed,
            self.runs,
            self.main_name,
            self.main_mean,
            self.main_least,
            self.breached
        )
    }

    /// As comma-separated values.
    pub(crate) fn to_csv(&self) -> String {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "'"));
        let mut text = self.header.join(",") + "\n";
        for row in &self.rows {
            let cells: Vec<String> = row
                .iter()
                .map(|cell| {
                    if cell.contains([',', '"', ';']) {
                        quoted(cell)
                    } else {
                        cell.clone()
                    }
                })
                .collect();
            text += &(cells.join(",") + "\n");
        }
        text
    }
}

fn rate_name(rate_bps: u64) -> String {
    if rate_bps >= 1_000_000_000 {
        format!("{}G", rate_bps / 1_000_000_000)
    } else {
        format!("{}M", rate_bps / 1_000_000)
    }
}
