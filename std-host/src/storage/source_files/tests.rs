//! Bytes read ahead are the bytes of the file, whatever the order and whatever happens to it.

mod checksums;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::selection::Choice;
use super::super::source_list::SourceNames;
use super::super::walk::SourceWalk;
use super::*;
use crate::storage::read_ahead::DEFAULT_MEMORY_BYTES;

struct Fixture {
    folder: tempfile::TempDir,
    files: SourceFiles,
    waker: Waker,
    next: u32,
}

impl Fixture {
    fn new(memory: usize) -> Self {
        Self::with(ReadRules {
            memory_bytes: memory,
            ..ReadRules::default()
        })
    }

    fn with(rules: ReadRules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let docroot = Arc::new(Docroot::confined(folder.path()).unwrap());
        let waker = Waker::new().unwrap();
        let files = SourceFiles::with_rules(docroot, waker.clone(), rules).unwrap();
        Self {
            folder,
            files,
            waker,
            next: 1,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and registers it.
    fn add(&mut self, name: &str, bytes: &[u8]) -> ObjectId {
        fs::write(self.path(name), bytes).unwrap();
        self.register(name)
    }

    fn register(&mut self, name: &str) -> ObjectId {
        let object = ObjectId(self.next);
        self.next += 1;
        let item = item(self.folder.path(), name);
        self.files.register(object, item);
        object
    }

    fn wait(&self) {
        let fd = self.waker.fd();
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1, "nobody woke us");
        self.waker.drain();
    }

    fn read(&mut self, object: ObjectId, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0xEE; length];
        loop {
            match self.files.read(object, offset, &mut bytes) {
                ReadOutcome::Filled => return Ok(bytes),
                ReadOutcome::NotReady => self.wait(),
                ReadOutcome::Failed(fault) => return Err(fault),
            }
        }
    }

    fn read_all(&mut self, object: ObjectId, size: usize, piece: usize) -> Result<Vec<u8>, Fault> {
        let mut all = Vec::new();
        while all.len() < size {
            let length = piece.min(size - all.len());
            let offset = u64::try_from(all.len()).unwrap();
            all.extend(self.read(object, offset, length)?);
        }
        Ok(all)
    }

    fn finish(&mut self, object: ObjectId) -> Result<(), Fault> {
        loop {
            match self.files.finish(object) {
                FinishOutcome::Hashed(_) | FinishOutcome::Unchanged => return Ok(()),
                FinishOutcome::NotReady => self.wait(),
                FinishOutcome::Failed(fault) => return Err(fault),
            }
        }
    }

    fn root(&mut self, object: ObjectId) -> Result<[u8; 32], Fault> {
        loop {
            match self.files.finish(object) {
                FinishOutcome::Hashed(root) => return Ok(root),
                FinishOutcome::Unchanged => panic!("no hash"),
                FinishOutcome::NotReady => self.wait(),
                FinishOutcome::Failed(fault) => return Err(fault),
            }
        }
    }
}

fn item(root: &Path, name: &str) -> SourceItem {
    let docroot = Arc::new(Docroot::confined(root).unwrap());
    let names = SourceNames::of(vec![name.as_bytes().to_vec()]);
    SourceWalk::new(docroot, names, &Choice::default())
        .next()
        .unwrap()
        .unwrap()
}

/// Bytes that differ everywhere.
fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn set_mtime(path: &Path, time: SystemTime) {
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

#[test]
fn files_large_small_and_empty_come_out_as_they_are() {
    let mut it = Fixture::new(DEFAULT_MEMORY_BYTES);
    let sizes = [3_000_000, 0, 1, 262_144, 262_145, 700, 524_288];
    let contents: Vec<_> = (1..)
        .zip(sizes)
        .map(|(seed, size)| pattern(size, seed))
        .collect();
    let mut objects = Vec::new();
    for (at, content) in contents.iter().enumerate() {
        objects.push(it.add(&format!("f{at}"), content));
    }
    for (object, content) in objects.iter().zip(&contents) {
        let bytes = it.read_all(*object, content.len(), 1_377).unwrap();
        assert!(bytes == *content, "{object:?}");
        assert_eq!(it.finish(*object), Ok(()));
        it.files.release(*object);
        assert!(it.files.describe(*object).is_none());
    }
}

#[test]
fn what_was_sent_can_be_read_again_in_any_order() {
    // Memory for two blocks, so that most re-reads miss it.
    let mut it = Fixture::new(600_000);
    let big = pattern(5_000_000, 7);
    let small = pattern(50_000, 8);
    let first = it.add("big", &big);
    let second = it.add("small", &small);
    assert!(it.read_all(first, big.len(), 9_000).unwrap() == big);
    assert!(it.read_all(second, small.len(), 9_000).unwrap() == small);
    assert_eq!(it.finish(first), Ok(()));
    let mut state = 99_u64;
    for _ in 0..300 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let (object, content) = if state & (1 << 40) == 0 {
            (first, &big)
        } else {
            (second, &small)
        };
        let at = usize::try_from(state >> 33).unwrap() % (content.len() - 5_000);
        let bytes = it.read(object, u64::try_from(at).unwrap(), 5_000).unwrap();
        assert!(bytes == content[at..at + 5_000], "{object:?} at {at}");
    }
}

#[test]
fn jumping_ahead_and_out_of_order_is_served() {
    let mut it = Fixture::new(2_000_000);
    let contents: Vec<_> = (1..=6).map(|seed| pattern(3_000_000, seed)).collect();
    let objects: Vec<_> = (0..6)
        .map(|at| it.add(&format!("f{at}"), &contents[at]))
        .collect();
    for at in [5, 0, 3, 4, 1, 2] {
        for start in [2_500_000_usize, 100_000, 1_200_000] {
            let bytes = it.read(objects[at], u64::try_from(start).unwrap(), 400_000);
            assert!(bytes.unwrap() == contents[at][start..start + 400_000]);
        }
    }
    for at in 0..6 {
        assert!(it.read_all(objects[at], 3_000_000, 70_000).unwrap() == contents[at]);
        assert_eq!(it.finish(objects[at]), Ok(()));
    }
}

#[test]
fn more_files_than_may_be_open_are_all_readable_again() {
    let mut it = Fixture::new(1_000_000);
    let content = pattern(300_000, 5);
    let objects: Vec<_> = (0..150)
        .map(|at| it.add(&format!("f{at}"), &content))
        .collect();
    for object in &objects {
        assert!(it.read_all(*object, content.len(), 100_000).unwrap() == content);
        assert_eq!(it.finish(*object), Ok(()));
    }
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|target| target.starts_with(it.folder.path()))
        .count();
    assert!(open <= 70, "{open} open");
    for object in &objects {
        assert!(it.read(*object, 0, 2_000).unwrap() == content[..2_000]);
    }
}

#[test]
fn a_file_that_shrinks_fails_instead_of_being_padded() {
    let mut it = Fixture::new(1_000_000);
    let object = it.add("f", &pattern(8_000_000, 3));
    assert!(it.read(object, 0, 1_000).is_ok());
    let file = OpenOptions::new().write(true).open(it.path("f")).unwrap();
    file.set_len(2_000_000).unwrap();
    assert_eq!(it.read(object, 7_000_000, 1_000), Err(Fault::DiskRead));
    assert_eq!(it.finish(object), Err(Fault::DiskRead));
    let failure = it.files.failure(object).unwrap();
    assert!(
        failure.text.starts_with("Disk read error: f: "),
        "{}",
        failure.text
    );
}

#[test]
fn a_file_that_grows_or_is_touched_is_not_unchanged() {
    for touch in [false, true] {
        let mut it = Fixture::new(1_000_000);
        let content = pattern(2_000_000, 3);
        let object = it.add("f", &content);
        assert!(it.read_all(object, content.len(), 100_000).unwrap() == content);
        let file = OpenOptions::new().write(true).open(it.path("f")).unwrap();
        if touch {
            let later = SystemTime::now() + Duration::from_secs(5);
            set_mtime(&it.path("f"), later);
        } else {
            file.write_all_at(b"more", 2_000_000).unwrap();
        }
        assert_eq!(it.finish(object), Err(Fault::DiskRead), "touch {touch}");
    }
}

#[test]
fn a_file_replaced_since_it_was_listed_is_refused() {
    let mut it = Fixture::new(1_000_000);
    let path = it.path("f");
    fs::write(&path, b"old").unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    set_mtime(&path, time);
    let listed = item(it.folder.path(), "f");
    fs::write(it.path("g"), b"new").unwrap();
    set_mtime(&it.path("g"), time);
    fs::rename(it.path("g"), &path).unwrap();
    it.files.register(ObjectId(1), listed);
    assert_eq!(it.read(ObjectId(1), 0, 3), Err(Fault::DiskRead));
}

#[test]
fn a_change_after_the_end_does_not_mix_into_a_retransmission() {
    let mut it = Fixture::new(600_000);
    let content = pattern(3_000_000, 3);
    let object = it.add("f", &content);
    assert!(it.read_all(object, content.len(), 50_000).unwrap() == content);
    assert_eq!(it.finish(object), Ok(()));
    let file = OpenOptions::new().write(true).open(it.path("f")).unwrap();
    file.write_all_at(b"changed", 10).unwrap();
    set_mtime(&it.path("f"), SystemTime::now() + Duration::from_secs(5));
    assert_eq!(it.read(object, 0, 1_000), Err(Fault::DiskRead));
}

#[test]
fn a_file_that_vanished_fails_and_the_next_is_read() {
    let mut it = Fixture::new(1_000_000);
    fs::write(it.path("gone"), b"x").unwrap();
    let listed = item(it.folder.path(), "gone");
    fs::remove_file(it.path("gone")).unwrap();
    it.files.register(ObjectId(1), listed);
    it.next = 2;
    let next = it.add("here", b"here");
    assert_eq!(it.read(ObjectId(1), 0, 1), Err(Fault::NoSuchFile));
    assert_eq!(it.finish(ObjectId(1)), Err(Fault::NoSuchFile));
    assert_eq!(it.read(next, 0, 4).unwrap(), b"here");
}

#[test]
fn an_empty_file_that_vanished_is_noticed() {
    let mut it = Fixture::new(1_000_000);
    fs::write(it.path("gone"), b"").unwrap();
    let listed = item(it.folder.path(), "gone");
    fs::remove_file(it.path("gone")).unwrap();
    it.files.register(ObjectId(1), listed);
    assert_eq!(it.finish(ObjectId(1)), Err(Fault::NoSuchFile));
}

#[test]
fn a_folder_has_no_bytes_and_is_described() {
    let mut it = Fixture::new(1_000_000);
    fs::create_dir(it.path("d")).unwrap();
    let object = it.register("d");
    assert_eq!(it.finish(object), Ok(()));
    assert!(it.read(object, 0, 1).is_err());
    let record = it.files.describe(object).unwrap();
    assert_eq!((record.path, record.size), (&b"d"[..], 0));
    assert_eq!(record.kind, ObjectKind::Directory);
}

#[test]
fn a_range_outside_the_offered_size_is_refused() {
    let mut it = Fixture::new(1_000_000);
    let object = it.add("f", b"abc");
    assert_eq!(it.read(object, 2, 2), Err(Fault::InternalError));
    assert_eq!(it.read(object, 300_000, 1), Err(Fault::InternalError));
    assert_eq!(it.read(ObjectId(77), 0, 1), Err(Fault::InternalError));
}

#[test]
#[ignore = "measures speed"]
fn speed_of_one_cached_file() {
    let mut it = Fixture::new(DEFAULT_MEMORY_BYTES);
    let content = pattern(1 << 30, 1);
    let object = it.add("f", &content);
    let begin = Instant::now();
    let mut piece = [0_u8; 1_400];
    let mut at = 0_usize;
    let mut waits = 0;
    while at < content.len() {
        let length = piece.len().min(content.len() - at);
        let offset = u64::try_from(at).unwrap();
        match it.files.read(object, offset, &mut piece[..length]) {
            ReadOutcome::Filled => at += length,
            ReadOutcome::NotReady => {
                waits += 1;
                it.wait();
            }
            ReadOutcome::Failed(fault) => panic!("{fault}"),
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "1 GiB in {seconds:.3} s, {waits} waits: {:.2} GB/s",
        1.073 / seconds
    );
}

#[test]
#[ignore = "measures speed"]
fn speed_of_small_files() {
    let mut it = Fixture::new(DEFAULT_MEMORY_BYTES);
    let count = 20_000_u32;
    let content = pattern(10_000, 1);
    let items: Vec<_> = (0..count)
        .map(|at| {
            let name = format!("f{at}");
            fs::write(it.path(&name), &content).unwrap();
            item(it.folder.path(), &name)
        })
        .collect();
    let begin = Instant::now();
    let mut items = (1..).map(ObjectId).zip(items);
    let mut registered = 0;
    for at in 1..=count {
        while registered < count.min(at + 4_096) {
            let (object, item) = items.next().unwrap();
            it.files.register(object, item);
            registered += 1;
        }
        let object = ObjectId(at);
        assert!(it.read_all(object, content.len(), 1_400).unwrap() == content);
        assert_eq!(it.finish(object), Ok(()));
        it.files.release(object);
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{count} files of 10 kB in {seconds:.3} s: {:.0} files/s",
        f64::from(count) / seconds
    );
}

#[test]
fn the_hash_is_that_of_the_bytes_whatever_was_read() {
    let mut it = Fixture::new(DEFAULT_MEMORY_BYTES);
    for size in [0, 1, 262_144, 262_145, 3_000_000] {
        let content = pattern(size, 5);
        let expected = Ok(*blake3::hash(&content).as_bytes());
        let all = it.add(&format!("all{size}"), &content);
        it.read_all(all, size, 1_377).unwrap();
        assert_eq!(it.root(all), expected, "{size}");
        let part = it.add(&format!("part{size}"), &content);
        let from = size - size / 3;
        if size > 0 {
            it.read(part, u64::try_from(from).unwrap(), size - from)
                .unwrap();
        }
        it.files.hash_behind(part);
        assert_eq!(it.root(part), expected, "{size}");
    }
}

#[test]
fn an_overwritten_file_fails_though_size_and_time_are_as_before() {
    let mut it = Fixture::new(DEFAULT_MEMORY_BYTES);
    let object = it.add("f", &pattern(700_000, 3));
    let time = fs::metadata(it.path("f")).unwrap().modified().unwrap();
    it.read_all(object, 700_000, 1_377).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let file = OpenOptions::new().write(true).open(it.path("f")).unwrap();
    file.write_all_at(b"other bytes", 100).unwrap();
    file.set_modified(time).unwrap();
    assert_eq!(it.finish(object), Err(Fault::DiskRead));
    let text = it.files.failure(object).unwrap().text;
    assert!(text.contains("changed during the transfer"), "{text}");
}

#[test]
fn a_file_whose_attributes_change_is_read_again_and_passes() {
    use std::os::unix::fs::PermissionsExt;
    let mut it = Fixture::new(DEFAULT_MEMORY_BYTES);
    let content = pattern(900_000, 3);
    let object = it.add("f", &content);
    it.read(object, 0, 1_000).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    fs::set_permissions(it.path("f"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(it.path("f"), it.path("g")).unwrap();
    it.read_all(object, content.len(), 1_377).unwrap();
    assert_eq!(it.root(object), Ok(*blake3::hash(&content).as_bytes()));
}

#[test]
fn a_part_of_a_file_is_read_hashed_and_read_again_as_a_file_of_its_own() {
    use std::os::unix::fs::PermissionsExt;
    let mut it = Fixture::new(300_000);
    let content = pattern(1_200_000, 9);
    for (start, size) in [(1_usize, 10_usize), (300_001, 700_000), (262_144, 262_144)] {
        let name = format!("f{start}");
        fs::write(it.path(&name), &content).unwrap();
        let mut item = item(it.folder.path(), &name);
        (item.start, item.size) = (start as u64, size as u64);
        let object = ObjectId(it.next);
        it.next += 1;
        it.files.register(object, item);
        let part = &content[start..start + size];
        assert!(it.read_all(object, size, 1_377).unwrap() == part);
        assert!(it.read(object, 3, 5).unwrap() == part[3..8], "once more");
        assert!(it.read(object, 0, size + 1).is_err(), "behind its end");
        std::thread::sleep(Duration::from_millis(30));
        fs::set_permissions(it.path(&name), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(it.root(object), Ok(*blake3::hash(part).as_bytes()));
    }
}
