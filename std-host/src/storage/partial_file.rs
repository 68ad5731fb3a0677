//! A file while it is received: under a temporary name in its final folder until it is complete.
//!
//! Without resume the name is `.<name>.<8 hex>.ascp-part` and the file is removed if the transfer does
//! not end well. With resume it is `<name>.ascp-part` beside a control file `<name>.aspx`, both of
//! which outlive the session. Completion brings the file to the disk and renames it over the final name, which
//! changes in one step.
//!
//! Every byte is written once and hashed from memory as it comes, in whatever order; a byte that comes again is
//! passed over, so that the hash is that of the file. Two receptions of one file never share a partial file: the
//! second one, in this session or another, finds it taken and works as without resume.
//!
//! Source: PROTOCOL.md §6.4 and chapter 10.

mod decrypting;
mod existing;
mod names;
mod opening;
mod progress;
mod split_part;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::control::ChecksumKind;
use fasp_core::control::choices::OverwriteRule;
use fasp_core::fault::Fault;
use fasp_core::metadata::ByteRange;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::attributes::{owner, settle_mode, times};
use super::byte_ranges::ByteRanges;
use super::checksum::{Checksum, RunningChecksum};
use super::chunks::Chunks;
use super::control_file::{ControlFile, is_named};
use super::destination_tree::joined;
use super::disk;
use super::disk_fault::{named, shown, write_failure};
use super::folders::{Claim, Folders, Place};
use super::hash_tree::HashTree;
use super::saved_copy::SavedCopies;
use super::split_file::SplitFile;
use super::stored_attributes::{KeptAttributes, OwnedAttributes};
use super::write_behind::{OwnedRecord, WriteConfig};
use crate::failure::{Failure, Outcome};
use decrypting::Opened;
pub use existing::Decision;
pub(super) use existing::Present;
pub(super) use names::{control_name, part_name, parts_name, temporary_name};
pub(super) use progress::Checkpoint;
pub use progress::CheckpointRule;
use progress::Progress;

/// A checksum that fell behind catches up by so many times the bytes that were written.
const CATCH_UP: u64 = 4;
/// And by no less than this many times that.
const LEAST_CATCH_UP: u64 = 64 * 1024;
/// Bytes read at a time where a hash must be finished from the disk.
const READ_BYTES: usize = 256 * 1024;

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
    attributes: Option<Box<OwnedAttributes>>,
    file: Option<Arc<OwnedFd>>,
    created: bool,
    /// Made by this session, so that what was not written reads as zeros.
    fresh: bool,
    /// Where in the partial file it begins: at 0, unless it is a part of what others receive too.
    base: u64,
    /// It is such a part.
    split: Option<Box<SplitFile>>,
    /// The file system it lies in.
    device: u64,
    /// Its number there: the name may come to mean another file.
    inode: u64,
    /// Where it may be found, as the user wants it.
    suffix: Option<Vec<u8>>,
    /// What has the final name may be replaced.
    replaces: bool,
    /// And is kept under another one.
    saves_old: bool,
    chunks: Chunks,
    written: ByteRanges,
    hash: HashTree,
    /// The checksum for the user, from the start to where it has come.
    checksum: Option<RunningChecksum>,
    /// Its bytes turned out not to be those of the source: nothing of it is kept.
    is_wrong: bool,
    resume: Option<Progress>,
    /// It was in this envelope.
    opened: Option<Opened>,
}

impl PartialFile {
    /// With `claim` the file can be continued by a later session.
    pub(super) fn new(
        place: Place,
        record: &OwnedRecord,
        claim: Option<Claim>,
        config: &WriteConfig,
    ) -> Self {
        let rule = config.checkpoints;
        let suffix = config.rules.partial_suffix.clone();
        let own = suffix.as_deref();
        let part_name = if claim.is_some() || own.is_some() {
            part_name(&place.name, own)
        } else {
            temporary_name(&place.name)
        };
        let chunks = Chunks::of(record.size, rule.least_chunk_log2);
        let noted = config.rules.resume_suffix.as_deref();
        let control = control_name(&place.name, own, noted);
        let resume = claim.map(|claim| Progress::new(control, claim, rule));
        Self {
            path: joined(&place.folder_path, &place.name),
            folder_path: place.folder_path,
            name: place.name,
            part_name,
            size: record.size,
            modified_ns: record.modified_ns,
            accessed_ns: record.accessed_ns,
            mode: record.mode,
            attributes: record.attributes.clone(),
            file: None,
            created: false,
            fresh: true,
            base: 0,
            split: None,
            device: 0,
            inode: 0,
            suffix,
            replaces: config.rules.overwrite != OverwriteRule::Never,
            saves_old: config.rules.saves_old,
            chunks,
            written: ByteRanges::default(),
            hash: HashTree::new(record.size, chunks.log2()),
            checksum: None,
            is_wrong: false,
            resume,
            opened: None,
        }
    }

    /// Has a checksum made while the file is written.
    pub(super) fn make_checksum(&mut self, kind: Option<ChecksumKind>) {
        self.checksum = kind.map(RunningChecksum::new);
    }

    /// The checksum of a complete file. What of its bytes did not come in order is read once more; that stops with
    /// an error when `go_on` says so.
    pub(super) fn checksum(
        &mut self,
        folders: &mut Folders,
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<Option<Checksum>> {
        let Some(mut running) = self.checksum.take() else {
            return Ok(None);
        };
        if running.position() < self.size {
            let file = self.open(folders)?;
            self.go_on_with_checksum(&mut running, &file, self.size, go_on)?;
        }
        Ok(Some(running.finish()))
    }

    /// The checksum, which must be `expected` if that is not empty.
    pub(super) fn checked_sum(
        &mut self,
        folders: &mut Folders,
        expected: &[u8],
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<Option<Checksum>> {
        let checksum = self.checksum(folders, go_on)?;
        match &checksum {
            Some(checksum) if !expected.is_empty() && checksum.bytes != expected => {
                self.is_wrong = true;
                let text = format!(
                    "{}: {}: what arrived is not what the source holds (the {} checksums differ)",
                    Fault::DiskWrite.text(),
                    shown(&self.path),
                    checksum.kind.name()
                );
                Err(Failure::new(Fault::DiskWrite, text))
            }
            _ => Ok(checksum),
        }
    }

    /// Reads what was written behind the end of the checksum, up to `end`.
    fn go_on_with_checksum(
        &self,
        running: &mut RunningChecksum,
        file: &OwnedFd,
        end: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<()> {
        let mut buffer = Vec::with_capacity(READ_BYTES);
        while running.position() < end {
            if !go_on() {
                return Err(Failure::from(Fault::UserCancelled));
            }
            let at = running.position();
            let most = usize::try_from(end - at).map_or(READ_BYTES, |rest| rest.min(READ_BYTES));
            let piece = read_at(file, at, most, &mut buffer)
                .map_err(|error| write_failure(&self.path, error))?;
            running.add(at, piece);
        }
        Ok(())
    }

    /// After a write of `length` bytes: catches up with what lies behind a gap that is filled now, a few times as
    /// many bytes, so that nothing is left to do at the end.
    fn catch_up_with_checksum(&mut self, file: &OwnedFd, length: u64) -> Outcome<()> {
        let Some(mut running) = self.checksum.take() else {
            return Ok(());
        };
        let at = running.position();
        let most = CATCH_UP.saturating_mul(length.max(LEAST_CATCH_UP));
        let end = self.size.min(at.saturating_add(most));
        let gap = self.written.missing_within(at, end).first().copied();
        let end = gap.map_or(end, |gap| gap.start);
        let outcome = self.go_on_with_checksum(&mut running, file, end, &|| true);
        self.checksum = Some(running);
        outcome
    }

    /// Whether the file has a descriptor open.
    pub(super) const fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Gives the descriptor back; it is opened again when needed.
    pub(super) fn close(&mut self) {
        self.file = None;
        if let Some(split) = &mut self.split {
            split.release();
        }
    }

    /// Writes `bytes` at `offset`, as far as nothing was written there yet.
    pub(super) fn write(
        &mut self,
        folders: &mut Folders,
        offset: u64,
        bytes: &[u8],
    ) -> Outcome<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = self.checked_end(offset, length)?;
        let file = self.open_sized(folders, length < self.size)?;
        for range in self.written.missing_within(offset, end) {
            let piece = usize::try_from(range.start - offset)
                .ok()
                .zip(usize::try_from(range.end - offset).ok())
                .and_then(|(start, end)| bytes.get(start..end))
                .unwrap_or_default();
            disk::write_at(&file, piece, self.base + range.start)
                .map_err(|error| write_failure(&self.path, error))?;
            self.hash.add(range.start, piece);
            if let Some(running) = &mut self.checksum {
                running.add(range.start, piece);
            }
            self.note(range);
        }
        self.catch_up_with_checksum(&file, length)
    }

    /// Makes `length` bytes from `offset` read as zeros, as far as nothing was written there yet, without storing
    /// them where that is possible. They are hashed at the end, from the disk: they may be very many.
    pub(super) fn zeros(&mut self, folders: &mut Folders, offset: u64, length: u64) -> Outcome<()> {
        let end = self.checked_end(offset, length)?;
        let file = self.open(folders)?;
        for range in self.written.missing_within(offset, end) {
            if !self.fresh {
                disk::clear(&file, self.base + range.start, self.base + range.end)
                    .map_err(|error| write_failure(&self.path, error))?;
            }
            self.note(range);
        }
        Ok(())
    }

    /// Checks the complete file against the hash that its sender gave. What is hashed from the disk stops with an
    /// error when `go_on` says so.
    pub(super) fn check(
        &mut self,
        folders: &mut Folders,
        root: Option<[u8; 32]>,
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<()> {
        self.check_has_root(root)?;
        let file = self.open(folders)?;
        match root {
            Some(root) => self.verify(&file, root, go_on),
            None => Ok(()),
        }
    }

    /// Gives the complete file its attributes; an envelope is opened first, if that is wanted. A part gets none: the
    /// file does when all are there.
    pub(super) fn settle(
        &mut self,
        folders: &mut Folders,
        config: &WriteConfig,
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<()> {
        if self.split.is_some() {
            return Ok(());
        }
        if let Some(opener) = &config.rules.opener {
            self.open_envelope(folders, opener, go_on)?;
        }
        self.give_attributes(folders, config)
    }

    fn give_attributes(&mut self, folders: &mut Folders, config: &WriteConfig) -> Outcome<()> {
        let file = self.open(folders)?;
        let preserve = config.preserve;
        let (uid, gid) = owner(preserve, self.attributes.as_deref());
        let settle_owner_and_mode = || {
            if uid.is_some() || gid.is_some() {
                rustix::fs::fchown(&file, uid, gid)?;
            }
            let rule = config.tree.modes().files;
            if !self.fresh || self.mode & 0o600 != 0o600 || rule.is_set() {
                settle_mode(&file, self.mode, rule)?;
            }
            Ok(())
        };
        settle_owner_and_mode().map_err(|error| write_failure(&self.path, error))?;
        self.keep_stored(folders, config.rules.stored, &file)?;
        let settle_times = || match times(preserve, self.modified_ns, self.accessed_ns) {
            Some(times) => rustix::fs::futimens(&file, &times),
            None => Ok(()),
        };
        settle_times().map_err(|error| write_failure(&self.path, error))
    }

    /// Extended attributes and access lists; after the mode, which an access list may widen.
    fn keep_stored(
        &self,
        folders: &mut Folders,
        kept: KeptAttributes,
        file: &OwnedFd,
    ) -> Outcome<()> {
        if kept == KeptAttributes::default() {
            return Ok(());
        }
        let came = self.attributes.as_ref();
        let stored = came.map(|came| came.stored.as_slice()).unwrap_or_default();
        let folder = folders.open(&self.folder_path)?;
        let is_confined = folders.tree().docroot().is_confined();
        kept.apply(stored, file, (&folder, &self.name, &self.path), is_confined)
    }

    /// Brings bytes and attributes to the disk.
    pub(super) fn sync(&mut self, folders: &mut Folders) -> Outcome<()> {
        let file = self.open(folders)?;
        disk::sync_file(&file).map_err(|error| write_failure(&self.path, error))
    }

    /// Brings everything of its file system to the disk.
    pub(super) fn sync_file_system(&mut self, folders: &mut Folders) -> Outcome<()> {
        let file = self.open(folders)?;
        disk::sync_all(&file).map_err(|error| write_failure(&self.path, error))
    }

    /// Puts the file, whose bytes are on the disk, under its final name. What has that name is among `copies` then, if
    /// it is to be kept.
    pub(super) fn take_name(&mut self, folders: &mut Folders, copies: &SavedCopies) -> Outcome<()> {
        self.wait_for_checkpoint();
        let folder = folders.open(&self.folder_path)?;
        self.rename(&folder, copies)?;
        self.created = false;
        self.file = None;
        Ok(())
    }

    fn rename(&self, folder: &OwnedFd, copies: &SavedCopies) -> Outcome<()> {
        let outcome = if self.is_lost(folder) {
            Err(Errno::STALE)
        } else if !self.replaces {
            disk::rename_new(folder, &self.part_name, &self.name)
        } else {
            let kept = match self.saves_old {
                true => copies.keep(folder, &self.name),
                false => Ok(()),
            };
            kept.and_then(|()| disk::rename(folder, &self.part_name, &self.name))
        };
        outcome.map_err(|error| match error {
            Errno::EXIST => named(&self.path, Fault::AlreadyExists),
            error => write_failure(&self.path, error),
        })
    }

    /// Removes the control file of a file whose final name is on the disk.
    pub(super) fn drop_notes(&mut self, folders: &mut Folders) {
        self.drop_envelope(folders);
        if self.split.is_some() {
            // They went with the plan, or wait for the other parts.
            return;
        }
        // Nothing is lost if it stays: without the partial file it is not believed.
        if let Some(resume) = &self.resume
            && let Ok(folder) = folders.open(&self.folder_path)
        {
            ControlFile::remove(&folder, &resume.control_name);
        }
    }

    /// The folder that holds it.
    pub(super) fn folder_path(&self) -> &[u8] {
        &self.folder_path
    }

    /// The file system it lies in.
    pub(super) const fn device(&self) -> u64 {
        self.device
    }

    /// Whether a later session can go on with it.
    pub(super) const fn is_resumable(&self) -> bool {
        self.resume.is_some()
    }

    /// Ends without completion. A kept resumable file is left with a control file; anything else is removed.
    pub(super) fn abandon(&mut self, folders: &mut Folders, keep_partial: bool) {
        if !self.created {
            return;
        }
        self.wait_for_checkpoint();
        if keep_partial && !self.is_wrong && self.leave_notes(folders) {
            self.file = None;
            return;
        }
        // Its lock ends with the handle: whoever takes the file over before its name is gone would lose it.
        let _locked = self.file.take();
        let Ok(folder) = folders.open(&self.folder_path) else {
            return;
        };
        self.created = false;
        if let Some(split) = &mut self.split {
            split.give_up(&folder);
            return;
        }
        if self.is_lost(&folder) {
            return;
        }
        if let Some(resume) = &self.resume {
            ControlFile::remove(&folder, &resume.control_name);
        }
        let _ = disk::unlink(&folder, &self.part_name);
        if !keep_partial || !self.envelope_is_resumable() {
            self.drop_envelope(folders);
        }
    }

    /// Others can know the name: it is looked whether it still means this file.
    const fn has_known_name(&self) -> bool {
        self.resume.is_some() || self.suffix.is_some()
    }

    fn is_lost(&self, folder: &OwnedFd) -> bool {
        self.has_known_name() && !is_named(folder, &self.part_name, self.inode)
    }

    fn checked_end(&self, offset: u64, length: u64) -> Outcome<u64> {
        offset
            .checked_add(length)
            .filter(|end| *end <= self.size)
            .ok_or_else(|| named(&self.path, Fault::Protocol))
    }

    fn note(&mut self, range: ByteRange) {
        self.written.insert(range.start, range.end);
        if let Some(resume) = &mut self.resume {
            resume.note(range.end - range.start);
        }
    }

    fn verify(&mut self, file: &OwnedFd, root: [u8; 32], go_on: &dyn Fn() -> bool) -> Outcome<()> {
        let mut at = 0;
        while let Some(hole) = self.hash.first_hole(at) {
            self.hash.forget_fragments(hole);
            self.hash_from_disk(file, hole, go_on)?;
            at = hole.end;
        }
        if self.hash.root() == Some(root) {
            return Ok(());
        }
        let text = format!(
            "{}: {}: what arrived is not what the source holds (the checksums differ)",
            Fault::DiskWrite.text(),
            shown(&self.path)
        );
        // Nothing of it can be told right from wrong here.
        self.is_wrong = true;
        Err(Failure::new(Fault::DiskWrite, text))
    }

    fn hash_from_disk(
        &mut self,
        file: &OwnedFd,
        range: ByteRange,
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<()> {
        let mut at = range.start;
        let mut buffer = Vec::with_capacity(READ_BYTES);
        while at < range.end {
            if !go_on() {
                return Err(Failure::from(Fault::UserCancelled));
            }
            let most =
                usize::try_from(range.end - at).map_or(READ_BYTES, |rest| rest.min(READ_BYTES));
            let piece = read_at(file, self.base + at, most, &mut buffer)
                .map_err(|error| write_failure(&self.path, error))?;
            self.hash.add(at, piece);
            at += u64::try_from(piece.len()).unwrap_or(0);
        }
        Ok(())
    }
}

/// Exactly `length` bytes at `offset`.
fn read_at<'b>(
    file: &OwnedFd,
    offset: u64,
    length: usize,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], Errno> {
    buffer.clear();
    while buffer.len() < length {
        let at = offset + u64::try_from(buffer.len()).unwrap_or(0);
        match rustix::io::pread(file, spare_capacity(buffer), at) {
            Ok(0) => return Err(Errno::IO),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(buffer.get(..length).unwrap_or_default())
}
