//! What is moving now, for the line that a person watches: written by the transfer thread, read by the session.

use std::sync::{Arc, Mutex, PoisonError};

/// One look at a running transfer.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The file that moves, raw bytes.
    pub name: Vec<u8>,
    /// Bytes of it that are across.
    pub done: u64,
    /// Its size.
    pub total: u64,
    /// File bytes of the whole session so far.
    pub session_bytes: u64,
}

/// The place where it stands.
#[derive(Clone, Debug, Default)]
pub struct ProgressBoard(Arc<Mutex<Progress>>);

impl ProgressBoard {
    /// The latest look.
    #[must_use]
    pub fn read(&self) -> Progress {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn write(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}
