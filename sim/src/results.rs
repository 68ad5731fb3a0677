//! The results file: every matrix, with the command, the seeds and the date.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use crate::matrix::{self, Extent};

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

/// Runs every matrix with `seeds` and writes what came of it to `file`.
pub(crate) fn write(seeds: &[u64], extent: Extent, file: &Path) -> io::Result<()> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let seeds_text = seeds
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(",");
    let option = if extent == Extent::Brief {
        " --brief"
    } else {
        ""
    };
    let mut text = format!(
        "# What the simulation measures\n\n\
         Written by `cargo sim results --seeds {seeds_text}{option}` on {}; do not edit. A cell that misses a goal says which.\n\n\
         One fair flow, unless said otherwise; goodput is file bytes, relative to C(1-p) after Ethernet, IP, UDP and our\n\
         headers. `steady`: from a quarter to 95 % of the bytes. `t90`: first time, in round trips, that a quarter\n\
         round trip (20 ms at least) arrived at 90 % of the possible rate. `queue`: waiting time at the bottleneck.\n\
         `sent-1`: file bytes sent over file bytes needed, less one, and what is allowed. `twice`: file bytes that came\n\
         although they were there. `tail`: from the last new byte to completion, less the way there. 10G has jumbo frames.\n",
        date_of(since / 86_400)
    );
    for (name, about) in matrix::NAMES {
        let Some(table) = matrix::run(name, seeds, extent) else {
            continue;
        };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n## {name}: {about}\n\n{}\n\n{}",
            table.summary(),
            table.to_markdown()
        );
    }
    fs::write(file, text)
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
