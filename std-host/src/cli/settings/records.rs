//! What is recorded about a session, and how its files meet the disk.

use std::path::PathBuf;

use fasp_core::control::ChecksumKind;

/// The name of `ascp` at the server.
pub const DEFAULT_REMOTE_PROGRAM: &str = "ascp";

/// The suffix of a manifest that is not complete.
pub const DEFAULT_MANIFEST_SUFFIX: &str = ".aspera-inprogress";

/// Where the list of files goes (`--file-manifest=text`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ManifestWish {
    /// A folder of this computer (`--file-manifest-path`).
    pub folder: PathBuf,
    /// Behind its name until it is complete.
    pub suffix: String,
}

/// Words that go to the logs of both sides and mean nothing to the protocol.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Labels {
    /// `ASPERA_SCP_COOKIE`.
    pub cookie: Option<String>,
    /// `-u`.
    pub user_string: Option<String>,
    /// `--tags`, as JSON.
    pub tags: Option<String>,
}

/// Everything about records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordWishes {
    /// Checksum of every file (`--file-checksum`); `None` leaves it to the server.
    pub checksum: Option<ChecksumKind>,
    /// A list of the files.
    pub manifest: Option<ManifestWish>,
    /// Count the job beside the transfer (`--precalculate-job-size`).
    pub job_size: bool,
    /// Words for the logs.
    pub labels: Labels,
    /// Folder at the server for its log, raw bytes (`-R`).
    pub remote_log: Option<Vec<u8>>,
    /// Program at the server (`-S`): letters, digits, `.`, `_`, `+`, `-` and `/` only.
    pub remote_program: String,
    /// Bytes read at a time (`-g`).
    pub read_size: Option<u32>,
    /// Bytes written at a time (`-G`).
    pub write_size: Option<u32>,
}

impl Default for RecordWishes {
    fn default() -> Self {
        Self {
            checksum: None,
            manifest: None,
            job_size: false,
            labels: Labels::default(),
            remote_log: None,
            remote_program: DEFAULT_REMOTE_PROGRAM.to_owned(),
            read_size: None,
            write_size: None,
        }
    }
}
