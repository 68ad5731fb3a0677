//! Checks of what a receiver has already: ranges of an object and the hashes of their bytes.
//!
//! A record of the DECIDE stream like others, kept apart because it is large and only hosts that hash use it.
//!
//! Source: PROTOCOL.md §6.3, §6.5.

use heapless::Vec;

use super::ByteRange;
use super::record::{self, Full, PREFIX_LEN, RecordError};
use crate::control::cbor::{DecodeError, MapWriter};
use crate::units::ObjectId;

/// Most checks in one record.
pub const MAX_CHECKS: usize = 64;
/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// Its kind.
pub(crate) const CHECK: u8 = 5;

/// One range and the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RangeCheck {
    /// Which bytes.
    pub range: ByteRange,
    /// Their hash.
    pub hash: [u8; HASH_BYTES],
}

/// A CHECK record.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct CheckRecord<'a> {
    /// Which object.
    pub object: ObjectId,
    ranges: Vec<ByteRange, MAX_CHECKS>,
    hashes: &'a [u8],
}

impl CheckRecord<'_> {
    /// The checks, in the order of their ranges; at least one.
    pub fn checks(&self) -> impl Iterator<Item = RangeCheck> + '_ {
        let (hashes, _) = self.hashes.as_chunks();
        self.ranges
            .iter()
            .zip(hashes)
            .map(|(range, hash)| RangeCheck {
                range: *range,
                hash: *hash,
            })
    }

    /// The first byte checked.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.ranges.first().map_or(0, |range| range.start)
    }

    /// One past the last byte checked.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }
}

/// Writes a CHECK record of at most [`MAX_CHECKS`] checks with its length before it; gives the total length.
///
/// # Errors
///
/// [`Full`] if `out` is too small, or for more checks than that.
pub fn encode_check(
    object: ObjectId,
    checks: &[RangeCheck],
    out: &mut [u8],
) -> Result<usize, Full> {
    if checks.len() > MAX_CHECKS {
        return Err(Full);
    }
    let mut map = MapWriter::new(out, PREFIX_LEN)?;
    map.uint(0, CHECK.into())?;
    map.uint(1, object.0.into())?;
    let edges = checks
        .iter()
        .flat_map(|check| [check.range.start, check.range.end]);
    map.uints(2, 2 * checks.len(), edges)?;
    let hashes = checks.iter().map(|check| &check.hash[..]);
    map.joined_bytes(3, HASH_BYTES * checks.len(), hashes)?;
    let end = map.finish()?;
    record::write_prefix(end, out)
}

/// Whether a DECIDE record, without its length, is a CHECK record.
#[must_use]
pub fn is_check(record: &[u8]) -> bool {
    // A map, key 0, the kind.
    matches!(record, [_, 0, CHECK, ..])
}

/// Reads a CHECK record without its length.
///
/// # Errors
///
/// [`RecordError`].
pub fn decode_check(record: &[u8]) -> Result<CheckRecord<'_>, RecordError> {
    let mut map = record::start(record)?;
    let kind = map.number(0)?;
    if kind != CHECK {
        return Err(RecordError::UnknownKind(kind));
    }
    let object = record::read_object(&mut map, 1)?;
    let ranges = record::read_ranges(&mut map, 2)?;
    let hashes = map.bytes(3)?;
    if ranges.is_empty() || hashes.len() != HASH_BYTES * ranges.len() {
        return Err(DecodeError::OutOfRange { key: 3 }.into());
    }
    map.finish()?;
    Ok(CheckRecord {
        object,
        ranges,
        hashes,
    })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn checks(count: u64) -> Vec<RangeCheck> {
        (0..count)
            .map(|at| RangeCheck {
                range: ByteRange {
                    start: (1 << 55) + at * 100,
                    end: (1 << 55) + at * 100 + 100,
                },
                hash: [u8::try_from(at).unwrap(); HASH_BYTES],
            })
            .collect()
    }

    #[test]
    fn checks_survive_the_wire_up_to_the_most() {
        for count in [1, 2, 64] {
            let checks = checks(count);
            let mut out = [0; PREFIX_LEN + record::MAX_RECORD];
            let len = encode_check(ObjectId(9), &checks, &mut out).unwrap();
            let (body, taken) = record::next_record(&out[..len]).unwrap().unwrap();
            assert_eq!(taken, len);
            assert!(is_check(body));
            let read = decode_check(body).unwrap();
            assert_eq!(read.object, ObjectId(9));
            assert_eq!(read.checks().collect::<Vec<_>>(), checks);
            assert_eq!(read.end(), (1 << 55) + count * 100);
        }
        let mut out = [0; PREFIX_LEN + record::MAX_RECORD];
        assert_eq!(encode_check(ObjectId(9), &checks(65), &mut out), Err(Full));
    }

    #[test]
    fn a_check_record_is_written_as_the_specification_says() {
        let mut out = [0; 100];
        let check = RangeCheck {
            range: ByteRange { start: 0, end: 5 },
            hash: [0xAB; HASH_BYTES],
        };
        let len = encode_check(ObjectId(3), &[check], &mut out).unwrap();
        let mut expected = Vec::from([0, 45, 0xA4, 0, 5, 1, 3, 2, 0x82, 0, 5, 3, 0x58, 32]);
        expected.extend_from_slice(&[0xAB; HASH_BYTES]);
        expected[1] = u8::try_from(expected.len() - 2).unwrap();
        assert_eq!(&out[..len], expected);
    }

    #[test]
    fn hashes_that_do_not_fit_the_ranges_are_refused() {
        let mut out = [0; 4_000];
        let len = encode_check(ObjectId(3), &checks(2), &mut out).unwrap();
        let mut body = out[PREFIX_LEN..len].to_vec();
        let at = body.len() - 65;
        assert_eq!(body[at], 64);
        body[at] = 63;
        body.pop();
        assert!(decode_check(&body).is_err());
        let mut out = [0; 100];
        let len = encode_check(ObjectId(3), &[], &mut out).unwrap();
        assert!(decode_check(&out[PREFIX_LEN..len]).is_err(), "no checks");
    }
}
