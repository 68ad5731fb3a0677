//! Partial files: kept, trusted only when they fit, continued.

use super::*;

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
fn an_interrupted_file_is_continued_where_bytes_are_missing() {
    let mut it = Fixture::new(1);
    assert_eq!(it.open(1, file(b"f", 100)), go(1));
    it.write(1, 0, &[b'a'; 10]);
    it.write(1, 50, &[b'c'; 10]);
    it.restart(true, 1);
    assert_eq!(it.names(), ["f.ascp-part", "f.aspx"]);
    let missing = vec![
        ByteRange { start: 10, end: 50 },
        ByteRange {
            start: 60,
            end: 100,
        },
    ];
    assert_eq!(
        it.open(1, file(b"f", 100)),
        decided(1, Decision::Resume { missing })
    );
    it.write(1, 10, &[b'b'; 40]);
    it.submit(Job::Zeros {
        object: ObjectId(1),
        offset: 60,
        len: 40,
    });
    assert!(matches!(it.next(), Completion::Written { bytes: 40, .. }));
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(it.names(), ["f"]);
    let expected = [&[b'a'; 10][..], &[b'b'; 40], &[b'c'; 10], &[0; 40]].concat();
    assert_eq!(fs::read(it.path("f")).unwrap(), expected);
    it.restart(true, 1);
    assert_eq!(it.open(1, file(b"f", 100)), decided(1, Decision::Skip));
}

#[test]
fn zeros_over_stale_bytes_of_a_partial_file_are_zeros() {
    let mut it = Fixture::new(1);
    assert_eq!(it.open(1, file(b"f", 10_000)), go(1));
    it.write(1, 0, b"a");
    it.restart(true, 1);
    // Bytes that reached the disk after the last note.
    fs::write(it.path("f.ascp-part"), [b'?'; 10_000]).unwrap();
    assert!(matches!(
        it.open(1, file(b"f", 10_000)),
        Completion::Decided {
            decision: Decision::Resume { .. },
            ..
        }
    ));
    it.submit(Job::Zeros {
        object: ObjectId(1),
        offset: 1,
        len: 9_999,
    });
    assert!(matches!(it.next(), Completion::Written { .. }));
    assert_eq!(it.commit(1), Ok(()));
    assert!(
        fs::read(it.path("f")).unwrap()[1..]
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn a_partial_file_is_not_continued_for_another_source_or_with_a_torn_note() {
    type Spoil = fn(&Fixture, &mut OwnedRecord);
    let spoilers: [(&str, Spoil); 6] = [
        ("size", |_, record| record.size = 99),
        ("time", |_, record| record.modified_ns += 1),
        ("torn", |it, _| {
            let bytes = fs::read(it.path("f.aspx")).unwrap();
            fs::write(it.path("f.aspx"), &bytes[..bytes.len() - 1]).unwrap();
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
        assert_eq!(it.open(1, file(b"f", 100)), go(1));
        it.write(1, 0, &[b'x'; 90]);
        it.restart(true, 1);
        let mut record = file(b"f", 100);
        spoil(&it, &mut record);
        let size = usize::try_from(record.size).unwrap();
        assert_eq!(it.open(1, record), go(1), "{what}");
        it.write(1, 0, &vec![b'y'; size]);
        assert_eq!(it.commit(1), Ok(()), "{what}");
        assert_eq!(fs::read(it.path("f")).unwrap(), vec![b'y'; size], "{what}");
        // What is not a note of ours is not ours to remove.
        let left: &[&str] = if what == "foreign" {
            &["f", "f.aspx"]
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
    symlink(&victim, it.path("f.aspx")).unwrap();
    assert_eq!(it.open(1, file(b"f", 3)), go(1));
    it.write(1, 0, b"abc");
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert_eq!(it.names(), ["f", "f.aspx"]);
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
    assert_eq!(it.open(1, file(b"f", 100)), go(1));
    it.write(1, 0, b"abc");
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
    assert_eq!(it.open(1, file(b"f", 4)), go(1));
    it.write(1, 0, b"aa");
    it.restart(true, 1);
    assert!(matches!(
        it.open(1, file(b"f", 4)),
        Completion::Decided { .. }
    ));
    let waker = Waker::new().unwrap();
    let other = start(it.folder.path(), 1, Preserve::default(), &waker);
    let object = ObjectId(1);
    let record = file(b"f", 4);
    other.submit(Job::Open { object, record });
    assert_eq!(next(&other, &waker), go(1));
    let bytes = b"bbbb".to_vec();
    other.submit(Job::Write {
        object,
        offset: 0,
        bytes,
    });
    other.submit(Job::Commit { object });
    assert!(matches!(next(&other, &waker), Completion::Written { .. }));
    assert_eq!(finished(next(&other, &waker)), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), b"bbbb");
    it.write(1, 2, b"aa");
    assert_eq!(it.commit(1), Ok(()));
    assert_eq!(fs::read(it.path("f")).unwrap(), b"aaaa");
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
    assert_eq!(it.open(1, file(b"f", 10_000)), go(1));
    for at in 0..200 {
        it.write(1, at * 50, &[1; 20]);
    }
    it.restart(true, 1);
    let Completion::Decided {
        decision: Decision::Resume { missing },
        ..
    } = it.open(1, file(b"f", 10_000))
    else {
        panic!("not resumed");
    };
    assert_eq!(missing.len(), 64);
    for at in 0..200 {
        let hole = ByteRange {
            start: at * 50 + 20,
            end: at * 50 + 50,
        };
        let covered = missing
            .iter()
            .any(|range| range.start <= hole.start && hole.end <= range.end);
        assert!(covered, "{hole:?}");
    }
}
