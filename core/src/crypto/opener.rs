//! The receiving half of a lane: verifies datagrams and uncovers their bodies in place.
//!
//! Keeps the keys of the newest epoch seen, of the one before it, and of the one after it once a
//! datagram claims to be from there; a forger cannot make it derive more. Replays are not its
//! business: see [`ReplayWindow`](super::replay::ReplayWindow).
//!
//! Source: PROTOCOL.md chapter 4.

use core::{fmt, mem};

use super::key_schedule::LaneSecret;
use super::packet_keys::PacketKeys;
use super::{
    AuthenticationFailed, CipherSuite, Direction, GcmBackend, HEADER_BYTES, KEY_PHASE_BIT,
    KeySchedule, SoftwareGcm, TAG_BYTES, epoch_of, key_phase,
};
use crate::units::PacketNumber;

/// After this many failed authentications nothing is opened any more.
const FORGERY_LIMIT: u64 = 1 << 36;

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OpenError {
    /// It has no room for a header and a tag.
    #[error("The datagram is shorter than a header and a tag.")]
    TooShort,
    /// Its key phase bit does not fit its packet number.
    #[error("The key phase bit of the datagram contradicts its packet number.")]
    KeyPhase,
    /// Its epoch ended more than one epoch ago.
    #[error("The datagram is from an epoch whose keys are gone.")]
    PastEpoch,
    /// Its epoch begins more than one epoch ahead.
    #[error("The datagram is from an epoch too far ahead.")]
    FutureEpoch,
    /// Its tag does not match.
    #[error("The authentication tag of the datagram does not match.")]
    Forged,
    /// So many tags did not match that the keys are no longer safe to use.
    #[error("Too many forged datagrams arrived; the session must be started again.")]
    TooManyForgeries,
}

impl From<AuthenticationFailed> for OpenError {
    fn from(_: AuthenticationFailed) -> Self {
        Self::Forged
    }
}

/// Opens the datagrams of one direction of one lane.
pub struct Opener<G: GcmBackend = SoftwareGcm> {
    secret: LaneSecret,
    previous: Option<PacketKeys<G>>,
    current: PacketKeys<G>,
    next: Option<PacketKeys<G>>,
    failures: u64,
}

impl<G: GcmBackend> Opener<G> {
    pub(super) fn new(
        schedule: &KeySchedule,
        suite: CipherSuite,
        direction: Direction,
        lane: u8,
    ) -> Self {
        let secret = schedule.lane_secret(suite, direction, lane);
        Self {
            previous: None,
            current: PacketKeys::derive(&secret, 0),
            next: None,
            failures: 0,
            secret,
        }
    }

    /// Verifies `datagram` as packet `number` and returns its body, uncovered in place.
    ///
    /// `number` is the full number recovered from the header; the caller has checked that it is
    /// not a replay and marks it as seen after success. The header stays as it was. After an
    /// error the bytes behind the header hold nothing of use.
    ///
    /// # Errors
    ///
    /// Every [`OpenError`] means: drop the datagram. Only [`OpenError::TooManyForgeries`] is
    /// final.
    pub fn open<'b>(
        &mut self,
        number: PacketNumber,
        datagram: &'b mut [u8],
    ) -> Result<&'b mut [u8], OpenError> {
        if self.failures >= FORGERY_LIMIT {
            return Err(OpenError::TooManyForgeries);
        }
        let Some((packet, tag)) = datagram.split_last_chunk_mut::<TAG_BYTES>() else {
            return Err(OpenError::TooShort);
        };
        let Some(header) = packet.first_chunk::<HEADER_BYTES>() else {
            return Err(OpenError::TooShort);
        };
        let epoch = epoch_of(number);
        if header[0] & KEY_PHASE_BIT != key_phase(epoch) {
            return Err(OpenError::KeyPhase);
        }
        let outcome = self.keys_of(epoch)?.open(number, packet, tag);
        if let Err(failed) = outcome {
            self.failures += 1;
            return Err(failed.into());
        }
        if epoch > self.current.epoch() {
            self.enter_next_epoch();
        }
        let (_, body) = packet.split_at_mut(HEADER_BYTES);
        Ok(body)
    }

    /// How many datagrams had a tag that does not match.
    #[must_use]
    pub const fn failed_authentications(&self) -> u64 {
        self.failures
    }

    fn keys_of(&mut self, epoch: u64) -> Result<&PacketKeys<G>, OpenError> {
        let newest = self.current.epoch();
        if epoch == newest {
            Ok(&self.current)
        } else if epoch == newest + 1 {
            let secret = &self.secret;
            Ok(self
                .next
                .get_or_insert_with(|| PacketKeys::derive(secret, epoch)))
        } else if epoch > newest {
            Err(OpenError::FutureEpoch)
        } else {
            self.previous
                .as_ref()
                .filter(|keys| keys.epoch() == epoch)
                .ok_or(OpenError::PastEpoch)
        }
    }

    fn enter_next_epoch(&mut self) {
        if let Some(keys) = self.next.take() {
            self.previous = Some(mem::replace(&mut self.current, keys));
        }
    }

    /// Stands as if every packet up to the last of the epoch before `epoch` had been opened.
    #[cfg(test)]
    pub(crate) fn skip_to_epoch(&mut self, epoch: u64) {
        self.previous = epoch
            .checked_sub(1)
            .map(|before| PacketKeys::derive(&self.secret, before));
        self.current = PacketKeys::derive(&self.secret, epoch);
        self.next = None;
    }

    /// Stands as if `failures` datagrams had failed.
    #[cfg(test)]
    pub(super) fn set_failed_authentications(&mut self, failures: u64) {
        self.failures = failures;
    }
}

impl<G: GcmBackend> fmt::Debug for Opener<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("suite", &self.secret.suite)
            .field("direction", &self.secret.direction)
            .field("lane", &self.secret.lane)
            .field("epoch", &self.current.epoch())
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
