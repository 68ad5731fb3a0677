//! The two secrets a session starts from, and the hash that ties its keys to what was negotiated.
//!
//! Nothing here prints key bytes, and secrets are overwritten when dropped. The random bytes come
//! from the host.
//!
//! Source: PROTOCOL.md §4.2.

use core::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The 32 random bytes one side contributes to a session's keys.
///
/// Overwritten when dropped; `Debug` shows no byte of it.
pub struct SessionSecret(Zeroizing<[u8; Self::BYTES]>);

impl SessionSecret {
    /// Size of the secret.
    pub const BYTES: usize = 32;

    /// The secret made of these bytes, which must come fresh from a good random source.
    #[must_use]
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, to be put on the control channel and nowhere else.
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

/// SHA-256 over the bodies of HELLO and ACCEPT, exactly as they went over the control channel.
///
/// Feed the body of HELLO, then the body of ACCEPT, each in as many pieces as convenient; the
/// length and type in front of a body do not belong to it.
#[derive(Clone, Default)]
pub struct Transcript(Sha256);

impl Transcript {
    /// A transcript of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the current body.
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
