//! Which files of a source are transferred: the rules of `-E` and `-N`.
//!
//! Rules are looked at in order and the first that matches decides; what no rule matches is included. A folder
//! that is excluded is not entered, so nothing below it can come back. Pure text: bytes in, a verdict out; no
//! allocation, time bounded by the lengths of pattern and path.
//!
//! Source: the public rules of `-E`, `-N` and `<filters>`. Where they are silent the choice is ours: see
//! [`Pattern`].

pub mod links;
mod pattern;
#[cfg(test)]
mod tests;

pub use pattern::{Pattern, PatternError};

/// What stands at a path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// Anything else.
    File,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Action {
    /// `-N`, or `+` in a configuration: transfer it, whatever later rules say.
    Include,
    /// `-E`, or `-` in a configuration: leave it out.
    Exclude,
}

/// One rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule<'a> {
    /// What it does.
    pub action: Action,
    /// What it matches.
    pub pattern: Pattern<'a>,
}

impl<'a> Rule<'a> {
    /// Reads a rule as a configuration writes it: `+ PATTERN` or `- PATTERN`.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if there is no sign, or the pattern cannot be used.
    pub fn parse(text: &'a [u8]) -> Result<Self, PatternError> {
        let (action, pattern) = match text {
            [b'+', b' ', pattern @ ..] => (Action::Include, pattern),
            [b'-', b' ', pattern @ ..] => (Action::Exclude, pattern),
            _ => return Err(PatternError::NoSign),
        };
        let pattern = Pattern::parse(pattern)?;
        Ok(Self { action, pattern })
    }

    /// Whether the rule speaks of `path`.
    ///
    /// An anchored rule that includes something includes the folders on the way to it too, or they would
    /// never be entered.
    #[must_use]
    pub fn matches(&self, path: &[u8], kind: EntryKind) -> bool {
        self.pattern.matches(path, kind)
            || (self.action == Action::Include
                && kind == EntryKind::Directory
                && self.pattern.leads_through(path))
    }
}

/// What becomes of `path`, and the number of the rule that says so, counted from 0.
///
/// `path` is relative to the root of what is transferred, its components joined by `/`. Ask for a folder
/// before what is in it, and for nothing in a folder that is excluded.
pub fn decide<'a>(
    rules: impl IntoIterator<Item = Rule<'a>>,
    path: &[u8],
    kind: EntryKind,
) -> (Action, Option<usize>) {
    rules
        .into_iter()
        .enumerate()
        .find(|(_, rule)| rule.matches(path, kind))
        .map_or((Action::Include, None), |(number, rule)| {
            (rule.action, Some(number))
        })
}
