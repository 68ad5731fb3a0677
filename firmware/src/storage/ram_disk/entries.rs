//! What the disk knows of a file, folder or partial, but for its bytes.

use super::{Entry, LONGEST_NOTE, LONGEST_PATH};

/// Where it is.
pub(super) type Path = heapless::Vec<u8, LONGEST_PATH>;

/// What it is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    File,
    Folder,
    Partial {
        /// Empty before the first sync.
        note: heapless::Vec<u8, LONGEST_NOTE>,
    },
}

/// A file, folder or partial.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) path: Path,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    /// Differs from that of whatever had the place before.
    pub(super) number: u32,
}

impl Node {
    pub(super) const fn is_partial(&self) -> bool {
        matches!(self.kind, Kind::Partial { .. })
    }

    pub(super) const fn entry(&self) -> Entry {
        Entry {
            is_folder: matches!(self.kind, Kind::Folder),
            size: self.size,
            modified_ns: self.modified_ns,
        }
    }

    /// Its name in `folder`, if it lies there.
    pub(super) fn name_in(&self, folder: &[u8]) -> Option<&[u8]> {
        let rest = self.path.strip_prefix(folder)?;
        let name = if folder.is_empty() {
            rest
        } else {
            rest.strip_prefix(b"/")?
        };
        (!name.is_empty() && !name.contains(&b'/')).then_some(name)
    }
}
