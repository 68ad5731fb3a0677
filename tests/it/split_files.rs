//! `--multi-session-threshold`: large files in parts, each part by a session of its own, and whole or not there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::until;
use fasp_tests::tree::{self, Plan};
use rustix::process::Signal;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        sessions_at_once_split_large_files_both_ways
        one_that_is_killed_is_run_again_and_the_file_waits_for_it
        a_source_that_changes_between_the_sessions_is_not_delivered;
    through_sshd = OpenSsh:
        sessions_at_once_split_large_files_both_ways;
}

const PATIENCE: Duration = Duration::from_secs(100);
const LARGE: [(&str, u64); 2] = [("a.bin", 9_400_000), ("folder/b.bin", 5_000_001)];

/// Session `node` of `count`, from here to there or back.
fn session(site: &Site, (node, count): (u32, u32), upload: bool, rate: &str) -> Ascp {
    let ascp = site.ascp().args(["-l", rate, "-L-", "-k", "1", "-C"]);
    let ascp = ascp.args([&format!("{node}:{count}"), "--multi-session-threshold=4M"]);
    match upload {
        true => ascp.arg("tree").arg(site.server.at("in")),
        false => ascp.arg(site.server.at("tree")).arg("in"),
    }
}

/// Small files and two large ones; how many small ones.
fn grow(root: &Path) -> u64 {
    let plan = Plan {
        seed: 78,
        files: 40,
        largest_bytes: 60_000,
        awkward_names: true,
    };
    let small = tree::grow(root, plan).files;
    fs::create_dir_all(root.join("folder")).unwrap();
    for (name, size) in LARGE {
        tree::write_file(&root.join(name), size, size);
    }
    small
}

fn passed(run: &Outcome) -> u64 {
    run.succeeded();
    assert_eq!(crate::logs::counter(&run.err(), "failed"), 0);
    crate::logs::counter(&run.err(), "passed")
}

fn assert_nothing_is_left(root: &Path) {
    let all = tree::paths_below(root);
    let left: Vec<_> = all.iter().filter(|path| path.contains(".asp")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn sessions_at_once_split_large_files_both_ways(site: &Site) {
    for (upload, count) in [(true, 3), (false, 2)] {
        let (from, to) = match upload {
            true => (site.world.local("tree"), site.world.remote("in")),
            false => (site.world.remote("tree"), site.world.local("in")),
        };
        let small = grow(&from);
        let start = |node| {
            session(site, (node, count), upload, "60M")
                .arg("-p")
                .start()
        };
        let running: Vec<_> = (1..=count).map(start).collect();
        let runs = running.into_iter().map(|run| Outcome(run.wait(PATIENCE)));
        let shares: Vec<u64> = runs.map(|run| passed(&run)).collect();
        // Each session has a part of each large file.
        assert_eq!(shares.iter().sum::<u64>(), small + 2 * u64::from(count));
        tree::assert_same(&from, &to.join("tree"));
        assert_nothing_is_left(&to);
        // What is there is there for each of them.
        for node in 1..=count {
            let run = session(site, (node, count), upload, "60M").run();
            assert_eq!(passed(&run), 0);
        }
        tree::assert_same(&from, &to.join("tree"));
        assert_nothing_is_left(&to);
        fs::remove_dir_all(to).unwrap();
        fs::remove_dir_all(from).unwrap();
    }
}

fn one_that_is_killed_is_run_again_and_the_file_waits_for_it(site: &Site) {
    let from = site.world.local("tree");
    grow(&from);
    let to = site.world.remote("in/tree");
    // Slow enough to be at its parts when the others are done with theirs.
    let third = session(site, (3, 3), true, "1M").start();
    let others = [1, 2].map(|node| session(site, (node, 3), true, "60M").start());
    for other in others {
        Outcome(other.wait(PATIENCE)).succeeded();
    }
    until(PATIENCE, || to.join("a.bin.ascp-parts.3").exists());
    third.signal(Signal::KILL);
    assert_eq!(third.wait(PATIENCE).status.code(), None);
    assert!(to.join("a.bin.ascp-parts").exists());
    assert!(!to.join("a.bin").exists(), "a file without its last part");
    // The server may still have the lost session: the part is waited for.
    passed(&session(site, (3, 3), true, "60M").run());
    tree::assert_same(&from, &to);
    assert_nothing_is_left(&to);
}

fn a_source_that_changes_between_the_sessions_is_not_delivered(site: &Site) {
    let from = site.world.local("tree");
    fs::create_dir_all(&from).unwrap();
    let source = from.join("a.bin");
    tree::write_file(&source, 1, 9_000_000);
    let to = site.world.remote("in/tree");
    let modified = fs::metadata(&source).unwrap();
    assert_eq!(passed(&session(site, (1, 2), true, "100M").run()), 1);
    // Other bytes of the same size and time.
    tree::write_file(&source, 2, 9_000_000);
    let time = modified.modified().unwrap();
    fs::File::options()
        .write(true)
        .open(&source)
        .and_then(|file| file.set_modified(time))
        .unwrap();
    assert_eq!(fs::metadata(&source).unwrap().mtime(), modified.mtime());
    let run = session(site, (2, 2), true, "100M").run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    for words in [
        "the source changed between the sessions",
        "run all sessions again",
    ] {
        assert!(run.words().contains(words), "{}", run.words());
    }
    assert_eq!(tree::names_in(&to), Vec::<String>::new());
    for node in [2, 1] {
        assert_eq!(passed(&session(site, (node, 2), true, "100M").run()), 1);
    }
    tree::assert_same(&from, &to);
}
