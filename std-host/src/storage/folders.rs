//! The folders of a destination as one writer thread sees them: opened once, made when missing.
//!
//! A folder's final mode and times are set when the session has written everything: a folder that may
//! not be written must still be filled, and filling it changes its times.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fasp_core::fault::Fault;
use fasp_core::overwrite::Attributes;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid};
use rustix::io::Errno;

use super::attributes::{
    Preserve, folder_creation_mode, modified_ns, settle_folder, size_of_file, times,
};
use super::destination_tree::{DestinationTree, joined, last_name, parent};
use super::disk::sync_names;
use super::disk_fault::{named, read_failure, write_failure};
use crate::envelope::{sealed_size, without_suffix};
use crate::failure::{Failure, Outcome};

/// Folders that one thread keeps open.
const MOST_HANDLES: usize = 64;

/// Folders made for files that came before them; beyond that their modes stay as made.
const MOST_UNCLAIMED: usize = 65_536;

/// Links that lead to one another before it counts as a loop; the kernel's own number.
const MOST_LINKS: usize = 40;

/// What the writer threads of a session know together.
#[derive(Debug, Default)]
pub(super) struct FolderNotes {
    unclaimed: Mutex<HashSet<Vec<u8>>>,
    unsettled: Mutex<Vec<Unsettled>>,
    claims: Mutex<HashSet<Vec<u8>>>,
    /// Folders in which links were made, whose names are not on the disk yet.
    with_links: Mutex<HashSet<Vec<u8>>>,
}

/// The right to receive a file under its stable partial name; ends when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    path: Vec<u8>,
    notes: Arc<FolderNotes>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.notes.claims).remove(&self.path);
    }
}

/// A folder whose attributes are set at the end.
#[derive(Debug)]
struct Unsettled {
    path: Vec<u8>,
    mode: Option<u32>,
    modified_ns: i64,
    accessed_ns: i64,
    owner: (Option<Uid>, Option<Gid>),
}

/// Attributes that a record asks for a folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct FolderWish {
    pub(super) mode: u32,
    pub(super) modified_ns: i64,
    pub(super) accessed_ns: i64,
    pub(super) owner: (Option<Uid>, Option<Gid>),
}

/// Where a file goes, links resolved.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder_path: Vec<u8>,
    pub(super) name: Vec<u8>,
    /// Size and time of the file that has the name now.
    pub(super) existing: Option<Attributes>,
}

/// Open folders of one thread.
#[derive(Debug)]
pub(super) struct Folders {
    tree: Arc<DestinationTree>,
    notes: Arc<FolderNotes>,
    handles: HashMap<Vec<u8>, Arc<OwnedFd>>,
}

impl FolderNotes {
    /// Sets what was left for the end, deepest folders first; what cannot be set is reported.
    pub(super) fn settle(&self, tree: &DestinationTree, preserve: Preserve) -> Vec<Failure> {
        let mut unsettled = std::mem::take(&mut *lock(&self.unsettled));
        let with_links = std::mem::take(&mut *lock(&self.with_links));
        let unsynced = with_links.into_iter().filter_map(|path| {
            let synced = tree
                .docroot()
                .directory(&path)
                .and_then(|folder| sync_names(&folder));
            Some(write_failure(&path, synced.err()?))
        });
        unsettled.sort_unstable_by(|a, b| b.path.cmp(&a.path));
        let settle = |folder: &Unsettled| {
            let parent = tree.docroot().directory(parent(&folder.path))?;
            let times = times(preserve, folder.modified_ns, folder.accessed_ns);
            let name = last_name(&folder.path);
            let mode = folder.mode.map(|mode| (mode, tree.modes().folders));
            settle_folder(parent, name, mode, times.as_ref(), folder.owner)
        };
        let unset = unsettled.iter().filter_map(|folder| {
            let error = settle(folder).err()?;
            Some(write_failure(&folder.path, error))
        });
        unsynced.chain(unset).collect()
    }
}

impl Folders {
    pub(super) fn new(tree: Arc<DestinationTree>, notes: Arc<FolderNotes>) -> Self {
        Self {
            tree,
            notes,
            handles: HashMap::new(),
        }
    }

    pub(super) fn tree(&self) -> &DestinationTree {
        &self.tree
    }

    /// A handle of the folder `path`, which is made if it is missing below the destination.
    pub(super) fn open(&mut self, path: &[u8]) -> Outcome<Arc<OwnedFd>> {
        if let Some(handle) = self.handles.get(path) {
            return Ok(Arc::clone(handle));
        }
        let handle = match self.tree.docroot().directory(path) {
            Err(Errno::NOENT) if self.tree.holds(path) => self.make_missing(path)?,
            outcome => outcome.map_err(|error| write_failure(path, error))?,
        };
        let handle = Arc::new(handle);
        if self.handles.len() >= MOST_HANDLES {
            self.handles.clear();
        }
        self.handles.insert(path.to_vec(), Arc::clone(&handle));
        Ok(handle)
    }

    /// A link was made in the folder `path`.
    pub(super) fn note_link(&self, path: &[u8]) {
        let mut with_links = lock(&self.notes.with_links);
        if !with_links.contains(path) {
            with_links.insert(path.to_vec());
        }
    }

    /// The right to the file at `place`; `None` while another object of the session has it.
    pub(super) fn claim(&self, place: &Place) -> Option<Claim> {
        let path = joined(&place.folder_path, &place.name);
        let is_new = lock(&self.notes.claims).insert(path.clone());
        is_new.then(|| Claim {
            path,
            notes: Arc::clone(&self.notes),
        })
    }

    /// Forgets a handle: its folder seems to have been removed.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.handles.remove(path);
    }

    /// Makes the folder that a record asks for, or takes the one that is there.
    pub(super) fn make(
        &mut self,
        path: &[u8],
        wish: FolderWish,
        preserve: Preserve,
    ) -> Outcome<()> {
        let mut outcome = self.make_name(path, folder_creation_mode(wish.mode))?;
        if outcome == Err(Errno::NOENT) {
            self.forget(parent(path));
            outcome = self.make_name(path, folder_creation_mode(wish.mode))?;
        }
        let made = match outcome {
            Ok(()) => wish.mode & 0o700 != 0o700 || self.tree.modes().folders.is_set(),
            Err(Errno::EXIST) => {
                self.tree
                    .docroot()
                    .directory(path)
                    .map_err(|error| write_failure(path, error))?;
                lock(&self.notes.unclaimed).remove(path)
            }
            Err(error) => return Err(write_failure(path, error)),
        };
        if made || preserve.any() {
            lock(&self.notes.unsettled).push(Unsettled {
                path: path.to_vec(),
                mode: made.then_some(wish.mode),
                modified_ns: wish.modified_ns,
                accessed_ns: wish.accessed_ns,
                owner: wish.owner,
            });
        }
        Ok(())
    }

    /// Where the file `path` goes. A link with that name is followed to the file it names, which
    /// need not exist; no folder is made for it.
    pub(super) fn place(&mut self, path: &[u8]) -> Outcome<Place> {
        let mut current = path.to_vec();
        for _ in 0..=MOST_LINKS {
            let folder_path = parent(&current).to_vec();
            let name = last_name(&current).to_vec();
            let is_taken = self.tree.docroot().is_a_root(&current);
            if is_taken || matches!(name.as_slice(), b"" | b"." | b"..") {
                return Err(named(path, Fault::IsADirectory));
            }
            let folder = self.open(&folder_path)?;
            let existing = match rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => None,
                Err(error) => return Err(write_failure(path, error)),
                Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => Some(Attributes {
                        size: size_of_file(&stat),
                        modified_ns: modified_ns(&stat),
                    }),
                    FileType::Directory => return Err(named(path, Fault::IsADirectory)),
                    FileType::Symlink => {
                        current = self.link_target(&folder, &folder_path, &name)?;
                        continue;
                    }
                    _ => return Err(named(path, Fault::NotRegular)),
                },
            };
            if !self.tree.docroot().admits(&folder, &name, false) {
                return Err(named(path, Fault::NoPermissions));
            }
            return Ok(Place {
                folder_path,
                name,
                existing,
            });
        }
        Err(named(path, Fault::LinkLoop))
    }

    /// What a file at `place`, which is `path`, counts as there already: of an envelope, which will be opened, the file
    /// that is in it, with the size that an envelope of it has.
    pub(super) fn existing_plain(
        &mut self,
        path: &[u8],
        place: &Place,
    ) -> Outcome<Option<Attributes>> {
        let Some(plain) = without_suffix(path) else {
            return Ok(place.existing);
        };
        let there = self.place(plain)?.existing;
        Ok(there.map(|there| Attributes {
            size: sealed_size(there.size),
            ..there
        }))
    }

    fn link_target(&self, folder: &OwnedFd, folder_path: &[u8], name: &[u8]) -> Outcome<Vec<u8>> {
        let path = joined(folder_path, name);
        let target = rustix::fs::readlinkat(folder, name, Vec::new())
            .map_err(|error| read_failure(&path, error))?;
        let target = target.as_bytes();
        if !target.starts_with(b"/") {
            return Ok(joined(folder_path, target));
        }
        if self.tree.docroot().is_confined() {
            return Err(named(&path, Fault::OutsideDocroot));
        }
        Ok(target.to_vec())
    }

    fn make_name(&mut self, path: &[u8], mode: Mode) -> Outcome<Result<(), Errno>> {
        let folder = self.open(parent(path))?;
        let name = last_name(path);
        if !self.tree.docroot().admits(&folder, name, true) {
            return Err(named(path, Fault::NoPermissions));
        }
        Ok(rustix::fs::mkdirat(folder, name, mode))
    }

    /// A folder that no record asked for has no mode of a source, but may have one of a rule.
    fn settle_unasked(&mut self, path: &[u8]) -> Outcome<()> {
        let rule = self.tree.modes().folders;
        if !rule.is_set() {
            return Ok(());
        }
        let folder = self.open(parent(path))?;
        let mode = Some((0o777, rule.usable()));
        settle_folder(folder, last_name(path), mode, None, (None, None))
            .map_err(|error| write_failure(path, error))
    }

    fn make_missing(&mut self, path: &[u8]) -> Outcome<OwnedFd> {
        match self.make_name(path, Mode::from_raw_mode(0o777))? {
            Ok(()) => {
                self.settle_unasked(path)?;
                let mut unclaimed = lock(&self.notes.unclaimed);
                if unclaimed.len() < MOST_UNCLAIMED {
                    unclaimed.insert(path.to_vec());
                }
            }
            Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => self.forget(parent(path)),
            Err(error) => return Err(write_failure(path, error)),
        }
        self.tree
            .docroot()
            .directory(path)
            .map_err(|error| write_failure(path, error))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
