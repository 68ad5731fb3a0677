//! Deleting what the source has not, on real folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use super::super::destination_tree::Placement;
use super::*;

fn grow(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }
}

fn listing(names: &[&str]) -> Listing {
    let mut listing = Listing::default();
    for name in names {
        listing.add(name.as_bytes()).unwrap();
    }
    listing.complete();
    listing
}

/// Everything below `root`, links without what they lead to.
fn left(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let mut name = path.strip_prefix(root).unwrap().display().to_string();
            if entry.file_type().unwrap().is_dir() {
                name.push('/');
                folders.push(path);
            }
            found.push(name);
        }
    }
    found.sort();
    found
}

fn run(root: &Path, listing: &Listing, keep: &Keep<'_>) -> Deletion {
    let docroot = Arc::new(Docroot::confined(root).unwrap());
    let tree = DestinationTree::new(docroot, b"d", Placement::Rename);
    delete(&tree, listing, keep, &AtomicBool::new(false)).unwrap()
}

const NOTHING: Keep<'static> = Keep {
    is_protected: &|_, _| false,
    partial_suffix: None,
};

#[test]
fn what_the_source_has_not_goes_and_nothing_else() {
    let it = tempfile::tempdir().unwrap();
    grow(
        it.path(),
        &[
            "outside",
            "d/a",
            "d/gone",
            "d/sub/x",
            "d/sub/gone/deep/y",
            "d/empty/",
            "d/was-file/in",
            "d/was-folder",
        ],
    );
    let source = listing(&[
        "d/",
        "d/a",
        "d/sub/",
        "d/sub/x",
        "d/was-file",
        "d/was-folder/",
        "d/new",
    ]);
    let done = run(it.path(), &source, &NOTHING);
    assert_eq!((done.count, done.failure), (5, None));
    assert_eq!(
        left(it.path()),
        [
            "d/",
            "d/a",
            "d/sub/",
            "d/sub/x",
            "d/was-file/",
            "d/was-file/in",
            "d/was-folder",
            "outside"
        ]
    );
}

#[test]
fn a_link_goes_and_what_it_leads_to_stays() {
    let it = tempfile::tempdir().unwrap();
    grow(it.path(), &["far/precious", "d/a", "d/sub/"]);
    symlink("../far", it.path().join("d/link")).unwrap();
    symlink("../../far", it.path().join("d/sub/link")).unwrap();
    symlink("../far", it.path().join("d/same")).unwrap();
    // The source has a folder where the destination has a link to one: it is not entered.
    let source = listing(&["d/", "d/a", "d/same/"]);
    let done = run(it.path(), &source, &NOTHING);
    assert_eq!(done.failure, None);
    assert_eq!(
        left(it.path()),
        ["d/", "d/a", "d/same", "far/", "far/precious"]
    );
}

#[test]
fn what_a_transfer_left_to_go_on_with_stays() {
    let it = tempfile::tempdir().unwrap();
    let kept = [
        "d/a.ascp-part",
        "d/a.aspx",
        "d/.a.0123abcd.ascp-part",
        "d/a.tmp",
        "d/a.tmp.aspx",
        "d/a.0123abcd.tmp",
        "d/a.aspera-meta",
        "d/a.ascp-parts",
        "d/a.ascp-parts.plan",
        "d/a.ascp-parts.128",
        "d/a.ascp-parts.1.aspx",
    ];
    grow(it.path(), &kept);
    grow(
        it.path(),
        &[
            "d/b.aspx",
            "d/b.ascp-part",
            "d/.b.0123abcd.ascp-part",
            "d/b.tmp",
            "d/b.ascp-parts.2.aspx",
            "d/a.ascp-parts.x",
        ],
    );
    let keep = Keep {
        partial_suffix: Some(b".tmp"),
        ..NOTHING
    };
    let done = run(it.path(), &listing(&["d/", "d/a"]), &keep);
    assert_eq!((done.count, done.failure), (6, None));
    let mut expected: Vec<_> = kept.iter().map(|name| (*name).to_owned()).collect();
    expected.push("d/".to_owned());
    expected.sort();
    assert_eq!(left(it.path()), expected);
}

#[test]
fn what_is_protected_stays_with_the_folders_it_lies_in() {
    let it = tempfile::tempdir().unwrap();
    grow(
        it.path(),
        &["d/x.log", "d/x.txt", "d/s/y.log", "d/s/y.txt", "d/cache/z"],
    );
    let keep = Keep {
        is_protected: &|path, is_folder| {
            path.ends_with(b".log") || (is_folder && path == b"d/cache")
        },
        partial_suffix: None,
    };
    let done = run(it.path(), &listing(&["d/"]), &keep);
    assert_eq!((done.count, done.failure), (2, None));
    assert_eq!(
        left(it.path()),
        [
            "d/",
            "d/cache/",
            "d/cache/z",
            "d/s/",
            "d/s/y.log",
            "d/x.log"
        ]
    );
}

#[test]
fn a_destination_that_is_not_there_or_no_folder_loses_nothing() {
    let it = tempfile::tempdir().unwrap();
    assert_eq!(
        run(it.path(), &listing(&["d/"]), &NOTHING),
        Deletion::default()
    );
    fs::write(it.path().join("d"), "a file").unwrap();
    let docroot = Arc::new(Docroot::confined(it.path()).unwrap());
    let tree = DestinationTree::new(docroot, b"d", Placement::Rename);
    let failure = delete(&tree, &listing(&["d/"]), &NOTHING, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(failure.fault, Fault::NotADirectory);
    assert_eq!(left(it.path()), ["d"]);
}

#[test]
fn a_source_that_cannot_be_looked_at_wholly_lists_nothing_complete() {
    let it = tempfile::tempdir().unwrap();
    grow(it.path(), &["s/a", "s/b/c"]);
    let docroot = Arc::new(Docroot::confined(it.path()).unwrap());
    let mut names = Vec::new();
    let follows = Choice::default();
    let whole = list(Arc::clone(&docroot), b"s".to_vec(), &follows, |name| {
        names.push(String::from_utf8(name).unwrap());
        true
    });
    assert!(whole);
    assert_eq!(names, ["s/", "s/a", "s/b/", "s/b/c"]);
    symlink("nowhere", it.path().join("s/dangling")).unwrap();
    let every = |source: &[u8], choice: &Choice| {
        let mut names = Vec::new();
        let whole = list(Arc::clone(&docroot), source.to_vec(), choice, |name| {
            names.push(String::from_utf8(name).unwrap());
            true
        });
        whole.then_some(names)
    };
    assert_eq!(every(b"s", &follows), None);
    assert_eq!(every(b"vanished", &follows), None);
    // A link that is not looked through is a name, wherever it leads; what times leave out is one too.
    for links in [
        LinkTreatment::Copy,
        LinkTreatment::CopyForce,
        LinkTreatment::Skip,
    ] {
        let choice = Choice {
            links,
            older_than_ns: Some(i128::MAX),
            ..Choice::default()
        };
        let names = every(b"s", &choice).unwrap();
        assert_eq!(names, ["s/", "s/a", "s/b/", "s/b/c", "s/dangling"]);
    }
}
