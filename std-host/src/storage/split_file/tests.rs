//! Parts of a file through the writer, each session its own, in every order and with ends at every step.

mod crashes;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use fasp_core::control::choices::{OverwriteRule, ResumeLevel};
use fasp_core::control::{CUT, Share};
use fasp_core::fault::Fault;
use fasp_core::metadata::attributes::PartOf;
use fasp_core::metadata::{ByteRange, ObjectKind};
use fasp_core::selection::links::LinkTreatment;
use fasp_core::units::ObjectId;

use super::{Entered, SourceState, SplitFile, Splitting};
use crate::failure::Failure;
use crate::storage::attributes::Preserve;
use crate::storage::destination_tree::{DestinationTree, Placement};
use crate::storage::docroot::Docroot;
use crate::storage::file_rules::FileRules;
use crate::storage::finishing::Finishing;
use crate::storage::stored_attributes::OwnedAttributes;
use crate::storage::waker::Waker;
use crate::storage::write_behind::{
    CheckpointRule, Completion, Decision, Job, OwnedRecord, Shared, WriteConfig,
};
use crate::storage::writer::Writer;

const FILE: ObjectId = ObjectId(1);
const PIECE: u64 = 200_000;

/// A state of the source.
#[derive(Clone)]
struct Source {
    bytes: Vec<u8>,
    changed_ns: i64,
}

impl Source {
    fn new(seed: u8, size: u64, changed_ns: i64) -> Self {
        let byte = |at: u64| u8::try_from((at * 31 + at / 977 + u64::from(seed)) % 251).unwrap();
        Self {
            bytes: (0..size).map(byte).collect(),
            changed_ns,
        }
    }

    fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap()
    }

    fn slice(&self, range: ByteRange) -> &[u8] {
        &self.bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
    }
}

/// The session of one node, in this thread, which is the writer.
struct Session {
    writer: Writer,
    shared: Arc<Shared>,
    share: Share,
    source: Source,
}

impl Session {
    fn new(path: &Path, (node, count): (u8, u8), level: u8, source: &Source) -> Self {
        Self::with(path, (node, count), level, source, FileRules::default())
    }

    fn with(
        path: &Path,
        (node, count): (u8, u8),
        level: u8,
        source: &Source,
        rules: FileRules,
    ) -> Self {
        let share = Share::new(node, count).unwrap();
        let docroot = Arc::new(Docroot::confined(path).unwrap());
        let config = WriteConfig {
            tree: Arc::new(DestinationTree::new(docroot, b".", Placement::Into)),
            threads: 1,
            resume_level: ResumeLevel::from_number(level).unwrap(),
            rules,
            preserve: Preserve::default(),
            links: LinkTreatment::CopyForce,
            checksum: None,
            splitting: Splitting { share, from: 1 },
            keeps_nothing: false,
            checkpoints: CheckpointRule {
                bytes: 3 * PIECE,
                interval: Duration::from_secs(3_600),
                first: Duration::from_secs(3_600),
                least_chunk_log2: 16,
            },
        };
        let shared = Shared::new(config, Waker::new().unwrap());
        let folders = shared.folders();
        let (checker, _) = channel();
        let writer = Writer::new(Arc::clone(&shared), 0, folders, Finishing::AtOnce, checker);
        Self {
            writer,
            shared,
            share,
            source: source.clone(),
        }
    }

    fn part(&self) -> ByteRange {
        let std::ops::Range { start, end } = self.share.part_of(self.source.size()).unwrap();
        ByteRange { start, end }
    }

    fn record(&self) -> OwnedRecord {
        let part = self.part();
        OwnedRecord {
            path: b"f".to_vec(),
            kind: ObjectKind::File,
            size: part.end - part.start,
            modified_ns: 5,
            accessed_ns: 0,
            mode: 0o640,
            attributes: Some(Box::new(OwnedAttributes {
                part_of: Some(PartOf {
                    size: self.source.size(),
                    changed_ns: self.source.changed_ns,
                }),
                ..OwnedAttributes::default()
            })),
        }
    }

    fn open_as(&mut self, record: OwnedRecord) -> Result<Decision, Failure> {
        self.writer.carry_out(Job::Open {
            object: FILE,
            record,
        });
        match self.shared.next_completion() {
            Some(Completion::Decided { decision, .. }) => Ok(decision),
            Some(Completion::Finished { result, .. }) => Err(result.unwrap_err()),
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self) -> Result<Decision, Failure> {
        self.open_as(self.record())
    }

    /// The ranges of the part that are wanted.
    fn missing(&mut self) -> Result<Vec<ByteRange>, Failure> {
        let part = self.part();
        Ok(match self.open()? {
            Decision::Go => vec![ByteRange {
                start: 0,
                end: part.end - part.start,
            }],
            Decision::Resume { missing } => missing,
            other => panic!("node {}: {other:?}", self.share.node()),
        })
    }

    fn receive(&mut self, range: ByteRange) {
        let begin = self.part().start;
        let mut at = range.start;
        while at < range.end {
            let end = (at + PIECE).min(range.end);
            let bytes = self.source.slice(ByteRange {
                start: begin + at,
                end: begin + end,
            });
            let bytes = bytes.to_vec();
            self.writer.carry_out(Job::Write {
                object: FILE,
                offset: at,
                bytes,
            });
            at = end;
        }
        while let Some(completion) = self.shared.next_completion() {
            assert!(matches!(completion, Completion::Written { .. }));
        }
    }

    fn commit_as(&mut self, root: Option<[u8; 32]>) -> Result<(), Failure> {
        self.writer.carry_out(Job::Commit {
            object: FILE,
            root,
            checksum: Vec::new(),
        });
        match self.shared.next_completion() {
            Some(Completion::Finished { result, .. }) => result,
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self) -> Result<(), Failure> {
        let root = *blake3::hash(self.source.slice(self.part())).as_bytes();
        self.commit_as(Some(root))
    }

    /// Everything at once; the bytes that were wanted.
    fn run(&mut self) -> Result<u64, Failure> {
        let missing = self.missing()?;
        let wanted = missing.iter().map(|range| range.end - range.start).sum();
        for range in missing {
            self.receive(range);
        }
        self.commit()?;
        Ok(wanted)
    }

    fn stop(mut self) {
        self.writer.carry_out(Job::Abandon {
            object: FILE,
            keep_partial: true,
        });
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn names(path: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(path).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// The file is there, right, and alone.
fn assert_joined(path: &Path, source: &Source) {
    assert!(
        fs::read(path.join("f")).unwrap() == source.bytes,
        "wrong bytes"
    );
    assert_eq!(names(path), BTreeSet::from(["f".to_owned()]));
}

#[test]
fn parts_in_any_order_become_the_file_when_the_last_one_ends() {
    let source = Source::new(1, 3 * CUT + 77_000, 9);
    for (order, level) in [([1, 2, 3], 0), ([3, 1, 2], 1), ([2, 3, 1], 1)] {
        let folder = scratch();
        for (done, node) in (0..).zip(order) {
            assert!(!folder.path().join("f").exists(), "{done}");
            let mut session = Session::new(folder.path(), (node, 3), level, &source);
            assert_eq!(
                session.run(),
                Ok(session.part().end - session.part().start),
                "{node}"
            );
        }
        assert_joined(folder.path(), &source);
        let mode = fs::metadata(folder.path().join("f")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o037, 0, "more than the source has");
        if level > 0 {
            for node in order {
                let mut again = Session::new(folder.path(), (node, 3), level, &source);
                assert_eq!(again.open(), Ok(Decision::Skip));
            }
            assert_joined(folder.path(), &source);
        }
    }
}

#[test]
fn sessions_at_once_write_beside_one_another() {
    let folder = scratch();
    // Fewer pieces than sessions: two of them get nothing and are not waited for.
    let source = Source::new(2, CUT + 5, 9);
    let count = 4;
    let all = Share::new(1, count).unwrap().sessions();
    let nodes: Vec<u8> = all
        .filter(|share| share.part_of(source.size()).is_some())
        .map(Share::node)
        .collect();
    assert_eq!(nodes.len(), 2);
    let new = |node: &u8| Session::new(folder.path(), (*node, count), 1, &source);
    let mut sessions: Vec<Session> = nodes.iter().map(new).collect();
    for session in &mut sessions {
        assert_eq!(session.open(), Ok(Decision::Go));
    }
    for session in &mut sessions {
        let part = session.part();
        session.receive(ByteRange {
            start: 0,
            end: part.end - part.start,
        });
    }
    for session in sessions.iter_mut().rev() {
        assert_eq!(session.commit(), Ok(()));
    }
    assert_joined(folder.path(), &source);
}

#[test]
fn a_part_goes_on_where_it_was_and_a_durable_one_is_not_sent_again() {
    let folder = scratch();
    let source = Source::new(3, 4 * CUT, 9);
    let mut first = Session::new(folder.path(), (1, 2), 1, &source);
    assert_eq!(first.open(), Ok(Decision::Go));
    first.receive(ByteRange {
        start: 0,
        end: CUT + 9,
    });
    first.stop();
    let mut second = Session::new(folder.path(), (2, 2), 1, &source);
    assert_eq!(second.run(), Ok(2 * CUT));
    drop(second);
    // Run again: nothing of the second, and of the first what was not noted.
    let mut second = Session::new(folder.path(), (2, 2), 1, &source);
    assert_eq!(second.run(), Ok(0));
    assert!(!folder.path().join("f").exists());
    let mut first = Session::new(folder.path(), (1, 2), 1, &source);
    assert_eq!(first.run(), Ok(CUT));
    assert_joined(folder.path(), &source);
}

#[test]
fn a_part_that_is_wrong_is_not_joined() {
    let folder = scratch();
    let source = Source::new(4, 2 * CUT, 9);
    Session::new(folder.path(), (1, 2), 1, &source)
        .run()
        .unwrap();
    for root in [Some([7; 32]), None] {
        let mut second = Session::new(folder.path(), (2, 2), 1, &source);
        let missing = second.missing().unwrap();
        assert_eq!(missing[0].start, 0);
        missing.into_iter().for_each(|range| second.receive(range));
        assert!(second.commit_as(root).is_err());
        assert!(!folder.path().join("f").exists());
    }
    Session::new(folder.path(), (2, 2), 1, &source)
        .run()
        .unwrap();
    assert_joined(folder.path(), &source);
}

#[test]
fn a_source_that_changed_between_the_sessions_is_not_joined() {
    let old = Source::new(5, 2 * CUT, 9);
    // Of the same size and time: only the time of the last change tells.
    let new = Source::new(6, 2 * CUT, 10);
    let folder = scratch();
    Session::new(folder.path(), (1, 2), 1, &old).run().unwrap();
    let mut second = Session::new(folder.path(), (2, 2), 1, &new);
    let failure = second.open().unwrap_err();
    assert_eq!(failure.fault, Fault::DiskWrite);
    let text = "part 2 of 2: the source changed between the sessions: the part of session 1 was of another state";
    assert!(failure.text.contains(text), "{}", failure.text);
    assert_eq!(names(folder.path()), BTreeSet::new());
    for node in [2, 1] {
        let mut session = Session::new(folder.path(), (node, 2), 1, &new);
        assert_eq!(session.run(), Ok(CUT));
    }
    assert_joined(folder.path(), &new);
}

#[test]
fn what_a_session_is_at_is_neither_taken_nor_thrown_away() {
    let old = Source::new(7, 2 * CUT, 9);
    let new = Source::new(8, 2 * CUT, 10);
    let folder = scratch();
    let mut first = Session::new(folder.path(), (1, 2), 1, &old);
    let missing = first.missing().unwrap();
    for (node, count, source, part) in [
        (1, 2, &old, "another session receives this part"),
        (
            2,
            2,
            &new,
            "another session receives part 1, and it is of another state of the source",
        ),
        (
            3,
            3,
            &Source::new(7, 3 * CUT, 9),
            "another session receives part 1, and it is one of another number of sessions",
        ),
    ] {
        let refused = Session::new(folder.path(), (node, count), 1, source).open();
        let text = refused.unwrap_err().text;
        assert!(text.contains(part), "{text}");
    }
    missing.into_iter().for_each(|range| first.receive(range));
    assert_eq!(first.commit(), Ok(()));
    Session::new(folder.path(), (2, 2), 1, &old).run().unwrap();
    assert_joined(folder.path(), &old);
}

#[test]
fn what_was_left_by_others_is_thrown_away() {
    let source = Source::new(9, 3 * CUT, 9);
    let folder = scratch();
    // A part of another number of sessions, and one of another state that was never complete.
    Session::new(folder.path(), (1, 3), 1, &source)
        .run()
        .unwrap();
    let mut stale = Session::new(folder.path(), (1, 2), 1, &Source::new(1, 3 * CUT, 8));
    assert_eq!(stale.open(), Ok(Decision::Go));
    stale.receive(ByteRange { start: 0, end: CUT });
    stale.stop();
    for node in [1, 2] {
        let mut session = Session::new(folder.path(), (node, 2), 1, &source);
        let part = session.part();
        assert_eq!(session.run(), Ok(part.end - part.start));
    }
    assert_joined(folder.path(), &source);
}

#[test]
fn rules_about_what_is_there_are_those_of_the_whole_file() {
    let source = Source::new(10, 2 * CUT, 9);
    let folder = scratch();
    let rules = |overwrite, saves_old| FileRules {
        overwrite,
        saves_old,
        ..FileRules::default()
    };
    fs::write(folder.path().join("f"), "old").unwrap();
    let never = rules(OverwriteRule::Never, false);
    let mut session = Session::with(folder.path(), (1, 2), 0, &source, never.clone());
    assert_eq!(session.open(), Ok(Decision::Skip));
    assert_eq!(names(folder.path()).len(), 1);
    // It is kept under another name.
    for node in [1, 2] {
        let kept = rules(OverwriteRule::Always, true);
        Session::with(folder.path(), (node, 2), 0, &source, kept)
            .run()
            .unwrap();
    }
    let all = names(folder.path());
    assert!(all.len() == 2 && all.contains("f"), "{all:?}");
    assert!(fs::read(folder.path().join("f")).unwrap() == source.bytes);
    // What appears meanwhile stays.
    let folder = scratch();
    Session::with(folder.path(), (1, 2), 0, &source, never.clone())
        .run()
        .unwrap();
    let mut last = Session::with(folder.path(), (2, 2), 0, &source, never);
    let missing = last.missing().unwrap();
    missing.into_iter().for_each(|range| last.receive(range));
    fs::write(folder.path().join("f"), "new").unwrap();
    assert_eq!(last.commit().unwrap_err().fault, Fault::AlreadyExists);
    assert_eq!(fs::read(folder.path().join("f")).unwrap(), b"new");
}

#[test]
fn a_part_that_is_not_the_sessions_is_an_error_of_the_protocol() {
    let source = Source::new(11, 2 * CUT, 9);
    let folder = scratch();
    let mut session = Session::new(folder.path(), (1, 2), 1, &source);
    let usual = session.record();
    let longer = OwnedRecord {
        size: CUT + 1,
        ..usual.clone()
    };
    let mut of_another = usual;
    let part_of = Some(PartOf {
        size: 9 * CUT,
        changed_ns: 9,
    });
    of_another.attributes = Some(Box::new(OwnedAttributes {
        part_of,
        ..OwnedAttributes::default()
    }));
    for record in [longer, of_another] {
        assert_eq!(session.open_as(record).unwrap_err().fault, Fault::Protocol);
    }
    assert_eq!(names(folder.path()), BTreeSet::new());
}

#[test]
fn files_of_the_users_with_such_names_stay() {
    let source = Source::new(13, 2 * CUT, 9);
    let folder = scratch();
    for name in ["f.ascp-parts", "f.ascp-parts.1", "f.ascp-parts.2"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let mine = names(folder.path());
    for node in [1, 2] {
        let refused = Session::new(folder.path(), (node, 2), 1, &source).open();
        let text = refused.unwrap_err().text;
        assert!(text.contains("f.ascp-parts is of somebody else"), "{text}");
        assert_eq!(names(folder.path()), mine);
    }
    fs::remove_file(folder.path().join("f.ascp-parts")).unwrap();
    for node in [1, 2] {
        Session::new(folder.path(), (node, 2), 1, &source)
            .run()
            .unwrap();
    }
    assert!(fs::read(folder.path().join("f")).unwrap() == source.bytes);
    for name in ["f.ascp-parts.1", "f.ascp-parts.2"] {
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), name.as_bytes());
    }
}

#[test]
fn who_waited_while_the_file_was_completed_begins_nothing_new() {
    let folder = scratch();
    let path = folder.path();
    fs::write(path.join("f"), "complete").unwrap();
    let state = SourceState {
        size: 2 * CUT,
        modified_ns: 1,
        changed_ns: 2,
        count: 2,
    };
    let share = Share::new(2, 2).unwrap();
    let mut late = SplitFile::new(b"f".to_vec(), b"f", share, state);
    let docroot = Docroot::confined(path).unwrap();
    let handle = docroot.directory(b".").unwrap();
    let found = late.enter(&handle, 0o600.into(), true, None).unwrap();
    let Entered::Changed(Some(now)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(now.size, 8);
    late.clear_leftover(&handle);
    assert_eq!(names(path), BTreeSet::from(["f".to_owned()]));
}

#[test]
fn a_common_file_that_was_taken_away_fails_the_part_and_names_are_not_followed() {
    let source = Source::new(12, 2 * CUT, 9);
    let folder = scratch();
    let mut first = Session::new(folder.path(), (1, 2), 1, &source);
    let missing = first.missing().unwrap();
    missing.into_iter().for_each(|range| first.receive(range));
    fs::remove_file(folder.path().join("f.ascp-parts")).unwrap();
    let text = first.commit().unwrap_err().text;
    assert!(text.contains("run all sessions again"), "{text}");
    // A link in the place of the common file is not written through.
    let victim = folder.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("f.ascp-parts")).unwrap();
    for node in [1, 2] {
        Session::new(folder.path(), (node, 2), 1, &source)
            .run()
            .unwrap();
    }
    assert_eq!(fs::read(&victim).unwrap(), b"mine");
    assert!(fs::read(folder.path().join("f")).unwrap() == source.bytes);
    // Nor is a plan that is somebody else's taken over.
    fs::remove_file(folder.path().join("f")).unwrap();
    fs::write(folder.path().join("f.ascp-parts.plan"), "a letter").unwrap();
    let refused = Session::new(folder.path(), (1, 2), 1, &source).open();
    let text = refused.unwrap_err().text;
    assert!(text.contains("somebody else"), "{text}");
}
