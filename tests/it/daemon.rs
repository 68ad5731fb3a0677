//! The daemon as a service: limits, signals, the service manager, the administrator's program, the login shell.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fasp_tests::binaries;
use fasp_tests::client::Ascp;
use fasp_tests::process::{self, Running};
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::{World, set_mode};
use rustix::process::{Pid, Signal, kill_process};

use crate::server_rules::nested;

const LONG: Duration = Duration::from_secs(60);

fn send(server: &Server, signal: Signal) {
    let pid = i32::try_from(server.process_id())
        .ok()
        .and_then(Pid::from_raw);
    kill_process(pid.unwrap(), signal).unwrap();
}

/// An upload that takes a few seconds, once it runs.
fn slow_upload(world: &World, server: &Server, rate: &str) -> Running {
    tree::write_file(&world.local("slow"), 5, 4_000_000);
    let ascp = Ascp::to(world, server).args(["-k1", "-l", rate, "slow"]);
    let running = ascp.arg(server.at("")).start();
    let part = world.remote("slow.ascp-part");
    process::until(LONG, || part.exists());
    running
}

fn ends(server: &mut Server) {
    process::until(LONG, || !server.is_running());
}

#[test]
fn told_to_end_it_lets_running_transfers_finish_and_takes_no_new_ones() {
    let world = World::new();
    let socket = world.root().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let told = || {
        let mut bytes = [0; 200];
        let count = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    };
    let ascpd = Ascpd::new(&world).with(|command| {
        command.env("NOTIFY_SOCKET", &socket);
    });
    let mut server = ascpd.start();
    assert_eq!(told(), "READY=1\n");
    let running = slow_upload(&world, &server, "16M");
    send(&server, Signal::TERM);
    assert_eq!(told(), "STOPPING=1\n");
    tree::write_file(&world.local("late"), 6, 10);
    let late = Ascp::to(&world, &server)
        .arg("late")
        .arg(server.at(""))
        .run();
    assert_eq!(late.code(), Some(1));
    let ended = running.wait(LONG);
    assert_eq!(ended.code(), Some(0), "{}{}", ended.out(), ended.err());
    tree::assert_same(&world.local("slow"), &world.remote("slow"));
    ends(&mut server);
}

#[test]
fn told_to_end_twice_it_ends_at_once_and_what_was_on_its_way_can_go_on() {
    let world = World::new();
    let mut server = Ascpd::new(&world).start();
    let running = slow_upload(&world, &server, "1M");
    process::until(LONG, || world.remote("slow.aspx").exists());
    send(&server, Signal::TERM);
    process::until(LONG, || server.words().contains("may go on"));
    send(&server, Signal::TERM);
    ends(&mut server);
    assert_eq!(running.wait(LONG).code(), Some(1));
    let server = Ascpd::new(&world).start();
    let again = Ascp::to(&world, &server).args(["-k1", "-l", "500M", "slow"]);
    again.arg(server.at("")).run().succeeded();
    tree::assert_same(&world.local("slow"), &world.remote("slow"));
}

#[test]
fn the_configuration_is_read_again_and_a_wrong_one_changes_nothing() {
    let world = World::new();
    let path = world.server_folder().join("aspera.conf");
    let deny = |value: &str| {
        let element = nested("default/authorization/transfer/in/value", value);
        fs::write(&path, format!("<CONF>{element}</CONF>")).unwrap();
    };
    deny("allow");
    let ascpd = Ascpd::new(&world).arg("-f").arg(&path);
    let server = ascpd.arg("--user").arg("user").start();
    tree::write_file(&world.local("f"), 1, 100);
    let up = || Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
    up().succeeded();
    deny("deny");
    send(&server, Signal::HUP);
    process::until(LONG, || server.words().contains("read again"));
    up().failed_with(&["management authorization refused"]);
    deny("perhaps");
    send(&server, Signal::HUP);
    process::until(LONG, || {
        server
            .words()
            .contains("the old configuration stays in force")
    });
    up().failed_with(&["management authorization refused"]);
}

#[test]
fn one_user_has_so_many_sessions_and_no_more() {
    let world = World::new();
    let server = Ascpd::new(&world)
        .arg("--max-sessions-per-user")
        .arg("1")
        .start();
    let running = slow_upload(&world, &server, "2M");
    tree::write_file(&world.local("f"), 1, 100);
    let second = Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
    assert_eq!(second.code(), Some(1));
    assert!(
        second.words().contains("try again later"),
        "{}",
        second.words()
    );
    running.signal(Signal::KILL);
    let _ = running.wait(LONG);
    process::until(LONG, || server.words().contains("session ended"));
    Ascp::to(&world, &server)
        .arg("f")
        .arg(server.at(""))
        .run()
        .succeeded();
}

#[test]
fn an_address_where_no_log_in_succeeds_has_to_wait() {
    let world = World::new();
    let server = Ascpd::new(&world).start();
    tree::write_file(&world.local("f"), 1, 100);
    let stranger = world.stranger_key();
    for _ in 0..10 {
        let ascp = Ascp::new(&world).options(&server).arg("-i").arg(&stranger);
        let _ = ascp.arg("f").arg(server.at("")).run().failure();
    }
    // Nobody from there comes in for a second, not even with the right key; a slow machine may need that second.
    let _ = Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
    process::until(LONG, || {
        let run = Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
        run.code() == Some(0)
    });
    assert_eq!(server.words().matches("no log-in succeeded").count(), 10);
}

/// A script at `path` that notes its variables, and fails where `fails` holds.
fn script(folder: &Path, fails: &str) -> PathBuf {
    let path = folder.join("prepost");
    let text = format!(
        "#!/bin/sh\necho \"$TYPE $STARTSTOP $STATE $DIRECTION $USER $ERRCODE [$FILE] [$SIZE] [$FILE1] $FILECOUNT\" \
         >> {}\nif [ {fails} ]; then exit 1; fi\n",
        folder.join("calls").display()
    );
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o755);
    path
}

#[test]
fn the_administrators_program_is_told_what_the_path_did_to_a_session() {
    let world = World::new();
    let folder = world.server_folder();
    let told = folder.join("told");
    let path = folder.join("prepost");
    let text = format!(
        "#!/bin/sh\n[ $TYPE$STARTSTOP = SessionStop ] && env | grep -E '^(DELAY|LOSS|OVERHEAD|REXREQS)=[0-9.]+$' | sort > {0}.new && mv {0}.new {0}\nexit 0\n",
        told.display()
    );
    fs::write(&path, text).unwrap();
    set_mode(&path, 0o755);
    tree::write_file(&world.remote("f"), 1, 100_000);
    let server = Ascpd::new(&world).arg("--prepost").arg(path).start();
    let run = |from: &std::ffi::OsStr, to: &std::ffi::OsStr| {
        let _ = fs::remove_file(&told);
        Ascp::to(&world, &server)
            .arg(from)
            .arg(to)
            .run()
            .succeeded();
        process::until(LONG, || told.exists());
        let text = fs::read_to_string(&told).unwrap();
        let names = text
            .lines()
            .map(|line| line.split('=').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // Losses are known to who sends.
    assert_eq!(
        run(&server.at("f"), ".".as_ref()),
        ["DELAY", "LOSS", "OVERHEAD", "REXREQS"]
    );
    assert_eq!(run("f".as_ref(), &server.at("copy")), ["DELAY", "OVERHEAD"]);
}

#[test]
fn the_administrators_program_sees_sessions_and_files_and_may_refuse() {
    let world = World::new();
    let folder = world.server_folder();
    tree::write_file(&world.local("$(touch x)"), 1, 1_000);
    let calls = folder.join("calls");
    let run = |fails: &str| {
        let _ = fs::remove_file(&calls);
        let path = script(&folder, fails);
        let server = Ascpd::new(&world).arg("--prepost").arg(path).start();
        let ascp = Ascp::to(&world, &server).args(["--overwrite=always", "$(touch x)"]);
        (ascp.arg(server.at("")).run(), server)
    };
    let (outcome, _server) = run("1 = 2");
    outcome.succeeded();
    process::until(LONG, || {
        fs::read_to_string(&calls).is_ok_and(|text| text.lines().count() == 4)
    });
    let text = fs::read_to_string(&calls).unwrap();
    assert_eq!(
        text,
        "Session Start started recv user 0 [] [] [] \n\
         File Start started recv user 0 [$(touch x)] [1000] [] \n\
         File Stop success recv user 0 [$(touch x)] [1000] [] \n\
         Session Stop success recv user 0 [] [] [$(touch x)] 1\n"
    );
    assert!(!world.local("x").exists() && !Path::new("/x").exists());
    let (outcome, server) = run("$TYPE$STARTSTOP = SessionStart");
    outcome.failed_with(&["refused the session"]);
    assert!(server.words().contains("prepost"), "{}", server.words());
    // An end that fails is only logged.
    let (outcome, server) = run("$STARTSTOP = Stop");
    outcome.succeeded();
    process::until(LONG, || {
        server.words().matches("at Session Stop").count() == 1
    });
}

#[test]
fn the_login_shell_starts_transfers_and_nothing_else() {
    let shell = binaries::folder().join("aspshell");
    let world = World::new();
    for command in [
        "id",
        "ascp",
        "ascp --server; id",
        "sh -c 'ascp --server'",
        "/bin/sh",
        "",
        "ascp --server --x",
    ] {
        let mut aspshell = Command::new(&shell);
        aspshell
            .args(["-c", command])
            .stdin(Stdio::null())
            .current_dir(world.local(""));
        let ended = Running::start(aspshell).wait(LONG);
        assert_eq!(ended.code(), Some(126), "{command}");
        assert!(
            ended.err().contains("for transfers only"),
            "{}",
            ended.err()
        );
        assert_eq!(ended.out(), "");
    }
    let mut interactive = Command::new(&shell);
    interactive.stdin(Stdio::null());
    assert_eq!(Running::start(interactive).wait(LONG).code(), Some(126));
    let mut aspshell = Command::new(&shell);
    aspshell
        .args(["-c", "/usr/local/bin/ascp --server"])
        .env_clear()
        .stdin(Stdio::null());
    let ended = Running::start(aspshell).wait(LONG);
    // Our protocol begins, and the client that closed at once is the reason why it ends.
    assert!(!ended.out().is_empty(), "{}", ended.err());
}

#[test]
fn as_another_user_it_serves_with_that_users_rights() {
    if !rustix::process::geteuid().is_root() {
        fasp_tests::skip::say("needs root");
        return;
    }
    let world = World::new();
    let nobody = |path: &Path| {
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    };
    nobody(&world.server_folder());
    nobody(&world.remote(""));
    let server = Ascpd::new(&world).arg("--run-as").arg("nobody").start();
    tree::write_file(&world.local("f"), 1, 100);
    Ascp::to(&world, &server)
        .arg("f")
        .arg(server.at(""))
        .run()
        .succeeded();
    let made = fs::metadata(world.remote("f")).unwrap();
    assert_eq!((made.uid(), made.gid()), (65_534, 65_534));
    fs::write(world.remote("g"), b"of root").unwrap();
    fs::set_permissions(world.remote("g"), fs::Permissions::from_mode(0o600)).unwrap();
    let ascp = Ascp::to(&world, &server).arg(server.at("g")).arg("g").run();
    ascp.failed_with(&["permissions"]);
}
