//! The thread that gives complete files their names.
//!
//! Bytes first, then names, then the notes that are no longer needed, then the results. Where there are many files one
//! wait for the whole file system brings the bytes of some to the disk and the names of those before them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::super::disk;
use super::super::disk_fault::write_failure;
use super::super::folders::Folders;
use super::super::write_behind::{Completion, Shared};
use super::Finished;
use crate::failure::{Failure, Outcome};

/// Files that are finished together.
const MOST_TOGETHER: usize = 1_024;
/// Waits for single files and folders before one for the whole file system is shorter.
const MOST_SINGLE: usize = 8;
/// When no other file has come for so long, those that came are finished.
const PAUSE: Duration = Duration::from_millis(2);
/// The first of those that come one after the other waits no longer.
const LONGEST_GATHERING: Duration = Duration::from_millis(100);

/// File systems on which everything is on the disk that was written before.
type Devices = BTreeSet<u64>;

/// What the thread works with.
pub(super) struct Finisher {
    shared: Arc<Shared>,
    folders: Folders,
    /// Files with their names, of which nobody knows whether these are on the disk.
    named: Vec<Finished>,
}

impl Finisher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            folders: shared.folders(),
            shared,
            named: Vec::new(),
        }
    }

    /// Finishes what comes until nothing can come any more.
    pub(super) fn run(mut self, incoming: &Receiver<Finished>) {
        while let Some(together) = self.gather(incoming) {
            self.finish(together);
        }
    }

    /// The files that come close together. None of them where only names are left to be brought to the disk.
    fn gather(&self, incoming: &Receiver<Finished>) -> Option<Vec<Finished>> {
        let first = if self.named.is_empty() {
            incoming.recv().ok()?
        } else {
            match incoming.recv_timeout(PAUSE) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return Some(Vec::new());
                }
            }
        };
        let mut together = vec![first];
        let end = Instant::now() + LONGEST_GATHERING;
        while together.len() < MOST_TOGETHER {
            let rest = end.saturating_duration_since(Instant::now());
            match incoming.recv_timeout(PAUSE.min(rest)) {
                Ok(next) => together.push(next),
                Err(_) => break,
            }
        }
        Some(together)
    }

    fn finish(&mut self, together: Vec<Finished>) {
        let (synced, safe) = sync_bytes(together, &mut self.folders);
        let before = std::mem::take(&mut self.named);
        self.settle(before, &safe);
        let named = take_names(synced, &self.shared, &mut self.folders);
        if named.len() > MOST_SINGLE {
            self.named = named;
        } else {
            self.settle(named, &Devices::new());
        }
    }

    /// Brings the names of `named` to the disk, but those on the file systems of `safe`, and tells the results.
    fn settle(&mut self, named: Vec<Finished>, safe: &Devices) {
        let others = named
            .iter()
            .filter(|named| !safe.contains(&named.file.device()));
        let failures = sync_names(others, &mut self.folders);
        tell(named, &failures, &self.shared, &mut self.folders);
    }
}

/// Gives one file its name in the thread of the caller.
pub(super) fn finish_at_once(file: Finished, shared: &Shared, folders: &mut Folders) {
    let (synced, _) = sync_bytes(vec![file], folders);
    let named = take_names(synced, shared, folders);
    let failures = sync_names(named.iter(), folders);
    tell(named, &failures, shared, folders);
}

/// Brings the bytes of all files to the disk; each with what came of it, and the file systems that are there whole.
fn sync_bytes(
    files: Vec<Finished>,
    folders: &mut Folders,
) -> (Vec<(Finished, Outcome<()>)>, Devices) {
    let mut of_device: BTreeMap<u64, usize> = BTreeMap::new();
    for finished in &files {
        *of_device.entry(finished.file.device()).or_default() += 1;
    }
    let mut safe = Devices::new();
    let mut synced = Vec::with_capacity(files.len());
    for mut finished in files {
        let file = &mut finished.file;
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
        synced.push((finished, outcome));
    }
    (synced, safe)
}

/// Gives the files whose bytes are on the disk their names, and tells what fails.
fn take_names(
    synced: Vec<(Finished, Outcome<()>)>,
    shared: &Shared,
    folders: &mut Folders,
) -> Vec<Finished> {
    let mut named = Vec::with_capacity(synced.len());
    for (mut finished, outcome) in synced {
        let file = &mut finished.file;
        let named_now = outcome.and_then(|()| {
            if file.is_part() {
                file.finish_part(folders, shared)
            } else {
                file.take_name(folders, &shared.saved_copies)
            }
        });
        match named_now {
            Ok(()) => named.push(finished),
            Err(failure) => {
                file.abandon(folders, true);
                complete(finished, Err(failure), shared);
            }
        }
    }
    named
}

/// Brings the names in all folders to the disk; the folders where that failed.
fn sync_names<'f>(
    files: impl Iterator<Item = &'f Finished>,
    folders: &mut Folders,
) -> BTreeMap<Vec<u8>, Failure> {
    let mut failures = BTreeMap::new();
    let paths: BTreeMap<Vec<u8>, u64> = files
        .map(|named| (named.file.folder_path().to_vec(), named.file.device()))
        .collect();
    let many = paths.len() > MOST_SINGLE;
    let mut safe = Devices::new();
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

/// Drops the notes of files that have their names for good, and tells the results.
fn tell(
    named: Vec<Finished>,
    failures: &BTreeMap<Vec<u8>, Failure>,
    shared: &Shared,
    folders: &mut Folders,
) {
    for mut finished in named {
        let result = match failures.get(finished.file.folder_path()) {
            Some(failure) => Err(failure.clone()),
            None => {
                finished.file.drop_notes(folders);
                Ok(())
            }
        };
        complete(finished, result, shared);
    }
}

fn complete(finished: Finished, result: Outcome<()>, shared: &Shared) {
    let Finished {
        object,
        file,
        descriptor,
    } = finished;
    drop(file);
    drop(descriptor);
    shared.complete(Completion::Finished { object, result });
}
