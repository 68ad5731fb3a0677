//! Rename or into the folder? The public table of destination rules, row by row, both ways.
//!
//! Source: `reference` documentation of ascp's "source directory structure on destination"; the
//! rows after the tenth are its consequences for trailing slashes, `.` and existing files.

use std::fs;
use std::path::Path;

use fasp_tests::tree;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        every_row_holds_for_uploads
        every_row_holds_for_downloads;
    through_sshd = OpenSsh:
        every_row_holds_for_uploads
        every_row_holds_for_downloads;
}

/// What lies below the destination's root afterwards, or what the failure text speaks of.
enum Expected {
    Paths(&'static [&'static str]),
    Failure(&'static [&'static str]),
}

struct Row {
    says: &'static str,
    sources: &'static [&'static str],
    destination: &'static str,
    /// What is there already: folders with a `/` at the end, else files of one byte.
    existing: &'static [&'static str],
    create: bool,
    expected: Expected,
}

/// The source side: `f1`, `f2`, `d1/f1`, `d2/f2`, `d3` = { `f1`, `d4/f2` }.
const SOURCES: &[(&str, u64)] = &[
    ("f1", 3_001),
    ("f2", 2_002),
    ("d1/f1", 1_011),
    ("d2/f2", 1_022),
    ("d3/f1", 1_031),
    ("d3/d4/f2", 1_342),
];

const TABLE: &[Row] = &[
    Row {
        says: "a file to a name in a missing folder is refused",
        sources: &["f1"],
        destination: "d/f",
        existing: &[],
        create: false,
        expected: Expected::Failure(&["No such file or directory"]),
    },
    Row {
        says: "a file to a new name in an existing folder is renamed",
        sources: &["f1"],
        destination: "d/f",
        existing: &["d/"],
        create: false,
        expected: Expected::Paths(&["d/", "d/f"]),
    },
    Row {
        says: "a folder without a name of its own keeps its folders below a new name",
        sources: &["d1/.."],
        destination: "n",
        existing: &[],
        create: false,
        expected: Expected::Paths(&[
            "n/",
            "n/d1/",
            "n/d1/f1",
            "n/d2/",
            "n/d2/f2",
            "n/d3/",
            "n/d3/d4/",
            "n/d3/d4/f2",
            "n/d3/f1",
            "n/f1",
            "n/f2",
        ]),
    },
    Row {
        says: "a dot after the new name changes nothing",
        sources: &["f1"],
        destination: "d/f/.",
        existing: &["d/"],
        create: false,
        expected: Expected::Paths(&["d/", "d/f"]),
    },
    Row {
        says: "a file to an existing folder goes into it",
        sources: &["f1"],
        destination: "d/f",
        existing: &["d/", "d/f/"],
        create: false,
        expected: Expected::Paths(&["d/", "d/f/", "d/f/f1"]),
    },
    Row {
        says: "two files go into an existing folder",
        sources: &["f1", "f2"],
        destination: "d",
        existing: &["d/"],
        create: false,
        expected: Expected::Paths(&["d/", "d/f1", "d/f2"]),
    },
    Row {
        says: "a folder to a new name is renamed",
        sources: &["d3"],
        destination: "d",
        existing: &[],
        create: false,
        expected: Expected::Paths(&["d/", "d/d4/", "d/d4/f2", "d/f1"]),
    },
    Row {
        says: "-d makes the folder and the file goes into it",
        sources: &["f1"],
        destination: "d",
        existing: &[],
        create: true,
        expected: Expected::Paths(&["d/", "d/f1"]),
    },
    Row {
        says: "-d makes the folder and both files go into it",
        sources: &["f1", "f2"],
        destination: "d",
        existing: &[],
        create: true,
        expected: Expected::Paths(&["d/", "d/f1", "d/f2"]),
    },
    Row {
        says: "-d: of the sources' folders nothing is left",
        sources: &["d1/f1", "d2/f2"],
        destination: "d",
        existing: &[],
        create: true,
        expected: Expected::Paths(&["d/", "d/f1", "d/f2"]),
    },
    Row {
        says: "-d: a folder goes into the new folder",
        sources: &["d3"],
        destination: "d",
        existing: &[],
        create: true,
        expected: Expected::Paths(&["d/", "d/d3/", "d/d3/d4/", "d/d3/d4/f2", "d/d3/f1"]),
    },
    Row {
        says: "a slash after the source does not mean its contents only",
        sources: &["d3/"],
        destination: "d/",
        existing: &["d/"],
        create: false,
        expected: Expected::Paths(&["d/", "d/d3/", "d/d3/d4/", "d/d3/d4/f2", "d/d3/f1"]),
    },
    Row {
        says: "-d with an existing folder goes into it",
        sources: &["d3"],
        destination: "d",
        existing: &["d/"],
        create: true,
        expected: Expected::Paths(&["d/", "d/d3/", "d/d3/d4/", "d/d3/d4/f2", "d/d3/f1"]),
    },
    Row {
        says: "-d makes every missing folder on the way",
        sources: &["f1"],
        destination: "a/b/c",
        existing: &[],
        create: true,
        expected: Expected::Paths(&["a/", "a/b/", "a/b/c/", "a/b/c/f1"]),
    },
    Row {
        says: "an existing file is replaced",
        sources: &["f1"],
        destination: "f",
        existing: &["f"],
        create: false,
        expected: Expected::Paths(&["f"]),
    },
    Row {
        says: "two sources to a file are refused",
        sources: &["f1", "f2"],
        destination: "f",
        existing: &["f"],
        create: false,
        expected: Expected::Failure(&["Target must be a directory"]),
    },
    Row {
        says: "a folder to a file is refused",
        sources: &["d3"],
        destination: "f",
        existing: &["f"],
        create: false,
        expected: Expected::Failure(&["Target must be a directory"]),
    },
];

fn every_row_holds_for_uploads(site: &Site) {
    grow_sources(&site.world.local(""));
    for (number, row) in TABLE.iter().enumerate() {
        let into = format!("row{number}");
        let root = site.world.remote(&into);
        grow_existing(&root, row);
        let mut run = site.ascp();
        if row.create {
            run = run.arg("-d");
        }
        let destination = site.server.at(format!("{into}/{}", row.destination));
        let outcome = run.args(row.sources).arg(destination).run();
        check(row, &outcome, &site.world.local(""), &root);
    }
}

fn every_row_holds_for_downloads(site: &Site) {
    grow_sources(&site.world.remote(""));
    for (number, row) in TABLE.iter().enumerate() {
        let root = site.world.local(format!("row{number}"));
        grow_existing(&root, row);
        let mut run = site.ascp().current_dir(&root);
        if row.create {
            run = run.arg("-d");
        }
        let sources = row.sources.iter().map(|source| site.server.at(source));
        let outcome = run.args(sources).arg(row.destination).run();
        check(row, &outcome, &site.world.remote(""), &root);
    }
}

fn grow_sources(root: &Path) {
    for (name, size) in SOURCES {
        tree::write_file(&root.join(name), *size, *size);
    }
}

fn grow_existing(root: &Path, row: &Row) {
    fs::create_dir_all(root).expect("the row's folder");
    for name in row.existing {
        let path = root.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).expect("an existing folder");
        } else {
            fs::write(path, "x").expect("an existing file");
        }
    }
}

fn check(row: &Row, outcome: &fasp_tests::client::Outcome, sources: &Path, root: &Path) {
    let found = tree::paths_below(root);
    match row.expected {
        Expected::Paths(expected) => {
            assert_eq!(outcome.code(), Some(0), "{}: {}", row.says, outcome.words());
            assert_eq!(found, expected, "{}: {}", row.says, outcome.words());
            for path in found.iter().filter(|path| !path.ends_with('/')) {
                check_contents(row, &root.join(path), sources);
            }
        }
        Expected::Failure(fragments) => {
            outcome.failed_with(fragments);
            let mut existing: Vec<_> = row.existing.to_vec();
            existing.sort_unstable();
            assert_eq!(found, existing, "{}: nothing may be left", row.says);
        }
    }
}

/// The file must hold the bytes of one of the row's sources: every source has its own length.
fn check_contents(row: &Row, file: &Path, sources: &Path) {
    let length = fs::metadata(file).expect("the delivered file").len();
    let source = SOURCES.iter().find(|(_, size)| *size == length);
    let (name, _) = source.unwrap_or_else(|| panic!("{}: {file:?} has {length} bytes", row.says));
    tree::assert_same(&sources.join(name), file);
}
