//! `aspera.conf` for `ascp --server` under the system's sshd: tokens, docroots, and a trunk that processes share.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use fasp_tests::binaries;
use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::Running;
use fasp_tests::server::{OpenSsh, Server};
use fasp_tests::tree;
use fasp_tests::world::World;

use super::nested;

/// An sshd that starts a server program of its own place, with this `<default>` and these `<trunks>` beside it.
fn start(world: &World, default: &str, trunks: &str) -> Option<(Server, PathBuf)> {
    let place = world.server_folder().join("program");
    fs::create_dir_all(place.join("bin")).unwrap();
    fs::create_dir_all(place.join("etc")).unwrap();
    fs::copy(binaries::ascp(), place.join("bin/ascp")).unwrap();
    let configuration = place.join("etc/aspera.conf");
    let text = format!("<CONF><default>{default}</default>{trunks}</CONF>");
    fs::write(&configuration, text).unwrap();
    let command = format!("{} --server", place.join("bin/ascp").display());
    let server = OpenSsh::new().forced_command(command).start(world)?;
    Some((server, configuration))
}

#[test]
fn a_token_is_demanded_and_its_path_is_below_the_docroot() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 3_000);
    fs::create_dir_all(world.remote("in")).unwrap();
    let docroot = nested(
        "file_system/access/paths/path/absolute",
        &world.remote("").to_string_lossy(),
    );
    let default = docroot
        + &nested("authorization/transfer/in/value", "token")
        + &nested("authorization/token/encryption_key", "a-key-of-this-server");
    let Some((server, configuration)) = start(&world, &default, "") else {
        return;
    };
    let mut generator = Command::new(binaries::folder().join("astokengen"));
    generator.env_clear().stdin(Stdio::null());
    generator.arg("-f").arg(configuration);
    generator.args(["--mode=send", "--path=/in", "-u", server.user()]);
    let made = Running::start(generator).wait(Duration::from_secs(20));
    assert_eq!(made.code(), Some(0), "{}", made.err());
    let token = made.out().trim().to_owned();
    let up = |token: &str, to: &str| -> Outcome {
        let ascp = Ascp::to(&world, &server).env("ASPERA_SCP_TOKEN", token);
        ascp.arg("f").arg(format!("{}:{to}", server.login)).run()
    };
    up(&token, "/in").succeeded();
    tree::assert_same(&world.local("f"), &world.remote("in/f"));
    for (token, to) in [("", "/in"), (&token, "/"), (&token, "/in/../x")] {
        up(token, to).failed_with(&["Authorization failure"]);
    }
    assert_eq!(tree::names_in(&world.remote("")), ["in"]);
}

#[test]
fn the_processes_of_two_sessions_share_a_trunk() {
    const CAPACITY: u64 = 16_000_000;
    const BYTES: u64 = 3_000_000;
    let world = World::new();
    let default = nested("transfer/in/bandwidth/aggregate/trunk_id", "4");
    let trunks = format!(
        "<trunks><run_directory>{}</run_directory><trunk><id>4</id><on>true</on>\
         <capacity><schedule>{}</schedule></capacity></trunk></trunks>",
        world.root().join("run").display(),
        CAPACITY / 1_000,
    );
    let Some((server, _)) = start(&world, &default, &trunks) else {
        return;
    };
    let runs = [(); 2].map(|()| {
        let ascp = Ascp::to(&world, &server).args(["-l", "200M", "--policy=fixed"]);
        let source = format!("faux:///f?{BYTES}");
        ascp.arg(source)
            .arg(format!("{}:faux://", server.login))
            .start()
    });
    let took = runs.map(|run| {
        let ended = run.wait(Duration::from_secs(120));
        assert_eq!(ended.code(), Some(0), "{}{}", ended.out(), ended.err());
        ended.took
    });
    let least = Duration::from_millis(2 * BYTES * 8 * 1_000 / CAPACITY * 95 / 100);
    assert!(
        took.iter().max().unwrap() >= &least,
        "{took:?} is faster than the trunk"
    );
}
