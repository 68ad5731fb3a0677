//! What holds for this computer alone and is never told to the server.

use std::path::PathBuf;

/// Everything about this computer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LocalWishes {
    /// The tree that local paths cannot leave, absolute (`--apply-local-docroot`, `ASPERA_SCP_DOCROOT`).
    pub docroot: Option<PathBuf>,
    /// Bytes read or written at a time here, where no option says it (`read_block_size`, `write_block_size`).
    pub block_size: Option<u32>,
    /// The target rate is not above this, in bit/s, whoever asks for it (`target_rate/cap`).
    pub target_cap: Option<u64>,
    /// The minimum rate is not above this, in bit/s (`min_rate/cap`).
    pub minimum_cap: Option<u64>,
    /// Sentences for the log about the configuration file.
    pub log_lines: Vec<String>,
}
