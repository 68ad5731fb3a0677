//! Virtual links: users of several server processes share one capacity.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use fasp_tests::binaries;
use fasp_tests::client::Ascp;
use fasp_tests::process::Running;
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::world::World;

use super::nested;

/// Bit/s of the link.
const CAPACITY: u64 = 16_000_000;

fn server(world: &World, trunk: &str, priority: &str) -> Ascpd {
    let flow = |way: &str| {
        let base = format!("transfer/{way}/bandwidth");
        nested(&format!("{base}/aggregate/trunk_id"), "5")
            + &nested(&format!("{base}/flow/priority/default"), priority)
    };
    let trunks = format!(
        "<trunks><run_directory>{}</run_directory><trunk><id>{trunk}</id><on>true</on>\
         <ignore_direction>true</ignore_direction>\
         <capacity><schedule>{}</schedule></capacity></trunk></trunks>",
        world.root().join("run").display(),
        CAPACITY / 1_000,
    );
    let text = format!(
        "<CONF><default>{}{}</default>{trunks}</CONF>",
        flow("in"),
        flow("out")
    );
    let path = world.server_folder().join(format!("{priority}.conf"));
    fs::write(&path, text).unwrap();
    let ascpd = Ascpd::new(world).arg("-f").arg(path);
    ascpd.arg("--user").arg("user")
}

fn start(world: &World, server: &Server, uploads: bool, bytes: u64) -> Running {
    let ascp = Ascp::to(world, server).args(["-l", "200M", "--policy=fixed"]);
    let made = format!("faux:///f?{bytes}");
    let (here, there) = (made.clone(), format!("{}:{made}", server.login));
    if uploads {
        ascp.arg(here)
            .arg(format!("{}:faux://", server.login))
            .start()
    } else {
        ascp.arg(there).arg("faux://").start()
    }
}

/// An upload of `bytes.0` and a download of `bytes.1` at once, each at its own process: how long both took.
fn share(world: &World, servers: [&Server; 2], bytes: [u64; 2]) -> [Duration; 2] {
    let runs = [
        start(world, servers[0], true, bytes[0]),
        start(world, servers[1], false, bytes[1]),
    ];
    let took = runs.map(|run| {
        let ended = run.wait(Duration::from_secs(200));
        assert_eq!(ended.code(), Some(0), "{}{}", ended.out(), ended.err());
        ended.took
    });
    let bits = (bytes[0] + bytes[1]) * 8;
    let least = Duration::from_millis(bits * 1_000 / CAPACITY * 95 / 100);
    assert!(
        took.iter().max().unwrap() >= &least,
        "{took:?} is faster than the link"
    );
    took
}

fn ratio(took: [Duration; 2]) -> f64 {
    let [a, b] = took.map(|took| took.as_secs_f64());
    if a > b { a / b } else { b / a }
}

#[test]
fn an_upload_and_a_download_of_two_processes_share_a_link() {
    let world = World::new();
    let one = server(&world, "5", "normal").start();
    let two = server(&world, "5", "high").start();
    // Twice the weight: twice the bytes in the same time.
    let took = share(&world, [&one, &two], [2_000_000, 4_000_000]);
    assert!(ratio(took) < 1.4, "{took:?}");
    // One that is killed leaves its share to the others.
    let killed = start(&world, &one, true, 100_000_000);
    std::thread::sleep(Duration::from_millis(500));
    drop(two.crash());
    drop(killed);
    let ended = start(&world, &one, false, 2_000_000).wait(Duration::from_secs(60));
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
}

#[test]
#[ignore = "half a minute, and a quiet machine: the ratio of two equal users, within 5 %"]
fn two_users_share_a_link_within_a_twentieth() {
    let world = World::new();
    let servers = [(); 2].map(|()| server(&world, "5", "normal").start());
    let took = share(&world, [&servers[0], &servers[1]], [25_000_000; 2]);
    println!(
        "25 MB each at {} Mbit/s: {took:?}, ratio {:.3}",
        CAPACITY / 1_000_000,
        ratio(took)
    );
    assert!(ratio(took) < 1.05, "{took:?}");
}

#[test]
fn a_trunk_that_is_not_there_starts_no_server() {
    let world = World::new();
    // Writes the configuration, and is not started.
    drop(server(&world, "6", "normal"));
    let mut command = Command::new(binaries::ascpd());
    command
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--user", "user", "--docroot"])
        .arg(world.remote(""))
        .arg("--authorized-keys")
        .arg(world.server_folder().join("authorized_keys"))
        .arg("--host-key")
        .arg(world.server_folder().join("host_key"))
        .arg("-f")
        .arg(world.server_folder().join("normal.conf"))
        .stdin(Stdio::null());
    let ended = Running::start(command).wait(Duration::from_secs(60));
    assert_eq!(ended.code(), Some(1));
    let words = "there is no trunk 5 in <trunks>";
    assert!(ended.err().contains(words), "{}", ended.err());
}
