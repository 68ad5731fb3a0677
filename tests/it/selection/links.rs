//! Symbolic links and special files, both ways; and that no link leads a file out of where it belongs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fasp_tests::tree;
use fasp_tests::world::run;

use super::{Site, Way, assert_delivered};
use crate::site::bodies;

bodies! {
    through_ascpd = Daemon:
        every_method_does_what_it_says
        a_link_replaces_what_it_may
        a_link_never_leads_out_of_the_docroot
        nothing_is_written_through_a_link_that_came
        special_files_fail_unless_they_are_skipped;
}

/// `t/f`, `t/d/x`, and links to a file, to a folder, to nothing and to itself.
fn grow(root: &Path) {
    tree::write_file(&root.join("t/f"), 1, 100);
    tree::write_file(&root.join("t/d/x"), 2, 200);
    symlink("f", root.join("t/to_file")).unwrap();
    symlink("d", root.join("t/to_folder")).unwrap();
}

fn every_method_does_what_it_says(site: &Site) {
    let followed = [
        "t/",
        "t/d/",
        "t/d/x",
        "t/f",
        "t/to_file",
        "t/to_folder/",
        "t/to_folder/x",
    ];
    let copied = ["t/", "t/d/", "t/d/x", "t/f", "t/to_file", "t/to_folder"];
    let skipped = ["t/", "t/d/", "t/d/x", "t/f"];
    let table: [(&str, &[&str]); 5] = [
        ("", &followed),
        ("follow", &followed),
        ("copy", &copied),
        ("copy+force", &copied),
        ("skip", &skipped),
    ];
    for way in Way::BOTH {
        grow(&way.source_root(site));
        for (method, expected) in table {
            let into = format!("by {method}");
            let destination = way.destination(site, &into);
            fs::create_dir(&destination).unwrap();
            let option = format!("--symbolic-links={method}");
            let ascp = way.ascp(site);
            let ascp = if method.is_empty() {
                ascp
            } else {
                ascp.arg(option)
            };
            let outcome = ascp
                .arg(way.source(site, "t"))
                .arg(way.target(site, &into))
                .run();
            assert_delivered(
                &format!("{way:?} {method}"),
                &outcome,
                &destination,
                expected,
            );
            let target = fs::read_link(destination.join("t/to_file")).ok();
            let is_copied = method.starts_with("copy");
            assert_eq!(
                target.is_some_and(|target| target == Path::new("f")),
                is_copied
            );
        }
        let loops = way.source_root(site).join("loop");
        fs::create_dir(&loops).unwrap();
        symlink("itself", loops.join("itself")).unwrap();
        symlink("..", loops.join("up")).unwrap();
        let outcome = way
            .ascp(site)
            .arg(way.source(site, "loop"))
            .arg(way.target(site, "by skip"))
            .run();
        outcome.failed_with(&["Path refers to a symbolic link loop", "loop/itself"]);
    }
}

fn a_link_replaces_what_it_may(site: &Site) {
    for way in Way::BOTH {
        grow(&way.source_root(site));
        for (method, replaced) in [("copy", false), ("copy+force", true)] {
            let into = way.destination(site, method);
            fs::create_dir_all(into.join("t/other")).unwrap();
            fs::write(into.join("t/to_file"), "old").unwrap();
            symlink("other", into.join("t/to_folder")).unwrap();
            let outcome = way
                .ascp(site)
                .arg(format!("--symbolic-links={method}"))
                .arg(way.source(site, "t"))
                .arg(way.target(site, method))
                .run();
            outcome.succeeded();
            assert_eq!(
                fs::read_link(into.join("t/to_file")).is_ok(),
                replaced,
                "{way:?}"
            );
            let folder = fs::read_link(into.join("t/to_folder")).unwrap();
            assert_eq!(folder, Path::new("other"), "a link to a folder stays");
        }
    }
}

fn a_link_never_leads_out_of_the_docroot(site: &Site) {
    let source = site.world.local("t");
    grow(&site.world.local(""));
    symlink("/etc", source.join("absolute")).unwrap();
    symlink("../../server", source.join("above")).unwrap();
    let outcome = site
        .ascp()
        .arg("--symbolic-links=copy+force")
        .arg("t")
        .arg(site.server.at(""))
        .run();
    outcome.failed_with(&["outside 'docroot' hierarchy"]);
    let expected = ["t/", "t/d/", "t/d/x", "t/f", "t/to_file", "t/to_folder"];
    assert_eq!(tree::paths_below(&site.world.remote("")), expected);
}

/// A server that plants a link and sends a file to a path through it.
fn nothing_is_written_through_a_link_that_came(site: &Site) {
    let outside = site.world.root().join("outside");
    fs::create_dir(&outside).unwrap();
    let remote = site.world.remote("");
    symlink(&outside, remote.join("absolute")).unwrap();
    symlink("../../outside", remote.join("above")).unwrap();
    fs::write(remote.join("f"), "through").unwrap();
    let list = site.world.root().join("pairs");
    let fetch = |pairs: String, into: &str| {
        fs::write(&list, pairs).unwrap();
        let run = Way::Down.ascp(site).arg("--symbolic-links=copy");
        run.arg("--file-pair-list").arg(&list).arg(into).run()
    };
    for link in ["absolute", "above"] {
        fetch(format!("{link}\nx\n"), link).succeeded();
        let into = site.world.local(link);
        assert!(
            fs::read_link(into.join("x")).is_ok(),
            "links are copied as they are"
        );
        let outcome = fetch("f\nx/f\nf\nx/new/f\nf\nx\nf\nbeside\n".to_owned(), link);
        outcome.failed_with(&["outside 'docroot' hierarchy"]);
        let found = tree::paths_below(&into);
        assert_eq!(found, ["beside", "x"], "{}", outcome.words());
        // In one session the file may come first: then its folder is no link.
        let _ = fetch(format!("{link}\nx\nf\nx/f\n"), "together");
        assert_eq!(tree::paths_below(&outside), [""; 0]);
    }
}

fn special_files_fail_unless_they_are_skipped(site: &Site) {
    for way in Way::BOTH {
        grow(&way.source_root(site));
        let pipe = way.source_root(site).join("t/pipe");
        assert!(run("mkfifo", |command| {
            command.arg(&pipe);
        }));
        let ascp = |into: &str| {
            fs::create_dir(way.destination(site, into)).unwrap();
            way.ascp(site)
                .arg("--symbolic-links=skip")
                .arg(way.source(site, "t"))
                .arg(way.target(site, into))
        };
        let outcome = ascp("plain").run();
        outcome.failed_with(&["Not a regular file", "t/pipe"]);
        let outcome = ascp("skipping").arg("--skip-special-files").run();
        let expected = ["t/", "t/d/", "t/d/x", "t/f"];
        let destination = way.destination(site, "skipping");
        assert_delivered("skipping", &outcome, &destination, &expected);
    }
}
