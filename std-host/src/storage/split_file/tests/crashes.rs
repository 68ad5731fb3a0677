//! A crash between any two storage calls of sessions that share a file, and what those that are run again make of it.

use std::os::fd::OwnedFd;

use super::super::plan::PlanFile;
use super::*;
use crate::storage::crash_tests::forgetful_disk::{Crash, ForgetfulDisk, Random, lay_out};
use crate::storage::disk::recording::{self, Change};

/// Two sessions, one of them broken off and run again; what storage was told, and how often part 1 is durable.
fn tell(source: &Source) -> Vec<Change> {
    let folder = scratch();
    recording::begin();
    let mut first = Session::new(folder.path(), (1, 2), 1, source);
    first.open().unwrap();
    first.receive(ByteRange {
        start: 0,
        end: 5 * PIECE,
    });
    first.stop();
    for node in [2, 1] {
        Session::new(folder.path(), (node, 2), 1, source)
            .run()
            .unwrap();
    }
    assert_joined(folder.path(), source);
    recording::end()
}

/// The plan names its common file by a number, which is another one where the files are laid out.
fn renumber(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let Ok(common) = fs::metadata(path.join("f.ascp-parts")) else {
        return;
    };
    let plan = fs::File::options()
        .read(true)
        .write(true)
        .open(path.join("f.ascp-parts.plan"));
    let Ok(plan) = plan else { return };
    let (mut file, found) = PlanFile::read(OwnedFd::from(plan)).unwrap();
    if let Some(mut found) = found {
        found.inode = common.ino();
        file.save(&found).unwrap();
    }
}

#[test]
fn whatever_a_crash_leaves_becomes_the_file_and_never_a_wrong_one() {
    let source = Source::new(21, 2 * CUT + 300, 9);
    let log = tell(&source);
    let mut random = Random(4);
    let mut points = 0;
    for at in 0..=log.len() {
        let kinds = [Crash::OfProcess, Crash::NothingKept, Crash::SomeKept];
        let crash = kinds[random.below(3)];
        let mut disk = ForgetfulDisk::default();
        log[..at].iter().for_each(|change| disk.note(change));
        let left = disk.after(crash, &mut random);
        let context = format!("{at} of {}, {crash:?}", log.len());
        if let Some(whole) = left.get(&b"f"[..]) {
            assert!(
                *whole == source.bytes,
                "{context}: a torn file has its name"
            );
        }
        let folder = scratch();
        lay_out(&left, folder.path());
        renumber(folder.path());
        let is_there = left.contains_key(&b"f"[..]);
        for node in [1, 2] {
            let mut session = Session::new(folder.path(), (node, 2), 1, &source);
            if folder.path().join("f").exists() {
                // Before, or by the session that was run again first.
                assert_eq!(session.open(), Ok(Decision::Skip), "{context}");
            } else if let Err(failure) = session.run() {
                panic!("{context}: part {node}: {failure:?}");
            }
        }
        assert!(
            fs::read(folder.path().join("f")).unwrap() == source.bytes,
            "{context}: wrong bytes"
        );
        // A note on its way to its name may stay, as beside any file.
        let is_known = |name: &String| name == "f" || name.starts_with('.') || is_there;
        assert!(
            names(folder.path()).iter().all(is_known),
            "{context}: {:?}",
            names(folder.path())
        );
        points += 1;
    }
    assert!(points > 40, "{points}");
}
