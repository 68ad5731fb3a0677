//! `cargo quickstart`: a whole transfer on this machine, before the user's eyes.
//!
//! Starts `ascpd` on the loopback with throw-away keys in a temporary folder, sends a real tree
//! to it with the real `ascp`, fetches it back, compares every byte and says how fast it was.
//! Nothing stays behind, also not after Ctrl-C. Not a benchmark: `bench_loopback` is.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a demonstration talks to the person who started it"
)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree::{self, Grown, Plan, Strictness};
use fasp_tests::world::World;
use fasp_tests::{binaries, client};

/// The tree of small files.
const SMALL_FILES: Plan = Plan {
    seed: 20,
    files: 300,
    largest_bytes: 1_000_000,
    awkward_names: false,
};
const LARGE_FILE_BYTES: u64 = 256 << 20;
/// A rate no loopback reaches: the session finds the machine's own limit.
const RATE: &str = "10G";

type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    let interrupted = Arc::new(AtomicBool::new(false));
    watch_for_interrupt(&interrupted);
    // Everything that must be cleaned up lives inside `show` and is dropped when it returns.
    match show(&interrupted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if interrupted.load(Ordering::Relaxed) => {
            eprintln!("\nquickstart: stopped by Ctrl-C; everything is cleaned up");
            ExitCode::from(130)
        }
        Err(text) => {
            eprintln!("\nquickstart: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C reaches `ascp` and `ascpd` as well; this process only notes it and cleans up.
fn watch_for_interrupt(interrupted: &Arc<AtomicBool>) {
    let interrupted = Arc::clone(interrupted);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        while runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            interrupted.store(true, Ordering::Relaxed);
        }
    });
}

fn show(interrupted: &AtomicBool) -> Outcome<()> {
    println!("Building ascp and ascpd (release) ...");
    binaries::folder();
    let world = World::new();
    println!("Working in {}", world.root().display());
    let server = Ascpd::new(&world).start();
    println!(
        "ascpd serves on 127.0.0.1, TCP port {} and UDP port {}\n",
        server.ssh_port, server.udp_port
    );
    let tree = world.local("tree");
    println!("Making a tree of files ...");
    let small = tree::grow(&tree, SMALL_FILES);
    tree::write_file(&tree.join("large.bin"), 21, LARGE_FILE_BYTES);
    let grown = Grown {
        files: small.files + 1,
        bytes: small.bytes + LARGE_FILE_BYTES,
    };
    check(interrupted)?;

    println!("\nUpload of {}:", described(grown));
    let up = transfer(&world, &server, &["tree".into(), server.at("")])?;
    check(interrupted)?;
    println!("\nDownload of the same tree:");
    let down = transfer(&world, &server, &[server.at("tree"), "back".into()])?;
    check(interrupted)?;

    println!("\nComparing every byte ...");
    compare(&tree, &world.remote("tree"), "uploaded")?;
    compare(&tree, &world.local("back"), "downloaded")?;
    println!("All {} files are identical on both sides.\n", grown.files);
    println!("upload    {}", rate(grown, up));
    println!("download  {}", rate(grown, down));
    println!("\nHow to do this between two machines: README.md");
    Ok(())
}

fn check(interrupted: &AtomicBool) -> Outcome<()> {
    if interrupted.load(Ordering::Relaxed) {
        return Err("stopped".into());
    }
    Ok(())
}

/// Runs `ascp` on the user's terminal.
fn transfer(world: &World, server: &Server, operands: &[std::ffi::OsString]) -> Outcome<Duration> {
    let mut command = client::Ascp::to(world, server)
        .args(["-l", RATE, "--policy=fair"])
        .args(operands)
        .into_command();
    let started = Instant::now();
    let status = command
        .status()
        .map_err(|error| format!("ascp cannot be started ({error})"))?;
    let took = started.elapsed();
    if status.success() {
        Ok(took)
    } else {
        let words = server.words();
        Err(format!("ascp failed ({status}); ascpd said: {words}"))
    }
}

fn compare(expected: &Path, actual: &Path, what: &str) -> Outcome<()> {
    let differences = tree::differences(expected, actual, Strictness::default());
    differences.first().map_or(Ok(()), |first| {
        let count = differences.len();
        Err(format!(
            "the {what} tree differs in {count} places: {first}"
        ))
    })
}

fn described(grown: Grown) -> String {
    format!("{} files, {} MB", grown.files, grown.bytes / 1_000_000)
}

/// Whole command: connecting, transferring and ending.
fn rate(grown: Grown, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    let megabits = grown.bytes as f64 * 8.0 / 1e6 / seconds;
    format!("{megabits:.0} Mbit/s ({seconds:.1} s from start to end of the command)")
}
