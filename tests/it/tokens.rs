//! Tokens with real processes: made by `astokengen`, demanded by `ascpd`, refused without a reason for the client.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use fasp_tests::binaries;
use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::{Finished, Running};
use fasp_tests::server::Server;
use fasp_tests::tree;
use fasp_tests::world::World;

use crate::configuration::{ascpd, in_default, start, world_with_files, write};

const OLD: &str = "an-old-key-of-this-server";
const NEW: &str = "a-new-key-of-this-server";

fn configuration(keys: &str) -> String {
    in_default(&[
        ("authorization/transfer/in/value", "token"),
        ("authorization/transfer/out/value", "token"),
        ("authorization/token/encryption_key", keys),
    ])
}

fn generator(world: &World, arguments: &[&str]) -> Finished {
    let mut command = Command::new(binaries::folder().join("astokengen"));
    let path = world.server_folder().join("aspera.conf");
    command
        .env_clear()
        .arg("-f")
        .arg(path)
        .args(arguments)
        .stdin(Stdio::null());
    Running::start(command).wait(Duration::from_secs(20))
}

fn token(world: &World, arguments: &[&str]) -> String {
    let ended = generator(world, arguments);
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    ended.out().trim().to_owned()
}

/// An upload of `f` to `in/`, or a download of `g`.
fn transfer(world: &World, server: &Server, uploads: bool, token: &str) -> Outcome {
    let ascp = Ascp::to(world, server)
        .env("ASPERA_SCP_TOKEN", token)
        .args(["-L-", "-DDD"]);
    if uploads {
        ascp.arg("f").arg(server.at("in/")).run()
    } else {
        ascp.arg(server.at("g")).arg(".").run()
    }
}

#[test]
fn a_token_opens_its_paths_one_way_for_its_user_and_nothing_says_why_it_does_not() {
    let world = world_with_files();
    fs::create_dir(world.remote("in")).unwrap();
    let server = start(&world, &configuration(&format!("{NEW} {OLD}")));
    let up = ["--mode=send", "--user=user", "--path=/in"];
    let down = ["--mode=recv", "-uuser", "-p", "/g"];
    let good = token(&world, &up);
    let mut flipped = good.clone().into_bytes();
    flipped[20] ^= 1;
    let flipped = String::from_utf8_lossy(&flipped).into_owned();
    let make = |arguments: &[&str]| token(&world, arguments);
    // (the token, upload or download, what the log of the server says)
    let table: [(String, bool, Option<&str>); 11] = [
        (good.clone(), true, None),
        (make(&down), false, None),
        (make(&["--mode=send", "-uuser", "-p", "/"]), true, None),
        (String::new(), true, Some("no token came")),
        ("ATM2_x".to_owned(), true, Some("the token is malformed")),
        (flipped, true, Some("no key made the signature")),
        (good.clone(), false, Some("for the other direction")),
        (
            make(&["--mode=send", "-uother", "-p", "/in"]),
            true,
            Some("for the user other"),
        ),
        (
            make(&["--mode=send", "-uuser", "-p", "/i"]),
            true,
            Some("does not cover /in/"),
        ),
        (
            make(&["--mode=recv", "-uuser", "-p", "/in"]),
            false,
            Some("does not cover /g"),
        ),
        (
            make(&["--mode=send", "-uuser", "-p", "/in", "--life=0"]),
            true,
            Some("has expired"),
        ),
    ];
    for (token, uploads, refusal) in table {
        let _ = fs::remove_file(world.remote("in/f"));
        let _ = fs::remove_file(world.local("g"));
        let before = server.words().len();
        let run = transfer(&world, &server, uploads, &token);
        let log = server.words().split_off(before);
        let arrived = world.remote("in/f").exists() || world.local("g").exists();
        assert_eq!(arrived, refusal.is_none(), "{refusal:?}");
        match refusal {
            None => drop(run.succeeded()),
            Some(why) => {
                run.failed_with(&["Authorization failure"]);
                assert!(!run.words().contains(why), "{}", run.words());
                assert!(
                    log.contains("token refused") && log.contains(why),
                    "{why}: {log}"
                );
            }
        }
        if !token.is_empty() {
            assert!(!run.words().contains(&token) && !log.contains(&token));
        }
    }
}

#[test]
fn a_token_opens_nothing_besides_its_transfer_and_every_name_of_a_list_is_looked_at() {
    let world = world_with_files();
    fs::create_dir(world.remote("in")).unwrap();
    let server = start(&world, &configuration(NEW));
    let down = token(&world, &["--mode=recv", "-uuser", "-p", "/g"]);
    // What a token does not open: a log below the docroot, and taking sources away.
    for options in [&["-R", "in"][..], &["--remove-after-transfer"]] {
        let run = Ascp::to(&world, &server)
            .args(["-W", &down])
            .args(options)
            .arg(server.at("g"))
            .arg(".")
            .run();
        run.failed_with(&["Authorization failure"]);
        assert!(world.remote("g").exists());
    }
    // The names of a list come one by one, and each is looked at.
    tree::write_file(&world.remote("h"), 5, 1_000);
    fs::write(world.local("list"), "g\nh\n").unwrap();
    let run = Ascp::to(&world, &server)
        .args([
            "-W",
            &down,
            "--file-list=list",
            "--mode=recv",
            "--host=127.0.0.1",
        ])
        .args(["--user=user", "."])
        .run();
    run.failed_with(&["Authorization failure"]);
    assert!(world.local("g").exists() && !world.local("h").exists());
}

#[test]
fn a_key_is_exchanged_without_a_gap_and_shown_nowhere() {
    let world = world_with_files();
    fs::create_dir(world.remote("in")).unwrap();
    let arguments = ["--mode=send", "--user=user", "--path=in"];
    write(&world, &configuration(OLD));
    let old = token(&world, &arguments);
    let server = start(&world, &configuration(&format!("{NEW} {OLD}")));
    let new = token(&world, &arguments);
    transfer(&world, &server, true, &old).succeeded();
    transfer(&world, &server, true, &new).succeeded();
    drop(server);
    let server = start(&world, &configuration(NEW));
    transfer(&world, &server, true, &new).succeeded();
    transfer(&world, &server, true, &old).failed_with(&["Authorization failure"]);
    let tested = |token: &str| generator(&world, &["--user=user", "--test", token]);
    let told = tested(&new).out();
    assert!(
        told.starts_with("mode: send\nuser: user\nends in: "),
        "{told}"
    );
    assert!(told.trim_end().ends_with("path: in"), "{told}");
    assert!(tested(&old).err().contains("no key made the signature"));
    assert_eq!(tested(&old).code(), Some(1));
    let path = world.server_folder().join("aspera.conf");
    let shown = ascpd(&[
        "--config",
        &path.to_string_lossy(),
        "--check-config",
        "user",
    ]);
    assert_eq!(shown.code(), Some(0), "{}", shown.err());
    for words in [shown.out(), shown.err(), server.words(), told] {
        assert!(!words.contains(NEW), "{words}");
    }
    for keys in ["", "short"] {
        write(&world, &configuration(keys));
        let shown = ascpd(&[
            "--config",
            &path.to_string_lossy(),
            "--check-config",
            "user",
        ]);
        assert_eq!(shown.code(), Some(1));
        assert!(
            shown.err().contains("authorization/token"),
            "{}",
            shown.err()
        );
        assert!(
            generator(&world, &arguments)
                .err()
                .contains("authorization/token")
        );
    }
}
