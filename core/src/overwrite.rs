//! What becomes of a file that is offered while something already stands under its name: `--overwrite` and `-k`.
//!
//! One table, no I/O. Two steps, because reading files to compare them costs time: [`decide`] says what the attributes
//! alone allow to say, and [`Verdict::Compare`] asks the host for one comparison of contents, whose outcome
//! [`after_comparison`] takes.
//!
//! Source: the public texts of `--overwrite` and `-k`. Where they contradict each other (`diff+older` without `-k` is
//! said to overwrite always, and never what is newer), what is newer stays: nothing is lost that way.

#[cfg(test)]
mod tests;

use crate::control::choices::{OverwriteRule, ResumeLevel};

/// Size and time of a file, which say whether it is the same and which is older.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Attributes {
    /// Bytes.
    pub size: u64,
    /// Modification time, nanoseconds since 1970.
    pub modified_ns: i64,
}

/// What stands at the destination already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Present {
    /// The complete file under the final name.
    pub complete: Option<Attributes>,
    /// There is a partial file whose record says that it belongs to this very source.
    pub partial: bool,
}

/// How two complete files of the same size are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Comparison {
    /// Samples.
    Sparse,
    /// Every byte.
    Full,
}

/// What to do with the offered file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Verdict {
    /// Leave what is there; nothing is sent.
    Skip,
    /// Send all of it.
    Send,
    /// Send what the partial file lacks.
    Continue,
    /// It depends on whether the contents differ.
    Compare(Comparison),
}

/// What `--overwrite=rule` with `-k level` says about `source` when `present` stands at its destination.
#[must_use]
pub fn decide(
    rule: OverwriteRule,
    level: ResumeLevel,
    source: Attributes,
    present: Present,
) -> Verdict {
    let send = if present.partial && level != ResumeLevel::Restart {
        Verdict::Continue
    } else {
        Verdict::Send
    };
    let Some(complete) = present.complete else {
        return send;
    };
    let is_older = complete.modified_ns < source.modified_ns;
    match rule {
        OverwriteRule::Never => Verdict::Skip,
        OverwriteRule::Always => send,
        OverwriteRule::Older if is_older => send,
        OverwriteRule::DiffOlder if !is_older => Verdict::Skip,
        OverwriteRule::Older => Verdict::Skip,
        OverwriteRule::Diff | OverwriteRule::DiffOlder => {
            if differs(level, source, complete) {
                return send;
            }
            match level {
                ResumeLevel::Restart | ResumeLevel::Attributes => Verdict::Skip,
                ResumeLevel::Sparse => Verdict::Compare(Comparison::Sparse),
                ResumeLevel::Full => Verdict::Compare(Comparison::Full),
            }
        }
    }
}

/// What follows from a comparison that [`decide`] asked for.
#[must_use]
pub const fn after_comparison(contents_differ: bool) -> Verdict {
    if contents_differ {
        Verdict::Send
    } else {
        Verdict::Skip
    }
}

/// Whether the files differ as far as their attributes tell.
///
/// Without `-k` they always do. The time does not count: a copy that was made without `-p` has another one.
fn differs(level: ResumeLevel, source: Attributes, complete: Attributes) -> bool {
    level == ResumeLevel::Restart || source.size != complete.size
}
