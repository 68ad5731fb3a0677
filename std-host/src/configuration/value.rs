//! The kinds of values that elements have, and checking them.

use std::net::IpAddr;

use crate::cli::quantity::rate_bps;

/// What the text of an element must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Any text, also none.
    Text,
    /// `true` or `false`; `yes`, `no`, `1`, `0` mean the same.
    Bool,
    /// A whole number of the range.
    Number(u64, u64),
    /// A rate: a bare number counts Kbit/s; `Unlimited` where that makes sense.
    Rate,
    /// Permission bits in octal, or `Undefined`.
    Mode,
    /// An IP address.
    Address,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// Several of these words, with commas between them.
    Words(&'static [&'static str]),
    /// A rule `+ PATTERN` or `- PATTERN`; the element may be repeated.
    Rule,
    /// A pattern of paths, with `!` in front to forbid; may be repeated.
    Restriction,
    /// A command with its arguments; may be repeated.
    Command,
    /// The end of a file name.
    Suffix,
    /// The number of a trunk, or `Disabled`.
    TrunkId,
}

impl Kind {
    /// Whether the element may stand more than once in its place.
    pub(super) const fn repeats(self) -> bool {
        matches!(self, Self::Rule | Self::Restriction | Self::Command)
    }

    /// Checks `text`, which has no blanks around it.
    ///
    /// # Errors
    ///
    /// What is wrong: the end of a sentence that begins with the element and its value.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Text => Ok(()),
            Self::Command if text.starts_with('/') => Ok(()),
            Self::Command => Err("does not begin with the absolute path of a program".to_owned()),
            Self::Bool => boolean(text)
                .map(drop)
                .ok_or_else(|| "is neither true nor false".to_owned()),
            Self::Number(low, high) => match text.parse() {
                Ok(number) if (low..=high).contains(&number) => Ok(()),
                _ => Err(format!("is not a whole number from {low} to {high}")),
            },
            Self::Rate => rate(text)
                .map(drop)
                .ok_or_else(|| "is not a rate".to_owned()),
            Self::Mode => mode(text)
                .map(drop)
                .ok_or_else(|| "is not a mode of up to four octal digits".to_owned()),
            Self::Address => text
                .parse::<IpAddr>()
                .map(drop)
                .map_err(|_| "is not an IP address".to_owned()),
            Self::Word(words) => one_of(text, words),
            Self::Words(words) => text
                .split(',')
                .try_for_each(|word| one_of(word.trim(), words)),
            Self::Rule => fasp_core::selection::Rule::parse(text.as_bytes())
                .map(drop)
                .map_err(|error| format!("is not a rule: {error}")),
            Self::Restriction => pattern(text),
            Self::Suffix if text.contains('/') => Err("must not contain a '/'".to_owned()),
            Self::Suffix => Ok(()),
            Self::TrunkId => trunk_id(text)
                .map(drop)
                .ok_or_else(|| "is neither Disabled nor a number from 1 to 255".to_owned()),
        }
    }

    /// What the reference table says about the values.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Bool => "true, false".to_owned(),
            Self::Number(low, u64::MAX) => format!("number from {low}"),
            Self::Number(low, high) => format!("number, {low} to {high}"),
            Self::Rate => "rate (Kbit/s, or with K, M, G)".to_owned(),
            Self::Mode => "octal mode".to_owned(),
            Self::Address => "IP address".to_owned(),
            Self::Word(words) => words.join(", "),
            Self::Words(words) => format!("any of {}, with commas", words.join(", ")),
            Self::Rule => "+ PATTERN or - PATTERN, repeatable".to_owned(),
            Self::Restriction => "PATTERN or !PATTERN, repeatable".to_owned(),
            Self::Command => "/PATH/OF/PROGRAM ARGUMENT..., repeatable".to_owned(),
            Self::Suffix => "end of a file name".to_owned(),
            Self::TrunkId => "Disabled, or 1 to 255".to_owned(),
        }
    }
}

fn one_of(text: &str, words: &[&str]) -> Result<(), String> {
    if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    Err(format!("is none of {}", words.join(", ")))
}

fn pattern(text: &str) -> Result<(), String> {
    let pattern = text.strip_prefix('!').unwrap_or(text);
    if pattern.starts_with(['/', '*']) {
        return Ok(());
    }
    Err("is not a pattern: it must begin with / or *, with ! in front to forbid".to_owned())
}

/// `true`, `yes`, `1`, or the opposite.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "enable" | "enabled" | "on" => Some(true),
        "false" | "no" | "0" | "disable" | "disabled" | "off" => Some(false),
        _ => None,
    }
}

/// The number of a trunk; `Some(None)` for no trunk.
pub(super) fn trunk_id(text: &str) -> Option<Option<u8>> {
    if text.eq_ignore_ascii_case("disabled") || text == "0" {
        return Some(None);
    }
    text.parse().ok().map(Some)
}

/// Bits per second; `u64::MAX` without a limit.
pub(super) fn rate(text: &str) -> Option<u64> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Some(u64::MAX);
    }
    rate_bps(text).ok()
}

/// Permission bits; `Some(None)` if they are left open.
pub(super) fn mode(text: &str) -> Option<Option<u32>> {
    if text.eq_ignore_ascii_case("undefined") {
        return Some(None);
    }
    let bits = u32::from_str_radix(text, 8).ok()?;
    (text.len() <= 4 && bits <= 0o7777).then_some(Some(bits))
}
