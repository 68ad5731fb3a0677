//! Writes the blocks of a loss map, each in the form that takes the fewest bytes.
//!
//! Source: PROTOCOL.md §3.4. That ties between sparse and bitmap go to the bitmap is our choice:
//! it takes the same bytes and is quicker to check.

use heapless::Vec;

use super::block::{BLOCK_NUMBERS, BlockHead, LossBits, MAX_UNIFORM_BLOCKS, SparseEntry};
use super::{Fate, MAX_DESCRIBED};
use crate::wire::cursor::Writer;
use crate::wire::error::Full;

/// Entries of a sparse block that is shorter than a bitmap.
const WORTHWHILE_ENTRIES: usize = LossBits::BYTES / SparseEntry::BYTES - 1;

/// Fills a buffer with blocks for consecutive packet numbers.
#[derive(Debug)]
pub struct LossMapEncoder<'a> {
    out: Writer<'a>,
    described: u32,
    /// The head written last, if the next block may join it.
    open: Option<(Fate, u32)>,
}

impl<'a> LossMapEncoder<'a> {
    /// Starts an empty map in `blocks`.
    #[must_use]
    pub const fn new(blocks: &'a mut [u8]) -> Self {
        Self {
            out: Writer::new(blocks),
            described: 0,
            open: None,
        }
    }

    /// How many packet numbers are described so far.
    #[must_use]
    pub const fn described(&self) -> u32 {
        self.described
    }

    /// Adds the next `valid` numbers: number `64 * w + i` is missing if bit `i` (`1 << i`) of
    /// word `w` is set. Bits beyond `valid` are ignored. A block of fewer than 512 numbers is
    /// the last one.
    ///
    /// # Errors
    ///
    /// [`Full`] if the block does not fit, would describe more than [`MAX_DESCRIBED`] numbers,
    /// or follows a block of fewer than 512. The map keeps what it had.
    ///
    /// # Panics
    ///
    /// If `valid` is not 1 to 512.
    pub fn push_block(&mut self, missing: &[u64; 8], valid: u16) -> Result<(), Full> {
        let valid = u32::from(valid);
        assert!(
            (1..=BLOCK_NUMBERS).contains(&valid),
            "a block describes 1 to 512 numbers"
        );
        let ends_short = !self.described.is_multiple_of(BLOCK_NUMBERS);
        if ends_short || self.described + valid > MAX_DESCRIBED {
            return Err(Full);
        }
        let bits = LossBits::from_low_first(missing, valid);
        match bits.missing() {
            0 => self.put_uniform(Fate::Received)?,
            count if count == valid => self.put_uniform(Fate::Missing)?,
            _ => self.put_mixed(bits)?,
        }
        self.described += valid;
        Ok(())
    }

    /// Ends the map: how many numbers it describes, and the bytes its blocks take at the front
    /// of the buffer.
    #[must_use]
    pub const fn finish(self) -> (u32, usize) {
        (self.described, self.out.position())
    }

    fn put_uniform(&mut self, fate: Fate) -> Result<(), Full> {
        let blocks = match self.open {
            Some((open, blocks)) if open == fate && blocks < MAX_UNIFORM_BLOCKS => {
                self.out.truncate(self.out.position().saturating_sub(1));
                blocks + 1
            }
            _ => 1,
        };
        BlockHead::Uniform { fate, blocks }.put(&mut self.out)?;
        self.open = Some((fate, blocks));
        Ok(())
    }

    fn put_mixed(&mut self, bits: LossBits) -> Result<(), Full> {
        if let Some(entries) = sparse_entries(bits) {
            let len = 1 + entries.len() * SparseEntry::BYTES;
            let mut block = Writer::new(self.out.reserve(len)?);

            let head = BlockHead::Sparse {
                entries: entries.len(),
            };
            head.put(&mut block)?;
            entries.iter().try_for_each(|&entry| block.u16(entry))?;
        } else {
            let mut block = Writer::new(self.out.reserve(1 + LossBits::BYTES)?);
            BlockHead::Bitmap.put(&mut block)?;
            bits.put(&mut block)?;
        }
        self.open = None;
        Ok(())
    }
}

/// The entries that say the same as `bits`, if they take fewer bytes.
fn sparse_entries(bits: LossBits) -> Option<Vec<u16, WORTHWHILE_ENTRIES>> {
    let mut entries = Vec::new();
    for range in bits {
        let mut first = range.start;
        while first < range.end {
            let len = (range.end - first).min(SparseEntry::MAX_LEN);
            entries.push(SparseEntry { first, len }.bits()?).ok()?;
            first += len;
        }
    }
    Some(entries)
}
