//! The commands: list, run one, run a matrix, write the results file.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};

use crate::marks::TransferMarks;
use crate::matrix::{Extent, MATRICES, Matrix, Plan};
use crate::scenario::Scenario;
use crate::{matrix, named_runs, paths, results, swarm, timeline};

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
    /// One fair transfer on a plain path, as one line of `key=value` for scripts.
    Transfer {
        /// Rate of the bottleneck, bit/s of Ethernet frames.
        #[arg(long)]
        rate_bps: u64,
        /// Round trip, ms.
        #[arg(long)]
        round_trip_ms: u64,
        /// Independent losses behind the bottleneck, millionths.
        #[arg(long, default_value_t = 0)]
        loss_ppm: u64,
        /// How long the transfer takes if it goes well.
        #[arg(long, default_value_t = 10)]
        seconds: u32,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// A whole matrix on all cores: prints a table, writes CSV and pictures; fails on a breach only.
    ///
    /// Each run is repeated and must give the same trace. A cell that misses a goal says which.
    Matrix {
        /// A name from the list, or `all`.
        name: String,
        #[command(flatten)]
        extent: ExtentArguments,
        /// Seeds; odd ones are for reports, even ones for tuning.
        #[arg(long, value_delimiter = ',', default_value = "1")]
        seeds: Vec<u64>,
        /// Each run only once: half the time, for tuning.
        #[arg(long)]
        once: bool,
        /// Only cells whose labels, joined by spaces, contain this text.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Folder in which each matrix gets one for its CSV and pictures.
        #[arg(long, value_name = "FOLDER", default_value = "target/sim")]
        out: PathBuf,
    },
    /// Random scenarios on all cores until the time is over, each twice; fails on a breach.
    ///
    /// Prints the seed of every scenario in which something happened that must never happen, and the command
    /// that runs it again.
    Swarm {
        /// How long to go on.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The first seed; the next ones follow.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Only the scenario of the first seed: says what it is made of and prints its timeline.
        #[arg(long)]
        once: bool,
    },
    /// Runs every matrix and writes its numbers to a file.
    Results {
        /// Seeds; odd ones are for reports, even ones for tuning.
        #[arg(long, value_delimiter = ',', default_value = "1,3,5")]
        seeds: Vec<u64>,
        #[command(flatten)]
        extent: ExtentArguments,
        /// Each run only once: half the time.
        #[arg(long)]
        once: bool,
        /// The file to write.
        #[arg(long, default_value = "sim/RESULTS.md")]
        file: PathBuf,
        /// Folder for a CSV of each matrix and its pictures.
        #[arg(long, value_name = "FOLDER", default_value = "target/sim")]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct ExtentArguments {
    /// Only a few small cells, short.
    #[arg(long, conflicts_with = "brief")]
    smoke: bool,
    /// Without the cells of more than a million packets.
    #[arg(long)]
    brief: bool,
}

impl ExtentArguments {
    const fn extent(self) -> Extent {
        match (self.smoke, self.brief) {
            (true, _) => Extent::Smoke,
            (false, true) => Extent::Brief,
            (false, false) => Extent::Full,
        }
    }
}

/// The program.
pub(crate) fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::List => list(),
        Command::Run { name, seed } => run(&name, seed),
        Command::Matrix {
            name,
            extent,
            seeds,
            once,
            only,
            out,
        } => {
            let plan = Plan {
                extent: extent.extent(),
                twice: !once,
                only,
                ..Plan::full(seeds)
            };
            run_matrices(&name, &plan, &out)
        }
        Command::Transfer {
            rate_bps,
            round_trip_ms,
            loss_ppm,
            seconds,
            seed,
        } => {
            let path = paths::Path::plain(rate_bps, round_trip_ms * 1_000, loss_ppm);
            transfer(Scenario::transfer(path, seconds.into()), seed)
        }
        Command::Swarm {
            seed, once: true, ..
        } => swarm::replay(seed),
        Command::Swarm { seconds, seed, .. } => swarm::run(seed, Duration::from_secs(seconds)),
        Command::Results {
            seeds,
            extent,
            once,
            file,
            out,
        } => {
            let plan = Plan {
                extent: extent.extent(),
                twice: !once,
                ..Plan::full(seeds)
            };
            results::write(&plan, &file, &out)
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

/// The goodput that the matrices call steady, in one line.
fn transfer(scenario: Scenario, seed: u64) -> io::Result<bool> {
    let outcome = scenario.run_twice(seed);
    let marks = TransferMarks::of(&scenario, &outcome);
    let possible = scenario.path.ceiling_bps();
    writeln!(
        io::stdout().lock(),
        "goodput_bps={:.0} possible_bps={possible:.0} efficiency={:.4} breaches={}",
        marks.efficiency * possible,
        marks.efficiency,
        outcome.breaches.len()
    )?;
    Ok(outcome.breaches.is_empty())
}

fn list() -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for (title, names) in [
        ("paths, each a run of one transfer", paths::NAMES.as_slice()),
        ("other runs", named_runs::NAMES.as_slice()),
    ] {
        writeln!(out, "{title}:")?;
        for (name, about) in names {
            writeln!(out, "  {name:14} {about}")?;
        }
    }
    writeln!(out, "matrices:")?;
    for (name, about) in matrix::names() {
        writeln!(out, "  {name:14} {about}")?;
    }
    Ok(true)
}

fn unknown(kind: &str, name: &str) -> io::Error {
    io::Error::other(format!(
        "there is no {kind} called {name}; `cargo sim list` names all"
    ))
}

fn run(name: &str, seed: u64) -> io::Result<bool> {
    let scenario = named_runs::named(name).ok_or_else(|| unknown("run", name))?;
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

fn run_matrices(name: &str, plan: &Plan, out: &Path) -> io::Result<bool> {
    if name != "all" {
        let matrix = matrix::named(name).ok_or_else(|| unknown("matrix", name))?;
        return run_matrix(matrix, plan, &out.join(name));
    }
    let mut clean = true;
    for matrix in MATRICES {
        clean &= run_matrix(matrix, plan, &out.join(matrix.name))?;
    }
    Ok(clean)
}

fn run_matrix(matrix: &Matrix, plan: &Plan, out: &Path) -> io::Result<bool> {
    let started = Instant::now();
    std::fs::create_dir_all(out)?;
    let plan = Plan {
        pictures: Some(out.to_owned()),
        ..plan.clone()
    };
    let table = matrix.run(&plan)?;
    let seconds = started.elapsed().as_secs_f64();
    std::fs::write(out.join("table.csv"), table.to_csv())?;
    let mut text = io::stdout().lock();
    writeln!(
        text,
        "\n{}: {}\n\n{}\n",
        matrix.name, matrix.about, matrix.notes
    )?;
    write!(
        text,
        "{}\n{}",
        table.to_markdown(),
        table.tally().to_markdown()
    )?;
    write!(text, "\n{}", table.summary())?;
    writeln!(text, "table: {}", out.join("table.csv").display())?;
    if let Some((worst, typical)) = table.worst_and_typical() {
        writeln!(text, "pictures: worst {worst}, typical {typical}")?;
    }
    writeln!(
        text,
        "took {seconds:.1} s of this machine, {:.0} packets a second on all cores",
        table.packets() as f64 / seconds
    )?;
    Ok(table.breached() == 0)
}
