//! Into how many chunks a file falls: the pieces that a control file knows, and that are checked and sent again whole.
//!
//! Source: PROTOCOL.md §10.1.

use fasp_core::metadata::ByteRange;

/// Chunks of files up to 64 GiB have 2^20 bytes.
pub(super) const LEAST_LOG2: u32 = 20;
/// Most chunks of a file: larger files have larger chunks.
pub(super) const MOST: u64 = 65_536;

/// How a file is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chunks {
    size: u64,
    log2: u32,
}

impl Chunks {
    /// The chunks of a file of `size` bytes, each of at least 2^`least_log2` bytes.
    pub(super) fn of(size: u64, least_log2: u32) -> Self {
        let needed = size.div_ceil(MOST).max(1);
        let log2 = needed.next_power_of_two().trailing_zeros();
        Self {
            size,
            log2: log2.max(least_log2),
        }
    }

    /// The size of the file.
    pub(super) const fn size(self) -> u64 {
        self.size
    }

    /// The logarithm of the size of a chunk.
    pub(super) const fn log2(self) -> u32 {
        self.log2
    }

    /// How many there are; none in an empty file.
    pub(super) const fn count(self) -> u64 {
        self.size.div_ceil(1 << self.log2)
    }

    /// The bytes of chunk `index`.
    pub(super) fn range(self, index: u64) -> ByteRange {
        let start = index << self.log2;
        ByteRange {
            start,
            end: start.saturating_add(1 << self.log2).min(self.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_so_that_there_are_never_more_than_the_most() {
        let count = |size| Chunks::of(size, LEAST_LOG2).count();
        assert_eq!(count(0), 0);
        assert_eq!(count(1), 1);
        assert_eq!(count((1 << 20) + 1), 2);
        assert_eq!(count(1 << 36), 65_536);
        assert_eq!(count((1 << 36) + 1), 32_769);
        assert_eq!(count((1 << 56) - 1), 65_536);
    }

    #[test]
    fn the_last_chunk_ends_with_the_file() {
        let chunks = Chunks::of(2_500_000, LEAST_LOG2);
        assert_eq!(
            chunks.range(2),
            ByteRange {
                start: 2_097_152,
                end: 2_500_000
            }
        );
    }
}
