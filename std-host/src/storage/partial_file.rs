//! A file while it is received: under a temporary name in its final folder until it is complete.
//!
//! Without resume the name is `.<name>.<8 hex>.ascp-part` and the file is removed if the transfer does
//! not end well. With resume it is `<name>.ascp-part` beside a control file `<name>.aspx`, both of
//! which outlive the session. Completion renames over the final name, which changes in one step.

use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use fasp_core::fault::Fault;
use fasp_core::metadata::{ByteRange, MAX_RESUME_RANGES};
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::{Fingerprint, Preserve, creation_mode, settle_mode, times};
use super::byte_ranges::{ByteRanges, MAX_RANGES};
use super::control_file::{self, ControlFile};
use super::destination_tree::joined;
use super::disk_fault::write_failure;
use super::folders::{Folders, Place};
use super::write_behind::OwnedRecord;
use crate::failure::{Failure, Outcome};

/// A control file is written after so much new data, or so much time with any.
const CHECKPOINT_BYTES: u64 = 256 * 1024 * 1024;
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

const NAME_MAX: usize = 255;
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
    written: ByteRanges,
    unsaved_bytes: u64,
    saved_at: Instant,
}

impl PartialFile {
    pub(super) fn new(place: Place, record: &OwnedRecord, resumable: bool) -> Self {
        let resume = resumable.then(|| Progress {
            control_name: derived_name(b"", &place.name, b".aspx"),
            written: ByteRanges::default(),
            unsaved_bytes: 0,
            saved_at: Instant::now(),
        });
        let part_name = if resumable {
            derived_name(b"", &place.name, b".ascp-part")
        } else {
            Vec::new()
        };
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
        let Some(resume) = &mut self.resume else {
            return Ok(Decision::Go);
        };
        let folder = folders.open(&self.folder_path)?;
        let part = rustix::fs::statat(&folder, &self.part_name, AtFlags::SYMLINK_NOFOLLOW);
        if existing_size == Some(self.size) {
            if matches!(part, Err(Errno::NOENT)) {
                // Left by an end between the rename and the removal; without its file it means nothing.
                let _ = rustix::fs::unlinkat(&folder, &resume.control_name, AtFlags::empty());
            }
            return Ok(Decision::Skip);
        }
        let Ok(part) = part.map(|stat| Fingerprint::of(&stat)) else {
            return Ok(Decision::Go);
        };
        let control = read_control(&folder, &resume.control_name).filter(|control| {
            part.regular
                && part.size == self.size
                && control.size == self.size
                && control.modified_ns == self.modified_ns
        });
        let Some(control) = control else {
            return Ok(Decision::Go);
        };
        resume.written = ByteRanges::complement(self.size, &control.missing);
        self.created = true;
        self.fresh = false;
        let missing = resume.written.missing(self.size, MAX_RESUME_RANGES);
        Ok(Decision::Resume { missing })
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
        self.open(folders)?;
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
            let _ = rustix::fs::unlinkat(&folder, &resume.control_name, AtFlags::empty());
        }
        Ok(())
    }

    /// Ends without completion. A kept resumable file is left with a control file; anything else is removed.
    pub(super) fn abandon(&mut self, folders: &mut Folders, keep_partial: bool) {
        if !self.created {
            return;
        }
        if keep_partial && self.resume.is_some() && self.checkpoint(folders).is_ok() {
            self.file = None;
            return;
        }
        self.file = None;
        let Ok(folder) = folders.open(&self.folder_path) else {
            return;
        };
        if let Some(resume) = &self.resume {
            let _ = rustix::fs::unlinkat(&folder, &resume.control_name, AtFlags::empty());
        }
        let _ = rustix::fs::unlinkat(&folder, &self.part_name, AtFlags::empty());
        self.created = false;
    }

    /// Whether enough new data or time has gathered for [`PartialFile::checkpoint`].
    pub(super) fn checkpoint_is_due(&self) -> bool {
        self.resume.as_ref().is_some_and(|resume| {
            resume.unsaved_bytes >= CHECKPOINT_BYTES
                || (resume.unsaved_bytes > 0 && resume.saved_at.elapsed() >= CHECKPOINT_INTERVAL)
        })
    }

    /// Brings the data and then the note about it to the disk.
    pub(super) fn checkpoint(&mut self, folders: &mut Folders) -> Outcome<()> {
        self.open(folders)?;
        let folder = folders.open(&self.folder_path)?;
        let (Some(file), Some(resume)) = (&self.file, &mut self.resume) else {
            return Ok(());
        };
        let control = ControlFile {
            size: self.size,
            modified_ns: self.modified_ns,
            missing: resume.written.missing(self.size, MAX_RANGES),
        };
        rustix::fs::fdatasync(file)
            .and_then(|()| write_control(&folder, &resume.control_name, &control.encode()))
            .map_err(|error| write_failure(&self.path, error))?;
        resume.unsaved_bytes = 0;
        resume.saved_at = Instant::now();
        Ok(())
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
        if self.file.is_some() {
            return Ok(());
        }
        let mut outcome = self.open_once(folders)?;
        if matches!(outcome, Err(Errno::NOENT)) && !self.created {
            folders.forget(&self.folder_path);
            outcome = self.open_once(folders)?;
        }
        let file = outcome.map_err(|error| write_failure(&self.path, error))?;
        self.file = Some(file);
        Ok(())
    }

    fn open_once(&mut self, folders: &mut Folders) -> Result<Result<OwnedFd, Errno>, Failure> {
        let folder = folders.open(&self.folder_path)?;
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.created {
            return Ok(rustix::fs::openat(
                &folder,
                &self.part_name,
                flags,
                Mode::empty(),
            ));
        }
        if let Some(resume) = &self.resume {
            // The note goes first: it must never describe a file it does not belong to.
            let _ = rustix::fs::unlinkat(&folder, &resume.control_name, AtFlags::empty());
            let _ = rustix::fs::unlinkat(&folder, &self.part_name, AtFlags::empty());
        } else {
            self.part_name = temporary_name(&self.name);
        }
        let flags = flags | OFlags::CREATE | OFlags::EXCL;
        let file =
            match rustix::fs::openat(&folder, &self.part_name, flags, creation_mode(self.mode)) {
                Ok(file) => file,
                Err(error) => return Ok(Err(error)),
            };
        self.created = true;
        if self.size > 0
            && let Err(error) = rustix::fs::ftruncate(&file, self.size)
        {
            return Ok(Err(error));
        }
        Ok(Ok(file))
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

fn read_control(folder: &OwnedFd, name: &[u8]) -> Option<ControlFile> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty()).ok()?;
    let facts = Fingerprint::of(&rustix::fs::fstat(&file).ok()?);
    let size = usize::try_from(facts.size).ok()?;
    if !facts.regular || size > control_file::MAX_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        if rustix::io::read(&file, spare_capacity(&mut bytes)).ok()? == 0 {
            return None;
        }
    }
    ControlFile::decode(&bytes)
}

/// Replaces the control file in one step, after its content is on the disk.
fn write_control(folder: &OwnedFd, name: &[u8], mut bytes: &[u8]) -> Result<(), Errno> {
    let temporary = derived_name(b".", name, b".new");
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    let file = rustix::fs::openat(folder, &temporary, flags, mode)?;
    let mut write = || {
        while !bytes.is_empty() {
            let count = rustix::io::write(&file, bytes)?;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        rustix::fs::fdatasync(&file)?;
        rustix::fs::renameat(folder, &temporary, folder, name)
    };
    let outcome = write();
    if outcome.is_err() {
        let _ = rustix::fs::unlinkat(folder, &temporary, AtFlags::empty());
    }
    outcome
}

/// A name for a file that lives for one session.
fn temporary_name(name: &[u8]) -> Vec<u8> {
    // Each `RandomState` is seeded by the system's randomness and a count: enough to avoid a name
    // in use, and an existing one is never opened.
    let random = RandomState::new().hash_one(name);
    let suffix = format!(".{:08x}.ascp-part", random & 0xFFFF_FFFF);
    derived_name(b".", name, suffix.as_bytes())
}

/// `prefix name suffix`; a name too long for that is cut and carries its hash instead of its end.
fn derived_name(prefix: &[u8], name: &[u8], suffix: &[u8]) -> Vec<u8> {
    let room = NAME_MAX.saturating_sub(prefix.len() + suffix.len());
    if name.len() <= room {
        return [prefix, name, suffix].concat();
    }
    let hash: String = digest(&SHA256, name)
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut keep = room.saturating_sub(hash.len() + 1);
    // Not within a character: some file systems take valid UTF-8 only.
    while keep > 0 && name.get(keep).is_some_and(|byte| byte & 0xC0 == 0x80) {
        keep -= 1;
    }
    let head = name.get(..keep).unwrap_or_default();
    [prefix, head, b"~", hash.as_bytes(), suffix].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_stays_its_own() {
        let one = [b'a'; 255];
        let mut two = one;
        two[254] = b'b';
        let derived = derived_name(b".", &one, b".ascp-part");
        assert!(derived.len() <= 255);
        assert!(derived.ends_with(b".ascp-part"));
        assert_ne!(derived, derived_name(b".", &two, b".ascp-part"));
        assert_eq!(derived, derived_name(b".", &one, b".ascp-part"));
        let umlauts = "ü".repeat(127);
        let derived = derived_name(b".", umlauts.as_bytes(), b".ascp-part");
        assert!(String::from_utf8(derived).is_ok());
    }

    #[test]
    fn a_temporary_name_is_hidden_and_differs_each_time() {
        let name = temporary_name(b"x");
        assert!(name.starts_with(b".x.") && name.ends_with(b".ascp-part"));
        assert_eq!(name.len(), ".x.".len() + 8 + ".ascp-part".len());
        assert_ne!(name, temporary_name(b"x"));
    }
}
