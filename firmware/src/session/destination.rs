//! Where an upload lands: the rules of `core`, on what the storage holds.

use fasp_core::destination::{self, Facts};
use fasp_core::fault::Fault;

use super::paths::{self, Path};
use crate::storage::{Storage, StorageError};

/// The place for the files of one session.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    base: Path,
    /// The destination takes the place of the first component of record paths.
    renames: bool,
}

impl Destination {
    /// Judges the destination as the user wrote it; makes it if that is wished (`-d`).
    ///
    /// # Errors
    ///
    /// The fault the client is told.
    pub(super) fn find<S: Storage>(
        storage: &mut S,
        written: &[u8],
        sources: u32,
        create: bool,
    ) -> Result<Self, Fault> {
        let base = paths::from_user(written)?;
        let there = match storage.stat(&base) {
            Ok(entry) => Some(entry),
            Err(StorageError::NotFound) => None,
            Err(error) => return Err(error.while_reading()),
        };
        let parent = storage.stat(paths::parent(&base));
        let plan = destination::plan(Facts {
            sources,
            create,
            destination_is_dir: there.is_some_and(|entry| entry.is_folder),
            destination_exists: there.is_some(),
            parent_exists: parent.is_ok_and(|entry| entry.is_folder),
            ends_with_dot: written.ends_with(b"/.") || written == b".",
        })?;
        if plan.creates_destination {
            paths::make_folders(storage, &base)?;
        }
        Ok(Self {
            base,
            renames: plan.placement == destination::Placement::Rename,
        })
    }

    /// The destination of a session that goes on with a lost one, in which it took the name of its single source.
    ///
    /// # Errors
    ///
    /// [`Fault::Protocol`] with several sources, or if the root would get another name.
    pub(super) fn renamed_again(written: &[u8], sources: u32) -> Result<Self, Fault> {
        let base = paths::from_user(written)?;
        if sources != 1 || base.is_empty() {
            return Err(Fault::Protocol);
        }
        Ok(Self {
            base,
            renames: true,
        })
    }

    /// Whether the destination takes the name of the single source.
    pub(super) const fn renames(&self) -> bool {
        self.renames
    }

    /// Where the object with the record path `path` goes.
    ///
    /// # Errors
    ///
    /// [`Fault::OutsideDocroot`], [`Fault::FilePathTooLong`].
    pub(super) fn locate(&self, path: &[u8]) -> Result<Path, Fault> {
        paths::checked(path)?;
        if !self.renames {
            return paths::joined(&self.base, path);
        }
        let slash = path.iter().position(|byte| *byte == b'/');
        let below = slash.and_then(|slash| path.get(slash + 1..));
        paths::joined(&self.base, below.unwrap_or_default())
    }
}
