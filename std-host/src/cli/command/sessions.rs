//! Options about several sessions that transfer the same sources side by side.

use clap::Arg;

use super::{under, value};

pub(super) fn args() -> Vec<Arg> {
    under(
        "Several sessions at once",
        vec![
            value("parallel", "NODE:COUNT")
                .short('C')
                .help("This is session NODE of COUNT (1 to 128) with the\nsame arguments; each sends its share of the files"),
            value("multi-session-threshold", "BYTES")
                .long("multi-session-threshold")
                .help("With -C: split files of at least BYTES between the\nsessions; 0 (default) splits none"),
        ],
    )
}
