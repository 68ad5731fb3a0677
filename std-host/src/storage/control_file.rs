//! The note beside a partial file that says which bytes are safely on disk: `<name>.aspx`.
//!
//! Never trusted further than its checksum: a torn, foreign or outdated note is as good as none.
//!
//! Layout, big-endian: 8 bytes magic `OFASPctl`, u32 version 1, u64 source size, i64 source
//! modification time (ns), u32 number of missing ranges, two u64 (start, end) each, sorted and
//! disjoint; then the first 16 bytes of the SHA-256 of all that.
//! Source: the suffix is public; the layout is our own, as none is published.

use aws_lc_rs::digest::{SHA256, digest};
use fasp_core::metadata::ByteRange;

use super::byte_ranges::MAX_RANGES;

const MAGIC: &[u8; 8] = b"OFASPctl";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 16;

/// Longest note that is read.
pub(super) const MAX_BYTES: usize = 32 + 16 * (MAX_RANGES + 1) + CHECKSUM_BYTES;

/// What a note says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ControlFile {
    /// Bytes of the source.
    pub(super) size: u64,
    /// Modification time of the source, nanoseconds.
    pub(super) modified_ns: i64,
    /// What is not on disk.
    pub(super) missing: Vec<ByteRange>,
}

impl ControlFile {
    pub(super) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.missing.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(48 + 16 * self.missing.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.modified_ns.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        for range in &self.missing {
            bytes.extend_from_slice(&range.start.to_be_bytes());
            bytes.extend_from_slice(&range.end.to_be_bytes());
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// `None` for anything that [`ControlFile::encode`] did not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(..bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if bytes.get(body.len()..)? != checksum(body) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        if u32::from_be_bytes(take(&mut rest)?) != VERSION {
            return None;
        }
        let size = u64::from_be_bytes(take(&mut rest)?);
        let modified_ns = i64::from_be_bytes(take(&mut rest)?);
        let count = u32::from_be_bytes(take(&mut rest)?);
        let mut missing = Vec::new();
        let mut at = 0;
        for _ in 0..count {
            let start = u64::from_be_bytes(take(&mut rest)?);
            let end = u64::from_be_bytes(take(&mut rest)?);
            if start < at || end <= start || end > size {
                return None;
            }
            missing.push(ByteRange { start, end });
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

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut short = [0; CHECKSUM_BYTES];
    for (to, from) in short.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> ControlFile {
        ControlFile {
            size: 100,
            modified_ns: -5,
            missing: vec![
                ByteRange { start: 0, end: 10 },
                ByteRange {
                    start: 90,
                    end: 100,
                },
            ],
        }
    }

    #[test]
    fn a_note_reads_back_as_it_was_written() {
        assert_eq!(ControlFile::decode(&note().encode()), Some(note()));
    }

    #[test]
    fn a_note_that_is_torn_anywhere_is_ignored() {
        let bytes = note().encode();
        for length in 0..bytes.len() {
            assert_eq!(
                ControlFile::decode(&bytes[..length]),
                None,
                "{length} bytes"
            );
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(ControlFile::decode(&flipped), None, "byte {at}");
        }
    }

    #[test]
    fn ranges_out_of_order_or_out_of_the_file_are_ignored() {
        let mut wrong = note();
        wrong.missing.reverse();
        assert_eq!(ControlFile::decode(&wrong.encode()), None);
        let mut wrong = note();
        wrong.size = 99;
        assert_eq!(ControlFile::decode(&wrong.encode()), None);
    }
}
