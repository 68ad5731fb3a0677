//! What is at the destination already, and what of it may stay.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::metadata::{ByteRange, MAX_RESUME_RANGES};
use rustix::fs::Mode;
use rustix::io::Errno;

use super::PartialFile;
use super::opening::{REOPEN, lock};
use crate::failure::Outcome;
use crate::storage::attributes::Fingerprint;
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
    /// Only these ranges are wanted: sorted, at most [`MAX_RESUME_RANGES`], and possibly none.
    Resume {
        /// What is missing.
        missing: Vec<ByteRange>,
    },
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
        let missing = self.written.missing(self.size, MAX_RESUME_RANGES);
        Decision::Resume { missing }
    }
}
