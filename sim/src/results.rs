//! The results file: every matrix, with the command, the seeds and the date.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use crate::matrix::{Extent, MATRICES, Plan, Tally};

/// Days since 1970 as year, month and day (proleptic Gregorian).
fn date_of(days: u64) -> String {
    // Years are counted from March 0000, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let in_month = in_year - (153 * month + 2) / 5 + 1;
    let calendar_month = if month < 10 { month + 3 } else { month - 9 };
    let calendar_year = era * 400 + year + u64::from(calendar_month <= 2);
    format!("{calendar_year:04}-{calendar_month:02}-{in_month:02}")
}

const DEFINITIONS: &str = "\
One fair flow, unless said otherwise. Goodput is file bytes, relative to C(1-p) after Ethernet, IP, UDP and our headers.
`steady`: from a quarter to 95 % of the bytes. `t90`: first moment, in round trips, at which 90 % of the possible rate
arrived for a quarter round trip (16 full packets at least) and goes on to arrive for four round trips (20 ms at least).
`queue`: mean waiting time at the bottleneck, from a quarter of the time on. `sent-1`: file bytes repeated over file bytes
sent first, from a quarter to 95 % of the bytes; `of allowed`: that to p/(1-p) x 1.02 + 0.1 %, with the p that the
path lost at random in that run. `twice`: file bytes of the last three quarters that came although they were there. `tail`: from
the last new byte to completion less the way there, in round trips including the mean queue. 10G has jumbo frames.
Each row is one cell: of each column the worst number of all seeds.
";

/// The matrix that is run with every seed.
const EVERY_SEED: &str = "grid";

/// The grid is the yardstick and runs with all seeds; the others, most of which have several cells of a kind, with the first.
fn seeds_for(matrix: &str, seeds: &[u64]) -> Vec<u64> {
    let count = if matrix == EVERY_SEED { seeds.len() } else { 1 };
    seeds.iter().take(count).copied().collect()
}

/// Runs every matrix, writes what came of it to `file` and a CSV of each with pictures to folders in `out`;
/// `false` if something happened that must never happen.
pub(crate) fn write(plan: &Plan, file: &Path, out: &Path) -> io::Result<bool> {
    let started = Instant::now();
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut tally = Tally::default();
    let (mut tables, mut breached) = (String::new(), 0);
    for matrix in MATRICES {
        let folder = out.join(matrix.name);
        fs::create_dir_all(&folder)?;
        let plan = Plan {
            pictures: Some(folder.clone()),
            misses_only: true,
            seeds: seeds_for(matrix.name, &plan.seeds),
            ..plan.clone()
        };
        let table = matrix.run(&plan)?;
        fs::write(folder.join("table.csv"), table.to_csv())?;
        tally.add(&table.tally());
        breached += table.breached();
        // Writing to a String cannot fail.
        let _ = write!(
            tables,
            "\n## {}: {}\n\n{}\n\n{}\n{}",
            matrix.name,
            matrix.about,
            matrix.notes,
            table.summary(),
            table.to_markdown()
        );
    }
    let seeds: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
    let brief = match plan.extent {
        Extent::Full => "",
        Extent::Brief => " --brief",
        Extent::Smoke => " --smoke",
    };
    let (once, repeated) = if plan.twice {
        ("", "Every run was repeated and gave the same trace.")
    } else {
        (" --once", "No run was repeated.")
    };
    let text = format!(
        "# What the simulation measures\n\n\
         Written by `cargo sim results --seeds {}{brief}{once}` on {} in {:.0} minutes; do not edit.\n\
         The grid ran with every seed, the other matrices with the first.\n\n\
         ## Goals\n\n{}\n{breached} runs in which something happened that must never happen.\n\n\
         ## Definitions\n\n{DEFINITIONS}{repeated}\n{tables}",
        seeds.join(","),
        date_of(since / 86_400),
        started.elapsed().as_secs_f64() / 60.0,
        tally.to_markdown(),
    );
    fs::write(file, text)?;
    Ok(breached == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, date) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
        ] {
            assert_eq!(date_of(days), date);
        }
    }
}
