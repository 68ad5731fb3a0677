//! What a tree lets through, and what it does not.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::FileType;

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    docroot: Docroot,
}

/// `outside/secret` next to the docroot `in`, which holds `in/a/file`.
fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/secret"), b"s").unwrap();
    fs::create_dir_all(folder.path().join("in/a")).unwrap();
    fs::write(folder.path().join("in/a/file"), b"f").unwrap();
    let docroot = Docroot::confined(&folder.path().join("in")).unwrap();
    Fixture { folder, docroot }
}

#[test]
fn dots_cannot_leave_the_docroot() {
    let it = fixture();
    for path in [
        "..",
        "../outside/secret",
        "a/../../outside/secret",
        "/../outside/secret",
        "a/../../in/a/file",
    ] {
        let error = it.docroot.open_to_read(path.as_bytes()).unwrap_err();
        assert_eq!(
            read_failure(path.as_bytes(), error).fault,
            Fault::OutsideDocroot,
            "{path}"
        );
        assert!(it.docroot.stat(path.as_bytes()).is_err(), "{path}");
        assert!(it.docroot.directory(path.as_bytes()).is_err(), "{path}");
    }
    assert!(it.docroot.open_to_read(b"a/../a/file").is_ok());
}

#[test]
fn a_leading_slash_means_the_docroot() {
    let it = fixture();
    assert!(it.docroot.open_to_read(b"/a/file").is_ok());
    assert!(it.docroot.open_to_read(b"///a/file").is_ok());
    assert!(it.docroot.directory(b"/").is_ok());
    assert!(it.docroot.directory(b"").is_ok());
    let secret = it.folder.path().join("outside/secret");
    let error = it
        .docroot
        .open_to_read(secret.as_os_str().as_bytes())
        .unwrap_err();
    assert_eq!(error, Errno::NOENT);
}

#[test]
fn links_work_inside_and_end_at_the_border() {
    let it = fixture();
    let root = it.folder.path().join("in");
    symlink("a/file", root.join("inner")).unwrap();
    symlink("../a/file", root.join("a/via_parent")).unwrap();
    symlink("../outside", root.join("out")).unwrap();
    symlink("out", root.join("chain1")).unwrap();
    symlink("chain1", root.join("chain2")).unwrap();
    symlink(it.folder.path().join("outside"), root.join("absolute")).unwrap();
    assert!(it.docroot.open_to_read(b"inner").is_ok());
    assert!(it.docroot.open_to_read(b"a/via_parent").is_ok());
    for path in ["out/secret", "chain2/secret", "absolute/secret", "chain2"] {
        let error = it.docroot.open_to_read(path.as_bytes()).unwrap_err();
        assert_eq!(error, Errno::XDEV, "{path}");
    }
}

#[test]
fn a_wide_docroot_follows_links_out_and_nothing_else() {
    let it = fixture();
    let root = it.folder.path().join("in");
    symlink("../outside", root.join("out")).unwrap();
    symlink(it.folder.path().join("outside"), root.join("absolute")).unwrap();
    let wide = it.docroot.following_links_anywhere();
    assert!(wide.open_to_read(b"out/secret").is_ok());
    assert!(wide.open_to_read(b"/absolute/secret").is_ok());
    for path in ["../outside/secret", "..", "a/..", "out/../x"] {
        assert_eq!(wide.stat(path.as_bytes()).unwrap_err(), Errno::XDEV);
    }
    let secret = it.folder.path().join("outside/secret");
    let error = wide.open_to_read(secret.as_os_str().as_bytes());
    assert_eq!(error.unwrap_err(), Errno::NOENT);
}

#[test]
fn a_link_itself_can_be_looked_at() {
    let it = fixture();
    let root = it.folder.path().join("in");
    symlink("/etc/passwd", root.join("a/link")).unwrap();
    assert_eq!(it.docroot.read_link(b"a/link").unwrap(), b"/etc/passwd");
    let stat = it.docroot.stat_itself(b"a/link").unwrap();
    let kind = FileType::from_raw_mode(stat.st_mode);
    assert_eq!(kind, FileType::Symlink);
    assert!(it.docroot.read_link(b"a/file").is_err());
    symlink("../outside", root.join("out")).unwrap();
    assert_eq!(it.docroot.stat_itself(b"out/x").unwrap_err(), Errno::XDEV);
}

#[test]
fn a_tree_below_a_folder_is_confined_to_it() {
    let it = fixture();
    let open = Docroot::unconfined(&it.folder.path().join("in")).unwrap();
    let below = open.confined_below(b"a").unwrap();
    assert!(below.open_to_read(b"/file").is_ok());
    assert_eq!(below.stat(b"../a/file").unwrap_err(), Errno::XDEV);
    assert!(open.confined_below(b"no").is_err());
}

#[test]
fn a_magic_link_of_proc_leads_nowhere() {
    let docroot = Docroot::confined(Path::new("/proc/self")).unwrap();
    assert!(docroot.open_to_read(b"status").is_ok());
    assert!(docroot.directory(b"cwd").is_err());
    assert!(docroot.open_to_read(b"root/etc/passwd").is_err());
}

#[test]
fn a_loop_and_a_nul_are_plain_errors() {
    let it = fixture();
    let root = it.folder.path().join("in");
    symlink("loop2", root.join("loop1")).unwrap();
    symlink("loop1", root.join("loop2")).unwrap();
    assert_eq!(it.docroot.stat(b"loop1").unwrap_err(), Errno::LOOP);
    assert_eq!(it.docroot.stat(b"a\0b").unwrap_err(), Errno::INVAL);
}

#[test]
fn an_unconfined_root_takes_absolute_and_parent_paths() {
    let it = fixture();
    let open = Docroot::unconfined(&it.folder.path().join("in")).unwrap();
    let secret = it.folder.path().join("outside/secret");
    assert!(open.open_to_read(secret.as_os_str().as_bytes()).is_ok());
    assert!(open.open_to_read(b"../outside/secret").is_ok());
    assert!(open.open_to_read(b"a/file").is_ok());
}

#[test]
fn a_missing_docroot_is_named() {
    let failure = Docroot::confined(Path::new("/nonexistent/docroot")).unwrap_err();
    assert_eq!(failure.fault, Fault::NoSuchFile);
    assert!(failure.text.contains("/nonexistent/docroot"));
}

/// `in` seen as `/`, `outside` as `/shared/out`, closed if it is `barred`.
fn two_trees(it: &Fixture, barred: bool) -> Docroot {
    let part = |name: &str, mount: &str, barred| {
        Docroot::confined(&it.folder.path().join(name))
            .unwrap()
            .shown_as(mount.as_bytes(), barred)
    };
    Docroot::joined(vec![
        part("in", "/", false),
        part("outside", "/shared/out", barred),
    ])
    .unwrap()
}

#[test]
fn a_path_belongs_to_the_tree_that_is_seen_deepest_on_its_way() {
    let it = fixture();
    let trees = two_trees(&it, false);
    for path in [
        "a/file",
        "/a/file",
        "shared/out/secret",
        "//./shared//out/./secret",
    ] {
        assert!(trees.open_to_read(path.as_bytes()).is_ok(), "{path}");
    }
    for path in [
        "secret",
        "shared",
        "shared/outer/secret",
        "shared/out/a/file",
    ] {
        assert_eq!(
            trees.stat(path.as_bytes()).unwrap_err(),
            Errno::NOENT,
            "{path}"
        );
    }
    assert!(trees.is_a_root(b"shared/out") && trees.is_a_root(b"/shared/out/"));
    assert!(!trees.is_a_root(b"/") && !trees.is_a_root(b"shared") && !trees.is_a_root(b"a"));
}

#[test]
fn nothing_leads_from_one_tree_to_another() {
    let it = fixture();
    let trees = two_trees(&it, false);
    let root = it.folder.path().join("in");
    symlink("../outside", root.join("out")).unwrap();
    symlink(it.folder.path().join("outside"), root.join("absolute")).unwrap();
    symlink("../in/a", it.folder.path().join("outside/back")).unwrap();
    for path in [
        "out/secret",
        "absolute/secret",
        "shared/out/back/file",
        "shared/out/..",
        "shared/out/../out/secret",
        "shared/out/../../a/file",
        "../outside/secret",
    ] {
        let error = trees.open_to_read(path.as_bytes()).unwrap_err();
        assert_eq!(error, Errno::XDEV, "{path}");
    }
    assert!(trees.open_to_read(b"a/../shared/out/secret").is_err());
}

#[test]
fn a_closed_tree_is_not_reached_by_any_way_also_if_it_lies_in_an_open_one() {
    let it = fixture();
    let trees = two_trees(&it, true);
    assert_eq!(trees.stat(b"shared/out/secret").unwrap_err(), Errno::ACCESS);
    assert!(trees.stat(b"a/file").is_ok());
    let root = it.folder.path().join("in");
    symlink("a", root.join("way")).unwrap();
    let part = |path: &Path, mount: &str, barred| {
        let part = Docroot::confined(path).unwrap();
        part.shown_as(mount.as_bytes(), barred)
    };
    let nested = Docroot::joined(vec![
        part(&root, "/", false),
        part(&root.join("a"), "/elsewhere", true),
    ])
    .unwrap();
    for path in ["elsewhere/file", "a/file", "way/file", "a", "way/../a/file"] {
        assert_eq!(
            nested.stat(path.as_bytes()).unwrap_err(),
            Errno::ACCESS,
            "{path}"
        );
    }
    assert!(nested.directory(b"/").is_ok());
    let unlisted = Docroot::joined(vec![
        part(&root, "/", false),
        part(&root.join("a"), "/b", false)
            .ruled(None, false)
            .unwrap(),
    ])
    .unwrap();
    let folder = unlisted.directory(b"a").unwrap();
    assert!(!unlisted.lists_opened(&folder) && !unlisted.lists_folder(b"b"));
    assert!(unlisted.lists_folder(b"/"));
}

#[test]
fn restrictions_of_a_tree_hold_for_it_alone() {
    let it = fixture();
    let hidden = Restrictions::new(["!/secret"].into_iter());
    let part = |name: &str, mount: &str, rules| {
        let part = Docroot::confined(&it.folder.path().join(name)).unwrap();
        part.ruled(rules, true)
            .unwrap()
            .shown_as(mount.as_bytes(), false)
    };
    fs::write(it.folder.path().join("in/secret"), b"s").unwrap();
    let trees =
        Docroot::joined(vec![part("in", "/", None), part("outside", "/out", hidden)]).unwrap();
    assert!(trees.stat(b"secret").is_ok());
    assert_eq!(trees.stat(b"out/secret").unwrap_err(), Errno::NOENT);
    let folder = trees.directory(b"out").unwrap();
    assert!(!trees.admits(&folder, b"secret", false));
    assert!(trees.admits(&trees.directory(b"/").unwrap(), b"secret", false));
}
