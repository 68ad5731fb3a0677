//! One lane's two directions: datagrams to packet numbers and bodies, and back.
//!
//! The order is fixed: form, connection id, replay window, authentication, and only then content.
//! Whether a packet counts as received is the machine's decision, so marking is separate.

use crate::crypto::replay::ReplayWindow;
use crate::crypto::{GcmBackend, OpenError, Opener, SealError, Sealer};
use crate::time::Instant;
use crate::units::{ConnectionId, PacketNumber};
use crate::wire::{HEADER_BYTES, Header, PacketKind, TAG_BYTES, WireError};

/// Bytes of header and tag around every body.
pub const PACKET_OVERHEAD: usize = HEADER_BYTES + TAG_BYTES;

/// Why a datagram was dropped or put off. None of them ends a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DatagramError {
    /// It is not a datagram of this protocol.
    #[error("The datagram is malformed: {0}")]
    Malformed(WireError),
    /// Its connection id is not this session's.
    #[error("The datagram belongs to another session.")]
    Foreign,
    /// Its packet number came before, or is too old to tell.
    #[error("The packet number of the datagram was used before.")]
    Replayed,
    /// It does not open with the session's keys.
    #[error("The datagram was not opened: {0}")]
    Sealed(OpenError),
    /// Its bytes lie outside of the file they claim to belong to, or its file is not what it claims.
    #[error("The content of the datagram does not fit its file.")]
    OutOfFile,
    /// A buffer or table has no room for it now; it is asked for again.
    #[error("There is no room for the datagram's content now.")]
    NoRoom,
}

impl From<WireError> for DatagramError {
    fn from(error: WireError) -> Self {
        Self::Malformed(error)
    }
}

impl From<OpenError> for DatagramError {
    fn from(error: OpenError) -> Self {
        Self::Sealed(error)
    }
}

/// An authentic datagram.
#[derive(Debug)]
pub(crate) struct Unpacked<'b> {
    pub(crate) header: Header,
    pub(crate) number: PacketNumber,
    pub(crate) body: &'b mut [u8],
}

/// The incoming direction.
#[derive(Debug)]
pub(crate) struct Inbound<const WORDS: usize, G: GcmBackend> {
    opener: Opener<G>,
    window: ReplayWindow<WORDS>,
    own: ConnectionId,
}

impl<const WORDS: usize, G: GcmBackend> Inbound<WORDS, G> {
    pub(crate) const fn new(opener: Opener<G>, own: ConnectionId) -> Self {
        Self {
            opener,
            window: ReplayWindow::new(),
            own,
        }
    }

    /// Checks and opens a datagram in place; it is not marked as received yet.
    pub(crate) fn unpack<'b>(
        &mut self,
        datagram: &'b mut [u8],
    ) -> Result<Unpacked<'b>, DatagramError> {
        let header = Header::decode(datagram)?;
        if header.connection != self.own {
            return Err(DatagramError::Foreign);
        }
        let largest = self.window.largest().unwrap_or_default();
        let number = PacketNumber::recover(header.packet_number, largest);
        if !self.window.admits(number) {
            return Err(DatagramError::Replayed);
        }
        let body = self.opener.open(number, datagram)?;
        Ok(Unpacked {
            header,
            number,
            body,
        })
    }

    pub(crate) fn mark(&mut self, number: PacketNumber) {
        self.window.mark(number);
    }

    /// Goes on as if every number below `number` had come.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, number: PacketNumber) {
        self.opener.skip_to_epoch(number.0 >> 22);
        for back in 1..=(WORDS as u64 * 64) {
            if let Some(earlier) = number.0.checked_sub(back) {
                self.window.mark(PacketNumber(earlier));
            }
        }
    }

    pub(crate) const fn window(&self) -> &ReplayWindow<WORDS> {
        &self.window
    }
}

/// The outgoing direction.
#[derive(Debug)]
pub(crate) struct Outbound<G: GcmBackend> {
    sealer: Sealer<G>,
    peer: ConnectionId,
}

impl<G: GcmBackend> Outbound<G> {
    pub(crate) const fn new(sealer: Sealer<G>, peer: ConnectionId) -> Self {
        Self { sealer, peer }
    }

    /// The number that the next datagram gets.
    pub(crate) fn next_number(&self) -> PacketNumber {
        self.sealer.next_packet_number()
    }

    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, number: PacketNumber) {
        self.sealer.skip_to(number);
    }

    /// Puts header and tag around the body that stands in `datagram` after the header's place.
    pub(crate) fn pack(
        &mut self,
        now: Instant,
        kind: PacketKind,
        repeated: bool,
        datagram: &mut [u8],
    ) -> Result<PacketNumber, SealError> {
        let header = Header {
            key_phase: false,
            repeated,
            kind,
            connection: self.peer,
            packet_number: 0,
            clock: now.wire_clock(),
        };
        if let Some(place) = datagram.first_chunk_mut::<HEADER_BYTES>() {
            *place = header.encode();
        }
        self.sealer.seal(datagram)
    }
}

/// The place of the body in a datagram buffer of which `limit` bytes may be used.
pub(crate) fn body_of(datagram: &mut [u8], limit: usize) -> Option<&mut [u8]> {
    let end = limit.min(datagram.len()).checked_sub(TAG_BYTES)?;
    datagram.get_mut(HEADER_BYTES..end)
}
