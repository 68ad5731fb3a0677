//! The line a person watches, and the lines that say how it ended.
//!
//! Formatting is pure; [`ProgressPrinter`] decides when a line is worth drawing. On a terminal
//! the line is rewritten with `\r`, at most four times a second, and at most ten finished files a
//! second keep a line of their own. Anywhere else every file gets one final line and nothing in
//! between. Programs take any line with a percent sign for progress, so no other line has one.
//!
//! Source: the shapes are public facts, from lines that users published; sizes follow the same
//! rule as in `scp`. What is said of failed and skipped files is our wording.

mod printer;

use std::time::Duration;

use super::terminal::{columns, printable};

pub use self::printer::{Display, ProgressPrinter};

/// The width of a terminal that does not tell.
pub const DEFAULT_WIDTH: usize = 80;

/// What follows the name: blank, percentage, blank, size, blank, rate, time, ` ETA`, and the
/// last column, which stays free so that no terminal wraps the line.
const COLUMNS_AFTER_NAME: usize = 1 + 4 + 1 + 6 + 1 + 8 + 9 + 4 + 1;

const NARROWEST_NAME: usize = 8;

/// Where a file stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FileState<'a> {
    /// Data is moving; the time left, if it can be told.
    InFlight(Option<Duration>),
    /// Complete; the time it took, if it was measured.
    Complete(Option<Duration>),
    /// Given up: public number and text.
    Failed(u16, &'a str),
}

/// What one progress line says.
#[derive(Clone, Debug)]
pub struct ProgressFacts<'a> {
    /// The file, as raw bytes.
    pub name: &'a [u8],
    /// What is said behind the name of the whole job, if there is room; may be empty.
    pub counts: String,
    /// Bytes of it that are across.
    pub bytes_done: u64,
    /// Its size in bytes.
    pub bytes_total: u64,
    /// Current rate in bit/s, or the average once it is complete; `None` leaves it blank.
    pub rate_bps: Option<u64>,
    /// Where it stands.
    pub state: FileState<'a>,
}

/// What a finished session moved.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Completion {
    /// Bytes of file content.
    pub bytes: u64,
    /// Time from the first byte to the last.
    pub elapsed: Duration,
    /// Files that are complete at the destination.
    pub files: u64,
    /// Files that are not.
    pub failed: u64,
    /// Files that were left as they are.
    pub skipped: u64,
}

/// The progress line for a terminal of `width` columns, without line end.
///
/// A failed file has a second line with its number and text.
#[must_use]
pub fn progress_line(facts: &ProgressFacts<'_>, width: usize) -> String {
    let name_width = width.saturating_sub(COLUMNS_AFTER_NAME).max(NARROWEST_NAME);
    let name = named(facts, name_width);
    let percent = percent(facts);
    let size = size(facts.bytes_done);
    let start = format!("{name} {percent:>3}% {size}");
    match facts.state {
        FileState::Failed(number, text) => {
            let second = format!("Error {number} [{}]", printable(text.as_bytes()));
            let shift = (name_width + COLUMNS_AFTER_NAME).saturating_sub(5);
            format!("{start}{:12}- error - \n{second:>shift$}     ", "")
        }
        FileState::InFlight(left) => {
            format!("{start} {}{:>9} ETA", rate(facts.rate_bps), time(left))
        }
        FileState::Complete(took) => {
            format!("{start} {}{:>9}    ", rate(facts.rate_bps), time(took))
        }
    }
}

/// The name and the counts behind it in exactly `width` columns; without the counts where hardly a name would be left.
fn named(facts: &ProgressFacts<'_>, width: usize) -> String {
    let name = printable(facts.name);
    let counts = facts.counts.chars().count() + 3;
    if facts.counts.is_empty() || counts + NARROWEST_NAME > width {
        return padded(&name, width);
    }
    let used: usize = name.chars().map(columns).sum();
    let name = padded(&name, used.min(width - counts));
    padded(&format!("{name} ({})", facts.counts), width)
}

/// The two lines at the end of a session that transferred what it could.
#[must_use]
pub fn completion_text(completion: &Completion) -> String {
    let prefix = if completion.failed > 0 {
        "Partial Completion"
    } else {
        "Completed"
    };
    let kibibytes = completion.bytes / 1024;
    let seconds = completion.elapsed.as_secs();
    let kilobits = kilobits_per_second(completion.bytes, completion.elapsed);
    let mut text = format!(
        "{prefix}: {kibibytes}K bytes transferred in {seconds} seconds\n ({kilobits}K bits/sec), in {}",
        counted(completion.files)
    );
    for (count, what) in [
        (completion.failed, "failed"),
        (completion.skipped, "skipped"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {what}", counted(count)));
        }
    }
    text.push_str(".\n");
    text
}

/// `0  `, `1024KB`, `10GB`: at most four digits, six columns.
fn size(bytes: u64) -> String {
    let mut amount = u128::from(bytes);
    let mut units = ["  ", "KB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while amount >= 10_000
        && let Some(larger) = units.next()
    {
        amount = (amount + 512) / 1024;
        unit = larger;
    }
    format!("{amount:>4}{unit}")
}

/// `576Mb/s` in eight columns; blank if the rate is not known.
fn rate(rate_bps: Option<u64>) -> String {
    let Some(bps) = rate_bps else {
        return " ".repeat(8);
    };
    let hundredths = bps.saturating_add(5_000) / 10_000;
    let tenths = bps.saturating_add(50_000) / 100_000;
    let shown = if hundredths < 100 {
        format!("0.{hundredths:02}Mb/s")
    } else if tenths < 1_000 {
        format!("{}.{}Mb/s", tenths / 10, tenths % 10)
    } else {
        format!("{}Mb/s", bps.saturating_add(500_000) / 1_000_000)
    };
    format!("{shown:>8}")
}

/// `MM:SS`, `HH:MM:SS`, or `--:--`.
fn time(span: Option<Duration>) -> String {
    let Some(span) = span else {
        return "--:--".to_owned();
    };
    let seconds = span.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes:02}:{seconds:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// Whole percent, rounded down, so that 100 means all of it. A file that failed has no more to
/// come and shows 100 if its size is 0.
fn percent(facts: &ProgressFacts<'_>) -> u128 {
    let done = u128::from(facts.bytes_done.min(facts.bytes_total));
    (done * 100)
        .checked_div(u128::from(facts.bytes_total))
        .unwrap_or(100)
}

fn kilobits_per_second(bytes: u64, elapsed: Duration) -> u128 {
    (u128::from(bytes) * 8_000_000)
        .checked_div(elapsed.as_nanos())
        .unwrap_or(0)
}

fn counted(files: u64) -> String {
    if files == 1 {
        "1 file".to_owned()
    } else {
        format!("{files} files")
    }
}

/// `name` in exactly `width` columns, cut or filled at the right.
fn padded(name: &str, width: usize) -> String {
    let mut shown = cut(name, width);
    let used: usize = shown.chars().map(columns).sum();
    shown.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    shown
}

/// As much of `text` as fits into `width` columns.
fn cut(text: &str, width: usize) -> String {
    let mut used = 0;
    let fits = |character: &char| {
        used += columns(*character);
        used <= width
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests;
