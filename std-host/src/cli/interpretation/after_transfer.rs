//! Options about the sources after their transfer.
//!
//! Source: that moving and removing exclude each other, and what needs what, is public.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::ArgMatches;

use super::usage;
use crate::cli::settings::{AfterTransfer, AfterTransferWishes};
use crate::failure::Outcome;

pub(super) fn wishes(matches: &ArgMatches) -> Outcome<AfterTransferWishes> {
    let removed = AfterTransfer {
        remove_files: matches.get_flag("remove-after-transfer"),
        remove_skipped: matches.get_flag("remove-skipped"),
        remove_empty_folders: matches.get_flag("remove-empty-directories"),
        remove_source_folder: matches.get_flag("remove-empty-source-directory"),
    };
    let archive = matches.get_one::<OsString>("move-after-transfer");
    if archive.is_some_and(|folder| folder.is_empty()) {
        return Err(usage("option --move-after-transfer needs a folder"));
    }
    if archive.is_some() && removed.remove_files {
        return Err(usage(
            "options --move-after-transfer and --remove-after-transfer exclude each other",
        ));
    }
    if removed.remove_skipped && !removed.remove_files {
        return Err(usage(
            "option --remove-skipped needs --remove-after-transfer",
        ));
    }
    if removed.remove_source_folder && !removed.remove_empty_folders {
        return Err(usage(
            "option --remove-empty-source-directory needs --remove-empty-directories",
        ));
    }
    Ok(AfterTransferWishes {
        removed,
        archive: archive.map(|folder| folder.as_bytes().to_vec()),
    })
}
