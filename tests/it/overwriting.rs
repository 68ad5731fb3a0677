//! What becomes of files that are at the destination already: `--overwrite` crossed with `-k`, and what is kept of them.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::tree;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        every_rule_with_every_level_holds_both_ways
        a_replaced_file_is_kept_both_ways
        a_download_has_the_suffix_of_the_users_until_it_is_complete
        what_the_source_has_not_is_deleted_first_both_ways
        nothing_is_deleted_for_a_source_that_cannot_be_read_wholly
        what_rules_and_times_leave_out_is_spared_as_by_others
        deleting_is_refused_where_it_could_hit_something_else;
}

/// Seconds since 1970 of every source.
const NOON: u64 = 1_700_000_000;

/// What stands at the destination: `bytes` are those of the source, `other` are not, and `longer` is one byte more.
const THERE: [(&str, i64); 9] = [
    ("bytes", -50),
    ("bytes", 0),
    ("bytes", 50),
    ("other", -50),
    ("other", 0),
    ("other", 50),
    ("longer", -50),
    ("longer", 0),
    ("longer", 50),
];

/// Which of [`THERE`] are replaced: `x`.
const TABLE: [(&str, [&str; 4]); 5] = [
    ("never", ["... ... ..."; 4]),
    ("always", ["xxx xxx xxx"; 4]),
    (
        "diff",
        ["xxx xxx xxx", "... ... xxx", "... xxx xxx", "... xxx xxx"],
    ),
    (
        "diff+older",
        ["x.. x.. x..", "... ... x..", "... x.. x..", "... x.. x.."],
    ),
    ("older", ["x.. x.. x.."; 4]),
];

fn set_time(path: &Path, seconds: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}

fn name(number: usize) -> String {
    format!("t/f{number}")
}

/// Sources below `from`, and what is there already below `to`.
fn grow(from: &Path, to: &Path) -> Vec<u64> {
    let _ = fs::remove_dir_all(to);
    tree::write_file(&from.join("t/new"), 77, 3_000);
    let there = THERE.iter().enumerate().map(|(number, (what, age))| {
        let (source, target) = (from.join(name(number)), to.join(name(number)));
        let seed = number as u64;
        tree::write_file(&source, seed, 3_000);
        set_time(&source, NOON);
        match *what {
            "bytes" => tree::write_file(&target, seed, 3_000),
            "other" => tree::write_file(&target, seed + 100, 3_000),
            _ => tree::write_file(&target, seed, 3_001),
        }
        set_time(&target, NOON.checked_add_signed(*age).unwrap());
        fs::metadata(&target).unwrap().ino()
    });
    there.collect()
}

fn check(
    row: &str,
    level: usize,
    case: &str,
    roots: (&Path, &Path),
    before: &[u64],
    run: &Outcome,
) {
    run.succeeded();
    let (from, to) = roots;
    tree::assert_same(&from.join("t/new"), &to.join("t/new"));
    let marks = row.chars().filter(|mark| *mark != ' ');
    for (((number, mark), inode), there) in marks.enumerate().zip(before).zip(THERE) {
        let target = to.join(name(number));
        let replaced = fs::metadata(&target).unwrap().ino() != *inode;
        assert_eq!(replaced, mark == 'x', "{case} -k{level} {there:?}");
        if replaced {
            tree::assert_same(&from.join(name(number)), &target);
        }
    }
    let log = run.err();
    let skipped = row.matches('.').count() as u64;
    assert_eq!(
        crate::logs::counter(&log, "skipped"),
        skipped,
        "{case} -k{level} {log}"
    );
    assert_eq!(
        crate::logs::counter(&log, "passed"),
        10 - skipped,
        "{case} -k{level} {log}"
    );
}

fn every_rule_with_every_level_holds_both_ways(site: &Site) {
    let (here, there) = (site.world.local("w"), site.world.remote("w"));
    for (rule, rows) in TABLE {
        for (level, row) in rows.into_iter().enumerate() {
            for upload in [true, false] {
                let (from, to) = if upload {
                    (&here, &there)
                } else {
                    (&there, &here)
                };
                let before = grow(from, to);
                let open: Vec<File> = (0..THERE.len())
                    .map(|number| File::open(to.join(name(number))).unwrap())
                    .collect();
                let spelling = match level % 2 {
                    0 => vec![format!("--overwrite={rule}")],
                    _ => vec!["-o".to_owned(), format!("Overwrite={rule}")],
                };
                let ascp = site
                    .ascp()
                    .args(spelling)
                    .args(["-k", &level.to_string(), "-L-"])
                    .current_dir(&here);
                let run = if upload {
                    ascp.arg("t").arg(site.server.at("w")).run()
                } else {
                    ascp.arg(site.server.at("w/t")).arg(".").run()
                };
                let case = format!("--overwrite={rule}, upload {upload}");
                check(row, level, &case, (from, to), &before, &run);
                drop(open);
                fs::remove_dir_all(from).unwrap();
            }
        }
    }
}

fn a_replaced_file_is_kept_both_ways(site: &Site) {
    for upload in [true, false] {
        let (from, to) = if upload {
            (site.world.local("a"), site.world.remote("a"))
        } else {
            (site.world.remote("b"), site.world.local("b"))
        };
        tree::write_file(&from.join("f.txt"), 1, 500);
        tree::write_file(&to.join("f.txt"), 2, 700);
        set_time(&to.join("f.txt"), NOON);
        let ascp = site.ascp().arg("--save-before-overwrite");
        let run = if upload {
            ascp.arg("a/f.txt").arg(site.server.at("a")).run()
        } else {
            ascp.arg(site.server.at("b/f.txt")).arg("b").run()
        };
        run.succeeded();
        tree::assert_same(&from.join("f.txt"), &to.join("f.txt"));
        let names = tree::names_in(&to);
        assert_eq!(names.len(), 2, "{names:?}");
        let kept = names.iter().find(|name| *name != "f.txt").unwrap();
        let kept = to.join(kept);
        let facts = fs::metadata(&kept).unwrap();
        assert_eq!((facts.len(), facts.mtime()), (700, NOON as i64), "{kept:?}");
        let text = kept.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            text.starts_with("f.20") && text.ends_with(".1.txt"),
            "{text}"
        );
    }
}

fn a_download_has_the_suffix_of_the_users_until_it_is_complete(site: &Site) {
    tree::write_file(&site.world.remote("big"), 1, 3_000_000);
    let started = |level: &str, rate: &str| {
        let ascp = site
            .ascp()
            .args([level, "--partial-file-suffix=.partial", "-l", rate]);
        ascp.arg(site.server.at("big")).arg(".").start()
    };
    for level in ["-k0", "-k1"] {
        let running = started(level, "10M");
        std::thread::sleep(Duration::from_millis(1_300));
        let during = tree::names_in(&site.world.local(""));
        let ended = running.wait(Duration::from_secs(30));
        assert_eq!(ended.code(), Some(0), "{}", ended.err());
        assert!(during.contains(&"big.partial".into()), "{level} {during:?}");
        assert!(!during.contains(&"big".into()), "{level} {during:?}");
        assert_eq!(tree::names_in(&site.world.local("")), ["big"]);
        tree::assert_same(&site.world.remote("big"), &site.world.local("big"));
        fs::remove_file(site.world.local("big")).unwrap();
    }
    tree::write_file(&site.world.local("up"), 1, 10);
    let ascp = site.ascp().arg("--partial-file-suffix=.partial");
    let run = ascp.arg("up").arg(site.server.at("")).run();
    run.succeeded();
    let note = "ascp: note: --partial-file-suffix changes nothing in an upload";
    assert!(run.err().contains(note), "{}", run.err());
}

/// The folders of a transfer that goes up or down.
struct Sides {
    here: PathBuf,
    from: PathBuf,
    to: PathBuf,
}

impl Sides {
    fn of(site: &Site, world: &str, upload: bool) -> Self {
        let (here, there) = (site.world.local(world), site.world.remote(world));
        let (from, to) = if upload {
            (here.clone(), there)
        } else {
            (there, here.clone())
        };
        Self { here, from, to }
    }

    /// Transfers `m`, whose name on this side is the first of `names` in an upload and the second in a download.
    fn run(site: &Site, ascp: Ascp, world: &str, upload: bool, names: [&str; 2]) -> Outcome {
        let remote = site.server.at(format!("{world}/m"));
        if upload {
            ascp.arg(names[0]).arg(remote).run()
        } else {
            ascp.arg(remote).arg(names[1]).run()
        }
    }
}

/// `from/m` and what of it `to/m` had before.
fn grow_mirror(from: &Path, to: &Path) {
    for (seed, name) in (1..).zip(["m/a", "m/sub/b", "m/new/c"]) {
        tree::write_file(&from.join(name), seed, 2_000);
    }
    for (seed, name) in (7..).zip(["m/a", "m/sub/b", "m/sub/gone", "m/gone/deep/x", "m/.hidden"]) {
        tree::write_file(&to.join(name), seed, 900);
    }
    fs::create_dir_all(to.join("m/empty")).unwrap();
    tree::write_file(&to.join("outside"), 99, 10);
}

fn what_the_source_has_not_is_deleted_first_both_ways(site: &Site) {
    for (number, upload) in [true, false].into_iter().enumerate() {
        for there_before in [true, false] {
            let world = format!("del{number}{there_before}");
            let Sides { here, from, to } = Sides::of(site, &world, upload);
            grow_mirror(&from, &to);
            if !there_before {
                fs::remove_dir_all(to.join("m")).unwrap();
            }
            fs::create_dir_all(&here).unwrap();
            let option = match number {
                0 => "--delete-before-transfer",
                _ => "--delete-before",
            };
            let ascp = site.ascp().args([option, "-L-", "-k1"]).current_dir(&here);
            let run = Sides::run(site, ascp, &world, upload, ["m/", "./m"]);
            run.succeeded();
            tree::assert_same(&from.join("m"), &to.join("m"));
            assert!(to.join("outside").exists());
            let told = run.err().contains("deleted before the transfer: 6");
            assert_eq!(told, there_before, "{}", run.words());
        }
    }
}

fn what_rules_and_times_leave_out_is_spared_as_by_others(site: &Site) {
    for upload in [true, false] {
        let world = format!("spared{upload}");
        let Sides { here, from, to } = Sides::of(site, &world, upload);
        grow_mirror(&from, &to);
        tree::write_file(&from.join("m/both.log"), 1, 500);
        tree::write_file(&to.join("m/both.log"), 2, 600);
        tree::write_file(&to.join("m/sub/kept.log"), 3, 600);
        std::os::unix::fs::symlink("nowhere", from.join("m/dangling")).unwrap();
        let options = [
            "-E",
            "*.log",
            "--exclude-newer-than=1",
            "--symbolic-links=copy",
        ];
        let ascp = site.ascp().arg("--delete-before-transfer").args(options);
        let ascp = ascp.arg("-L-").current_dir(&here);
        let run = Sides::run(site, ascp, &world, upload, ["m", "m"]);
        run.succeeded();
        // Rules protect what they match; times only say what is sent, and every file here is too new for that.
        for (name, stays) in [
            ("m/both.log", true),
            ("m/sub/kept.log", true),
            ("m/a", true),
            ("m/sub/gone", false),
            ("m/gone", false),
            ("m/empty", false),
            ("m/new/c", false),
        ] {
            assert_eq!(to.join(name).exists(), stays, "{name}: {}", run.words());
        }
        assert_eq!(fs::metadata(to.join("m/a")).unwrap().len(), 900);
        let link = fs::read_link(to.join("m/dangling")).unwrap();
        assert_eq!(link.to_str(), Some("nowhere"));
    }
}

fn nothing_is_deleted_for_a_source_that_cannot_be_read_wholly(site: &Site) {
    for upload in [true, false] {
        let world = format!("broken{upload}");
        let Sides { here, from, to } = Sides::of(site, &world, upload);
        grow_mirror(&from, &to);
        std::os::unix::fs::symlink("nowhere", from.join("m/dangling")).unwrap();
        let ascp = site
            .ascp()
            .arg("--delete-before-transfer")
            .current_dir(&here);
        let run = Sides::run(site, ascp, &world, upload, ["m", "m"]);
        run.failed_with(&["nothing was deleted"]);
        tree::assert_same(&from.join("m/new/c"), &to.join("m/new/c"));
        for left in ["m/sub/gone", "m/gone/deep/x", "m/.hidden", "m/empty"] {
            assert!(to.join(left).exists(), "{left}");
        }
    }
}

fn deleting_is_refused_where_it_could_hit_something_else(site: &Site) {
    let (here, there) = (site.world.local("r"), site.world.remote("r"));
    grow_mirror(&here, &there);
    tree::write_file(&here.join("file"), 3, 10);
    tree::write_file(&there.join("file"), 4, 10);
    tree::write_file(&there.join("way/m"), 4, 10);
    let before = tree::paths_below(&there);
    let table: [(&[&str], &str, &str); 7] = [
        (&["m"], "r", "must end with the same name"),
        (&["m"], "r/m/sub", "must end with the same name"),
        (&["m/."], "r/other/.", "must end with the same name"),
        (&["."], "r", "must end with the same name"),
        (&["m", "file"], "r/m", "needs one source"),
        (&["file"], "r/file", "needs a source folder"),
        (&["m"], "r/way/m", "Target must be a directory"),
    ];
    for (sources, destination, text) in table {
        let ascp = site
            .ascp()
            .arg("--delete-before-transfer")
            .current_dir(&here);
        let run = ascp.args(sources).arg(site.server.at(destination)).run();
        assert_eq!(run.code(), Some(1), "{destination}: {}", run.words());
        assert!(run.err().contains(text), "{destination}: {}", run.words());
    }
    let ascp = site
        .ascp()
        .arg("--delete-before-transfer")
        .current_dir(&here);
    let run = ascp.arg(site.server.at("r/file")).arg("file").run();
    run.failed_with(&["Target must be a directory"]);
    fs::remove_file(here.join("file")).unwrap();
    let ascp = site
        .ascp()
        .arg("--delete-before-transfer")
        .current_dir(&here);
    let run = ascp.arg(site.server.at("r/file")).arg("file").run();
    run.failed_with(&["needs a source folder"]);
    assert_eq!(tree::paths_below(&there), before);
}
