//! The commands: list, run one, run a matrix, write the results file.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

use crate::matrix::Extent;
use crate::{matrix, paths, results, scenario, timeline};

#[derive(Debug, Parser)]
#[command(
    name = "sim",
    about = "Transfers on model paths in virtual time; every run can be repeated by its seed"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Names of all runs and matrices.
    List,
    /// One run twice, as a timeline; fails if anything happened that must never happen.
    Run {
        /// A name from the list.
        name: String,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A whole matrix on all cores, as a table.
    Matrix {
        /// A name from the list.
        name: String,
        /// Only a few cells; fails on a breach only.
        #[arg(long, conflicts_with = "brief")]
        smoke: bool,
        /// Without the largest cells.
        #[arg(long)]
        brief: bool,
        /// Seeds; odd ones are for reports, even ones for tuning.
        #[arg(long, value_delimiter = ',', default_value = "1")]
        seeds: Vec<u64>,
        /// Where to write the table as comma-separated values.
        #[arg(long)]
        csv: Option<std::path::PathBuf>,
    },
    /// Runs every matrix and writes its numbers to a file.
    Results {
        #[arg(long, value_delimiter = ',', default_value = "1")]
        seeds: Vec<u64>,
        /// Without the largest cells.
        #[arg(long)]
        brief: bool,
        #[arg(long, default_value = "sim/RESULTS.md")]
        file: std::path::PathBuf,
    },
}

/// The program.
pub(crate) fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::List => list(),
        Command::Run { name, seed } => run(&name, seed),
        Command::Matrix {
            name,
            smoke,
            brief,
            seeds,
            csv,
        } => run_matrix(&name, &seeds, extent(smoke, brief), csv.as_deref()),
        Command::Results { seeds, brief, file } => {
            results::write(&seeds, extent(false, brief), &file).map(|()| true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to tell it to if this fails.
            let _ = writeln!(io::stderr(), "sim: {error}");
            ExitCode::FAILURE
        }
    }
}

const fn extent(smoke: bool, brief: bool) -> Extent {
    match (smoke, brief) {
        (true, _) => Extent::Smoke,
        (false, true) => Extent::Brief,
        (false, false) => Extent::Full,
    }
}

fn list() -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for (title, names) in [
        ("paths, each a run of one transfer", paths::NAMES.as_slice()),
        ("other runs", scenario::NAMES.as_slice()),
        ("matrices", matrix::NAMES.as_slice()),
    ] {
        writeln!(out, "{title}:")?;
        for (name, about) in names {
            writeln!(out, "  {name:14} {about}")?;
        }
    }
    Ok(true)
}

fn unknown(kind: &str, name: &str) -> io::Error {
    io::Error::other(format!(
        "there is no {kind} called {name}; `cargo sim list` names all"
    ))
}

fn run(name: &str, seed: u64) -> io::Result<bool> {
    let scenario = scenario::named(name).ok_or_else(|| unknown("run", name))?;
    let started = Instant::now();
    let outcome = scenario.run_twice(seed);
    let seconds = started.elapsed().as_secs_f64();
    let mut out = io::stdout().lock();
    writeln!(out, "{name}, seed {seed}")?;
    write!(out, "{}", timeline::of(&scenario, &outcome))?;
    let speed = 2.0 * outcome.packets as f64 / seconds;
    writeln!(
        out,
        "two runs took {seconds:.2} s of this machine, {speed:.0} packets a second"
    )?;
    Ok(outcome.breaches.is_empty())
}

fn run_matrix(
    name: &str,
    seeds: &[u64],
    extent: Extent,
    csv: Option<&std::path::Path>,
) -> io::Result<bool> {
    let started = Instant::now();
    let table = matrix::run(name, seeds, extent).ok_or_else(|| unknown("matrix", name))?;
    let seconds = started.elapsed().as_secs_f64();
    let mut out = io::stdout().lock();
    write!(out, "{}", table.to_markdown())?;
    writeln!(out, "{}", table.summary())?;
    let speed = table.packets as f64 / seconds;
    writeln!(
        out,
        "took {seconds:.1} s of this machine, {speed:.0} packets a second on all cores"
    )?;
    if let Some(file) = csv {
        std::fs::write(file, table.to_csv())?;
    }
    Ok(table.breached == 0)
}
