//! Sources that are still being written, as they are typed: `file:///path?grow=SECONDS`.
//!
//! Source: the form of these paths and that a wait that is no number means 10 s are public; where a wait begins without
//! `wait_start` is our choice.

use std::time::Duration;

use fasp_core::fault::Fault;

use super::terminal::redacted;
use crate::failure::{Failure, Outcome};

const SCHEME: &[u8] = b"file://";
/// The wait that is meant by a word that is no number.
const USUAL_WAIT: Duration = Duration::from_secs(10);
/// A year: more is a mistyped number.
const MOST_SECONDS: u64 = 31_536_000;

/// Whether `path` is written with this scheme.
pub(crate) fn is_growing(path: &[u8]) -> bool {
    path.starts_with(SCHEME)
}

/// A source written with this scheme.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Growing<'p> {
    pub(crate) path: &'p [u8],
    /// How long it must not have grown; zero is no wait.
    pub(crate) wait: Duration,
    /// Counted from its modification time instead of from our own looks.
    pub(crate) from_modification: bool,
}

impl<'p> Growing<'p> {
    /// Reads `file:///path`, with `?grow=SECONDS&wait_start=mtime|null_read&confirm_stop=false` behind it or not.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for anything else.
    pub(crate) fn parse(word: &'p [u8]) -> Outcome<Self> {
        let wrong = |what: String| {
            let text = format!("'{}': {what}", redacted(word));
            Failure::new(Fault::Usage, text)
        };
        let rest = word.strip_prefix(SCHEME).unwrap_or_default();
        let question = rest.iter().position(|byte| *byte == b'?');
        let (path, query) = rest.split_at(question.unwrap_or(rest.len()));
        if !path.starts_with(b"/") || path.ends_with(b"/") {
            return Err(wrong(
                "write file:///PATH, with the whole path of a file".into(),
            ));
        }
        let mut this = Self {
            path,
            wait: Duration::ZERO,
            from_modification: false,
        };
        for pair in query.split(|byte| matches!(byte, b'?' | b'&')) {
            let pair = std::str::from_utf8(pair).unwrap_or("?");
            match pair.split_once('=') {
                None if pair.is_empty() => {}
                Some(("grow", seconds)) => {
                    this.wait = match seconds.parse() {
                        Ok(seconds) if seconds <= MOST_SECONDS => Duration::from_secs(seconds),
                        Ok(_) => return Err(wrong("grow waits a year at most".into())),
                        Err(_) => USUAL_WAIT,
                    };
                }
                Some(("wait_start", "mtime")) => this.from_modification = true,
                Some(("wait_start", "null_read")) => this.from_modification = false,
                Some(("confirm_stop", "false")) => {}
                Some(("confirm_stop", "true")) => {
                    return Err(wrong(
                        "confirm_stop is not available in this version".into(),
                    ));
                }
                _ => {
                    let known = "grow=SECONDS, wait_start=mtime or null_read, confirm_stop=false";
                    return Err(wrong(format!("behind '?' stand {known}, joined by '&'")));
                }
            }
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_others_are_refused() {
        for (word, path, seconds, from_modification) in [
            ("file:///a", "/a", 0, false),
            ("file:///a?grow=5", "/a", 5, false),
            ("file:///a b?grow=soon", "/a b", 10, false),
            ("file:///a?grow=", "/a", 10, false),
            ("file:///a?wait_start=mtime&grow=3", "/a", 3, true),
            (
                "file:///a?grow=3&wait_start=null_read&confirm_stop=false",
                "/a",
                3,
                false,
            ),
        ] {
            let expected = Growing {
                path: path.as_bytes(),
                wait: Duration::from_secs(seconds),
                from_modification,
            };
            assert_eq!(Growing::parse(word.as_bytes()).unwrap(), expected, "{word}");
        }
        for (word, part) in [
            ("file://a", "whole path"),
            ("file:///", "whole path"),
            ("file:///d/", "whole path"),
            ("file:///a?grow=99999999999", "a year"),
            (
                "file:///a?confirm_stop=true",
                "confirm_stop is not available",
            ),
            ("file:///a?wait_start=now", "behind '?'"),
            ("file:///a?5", "behind '?'"),
            ("file:///a?shrink=5", "behind '?'"),
        ] {
            let failure = Growing::parse(word.as_bytes()).unwrap_err();
            assert_eq!(failure.fault, Fault::Usage);
            assert!(failure.text.contains(part), "{}", failure.text);
        }
    }
}
