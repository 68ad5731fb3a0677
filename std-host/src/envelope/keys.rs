//! From a passphrase to the keys of an envelope, and the ciphers that use them.

use std::fmt;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::{CHUNK, TAG};
use crate::cli::secret::Secret;

/// What scrypt's salt begins with.
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";

/// The key of one file.
pub(super) type FileKey = Zeroizing<[u8; 16]>;

/// What scrypt makes of a passphrase.
pub(super) fn stretched(
    passphrase: &Secret,
    label: &[u8],
    salt: &[u8],
    work: u8,
) -> Option<Zeroizing<[u8; 32]>> {
    let parameters = scrypt::Params::new(work, 8, 1).ok()?;
    let salt = [label, salt].concat();
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(
        passphrase.expose().as_bytes(),
        &salt,
        &parameters,
        &mut *key,
    )
    .ok()?;
    Some(key)
}

/// The file key, encrypted for the passphrase.
pub(super) fn wrap(
    passphrase: &Secret,
    salt: &[u8; 16],
    work: u8,
    file_key: &FileKey,
) -> Option<[u8; 32]> {
    let key = chacha(&*stretched(passphrase, SALT_LABEL, salt, work)?)?;
    let mut body = file_key.to_vec();
    key.seal_in_place_append_tag(zero_nonce(), Aad::empty(), &mut body)
        .ok()?;
    body.try_into().ok()
}

/// The file key; `None` if the passphrase is not that of the envelope.
pub(super) fn unwrap(
    passphrase: &Secret,
    salt: &[u8; 16],
    work: u8,
    wrapped: &[u8; 32],
) -> Option<FileKey> {
    let key = chacha(&*stretched(passphrase, SALT_LABEL, salt, work)?)?;
    let mut body = Zeroizing::new(*wrapped);
    let opened = key
        .open_in_place(zero_nonce(), Aad::empty(), &mut *body)
        .ok()?;
    Some(Zeroizing::new((&*opened).try_into().ok()?))
}

/// The key of the MAC over the header.
pub(super) fn mac_key(file_key: &FileKey) -> Option<hmac::Key> {
    let key = derived(&[], &**file_key, b"header")?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &*key))
}

fn derived(salt: &[u8], secret: &[u8], purpose: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut *key))
        .ok()?;
    Some(key)
}

fn chacha(key: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, key)
        .ok()
        .map(LessSafeKey::new)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The key under which the chunks of one file are sealed.
pub(super) struct PayloadKey(LessSafeKey);

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(..)")
    }
}

impl PayloadKey {
    pub(super) fn new(file_key: &FileKey, nonce: &[u8]) -> Option<Self> {
        chacha(&*derived(nonce, &**file_key, b"payload")?).map(Self)
    }

    /// Encrypts a chunk in place and gives it its tag.
    pub(super) fn seal(&self, index: u64, is_last: bool, chunk: &mut Vec<u8>) -> Option<()> {
        self.0
            .seal_in_place_append_tag(chunk_nonce(index, is_last), Aad::empty(), chunk)
            .ok()
    }

    /// The plain bytes of a chunk that is as it was sealed.
    pub(super) fn open<'c>(
        &self,
        index: u64,
        is_last: bool,
        chunk: &'c mut [u8],
    ) -> Option<&'c [u8]> {
        let opened = self
            .0
            .open_in_place(chunk_nonce(index, is_last), Aad::empty(), chunk);
        opened.ok().map(|plain| &*plain)
    }
}

fn chunk_nonce(index: u64, is_last: bool) -> Nonce {
    let [a, b, c, d, e, f, g, h] = index.to_be_bytes();
    Nonce::assume_unique_for_key([0, 0, 0, a, b, c, d, e, f, g, h, u8::from(is_last)])
}

/// Bytes of a whole chunk in an envelope.
pub(super) const SEALED_CHUNK: u64 = CHUNK + TAG;
