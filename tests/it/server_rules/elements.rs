//! Modes, replacing, suffixes, filters, checksums, lists, sizes, time-outs, logs: a row for each element.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use fasp_tests::tree;
use fasp_tests::world::{World, set_mode};

use super::{Users, daemon_of, nested};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_made_has_the_modes_of_the_server() {
    let users = Users::of(&[
        &[
            ("file_system/file_create_mode", "640"),
            ("file_system/directory_create_mode", "2750"),
        ],
        &[
            ("file_system/file_create_grant_mask", "604"),
            ("file_system/directory_create_grant_mask", "055"),
        ],
        &[
            ("file_system/file_create_mode", "600"),
            ("file_system/file_create_grant_mask", "777"),
        ],
        &[],
    ]);
    users.local("d/sub/f", 60_000);
    users.local("d/g", 10);
    for (path, mode) in [
        ("d", 0o700),
        ("d/sub", 0o700),
        ("d/sub/f", 0o600),
        ("d/g", 0o755),
    ] {
        set_mode(&users.world.local(path), mode);
    }
    for (number, folder, f, g) in [
        (0, 0o2750, 0o640, 0o640),
        (1, 0o755, 0o604, 0o755),
        (2, 0o700, 0o600, 0o600),
        (3, 0o700, 0o600, 0o755),
    ] {
        users.up(number, &["-d"], "d", "/made").succeeded();
        let at = |path: &str| mode(&users.world.remote(format!("u{number}/made/{path}")));
        let found = [at("d"), at("d/sub"), at("d/sub/f"), at("d/g")];
        assert_eq!(
            found.map(|mode| format!("{mode:o}")),
            [folder, folder, f, g].map(|mode| format!("{mode:o}")),
            "{number}"
        );
    }
    // A folder made for -d has the mode too.
    assert_eq!(mode(&users.world.remote("u0/made")), 0o2750);
}

#[test]
fn nothing_is_replaced_where_that_is_denied() {
    let users = Users::of(&[&[("file_system/overwrite", "deny")]]);
    users.local("f", 3_000);
    users.remote(0, "f", 2_000);
    let before = fs::read(users.world.remote("u0/f")).unwrap();
    for (options, is_told) in [
        (&["--overwrite=always"][..], true),
        (&[], true),
        (&["-k3"], false),
        (&["--overwrite=never"], false),
    ] {
        let run = users.up(0, options, "f", "/");
        if is_told {
            run.failed_with(&["exists"]);
        } else {
            run.succeeded();
        }
        assert_eq!(fs::read(users.world.remote("u0/f")).unwrap(), before);
    }
    fs::create_dir(users.world.local("u0")).unwrap();
    let _ = users
        .up(0, &["--delete-before-transfer", "-d"], "u0", "/u0")
        .failure();
    users.up(0, &[], "f", "/other").succeeded();
    assert!(
        users.server.words().contains("status=skipped file=\"f\""),
        "{}",
        users.server.words()
    );
}

#[test]
fn partial_files_have_the_suffixes_of_the_server() {
    let users = Users::of(&[
        &[
            ("file_system/partial_file_suffix", ".partial"),
            ("file_system/resume_suffix", ".note"),
        ],
        &[("file_system/resume_suffix", ".note")],
    ]);
    users.local("f", 6_000_000);
    for (number, part, note) in [
        (0, "f.partial", "f.partial.note"),
        (1, "f.ascp-part", "f.note"),
    ] {
        let ascp = users.ascp().args(["-k1", "-l", "8M", "f"]);
        let running = ascp.arg(users.at(number, "/")).start();
        let folder = users.world.remote(format!("u{number}"));
        fasp_tests::process::until(Duration::from_secs(30), || {
            let names = tree::names_in(&folder);
            names.contains(&part.to_owned()) && names.contains(&note.to_owned())
        });
        running.signal(rustix::process::Signal::KILL);
        let _ = running.wait(Duration::from_secs(20));
        users
            .up(number, &["-k1", "-l", "500M"], "f", "/")
            .succeeded();
        tree::assert_same(&users.world.local("f"), &folder.join("f"));
        assert_eq!(tree::names_in(&folder), ["f"]);
    }
}

#[test]
fn filters_of_the_configuration_go_before_those_of_the_client() {
    let users = Users::of(&[&[
        ("file_system/filters/filter", "- *.tmp"),
        ("file_system/filters/filter", "+ keep*"),
    ]]);
    for name in ["d/a", "d/a.tmp", "d/keep.x", "d/b.x"] {
        users.remote(0, name, 100);
    }
    users
        .down(0, &["-N", "*.tmp", "-E", "*.x"], "/d", "one")
        .succeeded();
    assert_eq!(tree::names_in(&users.world.local("one/d")), ["a", "keep.x"]);
    users.down(0, &[], "/d", "two").succeeded();
    assert_eq!(
        tree::names_in(&users.world.local("two/d")),
        ["a", "b.x", "keep.x"]
    );
}

#[test]
fn checksums_lists_and_attributes_are_the_servers() {
    let lists = World::new();
    let folder = lists.remote("");
    let users = Users::of(&[
        &[("file_system/file_checksum", "sha256")],
        &[
            ("file_system/file_manifest", "text"),
            ("file_system/file_manifest_path", &folder.to_string_lossy()),
        ],
        &[("file_system/preserve_attributes", "none")],
        &[("file_system/pre_calculate_job_size", "yes")],
        &[
            ("file_system/read_block_size", "4096"),
            ("file_system/write_block_size", "8192"),
        ],
        &[("transfer/protocol_options/datagram_size", "1300")],
    ]);
    users.local("f", 90_000);
    let run = users.up(0, &[], "f", "/");
    run.succeeded();
    assert!(run.err().contains("sha-256"), "{}", run.err());
    users
        .up(0, &["--file-checksum=sha-256"], "f", "/")
        .succeeded();
    users
        .up(0, &["--file-checksum=md5"], "f", "/")
        .failed_with(&["sha-256"]);

    users.up(1, &[], "f", "/").succeeded();
    let names = fasp_tests::process::until_some(Duration::from_secs(20), || {
        let names = tree::names_in(&folder);
        names
            .first()
            .is_some_and(|name| name.ends_with("-manifest.txt"))
            .then_some(names)
    });
    let text = fs::read_to_string(folder.join(&names[0])).unwrap();
    assert!(
        text.contains("direction=recv") && text.contains("ok 90000 - \"f\""),
        "{text}"
    );

    let old = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options()
        .write(true)
        .open(users.world.local("f"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    users.up(2, &["-p"], "f", "/").succeeded();
    let made = fs::metadata(users.world.remote("u2/f"))
        .unwrap()
        .modified()
        .unwrap();
    assert_ne!(made, old);

    users.remote(3, "g", 40_000);
    users.down(3, &[], "/g", "counted").succeeded();
    users.remote(4, "g", 300_000);
    users.down(4, &[], "/g", "blocks").succeeded();
    tree::assert_same(&users.world.remote("u4/g"), &users.world.local("blocks/g"));
    users.up(4, &[], "f", "/").succeeded();
    tree::assert_same(&users.world.local("f"), &users.world.remote("u4/f"));
    let run = users.up(5, &["-Z", "9000"], "f", "/");
    run.succeeded();
    tree::assert_same(&users.world.local("f"), &users.world.remote("u5/f"));
}

#[test]
fn a_silent_client_is_left_after_the_time_of_the_server() {
    let users = Users::of(&[
        &[("connection_timeout_sec", "1")],
        &[("logging/level", "disable")],
    ]);
    // A client that logs in and says nothing: the words of the system's own SSH client.
    if !fasp_tests::world::is_installed("ssh") {
        return;
    }
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-i",
    ])
    .arg(users.world.client_key())
    .args([
        "-p",
        &users.server.ssh_port.to_string(),
        "u0@127.0.0.1",
        "ascp",
        "--server",
    ])
    .stdin(std::process::Stdio::piped())
    .stdout(std::process::Stdio::piped())
    .stderr(std::process::Stdio::null());
    let mut silent = ssh.spawn().unwrap();
    let mut words = Vec::new();
    silent
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut words)
        .unwrap();
    let _ = silent.wait();
    fasp_tests::process::until(Duration::from_secs(20), || {
        users
            .server
            .words()
            .contains("the client said nothing for 1 seconds")
    });
    users.local("f", 10);
    users.up(1, &[], "f", "/").succeeded();
    assert!(!users.server.words().contains("user=\"u1\""));
}

#[test]
fn logs_go_where_the_configuration_says() {
    let logs = World::new();
    let folder = logs.remote("");
    let users = Users::of(&[&[
        ("logging/directory", &folder.to_string_lossy()),
        ("transfer/log_files_activity", "false"),
    ]]);
    users.local("f", 10);
    users.up(0, &[], "f", "/").succeeded();
    let path = folder.join("aspera-scp-transfer.log");
    fasp_tests::process::until(Duration::from_secs(20), || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("FASP Session Stop"))
    });
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("user=\"u0\"") && !text.contains("FASP Transfer Stop"),
        "{text}"
    );
    assert!(!users.server.words().contains("FASP Session"));
}

#[test]
fn a_host_key_that_is_not_the_one_named_starts_no_server() {
    let world = World::new();
    let path = world.server_folder().join("aspera.conf");
    let mut file = fs::File::create(&path).unwrap();
    let wrong = nested("server/ssh_host_key_fingerprint", &"ab".repeat(20));
    writeln!(file, "<CONF>\n{wrong}</CONF>").unwrap();
    let start = || daemon_of(&world, &path);
    let ended = start().wait(Duration::from_secs(20));
    assert_eq!(ended.code(), Some(1));
    let (_, own) = ended
        .err()
        .split_once("another one, ")
        .map(|(a, b)| (a.to_owned(), b.trim().to_owned()))
        .unwrap();
    let right = nested("server/ssh_host_key_fingerprint", &own);
    fs::write(&path, format!("<CONF>{right}</CONF>")).unwrap();
    let running = start();
    fasp_tests::process::until(Duration::from_secs(20), || {
        String::from_utf8_lossy(&running.stdout_so_far()).contains("listening on")
    });
}
