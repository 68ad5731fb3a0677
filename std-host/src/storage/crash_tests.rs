//! Crashes between any two storage calls, and what the next session makes of what is left.
//!
//! A session writes on a real disk while its calls are recorded; the log is replayed up to a point on a disk that
//! forgets, what is left is laid out in a new folder, and a second session receives the same file there. Whatever
//! has the final name must be whole, nothing wrong may be delivered, and no more is sent again than was not noted.
//!
//! About 100 crash points run with the other tests; thousands with
//! `cargo test --release -p fasp-host --lib crash_tests -- --ignored --nocapture`.

pub(super) mod forgetful_disk;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use fasp_core::control::choices::ResumeLevel;
use fasp_core::metadata::{ByteRange, ObjectKind};
use fasp_core::selection::links::LinkTreatment;
use fasp_core::units::ObjectId;

use super::attributes::Preserve;
use super::chunks::Chunks;
use super::control_file;
use super::destination_tree::{DestinationTree, Placement};
use super::disk::recording::{self, Change};
use super::docroot::Docroot;
use super::file_rules::FileRules;
use super::finishing::Finishing;
use super::waker::Waker;
use super::write_behind::{
    CheckpointRule, Completion, Decision, Job, OwnedRecord, Shared, Splitting, WriteConfig,
};
use super::writer::Writer;
use forgetful_disk::{Crash, Folder, ForgetfulDisk, Random, lay_out};

const CHUNK_LOG2: u32 = 10;
const CHUNK: u64 = 1 << CHUNK_LOG2;
/// A checkpoint is due after so many bytes.
const UNSAVED: u64 = 6 * CHUNK;
/// The longest write.
const LONGEST: usize = 1_700;
const FILE: ObjectId = ObjectId(1);

/// A story to be interrupted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Story {
    /// The file is received for the first time.
    First,
    /// It goes on where an earlier session stopped.
    Continued,
    /// A partial file of another state of the source lies in the way.
    Stale,
    /// It goes on, and chunks that are noted turn out to be wrong and come again.
    Repaired,
    /// Without resume, over an older file.
    Replaced,
    /// With resume, over an older file of another size.
    ReplacedWithResume,
}

const STORIES: [Story; 6] = [
    Story::First,
    Story::Continued,
    Story::Stale,
    Story::Repaired,
    Story::Replaced,
    Story::ReplacedWithResume,
];

/// A session in this thread, which is the writer.
struct Session {
    writer: Writer,
    shared: Arc<Shared>,
}

impl Session {
    fn new(path: &Path, resume_level: u8) -> Self {
        let docroot = Arc::new(Docroot::confined(path).unwrap());
        let config = WriteConfig {
            tree: Arc::new(DestinationTree::new(docroot, b".", Placement::Into)),
            threads: 1,
            resume_level: ResumeLevel::from_number(resume_level).unwrap(),
            rules: FileRules::default(),
            preserve: Preserve::default(),
            links: LinkTreatment::CopyForce,
            checksum: None,
            splitting: Splitting::default(),
            keeps_nothing: false,
            checkpoints: CheckpointRule {
                bytes: UNSAVED,
                interval: Duration::from_secs(3_600),
                first: Duration::from_secs(3_600),
                least_chunk_log2: CHUNK_LOG2,
            },
        };
        let shared = Shared::new(config, Waker::new().unwrap());
        let folders = shared.folders();
        let (checker, _) = channel();
        let writer = Writer::new(Arc::clone(&shared), 0, folders, Finishing::AtOnce, checker);
        Self { writer, shared }
    }

    fn open(&mut self, record: OwnedRecord) -> Decision {
        self.writer.carry_out(Job::Open {
            object: FILE,
            record,
        });
        match self.shared.next_completion() {
            Some(Completion::Decided { decision, .. }) => decision,
            other => panic!("{other:?}"),
        }
    }

    /// Writes `range` of the source in pieces, a few of them out of order.
    fn receive(&mut self, source: &[u8], range: ByteRange, random: &mut Random) {
        let (mut at, end) = (usize_of(range.start), usize_of(range.end));
        let mut pieces = Vec::new();
        while at < end {
            let next = (at + 1 + random.below(LONGEST)).min(end);
            pieces.push((at, next));
            at = next;
        }
        for at in 1..pieces.len() {
            if random.below(4) == 0 {
                pieces.swap(at, at - 1);
            }
        }
        for (start, end) in pieces {
            self.writer.carry_out(Job::Write {
                object: FILE,
                offset: u64::try_from(start).unwrap(),
                bytes: source[start..end].to_vec(),
            });
            assert!(matches!(
                self.shared.next_completion(),
                Some(Completion::Written { .. })
            ));
        }
    }

    /// What a full check does: chunks that are not the source's are void.
    fn forget_wrong(
        &mut self,
        path: &Path,
        source: &[u8],
        missing: &[ByteRange],
    ) -> Vec<ByteRange> {
        let present = fs::read(path.join("f.ascp-part")).unwrap_or_default();
        let chunks = Chunks::of(u64::try_from(source.len()).unwrap(), CHUNK_LOG2);
        let is_wrong = |range: &ByteRange| {
            let kept = missing
                .iter()
                .all(|hole| range.end <= hole.start || hole.end <= range.start);
            let bytes = usize_of(range.start)..usize_of(range.end);
            kept && present.get(bytes.clone()) != source.get(bytes)
        };
        let all = (0..chunks.count()).map(|index| chunks.range(index));
        let ranges: Vec<ByteRange> = all.filter(is_wrong).collect();
        self.writer.carry_out(Job::Forget {
            object: FILE,
            ranges: ranges.clone(),
        });
        ranges
    }

    fn commit(&mut self, source: &[u8]) {
        let root = Some(*blake3::hash(source).as_bytes());
        self.writer.carry_out(Job::Commit {
            object: FILE,
            root,
            checksum: Vec::new(),
        });
        match self.shared.next_completion() {
            Some(Completion::Finished { result, .. }) => assert_eq!(result, Ok(())),
            other => panic!("{other:?}"),
        }
    }

    fn stop(mut self) {
        self.writer.carry_out(Job::Abandon {
            object: FILE,
            keep_partial: true,
        });
    }
}

fn usize_of(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

fn record(size: usize, modified_ns: i64) -> OwnedRecord {
    OwnedRecord {
        path: b"f".to_vec(),
        kind: ObjectKind::File,
        size: u64::try_from(size).unwrap(),
        modified_ns,
        accessed_ns: 0,
        mode: 0o644,
        attributes: None,
    }
}

fn bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    (0..size)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect()
}

/// Changes a byte of a chunk.
fn spoil(path: &Path, chunk: u64) {
    let mut content = fs::read(path).unwrap();
    content[usize_of(chunk * CHUNK) + 7] ^= 0x20;
    fs::write(path, content).unwrap();
}

fn scratch() -> tempfile::TempDir {
    // Thousands of syncs: in memory, where there is some.
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A recorded story and what it was about.
struct Recorded {
    story: Story,
    source: Vec<u8>,
    old: Option<Vec<u8>>,
    before: ForgetfulDisk,
    log: Vec<Change>,
    /// From here on no note speaks of a wrong chunk.
    repaired_at: usize,
}

fn resume_level(story: Story) -> u8 {
    u8::from(story != Story::Replaced)
}

/// What lies in the folder when the story begins; returns what has the final name.
fn prepare(
    story: Story,
    seed: u64,
    path: &Path,
    source: &[u8],
    random: &mut Random,
) -> Option<Vec<u8>> {
    let size = source.len();
    match story {
        Story::First => None,
        Story::Continued | Story::Stale | Story::Repaired => {
            let modified_ns = if story == Story::Stale { 4 } else { 5 };
            let other = if story == Story::Stale {
                bytes(size, seed ^ 2)
            } else {
                source.to_vec()
            };
            let mut session = Session::new(path, 1);
            assert_eq!(session.open(record(size, modified_ns)), Decision::Go);
            let half = ByteRange {
                start: 0,
                end: u64::try_from(size / 2).unwrap(),
            };
            session.receive(&other, half, random);
            session.stop();
            if story == Story::Repaired {
                spoil(&path.join("f.ascp-part"), 2);
            }
            None
        }
        Story::Replaced | Story::ReplacedWithResume => {
            let length = if story == Story::Replaced {
                size
            } else {
                size / 2
            };
            let content = bytes(length, seed ^ 3);
            fs::write(path.join("f"), &content).unwrap();
            Some(content)
        }
    }
}

fn tell(story: Story, seed: u64) -> Recorded {
    let mut random = Random(seed);
    let size = 30_000 + random.below(30_000);
    let source = bytes(size, seed ^ 1);
    let folder = scratch();
    let all = ByteRange {
        start: 0,
        end: u64::try_from(size).unwrap(),
    };
    let old = prepare(story, seed, folder.path(), &source, &mut random);
    recording::begin();
    let mut before = ForgetfulDisk::default();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let file = recording::known(&OwnedFd::from(fs::File::open(&path).unwrap()));
        let name = path.file_name().unwrap().as_bytes();
        before.has(name, file, fs::read(&path).unwrap());
    }
    let mut session = Session::new(folder.path(), resume_level(story));
    let missing = match session.open(record(size, 5)) {
        Decision::Go => vec![all],
        Decision::Resume { missing } => missing,
        other => panic!("{other:?}"),
    };
    let mut repaired_at = 0;
    let wrong = match story {
        Story::Repaired => session.forget_wrong(folder.path(), &source, &missing),
        _ => Vec::new(),
    };
    if !wrong.is_empty() {
        repaired_at = recording::length();
    }
    for range in wrong.into_iter().chain(missing) {
        session.receive(&source, range, &mut random);
    }
    session.commit(&source);
    let log = recording::end();
    Recorded {
        repaired_at,
        story,
        source,
        old,
        before,
        log,
    }
}

/// The most chunks that a note on the disk speaks of after `log`; notes count once they were synced.
fn noted_chunks(chunks: Chunks, log: &[Change]) -> usize {
    let mut noted = 0;
    let mut written = None;
    for change in log {
        match change {
            Change::Write { file, bytes, .. } => {
                if let Some((_, notes)) = control_file::decode(bytes, chunks) {
                    written = Some((*file, notes.durable.len()));
                }
            }
            Change::Synced { file } if written.is_some_and(|(note, _)| note == *file) => {
                noted = written.map_or(0, |(_, count)| count);
            }
            // Before its first name is on the disk nobody finds a note.
            _ => {}
        }
    }
    noted
}

/// Crashes after `at` changes, lets a second session receive the file, and returns the bytes it asked for again.
fn crash(told: &Recorded, at: usize, crash: Crash, random: &mut Random) -> u64 {
    let size = told.source.len();
    let context = format!("{:?}, {at} of {}, {crash:?}", told.story, told.log.len());
    let mut disk = told.before.clone();
    told.log[..at].iter().for_each(|change| disk.note(change));
    let left = disk.after(crash, random);
    check_final_name(told, &left, &context);
    let folder = scratch();
    lay_out(&left, folder.path());
    let mut session = Session::new(folder.path(), resume_level(told.story));
    let all = ByteRange {
        start: 0,
        end: u64::try_from(size).unwrap(),
    };
    let missing = match session.open(record(size, 5)) {
        Decision::Skip => {
            assert_eq!(
                left.get(&b"f"[..]),
                Some(&told.source),
                "{context}: skipped"
            );
            return 0;
        }
        Decision::Go => vec![all],
        Decision::Resume { missing } => missing,
        Decision::Compare => panic!("{context}: nothing is compared at this level"),
    };
    let again: u64 = missing.iter().map(|range| range.end - range.start).sum();
    if told.story == Story::First && !left.contains_key(&b"f"[..]) {
        let chunks = Chunks::of(all.end, CHUNK_LOG2);
        let first_name = told
            .log
            .iter()
            .position(|change| matches!(change, Change::Renamed { .. }));
        let named = first_name.is_some_and(|first| first + 1 < at);
        let noted = if named {
            noted_chunks(chunks, &told.log[..at])
        } else {
            0
        };
        let kept = (all.end - again).div_ceil(CHUNK);
        assert!(
            kept >= u64::try_from(noted).unwrap(),
            "{context}: {kept} of {noted} chunks kept"
        );
    }
    // Before that only a full check tells right from wrong.
    let wrong = if at < told.repaired_at {
        session.forget_wrong(folder.path(), &told.source, &missing)
    } else {
        Vec::new()
    };
    for range in wrong.into_iter().chain(missing) {
        session.receive(&told.source, range, random);
    }
    session.commit(&told.source);
    assert!(
        fs::read(folder.path().join("f")).unwrap() == told.source,
        "{context}: wrong bytes"
    );
    assert!(
        !folder.path().join("f.aspx").exists(),
        "{context}: a note is left"
    );
    again
}

fn check_final_name(told: &Recorded, left: &Folder, context: &str) {
    match left.get(&b"f"[..]) {
        Some(content) => assert!(
            *content == told.source || Some(content) == told.old.as_ref(),
            "{context}: {} bytes under the final name are neither the old file nor the new one",
            content.len()
        ),
        None => assert!(told.old.is_none(), "{context}: the old file is gone"),
    }
}

/// Between two notes no more is written than the rule allows.
fn check_unsaved(told: &Recorded) {
    let part = told.log.iter().find_map(|change| match change {
        Change::Length { file, length } if *length == u64::try_from(told.source.len()).unwrap() => {
            Some(*file)
        }
        _ => None,
    });
    let mut unsaved = 0;
    for change in &told.log {
        match change {
            Change::Write { file, bytes, .. } if Some(*file) == part => unsaved += bytes.len(),
            Change::Synced { file } if Some(*file) == part => unsaved = 0,
            _ => {}
        }
        assert!(
            unsaved <= usize_of(UNSAVED) + LONGEST,
            "{unsaved} bytes without a note"
        );
    }
}

fn crash_everywhere(seeds: std::ops::Range<u64>, every: usize) -> (u64, u64) {
    let (mut points, mut again) = (0, 0);
    for seed in seeds {
        for story in STORIES {
            let told = tell(story, seed);
            if story == Story::First {
                check_unsaved(&told);
            }
            let mut random = Random(seed ^ 0x55);
            let mut at = random.below(every);
            while at <= told.log.len() {
                for kind in [Crash::SomeKept, Crash::NothingKept, Crash::OfProcess] {
                    if every == 1 || random.below(3) == 0 {
                        again += crash(&told, at, kind, &mut random);
                        points += 1;
                    }
                }
                at += 1 + random.below(2 * every - 1);
            }
        }
    }
    (points, again)
}

#[test]
fn a_crash_at_any_of_a_hundred_points_loses_nothing_and_delivers_nothing_wrong() {
    let (points, _) = crash_everywhere(1..3, 5);
    assert!(points >= 100, "only {points} points");
}

#[test]
#[ignore = "minutes"]
fn a_crash_at_any_of_thousands_of_points_loses_nothing_and_delivers_nothing_wrong() {
    let (points, again) = crash_everywhere(100..110, 1);
    println!(
        "{points} crash points, 0 wrong bytes, {} KiB sent again on average",
        again / points / 1_024
    );
    assert!(points >= 2_000, "only {points} points");
}
