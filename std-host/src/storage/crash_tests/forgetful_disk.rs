//! A disk that forgets: what of a log of storage calls can be there after a crash.
//!
//! Until its file is synced, each write may have reached the disk, or not, or in part, in any order; until its folder
//! is synced, so may each change of a name. After a mere end of the process everything is there.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::disk::recording::{Change, FileId};

/// The least that a disk writes in one step.
const SECTOR: usize = 512;

/// Names of a folder and the content of their files.
pub(in super::super) type Folder = BTreeMap<Vec<u8>, Vec<u8>>;

/// What came of the calls that were not yet synced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Crash {
    /// The process ended: all of them.
    OfProcess,
    /// The machine ended: none.
    NothingKept,
    /// The machine ended: some, and some in part.
    SomeKept,
}

/// Numbers from a seed.
#[derive(Clone, Debug)]
pub(in super::super) struct Random(pub(in super::super) u64);

impl Random {
    pub(in super::super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        usize::try_from(mixed).unwrap() % bound.max(1)
    }
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// A folder on such a disk.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct ForgetfulDisk {
    files: BTreeMap<FileId, File>,
    names: BTreeMap<Vec<u8>, FileId>,
    pending: Vec<Change>,
}

impl ForgetfulDisk {
    /// A file that was there before the log began.
    pub(in super::super) fn has(&mut self, name: &[u8], file: FileId, content: Vec<u8>) {
        let pending = Vec::new();
        self.files.insert(
            file,
            File {
                durable: content,
                pending,
            },
        );
        self.names.insert(name.to_vec(), file);
    }

    /// Something happened.
    pub(in super::super) fn note(&mut self, change: &Change) {
        match change {
            Change::Length { file, .. }
            | Change::Write { file, .. }
            | Change::Clear { file, .. } => {
                self.files
                    .entry(*file)
                    .or_default()
                    .pending
                    .push(change.clone());
            }
            Change::Created { file, .. } => {
                self.files.entry(*file).or_default();
                self.pending.push(change.clone());
            }
            Change::Renamed { .. } | Change::Unlinked { .. } => self.pending.push(change.clone()),
            Change::Synced { file } => sync(self.files.entry(*file).or_default()),
            Change::NamesSynced { .. } => self.sync_names(),
            Change::AllSynced => {
                self.files.values_mut().for_each(sync);
                self.sync_names();
            }
        }
    }

    /// What is found after a crash now.
    pub(in super::super) fn after(&self, crash: Crash, random: &mut Random) -> Folder {
        let mut after = self.clone();
        for file in after.files.values_mut() {
            for change in std::mem::take(&mut file.pending) {
                match (crash, random.below(3)) {
                    (Crash::OfProcess, _) | (Crash::SomeKept, 0) => {
                        apply(&mut file.durable, &change)
                    }
                    (Crash::SomeKept, 1) => apply_torn(&mut file.durable, &change, random),
                    _ => {}
                }
            }
        }
        for change in std::mem::take(&mut after.pending) {
            if crash == Crash::OfProcess || (crash == Crash::SomeKept && random.below(2) == 0) {
                rename(&mut after.names, &change);
            }
        }
        let content = |file| after.files.get(file).map(|file| file.durable.clone());
        after
            .names
            .iter()
            .map(|(name, file)| (name.clone(), content(file).unwrap_or_default()))
            .collect()
    }

    fn sync_names(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            rename(&mut self.names, &change);
        }
    }
}

fn sync(file: &mut File) {
    for change in std::mem::take(&mut file.pending) {
        apply(&mut file.durable, &change);
    }
}

fn rename(names: &mut BTreeMap<Vec<u8>, FileId>, change: &Change) {
    match change {
        Change::Created { name, file, .. } => {
            names.insert(name.clone(), *file);
        }
        Change::Renamed { from, to, .. } => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Change::Unlinked { name, .. } => {
            names.remove(name);
        }
        _ => {}
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length { length, .. } => content.resize(at(*length), 0),
        Change::Clear { start, end, .. } => {
            let end = at(*end).min(content.len());
            content[at(*start).min(end)..end].fill(0);
        }
        Change::Write { offset, bytes, .. } => put(content, at(*offset), bytes),
        _ => {}
    }
}

/// Some of the sectors of a write.
fn apply_torn(content: &mut Vec<u8>, change: &Change, random: &mut Random) {
    let Change::Write { offset, bytes, .. } = change else {
        return;
    };
    let mut start = 0;
    while start < bytes.len() {
        let sector_end = (at(*offset) + start) / SECTOR * SECTOR + SECTOR - at(*offset);
        let end = sector_end.min(bytes.len());
        if random.below(2) == 0 {
            put(content, at(*offset) + start, &bytes[start..end]);
        }
        start = end;
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

/// Puts `folder` onto the real disk.
pub(in super::super) fn lay_out(folder: &Folder, path: &Path) {
    use std::os::unix::ffi::OsStrExt;
    for (name, content) in folder {
        std::fs::write(path.join(std::ffi::OsStr::from_bytes(name)), content).unwrap();
    }
}

#[test]
fn what_was_not_synced_may_be_lost_and_what_was_is_kept() {
    let mut disk = ForgetfulDisk::default();
    let write = |offset, byte| Change::Write {
        file: 1,
        offset,
        bytes: vec![byte; 1_024],
    };
    disk.note(&Change::Created {
        folder: 1,
        name: b"f".to_vec(),
        file: 1,
    });
    disk.note(&write(0, b'a'));
    let mut random = Random(1);
    assert!(disk.after(Crash::NothingKept, &mut random).is_empty());
    disk.note(&Change::Synced { file: 1 });
    disk.note(&Change::NamesSynced { folder: 1 });
    disk.note(&write(0, b'b'));
    assert_eq!(
        disk.after(Crash::NothingKept, &mut random)[&b"f"[..]],
        [b'a'; 1_024]
    );
    assert_eq!(
        disk.after(Crash::OfProcess, &mut random)[&b"f"[..]],
        [b'b'; 1_024]
    );
    let torn = (0..50).any(|_| {
        let content = &disk.after(Crash::SomeKept, &mut random)[&b"f"[..]];
        content.contains(&b'a') && content.contains(&b'b')
    });
    assert!(torn);
}
