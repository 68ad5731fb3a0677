//! Session secrets → keys of one lane, one direction, one epoch.
//!
//! Keys are derived when an epoch is entered and are never sent, so both sides change keys
//! without a message. This file knows labels and HKDF; what a key is used for is elsewhere.
//!
//! Source: PROTOCOL.md §4.2; HKDF is RFC 5869 with SHA-256.

use core::fmt;

use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::{CipherSuite, Direction, GcmBackend, Opener, Role, Sealer, SessionSecret};

/// The HKDF salt of this protocol version.
const SALT: &[u8] = b"OFASP/1";

/// What every label of the key schedule starts with.
const LABEL_PREFIX: &[u8] = b"ofasp1 ";

/// The lane all packets of a session belong to.
const ONLY_LANE: u8 = 0;

/// HKDF-Extract over the concatenation of `parts`.
pub(super) fn extract(salt: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut extraction = HkdfExtract::<Sha256>::new(Some(salt));
    for part in parts {
        extraction.input_ikm(part);
    }
    let (mut output, _) = extraction.finalize();
    let mut prk = Zeroizing::new([0; 32]);
    prk.copy_from_slice(&output);
    output.as_mut_slice().zeroize();
    prk
}

/// HKDF-Expand with the concatenation of `info`; fills `output`, at most 8160 bytes.
pub(super) fn expand(prk: &[u8; 32], info: &[&[u8]], output: &mut [u8]) {
    Hkdf::<Sha256>::from_prk(prk)
        .expect("a pseudorandom key is as long as its hash")
        .expand_multi_info(info, output)
        .expect("no key is longer than 255 hashes");
}

/// What one derived secret is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// The AES key of the datagrams.
    Key,
    /// The GCM nonce's fixed part.
    Iv,
    /// The HMAC key.
    Mac,
    /// The AES key that makes CFB initialisation vectors.
    CfbIvKey,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Key => b" key",
            Self::Iv => b" iv",
            Self::Mac => b" mac",
            Self::CfbIvKey => b" civ",
        }
    }
}

/// The root of a session's packet keys.
///
/// Used up by [`KeySchedule::into_lane`], so that no second [`Sealer`] can repeat the packet
/// numbers of the first. Overwritten when dropped; `Debug` shows nothing.
pub struct KeySchedule {
    prk: Zeroizing<[u8; 32]>,
    transcript_hash: [u8; 32],
}

impl KeySchedule {
    /// The schedule of the session with these two secrets and this [`Transcript`] hash.
    ///
    /// Never build two schedules from the same secrets on the same side: their sealers would use
    /// the same nonces.
    ///
    /// [`Transcript`]: super::Transcript
    #[must_use]
    pub fn new(
        client_secret: &SessionSecret,
        server_secret: &SessionSecret,
        transcript_hash: &[u8; 32],
    ) -> Self {
        Self {
            prk: extract(SALT, &[client_secret.as_bytes(), server_secret.as_bytes()]),
            transcript_hash: *transcript_hash,
        }
    }

    /// The two halves of the session's lane: what `role` sends with and what it receives with.
    #[must_use]
    pub fn into_lane<G: GcmBackend>(
        self,
        suite: CipherSuite,
        role: Role,
    ) -> (Sealer<G>, Opener<G>) {
        (
            Sealer::new(&self, suite, role.outbound(), ONLY_LANE),
            Opener::new(&self, suite, role.inbound(), ONLY_LANE),
        )
    }

    /// The secret of one direction of one lane.
    pub(super) fn lane_secret(
        &self,
        suite: CipherSuite,
        direction: Direction,
        lane: u8,
    ) -> LaneSecret {
        LaneSecret {
            prk: self.prk.clone(),
            transcript_hash: self.transcript_hash,
            suite,
            direction,
            lane,
        }
    }

    /// The pseudorandom key, for comparison with the published example.
    #[cfg(test)]
    pub(super) fn prk(&self) -> &[u8; 32] {
        &self.prk
    }
}

impl fmt::Debug for KeySchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySchedule").finish_non_exhaustive()
    }
}

/// What the keys of one direction of one lane are derived from, epoch by epoch.
pub(super) struct LaneSecret {
    prk: Zeroizing<[u8; 32]>,
    transcript_hash: [u8; 32],
    pub(super) suite: CipherSuite,
    pub(super) direction: Direction,
    pub(super) lane: u8,
}

impl LaneSecret {
    /// Fills `output` with the secret for `purpose` in `epoch`.
    pub(super) fn derive(&self, purpose: Purpose, epoch: u64, output: &mut [u8]) {
        let info: [&[u8]; 6] = [
            LABEL_PREFIX,
            self.direction.label(),
            purpose.label(),
            &[self.lane],
            &epoch.to_be_bytes(),
            &self.transcript_hash,
        ];
        expand(&self.prk, &info, output);
    }

    /// The secret of `BYTES` bytes for `purpose` in `epoch`.
    pub(super) fn array<const BYTES: usize>(
        &self,
        purpose: Purpose,
        epoch: u64,
    ) -> Zeroizing<[u8; BYTES]> {
        let mut secret = Zeroizing::new([0; BYTES]);
        self.derive(purpose, epoch, secret.as_mut_slice());
        secret
    }
}
