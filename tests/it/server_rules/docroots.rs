//! Several docroots of one user: where paths belong, what each is open for, and that nothing leads from one to another.

use std::fs;
use std::os::unix::fs::symlink;

use fasp_tests::tree;

use super::{DOCROOTS, Users};

const PATHS: &str = "<path><absolute>@ROOT@/home</absolute></path>\
    <path><absolute>@ROOT@/real/in</absolute><read_allowed>false</read_allowed></path>\
    <path><absolute>@ROOT@/real/out</absolute><write_allowed>false</write_allowed>\
      <show_as>/shared/out</show_as></path>\
    <path><absolute>@ROOT@/home/kept</absolute><show_as>/archive</show_as><write_allowed>false</write_allowed></path>";

fn users() -> Users {
    let users = Users::of(&[&[(DOCROOTS, PATHS)]]);
    for path in [
        "home/f",
        "home/kept/k",
        "real/in/there",
        "real/out/d/o",
        "real/secret",
    ] {
        users.remote(0, path, 3_000);
    }
    let root = users.world.remote("u0");
    symlink("../real/out/d/o", root.join("home/link")).unwrap();
    symlink("../real/in", root.join("home/way")).unwrap();
    symlink("kept", root.join("home/way_to_kept")).unwrap();
    symlink("../secret", root.join("real/out/link")).unwrap();
    users
}

#[test]
fn a_download_reads_from_the_docroots_that_are_open_for_it() {
    let users = users();
    for (number, (source, words)) in [
        ("/f", None),
        ("/shared/out/d", None),
        ("shared//out/d/o", None),
        ("/archive/k", None),
        ("/kept/k", None),
        ("/in/there", Some("ermission")),
        ("/shared/out/link", Some("docroot")),
        ("/shared/out/../secret", Some("docroot")),
        ("/shared/out/../../home/f", Some("docroot")),
        ("/f/../shared/out/d/o", Some("")),
        ("/link", Some("docroot")),
        ("/way/there", Some("docroot")),
        ("/out/d/o", Some("No such file")),
        ("/real/out/d/o", Some("No such file")),
    ]
    .into_iter()
    .enumerate()
    {
        let into = format!("d{number}");
        let run = users.down(0, &["--symbolic-links=follow"], source, &into);
        let arrived = tree::names_in(&users.world.local(&into));
        match words {
            None => {
                run.succeeded();
                assert_eq!(arrived.len(), 1, "{source}");
            }
            Some(words) => {
                run.failed_with(&[words]);
                assert_eq!(arrived, [""; 0], "{source}");
            }
        }
    }
    // Sources of several docroots in one session.
    fs::create_dir_all(users.world.local("both")).unwrap();
    let ascp = users.ascp().arg(users.at(0, "/f"));
    ascp.arg(users.at(0, "/shared/out/d"))
        .arg("both")
        .run()
        .succeeded();
    assert_eq!(tree::names_in(&users.world.local("both")), ["d", "f"]);
}

#[test]
fn an_upload_writes_to_the_docroots_that_are_open_for_it() {
    let users = users();
    users.local("new", 2_000);
    let root = users.world.remote("u0");
    for (to, lands) in [
        ("/", Some("home/new")),
        ("/in", Some("real/in/new")),
        ("/in/renamed", Some("real/in/renamed")),
        ("/archive", None),
        ("/kept", None),
        ("/way_to_kept", None),
        ("/shared/out", None),
        ("/shared/out/d/new", None),
        ("/in/../out", None),
        ("/way", None),
        ("/real/in", None),
    ] {
        let run = users.up(0, &[], "new", to);
        match lands {
            Some(path) => {
                run.succeeded();
                tree::assert_same(&users.world.local("new"), &root.join(path));
            }
            None => {
                let _ = run.failure();
            }
        }
    }
    assert_eq!(tree::names_in(&root.join("real/out/d")), ["o"]);
    assert_eq!(tree::names_in(&root.join("home/kept")), ["k"]);
    assert_eq!(
        tree::names_in(&root.join("real/in")),
        ["new", "renamed", "there"]
    );
    // A folder that has names of docroots in it goes where its names belong, or nowhere.
    users.local("tree/in/x", 100);
    users.local("tree/archive/x", 100);
    let run = users.up(0, &["--src-base=tree"], "tree/in", "/");
    run.succeeded();
    assert!(root.join("real/in/x").exists());
    let run = users.up(0, &["--src-base=tree"], "tree/archive", "/");
    let _ = run.failure();
    assert!(!root.join("home/kept/x").exists());
}
