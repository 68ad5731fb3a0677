//! Which files go, under which names.

use std::path::PathBuf;

use fasp_core::control::WantedBytes;
use fasp_core::selection::links::LinkMethod;

use crate::storage::selection::RuleList;

/// A point in time as the user gave it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeLimit {
    /// Seconds since 1970.
    At(i64),
    /// Seconds before the transfer starts.
    BeforeNow(u64),
}

impl TimeLimit {
    /// Seconds since 1970, where it is `now`.
    #[must_use]
    pub fn seconds(self, now: i64) -> i64 {
        match self {
            Self::At(seconds) => seconds,
            Self::BeforeNow(seconds) => {
                now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX))
            }
        }
    }
}

/// Where a list of sources is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListPlace {
    /// On standard input.
    StandardInput,
    /// In this file.
    File(PathBuf),
}

/// A list of sources (`--file-list`, `--file-pair-list`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListWish {
    /// Where it is.
    pub place: ListPlace,
    /// A destination follows each source.
    pub pairs: bool,
}

/// Which files go, under which names.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SelectionWishes {
    /// `-E` and `-N`, in their order.
    pub rules: RuleList,
    /// Files modified later are left out (`--exclude-newer-than`).
    pub newer_than: Option<TimeLimit>,
    /// Files modified earlier are left out (`--exclude-older-than`).
    pub older_than: Option<TimeLimit>,
    /// Sources from a list instead of the command line.
    pub list: Option<ListWish>,
    /// What goes in front of the sources of the list; those of the command line have it already (`--source-prefix`).
    pub prefix: Option<Vec<u8>>,
    /// What is stripped from the front of every source (`--src-base`).
    pub base: Option<Vec<u8>>,
    /// What happens to links (`--symbolic-links`).
    pub links: LinkMethod,
    /// Devices, pipes and sockets are no errors (`--skip-special-files`).
    pub skip_special: bool,
    /// The part of the single source that is wanted (`-@`).
    pub part: Option<WantedBytes>,
}
