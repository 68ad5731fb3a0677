//! Making, finding again and locking the partial file.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::PartialFile;
use super::names::{temporary_name, temporary_name_with};
use crate::failure::{Failure, Outcome};
use crate::storage::attributes::creation_mode;
use crate::storage::control_file::{ControlFile, Owner};
use crate::storage::disk;
use crate::storage::disk_fault::write_failure;
use crate::storage::folders::Folders;

/// How a partial file is opened that exists already.
pub(super) const REOPEN: OFlags = OFlags::RDWR
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

impl PartialFile {
    pub(super) fn open(&mut self, folders: &mut Folders) -> Outcome<Arc<OwnedFd>> {
        self.open_sized(folders, true)
    }

    /// Opens the file if it is not; a new one gets its size at once if `extend`, else by the write
    /// that follows, which saves a small file a change of the file system's books.
    pub(super) fn open_sized(
        &mut self,
        folders: &mut Folders,
        extend: bool,
    ) -> Outcome<Arc<OwnedFd>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let mut outcome = self.open_once(folders, extend)?;
        if matches!(outcome, Err(Errno::NOENT)) && !self.created {
            folders.forget(&self.folder_path);
            outcome = self.open_once(folders, extend)?;
        }
        let file = Arc::new(outcome.map_err(|error| write_failure(&self.path, error))?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    fn open_once(
        &mut self,
        folders: &mut Folders,
        extend: bool,
    ) -> Result<Result<OwnedFd, Errno>, Failure> {
        let folder = folders.open(&self.folder_path)?;
        if self.created {
            if let Some(split) = &mut self.split {
                return split.hold_again(&folder).map(Ok);
            }
            return Ok(self.reopen(&folder));
        }
        if let Err(error) = self.clear_way(&folder) {
            return Ok(Err(error));
        }
        let mode = creation_mode(self.mode);
        let mut created = disk::create(&folder, &self.part_name, mode);
        if matches!(created, Err(Errno::EXIST)) && self.suffix.is_some() {
            // Somebody's, who may need it.
            self.part_name = self.other_name();
            created = disk::create(&folder, &self.part_name, mode);
        }
        Ok(created.and_then(|file| {
            self.created = true;
            let stat = rustix::fs::fstat(&file)?;
            self.device = stat.st_dev;
            self.inode = stat.st_ino;
            if self.resume.is_some() {
                lock(&file);
            }
            if extend && self.size > 0 {
                disk::set_length(&file, self.size)?;
            }
            Ok(file)
        }))
    }

    /// Opens the partial file again after its descriptor was given back.
    fn reopen(&self, folder: &OwnedFd) -> Result<OwnedFd, Errno> {
        let file = rustix::fs::openat(folder, &self.part_name, REOPEN, Mode::empty())?;
        let is_other = self.has_known_name() && rustix::fs::fstat(&file)?.st_ino != self.inode;
        if is_other || (self.resume.is_some() && !lock(&file)) {
            return Err(Errno::STALE);
        }
        Ok(file)
    }

    /// Removes what an earlier session left under the partial name, unless another one is at it.
    fn clear_way(&mut self, folder: &OwnedFd) -> Result<(), Errno> {
        let Some(resume) = &self.resume else {
            return Ok(());
        };
        let old = rustix::fs::openat(folder, &self.part_name, REOPEN, Mode::empty());
        if old.as_ref().is_ok_and(|old| !lock(old)) {
            self.give_up_resume();
            return Ok(());
        }
        let is_free = matches!(old, Err(Errno::NOENT));
        let owner = ControlFile::owner(folder, &resume.control_name);
        if self.suffix.is_some() && !is_free && owner != Owner::Us {
            // No note says that it is ours: with such a name it may be a file of the user's.
            self.give_up_resume();
            return Ok(());
        }
        // The note goes first, and surely: it must never describe a file that it does not belong to.
        if owner != Owner::Nobody {
            if !ControlFile::remove(folder, &resume.control_name) {
                self.give_up_resume();
                return Ok(());
            }
            disk::sync_names(folder)?;
        }
        if !is_free {
            let _ = disk::unlink(folder, &self.part_name);
        }
        Ok(())
    }

    /// The file is received by another session, or the name of its note is taken: from here on as without resume.
    pub(super) fn give_up_resume(&mut self) {
        self.resume = None;
        self.part_name = self.other_name();
    }

    /// A name that nobody has.
    fn other_name(&self) -> Vec<u8> {
        match &self.suffix {
            Some(suffix) => temporary_name_with(&self.name, suffix),
            None => temporary_name(&self.name),
        }
    }
}

/// Whether nobody else holds the file now; a file system without locks counts as nobody.
pub(super) fn lock(file: &OwnedFd) -> bool {
    let outcome = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    outcome != Err(Errno::WOULDBLOCK)
}
