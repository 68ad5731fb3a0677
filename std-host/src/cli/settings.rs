//! What a command line means, once every spelling is resolved.
//!
//! Plain data: one value of [`TransferSettings`] says everything the client needs to know. What
//! the peer agrees to is settled later, in the negotiation.
//!
//! Source: defaults and ranges are those of the public option table; where it is silent, the
//! field says so.

mod after_transfer;
mod attributes;
mod local;
mod overwrite;
mod records;
mod security;
mod selection;

use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;
use crate::storage::split_file::Splitting;
use crate::storage::walk::base_name;
pub use after_transfer::{AfterTransfer, AfterTransferWishes};
pub use attributes::{AttributeWishes, Preserve, Store, StoredAttributes, Stores};
pub use local::LocalWishes;
pub use overwrite::{OverwriteRule, OverwriteWishes};
pub use records::{
    DEFAULT_MANIFEST_SUFFIX, DEFAULT_REMOTE_PROGRAM, Labels, ManifestWish, RecordWishes,
};
pub use security::{FileCrypt, SecurityWishes};
pub use selection::{ListPlace, ListWish, SelectionWishes, TimeLimit};

/// The TCP port of SSH.
pub const DEFAULT_SSH_PORT: u16 = 22;

/// The UDP port of the data flow.
pub const DEFAULT_UDP_PORT: u16 = 33001;

/// The mean rate of measuring datagrams in bit/s when `-K` is not given.
pub const DEFAULT_PROBE_RATE_BPS: u64 = 100_000;

/// The largest retransmission request, in bytes, when `-X` is not given.
pub const DEFAULT_REPORT_SIZE: u16 = 1440;

/// Which way the files go, seen from the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Upload: the sources are here.
    Send,
    /// Download: the destination is here.
    Receive,
}

/// A rate as the user asked for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RateWish {
    /// Bits per second.
    Bps(u64),
    /// Millionths of the speed of the network interface towards the server.
    OfLink(u32),
}

/// Measuring the path before the transfer, or instead of one (`-w`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MeasureWish {
    /// Forward is sending, reverse is receiving.
    pub direction: Direction,
    /// Mean rate of the measuring datagrams in bit/s (`-K`), never 0.
    pub probe_rate_bps: u64,
}

/// How the session shares the path with other traffic (`--policy`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PolicyWish {
    /// At the target rate, whatever the network does.
    Fixed,
    /// Twice the share of a fair session.
    High,
    /// An even share.
    #[default]
    Fair,
    /// What others leave.
    Low,
}

/// What protects the data in transit (`-c`, `-T`).
///
/// A key size without a mode leaves the mode to the negotiation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CipherWish {
    /// No confidentiality.
    None,
    /// AES-128 in either mode.
    #[default]
    Aes128,
    /// AES-192 in either mode.
    Aes192,
    /// AES-256 in either mode.
    Aes256,
    /// AES-128 in cipher feedback mode.
    Aes128Cfb,
    /// AES-192 in cipher feedback mode.
    Aes192Cfb,
    /// AES-256 in cipher feedback mode.
    Aes256Cfb,
    /// AES-128 in Galois counter mode.
    Aes128Gcm,
    /// AES-192 in Galois counter mode.
    Aes192Gcm,
    /// AES-256 in Galois counter mode.
    Aes256Gcm,
}

/// Bytes of a log file when `-L` names no size.
pub const DEFAULT_LOG_BYTES: u64 = 10 << 20;

/// Where the log goes (`-L`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum LogTarget {
    /// No `-L`: nothing is logged on the client.
    #[default]
    Default,
    /// `-L-`: standard error.
    Stderr,
    /// `-L DIR`: the file `aspera-scp-transfer.log` in this folder.
    Directory {
        /// The folder.
        folder: PathBuf,
        /// Bytes at which the file is renamed and a new one begun.
        most_bytes: u64,
    },
}

/// The other computer and how to log in there.
#[derive(Clone, Debug)]
pub struct RemoteHost {
    /// Name or address; an IPv6 address stands without brackets and keeps its `%zone`.
    pub host: String,
    /// Login name.
    pub user: String,
    /// Password, or the passphrase of the key; a password in the operand comes before the one
    /// in the environment.
    pub password: Option<Secret>,
    /// Text of a private key from the environment.
    pub key_text: Option<Secret>,
}

/// One transfer, completely described.
#[derive(Clone, Debug)]
pub struct TransferSettings {
    /// Upload or download.
    pub direction: Direction,
    /// The other computer.
    pub remote: RemoteHost,
    /// Source paths as raw bytes, in the order given; no path is empty, and without a source and a list of them
    /// the path is only measured.
    pub sources: Vec<Vec<u8>>,
    /// Which files go, under which names.
    pub selection: SelectionWishes,
    /// Destination path as raw bytes; `.` where the remote path was left empty.
    pub destination: Vec<u8>,
    /// TCP port of SSH (`-P`).
    pub ssh_port: u16,
    /// UDP port wished for (`-O`).
    pub udp_port: u16,
    /// Private key files in the order to try (`-i`).
    pub identity_files: Vec<PathBuf>,
    /// SHA-1 fingerprint the host key must have (`--check-sshfp`).
    pub check_sshfp: Option<[u8; 20]>,
    /// Target rate (`-l`), never 0; `None` leaves it to the server's default.
    pub target_rate: Option<RateWish>,
    /// Rate below which an adaptive policy does not go (`-m`), at most the target rate.
    pub min_rate: RateWish,
    /// Measure the path first (`-w`).
    pub measure: Option<MeasureWish>,
    /// How to share the path.
    pub policy: PolicyWish,
    /// What protects the data.
    pub cipher: CipherWish,
    /// Resume level 0 or 1 (`-k`).
    pub resume_level: u8,
    /// What becomes of files that are at the destination already.
    pub overwriting: OverwriteWishes,
    /// Which attributes the copies get.
    pub attributes: AttributeWishes,
    /// What becomes of the sources.
    pub afterwards: AfterTransferWishes,
    /// Sentences for the user about options that change nothing here.
    pub notes: Vec<String>,
    /// How long a lost session is tried again (`--retry-timeout`); zero = not at all.
    pub retry_timeout: Duration,
    /// Create the destination folder if it is missing (`-d`).
    pub create_destination: bool,
    /// Give the copies the times of their sources (`-p`).
    pub preserve_times: bool,
    /// Nothing on standard output (`-q`).
    pub quiet: bool,
    /// Connection and login steps in the log (`-v`).
    pub verbose: bool,
    /// Debug level 0 to 3 of the log (`-D`).
    pub debug_level: u8,
    /// Where the log goes.
    pub log: LogTarget,
    /// Datagram size in bytes, 296 to 65507 (`-Z`); `None` searches the path for it.
    pub datagram_size: Option<u16>,
    /// Largest retransmission request in bytes, 128 to 1440 (`-X`).
    pub report_size: u16,
    /// IPv6 was asked for (`-6`) or the host is an IPv6 address.
    pub ipv6: bool,
    /// Checksums, manifest, labels and block sizes.
    pub records: RecordWishes,
    /// Encryption at rest and authorization.
    pub security: SecurityWishes,
    /// What holds for this computer alone.
    pub local: LocalWishes,
    /// Which of several sessions this is (`-C`), and which files they split (`--multi-session-threshold`).
    pub splitting: Splitting,
}

impl TransferSettings {
    /// No files go: the path is measured and that is all.
    #[must_use]
    pub const fn only_measures(&self) -> bool {
        self.sources.is_empty() && self.selection.list.is_none()
    }

    /// What the user risks by `--ignore-host-key`.
    #[must_use]
    pub fn host_key_warning(&self) -> Option<String> {
        let unchecked = self.security.ignores_host_key && self.check_sshfp.is_none();
        unchecked.then(|| {
            format!(
                "the host key of {} is not checked (--ignore-host-key): who sits in between gets the password and all files",
                self.remote.host
            )
        })
    }

    /// Sources as the destination counts them: those of a list are many.
    #[must_use]
    pub fn source_count(&self) -> u32 {
        match self.selection.list {
            Some(_) => u32::MAX,
            None => u32::try_from(self.sources.len()).unwrap_or(u32::MAX),
        }
    }

    /// The destination is a folder, to be made if it is missing: `-d`, or a list, or a single source that keeps folders
    /// of its path or has no name that the destination could take (`.`), or one of several sessions, all of which must
    /// find the same.
    #[must_use]
    pub fn makes_destination(&self) -> bool {
        let keeps_folders = self.selection.base.is_some() && self.sources.len() == 1;
        let is_nameless = |source: &Vec<u8>| base_name(source).is_empty();
        let has_no_name = self.sources.len() == 1 && self.sources.iter().any(is_nameless);
        self.create_destination
            || self.selection.list.is_some()
            || keeps_folders
            || has_no_name
            || !self.splitting.share.is_all()
    }

    /// The debug level the log is opened with: `-v` asks for the first level at least, where the
    /// steps of connecting and logging in are.
    #[must_use]
    pub fn log_detail(&self) -> u8 {
        self.debug_level.max(u8::from(self.verbose))
    }
}

/// What `ascp --server` was told; the rest comes from the client over the SSH channel.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerModeSettings {
    /// Where the log goes.
    pub log: LogTarget,
    /// Debug level 0 to 3 of the log.
    pub debug_level: u8,
}
