//! Full disks, quotas, read-only folders and many open files.

use super::*;

/// A file system of its own, if the test may mount one.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: this user may not mount a file system");
        }
        mounted.then(|| Self(at.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn a_full_disk_fails_the_file_and_gives_the_credit_back() {
    for resume_level in [0, 1] {
        let it = Fixture::new(resume_level);
        fs::create_dir(it.path("m")).unwrap();
        let Some(_mounted) = Mounted::tmpfs(&it.path("m"), "size=1m") else {
            return;
        };
        assert_eq!(it.open(1, file(b"m/f", 4_000_000)), go(1));
        let mut failures = Vec::new();
        let mut credit = 0;
        for at in 0..4 {
            it.submit(Job::Write {
                object: ObjectId(1),
                offset: at * 1_000_000,
                bytes: vec![b'x'; 1_000_000],
            });
        }
        while credit < 4_000_000 {
            match it.next() {
                Completion::Written { bytes, .. } => credit += bytes,
                other => failures.push(finished(other).unwrap_err()),
            }
        }
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].fault, Fault::NoSpaceLeft);
        assert_eq!(failures[0].text, "No space left on disk: m/f");
        assert!(!it.path("m/f").exists());
        if resume_level == 0 {
            assert_eq!(fs::read_dir(it.path("m")).unwrap().count(), 0);
            // The kernel may take a moment to give the room back.
            let room_again = (0..100).any(|tried: u64| {
                std::thread::sleep(std::time::Duration::from_millis(tried));
                it.whole(file(b"m/small", 3), b"abc").is_ok()
            });
            assert!(room_again, "the room of the failed file is lost");
        }
    }
}

#[test]
fn a_full_disk_keeps_what_can_be_continued() {
    let mut it = Fixture::new(1);
    fs::create_dir(it.path("m")).unwrap();
    let mounted = Mounted::tmpfs(&it.path("m"), "size=1m");
    if mounted.is_none() {
        return;
    }
    let size = 2_000 * 1_024;
    assert_eq!(it.open(1, file(b"m/f", size)), go(1));
    let mut failed = false;
    for at in 0..200_u64 {
        it.submit(Job::Write {
            object: ObjectId(1),
            offset: at * 10_240,
            bytes: vec![b'x'; 10_240],
        });
    }
    let mut written = 0;
    while written < 200 {
        match it.next() {
            Completion::Written { .. } => written += 1,
            other => failed |= finished(other).unwrap_err().fault == Fault::NoSpaceLeft,
        }
    }
    assert!(failed);
    let names = || {
        let mut names: Vec<_> = fs::read_dir(it.path("m"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["f.ascp-part", "f.aspx"]);
    it.restart(true, 1);
    let Completion::Decided {
        decision: Decision::Resume { missing },
        ..
    } = it.open(1, file(b"m/f", size))
    else {
        panic!("not kept");
    };
    let absent: u64 = missing.iter().map(|range| range.end - range.start).sum();
    assert!(
        size - absent > 800_000,
        "{absent} of {size} bytes are to be sent again"
    );
    // Everything below the mount point must be closed before it goes.
    assert!(it.writer.take().unwrap().stop(true).is_empty());
}

#[test]
fn a_read_only_target_is_named_as_such() {
    let it = Fixture::new(0);
    fs::create_dir(it.path("m")).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&it.path("m"), "ro") else {
        return;
    };
    let failure = it.whole(file(b"m/f", 1), b"x").unwrap_err();
    assert_eq!(failure.fault, Fault::ReadOnlyFileSystem);
    let failure = it.whole(folder(b"m/d", 0o755), b"").unwrap_err();
    assert_eq!(failure.fault, Fault::ReadOnlyFileSystem);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_refused() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root may write everywhere");
        return;
    }
    let it = Fixture::new(0);
    fs::create_dir(it.path("d")).unwrap();
    fs::set_permissions(it.path("d"), fs::Permissions::from_mode(0o555)).unwrap();
    let failure = it.whole(file(b"d/f", 1), b"x").unwrap_err();
    assert_eq!(failure.fault, Fault::NoPermissions);
}

#[test]
fn many_unfinished_files_need_few_descriptors_and_all_arrive() {
    let it = Fixture::new(0);
    let writer = it.writer.as_ref().unwrap();
    let count = 700_u32;
    for round in 0..2_u8 {
        for object in 1..=count {
            let id = ObjectId(object);
            if round == 0 {
                let name = format!("f{object}");
                let record = file(name.as_bytes(), 8);
                writer.submit(Job::Open { object: id, record });
            }
            let offset = u64::from(round) * 4;
            let bytes = object.to_be_bytes().to_vec();
            writer.submit(Job::Write {
                object: id,
                offset,
                bytes,
            });
        }
        let mut written = 0;
        while written < count {
            match it.next() {
                Completion::Written { .. } => written += 1,
                Completion::Decided { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        let open = it.open_files();
        assert!(open <= MOST_OPEN_SEEN, "{open} open");
    }
    for object in 1..=count {
        writer.submit(Job::Commit {
            object: ObjectId(object),
            root: None,
            checksum: Vec::new(),
        });
    }
    let mut results: HashMap<u32, Result<(), Failure>> = HashMap::new();
    while results.len() < usize::try_from(count).unwrap() {
        match it.next() {
            Completion::Finished { object, result } => {
                results.insert(object.0, result);
            }
            Completion::Decided { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(results.values().all(Result::is_ok));
    for object in 1..=count {
        let half = object.to_be_bytes();
        let content = fs::read(it.path(&format!("f{object}"))).unwrap();
        assert_eq!(content, [half, half].concat());
    }
}

#[test]
fn many_complete_files_need_few_descriptors_and_all_arrive() {
    let it = Fixture::new(1);
    let writer = it.writer.as_ref().unwrap();
    let count = 2_000_u32;
    for object in 1..=count {
        let id = ObjectId(object);
        let name = format!("f{object}");
        let record = file(name.as_bytes(), 4);
        writer.submit(Job::Open { object: id, record });
        writer.submit(Job::Write {
            object: id,
            offset: 0,
            bytes: object.to_be_bytes().to_vec(),
        });
        writer.submit(Job::Commit {
            object: id,
            root: None,
            checksum: Vec::new(),
        });
    }
    let (mut arrived, mut most) = (0, 0);
    while arrived < count {
        match it.next() {
            Completion::Finished { result: Ok(()), .. } => arrived += 1,
            Completion::Decided { .. } | Completion::Written { .. } => continue,
            other => panic!("{other:?}"),
        }
        if arrived % 50 == 0 {
            most = most.max(it.open_files());
        }
    }
    // Those of the writers, those that are complete, the handles of folders and the root.
    assert!(most <= 256 + 256 + 8, "{most} open");
    for object in 1..=count {
        assert_eq!(
            fs::read(it.path(&format!("f{object}"))).unwrap(),
            object.to_be_bytes()
        );
    }
}

/// The bound of the writers, the handles of folders and the root.
const MOST_OPEN_SEEN: usize = 256 + 8;

#[test]
fn buffers_come_back_from_the_pool() {
    let it = Fixture::new(0);
    let writer = it.writer.as_ref().unwrap();
    assert_eq!(it.open(1, file(b"f", 100_000)), go(1));
    it.write(1, 0, &[1; 100_000]);
    let buffer = writer.take_buffer();
    assert!(buffer.is_empty() && buffer.capacity() >= 100_000);
    assert_eq!(writer.take_buffer().capacity(), 0);
}

#[test]
#[ignore = "measures speed"]
fn speed_of_one_large_file() {
    for resume_level in [0, 1] {
        let it = Fixture::new(resume_level);
        let writer = it.writer.as_ref().unwrap();
        assert_eq!(it.open(1, file(b"f", 1 << 30)), go(1));
        let begin = Instant::now();
        let mut offset = 0;
        let mut written = 0_u64;
        while written < 1 << 30 {
            while offset < 1 << 30 && writer.queued_bytes() < 16 << 20 {
                let mut bytes = writer.take_buffer();
                bytes.resize(1 << 20, 7);
                let object = ObjectId(1);
                writer.submit(Job::Write {
                    object,
                    offset,
                    bytes,
                });
                offset += 1 << 20;
            }
            if let Completion::Written { bytes, .. } = it.next() {
                written += bytes;
            }
        }
        assert_eq!(it.commit(1), Ok(()));
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "-k{resume_level}: 1 GiB in {seconds:.3} s: {:.2} GB/s",
            1.073 / seconds
        );
    }
}

#[test]
#[ignore = "measures speed"]
fn speed_of_small_whole_files() {
    for base in ["/tmp", "/dev/shm"] {
        let folder = tempfile::tempdir_in(base).unwrap();
        let it = Fixture::with(folder, 0, Preserve::default());
        let writer = it.writer.as_ref().unwrap();
        let count = 20_000_u32;
        let begin = Instant::now();
        let mut sent = 0;
        let mut done = 0;
        while done < count {
            while sent < count && sent < done + 2_000 {
                sent += 1;
                let name = format!("f{sent}");
                writer.submit(Job::Whole {
                    object: ObjectId(sent),
                    record: file(name.as_bytes(), 1_000),
                    bytes: vec![7; 1_000],
                });
            }
            if let Completion::Finished { result, .. } = it.next() {
                result.unwrap();
                done += 1;
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{base}: {count} files in {seconds:.3} s: {:.0} files/s",
            f64::from(count) / seconds
        );
    }
}
