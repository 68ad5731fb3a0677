//! From an envelope that has arrived to the file that is in it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;

use super::header::{self, Header, MOST_BYTES};
use super::keys::{self, PayloadKey, SEALED_CHUNK};
use super::{CHUNK, NONCE, ReadAt, TAG, WriteAt};
use crate::cli::secret::Secret;

/// Why an envelope stays closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unopened {
    /// Not the format, or not with a passphrase, or too much work to open.
    Foreign,
    /// The passphrase is another one.
    WrongPassphrase,
    /// Changed or cut off after it was made.
    Damaged,
}

impl Unopened {
    /// A part of a sentence about the file.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Foreign => "this is no age file with a passphrase that could be opened",
            Self::WrongPassphrase => "the passphrase in ASPERA_SCP_FILEPASS does not open it",
            Self::Damaged => "the encrypted file is damaged",
        }
    }
}

/// Opens envelopes with one passphrase.
pub struct Opener {
    passphrase: Secret,
    fails: bool,
    kept: Mutex<(u64, Vec<u8>)>,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("fails", &self.fails)
            .finish_non_exhaustive()
    }
}

impl Opener {
    /// With `fails` a wrong passphrase is an error of the file, else the file stays as it came.
    #[must_use]
    pub fn new(passphrase: Secret, fails: bool) -> Self {
        Self {
            passphrase,
            fails,
            kept: Mutex::default(),
        }
    }

    /// Whether a wrong passphrase is an error.
    #[must_use]
    pub const fn fails(&self) -> bool {
        self.fails
    }

    /// The file at `path` stays closed.
    pub fn note_kept(&self, path: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 == 0 {
            kept.1 = path.to_vec();
        }
        kept.0 += 1;
    }

    /// How many files stayed closed, and the first of them.
    #[must_use]
    pub fn kept(&self) -> (u64, Vec<u8>) {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Opens an envelope of `size` bytes: `read` fills a piece from an offset on, `write` gets the plain bytes in
    /// order, each with its offset. Gives the number of plain bytes. What was written before
    /// [`Unopened::Damaged`] must be thrown away.
    ///
    /// # Errors
    ///
    /// What `read` and `write` say.
    pub fn open<E>(
        &self,
        size: u64,
        read: &mut ReadAt<'_, E>,
        write: &mut WriteAt<'_, E>,
    ) -> Result<Result<u64, Unopened>, E> {
        let most = u64::try_from(MOST_BYTES + NONCE).unwrap_or(u64::MAX);
        let mut front = vec![0; usize::try_from(size.min(most)).unwrap_or(0)];
        read(0, &mut front)?;
        let Some(header) = header::read(&front) else {
            return Ok(Err(Unopened::Foreign));
        };
        let key = match self.payload_key(&header, &front) {
            Ok(key) => key,
            Err(why) => return Ok(Err(why)),
        };
        let start = u64::try_from(header.length + NONCE).unwrap_or(u64::MAX);
        open_chunks(&key, (start, size), read, write)
    }

    fn payload_key(&self, header: &Header, front: &[u8]) -> Result<PayloadKey, Unopened> {
        let file_key = keys::unwrap(&self.passphrase, &header.salt, header.work, &header.wrapped)
            .ok_or(Unopened::WrongPassphrase)?;
        let covered = front.get(..header.covered).unwrap_or_default();
        let mac_key = keys::mac_key(&file_key).ok_or(Unopened::Damaged)?;
        hmac::verify(&mac_key, covered, &header.mac).map_err(|_| Unopened::Damaged)?;
        let nonce = front.get(header.length..header.length + NONCE);
        PayloadKey::new(&file_key, nonce.ok_or(Unopened::Damaged)?).ok_or(Unopened::Damaged)
    }
}

fn open_chunks<E>(
    key: &PayloadKey,
    (start, end): (u64, u64),
    read: &mut ReadAt<'_, E>,
    write: &mut WriteAt<'_, E>,
) -> Result<Result<u64, Unopened>, E> {
    let mut chunk = Vec::new();
    let mut index = 0;
    let mut at = start;
    let mut plain = 0;
    loop {
        let length = end.saturating_sub(at).min(SEALED_CHUNK);
        let is_last = at.saturating_add(length) >= end;
        let holds_nothing = length <= TAG;
        // Only an empty file has an empty chunk.
        if length < TAG || (holds_nothing && index > 0) {
            return Ok(Err(Unopened::Damaged));
        }
        chunk.resize(usize::try_from(length).unwrap_or(0), 0);
        read(at, &mut chunk)?;
        let Some(bytes) = key.open(index, is_last, &mut chunk) else {
            return Ok(Err(Unopened::Damaged));
        };
        if !bytes.is_empty() {
            write(index * CHUNK, bytes)?;
        }
        plain += u64::try_from(bytes.len()).unwrap_or(0);
        if is_last {
            return Ok(Ok(plain));
        }
        at += length;
        index += 1;
    }
}
