//! What a server allows and does about records of a session, where nothing else is configured.

use fasp_core::control::ChecksumKind;

/// Checksums and logs of one session, as the server wants them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordRules {
    /// The checksum of every file where the client asks for none.
    pub checksum: Option<ChecksumKind>,
    /// A client may have the session logged to a folder below what it can reach (`-R`).
    pub client_log_folders: bool,
}

impl Default for RecordRules {
    fn default() -> Self {
        Self {
            checksum: None,
            client_log_folders: true,
        }
    }
}
