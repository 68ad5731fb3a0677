//! META and DECIDE records as bytes, every rule of a record checked while decoding.
//!
//! On a stream each record is a u16 length and a deterministic CBOR map; in a WHOLE frame the
//! map of an OPEN record stands alone. What a record means is in `metadata`.
//!
//! Source: PROTOCOL.md chapter 6.

use super::attributes::{ATTRIBUTES, AttributesRecord};
use super::{
    ByteRange, DecideRecord, LinkRecord, MAX_CHECKSUM, MAX_RESUME_RANGES, MAX_TARGET, MetaRecord,
    ObjectKind, OpenRecord, Ranges, RootHash,
};
use crate::control::cbor::{DecodeError, MapReader, MapWriter, head_len, int_magnitude};
use crate::destination::{PathError, split_relative};
use crate::fault::Fault;
use crate::units::ObjectId;

pub use crate::control::cbor::Full;

/// Bytes of the length before each record of a stream.
pub const PREFIX_LEN: usize = 2;
/// Most bytes of a record without its prefix. Leaves room for keys that later versions add.
pub const MAX_RECORD: usize = 4_352;
/// Sizes and offsets are below this: the wire has 56 bits for them.
pub const SIZE_LIMIT: u64 = 1 << 56;
/// Permission bits that a record may carry.
const MODE_MASK: u32 = 0o7777;

const OPEN: u8 = 1;
const CLOSE: u8 = 2;
const END: u8 = 3;
const SENDING: u8 = 4;
const RECHECK: u8 = 5;
const LINK: u8 = 6;

const GO: u8 = 1;
const SKIP: u8 = 2;
const RESUME: u8 = 3;
const RESULT: u8 = 4;
const COMPARE: u8 = 6;

/// Why bytes are not a record. Any of these ends the session with [`Fault::Protocol`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RecordError {
    /// Not the map it should be.
    #[error("a file record is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// More than [`MAX_RECORD`] bytes, or none.
    #[error("a file record of {0} bytes is not allowed")]
    Length(usize),
    /// The kind of record is not known.
    #[error("a file record is of the unknown kind {0}")]
    UnknownKind(u8),
    /// Object 0, or a range of objects that ends before it starts.
    #[error("a file record names objects that cannot be")]
    BadObjects,
    /// The path must not be written.
    #[error("a file record has an unusable path: {0}")]
    BadPath(#[from] PathError),
    /// The size has more than 56 bits, or a folder has one.
    #[error("a file record has an impossible size")]
    BadSize,
    /// More than permission bits.
    #[error("a file record has more than permission bits")]
    BadMode,
    /// The hash of an object has not 32 bytes.
    #[error("a file record has a hash of the wrong size")]
    BadRoot,
    /// The target of a link is empty, too long or holds a zero byte.
    #[error("a file record has an impossible link")]
    BadTarget,
    /// Missing ranges overlap, are empty, out of order, too far or too many.
    #[error("a file record lists impossible byte ranges")]
    BadRanges,
}

/// Writes a META record with its length before it to the start of `out`; gives the total length.
///
/// # Errors
///
/// [`Full`] if `out` is too small or the record exceeds [`MAX_RECORD`].
pub fn encode_meta(record: &MetaRecord<'_>, out: &mut [u8]) -> Result<usize, Full> {
    if let MetaRecord::Attributes(attributes) = record {
        return attributes.encode(out);
    }
    let mut map = MapWriter::new(out, PREFIX_LEN)?;
    match record {
        MetaRecord::Open(open) => write_open(open, &mut map)?,
        MetaRecord::Close {
            object,
            fault,
            root,
            checksum,
        } => {
            map.uint(0, CLOSE.into())?;
            map.uint(1, object.0.into())?;
            write_fault(2, *fault, &mut map)?;
            if let Some(root) = root {
                map.bytes(3, *root)?;
            }
            if let Some(checksum) = checksum {
                map.bytes(4, checksum)?;
            }
        }
        MetaRecord::End { objects, bytes } => {
            map.uint(0, END.into())?;
            map.uint(1, (*objects).into())?;
            map.uint(2, *bytes)?;
        }
        MetaRecord::Sending { object, ranges } => {
            map.uint(0, SENDING.into())?;
            map.uint(1, object.0.into())?;
            let edges = ranges.iter().flat_map(|range| [range.start, range.end]);
            map.uints(2, 2 * ranges.iter().count(), edges)?;
        }
        MetaRecord::Recheck(object) => {
            map.uint(0, RECHECK.into())?;
            map.uint(1, object.0.into())?;
        }
        MetaRecord::Link(link) => {
            map.uint(0, LINK.into())?;
            map.uint(1, link.object.0.into())?;
            map.bytes(2, link.path)?;
            map.bytes(3, link.target)?;
            if link.replaces {
                map.uint(4, 1)?;
            }
        }
        // Written above.
        MetaRecord::Attributes(_) => return Err(Full),
    }
    let end = map.finish()?;
    write_prefix(end, out)
}

/// Writes a DECIDE record with its length before it to the start of `out`; gives the total length.
///
/// # Errors
///
/// [`Full`] if `out` is too small.
pub fn encode_decide(record: &DecideRecord, out: &mut [u8]) -> Result<usize, Full> {
    let mut map = MapWriter::new(out, PREFIX_LEN)?;
    match record {
        DecideRecord::Go { first, last } => write_objects(GO, *first, *last, &mut map)?,
        DecideRecord::Skip { first, last } => write_objects(SKIP, *first, *last, &mut map)?,
        DecideRecord::Resume { object, missing } => {
            map.uint(0, RESUME.into())?;
            map.uint(1, object.0.into())?;
            let edges = missing.iter().flat_map(|range| [range.start, range.end]);
            map.uints(2, 2 * missing.len(), edges)?;
        }
        DecideRecord::Compare(object) => {
            map.uint(0, COMPARE.into())?;
            map.uint(1, object.0.into())?;
        }
        DecideRecord::Result { first, last, fault } => {
            write_objects(RESULT, *first, *last, &mut map)?;
            write_fault(3, *fault, &mut map)?;
        }
    }
    let end = map.finish()?;
    write_prefix(end, out)
}

/// Writes the bare map of an OPEN record, as a WHOLE frame carries it; gives its length.
///
/// # Errors
///
/// [`Full`] if `out` is too small or the record exceeds [`MAX_RECORD`].
pub fn encode_open(record: &OpenRecord<'_>, out: &mut [u8]) -> Result<usize, Full> {
    let mut map = MapWriter::new(out, 0)?;
    write_open(record, &mut map)?;
    let end = map.finish()?;
    if end > MAX_RECORD {
        return Err(Full);
    }
    Ok(end)
}

/// Bytes that [`encode_open`] writes; [`encode_meta`] writes [`PREFIX_LEN`] more.
#[must_use]
pub const fn open_record_len(record: &OpenRecord<'_>) -> usize {
    const KEY: usize = 1;
    let path = record.path.len();
    let mut len = 1 + KEY + 1 + KEY + head_len(record.object.0 as u64);
    len += KEY + head_len(path as u64) + path;
    if let ObjectKind::Directory = record.kind {
        len += KEY + 1;
    }
    if record.size != 0 {
        len += KEY + head_len(record.size);
    }
    if record.modified_ns != 0 {
        len += KEY + head_len(int_magnitude(record.modified_ns));
    }
    if record.accessed_ns != 0 {
        len += KEY + head_len(int_magnitude(record.accessed_ns));
    }
    if record.mode != 0 {
        len += KEY + head_len(record.mode as u64);
    }
    len
}

/// Reads a META record without its length.
///
/// # Errors
///
/// [`RecordError`].
pub fn decode_meta(record: &[u8]) -> Result<MetaRecord<'_>, RecordError> {
    let mut map = start(record)?;
    let meta = match map.number(0)? {
        OPEN => MetaRecord::Open(read_open(&mut map)?),
        CLOSE => MetaRecord::Close {
            object: read_object(&mut map, 1)?,
            fault: read_fault(&mut map, 2)?,
            root: read_root(&mut map, 3)?,
            checksum: read_checksum(&mut map, 4)?,
        },
        END => MetaRecord::End {
            objects: map.number(1)?,
            bytes: map.number(2)?,
        },
        SENDING => MetaRecord::Sending {
            object: read_object(&mut map, 1)?,
            ranges: read_encoded_ranges(&mut map, 2)?,
        },
        RECHECK => MetaRecord::Recheck(read_object(&mut map, 1)?),
        LINK => MetaRecord::Link(read_link(&mut map)?),
        ATTRIBUTES => MetaRecord::Attributes(AttributesRecord::read(&mut map)?),
        kind => return Err(RecordError::UnknownKind(kind)),
    };
    map.finish()?;
    Ok(meta)
}

/// Reads the bare map of an OPEN record, as a WHOLE frame carries it.
///
/// # Errors
///
/// [`RecordError`].
pub fn decode_open(record: &[u8]) -> Result<OpenRecord<'_>, RecordError> {
    match decode_meta(record)? {
        MetaRecord::Open(open) => Ok(open),
        MetaRecord::Close { .. } => Err(RecordError::UnknownKind(CLOSE)),
        MetaRecord::End { .. } => Err(RecordError::UnknownKind(END)),
        MetaRecord::Sending { .. } => Err(RecordError::UnknownKind(SENDING)),
        MetaRecord::Recheck(_) => Err(RecordError::UnknownKind(RECHECK)),
        MetaRecord::Link(_) => Err(RecordError::UnknownKind(LINK)),
        MetaRecord::Attributes(_) => Err(RecordError::UnknownKind(ATTRIBUTES)),
    }
}

/// Reads a DECIDE record without its length.
///
/// # Errors
///
/// [`RecordError`].
pub fn decode_decide(record: &[u8]) -> Result<DecideRecord, RecordError> {
    let mut map = start(record)?;
    let decide = match map.number(0)? {
        GO => {
            let (first, last) = read_objects(&mut map)?;
            DecideRecord::Go { first, last }
        }
        SKIP => {
            let (first, last) = read_objects(&mut map)?;
            DecideRecord::Skip { first, last }
        }
        RESUME => DecideRecord::Resume {
            object: read_object(&mut map, 1)?,
            missing: read_ranges(&mut map, 2)?,
        },
        RESULT => {
            let (first, last) = read_objects(&mut map)?;
            let fault = read_fault(&mut map, 3)?;
            DecideRecord::Result { first, last, fault }
        }
        COMPARE => DecideRecord::Compare(read_object(&mut map, 1)?),
        kind => return Err(RecordError::UnknownKind(kind)),
    };
    map.finish()?;
    Ok(decide)
}

/// Cuts the next record off the front of a stream's bytes: the record without its length, and
/// the bytes it took with it. `None` if it has not come whole.
///
/// # Errors
///
/// [`RecordError::Length`] if the length is 0 or more than [`MAX_RECORD`].
pub fn next_record(stream: &[u8]) -> Result<Option<(&[u8], usize)>, RecordError> {
    let Some((prefix, rest)) = stream.split_first_chunk() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*prefix));
    if len == 0 || len > MAX_RECORD {
        return Err(RecordError::Length(len));
    }
    Ok(rest.get(..len).map(|record| (record, PREFIX_LEN + len)))
}

pub(super) fn start(record: &[u8]) -> Result<MapReader<'_>, RecordError> {
    if record.len() > MAX_RECORD {
        return Err(RecordError::Length(record.len()));
    }
    Ok(MapReader::new(record)?)
}

pub(super) fn write_prefix(end: usize, out: &mut [u8]) -> Result<usize, Full> {
    let len = end.saturating_sub(PREFIX_LEN);
    if len > MAX_RECORD {
        return Err(Full);
    }
    let prefix = u16::try_from(len).map_err(|_| Full)?.to_be_bytes();
    *out.first_chunk_mut().ok_or(Full)? = prefix;
    Ok(end)
}

fn write_open(open: &OpenRecord<'_>, map: &mut MapWriter<'_>) -> Result<(), Full> {
    map.uint(0, OPEN.into())?;
    map.uint(1, open.object.0.into())?;
    map.bytes(2, open.path)?;
    match open.kind {
        ObjectKind::File => {}
        ObjectKind::Directory => map.uint(3, 1)?,
    }
    if open.size != 0 {
        map.uint(4, open.size)?;
    }
    if open.modified_ns != 0 {
        map.int(5, open.modified_ns)?;
    }
    if open.accessed_ns != 0 {
        map.int(6, open.accessed_ns)?;
    }
    if open.mode != 0 {
        map.uint(7, open.mode.into())?;
    }
    Ok(())
}

fn read_open<'a>(map: &mut MapReader<'a>) -> Result<OpenRecord<'a>, RecordError> {
    let object = read_object(map, 1)?;
    let path = map.bytes(2)?;
    split_relative(path)?;
    let kind = match map.optional_number::<u8>(3)?.unwrap_or(0) {
        0 => ObjectKind::File,
        1 => ObjectKind::Directory,
        _ => return Err(DecodeError::OutOfRange { key: 3 }.into()),
    };
    let size = map.optional_number(4)?.unwrap_or(0);
    if size >= SIZE_LIMIT || (kind == ObjectKind::Directory && size != 0) {
        return Err(RecordError::BadSize);
    }
    let modified_ns = map.optional_int(5)?.unwrap_or(0);
    let accessed_ns = map.optional_int(6)?.unwrap_or(0);
    let mode = map.optional_number(7)?.unwrap_or(0);
    if mode > MODE_MASK {
        return Err(RecordError::BadMode);
    }
    Ok(OpenRecord {
        object,
        path,
        kind,
        size,
        modified_ns,
        accessed_ns,
        mode,
    })
}

fn read_link<'a>(map: &mut MapReader<'a>) -> Result<LinkRecord<'a>, RecordError> {
    let object = read_object(map, 1)?;
    let path = map.bytes(2)?;
    split_relative(path)?;
    let target = map.bytes(3)?;
    if target.is_empty() || target.len() > MAX_TARGET || target.contains(&0) {
        return Err(RecordError::BadTarget);
    }
    let replaces = match map.optional_number::<u8>(4)? {
        None => false,
        Some(1) => true,
        Some(_) => return Err(DecodeError::OutOfRange { key: 4 }.into()),
    };
    Ok(LinkRecord {
        object,
        path,
        target,
        replaces,
    })
}

pub(super) fn read_object(map: &mut MapReader<'_>, key: u64) -> Result<ObjectId, RecordError> {
    match map.number(key)? {
        0 => Err(RecordError::BadObjects),
        id => Ok(ObjectId(id)),
    }
}

fn write_objects(
    kind: u8,
    first: ObjectId,
    last: ObjectId,
    map: &mut MapWriter<'_>,
) -> Result<(), Full> {
    map.uint(0, kind.into())?;
    map.uint(1, first.0.into())?;
    if last != first {
        map.uint(2, last.0.into())?;
    }
    Ok(())
}

fn read_objects(map: &mut MapReader<'_>) -> Result<(ObjectId, ObjectId), RecordError> {
    let first = read_object(map, 1)?;
    let last = map.optional_number(2)?.map_or(first, ObjectId);
    if last < first {
        return Err(RecordError::BadObjects);
    }
    Ok((first, last))
}

fn write_fault(key: u8, fault: Option<Fault>, map: &mut MapWriter<'_>) -> Result<(), Full> {
    match fault {
        Some(fault) => map.uint(key, fault.number().into()),
        None => Ok(()),
    }
}

fn read_fault(map: &mut MapReader<'_>, key: u64) -> Result<Option<Fault>, RecordError> {
    Ok(map.optional_number(key)?.map(Fault::from_number))
}

fn read_root<'a>(map: &mut MapReader<'a>, key: u64) -> Result<Option<RootHash<'a>>, RecordError> {
    let root = map.optional_bytes(key)?;
    root.map(|root| root.try_into().map_err(|_| RecordError::BadRoot))
        .transpose()
}

fn read_checksum<'a>(map: &mut MapReader<'a>, key: u64) -> Result<Option<&'a [u8]>, RecordError> {
    let checksum = map.optional_bytes(key)?;
    match checksum.map(<[u8]>::len) {
        None | Some(16..=MAX_CHECKSUM) => Ok(checksum),
        Some(_) => Err(RecordError::BadRoot),
    }
}

pub(super) fn read_ranges(
    map: &mut MapReader<'_>,
    key: u64,
) -> Result<heapless::Vec<ByteRange, MAX_RESUME_RANGES>, RecordError> {
    let mut ranges = heapless::Vec::new();
    let mut order = RangeOrder::default();
    map.each_uint::<RecordError>(key, |edge| {
        if let Some(range) = order.next(edge)? {
            ranges.push(range).map_err(|_| RecordError::BadRanges)?;
        }
        Ok(())
    })?;
    order.finish()?;
    Ok(ranges)
}

/// As [`read_ranges`], and leaves them where they are.
fn read_encoded_ranges<'a>(map: &mut MapReader<'a>, key: u64) -> Result<Ranges<'a>, RecordError> {
    let mut order = RangeOrder::default();
    let mut edges = 0;
    let encoded = map.each_uint_of(key, |edge| {
        edges += 1;
        if edges > 2 * MAX_RESUME_RANGES {
            return Err(RecordError::BadRanges);
        }
        order.next(edge).map(drop)
    })?;
    order.finish()?;
    Ok(Ranges::encoded(edges, encoded))
}

/// Sees to it that ranges ascend and do not overlap.
#[derive(Default)]
struct RangeOrder {
    start: Option<u64>,
    reached: u64,
}

impl RangeOrder {
    /// Takes the next edge; gives a range when it is whole.
    fn next(&mut self, edge: u64) -> Result<Option<ByteRange>, RecordError> {
        match self.start.take() {
            None if edge >= self.reached => {
                self.start = Some(edge);
                Ok(None)
            }
            Some(start) if start < edge && edge <= SIZE_LIMIT => {
                self.reached = edge;
                Ok(Some(ByteRange { start, end: edge }))
            }
            _ => Err(RecordError::BadRanges),
        }
    }

    const fn finish(&self) -> Result<(), RecordError> {
        match self.start {
            None => Ok(()),
            Some(_) => Err(RecordError::BadRanges),
        }
    }
}

#[cfg(test)]
mod tests;
