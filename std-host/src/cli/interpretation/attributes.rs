//! Options about attributes that copies get.

use clap::ArgMatches;

use super::{text, usage};
use crate::cli::settings::{AttributeWishes, Preserve, Store};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;

pub(super) fn wishes(matches: &ArgMatches) -> Outcome<AttributeWishes> {
    let both_times = matches.get_flag("preserve-times");
    let kept = Preserve {
        modification_times: both_times || matches.get_flag("preserve-modification-time"),
        access_times: both_times || matches.get_flag("preserve-access-time"),
        source_access_times: matches.get_flag("preserve-source-access-time"),
        owner_uids: matches.get_flag("preserve-file-owner-uid"),
        owner_gids: matches.get_flag("preserve-file-owner-gid"),
    };
    Ok(AttributeWishes {
        kept,
        xattrs: stores(matches, ["preserve-xattrs", "remote-preserve-xattrs"])?,
        acls: stores(matches, ["preserve-acls", "remote-preserve-acls"])?,
    })
}

/// What is without effect, said once.
pub(super) fn notes(matches: &ArgMatches) -> Option<String> {
    matches.get_flag("preserve-creation-time").then(|| {
        "--preserve-creation-time changes nothing: this system lets nobody set creation times"
            .to_owned()
    })
}

/// Here and there; what is not said of the other side is as here.
fn stores(matches: &ArgMatches, [here, there]: [&str; 2]) -> Outcome<(Store, Store)> {
    let local = store(matches, here)?.unwrap_or_default();
    let remote = store(matches, there)?.unwrap_or(local);
    if local == Store::None && remote != Store::None {
        return Err(usage(format!("option --{there} needs --{here}")));
    }
    Ok((local, remote))
}

fn store(matches: &ArgMatches, id: &str) -> Outcome<Option<Store>> {
    let option = format!("--{id}");
    let Some(word) = text(matches, id, &option)? else {
        return Ok(None);
    };
    match word.to_ascii_lowercase().as_str() {
        "native" => Ok(Some(Store::Native)),
        "metafile" => Ok(Some(Store::Metafile)),
        "none" => Ok(Some(Store::None)),
        _ => Err(usage(format!(
            "option {option}: '{}' is not one of native, metafile, none",
            redacted(word.as_bytes())
        ))),
    }
}
