//! Reading maps: by key, in ascending order, with nothing taken on trust.

use minicbor::Decoder;
use minicbor::data::Type;

use super::{DecodeError, head_len, int_magnitude};

/// A list in a map is read up to this many entries.
pub(crate) const MAX_LIST: usize = 16;

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

    /// The byte string `key`, if present.
    pub(crate) fn optional_bytes(&mut self, key: u64) -> Result<Option<&'a [u8]>, DecodeError> {
        if !self.seek(key)? {
            return Ok(None);
        }
        self.bytes_here(key).map(Some)
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

    /// As [`Self::each_uint`]; gives the encoded integers too.
    pub(crate) fn each_uint_of<E: From<DecodeError>>(
        &mut self,
        key: u64,
        mut take: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        self.require(key)?;
        let count = self.array_here(key)?;
        let start = self.decoder.position();
        for _ in 0..count {
            take(self.uint_here(key)?)?;
        }
        let items = self.decoder.input().get(start..self.decoder.position());
        items.ok_or_else(|| DecodeError::Truncated.into())
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

/// Unsigned integers of an array that [`MapReader::each_uint_of`] has checked.
#[derive(Clone, Debug)]
pub(crate) struct Uints<'a> {
    decoder: Decoder<'a>,
}

impl<'a> Uints<'a> {
    pub(crate) fn new(items: &'a [u8]) -> Self {
        Self {
            decoder: Decoder::new(items),
        }
    }
}

impl Iterator for Uints<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.decoder.u64().ok()
    }
}

fn at(key: u64, error: &minicbor::decode::Error) -> DecodeError {
    if error.is_end_of_input() {
        DecodeError::Truncated
    } else {
        DecodeError::WrongType { key }
    }
}
