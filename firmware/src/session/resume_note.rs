//! The note beside a partial that says what is still missing of which source.
//!
//! Layout, big-endian: `OFA1`, u64 source size, i64 source modification time (ns), u8 number of missing ranges, two
//! u64 (start, end) each, in order; then the first 8 bytes of the SHA-256 of all that.

use fasp_core::metadata::ByteRange;
use sha2::{Digest, Sha256};

use crate::storage::LONGEST_NOTE;

const MAGIC: &[u8; 4] = b"OFA1";
const CHECKSUM: usize = 8;
/// Missing ranges that a note holds; the last one covers what is behind it as well.
pub(super) const MOST_RANGES: usize = 10;

/// A note in bytes.
pub(super) type NoteBytes = heapless::Vec<u8, LONGEST_NOTE>;

/// What a note says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Note {
    /// Bytes of the source.
    pub(super) size: u64,
    /// Modification time of the source.
    pub(super) modified_ns: i64,
    /// What is not on the storage: in order, disjoint.
    pub(super) missing: heapless::Vec<ByteRange, MOST_RANGES>,
}

impl Note {
    /// A note of a file of which `missing`, in order, is not there.
    pub(super) fn new(
        size: u64,
        modified_ns: i64,
        missing: impl Iterator<Item = ByteRange>,
    ) -> Self {
        let mut note = Self {
            size,
            modified_ns,
            missing: heapless::Vec::new(),
        };
        for range in missing {
            if note.missing.push(range).is_err()
                && let Some(last) = note.missing.last_mut()
            {
                last.end = range.end;
            }
        }
        note
    }

    /// The ranges widened to whole blocks of `block` bytes, so that some that touch then are one.
    pub(super) fn in_blocks(mut self, block: u64) -> Self {
        let block = block.max(1);
        let mut wide = heapless::Vec::<ByteRange, MOST_RANGES>::new();
        for range in &self.missing {
            let start = range.start / block * block;
            let end = range.end.div_ceil(block).saturating_mul(block);
            let end = end.min(self.size);
            match wide.last_mut() {
                Some(last) if start <= last.end => last.end = last.end.max(end),
                _ => {
                    let _ = wide.push(ByteRange { start, end });
                }
            }
        }
        self.missing = wide;
        self
    }

    /// Bytes that are there.
    pub(super) fn present(&self) -> u64 {
        let absent: u64 = self
            .missing
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        self.size.saturating_sub(absent)
    }

    pub(super) fn encode(&self) -> NoteBytes {
        let mut bytes = NoteBytes::new();
        let count = u8::try_from(self.missing.len()).unwrap_or(u8::MAX);
        // Everything fits: the longest note is known.
        let mut put = |part: &[u8]| {
            let _ = bytes.extend_from_slice(part);
        };
        put(MAGIC);
        put(&self.size.to_be_bytes());
        put(&self.modified_ns.to_be_bytes());
        put(&[count]);
        for range in &self.missing {
            put(&range.start.to_be_bytes());
            put(&range.end.to_be_bytes());
        }
        let sum = checksum(&bytes);
        let _ = bytes.extend_from_slice(&sum);
        bytes
    }

    /// `None` for anything that [`Self::encode`] did not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
        if *sum != checksum(body) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let size = u64::from_be_bytes(take(&mut rest)?);
        let modified_ns = i64::from_be_bytes(take(&mut rest)?);
        let [count] = take(&mut rest)?;
        let mut missing = heapless::Vec::new();
        let mut at = 0;
        for _ in 0..count {
            let start = u64::from_be_bytes(take(&mut rest)?);
            let end = u64::from_be_bytes(take(&mut rest)?);
            if start < at || end <= start || end > size {
                return None;
            }
            missing.push(ByteRange { start, end }).ok()?;
            at = end;
        }
        rest.is_empty().then_some(Self {
            size,
            modified_ns,
            missing,
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut sum = [0; CHECKSUM];
    for (to, from) in sum.iter_mut().zip(Sha256::digest(bytes)) {
        *to = from;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    fn longest() -> Note {
        Note::new(
            1_000,
            -7,
            (0..10).map(|at| range(at * 100 + 1, at * 100 + 50)),
        )
    }

    #[test]
    fn a_note_reads_back_as_it_was_written() {
        for note in [longest(), Note::new(0, 0, [].into_iter())] {
            assert_eq!(Note::decode(&note.encode()), Some(note));
        }
    }

    #[test]
    fn a_torn_or_damaged_note_is_no_note() {
        let bytes = longest().encode();
        for length in 0..bytes.len() {
            assert_eq!(Note::decode(&bytes[..length]), None, "{length} bytes");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(Note::decode(&flipped), None, "byte {at}");
        }
    }

    #[test]
    fn more_holes_than_fit_become_one_that_covers_them() {
        let note = Note::new(1_000, 0, (0..20).map(|at| range(at * 10, at * 10 + 5)));
        assert_eq!(note.missing.len(), MOST_RANGES);
        assert_eq!(note.missing.last(), Some(&range(90, 195)));
        assert_eq!(note.present(), 1_000 - 9 * 5 - 105);
    }

    #[test]
    fn ranges_widen_to_whole_blocks_and_merge() {
        let missing = [range(5, 6), range(30, 40), range(100, 101)];
        let note = Note::new(110, 0, missing.into_iter()).in_blocks(32);
        assert_eq!(note.missing, [range(0, 64), range(96, 110)][..]);
    }
}
