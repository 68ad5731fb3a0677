//! Writing maps: keys in ascending order or not at all.

use minicbor::Encoder;
use minicbor::encode::Write as _;
use minicbor::encode::write::{Cursor, EndOfSlice};

use super::Full;

/// Most entries of a map whose head is one byte.
const SMALL_MAP: u8 = 23;
/// Head of an empty map; the number of entries is added to it.
const EMPTY_MAP: u8 = 0xA0;
/// Head of a map whose number of entries is in the next byte.
const LARGE_MAP: u8 = 0xB8;

/// What a wrong count is told.
const MISCOUNTED: &str = "an array has as many items as its head says";

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
        // Keys ascend, so there are at most 256; the largest is not in use.
        self.entries = self.entries.saturating_add(1);
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

    /// A byte string of `length` bytes in pieces, which must have exactly that many.
    pub(crate) fn joined_bytes<'v>(
        &mut self,
        key: u8,
        length: usize,
        pieces: impl Iterator<Item = &'v [u8]>,
    ) -> Written {
        let announced = self::length(length)?;
        let encoder = self.key(key)?;
        encoder.bytes_len(announced).map_err(full)?;
        let mut written = 0;
        for piece in pieces {
            encoder.writer_mut().write_all(piece).map_err(|_| Full)?;
            written += piece.len();
        }
        assert_eq!(written, length, "{MISCOUNTED}");
        Ok(())
    }

    pub(crate) fn text(&mut self, key: u8, value: &str) -> Written {
        self.key(key)?.str(value).map_err(full)?;
        Ok(())
    }

    /// An array of `count` unsigned integers; `values` must give exactly that many.
    pub(crate) fn uints(
        &mut self,
        key: u8,
        count: usize,
        values: impl Iterator<Item = u64>,
    ) -> Written {
        let announced = length(count)?;
        let encoder = self.key(key)?.array(announced).map_err(full)?;
        let mut written = 0_usize;
        for value in values {
            encoder.u64(value).map_err(full)?;
            written += 1;
        }
        assert_eq!(written, count, "{MISCOUNTED}");
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
        assert_eq!(written, count, "{MISCOUNTED}");
        Ok(())
    }

    /// Completes the map; gives the end position in `out` (the reserved bytes count).
    pub(crate) fn finish(self) -> Result<usize, Full> {
        let cursor = self.encoder.into_writer();
        let end = cursor.position();
        let out = cursor.into_inner();
        if self.entries <= SMALL_MAP {
            *out.get_mut(self.map_at).ok_or(Full)? = EMPTY_MAP + self.entries;
            return Ok(end);
        }
        // The head takes one byte more than was left for it.
        let map = out.get_mut(self.map_at..=end).ok_or(Full)?;
        let length = map.len() - 1;
        map.copy_within(1..length, 2);
        if let Some(head) = map.first_chunk_mut() {
            *head = [LARGE_MAP, self.entries];
        }
        Ok(end + 1)
    }
}

fn full(_: minicbor::encode::Error<EndOfSlice>) -> Full {
    Full
}

fn length(len: usize) -> Result<u64, Full> {
    u64::try_from(len).map_err(|_| Full)
}
