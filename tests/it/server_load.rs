//! A server under load: many small sessions beside a few large ones, and thousands of clients that stop half-way.
//!
//! `cargo test --release -p fasp-tests --test it server_load -- --ignored --nocapture`

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fasp_tests::client::Ascp;
use fasp_tests::process;
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::World;

/// Sessions of small trees.
const SMALL: usize = 200;
/// Sessions of one large file each.
const LARGE: usize = 8;
/// Bytes of a large file.
const LARGE_BYTES: u64 = 64_000_000;
/// Clients that log in at once: the server has no more seats for strangers from one address.
const AT_THE_DOOR: usize = 16;
/// Peak memory that the server may have.
const MOST_MEMORY_KB: u64 = 6_000_000;

fn server(world: &World) -> Server {
    let most = (SMALL + LARGE).to_string();
    let ascpd = Ascpd::new(world).arg("--max-sessions").arg(&most);
    ascpd.arg("--max-sessions-per-user").arg(most).start()
}

/// Peak memory in kB, and processor time in seconds.
fn cost(server: &Server) -> (u64, f64) {
    let at =
        |name: &str| fs::read_to_string(format!("/proc/{}/{name}", server.process_id())).unwrap();
    let status = at("status");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let stat = at("stat");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = fields.iter().skip(11).take(2);
    let ticks: f64 = ticks.map(|field| field.parse::<f64>().unwrap()).sum();
    (peak, ticks / 100.0)
}

/// What the clients have.
fn grow(world: &World) {
    for number in 0..SMALL {
        let root = world.local(format!("t{number}"));
        fs::create_dir_all(root.join("sub")).unwrap();
        for file in 0..20 {
            let seed = (number * 100 + file) as u64;
            tree::write_file(
                &root.join(format!("sub/{file}")),
                seed,
                1_000 + seed % 50_000,
            );
        }
    }
    for number in 0..LARGE {
        tree::write_file(
            &world.local(format!("large{number}")),
            number as u64,
            LARGE_BYTES,
        );
    }
}

/// Every byte of it at the server.
fn verify(world: &World) {
    for number in 0..SMALL {
        let name = format!("t{number}");
        tree::assert_same(&world.local(&name), &world.remote(&name));
    }
    for number in 0..LARGE {
        let name = format!("large{number}");
        tree::assert_same(&world.local(&name), &world.remote(&name));
    }
}

#[test]
#[ignore = "minutes, and gigabytes of memory"]
fn two_hundred_small_trees_beside_eight_large_files() {
    let world = World::new();
    let server = server(&world);
    grow(&world);
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let doors = (0..AT_THE_DOOR).collect::<Vec<_>>();
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in &doors {
            scope.spawn(|| {
                let mut started = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= SMALL + LARGE {
                        break;
                    }
                    // Slow enough that all of them run at once, on a small machine too.
                    let (source, rate) = match number.checked_sub(LARGE) {
                        None => (format!("large{number}"), "60M"),
                        Some(small) => (format!("t{small}"), "100K"),
                    };
                    let ascp = Ascp::to(&world, &server).args(["-q", "-l", rate, &source]);
                    started.push(ascp.arg(server.at("")).start());
                    let now = running.fetch_add(1, Ordering::Relaxed) + 1;
                    most.fetch_max(now, Ordering::Relaxed);
                    let before = number + 1;
                    // The next one when this one is in.
                    let deadline = Instant::now() + Duration::from_secs(60);
                    while sessions_begun(&server) + AT_THE_DOOR < before
                        && Instant::now() < deadline
                    {
                        thread::sleep(Duration::from_millis(20));
                    }
                }
                for run in started {
                    let ended = run.wait(Duration::from_secs(900));
                    running.fetch_sub(1, Ordering::Relaxed);
                    assert_eq!(ended.code(), Some(0), "{}{}", ended.out(), ended.err());
                }
            });
        }
    });
    let took = began.elapsed();
    verify(&world);
    let (peak_kb, seconds) = cost(&server);
    println!(
        "{SMALL} trees of 20 files and {LARGE} files of {} MB in {took:.1?}, at most {} at once: \
         peak memory {} MB, processor time {seconds:.1} s; all bytes verified",
        LARGE_BYTES / 1_000_000,
        most.load(Ordering::Relaxed),
        peak_kb / 1_000,
    );
    assert!(peak_kb < MOST_MEMORY_KB);
}

fn sessions_begun(server: &Server) -> usize {
    server.words().matches("session started").count()
}

/// Connects and stops in one of several places.
fn half_a_handshake(address: SocketAddr, number: usize) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
    let words: &[u8] = match number % 5 {
        0 => b"",
        1 => b"SSH-2.0-half\r\n",
        2 => b"SSH-2.0-half\r\n\0\0\x01\x0c\x0a\x14",
        3 => b"GET / HTTP/1.1\r\n\r\n",
        _ => b"SSH-2.0-half\r\n\xff\xff\xff\xff",
    };
    let _ = stream.write_all(words);
    let _ = stream.read(&mut [0; 64]);
}

#[test]
#[ignore = "half a minute"]
fn ten_thousand_half_handshakes_leave_the_server_as_it_was() {
    let world = World::new();
    let mut server = server(&world);
    tree::write_file(&world.local("f"), 1, 100_000);
    let address = SocketAddr::from(([127, 0, 0, 1], server.ssh_port));
    let transfer = |server: &Server| {
        let ascp = Ascp::to(&world, server).arg("f");
        ascp.arg(server.at("")).run().succeeded();
    };
    transfer(&server);
    let (before_kb, _) = cost(&server);
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= 10_000 {
                        break;
                    }
                    half_a_handshake(address, number);
                }
            });
        }
    });
    let took = began.elapsed();
    assert!(server.is_running());
    transfer(&server);
    let (after_kb, seconds) = cost(&server);
    let descriptors = || {
        fs::read_dir(format!("/proc/{}/fd", server.process_id()))
            .unwrap()
            .count()
    };
    process::until(Duration::from_secs(60), || descriptors() < 40);
    println!(
        "10,000 half handshakes in {took:.1?}: peak memory {} MB, {} MB before; processor time {seconds:.1} s",
        after_kb / 1_000,
        before_kb / 1_000,
    );
    assert!(after_kb < before_kb + 200_000);
}
