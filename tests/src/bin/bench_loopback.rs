//! Speed on the loopback: `cargo run --release -p fasp-tests --bin bench_loopback [RUNS]`.
//!
//! Three measurements, each the median of RUNS runs (3 unless told otherwise) of the whole command
//! as a user sees it, connecting included:
//! * one file of 2 GiB, AES-128-GCM, one session through `ascpd`, both directions: rate,
//!   processor time and peak memory of each side;
//! * 10,000 files of 10 KB against `tar | nc` in the same run, as a ratio. Where `nc` is missing,
//!   a plain copy between a pipe and a TCP connection stands in for it;
//! * how well `--policy=fixed -l 50M` keeps its rate, by the sender's own statistics.
//!
//! Files lie in the temporary folder (`TMPDIR`); with one in memory the disk is left out.

#![expect(
    clippy::print_stdout,
    reason = "a benchmark prints its figures for the person who started it"
)]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fasp_tests::client::Ascp;
use fasp_tests::measure::{Usage, has_ended, median};
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::{World, is_installed};

const LARGE_BYTES: u64 = 2 << 30;
const PACED_BYTES: u64 = 30_000_000;
const SMALL_FILES: u64 = 10_000;
const SMALL_BYTES: u64 = 10_000;
const LIMIT: Duration = Duration::from_secs(300);

/// One run of the client and what it cost.
struct Run {
    seconds: f64,
    client: Usage,
    server: Usage,
}

fn main() {
    let runs = std::env::args()
        .nth(1)
        .map_or(3, |text| text.parse().expect("the number of runs"));
    println!("medians of {runs} runs");
    large_file(runs, "fair");
    large_file(runs, "fixed");
    many_files(runs);
    pacing(runs);
}

/// The rate of datagrams that a fixed session sends, against what it was told.
fn pacing(runs: u32) {
    let world = World::new();
    tree::write_file(&world.local("paced"), 1, PACED_BYTES);
    let server = Ascpd::new(&world).start();
    let rates: Vec<f64> = (0..runs)
        .map(|_| {
            let run = Ascp::to(&world, &server)
                .args([
                    "-q",
                    "-L-",
                    "-Z",
                    "1472",
                    "-l",
                    "50M",
                    "--policy=fixed",
                    "paced",
                ])
                .arg(server.at("copy"))
                .run();
            let text = run.succeeded().err();
            let rate = text
                .split("ave_xmit_rate ")
                .nth(1)
                .and_then(|rest| rest.split("Mbps").next());
            rate.expect("the log must tell the rate")
                .parse()
                .expect("a number")
        })
        .collect();
    let rate = median(&rates);
    println!(
        "fixed at 50 Mbit/s: {rate:.2} Mbit/s sent, {:+.2} % of the target",
        (rate / 50.0 - 1.0) * 100.0
    );
}

fn large_file(runs: u32, policy: &str) {
    let world = World::new();
    tree::write_file(&world.local("large"), 1, LARGE_BYTES);
    for direction in ["upload", "download"] {
        let mut all = Vec::new();
        for _ in 0..runs {
            // A fresh daemon each time: its peak memory must be that of one session.
            let server = Ascpd::new(&world).start();
            let operands = match direction {
                "upload" => ["large".into(), server.at("copy")],
                _ => [server.at("copy"), "back".into()],
            };
            all.push(measured(&world, &server, policy, &operands));
        }
        tree::assert_same(&world.local("large"), &world.remote("copy"));
        report(&format!("2 GiB {direction}, {policy}"), LARGE_BYTES, &all);
    }
    tree::assert_same(&world.local("large"), &world.local("back"));
}

/// Runs `ascp`, watching both sides.
fn measured(world: &World, server: &Server, policy: &str, operands: &[OsString]) -> Run {
    let command = Ascp::to(world, server)
        .args(["-q", "-c", "aes128gcm", "-l", "20G", "--policy", policy])
        .args(operands);
    let before = Usage::of(server.process_id()).unwrap_or_default();
    let started = Instant::now();
    let running = command.start();
    let mut client = Usage::default();
    // Not waited for by this loop: an ended child keeps its processor time until it is.
    while !has_ended(running.id()) && started.elapsed() < LIMIT {
        client = client.max(Usage::of(running.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    let seconds = started.elapsed().as_secs_f64();
    client = client.max(Usage::of(running.id()).unwrap_or_default());
    let ended = running.wait(Duration::from_secs(5));
    assert_eq!(ended.code(), Some(0), "{}{}", ended.out(), ended.err());
    let after = Usage::of(server.process_id()).unwrap_or_default();
    let server = Usage {
        peak_kib: after.peak_kib,
        cpu: after.cpu.saturating_sub(before.cpu),
    };
    Run {
        seconds,
        client,
        server,
    }
}

fn report(what: &str, bytes: u64, runs: &[Run]) {
    let seconds = middle(runs, |run| run.seconds);
    let gigabits = bytes as f64 * 8.0 / 1e9 / seconds;
    println!(
        "{what}: {gigabits:.2} Gbit/s ({seconds:.2} s); client {:.2} s cpu, {:.0} MiB; \
         server {:.2} s cpu, {:.0} MiB",
        middle(runs, |run| run.client.cpu.as_secs_f64()),
        middle(runs, |run| run.client.peak_kib as f64 / 1024.0),
        middle(runs, |run| run.server.cpu.as_secs_f64()),
        middle(runs, |run| run.server.peak_kib as f64 / 1024.0),
    );
}

fn middle(runs: &[Run], figure: impl Fn(&Run) -> f64) -> f64 {
    median(&runs.iter().map(figure).collect::<Vec<_>>())
}

fn many_files(runs: u32) {
    let world = World::new();
    let source = world.local("many");
    for number in 0..SMALL_FILES {
        let name = format!("{:02}/file{number}", number % 100);
        tree::write_file(&source.join(name), number, SMALL_BYTES);
    }
    let server = Ascpd::new(&world).start();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..runs {
        let copy = format!("copy{number}");
        let operands = ["many".into(), server.at(&copy)];
        ours.push(measured(&world, &server, "fair", &operands).seconds);
        let other = world.root().join(format!("tar{number}"));
        theirs.push(tar_through_tcp(&source, &other));
        if number == 0 {
            tree::assert_same(&source, &world.remote(&copy));
            tree::assert_same(&source, &other);
        }
        fs::remove_dir_all(world.remote(&copy)).expect("removing a copy");
        fs::remove_dir_all(&other).expect("removing a copy");
    }
    let (ours, theirs) = (median(&ours), median(&theirs));
    println!(
        "10,000 files of 10 KB: ascp {ours:.2} s, tar | nc {theirs:.2} s, ratio {:.2}",
        ours / theirs
    );
}

/// `tar -c | nc` to `nc -l | tar -x`, seconds.
fn tar_through_tcp(source: &Path, target: &Path) -> f64 {
    fs::create_dir(target).expect("the folder to unpack in");
    let started = Instant::now();
    let mut pack = Command::new("tar")
        .args(["-cf", "-", "-C"])
        .arg(source)
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar packs");
    let mut unpack = Command::new("tar")
        .args(["-xf", "-", "-C"])
        .arg(target)
        .stdin(Stdio::piped())
        .spawn()
        .expect("tar unpacks");
    let from = pack.stdout.take().expect("a pipe from tar");
    let to = unpack.stdin.take().expect("a pipe to tar");
    if is_installed("nc") {
        through_nc(from, to);
    } else {
        through_tcp(from, to).expect("a copy through TCP");
    }
    assert!(pack.wait().is_ok_and(|status| status.success()));
    assert!(unpack.wait().is_ok_and(|status| status.success()));
    started.elapsed().as_secs_f64()
}

fn through_nc(from: std::process::ChildStdout, to: std::process::ChildStdin) {
    let port = fasp_tests::server::free_tcp_port().to_string();
    let mut listener = Command::new("nc");
    listener.args(["-l", "-N", "127.0.0.1", &port]).stdout(to);
    let mut listener = listener.stdin(Stdio::null()).spawn().expect("nc listens");
    // The command must let go of the pipe, or tar would never see its end.
    let arguments = ["-N", "127.0.0.1", &port];
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpListener::bind(format!("127.0.0.1:{port}")).is_ok() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let sender = Command::new("nc").args(arguments).stdin(from).status();
    assert!(sender.is_ok_and(|status| status.success()), "nc sends");
    assert!(listener.wait().is_ok_and(|status| status.success()));
}

fn through_tcp(
    mut from: std::process::ChildStdout,
    mut to: std::process::ChildStdin,
) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let receiving = std::thread::spawn(move || -> io::Result<()> {
        let (mut connection, _) = listener.accept()?;
        io::copy(&mut connection, &mut to)?;
        Ok(())
    });
    let mut connection = TcpStream::connect(address)?;
    io::copy(&mut from, &mut connection)?;
    drop(connection);
    receiving
        .join()
        .map_err(|_| io::Error::other("the receiver"))?
}
