//! Who may log in, and whether the server is who it was: keys, passwords, known hosts.

use std::fs;
use std::process::Command;

use fasp_tests::client::Ascp;
use fasp_tests::server::{Ascpd, OpenSsh, Server};
use fasp_tests::world::{World, is_installed, run, set_mode};
use fasp_tests::{binaries, skip, tree};

use crate::site::Site;

/// A world with a file `f` to send.
fn world_with_a_file() -> World {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 30_000);
    world
}

fn send(
    world: &World,
    server: &Server,
    change: impl FnOnce(Ascp) -> Ascp,
) -> fasp_tests::client::Outcome {
    let command = change(Ascp::new(world).options(server));
    command.arg("f").arg(server.at("")).run()
}

fn arrived(world: &World) -> bool {
    world.remote("f").exists()
}

#[test]
fn a_key_the_server_does_not_know_is_refused() {
    let world = world_with_a_file();
    let server = Ascpd::new(&world).start();
    let stranger = world.stranger_key();
    let run = send(&world, &server, |ascp| ascp.arg("-i").arg(stranger));
    run.failed_with(&["failed to authenticate"]);
    assert!(!arrived(&world));
}

#[test]
fn sshd_refuses_a_wrong_key_and_an_unknown_user_the_same_way() {
    let world = world_with_a_file();
    let Some(server) = OpenSsh::new().start(&world) else {
        return;
    };
    let stranger = world.stranger_key();
    let wrong_key = send(&world, &server, |ascp| ascp.arg("-i").arg(stranger));
    wrong_key.failed_with(&["failed to authenticate"]);
    let unknown_user = Ascp::to(&world, &server)
        .arg("f")
        .arg("nobody-of-that-name@127.0.0.1:/tmp/")
        .run();
    unknown_user.failed_with(&["failed to authenticate"]);
}

#[test]
fn of_several_keys_the_one_that_fits_is_found() {
    let world = world_with_a_file();
    let server = Ascpd::new(&world).start();
    let (stranger, key) = (world.stranger_key(), world.client_key());
    let run = send(&world, &server, |ascp| {
        ascp.arg("-i").arg(stranger).arg("-i").arg(key)
    });
    run.succeeded();
    assert!(arrived(&world));
}

#[test]
fn a_key_from_the_environment_logs_in() {
    let world = world_with_a_file();
    let server = Ascpd::new(&world).start();
    let text = fs::read_to_string(world.client_key()).unwrap();
    let run = send(&world, &server, |ascp| ascp.env("ASPERA_SCP_KEY", text));
    run.succeeded();
    assert!(arrived(&world));
}

#[test]
fn a_missing_key_file_is_named() {
    let world = world_with_a_file();
    let server = Ascpd::new(&world).start();
    let run = send(&world, &server, |ascp| ascp.args(["-i", "/no/such/key"]));
    run.failed_with(&["/no/such/key"]);
}

/// Writes a password file for `name` and gives the option that names it.
pub(crate) fn password_file(world: &World, name: &str, password: &str) -> [std::ffi::OsString; 2] {
    use std::io::Write as _;
    let mut child = Command::new(binaries::ascpd())
        .args(["hash-password", name])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{password}").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.starts_with(&format!("{name}:")), "{line}");
    assert!(!line.contains(password), "a hash must hide the password");
    let path = world.server_folder().join("passwords");
    fs::write(&path, line).unwrap();
    set_mode(&path, 0o600);
    ["--password-file".into(), path.into()]
}

#[test]
fn a_password_from_the_environment_logs_in_and_a_wrong_one_does_not() {
    let world = world_with_a_file();
    let [option, path] = password_file(&world, "user", "correct horse");
    let server = Ascpd::new(&world).arg(option).arg(path).start();
    let wrong = send(&world, &server, |ascp| {
        ascp.env("ASPERA_SCP_PASS", "battery")
    });
    wrong.failed_with(&["failed to authenticate"]);
    assert!(!arrived(&world));
    let right = send(&world, &server, |ascp| {
        ascp.env("ASPERA_SCP_PASS", "correct horse")
    });
    right.succeeded();
    assert!(arrived(&world));
}

#[test]
fn a_user_without_an_entry_cannot_log_in_with_anothers_password() {
    let world = world_with_a_file();
    let [option, path] = password_file(&world, "somebody", "correct horse");
    let server = Ascpd::new(&world).arg(option).arg(path).start();
    let run = send(&world, &server, |ascp| {
        ascp.env("ASPERA_SCP_PASS", "correct horse")
    });
    run.failed_with(&["failed to authenticate"]);
    assert!(!arrived(&world));
}

#[test]
fn a_password_in_the_operand_logs_in() {
    let world = world_with_a_file();
    let [option, path] = password_file(&world, "user", "correct-horse");
    let server = Ascpd::new(&world).arg(option).arg(path).start();
    let run = Ascp::new(&world)
        .options(&server)
        .args(["f", "user:correct-horse@127.0.0.1:/"])
        .run();
    run.succeeded();
    assert!(arrived(&world));
}

#[test]
fn a_password_that_nobody_needs_does_no_harm() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 30_000);
    let run = site.ascp().env("ASPERA_SCP_PASS", "not needed").arg("f");
    run.arg(site.server.at("")).run().succeeded();
}

#[test]
fn an_unknown_host_key_is_recorded_and_a_changed_one_is_refused() {
    let world = world_with_a_file();
    let server = Ascpd::new(&world).start();
    let key = world.client_key();
    send(&world, &server, |ascp| ascp.arg("-i").arg(&key)).succeeded();
    let known_hosts = world.home().join(".ssh/known_hosts");
    let recorded = fs::read_to_string(&known_hosts).unwrap();
    let host = format!("[127.0.0.1]:{} ", server.ssh_port);
    assert!(recorded.contains(&host), "{recorded}");
    send(&world, &server, |ascp| ascp.arg("-i").arg(&key)).succeeded();
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), recorded);
    fs::remove_file(world.remote("f")).unwrap();

    // The same address with another key: as if somebody stood in between.
    let other = World::new();
    let another = fs::read_to_string(world.server_folder().join("authorized_keys")).unwrap();
    fs::write(other.server_folder().join("authorized_keys"), another).unwrap();
    let port = server.ssh_port;
    drop(server);
    let impostor = Ascpd::new(&other).on_port(port).start();
    let run = send(&world, &impostor, |ascp| ascp.arg("-i").arg(&key));
    run.failed_with(&["host key"]);
    assert!(!other.remote("f").exists());
    let ignoring = |ascp: Ascp| ascp.arg("--ignore-host-key").arg("-i").arg(&key);
    let wrong = "--check-sshfp=f74e5de9ed0d62feaf0616ed1e851133c42a0082";
    let run = send(&world, &impostor, |ascp| ignoring(ascp).arg(wrong));
    run.failed_with(&["--check-sshfp"]);
    assert!(!run.err().contains("warning"), "{}", run.words());
    assert!(!other.remote("f").exists());
    let run = send(&world, &impostor, ignoring);
    run.succeeded();
    let warning = "ascp: warning: the host key of 127.0.0.1 is not checked (--ignore-host-key)";
    assert!(run.err().contains(warning), "{}", run.words());
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), recorded);
}

#[test]
fn a_fingerprint_that_does_not_fit_is_refused() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 30_000);
    let wrong = "--check-sshfp=f74e5de9ed0d62feaf0616ed1e851133c42a0082";
    let run = site.ascp().args([wrong, "f"]).arg(site.server.at("")).run();
    run.failed_with(&["host"]);
    assert!(!arrived(&site.world));
}

#[test]
fn keys_of_every_common_kind_log_in_through_sshd() {
    if !is_installed("ssh-keygen") {
        skip::say("ssh-keygen is not installed (Debian: openssh-client)");
        return;
    }
    let world = world_with_a_file();
    let kinds: [(&str, &[&str]); 6] = [
        ("rsa", &["-t", "rsa", "-b", "3072", "-N", ""]),
        (
            "rsa-pem",
            &["-t", "rsa", "-b", "3072", "-N", "", "-m", "PEM"],
        ),
        ("ecdsa", &["-t", "ecdsa", "-b", "256", "-N", ""]),
        (
            "ecdsa-pem",
            &["-t", "ecdsa", "-b", "384", "-N", "", "-m", "PEM"],
        ),
        ("ed25519", &["-t", "ed25519", "-N", ""]),
        ("locked", &["-t", "ed25519", "-N", "open sesame"]),
    ];
    let authorized = world.server_folder().join("authorized_keys");
    let mut lines = String::new();
    for (name, options) in kinds {
        let path = world.root().join(name);
        let made = run("ssh-keygen", |command| {
            command.arg("-q").args(options).arg("-f").arg(&path);
        });
        assert!(made, "ssh-keygen {options:?}");
        lines += &fs::read_to_string(path.with_extension("pub")).unwrap();
    }
    fs::write(&authorized, lines).unwrap();
    let Some(server) = OpenSsh::new().start(&world) else {
        return;
    };
    for (name, _) in kinds {
        let run = Ascp::new(&world)
            .options(&server)
            .env("ASPERA_SCP_PASS", "open sesame")
            .arg("-i")
            .arg(world.root().join(name))
            .arg("f")
            .arg(server.at(name))
            .run();
        assert_eq!(run.code(), Some(0), "{name}: {}", run.words());
        tree::assert_same(&world.local("f"), &world.remote(name));
    }
}

#[test]
fn the_daemon_runs_no_other_command_and_no_shell() {
    if !is_installed("ssh") {
        skip::say("ssh is not installed (Debian: openssh-client)");
        return;
    }
    let site = Site::daemon();
    let marker = site.world.remote("marker");
    for command in [format!("touch {}", marker.display()), String::new()] {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"])
            .args([
                "-o",
                "LogLevel=ERROR",
                "-p",
                &site.server.ssh_port.to_string(),
            ])
            .arg("-i")
            .arg(site.world.client_key())
            .arg(&site.server.login);
        if !command.is_empty() {
            ssh.arg(&command);
        }
        ssh.stdin(std::process::Stdio::null());
        let ended =
            fasp_tests::process::Running::start(ssh).wait(std::time::Duration::from_secs(20));
        assert_ne!(ended.code(), Some(0), "{command:?}: {}", ended.err());
        assert_ne!(ended.code(), Some(255), "{command:?}: {}", ended.err());
    }
    assert!(!marker.exists());
}
