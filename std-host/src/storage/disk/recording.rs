//! A log of what the storage calls of one thread did, for tests that crash between them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// A file in the log, whatever its names.
pub(in super::super) type FileId = usize;

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) enum Change {
    /// A name for a new file.
    Created {
        folder: u64,
        name: Vec<u8>,
        file: FileId,
    },
    /// A new length.
    Length { file: FileId, length: u64 },
    /// Bytes.
    Write {
        file: FileId,
        offset: u64,
        bytes: Vec<u8>,
    },
    /// Zeros.
    Clear { file: FileId, start: u64, end: u64 },
    /// What happened to the file before is on the disk.
    Synced { file: FileId },
    /// What happened to all files and names before is on the disk.
    AllSynced,
    /// What happened to the names of the folder before is on the disk.
    NamesSynced { folder: u64 },
    /// A name moved.
    Renamed {
        folder: u64,
        from: Vec<u8>,
        to: Vec<u8>,
    },
    /// A name was taken away.
    Unlinked { folder: u64, name: Vec<u8> },
}

#[derive(Debug, Default)]
struct Log {
    changes: Vec<Change>,
    files: HashMap<u64, FileId>,
    known: usize,
}

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Records what this thread does from here on; files that exist already get their ids when they are changed.
pub(in super::super) fn begin() {
    LOG.set(Some(Log::default()));
}

/// How many changes are recorded.
pub(in super::super) fn length() -> usize {
    LOG.with_borrow(|log| log.as_ref().map_or(0, |log| log.changes.len()))
}

/// Ends the record.
pub(in super::super) fn end() -> Vec<Change> {
    LOG.take().map(|log| log.changes).unwrap_or_default()
}

/// The id of a file that was there before.
pub(in super::super) fn known(file: &OwnedFd) -> FileId {
    let number = number(file);
    LOG.with_borrow_mut(|log| log.as_mut().map_or(0, |log| log.file(number)))
}

fn note(make: impl FnOnce(&mut Log) -> Change) {
    LOG.with_borrow_mut(|log| {
        if let Some(log) = log {
            let change = make(log);
            log.changes.push(change);
        }
    });
}

fn number(file: &OwnedFd) -> u64 {
    rustix::fs::fstat(file)
        .expect("the number of a file")
        .st_ino
}

impl Log {
    /// The number of a removed file is used again: a created file is a new one whatever its number.
    fn new_file(&mut self, number: u64) -> FileId {
        self.known += 1;
        self.files.insert(number, self.known);
        self.known
    }

    fn file(&mut self, number: u64) -> FileId {
        match self.files.get(&number) {
            Some(file) => *file,
            None => self.new_file(number),
        }
    }
}

pub(super) fn created(folder: &OwnedFd, name: &[u8], file: &OwnedFd) {
    note(|log| Change::Created {
        folder: number(folder),
        name: name.to_vec(),
        file: log.new_file(number(file)),
    });
}

pub(super) fn changed(file: &OwnedFd, change: impl FnOnce(FileId) -> Change) {
    note(|log| {
        let file = log.file(number(file));
        change(file)
    });
}

pub(super) fn all_synced() {
    note(|_| Change::AllSynced);
}

pub(super) fn names_synced(folder: &OwnedFd) {
    note(|_| Change::NamesSynced {
        folder: number(folder),
    });
}

pub(super) fn renamed(folder: &OwnedFd, from: &[u8], to: &[u8]) {
    note(|_| Change::Renamed {
        folder: number(folder),
        from: from.to_vec(),
        to: to.to_vec(),
    });
}

pub(super) fn unlinked(folder: &OwnedFd, name: &[u8]) {
    note(|_| Change::Unlinked {
        folder: number(folder),
        name: name.to_vec(),
    });
}
