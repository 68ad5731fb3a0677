//! Cipher suite numbers.

/// How datagrams are protected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum CipherSuite {
    /// Authenticated, not encrypted.
    AuthOnly = 0x01,
    /// AES-128-GCM.
    Aes128Gcm = 0x10,
    /// AES-192-GCM.
    Aes192Gcm = 0x11,
    /// AES-256-GCM.
    Aes256Gcm = 0x12,
    /// AES-128-CFB with HMAC-SHA-256.
    Aes128Cfb = 0x20,
    /// AES-192-CFB with HMAC-SHA-256.
    Aes192Cfb = 0x21,
    /// AES-256-CFB with HMAC-SHA-256.
    Aes256Cfb = 0x22,
}

impl CipherSuite {
    /// The suite with this number on the wire, if there is one.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0x01 => Some(Self::AuthOnly),
            0x10 => Some(Self::Aes128Gcm),
            0x11 => Some(Self::Aes192Gcm),
            0x12 => Some(Self::Aes256Gcm),
            0x20 => Some(Self::Aes128Cfb),
            0x21 => Some(Self::Aes192Cfb),
            0x22 => Some(Self::Aes256Cfb),
            _ => None,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }
}

use core::fmt;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The 32 random bytes one side contributes to a session's keys.
pub struct SessionSecret(Zeroizing<[u8; Self::BYTES]>);

impl SessionSecret {
    /// Size of the secret.
    pub const BYTES: usize = 32;

    /// The secret made of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSecret").finish_non_exhaustive()
    }
}

/// SHA-256 over the bodies of HELLO and ACCEPT.
#[derive(Clone, Default)]
pub struct Transcript(Sha256);

impl Transcript {
    /// A transcript of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes.
    pub fn absorb(&mut self, body: &[u8]) {
        self.0.update(body);
    }

    /// The hash of everything absorbed.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").finish_non_exhaustive()
    }
}
