//! Encryption at rest and authorization.

use crate::cli::secret::Secret;

/// What becomes of files besides their transfer (`--file-crypt`).
#[derive(Clone, Debug)]
pub enum FileCrypt {
    /// They are sent encrypted.
    Encrypt {
        /// `ASPERA_SCP_FILEPASS`.
        passphrase: Secret,
    },
    /// Those that arrive encrypted are decrypted.
    Decrypt {
        /// `ASPERA_SCP_FILEPASS`.
        passphrase: Secret,
        /// A file that the passphrase does not open is an error (`--fail-bad-filepass`), and is not kept encrypted.
        fails: bool,
    },
}

/// Everything about encryption at rest and authorization.
#[derive(Clone, Debug, Default)]
pub struct SecurityWishes {
    /// Encryption at rest.
    pub file_crypt: Option<FileCrypt>,
    /// What authorizes the transfer (`-W`, `ASPERA_SCP_TOKEN`).
    pub token: Option<Secret>,
    /// The user is asked for a password when keys and password are refused (`--allow-password-prompt`).
    pub prompts: bool,
    /// Any host key will do (`--ignore-host-key`).
    pub ignores_host_key: bool,
}

impl SecurityWishes {
    /// Files are sent encrypted.
    #[must_use]
    pub const fn encrypts(&self) -> bool {
        matches!(self.file_crypt, Some(FileCrypt::Encrypt { .. }))
    }
}
