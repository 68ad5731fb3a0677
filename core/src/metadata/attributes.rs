//! Attributes of an object that its OPEN record has no place for: owners, extended attributes, access lists.
//!
//! A record of the META stream like others, kept apart because only hosts with such file systems send it. What the
//! stored attributes are is between the hosts: here they are bytes.
//!
//! Source: PROTOCOL.md §6.2.

use super::record::{self, Full, PREFIX_LEN, RecordError};
use crate::control::cbor::{MapReader, MapWriter};
use crate::units::ObjectId;

/// Its kind.
pub(super) const ATTRIBUTES: u8 = 7;

/// Most bytes of stored attributes: a record holds all there is about an object.
pub const MAX_STORED: usize = 4_320;

/// What the sessions that share a file must agree on before their parts are one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PartOf {
    /// Bytes of the whole file.
    pub size: u64,
    /// When anything about the file was changed last at its sender, nanoseconds since 1970.
    pub changed_ns: i64,
}

/// An ATTRIBUTES record; it stands before the OPEN record of its object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AttributesRecord<'a> {
    /// Which object.
    pub object: ObjectId,
    /// Number of its owner at the sender.
    pub owner_uid: Option<u32>,
    /// Number of its group at the sender.
    pub owner_gid: Option<u32>,
    /// Extended attributes and access lists, in the form of §10.4; possibly none.
    pub stored: &'a [u8],
    /// What is sent is this session's part of a file.
    pub part_of: Option<PartOf>,
}

impl<'a> AttributesRecord<'a> {
    /// Writes the record with its length before it to the start of `out`; gives the total length.
    ///
    /// # Errors
    ///
    /// [`Full`] if `out` is too small, or there is more than one record takes.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Full> {
        let mut map = MapWriter::new(out, PREFIX_LEN)?;
        map.uint(0, ATTRIBUTES.into())?;
        map.uint(1, self.object.0.into())?;
        if let Some(uid) = self.owner_uid {
            map.uint(2, uid.into())?;
        }
        if let Some(gid) = self.owner_gid {
            map.uint(3, gid.into())?;
        }
        if !self.stored.is_empty() {
            map.bytes(4, self.stored)?;
        }
        if let Some(whole) = self.part_of {
            map.uint(5, whole.size)?;
            map.int(6, whole.changed_ns)?;
        }
        let end = map.finish()?;
        record::write_prefix(end, out)
    }

    /// Reads what follows the kind.
    pub(super) fn read(map: &mut MapReader<'a>) -> Result<Self, RecordError> {
        Ok(Self {
            object: record::read_object(map, 1)?,
            owner_uid: map.optional_number(2)?,
            owner_gid: map.optional_number(3)?,
            stored: map.optional_bytes(4)?.unwrap_or_default(),
            part_of: read_part(map)?,
        })
    }
}

/// Keys 5 and 6: both or none.
fn read_part(map: &mut MapReader<'_>) -> Result<Option<PartOf>, RecordError> {
    let size = map.optional_number(5)?;
    let changed_ns = map.optional_int(6)?;
    match (size, changed_ns) {
        (None, None) => Ok(None),
        (Some(size), Some(changed_ns)) if (1..1 << 56).contains(&size) => {
            Ok(Some(PartOf { size, changed_ns }))
        }
        _ => Err(RecordError::BadSize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::MetaRecord;
    use crate::metadata::record::{MAX_RECORD, decode_meta};

    #[test]
    fn a_record_survives_the_stream_and_is_bounded() {
        let stored = [7; MAX_STORED + 40];
        for (uid, gid, length) in [
            (None, None, 0),
            (Some(0), None, 1),
            (Some(u32::MAX), Some(u32::MAX), MAX_STORED),
        ] {
            let record = AttributesRecord {
                object: ObjectId(u32::MAX),
                owner_uid: uid,
                owner_gid: gid,
                stored: &stored[..length],
                part_of: None,
            };
            let mut out = [0; PREFIX_LEN + MAX_RECORD + 40];
            let length = record.encode(&mut out).unwrap();
            let body = &out[PREFIX_LEN..length];
            assert_eq!(decode_meta(body), Ok(MetaRecord::Attributes(record)));
        }
        let too_much = AttributesRecord {
            object: ObjectId(1),
            owner_uid: None,
            owner_gid: None,
            stored: &stored,
            part_of: None,
        };
        assert_eq!(too_much.encode(&mut [0; 8_192]), Err(Full));
    }

    #[test]
    fn a_part_says_of_what_and_both_or_nothing() {
        for (size, changed_ns) in [(1, 0), ((1 << 56) - 1, i64::MIN), (7, i64::MAX)] {
            let record = AttributesRecord {
                object: ObjectId(3),
                owner_uid: None,
                owner_gid: None,
                stored: b"",
                part_of: Some(PartOf { size, changed_ns }),
            };
            let mut out = [0; 64];
            let length = record.encode(&mut out).unwrap();
            let body = &out[PREFIX_LEN..length];
            assert_eq!(decode_meta(body), Ok(MetaRecord::Attributes(record)));
        }
        for body in [
            // {0: 7, 1: 1, 5: 9}, {0: 7, 1: 1, 6: 9}, {0: 7, 1: 1, 5: 0, 6: 9}
            &[0xA3, 0, 7, 1, 1, 5, 9][..],
            &[0xA3, 0, 7, 1, 1, 6, 9],
            &[0xA4, 0, 7, 1, 1, 5, 0, 6, 9],
        ] {
            assert_eq!(decode_meta(body), Err(RecordError::BadSize), "{body:?}");
        }
    }

    #[test]
    fn a_number_that_no_owner_has_is_malformed() {
        // {0: 7, 1: 1, 2: 2^32}
        let body = [0xA3, 0, 7, 1, 1, 2, 0x1B, 0, 0, 0, 1, 0, 0, 0, 0];
        assert!(decode_meta(&body).is_err());
        // {0: 7, 1: 0}
        assert_eq!(
            decode_meta(&[0xA2, 0, 7, 1, 0]),
            Err(RecordError::BadObjects)
        );
    }
}
