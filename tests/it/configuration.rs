//! `aspera.conf` with real processes: each element that works changes what a client gets, a wrong file opens nothing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use fasp_tests::binaries;
use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::{Finished, Running};
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::World;

/// `<a><b>value</b></a>` for `a/b`.
fn nested(path: &str, value: &str) -> String {
    path.split('/').rev().fold(value.to_owned(), |inner, name| {
        format!("<{name}>{inner}</{name}>")
    })
}

pub(crate) fn in_default(rows: &[(&str, &str)]) -> String {
    let inside: String = rows
        .iter()
        .map(|(path, value)| nested(path, value))
        .collect();
    format!("<CONF>\n<default>{inside}</default>\n</CONF>")
}

pub(crate) fn write(world: &World, text: &str) -> PathBuf {
    let path = world.server_folder().join("aspera.conf");
    fs::write(&path, text).unwrap();
    path
}

pub(crate) fn start(world: &World, text: &str) -> Server {
    let path = write(world, text);
    let ascpd = Ascpd::new(world).arg("--config").arg(path);
    ascpd.arg("--user").arg("user").start()
}

/// Runs `ascpd` with arguments that end it.
pub(crate) fn ascpd(arguments: &[&str]) -> Finished {
    let mut command = Command::new(binaries::ascpd());
    command.env_clear().args(arguments).stdin(Stdio::null());
    Running::start(command).wait(Duration::from_secs(20))
}

fn up(world: &World, server: &Server, options: &[&str]) -> Outcome {
    let ascp = Ascp::to(world, server).args(options);
    ascp.args(["-L-", "f"]).arg(server.at("")).run()
}

fn down(world: &World, server: &Server, options: &[&str]) -> Outcome {
    let ascp = Ascp::to(world, server).args(options);
    ascp.arg("-L-").arg(server.at("g")).arg(".").run()
}

pub(crate) fn world_with_files() -> World {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 30_000);
    tree::write_file(&world.remote("g"), 2, 30_000);
    world
}

#[test]
fn each_direction_can_be_forbidden() {
    let access = "file_system/access/paths/path";
    for (path, value, upload, download) in [
        (
            "authorization/transfer/in/value",
            "deny",
            Some("management authorization refused"),
            None,
        ),
        (
            "authorization/transfer/out/value",
            "deny",
            None,
            Some("management authorization refused"),
        ),
        (
            &*format!("{access}/write_allowed"),
            "false",
            Some("Write access denied for user"),
            None,
        ),
        (
            &*format!("{access}/read_allowed"),
            "false",
            None,
            Some("Read access denied for user"),
        ),
    ] {
        let world = world_with_files();
        let server = start(&world, &in_default(&[(path, value)]));
        for (run, refusal) in [
            (up(&world, &server, &[]), upload),
            (down(&world, &server, &[]), download),
        ] {
            match refusal {
                None => drop(run.succeeded()),
                Some(words) => drop(run.failed_with(&[words])),
            }
        }
        assert_eq!(world.remote("f").exists(), upload.is_none(), "{path}");
        assert_eq!(world.local("g").exists(), download.is_none(), "{path}");
    }
}

#[test]
fn who_may_only_read_takes_nothing_away_and_writes_no_log() {
    for (path, value, words) in [
        (
            "file_system/access/paths/path/write_allowed",
            "false",
            "Write access denied for user",
        ),
        (
            "authorization/transfer/in/value",
            "deny",
            "management authorization refused",
        ),
    ] {
        let world = world_with_files();
        fs::create_dir(world.remote("logs")).unwrap();
        fs::create_dir(world.remote("archive")).unwrap();
        let server = start(&world, &in_default(&[(path, value)]));
        for options in [
            &["--remove-after-transfer"][..],
            &["--move-after-transfer", "archive"],
            &["-R", "logs"],
        ] {
            down(&world, &server, options).failed_with(&[words]);
        }
        assert!(world.remote("g").exists(), "{path}");
        assert_eq!(tree::names_in(&world.remote("archive")), [""; 0]);
        assert_eq!(tree::names_in(&world.remote("logs")), [""; 0]);
        down(&world, &server, &[]).succeeded();
    }
}

#[test]
fn rates_policies_and_ciphers_are_the_servers() {
    let flow = "transfer/in/bandwidth/flow";
    let rate = |rest: &str| format!("{flow}/{rest}");
    let agreed = |rows: &[(&str, &str)], options: &[&str]| {
        let world = world_with_files();
        let server = start(&world, &in_default(rows));
        let run = up(&world, &server, options);
        run.succeeded();
        run.err()
    };
    let log = agreed(
        &[(&rate("target_rate/cap"), "5M")],
        &["-l", "50M", "-m", "1M"],
    );
    assert!(log.contains("targetrate=5000000 minrate=1000000"), "{log}");
    let log = agreed(
        &[
            (&rate("target_rate/default"), "7M"),
            (&rate("target_rate/lock"), "true"),
            (&rate("min_rate/cap"), "20"),
        ],
        &["-l", "50M", "-m", "1M"],
    );
    assert!(log.contains("targetrate=7000000 minrate=20000"), "{log}");
    let log = agreed(
        &[("transfer/encryption/allowed_cipher", "aes-256")],
        &["-c", "aes128"],
    );
    assert!(log.contains("cipher=aes-256-gcm"), "{log}");

    for (rows, options, words) in [
        (
            (rate("policy/allowed"), "low"),
            ["--policy", "fair"],
            "fair",
        ),
        (
            (rate("policy/lock"), "true"),
            ["--policy", "fixed"],
            "fixed",
        ),
        (
            ("transfer/encryption/allowed_cipher".to_owned(), "none"),
            ["-c", "aes128"],
            "cipher",
        ),
        (
            (
                "transfer/encryption/allowed_cipher".to_owned(),
                "aes-128-gcm",
            ),
            ["-c", "aes128cfb"],
            "cipher",
        ),
    ] {
        let world = world_with_files();
        let server = start(&world, &in_default(&[(&rows.0, rows.1)]));
        up(&world, &server, &options).failed_with(&[words]);
    }
}

#[test]
fn every_user_has_the_docroot_that_the_configuration_says() {
    let world = world_with_files();
    let server_folder = world.server_folder();
    for (user, key) in [
        ("ann", world.authorized_key()),
        ("bob", world.authorized_key()),
    ] {
        fs::create_dir_all(world.remote(format!("pods/{user}"))).unwrap();
        fs::write(
            server_folder.join(format!("{user}.keys")),
            format!("{key}\n"),
        )
        .unwrap();
    }
    let pods = world.remote("pods").join("$(name)");
    let docroot = nested(
        "file_system/access/paths/path/absolute",
        &pods.to_string_lossy(),
    );
    let read_only = nested("authorization/transfer/in/value", "deny");
    let text = format!(
        "<CONF><default>{docroot}</default><aaa><realms><realm><users>\
         <user><name>bob</name>{read_only}</user></users></realm></realms></aaa></CONF>"
    );
    let path = write(&world, &text);
    let ascpd = Ascpd::new(&world).with(|command| {
        *command = Command::new(binaries::ascpd());
        command
            .env_clear()
            .arg("--authorized-keys")
            .arg(server_folder.join("%u.keys"));
        command
            .arg("--host-key")
            .arg(server_folder.join("host_key"));
        command.arg("-f").arg(&path);
    });
    let server = ascpd.start();
    let to = |user: &str, path: &str| format!("{user}@127.0.0.1:{path}");
    let run = |user: &str| Ascp::to(&world, &server).arg("f").arg(to(user, "/")).run();
    run("ann").succeeded();
    tree::assert_same(&world.local("f"), &world.remote("pods/ann/f"));
    run("bob").failed_with(&["management authorization refused"]);
    assert_eq!(tree::names_in(&world.remote("pods/bob")), [""; 0]);
    // A name that has no keys, and one that would lead to the keys of another.
    run("eve").failed_with(&["failed to authenticate"]);
    run("..").failed_with(&["failed to authenticate"]);
    let out = Ascp::to(&world, &server)
        .arg(to("ann", "../bob/x"))
        .arg(".")
        .run();
    let _ = out.failure();
}

#[test]
fn a_wrong_file_opens_nothing() {
    let world = World::new();
    for (text, words) in [
        (
            in_default(&[("transfer/encryption/allowed_cipher", "rot13")]),
            "line 2: <transfer/encryption/allowed_cipher>: \"rot13\" is none of",
        ),
        ("<CONF>\n<default>\n</CONF>".to_owned(), "line 3: "),
        ("{}".to_owned(), "line 1: "),
    ] {
        let path = write(&world, &text);
        let path = path.to_string_lossy();
        let ended = ascpd(&["--config", &path, "--check-config", "user"]);
        assert_eq!(ended.code(), Some(1), "{}", ended.err());
        assert!(ended.err().contains(words), "{}", ended.err());
        assert!(ended.err().contains(&*path), "{}", ended.err());
    }
    let ended = ascpd(&["--config", "/no/such/file", "--check-config", "user"]);
    assert!(
        ended.err().contains("cannot read /no/such/file"),
        "{}",
        ended.err()
    );
    // Under the system's sshd the file lies beside the program; a wrong one ends the session before it begins.
    let place = world.server_folder().join("program");
    fs::create_dir_all(place.join("bin")).unwrap();
    fs::create_dir_all(place.join("etc")).unwrap();
    fs::copy(binaries::ascp(), place.join("bin/ascp")).unwrap();
    fs::write(
        place.join("etc/aspera.conf"),
        "<CONF><default><x></default></CONF>",
    )
    .unwrap();
    let mut command = Command::new(place.join("bin/ascp"));
    command.arg("--server").env_clear().stdin(Stdio::null());
    let ended = Running::start(command).wait(Duration::from_secs(20));
    assert_ne!(ended.code(), Some(0));
    assert!(
        ended.err().contains("aspera.conf, line 1: "),
        "{}",
        ended.err()
    );
}

#[test]
fn keys_that_fit_every_name_are_refused_beside_rules_for_names() {
    let world = World::new();
    let path = write(&world, "<CONF/>");
    let keys = world.server_folder().join("authorized_keys");
    let host_key = world.server_folder().join("host_key");
    let [path, keys, host_key] = [path, keys, host_key].map(|path| path.display().to_string());
    let ended = ascpd(&[
        "--listen",
        "127.0.0.1:0",
        "--docroot",
        "/tmp",
        "--config",
        &path,
        "--authorized-keys",
        &keys,
        "--host-key",
        &host_key,
    ]);
    assert_eq!(ended.code(), Some(1));
    assert!(ended.err().contains("--user NAME"), "{}", ended.err());
}

#[test]
fn the_effective_settings_and_their_places_are_shown() {
    let world = World::new();
    let cap = nested("transfer/in/bandwidth/flow/target_rate/cap", "3M");
    let text = format!(
        "<CONF>\n<default>{cap}<wine/></default>\n<aaa><realms><realm><users><user><name>ann</name>\n\
         <authorization><transfer><in><value>deny</value></in></transfer></authorization>\
         </user></users></realm></realms></aaa></CONF>"
    );
    let path = write(&world, &text);
    let ended = ascpd(&["-f", &path.to_string_lossy(), "--check-config", "ann"]);
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    let out = ended.out();
    for line in [
        "transfer/in/bandwidth/flow/target_rate/cap = 3M  (default, line 2)",
        "authorization/transfer/in/value = deny  (user, line 4)",
        "transfer/encryption/allowed_cipher = any  (built in)",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
    assert!(
        ended
            .err()
            .contains("line 2: unknown element <wine> is ignored"),
        "{}",
        ended.err()
    );
    let paths = "<path><absolute>/a</absolute></path>\
                 <path><absolute>/b</absolute><write_allowed>no</write_allowed></path>";
    let text = nested("file_system/access/paths", paths);
    let path = write(&world, &format!("<CONF><default>{text}</default></CONF>"));
    let ended = ascpd(&["-f", &path.to_string_lossy(), "--check-config", "ann"]);
    let out = ended.out();
    let place = "file_system/access/paths/path";
    for line in [
        format!("{place}/absolute = /a  (default, line 1)"),
        format!("{place}/write_allowed = true  (built in)"),
        format!("{place}[2]/absolute = /b  (default, line 1)"),
        format!("{place}[2]/write_allowed = no  (default, line 1)"),
    ] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
    let example = write(&world, &ascpd(&["--config-example"]).out());
    let ended = ascpd(&["-f", &example.to_string_lossy(), "--check-config", "ann"]);
    assert_eq!((ended.code(), ended.err().as_str()), (Some(0), ""));
    assert!(ended.out().contains(&format!(
        "{place}/absolute = /srv/ascp/$(name)  (default, line "
    )));
    let reference = ascpd(&["--config-reference"]);
    assert!(
        reference
            .out()
            .contains("transfer/encryption/allowed_cipher")
    );
}
