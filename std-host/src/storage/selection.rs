//! Which of the things below the sources are sent: rules, times, links and special files.
//!
//! Bounded, since a client fills it for a server. What a rule matches is decided in `fasp_core::selection`.

use std::sync::Arc;

use fasp_core::control::{LONGEST_RULE, MOST_RULE_BYTES, MOST_RULES, Share, WantedBytes};
use fasp_core::selection::links::LinkTreatment;
use fasp_core::selection::{Action, EntryKind, PatternError, Rule};

use crate::envelope::Sealer;

/// Why a rule is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleError {
    /// The pattern cannot be used.
    Pattern(PatternError),
    /// The pattern has more than 3,998 bytes.
    TooLong,
    /// There are 1,000 rules, or 64 KiB of them, already.
    TooMany,
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pattern(error) => error.fmt(f),
            Self::TooLong => write!(
                f,
                "a pattern must not have more than {} bytes",
                LONGEST_RULE - 2
            ),
            Self::TooMany => write!(
                f,
                "at most {MOST_RULES} patterns with {MOST_RULE_BYTES} bytes together are possible"
            ),
        }
    }
}

/// Rules in their order, each one that can be used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RuleList {
    /// As a configuration writes them: `+ PATTERN` or `- PATTERN`.
    texts: Vec<Vec<u8>>,
    bytes: usize,
}

impl RuleList {
    /// Adds a rule behind those that are there.
    ///
    /// # Errors
    ///
    /// [`RuleError`]; nothing is added then.
    pub fn add(&mut self, action: Action, pattern: &[u8]) -> Result<(), RuleError> {
        let sign: &[u8] = match action {
            Action::Include => b"+ ",
            Action::Exclude => b"- ",
        };
        self.add_text(&[sign, pattern].concat())
    }

    /// Adds a rule as a configuration writes it.
    ///
    /// # Errors
    ///
    /// [`RuleError`]; nothing is added then.
    pub fn add_text(&mut self, text: &[u8]) -> Result<(), RuleError> {
        if text.len() > LONGEST_RULE {
            return Err(RuleError::TooLong);
        }
        Rule::parse(text).map_err(RuleError::Pattern)?;
        if self.texts.len() >= MOST_RULES || self.bytes + text.len() > MOST_RULE_BYTES {
            return Err(RuleError::TooMany);
        }
        self.bytes += text.len();
        self.texts.push(text.to_vec());
        Ok(())
    }

    /// The rules as texts.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(Vec::as_slice)
    }

    /// Whether there is no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The rules, ready to match.
    pub(crate) fn parsed(&self) -> Vec<Rule<'_>> {
        self.texts()
            .filter_map(|text| Rule::parse(text).ok())
            .collect()
    }
}

/// What a walk passes over, and what it does with links.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// Rules for paths as the destination will see them.
    pub rules: RuleList,
    /// Files modified later are left out; nanoseconds since the Unix epoch.
    pub newer_than_ns: Option<i128>,
    /// Files modified earlier are left out; nanoseconds since the Unix epoch.
    pub older_than_ns: Option<i128>,
    /// What happens to links.
    pub links: LinkTreatment,
    /// Devices, pipes and sockets are no errors.
    pub skip_special: bool,
    /// What is stripped from the front of every source; sources outside of it are left out.
    pub base: Option<Vec<u8>>,
    /// The part of the single source, a file, that is sent.
    pub part: Option<WantedBytes>,
    /// Files are sent encrypted.
    pub sealer: Option<Arc<Sealer>>,
    /// Which of several sessions walks.
    pub share: Share,
    /// Files of at least so many bytes are split between them; 0 for none.
    pub split_from: u64,
}

impl Choice {
    /// Whether a file of this modification time is left out.
    pub(super) fn excludes_time(&self, modified_ns: i64) -> bool {
        let modified_ns = i128::from(modified_ns);
        self.newer_than_ns.is_some_and(|limit| modified_ns > limit)
            || self.older_than_ns.is_some_and(|limit| modified_ns < limit)
    }
}

/// Whether `rules` leave `path` out.
pub(crate) fn excludes(rules: &[Rule<'_>], path: &[u8], kind: EntryKind) -> bool {
    !rules.is_empty()
        && fasp_core::selection::decide(rules.iter().copied(), path, kind).0 == Action::Exclude
}

/// A time limit in nanoseconds.
#[must_use]
pub fn nanoseconds(seconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_rules_is_bounded_in_every_way() {
        let mut rules = RuleList::default();
        assert_eq!(
            rules.add(Action::Exclude, b"[a"),
            Err(RuleError::Pattern(PatternError::OpenSet))
        );
        assert_eq!(
            rules.add_text(b"no sign"),
            Err(RuleError::Pattern(PatternError::NoSign))
        );
        assert_eq!(
            rules.add(Action::Exclude, &[b'x'; LONGEST_RULE - 1]),
            Err(RuleError::TooLong)
        );
        assert!(rules.is_empty());
        for _ in 0..MOST_RULES {
            rules.add(Action::Include, b"x").unwrap();
        }
        assert_eq!(rules.add(Action::Include, b"x"), Err(RuleError::TooMany));
        let mut long = RuleList::default();
        for _ in 0..MOST_RULE_BYTES / LONGEST_RULE {
            long.add(Action::Exclude, &[b'x'; LONGEST_RULE - 2])
                .unwrap();
        }
        assert_eq!(
            long.add(Action::Exclude, &[b'x'; LONGEST_RULE - 2]),
            Err(RuleError::TooMany)
        );
        assert_eq!(long.parsed().len(), MOST_RULE_BYTES / LONGEST_RULE);
    }

    #[test]
    fn a_time_limit_leaves_out_what_is_beyond_it_and_not_what_is_at_it() {
        let choice = Choice {
            newer_than_ns: Some(nanoseconds(20)),
            older_than_ns: Some(nanoseconds(10)),
            ..Choice::default()
        };
        for (seconds, nanos, excluded) in [
            (9, 999_999_999, true),
            (10, 0, false),
            (15, 0, false),
            (20, 0, false),
            (20, 1, true),
        ] {
            let time = seconds * 1_000_000_000 + nanos;
            assert_eq!(choice.excludes_time(time), excluded, "{time}");
        }
        let all = Choice {
            newer_than_ns: Some(nanoseconds(i64::MAX)),
            older_than_ns: Some(nanoseconds(i64::MIN)),
            ..Choice::default()
        };
        assert!(!all.excludes_time(i64::MAX) && !all.excludes_time(i64::MIN));
    }
}
