//! Restrictions and listing: what exists for a user.

use std::fs;
use std::os::unix::fs::symlink;

use fasp_tests::tree;

use super::Users;

const RESTRICTION: &str = "file_system/access/paths/path/restrictions/restriction";

#[test]
fn only_what_the_restrictions_admit_exists() {
    let users = Users::of(&[
        &[
            (RESTRICTION, "!/in/secret*"),
            (RESTRICTION, "/in/*"),
            (RESTRICTION, "/out/?.txt"),
        ],
        &[(RESTRICTION, "!*.key")],
    ]);
    // Both patterns of one user stand in one tree each; several trees of the same name are one.
    for path in [
        "in/a",
        "in/secret",
        "in/d/b",
        "out/x.txt",
        "out/xx.txt",
        "other/c",
    ] {
        users.remote(0, path, 900);
    }
    let root = users.world.remote("u0");
    symlink("../other/c", root.join("in/to_other")).unwrap();
    symlink("../other", root.join("in/to_folder")).unwrap();
    fs::hard_link(root.join("in/d/b"), root.join("in/hard")).unwrap();
    for (number, (source, there)) in [
        ("/in/a", true),
        ("/in/d", true),
        ("/in/hard", true),
        ("/out/x.txt", true),
        ("/in/secret", false),
        ("/out/xx.txt", false),
        ("/other/c", false),
        ("/other", false),
        ("/in/../other/c", false),
        ("/in/to_other", false),
        ("/in/to_folder/c", false),
    ]
    .into_iter()
    .enumerate()
    {
        let into = format!("d{number}");
        let run = users.down(0, &[], source, &into);
        let arrived = tree::names_in(&users.world.local(&into));
        if there {
            run.succeeded();
            assert_eq!(arrived.len(), 1, "{source}");
        } else {
            run.failed_with(&["No such file"]);
            assert_eq!(arrived, [""; 0], "{source}");
        }
    }
    // A walk passes over what does not exist.
    let run = users.down(0, &["--symbolic-links=skip"], "/in", "all");
    run.succeeded();
    assert_eq!(
        tree::names_in(&users.world.local("all/in")),
        ["a", "d", "hard"]
    );
    users.local("f", 700);
    users.local("f.key", 700);
    users.up(0, &[], "f", "/in/new").succeeded();
    users.up(0, &["-d"], "f", "/in/deep/er/").succeeded();
    for to in [
        "/in/secret",
        "/in/secret2",
        "/other/f",
        "/in/to_folder/f",
        "/in/to_other",
    ] {
        let _ = users.up(0, &[], "f", to).failure();
    }
    let _ = users.up(0, &["-d"], "f", "/third/").failure();
    assert!(!root.join("third").exists());
    assert_eq!(tree::names_in(&root.join("other")), ["c"]);
    users.up(1, &[], "f", "/").succeeded();
    let _ = users.up(1, &[], "f.key", "/").failure();
    assert_eq!(tree::names_in(&users.world.remote("u1")), ["f"]);
    for option in ["--remove-after-transfer", "-R/in"] {
        let _ = users.down(0, &[option], "/in/a", "refused").failure();
    }
    assert!(root.join("in/a").exists());
}

#[test]
fn folders_that_may_not_be_listed_give_only_what_is_named() {
    let users = Users::of(&[&[("file_system/access/paths/path/dir_allowed", "false")]]);
    users.remote(0, "d/a", 500);
    users.down(0, &[], "/d/a", "one").succeeded();
    users
        .down(0, &[], "/d", "folder")
        .failed_with(&["Insufficient permissions"]);
    users.local("f", 500);
    users.up(0, &[], "f", "/d/").succeeded();
    fs::create_dir(users.world.local("d")).unwrap();
    let _ = users
        .up(0, &["--delete-before-transfer"], "d", "/d")
        .failure();
    assert!(users.world.remote("u0/d/a").exists());
}
