//! What must wait for the disk, beside the writers: checkpoints, and complete files on their way to their names.
//!
//! A file gets its name only after its bytes are on the disk, and its result is told only after the name is there
//! too. Files that come close together are brought to the disk together: a wait for each would take most of the
//! time where they are small.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use fasp_core::units::ObjectId;

use super::disk;
use super::disk_fault::write_failure;
use super::folders::Folders;
use super::partial_file::{Checkpoint, PartialFile};
use super::write_behind::{Completion, Shared, start_thread};
use crate::failure::{Failure, Outcome};

/// Complete files that wait before the writers do.
const MOST_WAITING: usize = 1_024;
/// Files that are finished together.
const MOST_TOGETHER: usize = 1_024;
/// Waits for single files and folders before one for the whole file system is shorter.
const MOST_SINGLE: usize = 8;
/// Checkpoints that wait; there is never more than one of a file.
const MOST_CHECKPOINTS: usize = 64;

/// A complete file.
type Finished = (ObjectId, Box<PartialFile>);

/// Where writers bring what must wait for the disk.
#[derive(Clone, Debug)]
pub(super) enum Finishing {
    /// Threads of their own.
    Aside {
        /// Complete files.
        files: SyncSender<Finished>,
        /// Checkpoints.
        checkpoints: SyncSender<Checkpoint>,
    },
    /// At once, in the thread of the writer.
    #[cfg(test)]
    AtOnce,
}

/// Starts the threads; they end when nobody can bring them anything.
pub(super) fn start(shared: &Arc<Shared>, threads: &mut Vec<JoinHandle<()>>) -> Outcome<Finishing> {
    let (files, incoming) = sync_channel(MOST_WAITING);
    let (checkpoints, due) = sync_channel::<Checkpoint>(MOST_CHECKPOINTS);
    let own = Arc::clone(shared);
    threads.push(start_thread("file-finisher", move || {
        finish_all(&own, &incoming)
    })?);
    threads.push(start_thread("file-checkpoint", move || {
        for checkpoint in due {
            checkpoint.carry_out();
        }
    })?);
    Ok(Finishing::Aside { files, checkpoints })
}

impl Finishing {
    /// Carries out a checkpoint. Where too many wait it is dropped, and due again soon.
    pub(super) fn carry_out(&self, checkpoint: Checkpoint) {
        match self {
            Self::Aside { checkpoints, .. } => {
                if let Err(TrySendError::Disconnected(checkpoint)) =
                    checkpoints.try_send(checkpoint)
                {
                    checkpoint.carry_out();
                }
            }
            #[cfg(test)]
            Self::AtOnce => checkpoint.carry_out(),
        }
    }

    /// Gives a complete file its name, and its result to `shared`.
    pub(super) fn deliver(
        &self,
        object: ObjectId,
        mut file: Box<PartialFile>,
        shared: &Shared,
        folders: &mut Folders,
    ) {
        let unsent = match self {
            Self::Aside { files, .. } => {
                if !file.is_resumable() {
                    // Nobody else can mean it, so that its name is enough to find it again.
                    file.close();
                }
                files.send((object, file)).err().map(|unsent| unsent.0)
            }
            #[cfg(test)]
            Self::AtOnce => Some((object, file)),
        };
        if let Some(file) = unsent {
            finish(vec![file], shared, folders);
        }
    }
}

fn finish_all(shared: &Shared, incoming: &Receiver<Finished>) {
    let mut folders = shared.folders();
    while let Ok(first) = incoming.recv() {
        let mut together = vec![first];
        while together.len() < MOST_TOGETHER
            && let Ok(next) = incoming.try_recv()
        {
            together.push(next);
        }
        finish(together, shared, &mut folders);
    }
}

/// Bytes first, then names, then the notes that are no longer needed, then the results.
fn finish(files: Vec<Finished>, shared: &Shared, folders: &mut Folders) {
    let tell = |object, result| shared.complete(Completion::Finished { object, result });
    let mut named = Vec::new();
    for (object, mut file, synced) in sync_bytes(files, folders) {
        let outcome = synced.and_then(|()| {
            if file.is_part() {
                file.finish_part(folders, shared)
            } else {
                file.take_name(folders, &shared.saved_copies)
            }
        });
        match outcome {
            Ok(()) => named.push((object, file)),
            Err(failure) => {
                file.abandon(folders, true);
                tell(object, Err(failure));
            }
        }
    }
    let failures = sync_names(&named, folders);
    for (object, mut file) in named {
        match failures.get(file.folder_path()) {
            Some(failure) => tell(object, Err(failure.clone())),
            None => {
                file.drop_notes(folders);
                tell(object, Ok(()));
            }
        }
    }
}

/// Brings the bytes of all files to the disk; each with what came of it.
fn sync_bytes(
    files: Vec<Finished>,
    folders: &mut Folders,
) -> Vec<(ObjectId, Box<PartialFile>, Outcome<()>)> {
    let mut of_device: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, file) in &files {
        *of_device.entry(file.device()).or_default() += 1;
    }
    let mut safe = BTreeSet::new();
    let mut synced = Vec::with_capacity(files.len());
    for (object, mut file) in files {
        let device = file.device();
        let many = of_device
            .get(&device)
            .is_some_and(|count| *count > MOST_SINGLE);
        if many && !safe.contains(&device) && file.sync_file_system(folders).is_ok() {
            safe.insert(device);
        }
        let outcome = if safe.contains(&device) {
            Ok(())
        } else {
            file.sync(folders)
        };
        synced.push((object, file, outcome));
    }
    synced
}

/// Brings the names in all folders to the disk; the folders where that failed.
fn sync_names(files: &[Finished], folders: &mut Folders) -> BTreeMap<Vec<u8>, Failure> {
    let mut failures = BTreeMap::new();
    let paths: BTreeMap<Vec<u8>, u64> = files
        .iter()
        .map(|(_, file)| (file.folder_path().to_vec(), file.device()))
        .collect();
    let many = paths.len() > MOST_SINGLE;
    let mut safe = BTreeSet::new();
    for (path, device) in paths {
        if safe.contains(&device) {
            continue;
        }
        let outcome = folders.open(&path).and_then(|folder| {
            if many && disk::sync_all_of(&folder).is_ok() {
                safe.insert(device);
                return Ok(());
            }
            disk::sync_names(&folder).map_err(|error| write_failure(&path, error))
        });
        if let Err(failure) = outcome {
            failures.insert(path, failure);
        }
    }
    failures
}
