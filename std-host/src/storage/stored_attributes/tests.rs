//! What travels, and what of it is taken.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rustix::fs::{CWD, Mode, OFlags, XattrFlags};

use super::super::selection::Choice;
use super::super::source_list::SourceNames;
use super::super::walk::SourceWalk;
use super::*;

fn xattr(name: &str, value: &[u8]) -> Stored {
    Stored {
        sort: Sort::Xattr,
        name: name.as_bytes().to_vec(),
        value: value.to_vec(),
    }
}

fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).is_ok()
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1_000];
    let length = rustix::fs::getxattr(path, name, bytes.as_mut_slice()).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

fn stored(xattrs: (Store, Store)) -> StoredAttributes {
    StoredAttributes {
        xattrs: Stores {
            from: xattrs.0,
            to: xattrs.1,
        },
        acls: Stores::default(),
    }
}

fn read(folder: &Path, from: Store) -> Result<Option<OwnedAttributes>, SourceProblem> {
    let docroot = Arc::new(Docroot::confined(folder).unwrap());
    let choice = Choice::default();
    let item = SourceWalk::new(
        Arc::clone(&docroot),
        SourceNames::of(vec![b"f".to_vec()]),
        &choice,
    );
    let mut item = item;
    let item = item.by_ref().map(Result::unwrap).next().unwrap();
    let sent = SentAttributes {
        stored: stored((from, Store::Native)),
        ..SentAttributes::default()
    };
    sent.read(&docroot, &item)
}

fn apply(folder: &Path, to: Store, all: &[Stored], is_confined: bool) -> Outcome<()> {
    fs::write(folder.join("f"), b"x").unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let handle = rustix::fs::openat(CWD, folder, flags, Mode::empty()).unwrap();
    let file = rustix::fs::openat(&handle, "f", OFlags::RDWR, Mode::empty()).unwrap();
    let kept = KeptAttributes::of(stored((Store::Native, to)));
    let bytes = encode(all).unwrap();
    kept.apply(&bytes, &file, (&handle, b"f", b"f"), is_confined)
}

#[test]
fn attributes_go_from_the_file_system_into_it() {
    let it = tempfile::tempdir().unwrap();
    fs::write(it.path().join("f"), b"x").unwrap();
    if !set(&it.path().join("f"), "user.note", b"\0hello") {
        return;
    }
    let came = read(it.path(), Store::Native).unwrap().unwrap();
    assert_eq!(
        decode(&came.stored),
        Some(vec![xattr("user.note", b"\0hello")])
    );
    let to = tempfile::tempdir().unwrap();
    apply(
        to.path(),
        Store::Native,
        &decode(&came.stored).unwrap(),
        true,
    )
    .unwrap();
    let value = get(&to.path().join("f"), "user.note");
    assert_eq!(value.as_deref(), Some(&b"\0hello"[..]));
}

#[test]
fn a_file_beside_holds_them_and_gives_them_back() {
    let it = tempfile::tempdir().unwrap();
    let all = vec![xattr("user.a", b"1"), xattr("user.b c", b"\xff")];
    apply(it.path(), Store::Metafile, &all, true).unwrap();
    assert!(it.path().join("f.aspera-meta").exists());
    assert!(get(&it.path().join("f"), "user.a").is_none());
    let came = read(it.path(), Store::Metafile).unwrap().unwrap();
    assert_eq!(decode(&came.stored), Some(all));
    // A file without attributes leaves no old note behind.
    apply(it.path(), Store::Metafile, &[], true).unwrap();
    assert!(!it.path().join("f.aspera-meta").exists());
}

#[test]
fn a_file_of_somebody_else_with_that_name_is_neither_read_nor_replaced() {
    let it = tempfile::tempdir().unwrap();
    fs::write(it.path().join("f.aspera-meta"), b"mine").unwrap();
    let failure = apply(it.path(), Store::Metafile, &[xattr("user.a", b"1")], true).unwrap_err();
    assert_eq!(failure.fault, Fault::AlreadyExists);
    let failure = apply(it.path(), Store::Metafile, &[], true).unwrap_err();
    assert_eq!(failure.fault, Fault::AlreadyExists);
    let problem = read(it.path(), Store::Metafile).unwrap_err();
    assert!(
        problem.text.contains("is no file of attributes"),
        "{}",
        problem.text
    );
    let left = fs::read(it.path().join("f.aspera-meta")).unwrap();
    assert_eq!(left, b"mine");
}

#[test]
fn more_than_a_record_takes_is_named() {
    let it = tempfile::tempdir().unwrap();
    let large = encode(&[xattr("user.a", &[7; 4_300])]).unwrap();
    let text = decode(&large).unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let handle = rustix::fs::openat(CWD, it.path(), flags, Mode::empty()).unwrap();
    fs::write(it.path().join("f"), b"x").unwrap();
    metafile::write(
        &handle,
        b"f",
        b"f",
        &[text, vec![xattr("user.b", b"12345678901")]].concat(),
    )
    .unwrap();
    let problem = read(it.path(), Store::Metafile).unwrap_err();
    assert_eq!(problem.fault, Fault::FileTooBig);
    assert!(
        problem.text.contains("more than the 4320 bytes"),
        "{}",
        problem.text
    );
}

#[test]
fn what_would_give_a_file_powers_is_passed_over() {
    let capability = [
        1, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let all = [
        xattr("security.capability", &capability),
        xattr("security.selinux", b"x"),
        xattr("system.posix_acl_access", b"x"),
        xattr("trusted.overlay.redirect", b"/etc"),
        xattr("user", b"x"),
        xattr("nonsense", b"x"),
    ];
    let it = tempfile::tempdir().unwrap();
    apply(it.path(), Store::Native, &all, true).unwrap();
    let file = it.path().join("f");
    for name in [
        "security.capability",
        "trusted.overlay.redirect",
        "system.posix_acl_access",
    ] {
        assert_eq!(get(&file, name), None, "{name}");
    }
    assert!(!is_taken(&all[3], false) && is_taken(&all[3], true));
    assert!(!is_taken(&all[0], true));
}

#[test]
fn a_hostile_access_list_is_judged_by_the_system() {
    let it = tempfile::tempdir().unwrap();
    fs::write(it.path().join("f"), b"x").unwrap();
    let file = fs::File::options()
        .write(true)
        .open(it.path().join("f"))
        .unwrap();
    for value in [
        &b""[..],
        b"x",
        &[0xFF; 4_000],
        &[2, 0, 0, 0, 1, 0, 7, 0, 0, 0, 0, 0],
    ] {
        let list = Stored {
            sort: Sort::Acl,
            name: b"access".to_vec(),
            value: value.to_vec(),
        };
        // An empty value means that there is no list; anything else here is none.
        let written = native::write(&OwnedFd::from(file.try_clone().unwrap()), &list);
        assert_eq!(written.is_ok(), value.is_empty(), "{value:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_whatever_are_more_than_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(all) = decode(&bytes) {
            prop_assert_eq!(encode(&all), Some(bytes));
        }
    }
}
