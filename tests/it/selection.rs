//! Which files go, under which names: rules, times, lists, bases and parts, both ways, row by row.

mod links;
mod mistakes;
mod names;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::tree;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        every_row_holds_for_uploads
        every_row_holds_for_downloads
        a_long_list_of_nothing_is_read_to_its_end_both_ways
        a_list_that_comes_slowly_is_waited_for
        a_part_of_a_file_comes_down;
    through_sshd = OpenSsh:
        a_part_of_a_file_comes_down;
}

/// Which way the files of a run go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Up,
    Down,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Up, Self::Down];

    /// The folder that sources are named below.
    fn source_root(self, site: &Site) -> std::path::PathBuf {
        match self {
            Self::Up => site.world.local(""),
            Self::Down => site.world.remote(""),
        }
    }

    /// Where a run puts things that goes to `name`.
    fn destination(self, site: &Site, name: &str) -> std::path::PathBuf {
        match self {
            Self::Up => site.world.remote(name),
            Self::Down => site.world.local(name),
        }
    }

    /// `ascp` with plain paths, the direction said apart.
    fn ascp(self, site: &Site) -> Ascp {
        let mode = match self {
            Self::Up => "--mode=send",
            Self::Down => "--mode=recv",
        };
        site.ascp()
            .arg(mode)
            .args(["--host", site.server.host()])
            .args(["--user", site.server.user()])
    }

    /// How a source is written.
    fn source(self, site: &Site, path: &str) -> OsString {
        match self {
            Self::Up => path.into(),
            Self::Down => site.server.path(path),
        }
    }

    /// How a destination is written.
    fn target(self, site: &Site, path: &str) -> OsString {
        match self {
            Self::Up => site.server.path(path),
            Self::Down => path.into(),
        }
    }
}

/// What lies at the destination afterwards.
struct Row {
    says: &'static str,
    arguments: &'static [&'static str],
    sources: &'static [&'static str],
    expected: &'static [&'static str],
}

/// The source side, with the age of each file in days.
const SOURCES: &[(&str, u64)] = &[
    ("s/a.txt", 1),
    ("s/a.tmp", 3),
    ("s/.tmp", 5),
    ("s/sub/b.tmp", 5),
    ("s/sub/c", 9),
    ("s/sub/deep/.hidden", 9),
    ("s/sub/deep/file", 1),
    ("icons/file1", 1),
    ("icons/file2", 1),
    ("icons/fileA", 1),
    ("top", 1),
];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row {
        says: "-E leaves out what matches at any depth",
        arguments: &["-E", "*.tmp"],
        sources: &["s"],
        expected: &["s/", "s/a.txt", "s/sub/", "s/sub/c", "s/sub/deep/", "s/sub/deep/.hidden", "s/sub/deep/file"],
    },
    Row {
        says: "-N protects from a later -E only",
        arguments: &["-N", "file2", "-E", "file[0-9]"],
        sources: &["icons/"],
        expected: &["icons/", "icons/file2", "icons/fileA"],
    },
    Row {
        says: "-N behind -E comes too late",
        arguments: &["-E", "file[0-9]", "-N", "file2"],
        sources: &["icons"],
        expected: &["icons/", "icons/fileA"],
    },
    Row {
        says: "nothing below a folder that is left out comes back",
        arguments: &["-E", "/s/sub/", "-N", "/s/sub/deep/"],
        sources: &["s"],
        expected: &["s/", "s/.tmp", "s/a.tmp", "s/a.txt"],
    },
    Row {
        says: "only what the -N rules match",
        arguments: &["-N", "c", "-N", "/**/", "-E", "/**"],
        sources: &["s", "top"],
        expected: &["s/", "s/sub/", "s/sub/c", "s/sub/deep/"],
    },
    Row {
        says: "an anchor is the root of what is transferred",
        arguments: &["-E", "/sub/c", "-E", "/top"],
        sources: &["s", "s/sub"],
        expected: &[
            "s/", "s/.tmp", "s/a.tmp", "s/a.txt", "s/sub/", "s/sub/b.tmp", "s/sub/c", "s/sub/deep/",
            "s/sub/deep/.hidden", "s/sub/deep/file", "sub/", "sub/b.tmp", "sub/deep/", "sub/deep/.hidden",
            "sub/deep/file",
        ],
    },
    Row {
        says: "everything left out is a success with no files",
        arguments: &["-E", "*"],
        sources: &["s", "top"],
        expected: &[],
    },
    Row {
        says: "a single file left out is a success too",
        arguments: &["-E", "top"],
        sources: &["top"],
        expected: &[],
    },
    Row {
        says: "what is newer is left out, folders never",
        arguments: &["--exclude-newer-than=-345600"],
        sources: &["s"],
        expected: &["s/", "s/.tmp", "s/sub/", "s/sub/b.tmp", "s/sub/c", "s/sub/deep/", "s/sub/deep/.hidden"],
    },
    Row {
        says: "what is older is left out, folders never",
        arguments: &["--exclude-older-than=-345600"],
        sources: &["s"],
        expected: &["s/", "s/a.tmp", "s/a.txt", "s/sub/", "s/sub/deep/", "s/sub/deep/file"],
    },
    Row {
        says: "both limits and a rule together",
        arguments: &["--exclude-older-than", "-518400", "--exclude-newer-than", "-172800", "-E", "b.*"],
        sources: &["s"],
        expected: &["s/", "s/.tmp", "s/a.tmp", "s/sub/", "s/sub/deep/"],
    },
    Row {
        says: "an absolute time in 1970",
        arguments: &["--exclude-newer-than=1000"],
        sources: &["s/sub", "top"],
        expected: &["sub/", "sub/deep/"],
    },
];

fn grow_sources(root: &Path) {
    for (seed, (name, days)) in (1..).zip(SOURCES) {
        let path = root.join(name);
        tree::write_file(&path, seed, 100 + seed);
        let time = SystemTime::now() - Duration::from_secs(days * 86_400);
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(time).unwrap();
    }
}

fn every_row_holds_for_uploads(site: &Site) {
    every_row_holds(site, Way::Up);
}

fn every_row_holds_for_downloads(site: &Site) {
    every_row_holds(site, Way::Down);
}

fn every_row_holds(site: &Site, way: Way) {
    grow_sources(&way.source_root(site));
    for (number, row) in TABLE.iter().enumerate() {
        let into = format!("row{number}");
        let destination = way.destination(site, &into);
        fs::create_dir(&destination).unwrap();
        let sources = row.sources.iter().map(|source| way.source(site, source));
        let outcome = way
            .ascp(site)
            .args(row.arguments)
            .args(sources)
            .arg(way.target(site, &into))
            .run();
        assert_delivered(row.says, &outcome, &destination, row.expected);
    }
}

/// Fails unless the run succeeded and these paths, and no others, are there.
#[track_caller]
fn assert_delivered(says: &str, outcome: &Outcome, destination: &Path, expected: &[&str]) {
    assert_eq!(outcome.code(), Some(0), "{says}: {}", outcome.words());
    let found = tree::paths_below(destination);
    assert_eq!(found, expected, "{says}: {}", outcome.words());
    let files = found.iter().filter(|path| {
        // A name that is shown with escapes is not found by what is shown.
        let kind = fs::symlink_metadata(destination.join(path));
        kind.map_or(true, |kind| kind.is_file())
    });
    let count = files.count();
    let noun = if count == 1 { "file" } else { "files" };
    assert!(
        outcome.out().contains(&format!(", in {count} {noun}.")),
        "{says}: {}",
        outcome.words()
    );
}

/// A list that names the same file over and over, in more messages than a server takes at a time.
fn a_long_list_of_nothing_is_read_to_its_end_both_ways(site: &Site) {
    let line = format!("{}top\n", "./".repeat(60));
    let mut list = line.repeat(30_000);
    list.push_str("s/sub/c");
    fs::write(site.world.root().join("list"), list).unwrap();
    for way in Way::BOTH {
        grow_sources(&way.source_root(site));
        let outcome = way
            .ascp(site)
            .args(["-E", "top"])
            .arg("--file-list")
            .arg(site.world.root().join("list"))
            .arg(way.target(site, "into/new"))
            .run();
        let destination = way.destination(site, "into/new");
        assert_delivered(&format!("{way:?}"), &outcome, &destination, &["c"]);
    }
}

fn a_list_that_comes_slowly_is_waited_for(site: &Site) {
    for way in Way::BOTH {
        grow_sources(&way.source_root(site));
        let (reader, mut writer) = std::io::pipe().unwrap();
        let run = way
            .ascp(site)
            .args(["--file-list", "-"])
            .arg(way.target(site, "into"))
            .with(|command| {
                command.stdin(reader);
            })
            .start();
        for name in ["top\n", "s/sub/c"] {
            std::thread::sleep(Duration::from_millis(700));
            std::io::Write::write_all(&mut writer, name.as_bytes()).unwrap();
        }
        drop(writer);
        let outcome = Outcome(run.wait(Duration::from_secs(60)));
        let destination = way.destination(site, "into");
        assert_delivered(&format!("{way:?}"), &outcome, &destination, &["c", "top"]);
    }
}

fn a_part_of_a_file_comes_down(site: &Site) {
    let source = site.world.remote("file");
    tree::write_file(&source, 7, 1_000_003);
    let bytes = fs::read(&source).unwrap();
    for (part, wanted) in [
        ("0:0", 0..1),
        ("5:300004", 5..300_005),
        ("262144:", 262_144..1_000_003),
        (":99", 0..100),
        ("1000000:5000000", 1_000_000..1_000_003),
        (":", 0..1_000_003),
    ] {
        let name = format!("part {}", part.replace(':', " "));
        let run = site
            .ascp()
            .arg(format!("-@{part}"))
            .arg(site.server.at("file"))
            .arg(&name)
            .run();
        run.succeeded();
        let arrived = fs::read(site.world.local(&name)).unwrap();
        assert_eq!(arrived.len(), wanted.len(), "{part}");
        assert!(
            bytes.get(wanted) == Some(arrived.as_slice()),
            "{part}: wrong bytes"
        );
    }
}

/// A name from bytes.
fn named(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
