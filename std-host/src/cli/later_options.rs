//! Options of the original program that this version does not have yet.
//!
//! They are known, so that their values are not taken for files, and they stop the run with a
//! sentence: an option that is silently dropped would change what is transferred. A value that
//! asks for exactly what happens anyway is let through.
//!
//! Source: the public option table; an option leaves this list when it works.

use std::ffi::OsStr;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use fasp_core::fault::Fault;

use crate::failure::{Failure, Outcome};

/// One option of a later version.
struct LaterOption {
    /// As it is typed, with its dashes.
    name: &'static str,
    takes_value: bool,
    /// The value, if any, that asks for what happens anyway.
    no_change: Option<&'static str>,
}

const fn flag(name: &'static str) -> LaterOption {
    LaterOption {
        name,
        takes_value: false,
        no_change: None,
    }
}

const fn value(name: &'static str) -> LaterOption {
    LaterOption {
        name,
        takes_value: true,
        no_change: None,
    }
}

const fn value_unless(name: &'static str, no_change: &'static str) -> LaterOption {
    LaterOption {
        name,
        takes_value: true,
        no_change: Some(no_change),
    }
}

#[rustfmt::skip]
const LATER: &[LaterOption] = &[
    value("-I"), value("-M"), value("-Y"), value("-e"),
    value("-t"), value("-x"), value_unless("-j", "0"), value_unless("-y", "0"),
    flag("--faspmgr-io"), flag("--keepalive"),
    flag("--no-mgmt-port-files"), flag("--no-read"),
    flag("--no-write"), value("--proxy"), flag("--ssh"), value("--ssh-arg"),
    flag("--ws-connect"),
];

/// Long options that are typed with a single dash, and what they are called here.
pub(super) const SINGLE_DASH: [(&str, &str); 2] = [
    ("-no-mgmt-port-files", "--no-mgmt-port-files"),
    ("-SSH", "--ssh"),
];

/// The hidden arguments by which the parser knows these options.
pub(super) fn hidden_args() -> impl Iterator<Item = Arg> {
    LATER.iter().map(|option| {
        let arg = Arg::new(option.name).hide(true);
        let arg = match (option.name.strip_prefix("--"), option.name.chars().nth(1)) {
            (Some(long), _) => arg.long(long),
            (None, Some(short)) => arg.short(short),
            (None, None) => arg,
        };
        if option.takes_value {
            arg.action(ArgAction::Append)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(std::ffi::OsString))
        } else {
            arg.action(ArgAction::SetTrue)
        }
    })
}

/// Stops at the first option of the command line that this version does not have.
///
/// # Errors
///
/// [`Fault::Usage`], naming the option.
pub(super) fn refuse(matches: &ArgMatches) -> Outcome<()> {
    let first = LATER
        .iter()
        .filter_map(|option| Some((first_index(option, matches)?, option)))
        .min_by_key(|(index, _)| *index);
    match first {
        None => Ok(()),
        Some((_, option)) => Err(unavailable(option.name)),
    }
}

/// The sentence for an option or value that a later version will have.
pub(super) fn unavailable(name: &str) -> Failure {
    Failure::new(
        Fault::Usage,
        format!("option {name} is not available in this version"),
    )
}

/// Where `option` first stands on the command line, unless all it asks for happens anyway.
fn first_index(option: &LaterOption, matches: &ArgMatches) -> Option<usize> {
    if !option.takes_value {
        return matches
            .get_flag(option.name)
            .then(|| matches.index_of(option.name).unwrap_or(0));
    }
    let values = matches.get_raw(option.name)?;
    let mut indices = matches.indices_of(option.name)?;
    let harmless = option.no_change.map(OsStr::new);
    values
        .zip(&mut indices)
        .find(|(value, _)| Some(*value) != harmless)
        .map(|(_, index)| index)
}
