//! `kill -9` of either side at random moments, then the same command again until the file is there.
//!
//! The long form runs with `cargo test --release -p fasp-tests --test it crashes -- --ignored --nocapture`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use fasp_tests::client::Ascp;
use fasp_tests::random::SplitMix64;
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::World;
use rustix::process::Signal;

const SIZE: u64 = 16_000_000;
/// 16 MB take 1.6 s at this rate, so that a few kills fit into a file.
const RATE: [&str; 3] = ["-l", "80M", "--policy=fixed"];
/// Nobody is killed later than this after the start.
const LATEST_MS: u64 = 1_200;

/// What was sent, and where it must arrive.
struct Way<'w> {
    source: &'w Path,
    delivered: &'w Path,
    upload: bool,
    level: &'static str,
}

impl Way<'_> {
    fn command(&self, world: &World, server: &Server) -> Ascp {
        let ascp = Ascp::to(world, server).args(RATE).arg(self.level);
        if self.upload {
            ascp.arg(self.source).arg(server.at(""))
        } else {
            ascp.arg(server.at("big")).arg(".")
        }
    }

    /// What has the final name is whole.
    fn check(&self) {
        if fs::exists(self.delivered).unwrap() {
            tree::assert_same(self.source, self.delivered);
        }
    }
}

/// Kills until `kills` are done; a file that arrived meanwhile is removed and begun again.
fn kill_and_go_on(seed: u64, upload: bool, level: &'static str, kills: u32) -> u32 {
    let world = World::new();
    let (local, remote) = (world.local("big"), world.remote("big"));
    let (source, delivered) = if upload {
        (&local, &remote)
    } else {
        (&remote, &local)
    };
    let way = Way {
        source,
        delivered,
        upload,
        level,
    };
    tree::write_file(source, seed, SIZE);
    let mut random = SplitMix64::new(seed);
    let mut arrived = 0;
    let mut server = Ascpd::new(&world).start();
    for _ in 0..kills {
        let running = way.command(&world, &server).start();
        std::thread::sleep(Duration::from_millis(random.below(LATEST_MS)));
        if random.chance(500) {
            running.signal(Signal::KILL);
            running.wait(Duration::from_secs(10));
        } else {
            drop(server);
            running.wait(Duration::from_secs(30));
            server = Ascpd::new(&world).start();
        }
        way.check();
        if fs::exists(delivered).unwrap() {
            fs::remove_file(delivered).unwrap();
            arrived += 1;
        }
    }
    // A killed client's session ends at the server a moment later.
    std::thread::sleep(Duration::from_millis(300));
    way.command(&world, &server).run().succeeded();
    tree::assert_same(source, delivered);
    let folder = if upload {
        world.remote("")
    } else {
        world.local("")
    };
    assert_eq!(tree::names_in(&folder), ["big"], "nothing else may be left");
    arrived + 1
}

#[test]
fn whoever_is_killed_the_file_arrives_in_the_end() {
    kill_and_go_on(1, true, "-k1", 4);
    kill_and_go_on(2, false, "-k2", 3);
    kill_and_go_on(3, true, "-k3", 3);
}

#[test]
#[ignore = "many minutes"]
fn whoever_is_killed_hundreds_of_times_the_file_arrives_in_the_end() {
    let mut arrived = 0;
    for seed in 100..120 {
        for (upload, level) in [(true, "-k1"), (false, "-k1"), (true, "-k2"), (false, "-k3")] {
            arrived += kill_and_go_on(seed, upload, level, 4);
        }
    }
    println!("320 kills, {arrived} files arrived, all right");
}
