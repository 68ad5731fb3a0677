//! What is known of one file, in memory and as a record in flash.

use heapless::Vec;

use crate::storage::LONGEST_PATH;

/// Runs of sectors that one file may be scattered over.
pub(super) const MOST_EXTENTS: usize = 12;
/// Bytes of the longest record.
pub(super) const LONGEST_RECORD: usize = 20 + LONGEST_PATH + 4 * MOST_EXTENTS;
const VERSION: u8 = 1;

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Kind {
    /// Nothing.
    #[default]
    Free,
    Folder,
    /// A file under its final name.
    Complete,
    /// A file on its way. `synced`: there is a note for it.
    Partial {
        synced: bool,
    },
}

/// A run of sectors; numbers count from the first sector for files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Extent {
    pub(super) first: u16,
    pub(super) count: u16,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Differs from that of every earlier entry; of two files of one name the higher one counts.
    pub(super) generation: u32,
    pub(super) size: u32,
    pub(super) modified_ns: i64,
    pub(super) path: Vec<u8, LONGEST_PATH>,
    pub(super) extents: Vec<Extent, MOST_EXTENTS>,
}

impl Entry {
    /// The record of this entry.
    pub(super) fn encode(&self) -> Vec<u8, LONGEST_RECORD> {
        let mut record = Vec::new();
        let kind = match self.kind {
            Kind::Free => 0,
            Kind::Folder => 1,
            Kind::Complete => 2,
            Kind::Partial { .. } => 3,
        };
        let path_length = u8::try_from(self.path.len()).unwrap_or(0);
        let extents = u8::try_from(self.extents.len()).unwrap_or(0);
        // Every part has its bound, and the record has room for all of them.
        let mut add = |bytes: &[u8]| {
            let _ = record.extend_from_slice(bytes);
        };
        add(&[VERSION, kind, path_length, extents]);
        add(&self.generation.to_le_bytes());
        add(&self.size.to_le_bytes());
        add(&self.modified_ns.to_le_bytes());
        add(&self.path);
        for extent in &self.extents {
            add(&extent.first.to_le_bytes());
            add(&extent.count.to_le_bytes());
        }
        record
    }

    /// The entry of a record; `None` if it is none.
    pub(super) fn decode(record: &[u8]) -> Option<Self> {
        let (&[version, kind, path_length, extents], rest) = record.split_first_chunk()?;
        let (&generation, rest) = rest.split_first_chunk()?;
        let (&size, rest) = rest.split_first_chunk()?;
        let (&modified_ns, rest) = rest.split_first_chunk()?;
        let (path, rest) = rest.split_at_checked(path_length.into())?;
        if version != VERSION || rest.len() != usize::from(extents) * 4 {
            return None;
        }
        let kind = match kind {
            0 => Kind::Free,
            1 => Kind::Folder,
            2 => Kind::Complete,
            3 => Kind::Partial { synced: false },
            _ => return None,
        };
        let mut entry = Self {
            kind,
            generation: u32::from_le_bytes(generation),
            size: u32::from_le_bytes(size),
            modified_ns: i64::from_le_bytes(modified_ns),
            path: Vec::from_slice(path).ok()?,
            extents: Vec::new(),
        };
        let (runs, _) = rest.as_chunks::<4>();
        for &[a, b, c, d] in runs {
            let first = u16::from_le_bytes([a, b]);
            let count = u16::from_le_bytes([c, d]);
            entry.extents.push(Extent { first, count }).ok()?;
        }
        Some(entry)
    }

    pub(super) const fn is_partial(&self) -> bool {
        matches!(self.kind, Kind::Partial { .. })
    }

    /// Whether it has a name that others see.
    pub(super) const fn is_visible(&self) -> bool {
        matches!(self.kind, Kind::Folder | Kind::Complete)
    }

    /// The sector that holds byte `offset` of the file.
    pub(super) fn sector_of(&self, offset: u32) -> Option<u16> {
        let mut index = u16::try_from(offset / super::SECTOR).ok()?;
        for extent in &self.extents {
            if index < extent.count {
                return extent.first.checked_add(index);
            }
            index -= extent.count;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_entry_is_read_as_it_was_written() {
        let entry = Entry {
            kind: Kind::Complete,
            generation: 7,
            size: 0xFFFF_FFFF,
            modified_ns: -5,
            path: Vec::from_slice(&[b'p'; LONGEST_PATH]).unwrap(),
            extents: Vec::from_slice(&[Extent { first: 3, count: 9 }; MOST_EXTENTS]).unwrap(),
        };
        let record = entry.encode();
        assert_eq!(record.len(), LONGEST_RECORD);
        assert_eq!(Entry::decode(&record), Some(entry));
    }

    #[test]
    fn no_record_makes_the_reader_fail() {
        let entry = Entry {
            kind: Kind::Folder,
            path: Vec::from_slice(b"folder").unwrap(),
            ..Entry::default()
        };
        let record = entry.encode();
        for length in 0..record.len() {
            assert_eq!(Entry::decode(&record[..length]), None);
        }
        for index in 0..record.len() {
            for byte in 0..=u8::MAX {
                let mut other = record.clone();
                other[index] = byte;
                let _ = Entry::decode(&other);
            }
        }
    }
}
