//! Several `ascp` with `-C`, as on several machines: together they transfer everything, each file once, whatever order
//! they start and end in.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::tree::{self, Plan};
use rustix::process::Signal;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        sessions_at_once_share_a_tree_both_ways
        one_that_is_killed_is_run_again
        sources_go_when_their_own_session_has_sent_them;
    through_sshd = OpenSsh:
        sessions_at_once_share_a_tree_both_ways;
}

const PATIENCE: Duration = Duration::from_secs(100);

/// Session `node` of `count`, from here to there or back; its destination is not there when the first one starts.
fn session(site: &Site, (node, count): (u32, u32), upload: bool) -> Ascp {
    // Together no more than a busy machine takes.
    let ascp = site
        .ascp()
        .args(["-l", "60M", "-L-", "-C", &format!("{node}:{count}")]);
    match upload {
        true => ascp.arg("tree").arg(site.server.at("in")),
        false => ascp.arg(site.server.at("tree")).arg("in"),
    }
}

fn grow(root: &Path, files: u32) -> u64 {
    let plan = Plan {
        seed: 77,
        files,
        largest_bytes: 200_000,
        awkward_names: true,
    };
    tree::grow(root, plan).files
}

fn passed(runs: &[Outcome]) -> Vec<u64> {
    let counted = runs.iter().map(|run| {
        run.succeeded();
        assert_eq!(crate::logs::counter(&run.err(), "failed"), 0);
        crate::logs::counter(&run.err(), "passed")
    });
    counted.collect()
}

/// The names in the manifests of a folder, which are as many as sessions; none may be there twice.
fn names_in_manifests(folder: &Path, count: usize) -> BTreeSet<String> {
    let manifests = tree::names_in(folder);
    assert_eq!(manifests.len(), count, "{manifests:?}");
    let mut names = BTreeSet::new();
    for manifest in manifests {
        let text = fs::read_to_string(folder.join(manifest)).unwrap();
        for line in text.lines().filter(|line| line.starts_with("ok ")) {
            let name = line.split_once('"').unwrap().1;
            assert!(names.insert(name.to_owned()), "twice: {line}");
        }
    }
    names
}

fn sessions_at_once_share_a_tree_both_ways(site: &Site) {
    for (upload, count) in [(true, 3), (false, 2)] {
        let (from, to) = match upload {
            true => (site.world.local("tree"), site.world.remote("in")),
            false => (site.world.remote("tree"), site.world.local("in")),
        };
        let files = grow(&from, 150);
        let manifests = site.world.root().join(format!("manifests{count}"));
        fs::create_dir(&manifests).unwrap();
        let running: Vec<_> = (1..=count)
            .map(|node| {
                let mut path = std::ffi::OsString::from("--file-manifest-path=");
                path.push(&manifests);
                session(site, (node, count), upload)
                    .args(["-p", "--precalculate-job-size", "--file-manifest=text"])
                    .arg(path)
                    .start()
            })
            .collect();
        let runs = running.into_iter().map(|run| Outcome(run.wait(PATIENCE)));
        let shares = passed(&runs.collect::<Vec<_>>());
        assert_eq!(shares.iter().sum::<u64>(), files, "{shares:?}");
        assert!(shares.iter().all(|share| *share > 20), "{shares:?}");
        tree::assert_same(&from, &to.join("tree"));
        let names = names_in_manifests(&manifests, count as usize);
        assert_eq!(names.len() as u64, files);
        // One after the other, the last one first, over what is there: nothing is sent twice.
        for node in (1..=count).rev() {
            let run = session(site, (node, count), upload).args(["-k", "1"]).run();
            assert_eq!(passed(&[run]), [0]);
        }
        tree::assert_same(&from, &to.join("tree"));
        fs::remove_dir_all(to).unwrap();
        fs::remove_dir_all(from).unwrap();
    }
}

fn one_that_is_killed_is_run_again(site: &Site) {
    let from = site.world.local("tree");
    for number in 0..12 {
        tree::write_file(&from.join(format!("f{number}")), number, 3_000_000);
    }
    let slow = |node| session(site, (node, 2), true).args(["-k", "1", "-l", "30M"]);
    let (first, second) = (slow(1).start(), slow(2).start());
    let to = site.world.remote("in/tree");
    // Killed as soon as anything of it is there.
    while !to.is_dir() || tree::names_in(&to).is_empty() {
        std::thread::sleep(Duration::from_millis(2));
    }
    second.signal(Signal::KILL);
    let killed = second.wait(PATIENCE);
    assert_eq!(killed.status.code(), None);
    Outcome(first.wait(PATIENCE)).succeeded();
    for (number, path) in (0..12).map(|number| (number, to.join(format!("f{number}")))) {
        if path.exists() {
            tree::assert_same(&from.join(format!("f{number}")), &path);
        }
    }
    // The server may still have the lost session; the partial file that it holds is then received anew.
    session(site, (2, 2), true)
        .args(["-k", "1"])
        .run()
        .succeeded();
    for number in 0..12 {
        let name = format!("f{number}");
        tree::assert_same(&from.join(&name), &to.join(&name));
    }
}

fn sources_go_when_their_own_session_has_sent_them(site: &Site) {
    for upload in [true, false] {
        let (from, to) = match upload {
            true => (site.world.local("tree"), site.world.remote("in")),
            false => (site.world.remote("tree"), site.world.local("in")),
        };
        let kept = site.world.root().join("kept");
        grow(&from, 60);
        grow(&kept, 60);
        let running: Vec<_> = (1..=2)
            .map(|node| {
                session(site, (node, 2), upload)
                    .arg("--remove-after-transfer")
                    .start()
            })
            .collect();
        for run in running {
            Outcome(run.wait(PATIENCE)).succeeded();
        }
        tree::assert_same(&kept, &to.join("tree"));
        let left = tree::paths_below(&from);
        assert!(
            left.iter()
                .all(|path| path.is_empty() || path.ends_with('/')),
            "{left:?}"
        );
        for folder in [kept, from, to] {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}
