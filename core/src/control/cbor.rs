//! Deterministic CBOR maps with unsigned keys: the body of every control message and file record.
//!
//! Not a general CBOR codec. The writer cannot emit keys out of order; the reader takes only
//! what the writer of another implementation is allowed to send: ascending keys, shortest heads,
//! definite lengths. Unknown keys are skipped, whatever well-formed value they hold.
//!
//! Source: RFC 8949 §4.2.1; PROTOCOL.md §2.1.

use minicbor::data::Type;
use minicbor::encode::write::{Cursor, EndOfSlice};
use minicbor::{Decoder, Encoder};

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

/// A list in a map is read up to this many entries.
pub(crate) const MAX_LIST: usize = 16;

/// Most entries a map may have here, so that its head is one byte.
const MAX_ENTRIES: u8 = 23;
/// Head of an empty map; the number of entries is added to it.
const EMPTY_MAP: u8 = 0xA0;

type Written = Result<(), Full>;

/// Writes one map behind a reserved prefix.
pub(crate) struct MapWriter<'b> {
    encoder: Encoder<Cursor<&'b mut [u8]>>,
    map_at: usize,
    entries: u8,
    last_key: Option<u8>,
}

impl<'b> MapWriter<'b> {
    /// A map in `out` after `reserved` bytes that the caller fills in later.
    pub(crate) fn new(out: &'b mut [u8], reserved: usize) -> Result<Self, Full> {
        if out.len() <= reserved {
            return Err(Full);
        }
        let mut cursor = Cursor::new(out);
        cursor.set_position(reserved);
        let mut encoder = Encoder::new(cursor);
        encoder.map(0).map_err(full)?;
        Ok(Self {
            encoder,
            map_at: reserved,
            entries: 0,
            last_key: None,
        })
    }

    fn key(&mut self, key: u8) -> Result<&mut Encoder<Cursor<&'b mut [u8]>>, Full> {
        assert!(
            self.last_key.is_none_or(|last| last < key),
            "keys of a message must be written in ascending order"
        );
        self.last_key = Some(key);
        self.entries += 1;
        assert!(self.entries <= MAX_ENTRIES, "a map has one byte of head");
        self.encoder.u8(key).map_err(full)
    }

    pub(crate) fn uint(&mut self, key: u8, value: u64) -> Written {
        self.key(key)?.u64(value).map_err(full)?;
        Ok(())
    }

    pub(crate) fn int(&mut self, key: u8, value: i64) -> Written {
        self.key(key)?.i64(value).map_err(full)?;
        Ok(())
    }

    pub(crate) fn bool(&mut self, key: u8, value: bool) -> Written {
        self.key(key)?.bool(value).map_err(full)?;
        Ok(())
    }

    pub(crate) fn bytes(&mut self, key: u8, value: &[u8]) -> Written {
        self.key(key)?.bytes(value).map_err(full)?;
        Ok(())
    }

    pub(crate) fn text(&mut self, key: u8, value: &str) -> Written {
        self.key(key)?.str(value).map_err(full)?;
        Ok(())
    }

    pub(crate) fn uints(&mut self, key: u8, values: impl ExactSizeIterator<Item = u64>) -> Written {
        let count = length(values.len())?;
        let encoder = self.key(key)?.array(count).map_err(full)?;
        for value in values {
            encoder.u64(value).map_err(full)?;
        }
        Ok(())
    }

    /// An array of `count` byte strings; `values` must give exactly that many.
    pub(crate) fn byte_strings<'v>(
        &mut self,
        key: u8,
        count: usize,
        values: impl Iterator<Item = &'v [u8]>,
    ) -> Written {
        let announced = length(count)?;
        let encoder = self.key(key)?.array(announced).map_err(full)?;
        let mut written = 0_usize;
        for value in values {
            encoder.bytes(value).map_err(full)?;
            written += 1;
        }
        assert_eq!(written, count, "an array has as many items as its head says");
        Ok(())
    }

    /// Completes the map; gives the end position in `out` (the reserved bytes count).
    pub(crate) fn finish(self) -> Result<usize, Full> {
        let cursor = self.encoder.into_writer();
        let end = cursor.position();
        let head = cursor.into_inner().get_mut(self.map_at).ok_or(Full)?;
        *head = EMPTY_MAP + self.entries;
        Ok(end)
    }
}

fn full(_: minicbor::encode::Error<EndOfSlice>) -> Full {
    Full
}

fn length(len: usize) -> Result<u64, Full> {
    u64::try_from(len).map_err(|_| Full)
}

/// Reads one map, asked for its keys in ascending order.
#[derive(Clone)]
pub(crate) struct MapReader<'a> {
    decoder: Decoder<'a>,
    left: u64,
    last_key: Option<u64>,
    /// A key already read whose value is still ahead.
    pending: Option<u64>,
}

impl<'a> MapReader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::Truncated);
        }
        let mut decoder = Decoder::new(body);
        match decoder.map() {
            Ok(Some(left)) if decoder.position() == head_len(left) => Ok(Self {
                decoder,
                left,
                last_key: None,
                pending: None,
            }),
            Err(error) if error.is_end_of_input() => Err(DecodeError::Truncated),
            _ => Err(DecodeError::NotAMap),
        }
    }

    /// Stands at the value of `key`, if the map has it; skips smaller keys.
    fn seek(&mut self, key: u64) -> Result<bool, DecodeError> {
        loop {
            let at = match self.pending.take() {
                Some(at) => at,
                None => match self.read_key()? {
                    Some(at) => at,
                    None => return Ok(false),
                },
            };
            match at.cmp(&key) {
                core::cmp::Ordering::Less => self.skip(at)?,
                core::cmp::Ordering::Equal => return Ok(true),
                core::cmp::Ordering::Greater => {
                    self.pending = Some(at);
                    return Ok(false);
                }
            }
        }
    }

    fn require(&mut self, key: u64) -> Result<(), DecodeError> {
        if self.seek(key)? {
            Ok(())
        } else {
            Err(DecodeError::MissingKey { key })
        }
    }

    fn read_key(&mut self) -> Result<Option<u64>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let before = self.decoder.position();
        let key = self.decoder.u64().map_err(|error| {
            if error.is_end_of_input() {
                DecodeError::Truncated
            } else {
                DecodeError::BadKey
            }
        })?;
        self.shortest(before, key, 0, key)?;
        if self.last_key.is_some_and(|last| last >= key) {
            return Err(DecodeError::KeyOrder { key });
        }
        self.last_key = Some(key);
        Ok(Some(key))
    }

    /// Checks that a head of `value` and `content` bytes is all that was read since `before`.
    fn shortest(
        &self,
        before: usize,
        value: u64,
        content: usize,
        key: u64,
    ) -> Result<(), DecodeError> {
        if self.decoder.position() == before + head_len(value) + content {
            Ok(())
        } else {
            Err(DecodeError::NotDeterministic { key })
        }
    }

    fn uint_here(&mut self, key: u64) -> Result<u64, DecodeError> {
        let before = self.decoder.position();
        let value = self.decoder.u64().map_err(|error| at(key, &error))?;
        self.shortest(before, value, 0, key)?;
        Ok(value)
    }

    fn bytes_here(&mut self, key: u64) -> Result<&'a [u8], DecodeError> {
        let before = self.decoder.position();
        let value = self.decoder.bytes().map_err(|error| at(key, &error))?;
        self.shortest(before, value.len() as u64, value.len(), key)?;
        Ok(value)
    }

    fn text_here(&mut self, key: u64) -> Result<&'a str, DecodeError> {
        let before = self.decoder.position();
        let value = self.decoder.str().map_err(|error| at(key, &error))?;
        self.shortest(before, value.len() as u64, value.len(), key)?;
        Ok(value)
    }

    fn array_here(&mut self, key: u64) -> Result<u64, DecodeError> {
        let before = self.decoder.position();
        let count = self.decoder.array().map_err(|error| at(key, &error))?;
        let count = count.ok_or(DecodeError::NotDeterministic { key })?;
        self.shortest(before, count, 0, key)?;
        Ok(count)
    }

    /// The required unsigned integer `key`, if it fits `T`.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, key: u64) -> Result<T, DecodeError> {
        self.require(key)?;
        let value = self.uint_here(key)?;
        T::try_from(value).map_err(|_| DecodeError::OutOfRange { key })
    }

    /// The unsigned integer `key`, if present; it must fit `T`.
    pub(crate) fn optional_number<T: TryFrom<u64>>(
        &mut self,
        key: u64,
    ) -> Result<Option<T>, DecodeError> {
        if !self.seek(key)? {
            return Ok(None);
        }
        let value = self.uint_here(key)?;
        T::try_from(value)
            .map(Some)
            .map_err(|_| DecodeError::OutOfRange { key })
    }

    /// The signed integer `key`, if present.
    pub(crate) fn optional_int(&mut self, key: u64) -> Result<Option<i64>, DecodeError> {
        if !self.seek(key)? {
            return Ok(None);
        }
        let before = self.decoder.position();
        let value = self.decoder.i64().map_err(|error| at(key, &error))?;
        self.shortest(before, int_magnitude(value), 0, key)?;
        Ok(Some(value))
    }

    /// The required truth value `key`.
    pub(crate) fn bool(&mut self, key: u64) -> Result<bool, DecodeError> {
        self.require(key)?;
        self.decoder.bool().map_err(|error| at(key, &error))
    }

    /// The required byte string `key`.
    pub(crate) fn bytes(&mut self, key: u64) -> Result<&'a [u8], DecodeError> {
        self.require(key)?;
        self.bytes_here(key)
    }

    /// The required text `key`.
    pub(crate) fn text(&mut self, key: u64) -> Result<&'a str, DecodeError> {
        self.require(key)?;
        self.text_here(key)
    }

    /// The text `key`, if present.
    pub(crate) fn optional_text(&mut self, key: u64) -> Result<Option<&'a str>, DecodeError> {
        if !self.seek(key)? {
            return Ok(None);
        }
        self.text_here(key).map(Some)
    }

    /// The required array `key` of at most [`MAX_LIST`] unsigned integers that fit `T`.
    pub(crate) fn list<T: TryFrom<u64>>(
        &mut self,
        key: u64,
    ) -> Result<heapless::Vec<T, MAX_LIST>, DecodeError> {
        self.require(key)?;
        let mut list = heapless::Vec::new();
        for _ in 0..self.array_here(key)? {
            let value = self.uint_here(key)?;
            let value = T::try_from(value).map_err(|_| DecodeError::OutOfRange { key })?;
            list.push(value)
                .map_err(|_| DecodeError::OutOfRange { key })?;
        }
        Ok(list)
    }

    /// The required array `key` of unsigned integers, each given to `take`.
    pub(crate) fn each_uint<E: From<DecodeError>>(
        &mut self,
        key: u64,
        mut take: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        self.require(key)?;
        for _ in 0..self.array_here(key)? {
            take(self.uint_here(key)?)?;
        }
        Ok(())
    }

    /// The required array `key` of byte strings: how many, and their encoded bytes, checked.
    pub(crate) fn byte_strings(&mut self, key: u64) -> Result<(usize, &'a [u8]), DecodeError> {
        self.require(key)?;
        let count = self.array_here(key)?;
        let start = self.decoder.position();
        for _ in 0..count {
            self.bytes_here(key)?;
        }
        let items = self
            .decoder
            .input()
            .get(start..self.decoder.position())
            .ok_or(DecodeError::Truncated)?;
        let count = usize::try_from(count).map_err(|_| DecodeError::OutOfRange { key })?;
        Ok((count, items))
    }

    /// Passes over one well-formed value of any type.
    fn skip(&mut self, key: u64) -> Result<(), DecodeError> {
        let mut values = 1_u64;
        while values > 0 {
            values -= 1;
            let before = self.decoder.position();
            match self.decoder.datatype().map_err(|error| at(key, &error))? {
                Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
                    self.uint_here(key)?;
                }
                Type::Bytes => {
                    self.bytes_here(key)?;
                }
                Type::String => {
                    self.text_here(key)?;
                }
                Type::Array => values = values.saturating_add(self.array_here(key)?),
                Type::Map => {
                    let pairs = self.decoder.map().map_err(|error| at(key, &error))?;
                    let pairs = pairs.ok_or(DecodeError::NotDeterministic { key })?;
                    self.shortest(before, pairs, 0, key)?;
                    values = values.saturating_add(pairs.saturating_mul(2));
                }
                Type::Tag => {
                    self.decoder.tag().map_err(|error| at(key, &error))?;
                    values = values.saturating_add(1);
                }
                Type::ArrayIndef | Type::MapIndef | Type::BytesIndef | Type::StringIndef => {
                    return Err(DecodeError::NotDeterministic { key });
                }
                Type::Break | Type::Unknown(_) => return Err(DecodeError::WrongType { key }),
                _ => self.decoder.skip().map_err(|error| at(key, &error))?,
            }
        }
        Ok(())
    }

    /// Skips what is left and checks that nothing follows the map.
    pub(crate) fn finish(mut self) -> Result<(), DecodeError> {
        while self.seek(u64::MAX)? {
            self.skip(u64::MAX)?;
        }
        if self.decoder.position() == self.decoder.input().len() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }
}

/// Byte strings of an array that [`MapReader::byte_strings`] has checked.
#[derive(Clone, Debug)]
pub(crate) struct ByteStrings<'a> {
    decoder: Decoder<'a>,
}

impl<'a> ByteStrings<'a> {
    pub(crate) fn new(items: &'a [u8]) -> Self {
        Self {
            decoder: Decoder::new(items),
        }
    }
}

impl<'a> Iterator for ByteStrings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.decoder.bytes().ok()
    }
}

fn at(key: u64, error: &minicbor::decode::Error) -> DecodeError {
    if error.is_end_of_input() {
        DecodeError::Truncated
    } else {
        DecodeError::WrongType { key }
    }
}
