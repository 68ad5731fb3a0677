//! Options about what is at the destination already.

use clap::{Arg, ArgAction};

use super::{flag, rare, under, value};

pub(super) fn args() -> Vec<Arg> {
    under(
        "What is there already",
        vec![
            value("overwrite", "RULE")
                .long("overwrite")
                .action(ArgAction::Append)
                .help("Replace files: never, always, diff (default),\ndiff+older or older; -k says what differs"),
            value("scp-option", "KEY=VALUE")
                .short('o')
                .action(ArgAction::Append)
                .help("As scp: Overwrite=RULE is --overwrite=RULE"),
            rare(
                flag("delete-before-transfer")
                    .long("delete-before-transfer")
                    .alias("delete-before")
                    .help("First delete at the destination what the\nsource folder has not; SRC and DEST must be\nfolders of the same name"),
            ),
            rare(
                flag("save-before-overwrite")
                    .long("save-before-overwrite")
                    .help("Keep a replaced FILE.EXT as\nFILE.DATE.INDEX.EXT"),
            ),
            rare(
                value("partial-file-suffix", "SUFFIX")
                    .long("partial-file-suffix")
                    .help("Downloads: what a file has behind its\nname until it is complete"),
            ),
        ],
    )
}
