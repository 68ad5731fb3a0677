//! Several sessions that transfer the same sources: `-C` and what cannot stand beside it.
//!
//! Source: form and range of the values are public; what is refused is our choice, since sessions that know nothing of
//! one another would take things away from each other.

use clap::ArgMatches;
use fasp_core::control::{MOST_NODES, Share};

use super::{judged, quantity, text, usage};
use crate::cli::route::Route;
use crate::cli::settings::{AfterTransferWishes, OverwriteWishes, SelectionWishes};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;

/// Larger files there are not.
const MOST_THRESHOLD: u64 = 1 << 56;

pub(super) fn share(matches: &ArgMatches) -> Outcome<Share> {
    threshold(matches)?;
    let Some(typed) = text(matches, "parallel", "-C")? else {
        return Ok(Share::ALL);
    };
    let share = typed.split_once(':').and_then(|(node, count)| {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten()
        };
        Share::new(number(node)?, number(count)?)
    });
    share.ok_or_else(|| {
        usage(format!(
            "option -C: '{}' is not NODE:COUNT, each from 1 to {MOST_NODES}, NODE not above COUNT",
            redacted(typed.as_bytes())
        ))
    })
}

/// Files are not split, which is what 0 asks for.
fn threshold(matches: &ArgMatches) -> Outcome<()> {
    let option = "--multi-session-threshold";
    let Some(typed) = text(matches, "multi-session-threshold", option)? else {
        return Ok(());
    };
    if !typed.is_empty() && typed.bytes().all(|byte| byte == b'0') {
        return Ok(());
    }
    match quantity::byte_count(typed, MOST_THRESHOLD) {
        Ok(_) => Err(usage(format!(
            "option {option}: files are not split between sessions in this version; leave it out or write 0"
        ))),
        Err(error) => Err(judged(option, &error)),
    }
}

/// What `-C` does not go with.
pub(super) fn check_together(
    share: Share,
    route: &Route,
    selection: &SelectionWishes,
    overwriting: &OverwriteWishes,
    afterwards: &AfterTransferWishes,
) -> Outcome<()> {
    if share.is_all() {
        return Ok(());
    }
    let is_stream =
        |path: &[u8]| path.starts_with(b"stdio://") || path.starts_with(b"stdio-tar://");
    let streams = is_stream(&route.destination) || route.sources.iter().any(|path| is_stream(path));
    for (is_wished, option, why) in [
        (
            selection.part.is_some(),
            "-@",
            "a part of one file has no share",
        ),
        (
            overwriting.deletes,
            "--delete-before-transfer",
            "sessions would delete at the same time; delete in a run without -C before them",
        ),
        (
            afterwards.removed.remove_empty_folders,
            "--remove-empty-directories",
            "a session would remove folders that another one still looks at; do it in a run without -C after them",
        ),
        (
            streams,
            "stdio://",
            "each session has its own standard input and output",
        ),
    ] {
        if is_wished {
            return Err(usage(format!("option -C does not go with {option}: {why}")));
        }
    }
    Ok(())
}
