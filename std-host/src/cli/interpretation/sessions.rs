//! Several sessions that transfer the same sources: `-C` and what cannot stand beside it.
//!
//! Source: form and range of the values are public; what is refused is our choice, since sessions that know nothing of
//! one another would take things away from each other.

use clap::ArgMatches;
use fasp_core::control::{MOST_NODES, Share};

use super::{judged, quantity, text, usage};
use crate::cli::route::Route;
use crate::cli::settings::{
    AfterTransferWishes, AttributeWishes, OverwriteWishes, RecordWishes, SecurityWishes,
    SelectionWishes, Store,
};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;
use crate::storage::split_file::Splitting;

/// Larger files there are not.
const MOST_THRESHOLD: u64 = 1 << 56;

/// Which session this is, and which files it splits with the others.
pub(super) fn splitting(matches: &ArgMatches) -> Outcome<Splitting> {
    let (share, from) = (share(matches)?, threshold(matches)?);
    if from > 0 && text(matches, "parallel", "-C")?.is_none() {
        return Err(usage(
            "option --multi-session-threshold needs -C: one session alone has nobody to split files with",
        ));
    }
    // One session of one sends everything itself.
    let from = if share.is_all() { 0 } else { from };
    Ok(Splitting { share, from })
}

fn share(matches: &ArgMatches) -> Outcome<Share> {
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

/// The size from which on files are split; 0 for none.
fn threshold(matches: &ArgMatches) -> Outcome<u64> {
    let option = "--multi-session-threshold";
    let Some(typed) = text(matches, "multi-session-threshold", option)? else {
        return Ok(0);
    };
    if !typed.is_empty() && typed.bytes().all(|byte| byte == b'0') {
        return Ok(0);
    }
    quantity::byte_count(typed, MOST_THRESHOLD).map_err(|error| judged(option, &error))
}

/// What files that are split do not go with: a session that has a part knows nothing of the whole.
pub(super) fn check_split(
    splitting: Splitting,
    records: &RecordWishes,
    security: &SecurityWishes,
    attributes: &AttributeWishes,
    level: u8,
) -> Outcome<()> {
    let whole = "no session can tell whether a complete file is another one";
    let keeps = |(here, there): (Store, Store)| here != Store::None || there != Store::None;
    for (is_wished, option, why) in [
        (level == 2, "-k 2", whole),
        (level == 3, "-k 3", whole),
        (
            records.checksum.is_some(),
            "--file-checksum",
            "no session reads the whole file",
        ),
        (
            records.manifest.is_some(),
            "--file-manifest",
            "no session sends the whole file",
        ),
        (
            security.file_crypt.is_some(),
            "--file-crypt",
            "every session would encrypt with keys of its own",
        ),
        (
            attributes.kept.source_access_times,
            "--preserve-source-access-time",
            "it changes the source while others send their parts",
        ),
        (
            keeps(attributes.xattrs),
            "--preserve-xattrs",
            "they have no place beside what is told of a part",
        ),
        (
            keeps(attributes.acls),
            "--preserve-acls",
            "they have no place beside what is told of a part",
        ),
    ] {
        refuse_split(splitting, is_wished, option, why)?;
    }
    Ok(())
}

fn refuse_split(splitting: Splitting, is_wished: bool, option: &str, why: &str) -> Outcome<()> {
    if splitting.from == 0 || !is_wished {
        return Ok(());
    }
    Err(usage(format!(
        "option --multi-session-threshold does not go with {option}: {why}"
    )))
}

/// What `-C` does not go with.
pub(super) fn check_together(
    splitting: Splitting,
    route: &Route,
    selection: &SelectionWishes,
    overwriting: &OverwriteWishes,
    afterwards: &AfterTransferWishes,
) -> Outcome<()> {
    if splitting.share.is_all() {
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
    for (is_wished, option, why) in [
        (
            afterwards.removed.remove_files,
            "--remove-after-transfer",
            "other sessions may not have sent their parts yet",
        ),
        (
            afterwards.archive.is_some(),
            "--move-after-transfer",
            "other sessions may not have sent their parts yet",
        ),
        (
            overwriting.partial_suffix.is_some(),
            "--partial-file-suffix",
            "the common file of the sessions has a fixed name",
        ),
    ] {
        refuse_split(splitting, is_wished, option, why)?;
    }
    Ok(())
}
