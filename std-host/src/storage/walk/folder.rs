//! One folder of a walk: its names in byte order and the handle through which they are examined.
//!
//! Names lie end to end in one buffer, about as long as the names themselves plus 5 bytes each.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Access, AtFlags, FileType, OFlags, RawDir, Stat};
use rustix::io::Errno;

use super::super::docroot::Docroot;

/// Bytes of directory entries asked of the system at once.
const ENTRIES_BYTES: usize = 32 * 1024;

/// A folder that the walk is in.
#[derive(Debug)]
pub(super) struct Folder {
    /// Device and number of the folder.
    pub(super) identity: (u64, u64),
    /// Length of the folder's own path below the destination.
    pub(super) path_len: usize,
    /// Length of the folder's own path in the docroot.
    pub(super) open_path_len: usize,
    handle: Option<OwnedFd>,
    names: Vec<u8>,
    starts: Vec<u32>,
    next: usize,
    current_is_link: bool,
}

impl Folder {
    /// Opens the folder at `open_path` and reads its names.
    pub(super) fn read(
        docroot: &Docroot,
        open_path: &[u8],
        lengths: (usize, usize),
        identity: (u64, u64),
    ) -> Result<Self, Errno> {
        if !docroot.lists_folder(open_path) {
            return Err(Errno::ACCESS);
        }
        let handle = open(docroot, open_path)?;
        if !docroot.lists_opened(&handle) {
            return Err(Errno::ACCESS);
        }
        let (names, starts) = sorted_names(&handle)?;
        Ok(Self {
            identity,
            path_len: lengths.0,
            open_path_len: lengths.1,
            handle: Some(handle),
            names,
            starts,
            next: 0,
            current_is_link: false,
        })
    }

    /// Makes the next name the current one; `false` if there is none.
    pub(super) fn advance(&mut self) -> bool {
        let more = self.next < self.starts.len();
        self.next += usize::from(more);
        more
    }

    /// Gives the descriptor back; it is opened again when needed.
    pub(super) fn close(&mut self) {
        self.handle = None;
    }

    #[cfg(test)]
    pub(super) const fn is_open(&self) -> bool {
        self.handle.is_some()
    }

    /// What the current name is, a link itself; `open_path` is its path in the docroot.
    pub(super) fn examine_current(
        &mut self,
        docroot: &Docroot,
        open_path: &[u8],
    ) -> Result<Stat, Errno> {
        if self.handle.is_none() {
            let own_path = open_path.get(..self.open_path_len).unwrap_or(open_path);
            self.handle = Some(open(docroot, own_path)?);
        }
        let (Some(handle), Some(name)) = (&self.handle, self.current()) else {
            return Err(Errno::NOENT);
        };
        let stat = rustix::fs::statat(handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.current_is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        Ok(stat)
    }

    /// Whether the current name, which was examined, exists for the user of the tree.
    pub(super) fn admits_current(&self, docroot: &Docroot, is_folder: bool) -> bool {
        match (&self.handle, self.current()) {
            (Some(handle), Some(name)) => docroot.admits(handle, name.to_bytes(), is_folder),
            _ => false,
        }
    }

    /// Where the current name, a link that was examined, leads to, as it is written there.
    pub(super) fn read_current_link(&self) -> Result<Vec<u8>, Errno> {
        let (Some(handle), Some(name)) = (&self.handle, self.current()) else {
            return Err(Errno::NOENT);
        };
        Ok(rustix::fs::readlinkat(handle, name, Vec::new())?.into_bytes())
    }

    /// Whether the current name, a regular file, may be read.
    pub(super) fn current_is_readable(
        &self,
        docroot: &Docroot,
        open_path: &[u8],
    ) -> Result<(), Errno> {
        match (&self.handle, self.current()) {
            (Some(handle), Some(name)) if !self.current_is_link => {
                rustix::fs::accessat(handle, name, Access::READ_OK, AtFlags::empty())
            }
            _ => docroot.open_to_read(open_path).map(drop),
        }
    }

    /// The current name.
    pub(super) fn current(&self) -> Option<&CStr> {
        let start = *self.starts.get(self.next.checked_sub(1)?)?;
        name_at(&self.names, start)
    }
}

fn open(docroot: &Docroot, path: &[u8]) -> Result<OwnedFd, Errno> {
    docroot.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn name_at(names: &[u8], start: u32) -> Option<&CStr> {
    let rest = names.get(usize::try_from(start).ok()?..)?;
    CStr::from_bytes_until_nul(rest).ok()
}

/// All names but `.` and `..`, each ended by NUL, and where they start in byte order.
fn sorted_names(handle: &OwnedFd) -> Result<(Vec<u8>, Vec<u32>), Errno> {
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); ENTRIES_BYTES];
    let mut entries = RawDir::new(handle, &mut buffer);
    let mut names = Vec::new();
    let mut starts = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes_with_nul();
        if name == b".\0" || name == b"..\0" {
            continue;
        }
        starts.push(u32::try_from(names.len()).map_err(|_| Errno::OVERFLOW)?);
        names.extend_from_slice(name);
    }
    names.shrink_to_fit();
    starts.shrink_to_fit();
    starts.sort_unstable_by(|a, b| name_at(&names, *a).cmp(&name_at(&names, *b)));
    Ok((names, starts))
}
