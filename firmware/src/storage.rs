//! Where an appliance keeps its files: a small interface that a RAM disk and a file system in flash both satisfy.
//!
//! A file is received under no name of its own, as a *partial*, and gets its final name in one step when it is
//! complete. A partial outlives a power cut as of its last [`Storage::sync`], with a note that the library wrote;
//! what the note says is the library's business. Calls may block, but for a bounded time: none waits for a
//! peer. Nothing here knows the protocol.
//!
//! Paths are bytes that [`fasp_core::destination::split_relative`] accepts, at most [`LONGEST_PATH`] of them, with
//! `/` between components. The root is the empty path; only [`Storage::list`] and [`Storage::stat`] meet it.

pub mod ram_disk;

use core::fmt::Debug;

use fasp_core::fault::Fault;

/// Most bytes of a path on an appliance, folders included.
pub const LONGEST_PATH: usize = 128;

/// Most bytes of the note that [`Storage::sync`] stores beside a partial.
pub const LONGEST_NOTE: usize = 192;

/// Why the storage did not do what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum StorageError {
    /// There is no file, folder or partial of this path.
    #[error("There is nothing of this name.")]
    NotFound,
    /// There is no room now; removing something may help.
    #[error("The storage is full.")]
    Full,
    /// The file is larger than the empty storage.
    #[error("The file is larger than the storage.")]
    TooLarge,
    /// Not allowed: read-only, a folder where there are none, a file in the place of a folder, too many open.
    #[error("The storage refuses.")]
    Refused,
    /// The medium gives other bytes than were written, or does not take them.
    #[error("The storage is damaged.")]
    Damaged,
}

impl StorageError {
    /// The fault the peer is told when reading failed.
    #[must_use]
    pub const fn while_reading(self) -> Fault {
        match self {
            Self::NotFound => Fault::NoSuchFile,
            Self::Refused => Fault::NoPermissions,
            Self::Full | Self::TooLarge | Self::Damaged => Fault::DiskRead,
        }
    }

    /// The fault the peer is told when writing failed.
    #[must_use]
    pub const fn while_writing(self) -> Fault {
        match self {
            Self::NotFound | Self::Damaged => Fault::DiskWrite,
            Self::Full => Fault::NoSpaceLeft,
            Self::TooLarge => Fault::FileTooBig,
            Self::Refused => Fault::NoPermissions,
        }
    }
}

/// What is known of a file or folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Entry {
    /// It is a folder; size and time are then 0.
    pub is_folder: bool,
    /// Bytes of a file.
    pub size: u64,
    /// Modification time, nanoseconds since the Unix epoch; 0 where the storage keeps none.
    pub modified_ns: i64,
}

/// Files by path.
pub trait Storage {
    /// A file open for reading.
    ///
    /// As many may be open at once as the appliance has objects (16 at the small profile).
    type File: Debug;

    /// A file being written; as many at once as of [`Self::File`].
    type Partial: Debug;

    /// Ranges that are asked for again after a resume begin and end at multiples of this, or at the end of the
    /// file. A storage that erases before it writes gives its erase unit.
    const RESUME_BLOCK: u64 = 1;

    /// What there is under `path`. The root is a folder.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`], [`StorageError::Damaged`].
    fn stat(&mut self, path: &[u8]) -> Result<Entry, StorageError>;

    /// The first entry of `folder` whose name comes after `after` in the order of bytes (an empty `after` comes
    /// before every name): writes its name to the start of `name`, which has room for [`LONGEST_PATH`], and
    /// gives its length. `None` after the last one. Partials are not listed.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`] if there is no such folder; [`StorageError::Damaged`].
    fn list(
        &mut self,
        folder: &[u8],
        after: &[u8],
        name: &mut [u8],
    ) -> Result<Option<(usize, Entry)>, StorageError>;

    /// Opens a file to read it.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`]; [`StorageError::Refused`] for a folder or when too many are open;
    /// [`StorageError::Damaged`].
    fn open(&mut self, path: &[u8]) -> Result<(Self::File, Entry), StorageError>;

    /// Fills `buffer` with the bytes from `offset`, which all lie within the size that [`Self::open`] told. The
    /// same bytes may be asked for again. Must not block for longer than it takes to read them.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`] if the file was replaced or removed since; [`StorageError::Damaged`].
    fn read_at(
        &mut self,
        file: &mut Self::File,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), StorageError>;

    /// Closes a file. Called once for each that was opened.
    fn close(&mut self, file: Self::File);

    /// Makes a folder; one that exists is fine. The folder above exists.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] where there are no folders, or a file has the name; [`StorageError::Full`].
    fn make_folder(&mut self, path: &[u8]) -> Result<(), StorageError>;

    /// Begins a file of `size` bytes that will be called `path`, in place of an earlier partial of that name.
    /// What has the final name now stays as it is until [`Self::commit`]. Folders above exist.
    ///
    /// # Errors
    ///
    /// [`StorageError::Full`] or [`StorageError::TooLarge`] if it will not fit, best at once;
    /// [`StorageError::Refused`].
    fn create(&mut self, path: &[u8], size: u64) -> Result<Self::Partial, StorageError>;

    /// Goes on with the partial called `path` as of its last [`Self::sync`]: writes its note to the start of `note`,
    /// which has room for [`LONGEST_NOTE`], and gives the note's length.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`] if there is none, or none whose note is whole.
    fn resume(
        &mut self,
        path: &[u8],
        note: &mut [u8],
    ) -> Result<(Self::Partial, usize), StorageError>;

    /// The bytes `start..end` of a resumed partial count as not written and will come anew, maybe with other
    /// content. Both are multiples of [`Self::RESUME_BLOCK`] or the size. Called before anything is written.
    ///
    /// # Errors
    ///
    /// [`StorageError::Damaged`].
    fn rewind(
        &mut self,
        partial: &mut Self::Partial,
        start: u64,
        end: u64,
    ) -> Result<(), StorageError>;

    /// Writes `bytes`, at most one datagram of them, at `offset`. In any order. A byte that was written comes again
    /// only with the same value, or after [`Self::rewind`].
    ///
    /// # Errors
    ///
    /// [`StorageError::Full`], [`StorageError::Damaged`].
    fn write_at(
        &mut self,
        partial: &mut Self::Partial,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError>;

    /// Makes what was written durable, then `note`, at most [`LONGEST_NOTE`] bytes, in place of the earlier note in
    /// one step: after a power cut the earlier or this one is there, never a mixture, and never this one without
    /// the bytes.
    ///
    /// # Errors
    ///
    /// [`StorageError::Full`], [`StorageError::Damaged`]; the earlier note then stands.
    fn sync(&mut self, partial: &mut Self::Partial, note: &[u8]) -> Result<(), StorageError>;

    /// Every byte was written: gives the file its final name in one step, durably, in place of what had the name.
    ///
    /// # Errors
    ///
    /// [`StorageError::Full`], [`StorageError::Refused`] (a folder has the name), [`StorageError::Damaged`]; what
    /// had the name stays and the partial is gone.
    fn commit(&mut self, partial: Self::Partial, modified_ns: i64) -> Result<(), StorageError>;

    /// The partial is not worked on any more: with `keep` it stays as of its last [`Self::sync`] (one that was
    /// never synced is removed), else it is removed.
    fn abandon(&mut self, partial: Self::Partial, keep: bool);

    /// Removes a file and the partial of that name, or an empty folder.
    ///
    /// # Errors
    ///
    /// [`StorageError::NotFound`], [`StorageError::Refused`] for a folder that holds something.
    fn remove(&mut self, path: &[u8]) -> Result<(), StorageError>;
}

impl<S: Storage + ?Sized> Storage for &mut S {
    type File = S::File;
    type Partial = S::Partial;

    const RESUME_BLOCK: u64 = S::RESUME_BLOCK;

    fn stat(&mut self, path: &[u8]) -> Result<Entry, StorageError> {
        (**self).stat(path)
    }

    fn list(
        &mut self,
        folder: &[u8],
        after: &[u8],
        name: &mut [u8],
    ) -> Result<Option<(usize, Entry)>, StorageError> {
        (**self).list(folder, after, name)
    }

    fn open(&mut self, path: &[u8]) -> Result<(Self::File, Entry), StorageError> {
        (**self).open(path)
    }

    fn read_at(
        &mut self,
        file: &mut Self::File,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        (**self).read_at(file, offset, buffer)
    }

    fn close(&mut self, file: Self::File) {
        (**self).close(file);
    }

    fn make_folder(&mut self, path: &[u8]) -> Result<(), StorageError> {
        (**self).make_folder(path)
    }

    fn create(&mut self, path: &[u8], size: u64) -> Result<Self::Partial, StorageError> {
        (**self).create(path, size)
    }

    fn resume(
        &mut self,
        path: &[u8],
        note: &mut [u8],
    ) -> Result<(Self::Partial, usize), StorageError> {
        (**self).resume(path, note)
    }

    fn rewind(
        &mut self,
        partial: &mut Self::Partial,
        start: u64,
        end: u64,
    ) -> Result<(), StorageError> {
        (**self).rewind(partial, start, end)
    }

    fn write_at(
        &mut self,
        partial: &mut Self::Partial,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        (**self).write_at(partial, offset, bytes)
    }

    fn sync(&mut self, partial: &mut Self::Partial, note: &[u8]) -> Result<(), StorageError> {
        (**self).sync(partial, note)
    }

    fn commit(&mut self, partial: Self::Partial, modified_ns: i64) -> Result<(), StorageError> {
        (**self).commit(partial, modified_ns)
    }

    fn abandon(&mut self, partial: Self::Partial, keep: bool) {
        (**self).abandon(partial, keep);
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), StorageError> {
        (**self).remove(path)
    }
}
