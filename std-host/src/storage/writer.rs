//! One writer thread: carries out the jobs of its objects in order and says what came of each.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use fasp_core::control::choices::ResumeLevel;
use fasp_core::fault::Fault;
use fasp_core::metadata::{ByteRange, ObjectKind};
use fasp_core::units::ObjectId;

use super::attributes::owner;
use super::checker::{self, CheckJob};
use super::checksum::Checksum;
use super::disk_fault::named;
use super::finishing::Finishing;
use super::folders::{FolderWish, Folders};
use super::partial_file::{Decision, PartialFile, Present};
use super::write_behind::{Completion, Job, OwnedLink, OwnedRecord, Shared, WriteConfig, lock};
use crate::failure::{Failure, Outcome};

/// Files that all threads together keep open.
const MOST_OPEN: usize = 128;

/// How often an idle thread looks whether a control file is due.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// A writer thread's own state.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    index: usize,
    folders: Folders,
    targets: HashMap<u32, Target>,
    /// Files with a descriptor, the one opened first in front.
    open: VecDeque<u32>,
    finishing: Finishing,
    checker: Sender<CheckJob>,
}

#[derive(Debug)]
enum Target {
    Folder,
    /// What arrives is thrown away.
    Nothing,
    File(Box<PartialFile>),
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        index: usize,
        folders: Folders,
        finishing: Finishing,
        checker: Sender<CheckJob>,
    ) -> Self {
        Self {
            shared,
            index,
            folders,
            targets: HashMap::new(),
            open: VecDeque::new(),
            finishing,
            checker,
        }
    }

    /// Works until there is nothing left and the end was asked for.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(queue) = shared.queue(self.index) else {
            return;
        };
        let mut jobs = VecDeque::new();
        loop {
            let mut state = lock(&queue.state);
            if state.jobs.is_empty() {
                if let Some(keep_partial) = state.stop {
                    break self.abandon_all(keep_partial);
                }
                let (woken, waited) = queue
                    .filled
                    .wait_timeout(state, IDLE_LOOK)
                    .unwrap_or_else(PoisonError::into_inner);
                drop(woken);
                if waited.timed_out() {
                    self.checkpoint_what_is_due();
                }
                continue;
            }
            std::mem::swap(&mut jobs, &mut state.jobs);
            drop(state);
            for job in jobs.drain(..) {
                self.carry_out(job);
            }
        }
    }

    pub(super) fn carry_out(&mut self, job: Job) {
        match job {
            Job::Open { object, record } => match self.begin(object, &record) {
                Ok(decision) => self.tell_decision(object, decision),
                Err(failure) => self.finish(object, Err(failure)),
            },
            Job::Forget { object, ranges } => {
                self.write(object, |file, folders| file.forget(folders, &ranges));
            }
            Job::Recheck { object } => self.recheck(object),
            Job::Write {
                object,
                offset,
                bytes,
            } => {
                self.write(object, |file, folders| file.write(folders, offset, &bytes));
                self.written(object, bytes);
            }
            Job::Zeros {
                object,
                offset,
                len,
            } => {
                self.write(object, |file, folders| file.zeros(folders, offset, len));
                self.shared
                    .complete(Completion::Written { object, bytes: len });
            }
            Job::Commit {
                object,
                root,
                checksum,
            } => self.commit(object, root, &checksum),
            Job::Whole {
                object,
                record,
                bytes,
            } => {
                let result = self.whole(object, &record, &bytes);
                self.written(object, bytes);
                match result {
                    Ok(Some(file)) => self.deliver(object, file),
                    Ok(None) => self.finish(object, Ok(())),
                    Err(failure) => self.finish(object, Err(failure)),
                }
            }
            Job::Abandon {
                object,
                keep_partial,
            } => self.abandon(object, keep_partial),
            Job::Link { object, link } => self.link(object, &link),
            Job::SettleFolders => {
                let config = &self.shared.config;
                let notes = &self.shared.folder_notes;
                let failures = notes.settle(&config.tree, config.preserve);
                self.shared
                    .complete(Completion::FoldersSettled { failures });
            }
        }
    }

    /// The decision, if it can be told now; at levels 2 and 3 the checker tells it.
    fn begin(&mut self, object: ObjectId, record: &OwnedRecord) -> Outcome<Option<Decision>> {
        if self.shared.config.keeps_nothing {
            self.targets.insert(object.0, Target::Nothing);
            return Ok(Some(Decision::Go));
        }
        let path = self.folders.tree().locate(&record.path)?;
        if record.kind == ObjectKind::Directory {
            self.make_folder(&path, record)?;
            self.targets.insert(object.0, Target::Folder);
            return Ok(Some(Decision::Go));
        }
        let place = self.folders.place(&path)?;
        let config = &self.shared.config;
        let part_of = record.attributes.as_ref().and_then(|more| more.part_of);
        let complete = match &config.rules.opener {
            Some(_) => self.folders.existing_plain(&path, &place)?,
            None => place.existing,
        };
        let level = config.resume_level;
        let resumable = level > ResumeLevel::Restart;
        let rules = (config.rules.overwrite, level);
        let claims = resumable || part_of.is_some();
        let claim = claims.then(|| self.folders.claim(&place)).flatten();
        let (mut file, mut decision) = if let Some(whole) = part_of {
            let mut file = PartialFile::of_part(place, record, claim, config, whole)?;
            let decision = file.decide_part(&mut self.folders, complete, rules)?;
            (file, decision)
        } else {
            let mut file = PartialFile::new(place, record, claim, config);
            file.make_checksum(config.checksum);
            let decision = file.decide(&mut self.folders, complete, rules)?;
            (file, decision)
        };
        let present = match level {
            ResumeLevel::Sparse | ResumeLevel::Full => {
                file.present(&mut self.folders, &decision)?
            }
            ResumeLevel::Restart | ResumeLevel::Attributes => None,
        };
        if present.is_none() && decision == Decision::Compare {
            // Of nothing there is nothing to compare, and what cannot be read cannot stay.
            decision = match record.size {
                0 => Decision::Skip,
                _ => Decision::Go,
            };
        }
        if decision != Decision::Skip {
            let opened = file.is_open();
            self.targets.insert(object.0, Target::File(Box::new(file)));
            if opened {
                self.note_open(object);
            }
        }
        let Some(present) = present else {
            return Ok(Some(decision));
        };
        let ranges = if level == ResumeLevel::Full {
            checker::everything(&present.kept, present.chunks)
        } else {
            let states = RandomState::new();
            let mut count = 0_u64;
            checker::samples(&present.kept, |bound| {
                // Seeded by the system for each file: nobody foresees it.
                count += 1;
                states.hash_one(count) % bound
            })
        };
        Ok(self.check(object, present, ranges, decision))
    }

    /// Has `ranges` checked and then `then` told; gives the decision back if there is nobody to do that.
    fn check(
        &self,
        object: ObjectId,
        present: Present,
        ranges: Vec<ByteRange>,
        then: Decision,
    ) -> Option<Decision> {
        let Present { file, base, .. } = present;
        let job = CheckJob {
            object,
            file,
            base,
            ranges,
            then,
        };
        self.checker.send(job).err().map(|_| Decision::Go)
    }

    fn recheck(&mut self, object: ObjectId) {
        let Some(Target::File(file)) = self.targets.get_mut(&object.0) else {
            return;
        };
        let missing = file.still_missing();
        let then = Decision::Resume { missing };
        match file.present(&mut self.folders, &then) {
            Ok(Some(present)) => {
                let ranges = checker::everything(&present.kept, present.chunks);
                let decision = self.check(object, present, ranges, then);
                self.tell_decision(object, decision);
            }
            Ok(None) => self.tell_decision(object, Some(then)),
            Err(failure) => self.fail(object, failure),
        }
    }

    fn tell_decision(&self, object: ObjectId, decision: Option<Decision>) {
        if let Some(decision) = decision {
            self.shared
                .complete(Completion::Decided { object, decision });
        }
    }

    /// Makes a folder, or a file that only has to get its name.
    fn whole(
        &mut self,
        object: ObjectId,
        record: &OwnedRecord,
        bytes: &[u8],
    ) -> Outcome<Option<Box<PartialFile>>> {
        if self.shared.config.keeps_nothing {
            return Ok(None);
        }
        let path = self.folders.tree().locate(&record.path)?;
        if record.kind == ObjectKind::Directory {
            self.make_folder(&path, record)?;
            return Ok(None);
        }
        if u64::try_from(bytes.len()) != Ok(record.size) {
            return Err(named(&path, Fault::Protocol));
        }
        let place = self.folders.place(&path)?;
        let config = &self.shared.config;
        let mut file = PartialFile::new(place, record, None, config);
        file.make_checksum(config.checksum);
        let result = file
            .write(&mut self.folders, 0, bytes)
            .and_then(|()| complete(&mut file, &mut self.folders, config, (None, &[]), &|| true));
        match result {
            Ok(checksum) => {
                self.tell_checksum(object, checksum);
                Ok(Some(Box::new(file)))
            }
            Err(failure) => {
                file.abandon(&mut self.folders, false);
                Err(failure)
            }
        }
    }

    fn link(&mut self, object: ObjectId, link: &OwnedLink) {
        let allowed = self.shared.config.links;
        let made = self
            .folders
            .tree()
            .locate(&link.path)
            .and_then(|path| self.folders.make_link(&path, link, allowed));
        match made {
            Ok(made) => self.shared.complete(Completion::Linked { object, made }),
            Err(failure) => self.finish(object, Err(failure)),
        }
    }

    fn make_folder(&mut self, path: &[u8], record: &OwnedRecord) -> Outcome<()> {
        let wish = FolderWish {
            mode: record.mode,
            modified_ns: record.modified_ns,
            accessed_ns: record.accessed_ns,
            owner: owner(self.shared.config.preserve, record.attributes.as_deref()),
        };
        self.folders.make(path, wish, self.shared.config.preserve)
    }

    /// Lets `write` change the file of `object`; nothing happens if that has failed or ended.
    fn write(
        &mut self,
        object: ObjectId,
        write: impl FnOnce(&mut PartialFile, &mut Folders) -> Outcome<()>,
    ) {
        let Some(Target::File(file)) = self.targets.get_mut(&object.0) else {
            return;
        };
        let was_open = file.is_open();
        let result =
            write(file, &mut self.folders).and_then(|()| file.due_checkpoint(&mut self.folders));
        let opened = !was_open && file.is_open();
        match result {
            Err(failure) => self.fail(object, failure),
            Ok(checkpoint) => {
                if let Some(checkpoint) = checkpoint {
                    self.finishing.carry_out(checkpoint);
                }
                if opened {
                    self.note_open(object);
                }
            }
        }
    }

    fn tell_checksum(&self, object: ObjectId, checksum: Option<Checksum>) {
        if let Some(checksum) = checksum {
            self.shared
                .complete(Completion::Summed { object, checksum });
        }
    }

    fn commit(&mut self, object: ObjectId, root: Option<[u8; 32]>, expected: &[u8]) {
        let shared = Arc::clone(&self.shared);
        let go_on = || !shared.is_stopping(self.index);
        let result = match self.targets.get_mut(&object.0) {
            None => return,
            Some(Target::Folder | Target::Nothing) => Ok(None),
            Some(Target::File(file)) => complete(
                file,
                &mut self.folders,
                &shared.config,
                (root, expected),
                &go_on,
            ),
        };
        let result = result.map(|checksum| self.tell_checksum(object, checksum));
        match (result, self.forget(object)) {
            (Ok(()), Some(Target::File(file))) => self.deliver(object, file),
            (Ok(()), _) => self.finish(object, Ok(())),
            (Err(failure), target) => {
                if let Some(Target::File(mut file)) = target {
                    file.abandon(&mut self.folders, true);
                }
                self.finish(object, Err(failure));
            }
        }
    }

    /// Hands over a file that is complete and checked.
    fn deliver(&mut self, object: ObjectId, file: Box<PartialFile>) {
        self.finishing
            .deliver(object, file, &self.shared, &mut self.folders);
    }

    fn fail(&mut self, object: ObjectId, failure: Failure) {
        self.abandon(object, true);
        self.finish(object, Err(failure));
    }

    fn abandon(&mut self, object: ObjectId, keep_partial: bool) {
        if let Some(Target::File(mut file)) = self.forget(object) {
            file.abandon(&mut self.folders, keep_partial);
        }
    }

    fn abandon_all(&mut self, keep_partial: bool) {
        for (_, target) in self.targets.drain() {
            if let Target::File(mut file) = target {
                file.abandon(&mut self.folders, keep_partial);
            }
        }
    }

    fn checkpoint_what_is_due(&mut self) {
        let resumable =
            |target: &Target| matches!(target, Target::File(file) if file.is_resumable());
        let due: Vec<u32> = self
            .targets
            .iter()
            .filter(|(_, target)| resumable(target))
            .map(|(object, _)| *object)
            .collect();
        for object in due {
            self.write(ObjectId(object), |_, _| Ok(()));
        }
    }

    fn note_open(&mut self, object: ObjectId) {
        self.open.push_back(object.0);
        let most = (MOST_OPEN / self.shared.config.threads.max(1)).max(1);
        while self.open.len() > most
            && let Some(oldest) = self.open.pop_front()
        {
            if let Some(Target::File(file)) = self.targets.get_mut(&oldest) {
                file.close();
            }
        }
    }

    fn forget(&mut self, object: ObjectId) -> Option<Target> {
        let target = self.targets.remove(&object.0);
        if target.is_some() {
            self.open.retain(|open| *open != object.0);
        }
        target
    }

    fn written(&self, object: ObjectId, bytes: Vec<u8>) {
        let count = u64::try_from(bytes.len()).unwrap_or(0);
        self.shared.give_back(bytes);
        self.shared.complete(Completion::Written {
            object,
            bytes: count,
        });
    }

    fn finish(&self, object: ObjectId, result: Result<(), Failure>) {
        self.shared
            .complete(Completion::Finished { object, result });
    }
}

/// Checks what has arrived, opens an envelope and sets attributes: all that comes before the name.
fn complete(
    file: &mut PartialFile,
    folders: &mut Folders,
    config: &WriteConfig,
    (root, expected): (Option<[u8; 32]>, &[u8]),
    go_on: &dyn Fn() -> bool,
) -> Outcome<Option<Checksum>> {
    file.check(folders, root, go_on)?;
    let checksum = file.checked_sum(folders, expected, go_on)?;
    file.settle(folders, config, go_on)?;
    Ok(checksum)
}
