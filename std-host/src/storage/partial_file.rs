//! A file while it is received: under a temporary name in its final folder until it is complete.
//!
//! Without resume the name is `.<name>.<8 hex>.ascp-part` and the file is removed if the transfer does
//! not end well. With resume it is `<name>.ascp-part` beside a control file `<name>.aspx`, both of
//! which outlive the session. Completion renames over the final name, which changes in one step.
//!
//! Two receptions of one file never share a partial file: the second one, in this session or another,
//! finds it taken and works as without resume.

mod names;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use fasp_core::fault::Fault;
use fasp_core::metadata::{ByteRange, MAX_RESUME_RANGES};
use rustix::fs::{AtFlags, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::{Fingerprint, Preserve, creation_mode, settle_mode, times};
use super::byte_ranges::{ByteRanges, MAX_RANGES};
use super::control_file::ControlFile;
use super::destination_tree::joined;
use super::disk_fault::write_failure;
use super::folders::{Claim, Folders, Place};
use super::write_behind::OwnedRecord;
use crate::failure::{Failure, Outcome};
pub(super) use names::temporary_name;
use names::{control_name, part_name};

/// A control file is written after so much new data, or so much time with any.
const CHECKPOINT_BYTES: u64 = 256 * 1024 * 1024;
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// How a partial file is opened that exists already.
const REOPEN: OFlags = OFlags::WRONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// What to do with an object that the sender offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// All of it is wanted.
    Go,
    /// It is there already.
    Skip,
    /// Only these ranges are wanted: sorted, at most [`MAX_RESUME_RANGES`], and possibly none.
    Resume {
        /// What is missing.
        missing: Vec<ByteRange>,
    },
}

/// One file being received.
#[derive(Debug)]
pub(super) struct PartialFile {
    path: Vec<u8>,
    folder_path: Vec<u8>,
    name: Vec<u8>,
    part_name: Vec<u8>,
    size: u64,
    modified_ns: i64,
    accessed_ns: i64,
    mode: u32,
    file: Option<OwnedFd>,
    created: bool,
    /// Made by this session, so that what was not written reads as zeros.
    fresh: bool,
    resume: Option<Progress>,
}

/// What a resumable file notes.
#[derive(Debug)]
struct Progress {
    control_name: Vec<u8>,
    /// Keeps other objects of the session away from the partial file.
    _claim: Claim,
    /// The partial file's number: the name may come to mean another file.
    inode: u64,
    written: ByteRanges,
    unsaved_bytes: u64,
    saved_at: Instant,
}

impl PartialFile {
    /// With `claim` the file can be continued by a later session.
    pub(super) fn new(place: Place, record: &OwnedRecord, claim: Option<Claim>) -> Self {
        let part_name = match claim {
            Some(_) => part_name(&place.name),
            None => temporary_name(&place.name),
        };
        let resume = claim.map(|claim| Progress {
            control_name: control_name(&place.name),
            _claim: claim,
            inode: 0,
            written: ByteRanges::default(),
            unsaved_bytes: 0,
            saved_at: Instant::now(),
        });
        Self {
            path: joined(&place.folder_path, &place.name),
            folder_path: place.folder_path,
            name: place.name,
            part_name,
            size: record.size,
            modified_ns: record.modified_ns,
            accessed_ns: record.accessed_ns,
            mode: record.mode,
            file: None,
            created: false,
            fresh: true,
            resume,
        }
    }

    /// Whether the file has a descriptor open.
    pub(super) const fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Gives the descriptor back; it is opened again when needed.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// What to ask of the sender; `existing_size` is that of the file under the final name.
    pub(super) fn decide(
        &mut self,
        folders: &mut Folders,
        existing_size: Option<u64>,
    ) -> Outcome<Decision> {
        let Some(resume) = &self.resume else {
            return Ok(Decision::Go);
        };
        let folder = folders.open(&self.folder_path)?;
        let part = rustix::fs::openat(&folder, &self.part_name, REOPEN, Mode::empty());
        if existing_size == Some(self.size) {
            if matches!(part, Err(Errno::NOENT)) {
                // Left by an end between the rename and the removal; without its file it means nothing.
                ControlFile::remove(&folder, &resume.control_name);
            }
            return Ok(Decision::Skip);
        }
        let Ok(part) = part else {
            return Ok(Decision::Go);
        };
        if !lock(&part) {
            self.give_up_resume();
            return Ok(Decision::Go);
        }
        let facts = rustix::fs::fstat(&part).map(|stat| Fingerprint::of(&stat));
        let control = ControlFile::load(&folder, &resume.control_name);
        let (Ok(facts), Some(control)) = (facts, control) else {
            return Ok(Decision::Go);
        };
        let belongs = facts.regular
            && facts.size == self.size
            && control.size == self.size
            && control.modified_ns == self.modified_ns;
        if !belongs {
            return Ok(Decision::Go);
        }
        Ok(self.continue_with(part, facts.inode, &control))
    }

    /// Writes `bytes` at `offset`.
    pub(super) fn write(
        &mut self,
        folders: &mut Folders,
        offset: u64,
        bytes: &[u8],
    ) -> Outcome<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = self.checked_end(offset, length)?;
        self.open_sized(folders, length < self.size)?;
        self.write_all(offset, bytes)
            .map_err(|error| write_failure(&self.path, error))?;
        self.note(offset, end);
        Ok(())
    }

    /// Makes `length` bytes from `offset` read as zeros without storing them where that is possible.
    pub(super) fn zeros(&mut self, folders: &mut Folders, offset: u64, length: u64) -> Outcome<()> {
        let end = self.checked_end(offset, length)?;
        self.open(folders)?;
        if !self.fresh && length > 0 {
            self.clear(offset, end)
                .map_err(|error| write_failure(&self.path, error))?;
        }
        self.note(offset, end);
        Ok(())
    }

    /// Gives the complete file its attributes and its name.
    pub(super) fn commit(&mut self, folders: &mut Folders, preserve: Preserve) -> Outcome<()> {
        self.open(folders)?;
        let folder = folders.open(&self.folder_path)?;
        let finish = || {
            let file = self.file.as_ref().ok_or(Errno::BADF)?;
            if let Some(resume) = &self.resume {
                let named =
                    rustix::fs::statat(&folder, &self.part_name, AtFlags::SYMLINK_NOFOLLOW)?;
                if named.st_ino != resume.inode {
                    return Err(Errno::STALE);
                }
            }
            if !self.fresh || self.mode & 0o600 != 0o600 {
                settle_mode(file, self.mode)?;
            }
            if let Some(times) = times(preserve, self.modified_ns, self.accessed_ns) {
                rustix::fs::futimens(file, &times)?;
            }
            rustix::fs::renameat(&folder, &self.part_name, &folder, &self.name)
        };
        finish().map_err(|error| write_failure(&self.path, error))?;
        self.created = false;
        self.file = None;
        if let Some(resume) = &self.resume {
            // Nothing is lost if it stays: without the partial file it is not believed.
            ControlFile::remove(&folder, &resume.control_name);
        }
        Ok(())
    }

    /// Ends without completion. A kept resumable file is left with a control file; anything else is removed.
    pub(super) fn abandon(&mut self, folders: &mut Folders, keep_partial: bool) {
        if !self.created {
            return;
        }
        if keep_partial && self.checkpoint(folders) == Ok(true) {
            self.file = None;
            return;
        }
        self.file = None;
        let Ok(folder) = folders.open(&self.folder_path) else {
            return;
        };
        self.created = false;
        if let Some(resume) = &self.resume {
            let named = rustix::fs::statat(&folder, &self.part_name, AtFlags::SYMLINK_NOFOLLOW);
            if !named.is_ok_and(|stat| stat.st_ino == resume.inode) {
                return;
            }
            ControlFile::remove(&folder, &resume.control_name);
        }
        let _ = rustix::fs::unlinkat(&folder, &self.part_name, AtFlags::empty());
    }

    /// Whether enough new data or time has gathered for [`PartialFile::checkpoint`].
    pub(super) fn checkpoint_is_due(&self) -> bool {
        self.resume.as_ref().is_some_and(|resume| {
            resume.unsaved_bytes >= CHECKPOINT_BYTES
                || (resume.unsaved_bytes > 0 && resume.saved_at.elapsed() >= CHECKPOINT_INTERVAL)
        })
    }

    /// Brings the data and then the note about it to the disk. `false` if there is no note because
    /// its name is in use for something else or cannot be written: the transfer goes on without.
    pub(super) fn checkpoint(&mut self, folders: &mut Folders) -> Outcome<bool> {
        self.open(folders)?;
        let folder = folders.open(&self.folder_path)?;
        let (Some(file), Some(resume)) = (&self.file, &mut self.resume) else {
            return Ok(false);
        };
        let control = ControlFile {
            size: self.size,
            modified_ns: self.modified_ns,
            missing: resume.written.missing(self.size, MAX_RANGES),
        };
        rustix::fs::fdatasync(file).map_err(|error| write_failure(&self.path, error))?;
        resume.unsaved_bytes = 0;
        resume.saved_at = Instant::now();
        Ok(control.save(&folder, &resume.control_name).is_ok())
    }

    fn checked_end(&self, offset: u64, length: u64) -> Outcome<u64> {
        offset
            .checked_add(length)
            .filter(|end| *end <= self.size)
            .ok_or_else(|| super::disk_fault::named(&self.path, Fault::Protocol))
    }

    fn note(&mut self, start: u64, end: u64) {
        if let Some(resume) = &mut self.resume {
            if resume.unsaved_bytes == 0 {
                resume.saved_at = Instant::now();
            }
            resume.written.insert(start, end);
            resume.unsaved_bytes += end - start;
        }
    }

    fn open(&mut self, folders: &mut Folders) -> Outcome<()> {
        self.open_sized(folders, true)
    }

    /// Opens the file if it is not; a new one gets its size at once if `extend`, else by the write
    /// that follows, which saves a small file a change of the file system's books.
    fn open_sized(&mut self, folders: &mut Folders, extend: bool) -> Outcome<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let mut outcome = self.open_once(folders, extend)?;
        if matches!(outcome, Err(Errno::NOENT)) && !self.created {
            folders.forget(&self.folder_path);
            outcome = self.open_once(folders, extend)?;
        }
        let file = outcome.map_err(|error| write_failure(&self.path, error))?;
        self.file = Some(file);
        Ok(())
    }

    fn open_once(
        &mut self,
        folders: &mut Folders,
        extend: bool,
    ) -> Result<Result<OwnedFd, Errno>, Failure> {
        let folder = folders.open(&self.folder_path)?;
        if self.created {
            return Ok(self.reopen(&folder));
        }
        self.clear_way(&folder);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = creation_mode(self.mode);
        let created = rustix::fs::openat(&folder, &self.part_name, flags, mode);
        Ok(created.and_then(|file| {
            self.created = true;
            if let Some(resume) = &mut self.resume {
                lock(&file);
                resume.inode = rustix::fs::fstat(&file)?.st_ino;
            }
            if extend && self.size > 0 {
                rustix::fs::ftruncate(&file, self.size)?;
            }
            Ok(file)
        }))
    }

    /// Opens the partial file again after its descriptor was given back.
    fn reopen(&self, folder: &OwnedFd) -> Result<OwnedFd, Errno> {
        let file = rustix::fs::openat(folder, &self.part_name, REOPEN, Mode::empty())?;
        if let Some(resume) = &self.resume {
            let same = rustix::fs::fstat(&file)?.st_ino == resume.inode;
            if !same || !lock(&file) {
                return Err(Errno::STALE);
            }
        }
        Ok(file)
    }

    /// Removes what an earlier session left under the partial name, unless another one is at it.
    fn clear_way(&mut self, folder: &OwnedFd) {
        let Some(resume) = &self.resume else {
            return;
        };
        let old = rustix::fs::openat(folder, &self.part_name, REOPEN, Mode::empty());
        if old.as_ref().is_ok_and(|old| !lock(old)) {
            return self.give_up_resume();
        }
        // The note goes first: it must never describe a file it does not belong to.
        ControlFile::remove(folder, &resume.control_name);
        if !matches!(old, Err(Errno::NOENT)) {
            let _ = rustix::fs::unlinkat(folder, &self.part_name, AtFlags::empty());
        }
    }

    /// Takes over what an earlier session has written.
    fn continue_with(&mut self, part: OwnedFd, inode: u64, control: &ControlFile) -> Decision {
        self.created = true;
        self.fresh = false;
        self.file = Some(part);
        let mut missing = Vec::new();
        if let Some(resume) = &mut self.resume {
            resume.inode = inode;
            resume.written = ByteRanges::complement(self.size, &control.missing);
            missing = resume.written.missing(self.size, MAX_RESUME_RANGES);
        }
        Decision::Resume { missing }
    }

    /// Another session receives the same file: from here on as without resume.
    fn give_up_resume(&mut self) {
        self.resume = None;
        self.part_name = temporary_name(&self.name);
    }

    fn write_all(&self, mut offset: u64, mut bytes: &[u8]) -> Result<(), Errno> {
        let file = self.file.as_ref().ok_or(Errno::BADF)?;
        while !bytes.is_empty() {
            match rustix::io::pwrite(file, bytes, offset) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => {
                    offset += u64::try_from(count).unwrap_or(0);
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn clear(&self, start: u64, end: u64) -> Result<(), Errno> {
        let file = self.file.as_ref().ok_or(Errno::BADF)?;
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(file, mode, start, end - start) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            outcome => return outcome,
        }
        let mut at = start;
        while at < end {
            let length =
                usize::try_from(end - at).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            self.write_all(at, ZEROS.get(..length).unwrap_or(&ZEROS))?;
            at += u64::try_from(length).unwrap_or(0);
        }
        Ok(())
    }
}

/// Whether nobody else holds the file now; a file system without locks counts as nobody.
fn lock(file: &OwnedFd) -> bool {
    let outcome = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    outcome != Err(Errno::WOULDBLOCK)
}
