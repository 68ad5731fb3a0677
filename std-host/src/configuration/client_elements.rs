//! What a client takes of the elements that servers have too.
//!
//! A computer may have a configuration for its server, which must not surprise whoever starts a transfer there: a client
//! takes what the public reference says of "the client's" or "the local" file, and nothing else.
//!
//! Source: the options `-g`, `-G`, `-l`, `-m`, `-E`, `--apply-local-docroot` in the public reference; the file that public
//! client packages bring has the two suffixes.

use super::elements::{CLIENT, Element};

/// Elements of `<default>`, of a user or of a group, and what they mean to a client.
pub const TAKEN: &[(&str, &str)] = &[
    (
        "transfer/in/bandwidth/flow/target_rate/cap",
        "No download is faster, whatever -l and the server say",
    ),
    (
        "transfer/out/bandwidth/flow/target_rate/cap",
        "No upload is faster, whatever -l and the server say",
    ),
    (
        "transfer/in/bandwidth/flow/min_rate/cap",
        "No download asks for a higher minimum rate",
    ),
    (
        "transfer/out/bandwidth/flow/min_rate/cap",
        "No upload asks for a higher minimum rate",
    ),
    (
        "transfer/encryption/fips_mode",
        "Refused unless harmless, as by a server",
    ),
    (
        "file_system/read_block_size",
        "Bytes read at a time in uploads without -g",
    ),
    (
        "file_system/write_block_size",
        "Bytes written at a time in downloads without -G",
    ),
    (
        "file_system/filters/filter",
        "Rules before those of -E and -N, in uploads and downloads",
    ),
    (
        "file_system/resume_suffix",
        "What the note beside a partial download has behind the name of its file",
    ),
    (
        "file_system/partial_file_suffix",
        "What a download has behind its name until it is complete, without --partial-file-suffix",
    ),
    (
        "file_system/access/paths/path/absolute",
        "The docroot of --apply-local-docroot; nothing without that option",
    ),
];

/// Whether a client looks at `element`.
pub(super) fn takes(element: &Element) -> bool {
    let path = element.path;
    CLIENT.iter().any(|own| own.path == path) || TAKEN.iter().any(|(taken, _)| *taken == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::elements::session_element;

    #[test]
    fn what_a_client_takes_is_known_to_servers_too() {
        for (path, _) in TAKEN {
            assert!(session_element(path).is_some(), "{path}");
        }
    }
}
