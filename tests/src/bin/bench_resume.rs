//! What a kill in mid-transfer costs: `cargo run --release -p fasp-tests --bin bench_resume [MIB] [RATE]`.
//!
//! One file (2,048 MiB unless told otherwise) goes up at RATE (`-l`, `2G` unless told otherwise). When half of it is
//! there, one side is killed with SIGKILL, once the receiver and once the sender; then the same command goes on. For each of
//! `-k 1`, `-k 2` and `-k 3`: what was there, what of it was kept, and so what had to be sent again.
//!
//! Files lie in the temporary folder (`TMPDIR`), on whose disk the time between two notes depends.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark prints its figures for the person who started it"
)]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fasp_tests::client::Ascp;
use fasp_tests::server::Ascpd;
use fasp_tests::tree;
use fasp_tests::world::World;
use rustix::process::Signal;

const MIB: u64 = 1 << 20;
const LIMIT: Duration = Duration::from_secs(600);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mib = arguments
        .next()
        .map_or(2_048, |text| text.parse().expect("MIB, a number"));
    let rate = arguments.next().unwrap_or_else(|| "2G".to_owned());
    let world = World::new();
    tree::write_file(&world.local("big"), 1, mib * MIB);
    println!("{mib} MiB at {rate}, killed at half");
    println!("level  killed    there MiB  kept MiB  sent again MiB  next session s");
    for level in ["-k1", "-k2", "-k3"] {
        for kills_receiver in [true, false] {
            measure(&world, level, kills_receiver, &rate);
            fs::remove_file(world.remote("big")).expect("the file that arrived");
        }
    }
}

fn measure(world: &World, level: &str, kills_receiver: bool, rate: &str) {
    let source = world.local("big");
    let size = fs::metadata(&source).expect("the source").len();
    let mut server = Ascpd::new(world).start();
    let options = ["--policy=fixed", "-l", rate, level, "-L-"];
    let part = world.remote("big.ascp-part");
    let command = Ascp::to(world, &server).args(options);
    let running = command.arg(&source).arg(server.at("")).start();
    wait_for(&part, size / 2);
    let there = if kills_receiver {
        drop(server);
        let there = allocated(&part);
        running.wait(LIMIT);
        server = Ascpd::new(world).start();
        there
    } else {
        running.signal(Signal::KILL);
        running.wait(LIMIT);
        // The receiver notices, and brings what it has to the disk.
        settle(&part);
        allocated(&part)
    };
    let command = Ascp::to(world, &server)
        .args(options)
        .within_secs(LIMIT.as_secs());
    let begin = Instant::now();
    let run = command.arg(&source).arg(server.at("")).run();
    let took = begin.elapsed();
    run.succeeded();
    tree::assert_same(&source, &world.remote("big"));
    let kept = number_after(&run.err(), "kept=");
    println!(
        "{level:<6} {:<8} {:>10} {:>9} {:>15} {:>15.1}",
        if kills_receiver { "receiver" } else { "sender" },
        there / MIB,
        kept / MIB,
        there.saturating_sub(kept) / MIB,
        took.as_secs_f64()
    );
}

/// Bytes of a file that have a place on the disk; 0 if there is none.
fn allocated(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |facts| facts.blocks() * 512)
}

fn wait_for(path: &Path, bytes: u64) {
    let begin = Instant::now();
    while allocated(path) < bytes {
        assert!(begin.elapsed() < LIMIT, "half of the file never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until nobody holds the file any more.
fn settle(path: &Path) {
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        let file = fs::File::open(path).expect("the partial file");
        let free = rustix::fs::FlockOperation::NonBlockingLockExclusive;
        if rustix::fs::flock(&file, free).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The number after the last `field` of a log, 0 if there is none.
fn number_after(log: &str, field: &str) -> u64 {
    let digits = log.rsplit_once(field).map_or("", |(_, rest)| rest);
    let end = digits.find(|c: char| !c.is_ascii_digit());
    digits[..end.unwrap_or(digits.len())].parse().unwrap_or(0)
}
