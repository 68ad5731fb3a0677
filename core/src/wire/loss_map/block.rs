//! The four ways to describe up to 512 packet numbers, shared by both directions.
//!
//! Source: PROTOCOL.md §3.4, "Block heads".

use core::ops::Range;

use super::Fate;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{Full, WireError};

/// Packet numbers a block describes, unless it is the last one.
pub const BLOCK_NUMBERS: u32 = 512;

/// Bytes of the longest block: a head and a bitmap.
pub const MAX_BLOCK_BYTES: usize = 1 + LossBits::BYTES;

/// Blocks one head can stand for.
pub(super) const MAX_UNIFORM_BLOCKS: u32 = 64;

const RECEIVED: u8 = 0;
const MISSING: u8 = 1;
const SPARSE: u8 = 2;
const BITMAP: u8 = 3;
const COUNT: u8 = 0b0011_1111;

/// The first byte of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BlockHead {
    /// Blocks in which all numbers share one fate.
    Uniform { fate: Fate, blocks: u32 },
    /// One block; so many entries follow.
    Sparse { entries: usize },
    /// One block; its bits follow.
    Bitmap,
}

impl BlockHead {
    pub(super) fn decode(head: u8) -> Result<Self, WireError> {
        let count = head & COUNT;
        let uniform = |fate| Self::Uniform {
            fate,
            blocks: u32::from(count) + 1,
        };
        match head >> 6 {
            RECEIVED => Ok(uniform(Fate::Received)),
            MISSING => Ok(uniform(Fate::Missing)),
            SPARSE if count > 0 => Ok(Self::Sparse {
                entries: usize::from(count),
            }),
            BITMAP if count == 0 => Ok(Self::Bitmap),
            _ => Err(WireError::LossMapHead(head)),
        }
    }

    /// Writes the head; a count that does not fit its six bits is [`Full`].
    pub(super) fn put(self, out: &mut Writer<'_>) -> Result<(), Full> {
        let (kind, count) = match self {
            Self::Uniform { fate, blocks } => {
                let kind = match fate {
                    Fate::Received => RECEIVED,
                    Fate::Missing => MISSING,
                };
                (kind, u8::try_from(blocks.saturating_sub(1)))
            }
            Self::Sparse { entries } => (SPARSE, u8::try_from(entries)),
            Self::Bitmap => (BITMAP, Ok(0)),
        };
        match count {
            Ok(count) if count <= COUNT => out.u8(kind << 6 | count),
            _ => Err(Full),
        }
    }
}

/// A run of missing numbers in a sparse block: 9 bits of first index, 7 bits of length − 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SparseEntry {
    /// Index of the first number in the block, below 512.
    pub(super) first: u32,
    /// How many, 1 to 128.
    pub(super) len: u32,
}

impl SparseEntry {
    pub(super) const BYTES: usize = 2;
    pub(super) const MAX_LEN: u32 = 128;

    pub(super) fn from_bits(bits: u16) -> Self {
        Self {
            first: u32::from(bits >> 7),
            len: u32::from(bits & 0x7F) + 1,
        }
    }

    /// The bits, if both numbers are in range.
    pub(super) fn bits(self) -> Option<u16> {
        let length = self.len.checked_sub(1).filter(|&length| length < 128)?;
        u16::try_from(self.first << 7 | length)
            .ok()
            .filter(|_| self.first < BLOCK_NUMBERS)
    }

    pub(super) const fn end(self) -> u32 {
        self.first + self.len
    }
}

/// One bit for each number of a block, set = missing; an iterator over the ranges of set bits.
///
/// Inside, number 0 is the high bit of the first word, as on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossBits {
    words: [u64; 8],
    at: u32,
}

impl LossBits {
    pub(super) const BYTES: usize = 64;

    /// From words whose lowest bit comes first; what stands beyond `valid` numbers is dropped.
    pub(super) fn from_low_first(words: &[u64; 8], valid: u32) -> Self {
        let mut kept = words.map(u64::reverse_bits);
        for (start, word) in (0..).step_by(64).zip(&mut kept) {
            let beyond = u64::MAX.checked_shr(valid.saturating_sub(start));
            *word &= !beyond.unwrap_or(0);
        }
        Self { words: kept, at: 0 }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut bits = Reader::new(reader.bytes(Self::BYTES)?);
        let mut words = [0; 8];
        for word in &mut words {
            *word = bits.u64()?;
        }
        Ok(Self { words, at: 0 })
    }

    pub(super) fn put(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        self.words.iter().try_for_each(|&word| out.u64(word))
    }

    /// How many numbers are missing.
    pub(super) fn missing(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Index behind the last missing number; 0 if none is.
    pub(super) fn end(&self) -> u32 {
        let last = (1..)
            .zip(&self.words)
            .filter(|(_, word)| **word != 0)
            .last();
        last.map_or(0, |(words, word)| words * 64 - word.trailing_zeros())
    }

    /// Index of the first number from `from` on whose bit is `wanted`, or 512.
    fn next_bit(&self, from: u32, wanted: bool) -> u32 {
        for (start, word) in (0..).step_by(64).zip(&self.words) {
            let word = if wanted { *word } else { !*word };
            let ahead = u64::MAX.checked_shr(from.saturating_sub(start));
            let candidates = word & ahead.unwrap_or(0);
            if candidates != 0 {
                return start + candidates.leading_zeros();
            }
        }
        BLOCK_NUMBERS
    }
}

impl Iterator for LossBits {
    type Item = Range<u32>;

    fn next(&mut self) -> Option<Range<u32>> {
        let start = self.next_bit(self.at, true);
        if start == BLOCK_NUMBERS {
            return None;
        }
        self.at = self.next_bit(start, false);
        Some(start..self.at)
    }
}
