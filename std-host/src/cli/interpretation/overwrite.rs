//! Options about what is at the destination already.
//!
//! Source: the words of `--overwrite` are public; of the old `-o Key=Value` options only `Overwrite` is served.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::ArgMatches;

use super::configuration::Configured;
use super::usage;
use crate::cli::route::Route;
use crate::cli::settings::{Direction, OverwriteRule, OverwriteWishes};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;
use crate::storage::walk::base_name;

/// Bytes of a suffix: the name before it and a number must find room.
const MOST_SUFFIX: usize = 64;

/// The words of `--overwrite`.
const RULES: [(&str, OverwriteRule); 5] = [
    ("never", OverwriteRule::Never),
    ("always", OverwriteRule::Always),
    ("diff", OverwriteRule::Diff),
    ("diff+older", OverwriteRule::DiffOlder),
    ("older", OverwriteRule::Older),
];

pub(super) fn wishes(
    matches: &ArgMatches,
    route: &Route,
    configured: &Configured,
) -> Outcome<OverwriteWishes> {
    let receives = route.direction == Direction::Receive;
    let partial_suffix = if matches.contains_id("partial-file-suffix") {
        partial_suffix(matches)?
    } else {
        configured.partial_suffix.clone().filter(|_| receives)
    };
    Ok(OverwriteWishes {
        rule: rule(matches)?,
        partial_suffix,
        resume_suffix: configured.resume_suffix.clone().filter(|_| receives),
        saves_old: matches.get_flag("save-before-overwrite"),
        deletes: deletes(matches, route)?,
    })
}

/// Deleting needs one source folder, and a destination that is surely meant for it.
fn deletes(matches: &ArgMatches, route: &Route) -> Outcome<bool> {
    if !matches.get_flag("delete-before-transfer") {
        return Ok(false);
    }
    let [source] = route.sources.as_slice() else {
        return Err(usage(
            "option --delete-before-transfer needs one source, a folder",
        ));
    };
    let (from, to) = (base_name(source), base_name(&route.destination));
    if from.is_empty() || from != to {
        return Err(usage(format!(
            "option --delete-before-transfer: the source folder '{}' and the destination '{}' must \
             end with the same name",
            redacted(source),
            redacted(&route.destination)
        )));
    }
    Ok(true)
}

/// What is without effect, said once.
pub(super) fn notes(wishes: &OverwriteWishes, direction: Direction) -> Vec<String> {
    let mut notes = Vec::new();
    if wishes.partial_suffix.is_some() && direction == Direction::Send {
        notes.push(
            "--partial-file-suffix changes nothing in an upload: the server has names of its own"
                .to_owned(),
        );
    }
    notes
}

fn partial_suffix(matches: &ArgMatches) -> Outcome<Option<Vec<u8>>> {
    let word = matches.get_one::<OsString>("partial-file-suffix");
    let Some(suffix) = word
        .map(|word| word.as_bytes())
        .filter(|suffix| !suffix.is_empty())
    else {
        return Ok(None);
    };
    let wrong = |what: String| {
        usage(format!(
            "option --partial-file-suffix: '{}' {what}",
            redacted(suffix)
        ))
    };
    if suffix.contains(&b'/') {
        return Err(wrong("holds a '/', which no name of a file can".to_owned()));
    }
    if suffix.len() > MOST_SUFFIX {
        return Err(wrong(format!("is longer than {MOST_SUFFIX} bytes")));
    }
    Ok(Some(suffix.to_vec()))
}

/// The last of `--overwrite` and `-o Overwrite` counts; each must be a word of the table.
fn rule(matches: &ArgMatches) -> Outcome<OverwriteRule> {
    let mut last = (0, OverwriteRule::default());
    for (index, word) in words(matches, "overwrite") {
        let rule = named("--overwrite", word.as_bytes())?;
        last = (index, rule);
    }
    for (index, word) in words(matches, "scp-option") {
        let rule = scp_option(word.as_bytes())?;
        if index >= last.0 {
            last = (index, rule);
        }
    }
    Ok(last.1)
}

fn words<'a>(matches: &'a ArgMatches, id: &str) -> impl Iterator<Item = (usize, &'a OsString)> {
    let indices = matches.indices_of(id).into_iter().flatten();
    let words = matches.get_many::<OsString>(id).into_iter().flatten();
    indices.zip(words)
}

fn scp_option(word: &[u8]) -> Outcome<OverwriteRule> {
    let text = word.trim_ascii();
    let Some(equals) = text.iter().position(|byte| *byte == b'=') else {
        return Err(usage(format!(
            "option -o: '{}' is not KEY=VALUE, such as Overwrite=diff",
            redacted(word)
        )));
    };
    let (key, value) = text.split_at(equals);
    let (key, value) = (key.trim_ascii(), value.get(1..).unwrap_or_default());
    if key.eq_ignore_ascii_case(b"overwrite") {
        return named("-o Overwrite", value.trim_ascii());
    }
    Err(usage(format!(
        "option -o: the key '{}' is not available in this version; only Overwrite is",
        redacted(key)
    )))
}

fn named(option: &str, word: &[u8]) -> Outcome<OverwriteRule> {
    let word = word.trim_ascii();
    let known = RULES
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    known.map(|(_, rule)| *rule).ok_or_else(|| {
        usage(format!(
            "option {option}: '{}' is not one of never, always, diff, diff+older, older",
            redacted(word)
        ))
    })
}
