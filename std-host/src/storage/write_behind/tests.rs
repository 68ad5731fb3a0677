//! Jobs through the writer threads, on real folders.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use fasp_core::metadata::ByteRange;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::destination_tree::Placement;
use super::super::docroot::Docroot;
use super::*;

mod checksums;
mod limits;
mod replacing;
mod resume;

struct Fixture {
    folder: tempfile::TempDir,
    writer: Option<WriteBehind>,
    waker: Waker,
}

impl Fixture {
    fn new(resume_level: u8) -> Self {
        Self::with(
            tempfile::tempdir().unwrap(),
            resume_level,
            Preserve::default(),
        )
    }

    fn with(folder: tempfile::TempDir, resume_level: u8, preserve: Preserve) -> Self {
        let waker = Waker::new().unwrap();
        let writer = Some(start(folder.path(), resume_level, preserve, &waker));
        Self {
            folder,
            writer,
            waker,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Files and folders below its folder that this process has open.
    fn open_files(&self) -> usize {
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(self.folder.path()))
            .count()
    }

    fn submit(&self, job: Job) {
        self.writer.as_ref().unwrap().submit(job);
    }

    fn next(&self) -> Completion {
        next(self.writer.as_ref().unwrap(), &self.waker)
    }

    fn open(&self, object: u32, record: OwnedRecord) -> Completion {
        let object = ObjectId(object);
        self.submit(Job::Open { object, record });
        self.next()
    }

    fn write(&self, object: u32, offset: u64, bytes: &[u8]) {
        self.submit(Job::Write {
            object: ObjectId(object),
            offset,
            bytes: bytes.to_vec(),
        });
        let expected = Completion::Written {
            object: ObjectId(object),
            bytes: u64::try_from(bytes.len()).unwrap(),
        };
        assert_eq!(self.next(), expected);
    }

    fn commit(&self, object: u32) -> Result<(), Failure> {
        let object = ObjectId(object);
        self.submit(Job::Commit {
            object,
            root: None,
            checksum: Vec::new(),
        });
        finished(self.next())
    }

    /// Commits with the hash of `bytes`.
    fn commit_as(&self, object: u32, bytes: &[u8]) -> Result<(), Failure> {
        self.submit(Job::Commit {
            object: ObjectId(object),
            root: Some(*blake3::hash(bytes).as_bytes()),
            checksum: Vec::new(),
        });
        finished(self.next())
    }

    fn whole(&self, record: OwnedRecord, bytes: &[u8]) -> Result<(), Failure> {
        let object = ObjectId(9);
        let bytes = bytes.to_vec();
        self.submit(Job::Whole {
            object,
            record,
            bytes,
        });
        assert!(matches!(self.next(), Completion::Written { .. }));
        finished(self.next())
    }

    /// Ends the session and begins another one in the same folder.
    fn restart(&mut self, keep_partial: bool, resume_level: u8) {
        let writer = self.writer.take().unwrap();
        assert_eq!(writer.stop(keep_partial), []);
        self.writer = Some(start(
            self.folder.path(),
            resume_level,
            Preserve::default(),
            &self.waker,
        ));
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn start(root: &Path, resume_level: u8, preserve: Preserve, waker: &Waker) -> WriteBehind {
    start_with(root, resume_level, preserve, FileRules::default(), waker)
}

fn start_with(
    root: &Path,
    resume_level: u8,
    preserve: Preserve,
    rules: FileRules,
    waker: &Waker,
) -> WriteBehind {
    let config = WriteConfig {
        rules,
        ..config(root, resume_level, preserve)
    };
    WriteBehind::start(config, waker.clone()).unwrap()
}

fn config(root: &Path, resume_level: u8, preserve: Preserve) -> WriteConfig {
    let docroot = Arc::new(Docroot::confined(root).unwrap());
    WriteConfig {
        tree: Arc::new(DestinationTree::new(docroot, b".", Placement::Into)),
        threads: 2,
        resume_level: ResumeLevel::from_number(resume_level).unwrap(),
        rules: FileRules::default(),
        preserve,
        links: LinkTreatment::CopyForce,
        checksum: None,
        splitting: Splitting::default(),
        keeps_nothing: false,
        checkpoints: CheckpointRule {
            least_chunk_log2: 10,
            ..CheckpointRule::default()
        },
    }
}

fn next(writer: &WriteBehind, waker: &Waker) -> Completion {
    loop {
        if let Some(completion) = writer.next_completion() {
            return completion;
        }
        let fd = waker.fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1, "nobody woke us");
        waker.drain();
    }
}

fn finished(completion: Completion) -> Result<(), Failure> {
    match completion {
        Completion::Finished { result, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn file(path: &[u8], size: u64) -> OwnedRecord {
    OwnedRecord {
        path: path.to_vec(),
        kind: ObjectKind::File,
        size,
        modified_ns: 1_600_000_000_123_456_789,
        accessed_ns: 1_600_000_001_000_000_001,
        mode: 0o644,
        attributes: None,
    }
}

fn folder(path: &[u8], mode: u32) -> OwnedRecord {
    OwnedRecord {
        kind: ObjectKind::Directory,
        mode,
        ..file(path, 0)
    }
}

fn decided(object: u32, decision: Decision) -> Completion {
    Completion::Decided {
        object: ObjectId(object),
        decision,
    }
}

fn go(object: u32) -> Completion {
    decided(object, Decision::Go)
}

fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("Umask:"))
        .unwrap();
    u32::from_str_radix(line[6..].trim(), 8).unwrap()
}

#[test]
fn pieces_in_any_order_become_a_file_only_at_the_commit() {
    let it = Fixture::new(0);
    assert_eq!(it.open(1, file(b"a/b/f", 10)), go(1));
    it.write(1, 5, b"fghij");
    it.write(1, 0, b"abcde");
    assert!(!it.path("a/b/f").exists());
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(it.path("a/b/f")).unwrap(), b"abcdefghij");
    assert_eq!(fs::read_dir(it.path("a/b")).unwrap().count(), 1);
    assert_eq!(it.writer.as_ref().unwrap().queued_bytes(), 0);
}

#[test]
fn runs_of_zeros_and_empty_files_take_no_room() {
    let it = Fixture::new(0);
    let size = 50_000_000;
    assert_eq!(it.open(1, file(b"sparse", size)), go(1));
    it.submit(Job::Zeros {
        object: ObjectId(1),
        offset: 0,
        len: 49_999_999,
    });
    assert!(matches!(
        it.next(),
        Completion::Written {
            bytes: 49_999_999,
            ..
        }
    ));
    it.write(1, 49_999_999, b"x");
    assert_eq!(it.commit(1), Ok(()));
    let facts = fs::metadata(it.path("sparse")).unwrap();
    assert_eq!(facts.len(), size);
    assert!(facts.blocks() < 1_000, "{} blocks", facts.blocks());
    assert_eq!(it.open(2, file(b"empty", 0)), go(2));
    assert_eq!(it.commit(2), Ok(()));
    assert_eq!(fs::metadata(it.path("empty")).unwrap().len(), 0);
}

#[test]
fn a_whole_file_replaces_an_old_one_in_one_step() {
    let it = Fixture::new(0);
    fs::write(it.path("f"), b"old content").unwrap();
    assert_eq!(it.whole(file(b"f", 3), b"new"), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), b"new");
    let failure = it.whole(file(b"g", 4), b"new").unwrap_err();
    assert_eq!(failure.fault, Fault::Protocol);
    assert_eq!(it.names(), ["f"]);
}

#[test]
fn a_name_of_255_bytes_and_names_of_any_bytes_are_kept() {
    for resume_level in [0, 1] {
        let it = Fixture::new(resume_level);
        let names: [&[u8]; 4] = [&[b'n'; 255], b"a b\nc", b"\xff\xfe", "ü".as_bytes()];
        for (object, name) in (1..).zip(names) {
            assert_eq!(it.open(object, file(name, 1)), go(object));
            it.write(object, 0, b"x");
            assert_eq!(it.commit(object), Ok(()));
            assert!(it.folder.path().join(OsStr::from_bytes(name)).exists());
        }
        assert_eq!(it.names().len(), 4);
    }
}

#[test]
fn modes_are_the_sources_under_the_mask() {
    let mask = umask();
    let it = Fixture::new(0);
    for (name, mode) in [
        ("a", 0o777),
        ("b", 0o444),
        ("c", 0o600),
        ("d", 0o4755),
        ("e", 0),
    ] {
        let record = OwnedRecord {
            mode,
            ..file(name.as_bytes(), 1)
        };
        assert_eq!(it.whole(record, b"x"), Ok(()));
        let found = fs::metadata(it.path(name)).unwrap().mode() & 0o7777;
        assert_eq!(found, mode & 0o777 & !mask, "{name} {found:o}");
    }
}

#[test]
fn a_folder_that_may_not_be_written_is_filled_and_then_closed() {
    let mask = umask();
    let it = Fixture::new(0);
    assert_eq!(it.open(1, folder(b"d", 0o555)), go(1));
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(it.whole(file(b"d/f", 1), b"x"), Ok(()));
    assert_eq!(fs::metadata(it.path("d")).unwrap().mode() & 0o700, 0o700);
    it.submit(Job::SettleFolders);
    assert_eq!(it.next(), Completion::FoldersSettled { failures: vec![] });
    let found = fs::metadata(it.path("d")).unwrap().mode() & 0o777;
    assert_eq!(found, 0o555 & !mask);
    fs::set_permissions(it.path("d"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_folder_made_for_its_file_gets_its_record_s_mode_but_an_older_one_keeps_its_own() {
    let mask = umask();
    let it = Fixture::new(0);
    fs::create_dir(it.path("old")).unwrap();
    fs::set_permissions(it.path("old"), fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(it.whole(file(b"new/f", 1), b"x"), Ok(()));
    assert_eq!(it.whole(folder(b"new", 0o750), b""), Ok(()));
    assert_eq!(it.whole(folder(b"old", 0o750), b""), Ok(()));
    it.submit(Job::SettleFolders);
    assert_eq!(it.next(), Completion::FoldersSettled { failures: vec![] });
    let mode = |name| fs::metadata(it.path(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("new"), 0o750 & !mask);
    assert_eq!(mode("old"), 0o711);
}

#[test]
fn times_are_kept_for_files_and_folders_when_asked() {
    let preserve = Preserve {
        modified: true,
        accessed: true,
        ..Preserve::default()
    };
    let it = Fixture::with(tempfile::tempdir().unwrap(), 0, preserve);
    assert_eq!(it.whole(folder(b"d", 0o755), b""), Ok(()));
    assert_eq!(it.open(2, file(b"d/f", 1)), go(2));
    it.write(2, 0, b"x");
    assert_eq!(it.commit(2), Ok(()));
    it.submit(Job::SettleFolders);
    assert_eq!(it.next(), Completion::FoldersSettled { failures: vec![] });
    for name in ["d", "d/f"] {
        let facts = fs::metadata(it.path(name)).unwrap();
        let modified = (facts.mtime(), facts.mtime_nsec());
        assert_eq!(modified, (1_600_000_000, 123_456_789), "{name}");
        assert_eq!(
            (facts.atime(), facts.atime_nsec()),
            (1_600_000_001, 1),
            "{name}"
        );
    }
}

#[test]
fn without_being_asked_times_are_those_of_the_transfer() {
    let it = Fixture::new(0);
    assert_eq!(it.whole(file(b"f", 1), b"x"), Ok(()));
    assert!(fs::metadata(it.path("f")).unwrap().mtime() > 1_700_000_000);
}

#[test]
fn files_and_folders_in_each_other_s_place_are_told_apart() {
    let it = Fixture::new(0);
    fs::create_dir(it.path("d")).unwrap();
    fs::write(it.path("f"), b"").unwrap();
    let fault = |record| finished(it.open(1, record)).unwrap_err().fault;
    assert_eq!(fault(file(b"d", 1)), Fault::IsADirectory);
    assert_eq!(fault(folder(b"f", 0o755)), Fault::NotADirectory);
    assert_eq!(fault(file(b"f/x", 1)), Fault::NotADirectory);
    assert_eq!(fault(folder(b"f/x", 0o755)), Fault::NotADirectory);
    assert_eq!(fault(file(b"../x", 1)), Fault::OutsideDocroot);
    let too_long = [b'n'; 256];
    assert_eq!(fault(file(&too_long, 1)), Fault::FilePathTooLong);
    assert_eq!(it.whole(folder(b"d", 0o755), b""), Ok(()));
}

#[test]
fn a_link_at_the_destination_is_written_through_but_never_out() {
    let outside = tempfile::tempdir().unwrap();
    let it = Fixture::new(0);
    fs::create_dir(it.path("real")).unwrap();
    fs::write(it.path("real/f"), b"old").unwrap();
    symlink("real/f", it.path("link")).unwrap();
    symlink("real/new", it.path("dangling")).unwrap();
    symlink("real", it.path("folder")).unwrap();
    symlink(outside.path().join("x"), it.path("out")).unwrap();
    symlink("../escaped", it.path("up")).unwrap();
    symlink(outside.path(), it.path("out_folder")).unwrap();
    symlink("loop", it.path("loop")).unwrap();
    assert_eq!(it.whole(file(b"link", 3), b"new"), Ok(()));
    assert!(fs::symlink_metadata(it.path("link")).unwrap().is_symlink());
    assert_eq!(fs::read(it.path("real/f")).unwrap(), b"new");
    assert_eq!(it.whole(file(b"dangling", 1), b"d"), Ok(()));
    assert_eq!(fs::read(it.path("real/new")).unwrap(), b"d");
    assert_eq!(it.whole(file(b"folder/g", 1), b"g"), Ok(()));
    assert_eq!(fs::read(it.path("real/g")).unwrap(), b"g");
    for (name, fault) in [
        ("out", Fault::OutsideDocroot),
        ("up", Fault::OutsideDocroot),
        ("out_folder/x", Fault::OutsideDocroot),
        ("loop", Fault::LinkLoop),
        ("folder", Fault::IsADirectory),
    ] {
        let failure = it.whole(file(name.as_bytes(), 1), b"x").unwrap_err();
        assert_eq!(failure.fault, fault, "{name}: {}", failure.text);
    }
    let failure = it.whole(folder(b"out_folder", 0o755), b"").unwrap_err();
    assert_eq!(failure.fault, Fault::OutsideDocroot);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_write_outside_the_file_fails_the_object_once() {
    let it = Fixture::new(0);
    assert_eq!(it.open(1, file(b"f", 5)), go(1));
    it.submit(Job::Write {
        object: ObjectId(1),
        offset: 3,
        bytes: b"abc".to_vec(),
    });
    assert_eq!(finished(it.next()).unwrap_err().fault, Fault::Protocol);
    assert!(matches!(it.next(), Completion::Written { bytes: 3, .. }));
    it.write(1, 0, b"abc");
    it.submit(Job::Commit {
        object: ObjectId(1),
        root: None,
        checksum: Vec::new(),
    });
    it.submit(Job::SettleFolders);
    assert!(matches!(it.next(), Completion::FoldersSettled { .. }));
    assert_eq!(it.names(), [""; 0]);
}

#[test]
fn stopping_finishes_what_was_submitted() {
    let mut it = Fixture::new(0);
    let writer = it.writer.take().unwrap();
    for object in 1..=50 {
        let object = ObjectId(object);
        let name = format!("d/f{}", object.0);
        let record = file(name.as_bytes(), 3);
        let bytes = b"abc".to_vec();
        writer.submit(Job::Whole {
            object,
            record,
            bytes,
        });
    }
    let left = writer.stop(false);
    let done = left
        .iter()
        .filter(|done| matches!(done, Completion::Finished { result: Ok(()), .. }))
        .count();
    assert_eq!(done, 50);
    assert_eq!(fs::read_dir(it.path("d")).unwrap().count(), 50);
}
