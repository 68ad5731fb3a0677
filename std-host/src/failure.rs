//! Why a run failed, in the words the user reads.
//!
//! Carries a public fault number for exit codes, logs and the peer, and one clear sentence that
//! names the file or option. Never carries a secret.

use std::fmt;

use fasp_core::fault::Fault;

/// A failed session, file or option.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The public number.
    pub fault: Fault,
    /// The sentence shown to the user, without final full stop: `failed to authenticate`.
    pub text: String,
}

/// What most of the host returns.
pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with its own sentence.
    pub fn new(fault: Fault, text: impl Into<String>) -> Self {
        Self {
            fault,
            text: text.into(),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(fault, fault.text())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
