//! Passwords and keys: in no log, no argument, no environment of the other side, no core file, for nobody's eyes.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fasp_tests::client::Ascp;
use fasp_tests::process::{Running, launched_by};
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::world::World;
use fasp_tests::{skip, tree};
use rustix::process::Signal;

use crate::authentication::password_file;

const PASSWORD: &str = "correct-horse-7391";
const SLOW: [&str; 3] = ["-l", "10M", "--policy=fixed"];

fn wait_for_a_part(world: &World, running: &mut Running) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while tree::names_in(&world.remote("")).is_empty() {
        assert!(running.is_running() && Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A slow upload that logs in with [`PASSWORD`].
fn upload(world: &World, server: &Server) -> Ascp {
    tree::write_file(&world.local("f"), 1, 20_000_000);
    let ascp = Ascp::new(world).options(server).args(SLOW);
    ascp.env("ASPERA_SCP_PASS", PASSWORD)
        .args(["-DDD", "-v", "-L-", "f"])
        .arg(server.at(""))
}

fn proc_file(id: u32, name: &str) -> Vec<u8> {
    fs::read(format!("/proc/{id}/{name}")).unwrap_or_default()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes
        .windows(secret.len())
        .any(|window| window == secret.as_bytes())
}

#[test]
fn a_password_is_in_no_argument_no_log_and_nowhere_at_the_server() {
    let world = World::new();
    let [option, path] = password_file(&world, "user", PASSWORD);
    let server = Ascpd::new(&world).arg(option).arg(path).start();
    let mut running = upload(&world, &server).start();
    wait_for_a_part(&world, &mut running);
    let client = running.id();
    assert!(holds(&proc_file(client, "cmdline"), "-DDD"), "it was read");
    assert!(!holds(&proc_file(client, "cmdline"), PASSWORD));
    let daemon = server.process_id();
    assert!(!holds(&proc_file(daemon, "cmdline"), PASSWORD));
    assert!(!holds(&proc_file(daemon, "environ"), PASSWORD));
    running.interrupt();
    let ended = running.wait(Duration::from_secs(10));
    assert!(ended.err().contains("Session Start"), "there is a log");
    assert!(!holds(&ended.stderr, PASSWORD) && !holds(&ended.stdout, PASSWORD));
    assert!(!holds(server.words().as_bytes(), PASSWORD));
    let refused = Ascp::new(&world)
        .options(&server)
        .env("ASPERA_SCP_PASS", "wrong-battery-5512")
        .args(["-DDD", "-L-", "f"])
        .arg(server.at(""))
        .run();
    refused.failed_with(&["failed to authenticate"]);
    assert!(!holds(refused.words().as_bytes(), "wrong-battery-5512"));
    assert!(!holds(server.words().as_bytes(), "wrong-battery-5512"));
}

/// A shell that allows core files of any size.
fn allowing_core_files() -> Vec<OsString> {
    let script = "ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\"";
    ["/bin/sh", "-c", script].map(OsString::from).into()
}

fn core_files(folder: &Path) -> usize {
    let is_core = |name: &OsString| name.to_string_lossy().starts_with("core");
    tree::names_in(folder)
        .iter()
        .filter(|name| is_core(&OsString::from(name)))
        .count()
}

#[test]
fn a_crash_leaves_no_core_file_of_either_side() {
    let world = World::new();
    let mut canary = Command::new("sleep");
    canary.arg("60").current_dir(world.home());
    let canary = Running::start(launched_by(&canary, &allowing_core_files()));
    std::thread::sleep(Duration::from_millis(300));
    canary.signal(Signal::ABORT);
    if !canary.wait(Duration::from_secs(20)).status.core_dumped() {
        return skip::say("this system writes no core files at all");
    }
    let [option, path] = password_file(&world, "user", PASSWORD);
    let place = world.server_folder();
    let server = Ascpd::new(&world).arg(option).arg(path).with(|command| {
        command.current_dir(&place);
        *command = launched_by(command, &allowing_core_files());
    });
    let server = server.start();
    let upload = upload(&world, &server);
    let upload = upload.with(|command| *command = launched_by(command, &allowing_core_files()));
    let mut running = upload.start();
    wait_for_a_part(&world, &mut running);
    running.signal(Signal::ABORT);
    let client = running.wait(Duration::from_secs(20));
    assert_eq!(client.killed_by(), Some(6), "{}", client.err());
    assert!(!client.status.core_dumped());
    let ended = server.crash();
    assert_eq!(ended.killed_by(), Some(6), "{}", ended.err());
    assert!(!ended.status.core_dumped());
    assert_eq!(core_files(&world.local("")) + core_files(&place), 0);
}

#[test]
fn other_processes_of_the_user_may_not_look_inside() {
    let world = World::new();
    let server = Ascpd::new(&world).start();
    tree::write_file(&world.local("f"), 1, 20_000_000);
    let ascp = Ascp::to(&world, &server).args(SLOW).arg("f");
    let mut running = ascp
        .arg(server.at(""))
        .with(|command| world.lower_privileges(command))
        .start();
    wait_for_a_part(&world, &mut running);
    let owner = |name: &str| fs::metadata(format!("/proc/{}/{name}", running.id())).unwrap();
    // The kernel gives the files of a process that must not be dumped to root, whoever runs it.
    for name in ["environ", "mem", "maps"] {
        assert_eq!(owner(name).uid(), 0, "{name}");
    }
}
