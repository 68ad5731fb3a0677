//! A piece of one file: the body of DATA, and of CHUNK inside a list of frames.
//!
//! The hot path: a transfer is millions of these. File bytes are borrowed, never copied; the
//! sender writes [`encode_prefix`](DataBlock::encode_prefix) and reads the file in behind it.
//!
//! Source: PROTOCOL.md §3.2.

use super::cursor::{Reader, Writer};
use super::error::{Full, WireError};
use crate::units::ObjectId;

/// Bytes of a DATA body before the file bytes.
pub const DATA_PREFIX_BYTES: usize = 12;

/// Bytes of the payload when it is the length of a run of zero bytes.
pub const ZERO_RUN_BYTES: usize = 8;

/// The largest size of an object, and so the largest end of a block.
pub const MAX_OBJECT_BYTES: u64 = (1 << 56) - 1;

const FIN: u8 = 0b01;
const ZERO: u8 = 0b10;

/// What a block says about its place in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Payload<'a> {
    /// The bytes themselves; may be none.
    Bytes(&'a [u8]),
    /// So many zero bytes.
    Zeros(u64),
}

impl Payload<'_> {
    /// Bytes of the file it stands for.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(count) => *count,
        }
    }

    /// Whether it stands for no byte at all, as in an empty file.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A piece of one file and its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DataBlock<'a> {
    /// The file; never 0.
    pub object: ObjectId,
    /// Place of the first byte in the file.
    pub offset: u64,
    /// The file ends with this block.
    pub fin: bool,
    /// The bytes.
    pub payload: Payload<'a>,
}

impl<'a> DataBlock<'a> {
    /// Place behind the last byte; at most [`MAX_OBJECT_BYTES`] for a decoded block.
    #[must_use]
    #[inline]
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.payload.len())
    }

    /// Reads a whole DATA body.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::ObjectZero`], [`WireError::UnknownFlags`],
    /// [`WireError::ZeroRun`] or [`WireError::BeyondObject`].
    #[inline]
    pub fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let object = reader.u32()?;
        let flags = reader.u8()?;
        let offset = reader.u56()?;
        Self::from_fields(object, flags, offset, reader.rest())
    }

    /// Puts the fields of DATA or CHUNK together, once the payload's extent is known.
    #[inline]
    pub(super) fn from_fields(
        object: u32,
        flags: u8,
        offset: u64,
        bytes: &'a [u8],
    ) -> Result<Self, WireError> {
        if object == 0 {
            return Err(WireError::ObjectZero);
        }
        if flags & !(FIN | ZERO) != 0 {
            return Err(WireError::UnknownFlags(flags));
        }
        let payload = if flags & ZERO == 0 {
            Payload::Bytes(bytes)
        } else {
            let run: &[u8; ZERO_RUN_BYTES] = bytes.try_into().map_err(|_| WireError::ZeroRun)?;
            Payload::Zeros(u64::from_be_bytes(*run))
        };
        match offset.checked_add(payload.len()) {
            Some(end) if end <= MAX_OBJECT_BYTES => Ok(Self {
                object: ObjectId(object),
                offset,
                fin: flags & FIN != 0,
                payload,
            }),
            _ => Err(WireError::BeyondObject),
        }
    }

    /// The bytes in front of the payload. With `zeros` the payload must be a big-endian u64,
    /// the length of the run; without, it is the file's bytes.
    ///
    /// # Panics
    ///
    /// If `object` is 0 or `offset` is above [`MAX_OBJECT_BYTES`]: the sender refuses larger
    /// files before it sends any of them.
    #[must_use]
    #[inline]
    pub const fn encode_prefix(
        object: ObjectId,
        offset: u64,
        fin: bool,
        zeros: bool,
    ) -> [u8; DATA_PREFIX_BYTES] {
        assert!(object.0 != 0, "object ids count from 1");
        let [high, b0, b1, b2, b3, b4, b5, b6] = offset.to_be_bytes();
        assert!(high == 0, "an object ends before 2^56");
        let [a0, a1, a2, a3] = object.0.to_be_bytes();
        let mut flags = 0;
        if fin {
            flags |= FIN;
        }
        if zeros {
            flags |= ZERO;
        }
        [a0, a1, a2, a3, flags, b0, b1, b2, b3, b4, b5, b6]
    }

    /// Writes the whole DATA body to the front of `body` and returns its length.
    ///
    /// # Errors
    ///
    /// [`Full`] if `body` is too short.
    ///
    /// # Panics
    ///
    /// As [`encode_prefix`](Self::encode_prefix).
    pub fn encode(&self, body: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(body);
        writer.bytes(&self.prefix())?;
        match self.payload {
            Payload::Bytes(bytes) => writer.bytes(bytes)?,
            Payload::Zeros(count) => writer.u64(count)?,
        }
        Ok(writer.position())
    }

    pub(super) const fn prefix(&self) -> [u8; DATA_PREFIX_BYTES] {
        let zeros = matches!(self.payload, Payload::Zeros(_));
        Self::encode_prefix(self.object, self.offset, self.fin, zeros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(object: u32, flags: u8, offset: u64, payload: &[u8]) -> std::vec::Vec<u8> {
        let mut body = std::vec::Vec::from(object.to_be_bytes());
        body.push(flags);
        body.extend_from_slice(&offset.to_be_bytes()[1..]);
        body.extend_from_slice(payload);
        body
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        for (bytes, error) in [
            (body(0, 0, 0, b"x"), WireError::ObjectZero),
            (body(1, 4, 0, b"x"), WireError::UnknownFlags(4)),
            (body(1, 0x82, 0, &[0; 8]), WireError::UnknownFlags(0x82)),
            (body(1, 2, 0, &[0; 7]), WireError::ZeroRun),
            (body(1, 2, 0, &[0; 9]), WireError::ZeroRun),
            (body(1, 0, MAX_OBJECT_BYTES, b"x"), WireError::BeyondObject),
            (body(1, 2, 1, &[0xFF; 8]), WireError::BeyondObject),
            (
                body(1, 2, 1, &MAX_OBJECT_BYTES.to_be_bytes()),
                WireError::BeyondObject,
            ),
        ] {
            assert_eq!(DataBlock::decode(&bytes), Err(error));
        }
    }

    #[test]
    fn a_block_may_end_exactly_at_the_largest_size() {
        let bytes = body(1, 1, MAX_OBJECT_BYTES - 1, b"x");
        assert_eq!(DataBlock::decode(&bytes).unwrap().end(), MAX_OBJECT_BYTES);
        let bytes = body(1, 2, 0, &MAX_OBJECT_BYTES.to_be_bytes());
        assert_eq!(DataBlock::decode(&bytes).unwrap().end(), MAX_OBJECT_BYTES);
    }

    #[test]
    fn an_empty_file_is_one_block_of_no_bytes() {
        let bytes = body(9, 1, 0, b"");
        let block = DataBlock::decode(&bytes).unwrap();
        assert!(block.fin && block.payload.is_empty());
        assert_eq!(block.end(), 0);
    }

    #[test]
    #[should_panic(expected = "before 2^56")]
    fn an_offset_that_does_not_fit_is_not_cut_in_silence() {
        let _ = DataBlock::encode_prefix(ObjectId(1), 1 << 56, false, false);
    }
}
