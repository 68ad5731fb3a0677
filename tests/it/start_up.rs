//! How many round trips pass from the start of the program to the first file byte on the wire.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fasp_tests::client::Ascp;
use fasp_tests::far_tcp;
use fasp_tests::relay::{Badness, Passed, Relay, Toward};
use fasp_tests::server::Ascpd;
use fasp_tests::tree;
use fasp_tests::world::World;

use crate::site::alone;

const ONE_WAY: Duration = Duration::from_millis(50);
/// The opening of a TCP connection, which the far service does not delay.
const TCP_OPENING: f64 = 1.0;
/// Time the programs themselves may need on a busy machine, in round trips.
const COMPUTING: f64 = 0.9;
/// Tries on a busy machine.
const TRIES: u32 = 25;

/// Whether a datagram carries file bytes (PROTOCOL.md §3.1: the kind is 1).
fn carries_file_bytes(passed: &Passed) -> bool {
    passed.bytes.first().is_some_and(|first| first & 0x0F == 1)
}

/// Round trips from the start of `ascp` until the first file byte leaves its sender.
fn round_trips(upload: bool) -> f64 {
    let _alone = alone();
    let world = World::new();
    let daemon = Ascpd::new(&world);
    let relay = Relay::start(daemon.udp_port(), 1, Badness::far(ONE_WAY));
    let mut server = daemon.advertising(relay.address()).start();
    let near = SocketAddr::from(([127, 0, 0, 1], server.ssh_port));
    server.ssh_port = far_tcp::start(near, ONE_WAY).unwrap().port();
    let command = Ascp::to(&world, &server).args(["-l", "100M", "--policy=fixed", "-q"]);
    let (command, toward) = if upload {
        tree::write_file(&world.local("f"), 1, 1_000_000);
        (command.arg("f").arg(server.at("g")), Toward::Server)
    } else {
        tree::write_file(&world.remote("f"), 1, 1_000_000);
        (command.arg(server.at("f")).arg("g"), Toward::Client)
    };
    let started = Instant::now();
    command.run().succeeded();
    let copies = relay.copies(toward);
    let first = copies.iter().find(|passed| carries_file_bytes(passed));
    let first = first.expect("a datagram with file bytes");
    let passed = first.at.duration_since(started).as_secs_f64();
    TCP_OPENING + passed / (2.0 * ONE_WAY.as_secs_f64())
}

/// The least of several tries: a busy machine only ever adds time.
fn fewest_round_trips(upload: bool) -> f64 {
    let mut fewest = f64::INFINITY;
    for _ in 0..TRIES {
        fewest = fewest.min(round_trips(upload));
        if fewest <= 5.0 + COMPUTING {
            break;
        }
    }
    fewest
}

#[test]
fn with_ascpd_an_upload_begins_within_five_round_trips() {
    let trips = fewest_round_trips(true);
    assert!(trips <= 5.0 + COMPUTING, "{trips:.2} round trips");
    assert!(trips >= 3.0, "{trips:.2} round trips cannot be true");
}

#[test]
fn with_ascpd_a_download_begins_within_five_round_trips() {
    // The server's bytes are seen where they leave it: half a round trip before they arrive.
    let trips = fewest_round_trips(false);
    assert!(trips <= 5.0 + COMPUTING, "{trips:.2} round trips");
    assert!(trips >= 3.0, "{trips:.2} round trips cannot be true");
}
