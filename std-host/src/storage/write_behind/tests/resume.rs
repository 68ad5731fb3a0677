//! Partial files: kept, trusted only when they fit, continued.

use super::*;

const CHUNK: u64 = 1_024;

fn chunks(count: usize, fill: u8) -> Vec<u8> {
    vec![fill; count * 1_024]
}

#[test]
fn an_abandoned_file_without_resume_leaves_nothing() {
    let mut it = Fixture::new(0);
    for object in [1, 2] {
        let name = format!("f{object}");
        assert_eq!(it.open(object, file(name.as_bytes(), 10)), go(object));
        it.write(object, 0, b"abc");
    }
    it.submit(Job::Abandon {
        object: ObjectId(1),
        keep_partial: true,
    });
    it.restart(true, 0);
    assert_eq!(it.names(), [""; 0]);
}

#[test]
fn an_interrupted_file_is_continued_where_chunks_are_missing() {
    let mut it = Fixture::new(1);
    let size = 100 * CHUNK;
    assert_eq!(it.open(1, file(b"f", size)), go(1));
    it.write(1, 0, &chunks(10, b'a'));
    it.write(1, 50 * CHUNK, &chunks(10, b'c'));
    it.write(1, 70 * CHUNK, b"not a whole chunk");
    it.restart(true, 1);
    assert_eq!(it.names(), ["f.ascp-part", "f.aspx"]);
    let missing = vec![
        ByteRange {
            start: 10 * CHUNK,
            end: 50 * CHUNK,
        },
        ByteRange {
            start: 60 * CHUNK,
            end: size,
        },
    ];
    assert_eq!(
        it.open(1, file(b"f", size)),
        decided(1, Decision::Resume { missing })
    );
    it.write(1, 10 * CHUNK, &chunks(40, b'b'));
    it.submit(Job::Zeros {
        object: ObjectId(1),
        offset: 60 * CHUNK,
        len: 40 * CHUNK,
    });
    assert!(matches!(it.next(), Completion::Written { .. }));
    let expected = [
        chunks(10, b'a'),
        chunks(40, b'b'),
        chunks(10, b'c'),
        chunks(40, 0),
    ]
    .concat();
    assert_eq!(it.commit_as(1, &expected), Ok(()));
    assert_eq!(it.names(), ["f"]);
    assert_eq!(fs::read(it.path("f")).unwrap(), expected);
    it.restart(true, 1);
    assert_eq!(it.open(1, file(b"f", size)), decided(1, Decision::Skip));
}

#[test]
fn what_was_kept_is_not_written_again_and_still_hashed() {
    let mut it = Fixture::new(1);
    let size = 10 * CHUNK;
    assert_eq!(it.open(1, file(b"f", size)), go(1));
    it.write(1, 0, &chunks(9, b'a'));
    it.restart(true, 1);
    assert!(matches!(
        it.open(1, file(b"f", size)),
        Completion::Decided { .. }
    ));
    // A sender may send more than it was asked for; what is here stays.
    it.write(1, 8 * CHUNK, &chunks(2, b'?'));
    let expected = [chunks(9, b'a'), chunks(1, b'?')].concat();
    assert_eq!(it.commit_as(1, &expected), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), expected);
}

#[test]
fn a_file_that_is_not_what_was_sent_is_neither_delivered_nor_kept() {
    for resume_level in [0, 1] {
        let mut it = Fixture::new(resume_level);
        let size = 4 * CHUNK;
        if resume_level > 0 {
            assert_eq!(it.open(1, file(b"f", size)), go(1));
            it.write(1, 0, &chunks(2, b'a'));
            it.restart(true, 1);
        }
        let opened = it.open(1, file(b"f", size));
        assert!(matches!(opened, Completion::Decided { .. }));
        let sent = [chunks(2, b'b'), chunks(2, b'c')].concat();
        it.write(1, 2 * CHUNK, &sent[2_048..]);
        it.write(1, 0, &chunks(2, b'a'));
        let failure = it.commit_as(1, &sent).unwrap_err();
        assert_eq!(failure.fault, Fault::DiskWrite);
        assert_eq!(
            failure.text,
            "Disk write error: f: what arrived is not what the source holds (the checksums differ)"
        );
        assert_eq!(it.names(), [""; 0]);
    }
}

#[test]
fn a_first_note_comes_soon_and_later_ones_take_turns() {
    let it = Fixture::new(1);
    let size = 100 * CHUNK;
    assert_eq!(it.open(1, file(b"f", size)), go(1));
    let begin = Instant::now();
    for at in 0..100 {
        it.write(1, at * CHUNK, &chunks(1, b'a'));
        std::thread::sleep(std::time::Duration::from_millis(20));
        if fs::exists(it.path("f.aspx")).unwrap() {
            assert!(begin.elapsed().as_secs() < 5);
            return;
        }
    }
    panic!("no note after two seconds");
}

#[test]
fn zeros_over_stale_bytes_of_a_partial_file_are_zeros() {
    let mut it = Fixture::new(1);
    let size = 10 * CHUNK;
    assert_eq!(it.open(1, file(b"f", size)), go(1));
    it.write(1, 0, &chunks(1, b'a'));
    it.restart(true, 1);
    // Bytes that reached the disk after the last note.
    let stale = [chunks(1, b'a'), chunks(9, b'?')].concat();
    fs::write(it.path("f.ascp-part"), stale).unwrap();
    assert!(matches!(
        it.open(1, file(b"f", size)),
        Completion::Decided {
            decision: Decision::Resume { .. },
            ..
        }
    ));
    it.submit(Job::Zeros {
        object: ObjectId(1),
        offset: CHUNK,
        len: size - CHUNK,
    });
    assert!(matches!(it.next(), Completion::Written { .. }));
    let expected = [chunks(1, b'a'), chunks(9, 0)].concat();
    assert_eq!(it.commit_as(1, &expected), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), expected);
}

#[test]
fn a_partial_file_is_not_continued_for_another_source_or_with_a_torn_note() {
    type Spoil = fn(&Fixture, &mut OwnedRecord);
    let spoilers: [(&str, Spoil); 7] = [
        ("size", |_, record| record.size -= 1),
        ("time", |_, record| record.modified_ns += 1),
        ("torn", |it, _| {
            let bytes = fs::read(it.path("f.aspx")).unwrap();
            fs::write(it.path("f.aspx"), &bytes[..200]).unwrap();
        }),
        ("first version", |it, _| {
            fs::write(it.path("f.aspx"), b"OFASPctl\0\0\0\x01").unwrap();
        }),
        ("foreign", |it, _| {
            fs::write(it.path("f.aspx"), [7; 500]).unwrap()
        }),
        ("lost part", |it, _| {
            fs::remove_file(it.path("f.ascp-part")).unwrap()
        }),
        ("cut part", |it, _| {
            fs::write(it.path("f.ascp-part"), b"abc").unwrap()
        }),
    ];
    for (what, spoil) in spoilers {
        let mut it = Fixture::new(1);
        assert_eq!(it.open(1, file(b"f", 100 * CHUNK)), go(1));
        it.write(1, 0, &chunks(90, b'x'));
        it.restart(true, 1);
        assert_eq!(it.names(), ["f.ascp-part", "f.aspx"]);
        let mut record = file(b"f", 100 * CHUNK);
        spoil(&it, &mut record);
        let size = usize::try_from(record.size).unwrap();
        assert_eq!(it.open(1, record), go(1), "{what}");
        it.write(1, 0, &vec![b'y'; size]);
        assert_eq!(it.commit(1), Ok(()), "{what}");
        assert_eq!(fs::read(it.path("f")).unwrap(), vec![b'y'; size], "{what}");
        // What is not a note of ours is not ours to remove.
        let left: &[&str] = if what == "foreign" {
            // Beside a note that is not ours the partial file is not known to be ours either.
            &["f", "f.ascp-part", "f.aspx"]
        } else {
            &["f"]
        };
        assert_eq!(it.names(), left, "{what}");
    }
}

#[test]
fn a_partial_file_that_is_a_link_is_replaced_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, b"precious").unwrap();
    let it = Fixture::new(1);
    symlink(&victim, it.path("f.ascp-part")).unwrap();
    assert_eq!(it.open(1, file(b"f", 3)), go(1));
    it.write(1, 0, b"abc");
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(it.names(), ["f"]);
    assert!(!fs::symlink_metadata(it.path("f")).unwrap().is_symlink());
}

#[test]
fn level_one_replaces_a_file_of_another_size_and_skips_one_of_the_same() {
    let it = Fixture::new(1);
    fs::write(it.path("same"), b"abc").unwrap();
    fs::write(it.path("other"), b"abcd").unwrap();
    assert_eq!(it.open(1, file(b"same", 3)), decided(1, Decision::Skip));
    assert_eq!(it.open(2, file(b"other", 3)), go(2));
    it.write(2, 0, b"new");
    assert_eq!(fs::read(it.path("other")).unwrap(), b"abcd");
    assert_eq!(it.commit(2), Ok(()));
    assert_eq!(fs::read(it.path("other")).unwrap(), b"new");
}

#[test]
fn a_users_own_file_named_like_a_control_file_survives() {
    let mut it = Fixture::new(1);
    fs::write(it.path("f.aspx"), b"a web page").unwrap();
    assert_eq!(it.open(1, file(b"f", 5 * CHUNK)), go(1));
    it.write(1, 0, &chunks(4, b'a'));
    it.restart(true, 1);
    assert_eq!(it.names(), ["f.aspx"]);
    assert_eq!(it.open(1, file(b"f", 3)), go(1));
    it.write(1, 0, b"abc");
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(it.path("f.aspx")).unwrap(), b"a web page");
    assert_eq!(it.names(), ["f", "f.aspx"]);
}

#[test]
fn two_objects_of_one_name_do_not_share_a_partial_file() {
    let it = Fixture::new(1);
    assert_eq!(it.open(1, file(b"f", 4)), go(1));
    it.write(1, 0, b"aa");
    assert_eq!(it.open(2, file(b"f", 6)), go(2));
    it.write(2, 0, b"bbb");
    it.write(1, 2, b"aa");
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), b"aaaa");
    it.write(2, 3, b"bbb");
    assert_eq!(it.commit(2), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), b"bbbbbb");
    assert_eq!(it.names(), ["f"]);
}

#[test]
fn two_sessions_do_not_share_a_partial_file() {
    let mut it = Fixture::new(1);
    let size = 4 * CHUNK;
    assert_eq!(it.open(1, file(b"f", size)), go(1));
    it.write(1, 0, &chunks(2, b'a'));
    it.restart(true, 1);
    assert!(matches!(
        it.open(1, file(b"f", size)),
        Completion::Decided {
            decision: Decision::Resume { .. },
            ..
        }
    ));
    let waker = Waker::new().unwrap();
    let other = start(it.folder.path(), 1, Preserve::default(), &waker);
    let object = ObjectId(1);
    let record = file(b"f", size);
    other.submit(Job::Open { object, record });
    assert_eq!(next(&other, &waker), go(1));
    let bytes = chunks(4, b'b');
    other.submit(Job::Write {
        object,
        offset: 0,
        bytes,
    });
    other.submit(Job::Commit {
        object,
        root: None,
        checksum: Vec::new(),
    });
    assert!(matches!(next(&other, &waker), Completion::Written { .. }));
    assert_eq!(finished(next(&other, &waker)), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), chunks(4, b'b'));
    it.write(1, 2 * CHUNK, &chunks(2, b'a'));
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), chunks(4, b'a'));
    assert_eq!(it.names(), ["f"]);
}

#[test]
fn a_partial_file_that_was_replaced_is_not_delivered() {
    let it = Fixture::new(1);
    assert_eq!(it.open(1, file(b"f", 4)), go(1));
    it.write(1, 0, b"aaaa");
    fs::write(it.path("g"), b"evil").unwrap();
    fs::rename(it.path("g"), it.path("f.ascp-part")).unwrap();
    assert_eq!(it.commit(1).unwrap_err().fault, Fault::DiskWrite);
    assert!(!it.path("f").exists());
}

#[test]
fn more_holes_than_a_decision_carries_are_merged() {
    let mut it = Fixture::new(1);
    let size = 400 * CHUNK;
    assert_eq!(it.open(1, file(b"f", size)), go(1));
    for at in 0..200 {
        it.write(1, at * 2 * CHUNK, &chunks(1, 1));
    }
    it.restart(true, 1);
    let Completion::Decided {
        decision: Decision::Resume { missing },
        ..
    } = it.open(1, file(b"f", size))
    else {
        panic!("not resumed");
    };
    assert_eq!(missing.len(), 32);
    for at in 0..200 {
        let hole = ByteRange {
            start: (at * 2 + 1) * CHUNK,
            end: (at * 2 + 2) * CHUNK,
        };
        let covered = missing
            .iter()
            .any(|range| range.start <= hole.start && hole.end <= range.end);
        assert!(covered, "{hole:?}");
    }
}
