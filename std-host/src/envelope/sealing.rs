//! Envelopes of sources: any part of them, as often as it is asked for, always the same bytes.

use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

use aws_lc_rs::{hmac, rand};
use fasp_core::fault::Fault;
use zeroize::Zeroizing;

use super::header::{self, WORK};
use super::keys::{self, FileKey, PayloadKey, SEALED_CHUNK};
use super::{CHUNK, NONCE, PREFIX, ReadAt, chunks, sealed_size};
use crate::cli::secret::Secret;
use crate::failure::{Failure, Outcome};

/// What the salt of the secret of a run that can be resumed begins with.
const RESUME_LABEL: &[u8] = b"ascp file-crypt resume v1";

/// Makes envelopes for one passphrase.
pub struct Sealer {
    passphrase: Secret,
    /// From what the keys of a source are derived that must be found again; without it they are random.
    resume: Option<Zeroizing<[u8; 32]>>,
}

impl PartialEq for Sealer {
    /// Only the same one makes the same envelopes.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Sealer {}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("resumes", &self.resume.is_some())
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// Envelopes with keys of their own. With `resumed_at`, which names the destination, the same state of the same
    /// source gets the same envelope in every run, so that a later run can go on with it.
    ///
    /// # Errors
    ///
    /// [`Fault::FileEncryption`] if no key can be made.
    pub fn new(passphrase: Secret, resumed_at: Option<&[u8]>) -> Outcome<Self> {
        let resume = match resumed_at {
            None => None,
            Some(place) => {
                Some(keys::stretched(&passphrase, RESUME_LABEL, place, WORK).ok_or_else(no_keys)?)
            }
        };
        Ok(Self { passphrase, resume })
    }

    /// Salt, file key and nonce of the source that `identity` names in its present state.
    fn secrets(&self, identity: &[u8]) -> Option<([u8; 16], FileKey, [u8; NONCE])> {
        let mut bytes = Zeroizing::new([0; 64]);
        match &self.resume {
            None => rand::fill(&mut *bytes).ok()?,
            Some(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &**secret);
                for (number, half) in (1_u8..).zip(bytes.chunks_exact_mut(32)) {
                    let mut context = hmac::Context::with_key(&key);
                    context.update(&[number]);
                    context.update(identity);
                    half.copy_from_slice(context.sign().as_ref());
                }
            }
        }
        let (salt, rest) = bytes.split_first_chunk()?;
        let (file_key, rest) = rest.split_first_chunk()?;
        let (nonce, _) = rest.split_first_chunk()?;
        Some((*salt, Zeroizing::new(*file_key), *nonce))
    }

    fn envelope(&self, identity: &[u8]) -> Option<Envelope> {
        let (salt, file_key, nonce) = self.secrets(identity)?;
        let wrapped = keys::wrap(&self.passphrase, &salt, WORK, &file_key)?;
        let mut prefix = header::write(&salt, &wrapped);
        let mac = hmac::sign(&keys::mac_key(&file_key)?, &prefix);
        header::push_mac(&mut prefix, mac.as_ref().try_into().ok()?);
        prefix.extend_from_slice(&nonce);
        Some(Envelope {
            prefix,
            key: PayloadKey::new(&file_key, &nonce)?,
        })
    }
}

#[derive(Debug)]
struct Envelope {
    /// Header and nonce.
    prefix: Vec<u8>,
    key: PayloadKey,
}

/// The envelope of one source. Its keys, which take a while, are made when its first byte is asked for.
#[derive(Debug)]
pub struct Seal {
    sealer: Arc<Sealer>,
    /// Names the source in its present state; no other state has the same one.
    identity: Vec<u8>,
    plain_size: u64,
    envelope: OnceLock<Option<Envelope>>,
}

impl Seal {
    /// The envelope of a source of `plain_size` bytes.
    #[must_use]
    pub const fn new(sealer: Arc<Sealer>, identity: Vec<u8>, plain_size: u64) -> Self {
        Self {
            sealer,
            identity,
            plain_size,
            envelope: OnceLock::new(),
        }
    }

    /// Bytes of the envelope.
    #[must_use]
    pub const fn size(&self) -> u64 {
        sealed_size(self.plain_size)
    }

    /// Fills `out` with bytes of the envelope from `offset` on, which must lie in it; `plain` fills a piece with the
    /// bytes of the source from an offset on.
    ///
    /// # Errors
    ///
    /// What `plain` says, or [`Fault::FileEncryption`] if no key can be made.
    pub fn read<E: From<Failure>>(
        &self,
        offset: u64,
        out: &mut [u8],
        plain: &mut ReadAt<'_, E>,
    ) -> Result<(), E> {
        let envelope = self
            .envelope
            .get_or_init(|| self.sealer.envelope(&self.identity));
        let envelope = envelope.as_ref().ok_or_else(no_keys)?;
        let mut at = offset;
        let mut rest = out;
        let mut chunk = Vec::new();
        while !rest.is_empty() {
            let (bytes, from): (&[u8], u64) = if at < PREFIX {
                (&envelope.prefix, at)
            } else {
                let index = (at - PREFIX) / SEALED_CHUNK;
                self.chunk(envelope, index, &mut chunk, plain)?;
                (&chunk, at - PREFIX - index * SEALED_CHUNK)
            };
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let piece = bytes.get(from..).filter(|piece| !piece.is_empty());
            let piece = piece.ok_or_else(no_keys)?;
            let length = piece.len().min(rest.len());
            let (now, later) = rest.split_at_mut(length);
            now.copy_from_slice(piece.get(..length).unwrap_or_default());
            at += u64::try_from(length).unwrap_or(u64::MAX);
            rest = later;
        }
        Ok(())
    }

    /// The chunk `index`, sealed.
    fn chunk<E: From<Failure>>(
        &self,
        envelope: &Envelope,
        index: u64,
        chunk: &mut Vec<u8>,
        plain: &mut ReadAt<'_, E>,
    ) -> Result<(), E> {
        let start = index * CHUNK;
        let length = self.plain_size.saturating_sub(start).min(CHUNK);
        chunk.clear();
        chunk.resize(usize::try_from(length).unwrap_or(0), 0);
        if length > 0 {
            plain(start, chunk)?;
        }
        let is_last = index + 1 == chunks(self.plain_size);
        Ok(envelope
            .key
            .seal(index, is_last, chunk)
            .ok_or_else(no_keys)?)
    }
}

impl PartialEq for Seal {
    /// Of the same source in the same state.
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.plain_size == other.plain_size
    }
}

impl Eq for Seal {}

fn no_keys() -> Failure {
    Failure::from(Fault::FileEncryption)
}
