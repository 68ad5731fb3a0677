//! What is at the destination already, and what of it may stay.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::control::choices::{OverwriteRule, ResumeLevel};
use fasp_core::metadata::{ByteRange, MAX_RESUME_RANGES};
use fasp_core::overwrite::{self, Attributes, Verdict};
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

/// What is under the partial name.
#[derive(Debug)]
enum Found {
    /// No file.
    Nothing,
    /// Nothing that can be gone on with.
    Useless,
    /// Another session is at it, or a file of somebody else has the name of the note.
    Taken,
    /// What fits the source, and what its note says.
    Partial(OwnedFd, Fingerprint, Notes),
}

/// A file to be checked before it is relied on.
#[derive(Debug)]
pub(in super::super) struct Present {
    pub(in super::super) file: Arc<OwnedFd>,
    /// What is there.
    pub(in super::super) kept: Vec<ByteRange>,
    /// Where in the file the object begins.
    pub(in super::super) base: u64,
    pub(in super::super) chunks: Chunks,
}

impl PartialFile {
    /// What to ask of the sender, when a file like `complete` has the final name.
    pub(in super::super) fn decide(
        &mut self,
        folders: &mut Folders,
        complete: Option<Attributes>,
        rules: (OverwriteRule, ResumeLevel),
    ) -> Outcome<Decision> {
        let source = Attributes {
            size: self.size,
            modified_ns: self.modified_ns,
        };
        let (rule, level) = rules;
        let found = match self.resume {
            Some(_) => self.find(folders)?,
            None => Found::Nothing,
        };
        let present = overwrite::Present {
            complete,
            partial: matches!(found, Found::Partial(..)),
        };
        Ok(
            match (overwrite::decide(rule, level, source, present), found) {
                (Verdict::Skip, found) => {
                    if complete.is_some_and(|there| there.size == self.size) {
                        self.clear_notes(folders, &found)?;
                    }
                    Decision::Skip
                }
                (Verdict::Compare(_), _) => Decision::Compare,
                (Verdict::Continue, Found::Partial(part, facts, notes)) => {
                    self.continue_with(part, facts, &notes)
                }
                (_, Found::Taken) => {
                    self.give_up_resume();
                    Decision::Go
                }
                _ => Decision::Go,
            },
        )
    }

    /// What an earlier session has left under the partial name.
    fn find(&self, folders: &mut Folders) -> Outcome<Found> {
        let Some(resume) = &self.resume else {
            return Ok(Found::Nothing);
        };
        let folder = folders.open(&self.folder_path)?;
        if ControlFile::owner(&folder, &resume.control_name) == Owner::SomebodyElse {
            return Ok(Found::Taken);
        }
        let part = match rustix::fs::openat(&folder, &self.part_name, REOPEN, Mode::empty()) {
            Ok(part) => part,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(_) => return Ok(Found::Useless),
        };
        if !lock(&part) {
            return Ok(Found::Taken);
        }
        let facts = rustix::fs::fstat(&part).map(|stat| Fingerprint::of(&stat));
        let notes =
            guard(&resume.control).load(&folder, self.chunks, self.modified_ns, self.fingerprint());
        Ok(match (facts, notes) {
            (Ok(facts), Some(notes)) if facts.regular && facts.size == self.size => {
                Found::Partial(part, facts, notes)
            }
            _ => Found::Useless,
        })
    }

    /// A note left by an end between the rename and the removal means nothing without its file.
    fn clear_notes(&self, folders: &mut Folders, found: &Found) -> Outcome<()> {
        if let (Some(resume), Found::Nothing) = (&self.resume, found) {
            let folder = folders.open(&self.folder_path)?;
            ControlFile::remove(&folder, &resume.control_name);
        }
        Ok(())
    }

    /// What must be checked before `decision` may be relied on; `None` if nothing is there, or it cannot be read.
    pub(in super::super) fn present(
        &mut self,
        folders: &mut Folders,
        decision: &Decision,
    ) -> Outcome<Option<Present>> {
        let file = match decision {
            Decision::Resume { .. } => self.open(folders)?,
            Decision::Compare => {
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
            Decision::Compare => vec![ByteRange {
                start: 0,
                end: self.size,
            }],
            _ => kept(&self.written, self.size),
        };
        let chunks = self.chunks;
        let base = self.base;
        Ok(Some(Present {
            file,
            kept,
            base,
            chunks,
        }))
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
        self.restart_part(folders)?;
        self.note_twice(folders)
    }

    /// What is missing, for a decision that follows another one.
    pub(in super::super) fn still_missing(&self) -> Vec<ByteRange> {
        self.written.missing(self.size, MAX_RESUME_RANGES / 2)
    }

    /// Takes over what an earlier session has written.
    pub(super) fn continue_with(
        &mut self,
        part: OwnedFd,
        facts: Fingerprint,
        notes: &Notes,
    ) -> Decision {
        self.created = true;
        self.fresh = false;
        self.device = facts.device;
        self.inode = facts.inode;
        self.file = Some(Arc::new(part));
        if let Some(resume) = &mut self.resume {
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
