//! The loss map of a report: which packet numbers arrived, and which are asked for again.
//!
//! A [`LossMap`] exists only if its bytes are consistent, so walking it cannot fail. Its size is
//! bounded: however few bytes a peer sends, it describes at most [`MAX_DESCRIBED`] numbers.
//!
//! Source: PROTOCOL.md §3.4.

mod block;
mod encoder;
#[cfg(test)]
mod tests;

use core::iter::FusedIterator;
use core::ops::Range;

use self::block::{BlockHead, LossBits, SparseEntry};
use super::cursor::Reader;
use super::error::WireError;

pub use self::block::{BLOCK_NUMBERS, MAX_BLOCK_BYTES};
pub use self::encoder::LossMapEncoder;

/// The most packet numbers one map describes.
pub const MAX_DESCRIBED: u32 = 1 << 20;

/// What happened to a packet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fate {
    /// It arrived.
    Received,
    /// It did not, and its content is asked for.
    Missing,
}

/// Consecutive packet numbers of one fate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Run {
    /// Distance of the first number from the base of the map.
    pub start: u32,
    /// How many numbers; at least 1.
    pub len: u32,
    /// What happened to all of them.
    pub fate: Fate,
}

/// A description of consecutive packet numbers, checked to be consistent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LossMap<'a> {
    base: u32,
    described: u32,
    blocks: &'a [u8],
}

impl<'a> LossMap<'a> {
    /// The map of `described` numbers from `base` on that `blocks` spell out.
    ///
    /// # Errors
    ///
    /// [`WireError::LossMapSize`] unless `described` is 1 to [`MAX_DESCRIBED`];
    /// [`WireError::LossMapHead`] or [`WireError::LossMapEntry`] for a block that breaks a rule;
    /// [`WireError::LossMapCoverage`] if the blocks end early or late.
    pub fn new(base: u32, described: u32, blocks: &'a [u8]) -> Result<Self, WireError> {
        if described == 0 || described > MAX_DESCRIBED {
            return Err(WireError::LossMapSize(described));
        }
        let mut reader = Reader::new(blocks);
        let mut left = described;
        while left > 0 {
            let covered = check_block(&mut reader, left)?;
            left = left.saturating_sub(covered);
        }
        if !reader.is_empty() {
            return Err(WireError::LossMapCoverage);
        }
        Ok(Self {
            base,
            described,
            blocks,
        })
    }

    /// Low 32 bits of the first packet number.
    #[must_use]
    pub const fn base(&self) -> u32 {
        self.base
    }

    /// How many packet numbers are described; at least 1.
    #[must_use]
    pub const fn described(&self) -> u32 {
        self.described
    }

    pub(super) const fn blocks(&self) -> &'a [u8] {
        self.blocks
    }

    /// The fates of all numbers, in order and without a gap. Neighbours differ in fate.
    #[must_use]
    pub fn runs(&self) -> Runs<'a> {
        let mut ranges = MissingRanges {
            reader: Reader::new(self.blocks),
            described: self.described,
            block_start: 0,
            next_block: 0,
            open: OpenBlock::None,
        };
        Runs {
            ahead: ranges.next(),
            ranges,
            described: self.described,
            at: 0,
        }
    }
}

/// Checks the next block, of which `left` numbers are still wanted, and returns how many it
/// covers.
fn check_block(reader: &mut Reader<'_>, left: u32) -> Result<u32, WireError> {
    let early = |_| WireError::LossMapCoverage;
    let valid = left.min(BLOCK_NUMBERS);
    match BlockHead::decode(reader.u8().map_err(early)?)? {
        BlockHead::Uniform { blocks, .. } => {
            let full_before_last = blocks.saturating_sub(1).saturating_mul(BLOCK_NUMBERS);
            if full_before_last >= left {
                return Err(WireError::LossMapCoverage);
            }
            Ok(left.min(full_before_last + BLOCK_NUMBERS))
        }
        BlockHead::Sparse { entries } => {
            let mut free_from = 0;
            for _ in 0..entries {
                let entry = SparseEntry::from_bits(reader.u16().map_err(early)?);
                if entry.first < free_from || entry.end() > valid {
                    return Err(WireError::LossMapEntry);
                }
                free_from = entry.end();
            }
            Ok(valid)
        }
        BlockHead::Bitmap => match LossBits::decode(reader).map_err(early)? {
            bits if bits.end() > valid => Err(WireError::LossMapEntry),
            _ => Ok(valid),
        },
    }
}

/// The numbers a block in progress misses.
#[derive(Clone, Debug)]
enum OpenBlock<'a> {
    None,
    Sparse(Reader<'a>),
    Bitmap(LossBits),
}

/// Ranges of missing numbers in order; neighbours may touch.
#[derive(Clone, Debug)]
struct MissingRanges<'a> {
    reader: Reader<'a>,
    described: u32,
    block_start: u32,
    next_block: u32,
    open: OpenBlock<'a>,
}

impl MissingRanges<'_> {
    /// The next range of the block in progress.
    fn next_in_block(&mut self) -> Option<Range<u32>> {
        let range = match &mut self.open {
            OpenBlock::None => None,
            OpenBlock::Sparse(entries) => {
                let bits = entries.u16().ok();
                bits.map(SparseEntry::from_bits)
                    .map(|entry| entry.first..entry.end())
            }
            OpenBlock::Bitmap(bits) => bits.next(),
        }?;
        Some(range.start + self.block_start..range.end + self.block_start)
    }
}

impl Iterator for MissingRanges<'_> {
    type Item = Range<u32>;

    fn next(&mut self) -> Option<Range<u32>> {
        loop {
            if let Some(range) = self.next_in_block() {
                return Some(range);
            }
            // The map was checked: an error here can only be the end of the blocks.
            let head = BlockHead::decode(self.reader.u8().ok()?).ok()?;
            let start = self.next_block;
            self.block_start = start;
            self.next_block = start + BLOCK_NUMBERS;
            self.open = match head {
                BlockHead::Uniform { fate, blocks } => {
                    self.next_block = start + blocks * BLOCK_NUMBERS;
                    if fate == Fate::Missing {
                        self.open = OpenBlock::None;
                        return Some(start..self.next_block.min(self.described));
                    }
                    OpenBlock::None
                }
                BlockHead::Sparse { entries } => {
                    let bytes = self.reader.bytes(entries * SparseEntry::BYTES).ok()?;
                    OpenBlock::Sparse(Reader::new(bytes))
                }
                BlockHead::Bitmap => OpenBlock::Bitmap(LossBits::decode(&mut self.reader).ok()?),
            };
        }
    }
}

/// Walks over the runs of a [`LossMap`].
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    ranges: MissingRanges<'a>,
    ahead: Option<Range<u32>>,
    described: u32,
    at: u32,
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let start = self.at;
        if start == self.described {
            return None;
        }
        let (end, fate) = match self.ahead.take() {
            None => (self.described, Fate::Received),
            Some(range) if range.start > start => {
                let end = range.start;
                self.ahead = Some(range);
                (end, Fate::Received)
            }
            Some(range) => {
                let mut end = range.end;
                self.ahead = self.ranges.next();
                while let Some(next) = self.ahead.take_if(|next| next.start == end) {
                    end = next.end;
                    self.ahead = self.ranges.next();
                }
                (end, Fate::Missing)
            }
        };
        self.at = end;
        Some(Run {
            start,
            len: end - start,
            fate,
        })
    }
}

impl FusedIterator for Runs<'_> {}
