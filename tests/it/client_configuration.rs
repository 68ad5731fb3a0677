//! `-f`, the local docroot and logging in by hand, with real processes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use fasp_tests::server::Ascpd;
use fasp_tests::terminal::on_a_terminal;
use fasp_tests::tree;
use fasp_tests::world::{World, is_installed};

use crate::authentication::password_file;
use crate::configuration::in_default;
use crate::site::Site;

/// A configuration of the client.
fn conf(world: &World, rows: &[(&str, &str)]) -> PathBuf {
    let path = world.root().join("client.conf");
    fs::write(&path, in_default(rows)).unwrap();
    path
}

#[test]
fn the_file_of_the_option_is_a_default_for_both_directions() {
    let site = Site::daemon();
    let world = &site.world;
    for name in ["a.txt", "b.tmp"] {
        tree::write_file(&world.local("up").join(name), 1, 3_000);
        tree::write_file(&world.remote("down").join(name), 2, 3_000);
    }
    let path = conf(
        world,
        &[
            ("wine", "red"),
            ("file_system/filters/filter", "- *.tmp"),
            ("transfer/out/bandwidth/flow/target_rate/cap", "3M"),
            ("transfer/in/bandwidth/flow/target_rate/cap", "2M"),
        ],
    );
    let ascp = |words: &[&str]| {
        let ascp = site.ascp().arg("-f").arg(&path).args(["-L-"]).args(words);
        ascp.current_dir(&world.local(""))
    };
    let up = ascp(&["up"]).arg(site.server.at("there")).run();
    up.succeeded();
    assert!(
        up.err()
            .contains("client.conf, line 2: unknown element <wine> is ignored")
    );
    assert!(up.err().contains("targetrate=3000000 "), "{}", up.words());
    let down = ascp(&[]).arg(site.server.at("down")).arg("here").run();
    down.succeeded();
    assert!(
        down.err().contains("targetrate=2000000 "),
        "{}",
        down.words()
    );
    assert_eq!(
        tree::paths_below(&world.remote("there")),
        tree::paths_below(&world.local("here"))
    );
    assert!(!world.local("here/b.tmp").exists() && world.local("here/a.txt").exists());
    let missing = site.ascp().args(["-f", "/no/such.conf", "up"]);
    let missing = missing.arg(site.server.at("x")).run();
    assert_eq!(missing.code(), Some(1), "{}", missing.words());
    assert!(
        missing
            .err()
            .contains("option -f: cannot read /no/such.conf")
    );
}

#[test]
fn a_cap_holds_where_the_server_chooses_the_rate() {
    let site = Site::daemon();
    let world = &site.world;
    tree::write_file(&world.remote("f"), 1, 300_000);
    let path = conf(
        world,
        &[("transfer/in/bandwidth/flow/target_rate/cap", "2M")],
    );
    let ascp = fasp_tests::client::Ascp::to(world, &site.server)
        .arg("-f")
        .arg(path);
    let run = ascp.arg(site.server.at("f")).arg("g").run();
    run.succeeded();
    // 2.4 Mbit at 2 Mbit/s; the server's own default is five times that.
    assert!(run.took.as_millis() > 800, "{}", run.words());
}

#[test]
fn nothing_leaves_the_local_docroot() {
    let site = Site::daemon();
    let world = &site.world;
    let docroot = world.local("jail");
    tree::write_file(&docroot.join("in/f"), 1, 3_000);
    tree::write_file(&world.local("secret"), 2, 3_000);
    symlink("../../secret", docroot.join("in/way_out")).unwrap();
    let absolute = "file_system/access/paths/path/absolute";
    let path = conf(world, &[(absolute, docroot.to_str().unwrap())]);
    tree::write_file(&world.remote("g"), 3, 3_000);
    let by_option = || {
        site.ascp()
            .arg("--apply-local-docroot")
            .arg("-f")
            .arg(&path)
    };
    let by_variable = || site.ascp().env("ASPERA_SCP_DOCROOT", &docroot);
    for (number, ascp) in [
        &by_option as &dyn Fn() -> fasp_tests::client::Ascp,
        &by_variable,
    ]
    .into_iter()
    .enumerate()
    {
        let there = format!("there{number}");
        let run = ascp().arg("/in/f").arg(site.server.at(&there)).run();
        run.succeeded();
        tree::assert_same(&docroot.join("in/f"), &world.remote(&there));
        for source in ["../secret", "in/../../secret", "in/way_out"] {
            let run = ascp().arg(source).arg(site.server.at("stolen")).run();
            assert_eq!(run.code(), Some(1), "{source}: {}", run.words());
        }
        let outside = world.local("secret");
        let run = ascp().arg(&outside).arg(site.server.at("stolen")).run();
        assert_eq!(run.code(), Some(1), "{}", run.words());
        let here = format!("/got{number}");
        ascp().arg(site.server.at("g")).arg(&here).run().succeeded();
        tree::assert_same(&world.remote("g"), &docroot.join(&here[1..]));
        for place in ["../out", "in/way_out", "/../out/x"] {
            let run = ascp().arg(site.server.at("g")).arg(place).run();
            // Parents of the root are the root: the file may only be inside.
            assert!(!world.local("out").exists(), "{place}: {}", run.words());
        }
    }
    assert!(!world.remote("stolen").exists());
    let mut bytes = Vec::new();
    fs::File::open(world.local("secret"))
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(bytes.len(), 3_000);
}

#[test]
fn a_password_is_asked_for_at_the_terminal_and_not_shown() {
    let world = World::new();
    let [option, path] = password_file(&world, "user", "correct horse");
    let server = Ascpd::new(&world).arg(option).arg(path).start();
    tree::write_file(&world.local("f"), 1, 3_000);
    let ascp = |words: &[&str]| {
        let ascp = fasp_tests::client::Ascp::new(&world)
            .options(&server)
            .args(words);
        ascp.arg("f").arg(server.at("asked"))
    };
    let alone = ascp(&["--allow-password-prompt"]).with(|command| {
        let mut detached = Command::new("setsid");
        detached.arg("--wait").arg(command.get_program());
        detached.args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            detached.env(name, value.unwrap());
        }
        detached.current_dir(command.get_current_dir().unwrap());
        detached.stdin(Stdio::null());
        *command = detached;
    });
    if is_installed("setsid") {
        let alone = alone.run();
        alone.failed_with(&["--allow-password-prompt: there is no terminal to ask at"]);
    }
    let Some(ascp) = on_a_terminal(ascp(&["--allow-password-prompt"])) else {
        return;
    };
    let mut command = ascp.into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut typed, mut shown) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut text = String::new();
    for password in ["wrong horse\n", "correct horse\n"] {
        let question = text.len();
        while !text.get(question..).unwrap().contains("Password for ") || !text.ends_with(": ") {
            let mut bytes = [0; 512];
            let read = shown.read(&mut bytes).unwrap();
            assert!(read > 0, "no question came: {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        typed.write_all(password.as_bytes()).unwrap();
    }
    shown.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    assert!(!text.contains("horse"), "{text}");
    assert!(world.remote("asked").exists());
}
