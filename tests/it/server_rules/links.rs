//! The two public tables of links: every method of the client against every setting of the server.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use super::Users;

const SETTINGS: [&str; 5] = ["create,follow", "create", "follow", "follow_wide", "none"];
const METHODS: [&str; 4] = ["follow", "copy", "copy+force", "skip"];

/// What is at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Found {
    Nothing,
    /// What the link leads to.
    Content,
    Link,
    /// The file that was there before.
    Old,
}
use Found::{Content, Link, Nothing, Old};

fn found(path: &Path) -> Found {
    match fs::symlink_metadata(path) {
        Err(_) => Nothing,
        Ok(meta) if meta.is_symlink() => Link,
        Ok(_) if fs::read(path).unwrap() == b"old" => Old,
        Ok(_) => Content,
    }
}

fn tree(folder: &Path) {
    fs::create_dir_all(folder.join("t")).unwrap();
    fs::write(folder.join("t/file"), b"content").unwrap();
    symlink("file", folder.join("t/free")).unwrap();
    symlink("file", folder.join("t/taken")).unwrap();
}

/// A place where `taken` is a file already.
fn place(folder: &Path) {
    fs::create_dir_all(folder.join("t")).unwrap();
    fs::write(folder.join("t/taken"), b"old").unwrap();
}

#[test]
fn the_table_of_uploads_holds_cell_by_cell() {
    let rows = SETTINGS.map(|setting| [("file_system/symbolic_links", setting)]);
    let users = Users::of(&rows.each_ref().map(|row| &row[..]));
    tree(&users.world.local(""));
    let expected = |method: &str, setting: &str| match method {
        "follow" => (Content, Content),
        "copy" if setting.contains("create") => (Link, Old),
        "copy+force" if setting.contains("create") => (Link, Link),
        _ => (Nothing, Old),
    };
    thread::scope(|scope| {
        for (number, setting) in SETTINGS.into_iter().enumerate() {
            let users = &users;
            scope.spawn(move || {
                for method in METHODS {
                    let base = users.world.remote(format!("u{number}/{method}"));
                    place(&base);
                    let option = format!("--symbolic-links={method}");
                    users
                        .up(number, &[&option], "t", &format!("/{method}/"))
                        .succeeded();
                    let there = (found(&base.join("t/free")), found(&base.join("t/taken")));
                    assert_eq!(there, expected(method, setting), "{method} {setting}");
                }
            });
        }
    });
}

#[test]
fn the_table_of_downloads_holds_cell_by_cell() {
    let rows = SETTINGS.map(|setting| [("file_system/symbolic_links", setting)]);
    let users = Users::of(&rows.each_ref().map(|row| &row[..]));
    fs::write(users.world.root().join("outside"), b"outside").unwrap();
    for number in 0..SETTINGS.len() {
        tree(&users.world.remote(format!("u{number}")));
        let wide = users.world.remote(format!("u{number}/wide"));
        symlink(users.world.root().join("outside"), wide).unwrap();
    }
    let expected = |method: &str, setting: &str| match method {
        "follow" if setting.contains("follow") => (Content, Content),
        "copy" => (Link, Old),
        "copy+force" => (Link, Link),
        _ => (Nothing, Old),
    };
    thread::scope(|scope| {
        for (number, setting) in SETTINGS.into_iter().enumerate() {
            let users = &users;
            scope.spawn(move || {
                for method in METHODS {
                    let into = format!("{number}{method}");
                    let base = users.world.local(&into);
                    place(&base);
                    let option = format!("--symbolic-links={method}");
                    users.down(number, &[&option], "/t", &into).succeeded();
                    let there = (found(&base.join("t/free")), found(&base.join("t/taken")));
                    assert_eq!(there, expected(method, setting), "{method} {setting}");
                }
                let into = format!("wide{number}");
                let run = users.down(number, &[], "/wide", &into);
                let arrived = users.world.local(into).join("wide").exists();
                assert_eq!(
                    arrived,
                    setting == "follow_wide",
                    "{setting}\n{}",
                    run.words()
                );
            });
        }
    });
}
