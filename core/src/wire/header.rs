//! The 12 bytes in front of every datagram: sent in clear, covered by the tag.
//!
//! Says nothing about whether the datagram is genuine; until its tag was verified, every field
//! is only a hint where to look for the keys.
//!
//! Source: PROTOCOL.md §3.1.

use super::cursor::Reader;
use super::error::WireError;
use crate::units::ConnectionId;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 12;

/// Bytes of the authentication tag that ends every datagram.
pub const TAG_BYTES: usize = 16;

const VERSION: u8 = 0b01;
const KEY_PHASE: u8 = 0b0010_0000;
const REPEATED: u8 = 0b0001_0000;

/// What the body of a datagram is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum PacketKind {
    /// A piece of one file.
    Data = 1,
    /// A list of frames.
    Frames = 2,
}

/// The fields every datagram carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header {
    /// Lowest bit of the key epoch.
    pub key_phase: bool,
    /// The content was sent before under another number; for statistics only.
    pub repeated: bool,
    /// What the body is.
    pub kind: PacketKind,
    /// The flow, as the side that reads this datagram named it.
    pub connection: ConnectionId,
    /// Low 32 bits of the packet number.
    pub packet_number: u32,
    /// The sender's clock, µs modulo 2^32.
    pub clock: u32,
}

impl Header {
    /// Reads the first [`HEADER_BYTES`] of `datagram` and ignores what follows.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Version`] or [`WireError::UnknownKind`].
    #[inline]
    pub fn decode(datagram: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(datagram);
        let first = reader.u8()?;
        let connection = ConnectionId::new(reader.u24()?);
        let packet_number = reader.u32()?;
        let clock = reader.u32()?;
        if first >> 6 != VERSION {
            return Err(WireError::Version(first >> 6));
        }
        let kind = match first & 0x0F {
            1 => PacketKind::Data,
            2 => PacketKind::Frames,
            other => return Err(WireError::UnknownKind(other)),
        };
        Ok(Self {
            key_phase: first & KEY_PHASE != 0,
            repeated: first & REPEATED != 0,
            kind,
            connection,
            packet_number,
            clock,
        })
    }

    /// The header as it stands at the front of a datagram.
    #[must_use]
    #[inline]
    pub const fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut first = VERSION << 6 | self.kind as u8;
        if self.key_phase {
            first |= KEY_PHASE;
        }
        if self.repeated {
            first |= REPEATED;
        }
        let [_, c0, c1, c2] = self.connection.bits().to_be_bytes();
        let [p0, p1, p2, p3] = self.packet_number.to_be_bytes();
        let [t0, t1, t2, t3] = self.clock.to_be_bytes();
        [first, c0, c1, c2, p0, p1, p2, p3, t0, t1, t2, t3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_or_kind_is_refused_by_name() {
        for (first, error) in [
            (0x01, WireError::Version(0)),
            (0x81, WireError::Version(2)),
            (0xC1, WireError::Version(3)),
            (0x40, WireError::UnknownKind(0)),
            (0x43, WireError::UnknownKind(3)),
            (0x7F, WireError::UnknownKind(15)),
        ] {
            let mut datagram = [0; HEADER_BYTES];
            datagram[0] = first;
            assert_eq!(Header::decode(&datagram), Err(error));
        }
    }
}
