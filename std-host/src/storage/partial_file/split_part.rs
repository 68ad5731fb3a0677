//! A part of a file that other sessions receive too: written into the common file, noted beside it, and joined by
//! whoever completes the last one.
//!
//! The order is that of PROTOCOL.md §10.5: the bytes of the part, its notes, the plan; with all parts durable the
//! attributes, the name, and only then the end of plan and notes.

use std::sync::Arc;

use fasp_core::control::choices::{OverwriteRule, ResumeLevel};
use fasp_core::fault::Fault;
use fasp_core::metadata::attributes::PartOf;
use fasp_core::overwrite::{self, Attributes, Verdict};

use super::{Decision, PartialFile, Progress};
use crate::failure::{Failure, Outcome};
use crate::storage::attributes::creation_mode;
use crate::storage::chunks::Chunks;
use crate::storage::control_file::NO_FINGERPRINT;
use crate::storage::disk;
use crate::storage::disk_fault::{named, shown, write_failure};
use crate::storage::folders::{Claim, Folders, Place};
use crate::storage::hash_tree::{HashTree, LEAF_BYTES};
use crate::storage::split_file::{Durable, Entered, SourceState, SplitFile};
use crate::storage::write_behind::{OwnedRecord, Shared, WriteConfig, lock as guard};

impl PartialFile {
    /// The part that `record` offers, of a file as `whole` says.
    ///
    /// # Errors
    ///
    /// [`Fault::Protocol`] if the part is not the one of this session, or another object is at the file.
    pub(in super::super) fn of_part(
        place: Place,
        record: &OwnedRecord,
        claim: Option<Claim>,
        config: &WriteConfig,
        whole: PartOf,
    ) -> Outcome<Self> {
        let mut file = Self::new(place, record, None, config);
        let own = config.splitting.part_of(whole.size).flatten();
        let own = own.filter(|own| own.end - own.start == record.size);
        let (Some(own), Some(claim)) = (own, claim) else {
            return Err(named(&file.path, Fault::Protocol));
        };
        let share = config.splitting.share;
        let source = SourceState {
            size: whole.size,
            modified_ns: record.modified_ns,
            changed_ns: whole.changed_ns,
            count: share.count(),
        };
        let split = SplitFile::new(file.path.clone(), &file.name, share, source);
        file.chunks = Chunks::of(record.size, least_chunk_log2(record.size, config));
        file.hash = HashTree::new(record.size, file.chunks.log2());
        file.part_name = split.common_name().to_vec();
        // Noted at every level: what is durable must be known to a session that is run again.
        file.resume = Some(Progress::new(split.notes_name(), claim, config.checkpoints));
        file.suffix = None;
        file.base = own.start;
        file.fresh = false;
        file.split = Some(Box::new(split));
        Ok(file)
    }

    /// Whether it is a part.
    pub(in super::super) const fn is_part(&self) -> bool {
        self.split.is_some()
    }

    /// As [`Self::decide`], for a part: the rules look at the whole file. A complete file is not compared, since a
    /// part alone cannot say whether it differs: it counts as different, unless its attributes say that it stays.
    pub(in super::super) fn decide_part(
        &mut self,
        folders: &mut Folders,
        complete: Option<Attributes>,
        (rule, level): (OverwriteRule, ResumeLevel),
    ) -> Outcome<Decision> {
        let folder = folders.open(&self.folder_path)?;
        let mode = creation_mode(self.mode);
        let keeps = level > ResumeLevel::Restart;
        let Some(split) = &mut self.split else {
            return Ok(Decision::Go);
        };
        let source = Attributes {
            size: split.size(),
            modified_ns: self.modified_ns,
        };
        let mut complete = complete;
        let common = loop {
            let present = overwrite::Present {
                complete,
                partial: false,
            };
            if overwrite::decide(rule, level, source, present) == Verdict::Skip {
                split.clear_leftover(&folder);
                return Ok(Decision::Skip);
            }
            match split.enter(&folder, mode, keeps, complete)? {
                Entered::Part(common) => break common,
                Entered::Changed(now) => complete = now,
            }
        };
        let notes = match &self.resume {
            Some(resume) if keeps => guard(&resume.control).load(
                &folder,
                self.chunks,
                self.modified_ns,
                split.fingerprint(),
            ),
            _ => None,
        };
        if let Some(notes) = notes {
            let decision = self.continue_with(common.file, common.facts, &notes);
            if decision
                != (Decision::Resume {
                    missing: Vec::new(),
                })
            {
                self.restart_part(folders)?;
            }
            return Ok(decision);
        }
        self.created = true;
        self.device = common.facts.device;
        self.inode = common.facts.inode;
        self.file = Some(Arc::new(common.file));
        self.restart_part(folders)?;
        self.remove_notes(folders)?;
        Ok(Decision::Go)
    }

    /// Notes of an earlier attempt say nothing about what is written from here on.
    fn remove_notes(&self, folders: &mut Folders) -> Outcome<()> {
        let folder = folders.open(&self.folder_path)?;
        if let Some(resume) = &self.resume
            && super::ControlFile::remove(&folder, &resume.control_name)
        {
            disk::sync_names(&folder).map_err(|error| write_failure(&self.path, error))?;
        }
        Ok(())
    }

    /// If it is a part: it is written again, and is not durable until then.
    pub(super) fn restart_part(&self, folders: &mut Folders) -> Outcome<()> {
        let Some(split) = &self.split else {
            return Ok(());
        };
        let folder = folders.open(&self.folder_path)?;
        split.restart(&folder)
    }

    /// What notes about it must carry.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        self.split
            .as_ref()
            .map_or(NO_FINGERPRINT, |split| split.fingerprint())
    }

    /// The part, checked and on the disk, is noted; with the last one the file gets its attributes and its name.
    pub(in super::super) fn finish_part(
        &mut self,
        folders: &mut Folders,
        shared: &Shared,
    ) -> Outcome<()> {
        self.wait_for_checkpoint();
        // Without notes the part counts all the same; it would be sent again if it were run again.
        let _ = self.leave_notes(folders);
        let folder = folders.open(&self.folder_path)?;
        let Some(split) = &self.split else {
            return Ok(());
        };
        if let Durable::Last(_locked) = split.finish(&folder)? {
            self.give_attributes(folders, &shared.config)?;
            self.sync(folders)?;
            self.rename(&folder, &shared.saved_copies)?;
            disk::sync_names(&folder).map_err(|error| write_failure(&self.path, error))?;
            if let Some(split) = &self.split {
                split.remove_all(&folder);
            }
        }
        self.created = false;
        self.file = None;
        if let Some(split) = &mut self.split {
            split.release();
        }
        Ok(())
    }

    /// Nothing of a part is believed without the hash of its sender.
    pub(super) fn check_has_root(&self, root: Option<[u8; 32]>) -> Outcome<()> {
        if root.is_some() || self.split.is_none() {
            return Ok(());
        }
        let path = shown(&self.path);
        let text = format!(
            "{}: {path}: a part of a file came without its hash",
            Fault::Protocol.text()
        );
        Err(Failure::new(Fault::Protocol, text))
    }
}

/// A part of one chunk would have no notes: its chunks are smaller.
fn least_chunk_log2(size: u64, config: &WriteConfig) -> u32 {
    let usual = config.checkpoints.least_chunk_log2;
    let half = size.saturating_sub(1).checked_ilog2().unwrap_or(0);
    usual.min(half).max(LEAF_BYTES.trailing_zeros())
}
