//! Deterministic CBOR maps with unsigned keys: the body of every control message and file record.
//!
//! Not a general CBOR codec. The writer cannot emit keys out of order; the reader takes only
//! what the writer of another implementation is allowed to send: ascending keys, shortest heads,
//! definite lengths. Unknown keys are skipped, whatever well-formed value they hold.
//!
//! Source: RFC 8949 §4.2.1; PROTOCOL.md §2.1.

mod reader;
mod writer;

pub(crate) use reader::{ByteStrings, MAX_LIST, MapReader, Uints};
pub(crate) use writer::MapWriter;

/// The output buffer is too small for the message or record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("the output buffer is too small for the message")]
pub struct Full;

/// Why bytes are not the map they should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("the message ends too early")]
    Truncated,
    /// Bytes follow the map.
    #[error("bytes follow the end of the message")]
    TrailingBytes,
    /// The body is not a map of definite length.
    #[error("the message body is not a map")]
    NotAMap,
    /// A key is not an unsigned integer.
    #[error("the message has a key that is not an unsigned integer")]
    BadKey,
    /// A key is repeated or smaller than the one before it.
    #[error("key {key} of the message is repeated or out of order")]
    KeyOrder {
        /// The offending key.
        key: u64,
    },
    /// A required key is absent.
    #[error("key {key} of the message is missing")]
    MissingKey {
        /// The absent key.
        key: u64,
    },
    /// A value is not of the type its key asks for.
    #[error("key {key} of the message holds a value of the wrong type")]
    WrongType {
        /// Whose value.
        key: u64,
    },
    /// A value is of the right type and outside what its key allows.
    #[error("key {key} of the message holds a value out of range")]
    OutOfRange {
        /// Whose value.
        key: u64,
    },
    /// A number or length is not in its shortest form, or a length is indefinite.
    #[error("key {key} of the message is not in deterministic form")]
    NotDeterministic {
        /// Whose value.
        key: u64,
    },
    /// The message type is unknown and may not be ignored.
    #[error("the message has the unknown type {0:#04x}")]
    UnknownMessage(u8),
}

/// Bytes that the head of an integer, length or count takes in its shortest form.
#[must_use]
pub(crate) const fn head_len(value: u64) -> usize {
    match value {
        0..=0x17 => 1,
        0x18..=0xFF => 2,
        0x100..=0xFFFF => 3,
        0x1_0000..=0xFFFF_FFFF => 5,
        _ => 9,
    }
}

/// The magnitude that the head of a signed integer carries.
#[must_use]
pub(crate) const fn int_magnitude(value: i64) -> u64 {
    if value < 0 {
        (!value).unsigned_abs()
    } else {
        value.unsigned_abs()
    }
}
