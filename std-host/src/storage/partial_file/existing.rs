//! What is at the destination already, and what of it may stay.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::metadata::{ByteRange, MAX_RESUME_RANGES};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::PartialFile;
use super::opening::{REOPEN, lock};
use crate::failure::Outcome;
use crate::storage::attributes::Fingerprint;
use crate::storage::checker::kept;
use crate::storage::chunks::Chunks;
use crate::storage::control_file::{ControlFile, Notes, Owner};
use crate::storage::folders::Folders;
use crate::storage::write_behind::lock as guard;

/// What to do with an object that the sender offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// All of it is wanted.
    Go,
    /// It is there already.
    Skip,
    /// Only these ranges are wanted: sorted, half of [`MAX_RESUME_RANGES`] at most, and possibly none.
    Resume {
        /// What is missing.
        missing: Vec<ByteRange>,
    },
    /// It may be there already: nothing is wanted if all checks are right, else all of it.
    Compare,
}

/// A file to be checked before it is relied on.
#[derive(Debug)]
pub(in super::super) struct Present {
    pub(in super::super) file: Arc<OwnedFd>,
    /// What is there.
    pub(in super::super) kept: Vec<ByteRange>,
    pub(in super::super) chunks: Chunks,
}

impl PartialFile {
    /// What to ask of the sender; `existing_size` is that of the file under the final name.
    pub(in super::super) fn decide(
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
        if ControlFile::owner(&folder, &resume.control_name) == Owner::SomebodyElse {
            self.give_up_resume();
            return Ok(Decision::Go);
        }
        let Ok(part) = part else {
            return Ok(Decision::Go);
        };
        if !lock(&part) {
            self.give_up_resume();
            return Ok(Decision::Go);
        }
        let facts = rustix::fs::fstat(&part).map(|stat| Fingerprint::of(&stat));
        let notes = guard(&resume.control).load(&folder, self.chunks, self.modified_ns);
        match (facts, notes) {
            (Ok(facts), Some(notes)) if facts.regular && facts.size == self.size => {
                Ok(self.continue_with(part, facts, &notes))
            }
            _ => Ok(Decision::Go),
        }
    }

    /// What must be checked before `decision` may be relied on; `None` if nothing is there, or it cannot be read.
    pub(in super::super) fn present(
        &mut self,
        folders: &mut Folders,
        decision: &Decision,
    ) -> Outcome<Option<Present>> {
        let file = match decision {
            Decision::Resume { .. } => self.open(folders)?,
            Decision::Skip if self.size > 0 => {
                let folder = folders.open(&self.folder_path)?;
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                match rustix::fs::openat(&folder, &self.name, flags, Mode::empty()) {
                    Ok(file) => Arc::new(file),
                    Err(_) => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        let kept = match decision {
            Decision::Skip => vec![ByteRange {
                start: 0,
                end: self.size,
            }],
            _ => kept(&self.written, self.size),
        };
        let chunks = self.chunks;
        Ok(Some(Present { file, kept, chunks }))
    }

    /// Of what was kept, the sender sends `ranges` again: their chunks are void, and no note speaks of them any more.
    pub(in super::super) fn forget(
        &mut self,
        folders: &mut Folders,
        ranges: &[ByteRange],
    ) -> Outcome<()> {
        let before = self.hash.chunks().len();
        for range in ranges {
            self.hash.forget(*range);
            // A chunk of which a part is wrong stays on the disk and is hashed again from there.
            self.written.remove(range.start, range.end);
        }
        if self.hash.chunks().len() == before {
            return Ok(());
        }
        self.note_twice(folders)
    }

    /// What is missing, for a decision that follows another one.
    pub(in super::super) fn still_missing(&self) -> Vec<ByteRange> {
        self.written.missing(self.size, MAX_RESUME_RANGES / 2)
    }

    /// Takes over what an earlier session has written.
    fn continue_with(&mut self, part: OwnedFd, facts: Fingerprint, notes: &Notes) -> Decision {
        self.created = true;
        self.fresh = false;
        self.device = facts.device;
        self.file = Some(Arc::new(part));
        if let Some(resume) = &mut self.resume {
            resume.inode = facts.inode;
            resume.name_is_safe = true;
        }
        for (index, hash) in &notes.durable {
            let range = self.chunks.range(*index);
            self.hash.set_chunk(*index, *hash);
            self.written.insert(range.start, range.end);
        }
        // Where holes were merged, bytes come that are here already: they are passed over.
        let missing = self.written.missing(self.size, MAX_RESUME_RANGES / 2);
        Decision::Resume { missing }
    }
}
