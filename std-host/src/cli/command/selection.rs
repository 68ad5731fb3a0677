//! Options that say which files go, under which names.

use clap::{Arg, ArgAction};

use super::{flag, under, value};

pub(super) fn args() -> Vec<Arg> {
    under(
        "Which files",
        vec![
            value("exclude", "PATTERN")
                .short('E')
                .action(ArgAction::Append)
                .help("Leave out what matches; the first -E or -N\nthat matches counts"),
            value("include", "PATTERN")
                .short('N')
                .action(ArgAction::Append)
                .help("Keep what matches, whatever a later -E says"),
            value("exclude-newer-than", "MTIME")
                .long("exclude-newer-than")
                .help("Leave out files modified after MTIME:\nseconds since 1970, or -SECONDS before now"),
            value("exclude-older-than", "MTIME")
                .long("exclude-older-than")
                .help("Leave out files modified before MTIME"),
            value("file-list", "FILE")
                .long("file-list")
                .help("Take the sources from the lines of FILE\n(- is standard input); needs --mode, --host"),
            value("file-pair-list", "FILE")
                .long("file-pair-list")
                .help("The same; each source is followed by the\nline of its destination"),
            value("source-prefix", "PREFIX")
                .long("source-prefix")
                .help("Put PREFIX/ before every source"),
            value("source-prefix64", "BASE64")
                .long("source-prefix64")
                .help("The same, in base64"),
            value("src-base", "PREFIX")
                .long("src-base")
                .help("Keep the folders that a source has below\nPREFIX; sources elsewhere are left out"),
            value("src-base64", "BASE64")
                .long("src-base64")
                .help("The same, in base64"),
            flag("dest64")
                .long("dest64")
                .help("The destination is written in base64"),
            value("symbolic-links", "METHOD")
                .long("symbolic-links")
                .help("follow (default), copy, copy+force or skip"),
            flag("skip-special-files")
                .long("skip-special-files")
                .help("Pass over devices, pipes and sockets"),
            flag("skip-dir-traversal-dupes")
                .long("skip-dir-traversal-dupes")
                .help("Changes nothing: nobody looks for duplicates"),
            value("part", "START:END")
                .short('@')
                .help("Only these bytes, END included, of one file;\neither may be missing; downloads without -k"),
        ],
    )
}
