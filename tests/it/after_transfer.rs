//! Sources after their transfer, at the client in an upload and at the server in a download.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fasp_tests::client::Outcome;
use fasp_tests::tree;
use fasp_tests::world::SmallDisk;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        every_row_holds_both_ways
        what_was_there_already_goes_only_with_remove_skipped
        a_file_that_failed_stays_and_so_do_folders
        a_source_that_changes_before_its_result_stays
        an_archive_where_none_can_be_is_told;
    through_sshd = OpenSsh:
        every_row_holds_both_ways;
}

struct Row {
    says: &'static str,
    options: &'static [&'static str],
    sources: &'static [&'static str],
    /// What is left of the sources.
    left: &'static [&'static str],
}

/// The sources: `d` = { `a`, `s/b`, `empty/` }, `p/f`.
const FILES: [&str; 3] = ["d/a", "d/s/b", "p/f"];

const TABLE: &[Row] = &[
    Row {
        says: "nothing is wished",
        options: &[],
        sources: &["d", "p/f"],
        left: &["d/", "d/a", "d/empty/", "d/s/", "d/s/b", "p/", "p/f"],
    },
    Row {
        says: "files go, folders stay",
        options: &["--remove-after-transfer"],
        sources: &["d", "p/f"],
        left: &["d/", "d/empty/", "d/s/", "p/"],
    },
    Row {
        says: "empty folders go, the source stays",
        options: &["--remove-after-transfer", "--remove-empty-directories"],
        sources: &["d/"],
        left: &["d/", "p/", "p/f"],
    },
    Row {
        says: "the source goes too",
        options: &[
            "--remove-after-transfer",
            "--remove-empty-directories",
            "--remove-empty-source-directory",
        ],
        sources: &["d"],
        left: &["p/", "p/f"],
    },
    Row {
        says: "the parent of a single file goes if it is empty",
        options: &["--remove-after-transfer", "--remove-empty-directories"],
        sources: &["p/f"],
        left: &["d/", "d/a", "d/empty/", "d/s/", "d/s/b"],
    },
    Row {
        says: "folders that were empty before go, files stay",
        options: &["--remove-empty-directories"],
        sources: &["d"],
        left: &["d/", "d/a", "d/s/", "d/s/b", "p/", "p/f"],
    },
    Row {
        says: "files move, folders stay, empty ones are not archived",
        options: &["--move-after-transfer=ARCHIVE/in/it"],
        sources: &["d", "p/f"],
        left: &[
            "d/",
            "d/empty/",
            "d/s/",
            "old/",
            "old/in/",
            "old/in/it/",
            "old/in/it/d/",
            "old/in/it/d/a",
            "old/in/it/d/s/",
            "old/in/it/d/s/b",
            "old/in/it/f",
            "p/",
        ],
    },
    Row {
        says: "files move, then empty folders go",
        options: &[
            "--move-after-transfer=ARCHIVE",
            "--remove-empty-directories",
        ],
        sources: &["d"],
        left: &[
            "d/",
            "old/",
            "old/d/",
            "old/d/a",
            "old/d/s/",
            "old/d/s/b",
            "p/",
            "p/f",
        ],
    },
];

fn grow(root: &Path) {
    let _ = fs::remove_dir_all(root);
    for (seed, name) in (1..).zip(FILES) {
        tree::write_file(&root.join(name), seed, 70_000);
    }
    fs::create_dir_all(root.join("d/empty")).unwrap();
}

/// The folders of the sources and of the destination, and the run of `options` on `sources`.
fn run(
    site: &Site,
    upload: bool,
    world: &str,
    options: &[&str],
    sources: &[&str],
) -> (PathBuf, PathBuf, Outcome) {
    let (here, there) = (site.world.local(world), site.world.remote(world));
    let (from, to) = if upload {
        (here.clone(), there.join("to"))
    } else {
        (there, here.join("to"))
    };
    fs::create_dir_all(&to).unwrap();
    fs::create_dir_all(&here).unwrap();
    let archive = if upload {
        "old".to_owned()
    } else {
        site.server
            .path(format!("{world}/old"))
            .into_string()
            .unwrap()
    };
    let options = options
        .iter()
        .map(|option| option.replace("ARCHIVE", &archive));
    let ascp = site.ascp().args(options).current_dir(&here);
    let outcome = if upload {
        let destination = site.server.at(format!("{world}/to"));
        ascp.args(sources).arg(destination).run()
    } else {
        let sources = sources
            .iter()
            .map(|source| site.server.at(format!("{world}/{source}")));
        ascp.args(sources).arg("to").run()
    };
    (from, to, outcome)
}

fn every_row_holds_both_ways(site: &Site) {
    for (number, row) in TABLE.iter().enumerate() {
        for upload in [true, false] {
            let world = format!("row{number}{upload}");
            let root = if upload {
                site.world.local(&world)
            } else {
                site.world.remote(&world)
            };
            grow(&root);
            let kept = site.world.root().join(format!("kept-{world}"));
            grow(&kept);
            let (from, to, outcome) = run(site, upload, &world, row.options, row.sources);
            outcome.succeeded();
            let case = format!("{}, upload {upload}", row.says);
            assert_eq!(tree::paths_below(&from), row.left, "{case}");
            for source in row.sources {
                let source = source.trim_end_matches('/');
                let name = source.rsplit('/').next().unwrap();
                tree::assert_same(&kept.join(source), &to.join(name));
            }
        }
    }
}

fn what_was_there_already_goes_only_with_remove_skipped(site: &Site) {
    for upload in [true, false] {
        for (number, options) in [
            &["-k1", "--remove-after-transfer"][..],
            &["-k1", "--remove-after-transfer", "--remove-skipped"],
        ]
        .into_iter()
        .enumerate()
        {
            let world = format!("skip{number}{upload}");
            let (here, there) = (site.world.local(&world), site.world.remote(&world));
            let (from, to) = if upload {
                (here, there.join("to"))
            } else {
                (there, here.join("to"))
            };
            grow(&from);
            tree::write_file(&to.join("d/a"), 1, 70_000);
            let (_, _, outcome) = run(site, upload, &world, options, &["d"]);
            outcome.succeeded();
            assert_eq!(from.join("d/a").exists(), number == 0, "{options:?}");
            assert!(!from.join("d/s/b").exists());
        }
    }
}

fn a_file_that_failed_stays_and_so_do_folders(site: &Site) {
    for upload in [true, false] {
        let world = format!("fail{upload}");
        let (here, there) = (site.world.local(&world), site.world.remote(&world));
        let (from, to) = if upload {
            (here, there.join("to"))
        } else {
            (there, here.join("to"))
        };
        grow(&from);
        // A folder where the file must go.
        fs::create_dir_all(to.join("d/a/in the way")).unwrap();
        let options = ["--remove-after-transfer", "--remove-empty-directories"];
        let (_, _, outcome) = run(site, upload, &world, &options, &["d"]);
        outcome.failed_with(&["Expected regular file"]);
        let left = tree::paths_below(&from.join("d"));
        assert_eq!(left, ["a", "empty/", "s/"], "upload {upload}");
    }
}

fn a_source_that_changes_before_its_result_stays(site: &Site) {
    for upload in [true, false] {
        let world = format!("change{upload}");
        let (here, there) = (site.world.local(&world), site.world.remote(&world));
        let from = if upload { here.clone() } else { there };
        fs::create_dir_all(&here).unwrap();
        let big = from.join("big");
        tree::write_file(&big, 1, 2_000_000);
        tree::write_file(&from.join("small"), 1, 20);
        let ascp = site
            .ascp()
            .args(["--remove-after-transfer", "-l", "10M"])
            .current_dir(&here);
        let remote = |name: &str| site.server.at(format!("{world}/{name}"));
        let running = if upload {
            let into = site.world.remote(format!("{world}/to"));
            fs::create_dir_all(into).unwrap();
            ascp.args(["small", "big"]).arg(remote("to")).start()
        } else {
            fs::create_dir_all(here.join("to")).unwrap();
            ascp.arg(remote("small"))
                .arg(remote("big"))
                .arg("to")
                .start()
        };
        std::thread::sleep(Duration::from_millis(1_000));
        // Its bytes, size and time stay as they are: it is sent, but it is not surely the same.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(&big, mode).unwrap();
        let ended = Outcome(running.wait(Duration::from_secs(30)));
        ended.failed_with(&["was changed after it was sent and stays where it is"]);
        assert!(
            big.exists() && !from.join("small").exists(),
            "upload {upload}"
        );
        assert!(ended.out().contains("in 2 files"), "{}", ended.words());
    }
}

fn an_archive_where_none_can_be_is_told(site: &Site) {
    grow(&site.world.local("arch"));
    let move_to = |folder: &str| {
        let option = format!("--move-after-transfer={folder}");
        let (from, _, outcome) = run(site, true, "arch", &[&option], &["d"]);
        assert!(from.join("d/a").exists(), "{folder}");
        outcome
    };
    move_to("d/old").failed_with(&["the archive d/old lies in the source d"]);
    move_to("p/f/old").failed_with(&["the archive cannot be used, sources stay"]);
    grow(&site.world.remote("arch"));
    let inside = site.server.path("arch/d/s").into_string().unwrap();
    let option = format!("--move-after-transfer={inside}");
    let (from, _, outcome) = run(site, false, "arch", &[&option], &["d"]);
    outcome.failed_with(&["lies in the source"]);
    let (_, _, outcome) = run(
        site,
        false,
        "arch",
        &["--move-after-transfer=../../out"],
        &["d"],
    );
    outcome.failed_with(&["docroot"]);
    assert!(from.join("d/a").exists());
    let mount = site.world.local("arch/disk");
    if let Some(_disk) = SmallDisk::mount(&mount, 1 << 20) {
        move_to("disk/old").failed_with(&["the archive is on another file system"]);
        assert!(mount.join("old").is_dir(), "it is made all the same");
    }
}
