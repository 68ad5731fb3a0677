//! What the options say about which files go, under which names.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use base64ct::{Base64, Base64Unpadded, Encoding};
use clap::ArgMatches;
use fasp_core::control::WantedBytes;
use fasp_core::selection::Action;
use fasp_core::selection::links::LinkMethod;

use super::super::growing::{Growing, is_growing};
use super::super::operand;
use super::super::route::Route;
use super::super::settings::{Direction, ListPlace, ListWish, SelectionWishes, TimeLimit};
use super::super::terminal::redacted;
use super::{text, usage};
use crate::failure::{Failure, Outcome};
use crate::storage::selection::RuleList;
use crate::storage::source_list::prefixed;

/// Where a list and a list of pairs come from, as typed.
pub(super) const LISTS: [(&str, &str, bool); 2] = [
    ("file-list", "--file-list", false),
    ("file-pair-list", "--file-pair-list", true),
];

/// Sources that are waited for are files of an upload, named on the command line.
pub(super) fn check_growing(route: &Route, wishes: &SelectionWishes) -> Outcome<()> {
    let there = match route.direction {
        Direction::Send => &[],
        Direction::Receive => route.sources.as_slice(),
    };
    let misplaced = there.iter().chain([&route.destination]);
    if let Some(word) = misplaced.into_iter().find(|word| is_growing(word)) {
        return Err(usage(format!(
            "'{}': file:// paths can only be sources of an upload",
            redacted(word)
        )));
    }
    for word in route.sources.iter().filter(|word| is_growing(word)) {
        Growing::parse(word)?;
        if wishes.prefix.is_some() {
            return Err(usage(
                "option --source-prefix does not go with file:// sources: they have the whole path",
            ));
        }
    }
    Ok(())
}

/// What was asked for; the rules of the configuration go before those of the command line.
///
/// # Errors
///
/// [`Fault::Usage`](fasp_core::fault::Fault::Usage) with a sentence that names the option.
pub(super) fn wishes(matches: &ArgMatches, configured: &RuleList) -> Outcome<SelectionWishes> {
    let list = list(matches)?;
    let base = path_option(matches, "src-base", "src-base64")?;
    if let Some((option, base)) = &base {
        let mut names = base.split(|byte| *byte == b'/');
        if base.starts_with(b".") && names.all(|name| name == b"." || name.is_empty()) {
            return Err(usage(format!(
                "option {option}: '.' cannot be the source base; write the folder as the sources begin"
            )));
        }
        if list.as_ref().is_some_and(|list| list.pairs) {
            return Err(usage(format!(
                "option {option} and option --file-pair-list exclude one another: the list names the destinations"
            )));
        }
    }
    let prefix = path_option(matches, "source-prefix", "source-prefix64")?;
    if let Some((option, prefix)) = &prefix {
        let about = |failure: Failure| usage(format!("option {option}: {}", failure.text));
        operand::refuse_scheme(prefix).map_err(about)?;
        if is_growing(prefix) {
            return Err(usage(format!(
                "option {option}: a folder is needed, not file://"
            )));
        }
    }
    Ok(SelectionWishes {
        rules: rules(matches, configured.clone())?,
        newer_than: time(matches, "exclude-newer-than", "--exclude-newer-than")?,
        older_than: time(matches, "exclude-older-than", "--exclude-older-than")?,
        list,
        prefix: prefix.map(|(_, prefix)| prefix),
        base: base.map(|(_, base)| base),
        links: links(matches)?,
        skip_special: matches.get_flag("skip-special-files"),
        part: part(matches)?,
    })
}

/// Brings `route` to what the wishes make of it.
///
/// # Errors
///
/// Where both cannot be met.
pub(super) fn apply(
    matches: &ArgMatches,
    wishes: &SelectionWishes,
    resume_level: u8,
    route: &mut Route,
) -> Outcome<()> {
    if let Some(prefix) = &wishes.prefix {
        for source in &mut route.sources {
            *source = prefixed(prefix, source);
        }
    }
    if matches.get_flag("dest64") && route.destination != b"." {
        let decoded = decoded("--dest64", &route.destination)?;
        let about = |failure: Failure| usage(format!("option --dest64: {}", failure.text));
        operand::refuse_scheme(&decoded).map_err(about)?;
        route.destination = decoded;
    }
    if wishes.part.is_none() {
        return Ok(());
    }
    if route.direction == Direction::Send {
        return Err(usage("option -@ works for downloads only"));
    }
    if wishes.list.is_some() || route.sources.len() != 1 {
        return Err(usage("option -@ needs a single source, a file"));
    }
    if resume_level > 0 {
        return Err(usage(
            "option -@ and option -k exclude one another: a part of a file is not resumed",
        ));
    }
    Ok(())
}

fn rules(matches: &ArgMatches, mut rules: RuleList) -> Outcome<RuleList> {
    let mut typed = Vec::new();
    for (id, action) in [("exclude", Action::Exclude), ("include", Action::Include)] {
        let values = matches.get_many::<OsString>(id).unwrap_or_default();
        let indices = matches.indices_of(id).into_iter().flatten();
        typed.extend(
            indices
                .zip(values)
                .map(|(index, value)| (index, action, value)),
        );
    }
    typed.sort_unstable_by_key(|(index, ..)| *index);
    for (_, action, pattern) in typed {
        let option = match action {
            Action::Exclude => "-E",
            Action::Include => "-N",
        };
        rules.add(action, pattern.as_bytes()).map_err(|error| {
            let shown: String = redacted(pattern.as_bytes()).chars().take(200).collect();
            usage(format!("option {option}: '{shown}': {error}"))
        })?;
    }
    Ok(rules)
}

fn time(matches: &ArgMatches, id: &str, option: &str) -> Outcome<Option<TimeLimit>> {
    let Some(word) = text(matches, id, option)? else {
        return Ok(None);
    };
    let limit = match word.strip_prefix('-') {
        Some(seconds) if !seconds.starts_with('+') => {
            seconds.parse().map(TimeLimit::BeforeNow).ok()
        }
        Some(_) => None,
        None => word.parse().map(TimeLimit::At).ok(),
    };
    limit.map(Some).ok_or_else(|| {
        usage(format!(
            "option {option}: '{}' is neither seconds since 1970 nor -SECONDS before now",
            redacted(word.as_bytes())
        ))
    })
}

/// The last of the lists, as the public text has it.
fn list(matches: &ArgMatches) -> Outcome<Option<ListWish>> {
    let last = LISTS
        .into_iter()
        .filter_map(|(id, option, pairs)| {
            let word = matches.get_one::<OsString>(id)?;
            Some((matches.indices_of(id)?.next_back()?, word, option, pairs))
        })
        .max_by_key(|(index, ..)| *index);
    let Some((_, word, option, pairs)) = last else {
        return Ok(None);
    };
    if word.is_empty() {
        return Err(usage(format!(
            "option {option} needs the name of a list, or - for standard input"
        )));
    }
    let place = if word == "-" {
        ListPlace::StandardInput
    } else {
        ListPlace::File(word.into())
    };
    Ok(Some(ListWish { place, pairs }))
}

/// The last of an option and its form in base64, with how it was typed.
fn path_option(
    matches: &ArgMatches,
    plain: &'static str,
    encoded: &'static str,
) -> Outcome<Option<(String, Vec<u8>)>> {
    let typed = |id| {
        let word = matches.get_one::<OsString>(id)?;
        Some((matches.indices_of(id)?.next_back()?, id, word))
    };
    let last = [plain, encoded]
        .into_iter()
        .filter_map(typed)
        .max_by_key(|(index, ..)| *index);
    let Some((_, id, word)) = last else {
        return Ok(None);
    };
    let option = format!("--{id}");
    let path = if id == encoded {
        decoded(&option, word.as_bytes())?
    } else {
        word.as_bytes().to_vec()
    };
    if path.is_empty() {
        return Err(usage(format!("option {option} needs a path")));
    }
    Ok(Some((option, path)))
}

/// A path from base64, with or without the padding at its end.
fn decoded(option: &str, word: &[u8]) -> Outcome<Vec<u8>> {
    let text = std::str::from_utf8(word).unwrap_or("?").trim();
    let bytes = Base64::decode_vec(text).or_else(|_| Base64Unpadded::decode_vec(text));
    let bytes = bytes.map_err(|_| {
        usage(format!(
            "option {option}: '{}' is not base64",
            redacted(word)
        ))
    })?;
    if bytes.contains(&0) {
        return Err(usage(format!("option {option}: a path has no zero byte")));
    }
    Ok(bytes)
}

fn links(matches: &ArgMatches) -> Outcome<LinkMethod> {
    let Some(word) = text(matches, "symbolic-links", "--symbolic-links")? else {
        return Ok(LinkMethod::default());
    };
    let method = LinkMethod::ALL
        .into_iter()
        .find(|method| method.name() == word);
    method.ok_or_else(|| {
        usage(format!(
            "option --symbolic-links: '{}' is none of follow, copy, copy+force, skip",
            redacted(word.as_bytes())
        ))
    })
}

/// `START:END`, both included and each optional.
fn part(matches: &ArgMatches) -> Outcome<Option<WantedBytes>> {
    let Some(word) = text(matches, "part", "-@")? else {
        return Ok(None);
    };
    let malformed = || {
        usage(format!(
            "option -@: '{}' is not START:END in bytes, such as 0:999 or 1000:",
            redacted(word.as_bytes())
        ))
    };
    let edge = |digits: &str| -> Outcome<Option<u64>> {
        if digits.is_empty() {
            return Ok(None);
        }
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_number);
        number.map(Some).ok_or_else(malformed)
    };
    let (start, end) = word.split_once(':').ok_or_else(malformed)?;
    let start = edge(start)?.unwrap_or(0);
    let end = edge(end)?;
    if end.is_some_and(|last| last < start) {
        return Err(usage(format!(
            "option -@: '{}' ends before it begins",
            redacted(word.as_bytes())
        )));
    }
    Ok(Some(WantedBytes {
        start,
        end: end.map(|last| last.saturating_add(1)),
    }))
}
