//! AES-GCM as packet protection needs it, and the portable implementation of it.
//!
//! A host with a faster library implements [`GcmBackend`] itself; core never asks which one runs.
//! Nonces are made elsewhere: a backend gets each one once for sealing.
//!
//! Source: NIST SP 800-38D, 96-bit nonces, 128-bit tags.

use core::fmt;

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::consts::{U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};

use super::TAG_BYTES;

/// Bytes of a GCM nonce.
pub(super) const NONCE_BYTES: usize = 12;

/// An AES key of one of the three sizes; `Debug` shows the size only.
#[derive(Clone, Copy)]
pub enum AesKey<'a> {
    /// 128 bits.
    Aes128(&'a [u8; 16]),
    /// 192 bits.
    Aes192(&'a [u8; 24]),
    /// 256 bits.
    Aes256(&'a [u8; 32]),
}

impl fmt::Debug for AesKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Aes128(_) => "Aes128",
            Self::Aes192(_) => "Aes192",
            Self::Aes256(_) => "Aes256",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

/// A tag did not match: the bytes are not what the peer sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("The authentication tag does not match.")]
pub struct AuthenticationFailed;

/// An implementation of AES-GCM with 96-bit nonces and 128-bit tags.
pub trait GcmBackend {
    /// A key made ready for use; overwrites itself when dropped.
    type Key;

    /// Makes `key` ready. Done once an epoch, so it may be slow.
    fn key(key: AesKey<'_>) -> Self::Key;

    /// Encrypts `in_out` in place and returns the tag over `aad` and the result.
    ///
    /// Neither slice is longer than a UDP datagram; either may be empty.
    fn seal(
        key: &Self::Key,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> [u8; TAG_BYTES];

    /// Verifies `tag` over `aad` and `in_out` in constant time, then decrypts `in_out` in place.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailed`] if the tag does not match; `in_out` then holds nothing of use.
    fn open(
        key: &Self::Key,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), AuthenticationFailed>;
}

/// The portable implementation; uses the processor's AES instructions where it finds them.
#[derive(Clone, Copy, Debug)]
pub struct SoftwareGcm;

/// A key of [`SoftwareGcm`].
pub struct SoftwareGcmKey(Key);

enum Key {
    Aes128(AesGcm<Aes128, U12>),
    Aes192(AesGcm<Aes192, U12>),
    Aes256(AesGcm<Aes256, U12>),
}

impl fmt::Debug for SoftwareGcmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareGcmKey").finish_non_exhaustive()
    }
}

fn seal<C>(cipher: &C, nonce: &[u8; NONCE_BYTES], aad: &[u8], in_out: &mut [u8]) -> [u8; TAG_BYTES]
where
    C: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    cipher
        .encrypt_inout_detached(&(*nonce).into(), aad, InOutBuf::from(in_out))
        .expect("a datagram is far below the length limit of GCM")
        .into()
}

fn open<C>(
    cipher: &C,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    in_out: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), AuthenticationFailed>
where
    C: AeadInOut<NonceSize = U12, TagSize = U16>,
{
    cipher
        .decrypt_inout_detached(
            &(*nonce).into(),
            aad,
            InOutBuf::from(in_out),
            &(*tag).into(),
        )
        .map_err(|_| AuthenticationFailed)
}

impl GcmBackend for SoftwareGcm {
    type Key = SoftwareGcmKey;

    fn key(key: AesKey<'_>) -> SoftwareGcmKey {
        SoftwareGcmKey(match key {
            AesKey::Aes128(bytes) => Key::Aes128(AesGcm::new(bytes.into())),
            AesKey::Aes192(bytes) => Key::Aes192(AesGcm::new(bytes.into())),
            AesKey::Aes256(bytes) => Key::Aes256(AesGcm::new(bytes.into())),
        })
    }

    fn seal(
        key: &SoftwareGcmKey,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        match &key.0 {
            Key::Aes128(cipher) => seal(cipher, nonce, aad, in_out),
            Key::Aes192(cipher) => seal(cipher, nonce, aad, in_out),
            Key::Aes256(cipher) => seal(cipher, nonce, aad, in_out),
        }
    }

    fn open(
        key: &SoftwareGcmKey,
        nonce: &[u8; NONCE_BYTES],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), AuthenticationFailed> {
        match &key.0 {
            Key::Aes128(cipher) => open(cipher, nonce, aad, in_out, tag),
            Key::Aes192(cipher) => open(cipher, nonce, aad, in_out, tag),
            Key::Aes256(cipher) => open(cipher, nonce, aad, in_out, tag),
        }
    }
}
