//! What a choice leaves out of a walk, what it renames, and what it makes of links.

use fasp_core::control::{Share, WantedBytes};
use fasp_core::selection::Action;

use super::*;
use crate::storage::selection::nanoseconds;

fn rules(typed: &[(char, &str)]) -> Choice {
    let mut choice = Choice::default();
    for (sign, pattern) in typed {
        let action = if *sign == 'N' {
            Action::Include
        } else {
            Action::Exclude
        };
        choice.rules.add(action, pattern.as_bytes()).unwrap();
    }
    choice
}

fn kept(root: &Path, sources: &[&str], choice: &Choice) -> Vec<String> {
    let (items, problems) = choose(root, sources, choice);
    assert_eq!(problems, []);
    items
}

#[test]
fn rules_decide_on_paths_as_the_destination_sees_them() {
    let folder = tree();
    let root = folder.path();
    for (typed, sources, expected) in [
        (
            &[('E', "*.txt")][..],
            &["d"][..],
            &["d", "d/a", "d/a/x", "d/b"][..],
        ),
        (&[('E', "/d/a/")], &["d"], &["d", "d/a.txt", "d/b"]),
        (&[('E', "a/")], &["d"], &["d", "d/a.txt", "d/b"]),
        (&[('E', "a/"), ('N', "x")], &["d"], &["d", "d/a.txt", "d/b"]),
        (
            &[('N', "b"), ('N', "/**/"), ('E', "/**")],
            &["d", "f"],
            &["d", "d/a", "d/b"],
        ),
        (&[('E', "f")], &["f"], &[]),
        (&[('E', "*")], &["d", "f"], &[]),
        (
            &[('E', "/a/")],
            &["d/a", "d"],
            &["d", "d/a", "d/a/x", "d/a.txt", "d/b"],
        ),
        (&[('E', "d/")], &["."], &["f"]),
        (&[], &["d/a"], &["a", "a/x"]),
        (&[], &["f", "f", "d/b"], &["f", "f", "b"]),
    ] {
        assert_eq!(
            kept(root, sources, &rules(typed)),
            expected,
            "{typed:?} {sources:?}"
        );
    }
}

#[test]
fn what_is_left_out_is_neither_entered_nor_an_error() {
    let folder = tree();
    let d = folder.path().join("d");
    symlink("self", d.join("self")).unwrap();
    symlink("..", d.join("a/up")).unwrap();
    pipe(&d.join("fifo"));
    let choice = rules(&[('E', "self"), ('E', "a/"), ('E', "fifo")]);
    assert_eq!(
        kept(folder.path(), &["d"], &choice),
        ["d", "d/a.txt", "d/b"]
    );
    let choice = Choice {
        skip_special: true,
        ..rules(&[('E', "self"), ('E', "up/")])
    };
    let found = kept(folder.path(), &["d", "d/fifo"], &choice);
    assert_eq!(found, ["d", "d/a", "d/a/x", "d/a.txt", "d/b"]);
}

#[test]
fn sessions_share_what_is_found_and_each_has_all_folders() {
    let folder = tree();
    let d = folder.path().join("d");
    pipe(&d.join("fifo"));
    symlink("gone", d.join("dangling")).unwrap();
    let made = "faux:///m?count=20&size=1";
    let (mut all, mut failed) = (Vec::new(), 0);
    for node in 1..=3 {
        let choice = Choice {
            share: Share::new(node, 3).unwrap(),
            ..Choice::default()
        };
        let (mut items, problems) = choose(folder.path(), &["d", "f", made], &choice);
        for name in ["d", "d/a"] {
            let at = items.iter().position(|item| item == name);
            items.remove(at.expect("a folder of every session"));
        }
        items.retain(|item| item != "m");
        all.extend(items);
        failed += problems.len();
    }
    let (mut expected, problems) = choose(folder.path(), &["d", "f", made], &Choice::default());
    expected.retain(|item| !["d", "d/a", "m"].contains(&item.as_str()));
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
    // A pipe, and a link that leads nowhere: the session that would send it says so, and no other.
    assert_eq!((failed, problems.len()), (2, 2));
}

#[test]
fn times_leave_out_files_and_never_folders() {
    let folder = tree();
    let set = |name: &str, seconds: i64| {
        let time = rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        let path = folder.path().join(name);
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty()).unwrap();
    };
    for (name, seconds) in [
        ("d/a/x", 10),
        ("d/b", 20),
        ("d/a.txt", 30),
        ("d/a", 5),
        ("d", 99),
    ] {
        set(name, seconds);
    }
    let limits = |newer: Option<i64>, older: Option<i64>| Choice {
        newer_than_ns: newer.map(nanoseconds),
        older_than_ns: older.map(nanoseconds),
        ..Choice::default()
    };
    for (newer, older, expected) in [
        (Some(20), None, &["d", "d/a", "d/a/x", "d/b"][..]),
        (None, Some(20), &["d", "d/a", "d/a.txt", "d/b"]),
        (Some(20), Some(20), &["d", "d/a", "d/b"]),
        (Some(0), None, &["d", "d/a"]),
    ] {
        let found = kept(folder.path(), &["d"], &limits(newer, older));
        assert_eq!(found, expected, "{newer:?} {older:?}");
    }
}

#[test]
fn a_base_keeps_the_folders_below_it_and_what_is_outside_is_only_logged() {
    let folder = tree();
    let choice = Choice {
        base: Some(b"d".to_vec()),
        ..Choice::default()
    };
    let (items, problems) = choose(
        folder.path(),
        &["d/a/x", "d/b", "f", "d/../f", "/d/a.txt"],
        &choice,
    );
    assert_eq!(items, ["a/x", "b", "a.txt"]);
    let outside = |path: &str| (path.to_owned(), Fault::NothingToTransfer);
    assert_eq!(problems, [outside("f"), outside("d/../f")]);
    let docroot = Arc::new(Docroot::confined(folder.path()).unwrap());
    let found = SourceWalk::new(docroot, named_by(&["f"]), &choice).next();
    assert!(found.unwrap().unwrap_err().only_logged);
    assert_eq!(
        kept(folder.path(), &["d/"], &choice),
        ["a", "a/x", "a.txt", "b"]
    );
    let itself = Choice {
        base: Some(b"d/b".to_vec()),
        ..Choice::default()
    };
    assert_eq!(kept(folder.path(), &["d/b"], &itself), ["b"]);
}

#[test]
fn a_source_with_a_destination_of_its_own_keeps_its_name_for_the_rules() {
    let folder = tree();
    let pair = |path: &str, destination: &str| {
        Ok(NamedSource {
            path: path.into(),
            destination: Some(destination.into()),
        })
    };
    let docroot = Arc::new(Docroot::confined(folder.path()).unwrap());
    let pairs = [pair("d", "new/place"), pair("f", "b"), pair("./d/a/.", "z")];
    let choice = rules(&[('E', "/d/b"), ('E', "/a/x"), ('E', "z"), ('E', "place/")]);
    let found: Vec<_> = SourceWalk::new(docroot, SourceNames::new(pairs.into_iter()), &choice)
        .map(|item| String::from_utf8(item.unwrap().path).unwrap())
        .collect();
    assert_eq!(
        found,
        [
            "new/place",
            "new/place/a",
            "new/place/a/x",
            "new/place/a.txt",
            "b",
            "z"
        ]
    );
}

/// `d/link` to `../f`, `d/folder_link` to `a`, `d/gone` to nothing, `top` to `d`, `out` to a folder outside.
fn linked() -> tempfile::TempDir {
    let folder = tree();
    let root = folder.path();
    symlink("../f", root.join("d/link")).unwrap();
    symlink("a", root.join("d/folder_link")).unwrap();
    symlink("gone", root.join("d/gone")).unwrap();
    symlink("d", root.join("top")).unwrap();
    folder
}

#[test]
fn each_way_with_links_takes_what_it_should() {
    let folder = linked();
    let root = folder.path();
    let with = |links| Choice {
        links,
        ..Choice::default()
    };
    let plain = ["d", "d/a", "d/a/x", "d/a.txt", "d/b"];
    assert_eq!(kept(root, &["d", "top"], &with(LinkTreatment::Skip)), plain);
    for (links, forced) in [
        (LinkTreatment::Copy, false),
        (LinkTreatment::CopyForce, true),
    ] {
        let choice = with(links);
        let docroot = Arc::new(Docroot::confined(root).unwrap());
        let found: Vec<_> = SourceWalk::new(docroot, named_by(&["d", "top", "top/a"]), &choice)
            .map(Result::unwrap)
            .collect();
        let links: Vec<_> = found
            .iter()
            .filter_map(|item| {
                let link = item.link.as_ref()?;
                assert_eq!((link.replaces, item.size), (forced, 0));
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                Some((text(&item.path), text(&link.target)))
            })
            .collect();
        let pair = |path: &str, target: &str| (path.to_owned(), target.to_owned());
        assert_eq!(
            links,
            [
                pair("d/folder_link", "a"),
                pair("d/gone", "gone"),
                pair("d/link", "../f"),
                pair("top", "d"),
            ]
        );
        assert_eq!(
            found.len(),
            plain.len() + 4 + 2,
            "and the folder behind the link"
        );
    }
    let choice = Choice {
        links: LinkTreatment::Copy,
        ..rules(&[('E', "gone"), ('E', "folder_link"), ('E', "to*")])
    };
    let found = kept(root, &["d", "top"], &choice);
    assert_eq!(found, ["d", "d/a", "d/a/x", "d/a.txt", "d/b", "d/link"]);
}

#[test]
fn links_lead_out_of_a_docroot_only_where_that_is_allowed() {
    let folder = tree();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("o"), b"o").unwrap();
    symlink(outside.path(), folder.path().join("d/out")).unwrap();
    let walk = |docroot: Docroot, links| {
        let choice = Choice {
            links,
            ..Choice::default()
        };
        let found: Vec<_> = SourceWalk::new(Arc::new(docroot), named_by(&["d", "../x"]), &choice)
            .map(|found| found.map(|item| item.path).map_err(|problem| problem.fault))
            .collect();
        found
    };
    let confined = || Docroot::confined(folder.path()).unwrap();
    let inside = walk(confined(), LinkTreatment::Follow);
    assert!(inside.contains(&Err(Fault::OutsideDocroot)));
    assert!(!inside.contains(&Ok(b"d/out/o".to_vec())));
    let wide = walk(
        confined().following_links_anywhere(),
        LinkTreatment::FollowAnywhere,
    );
    assert!(wide.contains(&Ok(b"d/out/o".to_vec())));
    assert_eq!(
        wide.last(),
        Some(&Err(Fault::OutsideDocroot)),
        "but not by name"
    );
}

#[test]
fn a_part_is_cut_to_the_file_and_needs_one() {
    let folder = tree();
    let part = |start, end| Choice {
        part: Some(WantedBytes { start, end }),
        ..Choice::default()
    };
    for (start, end, expected) in [
        (0, None, (0, 4)),
        (1, Some(3), (1, 2)),
        (3, Some(900), (3, 1)),
    ] {
        let docroot = Arc::new(Docroot::confined(folder.path()).unwrap());
        let choice = part(start, end);
        let item = SourceWalk::new(docroot, named_by(&["f"]), &choice).next();
        let item = item.unwrap().unwrap();
        assert_eq!((item.start, item.size), expected);
        assert_eq!(item.file_size, 4);
    }
    for (source, start, fault) in [("f", 4, Fault::Usage), ("d", 0, Fault::IsADirectory)] {
        let (items, problems) = choose(folder.path(), &[source], &part(start, None));
        assert_eq!(items, [""; 0]);
        assert_eq!(problems[0].1, fault);
    }
}
