//! The keys of one epoch and what they do to one datagram: the only place that tells suites apart.
//!
//! A datagram is header ‖ body ‖ tag; the tag is handled apart from the rest. Which packet number
//! a datagram has, and whether it may be used, is decided by the callers.
//!
//! Source: PROTOCOL.md §4.3 and §4.4.

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use zeroize::Zeroizing;

use super::cfb::CfbKeys;
use super::gcm::NONCE_BYTES;
use super::key_schedule::{LaneSecret, Purpose};
use super::{AesKey, AuthenticationFailed, CipherSuite, GcmBackend, HEADER_BYTES, TAG_BYTES};
use crate::units::PacketNumber;

/// The keys of one epoch of one direction of one lane.
pub(super) struct PacketKeys<G: GcmBackend> {
    epoch: u64,
    protection: Protection<G>,
}

enum Protection<G: GcmBackend> {
    AuthOnly(GcmKeys<G>),
    Gcm(GcmKeys<G>),
    Aes128Cfb(CfbKeys<Aes128Enc>),
    Aes192Cfb(CfbKeys<Aes192Enc>),
    Aes256Cfb(CfbKeys<Aes256Enc>),
}

impl<G: GcmBackend> PacketKeys<G> {
    pub(super) fn derive(secret: &LaneSecret, epoch: u64) -> Self {
        let protection = match secret.suite {
            CipherSuite::AuthOnly => Protection::AuthOnly(GcmKeys::derive_128(secret, epoch)),
            CipherSuite::Aes128Gcm => Protection::Gcm(GcmKeys::derive_128(secret, epoch)),
            CipherSuite::Aes192Gcm => Protection::Gcm(GcmKeys::derive_192(secret, epoch)),
            CipherSuite::Aes256Gcm => Protection::Gcm(GcmKeys::derive_256(secret, epoch)),
            CipherSuite::Aes128Cfb => Protection::Aes128Cfb(CfbKeys::derive(secret, epoch)),
            CipherSuite::Aes192Cfb => Protection::Aes192Cfb(CfbKeys::derive(secret, epoch)),
            CipherSuite::Aes256Cfb => Protection::Aes256Cfb(CfbKeys::derive(secret, epoch)),
        };
        Self { epoch, protection }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Protects `packet` (header ‖ body) in place and returns its tag.
    pub(super) fn seal(&self, number: PacketNumber, packet: &mut [u8]) -> [u8; TAG_BYTES] {
        if let Protection::AuthOnly(keys) = &self.protection {
            return G::seal(&keys.key, &keys.nonce(number), packet, &mut []);
        }
        let (header, body) = packet.split_at_mut(HEADER_BYTES);
        match &self.protection {
            Protection::AuthOnly(keys) | Protection::Gcm(keys) => {
                G::seal(&keys.key, &keys.nonce(number), header, body)
            }
            Protection::Aes128Cfb(keys) => keys.seal(number, header, body),
            Protection::Aes192Cfb(keys) => keys.seal(number, header, body),
            Protection::Aes256Cfb(keys) => keys.seal(number, header, body),
        }
    }

    /// Verifies `packet` (header ‖ body) against `tag` and uncovers the body in place.
    pub(super) fn open(
        &self,
        number: PacketNumber,
        packet: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), AuthenticationFailed> {
        if let Protection::AuthOnly(keys) = &self.protection {
            return G::open(&keys.key, &keys.nonce(number), packet, &mut [], tag);
        }
        let (header, body) = packet.split_at_mut(HEADER_BYTES);
        match &self.protection {
            Protection::AuthOnly(keys) | Protection::Gcm(keys) => {
                G::open(&keys.key, &keys.nonce(number), header, body, tag)
            }
            Protection::Aes128Cfb(keys) => keys.open(number, header, body, tag),
            Protection::Aes192Cfb(keys) => keys.open(number, header, body, tag),
            Protection::Aes256Cfb(keys) => keys.open(number, header, body, tag),
        }
    }
}

/// A GCM key and the fixed part of its nonces.
struct GcmKeys<G: GcmBackend> {
    key: G::Key,
    iv: Zeroizing<[u8; NONCE_BYTES]>,
}

impl<G: GcmBackend> GcmKeys<G> {
    fn derive_128(secret: &LaneSecret, epoch: u64) -> Self {
        let key = secret.array(Purpose::Key, epoch);
        Self::with_key(AesKey::Aes128(&key), secret, epoch)
    }

    fn derive_192(secret: &LaneSecret, epoch: u64) -> Self {
        let key = secret.array(Purpose::Key, epoch);
        Self::with_key(AesKey::Aes192(&key), secret, epoch)
    }

    fn derive_256(secret: &LaneSecret, epoch: u64) -> Self {
        let key = secret.array(Purpose::Key, epoch);
        Self::with_key(AesKey::Aes256(&key), secret, epoch)
    }

    fn with_key(key: AesKey<'_>, secret: &LaneSecret, epoch: u64) -> Self {
        Self {
            key: G::key(key),
            iv: secret.array(Purpose::Iv, epoch),
        }
    }

    /// The fixed part with the packet number folded into its last eight bytes.
    fn nonce(&self, number: PacketNumber) -> [u8; NONCE_BYTES] {
        let mut nonce = *self.iv;
        for (byte, bits) in nonce.iter_mut().skip(4).zip(number.0.to_be_bytes()) {
            *byte ^= bits;
        }
        nonce
    }
}
