//! What a resumable file has noted, and how it comes to the disk: first the bytes, then the note about them.
//!
//! A checkpoint is carried out beside the writing: it speaks of the chunks that were whole when it was taken, and
//! what is written meanwhile belongs to the next one.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::PartialFile;
use crate::failure::Outcome;
use crate::storage::chunks::LEAST_LOG2;
use crate::storage::control_file::{ControlFile, Notes};
use crate::storage::disk;
use crate::storage::disk_fault::write_failure;
use crate::storage::folders::{Claim, Folders};
use crate::storage::write_behind::lock;

/// When a checkpoint is taken. What is lost by a crash is what came since the last one that is complete: twice these
/// bytes or, on a disk that keeps up, twice this time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CheckpointRule {
    /// After so many new bytes; no more are written while one is under way that long.
    pub bytes: u64,
    /// After so much time with any.
    pub interval: Duration,
    /// The first one comes after this time, each later one after twice the time before, up to `interval`.
    pub first: Duration,
    /// The logarithm of the least size of a chunk.
    pub least_chunk_log2: u32,
}

impl Default for CheckpointRule {
    fn default() -> Self {
        Self {
            bytes: 128 * 1024 * 1024,
            interval: Duration::from_millis(2_500),
            first: Duration::from_millis(300),
            least_chunk_log2: LEAST_LOG2,
        }
    }
}

/// What a resumable file notes.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) control_name: Vec<u8>,
    /// Keeps other objects of the session away from the partial file.
    _claim: Claim,
    pub(super) control: Arc<Mutex<ControlFile>>,
    rule: CheckpointRule,
    wait: Duration,
    unsaved_bytes: u64,
    saved_at: Instant,
    /// The name of the partial file is on the disk.
    pub(super) name_is_safe: bool,
    running: Option<Arc<Running>>,
}

/// A checkpoint under way: whether there is a note now, or why the bytes could not be brought to the disk.
#[derive(Debug, Default)]
struct Running {
    outcome: Mutex<Option<Result<bool, Errno>>>,
    over: Condvar,
}

/// A checkpoint to be carried out; dropped, it counts as one that left no note.
#[derive(Debug)]
pub(in super::super) struct Checkpoint {
    file: Arc<OwnedFd>,
    folder: Arc<OwnedFd>,
    name_is_safe: bool,
    notes: Notes,
    control: Arc<Mutex<ControlFile>>,
    running: Arc<Running>,
}

impl Progress {
    pub(super) fn new(control_name: Vec<u8>, claim: Claim, rule: CheckpointRule) -> Self {
        Self {
            control: Arc::new(Mutex::new(ControlFile::new(control_name.clone()))),
            control_name,
            _claim: claim,
            rule,
            wait: rule.first.min(rule.interval),
            unsaved_bytes: 0,
            saved_at: Instant::now(),
            name_is_safe: false,
            running: None,
        }
    }

    pub(super) fn note(&mut self, bytes: u64) {
        if self.unsaved_bytes == 0 {
            self.saved_at = Instant::now();
        }
        self.unsaved_bytes = self.unsaved_bytes.saturating_add(bytes);
    }

    fn is_due(&self) -> bool {
        self.unsaved_bytes >= self.rule.bytes
            || (self.unsaved_bytes > 0 && self.saved_at.elapsed() >= self.wait)
    }
}

impl Checkpoint {
    /// Brings the bytes to the disk, then the note.
    pub(in super::super) fn carry_out(self) {
        let outcome = self.save();
        self.running.end(outcome);
    }

    fn save(&self) -> Result<bool, Errno> {
        disk::sync_bytes(&self.file)?;
        if !self.name_is_safe {
            disk::sync_names(&self.folder)?;
        }
        Ok(lock(&self.control).save(&self.folder, &self.notes).is_ok())
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        self.running.end(Ok(false));
    }
}

impl Running {
    /// The first word counts.
    fn end(&self, outcome: Result<bool, Errno>) {
        lock(&self.outcome).get_or_insert(outcome);
        self.over.notify_all();
    }

    fn wait(&self) -> Result<bool, Errno> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = *outcome {
                return outcome;
            }
            outcome = self
                .over
                .wait(outcome)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl PartialFile {
    /// A checkpoint to carry out elsewhere, if one is due and has something new to say. Waits for the one before
    /// where too much has gathered since.
    ///
    /// # Errors
    ///
    /// That the bytes of an earlier checkpoint could not be brought to the disk.
    pub(in super::super) fn due_checkpoint(
        &mut self,
        folders: &mut Folders,
    ) -> Outcome<Option<Checkpoint>> {
        let Some(resume) = self.resume.as_mut().filter(|resume| resume.is_due()) else {
            return Ok(None);
        };
        if let Some(running) = &resume.running {
            if resume.unsaved_bytes < resume.rule.bytes && lock(&running.outcome).is_none() {
                return Ok(None);
            }
            let outcome = running.wait();
            resume.running = None;
            let saved = outcome.map_err(|error| write_failure(&self.path, error))?;
            resume.name_is_safe |= saved;
        }
        resume.wait = (2 * resume.wait).min(resume.rule.interval);
        self.checkpoint(folders)
    }

    /// A checkpoint of what is there now; `None` where no chunk is whole.
    fn checkpoint(&mut self, folders: &mut Folders) -> Outcome<Option<Checkpoint>> {
        let durable = self.hash.chunks();
        let file = self.open(folders)?;
        let folder = folders.open(&self.folder_path)?;
        let Some(resume) = &mut self.resume else {
            return Ok(None);
        };
        resume.saved_at = Instant::now();
        if durable.is_empty() {
            return Ok(None);
        }
        resume.unsaved_bytes = 0;
        let running = Arc::new(Running::default());
        resume.running = Some(Arc::clone(&running));
        Ok(Some(Checkpoint {
            file,
            folder,
            name_is_safe: resume.name_is_safe,
            notes: self.notes(durable),
            control: self.control()?,
            running,
        }))
    }

    /// Waits until nothing is under way.
    pub(super) fn wait_for_checkpoint(&mut self) {
        if let Some(running) = self
            .resume
            .as_mut()
            .and_then(|resume| resume.running.take())
        {
            // How it ended does not matter to a file that ends itself.
            let _ = running.wait();
        }
    }

    /// Leaves notes for a later session; `false` if there are none and the partial file is worth nothing.
    pub(super) fn leave_notes(&mut self, folders: &mut Folders) -> bool {
        let Some(resume) = &self.resume else {
            return false;
        };
        let control = Arc::clone(&resume.control);
        let name_is_safe = resume.name_is_safe;
        let saved = self.save_at_last(folders, &control, name_is_safe);
        // What was noted before still holds, whatever became of the rest.
        saved || lock(&control).is_written()
    }

    fn save_at_last(
        &mut self,
        folders: &mut Folders,
        control: &Mutex<ControlFile>,
        name_is_safe: bool,
    ) -> bool {
        let mut durable = self.hash.chunks();
        let (Ok(file), Ok(folder)) = (self.open(folders), folders.open(&self.folder_path)) else {
            return false;
        };
        if durable.is_empty() || disk::sync_bytes(&file).is_err() {
            return false;
        }
        if !name_is_safe && disk::sync_names(&folder).is_err() {
            return false;
        }
        loop {
            let notes = self.notes(durable.clone());
            match lock(control).save(&folder, &notes) {
                Ok(()) => return true,
                Err(Errno::NOSPC | Errno::DQUOT) => {}
                Err(_) => return false,
            }
            // A full disk: the last chunk makes room for the note about the others.
            let Some((last, _)) = durable.pop_last().filter(|_| !durable.is_empty()) else {
                return false;
            };
            let start = self.chunks.range(last).start;
            let (start, end) = (self.base + start, self.base + self.size);
            if disk::clear(&file, start, end).is_err() {
                return false;
            }
        }
    }

    /// Writes the present notes into both slots, so that neither speaks of what is void.
    pub(super) fn note_twice(&mut self, folders: &mut Folders) -> Outcome<()> {
        self.wait_for_checkpoint();
        let notes = self.notes(self.hash.chunks());
        let folder = folders.open(&self.folder_path)?;
        let control = self.control()?;
        let mut control = lock(&control);
        for _ in 0..2 {
            control
                .save(&folder, &notes)
                .map_err(|error| write_failure(&self.path, error))?;
        }
        Ok(())
    }

    fn notes(&self, durable: BTreeMap<u64, [u8; 32]>) -> Notes {
        Notes {
            chunks: self.chunks,
            modified_ns: self.modified_ns,
            fingerprint: self.fingerprint(),
            durable,
        }
    }

    fn control(&self) -> Outcome<Arc<Mutex<ControlFile>>> {
        let resume = self.resume.as_ref();
        let control = resume.map(|resume| Arc::clone(&resume.control));
        control.ok_or_else(|| write_failure(&self.path, Errno::BADF))
    }
}
