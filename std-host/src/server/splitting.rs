//! Files split between sessions (`--multi-session-threshold`), as a server allows them.
//!
//! A session with a part of a file knows nothing of the whole: what a server does to whole files does not go with it,
//! and is refused by name instead of being done to parts.

use fasp_core::control::Hello;
use fasp_core::fault::Fault;

use super::SessionRights;
use crate::failure::{Failure, Outcome};
use crate::storage::split_file::Splitting;

/// What the client splits.
pub(super) const fn of(hello: &Hello<'_>) -> Splitting {
    Splitting {
        share: hello.files.share,
        from: hello.files.split_from,
    }
}

/// Whether there may be a session that splits files.
///
/// # Errors
///
/// What it does not go with.
pub(super) fn check(hello: &Hello<'_>, rights: &SessionRights) -> Outcome<()> {
    if hello.files.split_from == 0 {
        return Ok(());
    }
    let records = &rights.rules.records;
    let (wishes, preserve) = (&hello.files, hello.preserve);
    for (is_there, what) in [
        (
            records.checksum.is_some() || hello.records.checksum.is_some(),
            "checksums of files (file_checksum)",
        ),
        (
            records.manifest.is_some(),
            "a list of the files (file_manifest)",
        ),
        (rights.hook.is_some(), "the administrator's program"),
        (
            rights.rules.files.partial_suffix.is_some()
                || rights.rules.files.resume_suffix.is_some(),
            "suffixes of the server's own (partial_file_suffix, resume_suffix)",
        ),
        (
            wishes.changes_sources(),
            "sources that are removed or moved afterwards",
        ),
        (wishes.stored.any(), "extended attributes and access lists"),
        (
            preserve.source_access_times,
            "--preserve-source-access-time, which changes the source",
        ),
        (hello.flags.deletes, "--delete-before-transfer"),
        (hello.security.renamed_suffix.is_some(), "--file-crypt"),
    ] {
        if is_there {
            let text = format!(
                "files cannot be split between sessions here (--multi-session-threshold): that does not go with {what}"
            );
            return Err(Failure::new(Fault::BadConfiguration, text));
        }
    }
    Ok(())
}
