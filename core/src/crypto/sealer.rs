//! The sending half of a lane: numbers datagrams and protects them in place.
//!
//! The packet number lives in here and only grows, a [`Sealer`] cannot be cloned, and only a
//! key schedule that is used up by it makes one: under one key no number is sealed twice.
//!
//! Source: PROTOCOL.md §3.1 and chapter 4.

use core::fmt;

use super::key_schedule::LaneSecret;
use super::packet_keys::PacketKeys;
use super::{
    CipherSuite, Direction, GcmBackend, HEADER_BYTES, KEY_PHASE_BIT, KeySchedule,
    PACKET_NUMBER_LIMIT, SoftwareGcm, TAG_BYTES, epoch_of, key_phase,
};
use crate::units::PacketNumber;

/// Why a datagram was not sealed; it is then unchanged and no packet number is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SealError {
    /// There is no room for a header and a tag.
    #[error("A datagram must have room for its 12-byte header and 16-byte tag.")]
    TooShort,
    /// All packet numbers below [`PACKET_NUMBER_LIMIT`] are used.
    #[error("The session has used up its packet numbers and must be started again.")]
    Exhausted,
}

/// Seals the datagrams of one direction of one lane.
pub struct Sealer<G: GcmBackend = SoftwareGcm> {
    secret: LaneSecret,
    keys: PacketKeys<G>,
    next: PacketNumber,
}

impl<G: GcmBackend> Sealer<G> {
    pub(super) fn new(
        schedule: &KeySchedule,
        suite: CipherSuite,
        direction: Direction,
        lane: u8,
    ) -> Self {
        let secret = schedule.lane_secret(suite, direction, lane);
        Self {
            keys: PacketKeys::derive(&secret, 0),
            secret,
            next: PacketNumber(0),
        }
    }

    /// The number the next datagram gets.
    #[must_use]
    pub const fn next_packet_number(&self) -> PacketNumber {
        self.next
    }

    /// Numbers and protects `datagram`: header, body, and 16 bytes free for the tag.
    ///
    /// Sets the key phase bit and the packet number in the header, encrypts the body in place if
    /// the suite encrypts, and writes the tag. The rest of the header must be final. Returns the
    /// packet number used.
    ///
    /// # Errors
    ///
    /// [`SealError::TooShort`] below 28 bytes; [`SealError::Exhausted`] at the end of the numbers.
    pub fn seal(&mut self, datagram: &mut [u8]) -> Result<PacketNumber, SealError> {
        let number = self.next;
        if number >= PACKET_NUMBER_LIMIT {
            return Err(SealError::Exhausted);
        }
        let Some((packet, tag)) = datagram.split_last_chunk_mut::<TAG_BYTES>() else {
            return Err(SealError::TooShort);
        };
        let Some(header) = packet.first_chunk_mut::<HEADER_BYTES>() else {
            return Err(SealError::TooShort);
        };
        let epoch = epoch_of(number);
        if epoch != self.keys.epoch() {
            self.keys = PacketKeys::derive(&self.secret, epoch);
        }
        header[0] = header[0] & !KEY_PHASE_BIT | key_phase(epoch);
        header[4..8].copy_from_slice(&number.on_wire().to_be_bytes());
        *tag = self.keys.seal(number, packet);
        self.next = PacketNumber(number.0 + 1);
        Ok(number)
    }

    /// Continues at `number`, which must not be below the current one: epochs are too long to
    /// walk through in a test.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, number: PacketNumber) {
        assert!(number >= self.next, "a packet number must not come back");
        self.next = number;
    }
}

impl<G: GcmBackend> fmt::Debug for Sealer<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("suite", &self.secret.suite)
            .field("direction", &self.secret.direction)
            .field("lane", &self.secret.lane)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
