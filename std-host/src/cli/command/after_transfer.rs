//! Options about the sources after their transfer.

use clap::Arg;

use super::{flag, rare, under, value};

pub(super) fn args() -> Vec<Arg> {
    under(
        "Sources afterwards",
        vec![
            rare(
                flag("remove-after-transfer")
                    .long("remove-after-transfer")
                    .help("Remove source files that are delivered"),
            ),
            rare(
                flag("remove-skipped")
                    .long("remove-skipped")
                    .help("And those that were there already; needs\n--remove-after-transfer"),
            ),
            rare(
                value("move-after-transfer", "DIR")
                    .long("move-after-transfer")
                    .help("Move source files that are delivered to DIR,\non their side and file system"),
            ),
            rare(
                flag("remove-empty-directories")
                    .long("remove-empty-directories")
                    .help("Remove source folders that are empty at the\nend, not the sources themselves"),
            ),
            rare(
                flag("remove-empty-source-directory")
                    .long("remove-empty-source-directory")
                    .help("And these; needs --remove-empty-directories"),
            ),
        ],
    )
}
