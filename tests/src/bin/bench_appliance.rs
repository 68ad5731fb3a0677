//! What the appliance carries on its board in QEMU: raw UDP against the goodput of `ascp`, both ways, in one run.
//!
//! The raw rate towards the device is the highest that was offered of which 99 % arrived: above it the receive FIFO of
//! the Ethernet controller overflows. Goodput is bytes of the file over the time of the whole command, less that of
//! the same command with an empty file. With `--icount` one instruction takes one nanosecond of the device's time,
//! and only instructions for each byte of file are told.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use fasp_tests::appliance::flash_image::FlashImage;
use fasp_tests::appliance::{Board, Ports, image, missing};
use fasp_tests::client::Ascp;
use fasp_tests::tree;
use fasp_tests::world::World;

/// Bytes of the file.
const SIZE: u64 = 4 << 20;
/// Bytes of a raw datagram: as `ascp` sends them.
const DATAGRAM: usize = 1400;
/// Not encrypted, still authenticated.
const CLEAR: &str = "clear";
/// Rates that are offered, Mbit/s.
const OFFERED: [u32; 10] = [2, 4, 6, 8, 10, 15, 20, 25, 30, 40];

struct Bench {
    world: World,
    ports: Ports,
    board: Board,
    /// `awake` lines so far.
    visits: usize,
}

fn main() {
    if let Some(reason) = missing() {
        println!("{reason}");
        std::process::exit(1);
    }
    let icount = std::env::args().any(|argument| argument == "--icount");
    // Built before the clock starts.
    let image = image::with_test_port();
    let started = Instant::now();
    let mut bench = Bench::open(image, icount);
    let ready = bench.board.wait_until_ready();
    println!(
        "power-on to ready: {:.2} s here; {ready}",
        started.elapsed().as_secs_f64()
    );
    if icount {
        bench.count_instructions();
    } else {
        bench.compare_rates();
    }
}

impl Bench {
    fn open(image: &Path, icount: bool) -> Self {
        let world = World::new();
        let ports = Ports::free();
        let path = world.server_folder().join("flash");
        let flash = FlashImage::set_up(path, world.authorized_key()).advertising(ports.data);
        let board = if icount {
            Board::start_counting(image, flash.path(), ports)
        } else {
            Board::start(image, flash.path(), ports)
        };
        tree::write_file(&world.local("file"), 1, SIZE);
        tree::write_file(&world.local("empty"), 1, 0);
        Self {
            world,
            ports,
            board,
            visits: 0,
        }
    }

    fn ascp(&self, cipher: &str, rate_mbps: f64) -> Ascp {
        Ascp::new(&self.world)
            .arg("-i")
            .arg(self.world.client_key())
            .args(["-P", &self.ports.ssh.to_string()])
            .args(["-O", &self.ports.data.to_string()])
            .args(["--policy=fixed", "-l", &format!("{rate_mbps:.3}M")])
            .args(match cipher {
                CLEAR => vec!["-T"],
                cipher => vec!["-c", cipher],
            })
    }

    /// Runs one transfer; how long it took, and for how long the device worked.
    fn transfer(&mut self, up: bool, file: &str, cipher: &str, rate: f64) -> (Duration, u64) {
        let before = self.awake();
        let there = format!("appliance@127.0.0.1:{file}");
        let ascp = self.ascp(cipher, rate);
        let outcome = if up {
            ascp.arg(file).arg("appliance@127.0.0.1:/").run()
        } else {
            ascp.arg(there).arg(format!("back-{file}")).run()
        };
        outcome.succeeded();
        self.visits += 1;
        self.board.wait_for_nth("awake: ", self.visits);
        if !up {
            let back = self.world.local(format!("back-{file}"));
            tree::assert_same(&self.world.local(file), &back);
            std::fs::remove_file(back).expect("the file that came back");
        }
        (outcome.took, self.awake().saturating_sub(before))
    }

    /// Microseconds that the device has worked, as of the end of the last visit.
    fn awake(&self) -> u64 {
        let log = self.board.log();
        let line = log.iter().rev().find_map(|line| line.split_once("awake: "));
        let digits = line.map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    fn compare_rates(&mut self) {
        let test = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        test.connect(("127.0.0.1", self.ports.test))
            .expect("the test port");
        socket2::SockRef::from(&test)
            .set_recv_buffer_size(8 << 20)
            .expect("a receive buffer");
        test.set_read_timeout(Some(Duration::from_secs(2)))
            .expect("a read timeout");
        let raw_in = raw_towards_the_device(&test);
        let raw_out = raw_from_the_device(&test);
        println!("raw UDP: {raw_in:.1} Mbit/s in, {raw_out:.1} Mbit/s out");
        // Both ways below what the receive FIFO takes; then downloads as fast as the device can.
        let gentle = raw_in.min(raw_out);
        for cipher in ["aes128gcm", "aes128cfb", CLEAR] {
            for (up, raw) in [(true, gentle), (false, gentle), (false, raw_out)] {
                let (nothing, _) = self.transfer(up, "empty", cipher, raw);
                let (took, _) = self.transfer(up, "file", cipher, raw);
                let seconds = took.saturating_sub(nothing).as_secs_f64();
                let goodput = tree_bits() / seconds / 1e6;
                println!(
                    "{cipher} {} at {raw:.1}: {goodput:.1} Mbit/s, {:.2} of raw",
                    if up { "upload" } else { "download" },
                    goodput / raw
                );
            }
        }
    }

    fn count_instructions(&mut self) {
        for cipher in ["aes128gcm", "aes128cfb", CLEAR] {
            for up in [true, false] {
                let (_, nothing) = self.transfer(up, "empty", cipher, 4.0);
                let (_, worked) = self.transfer(up, "file", cipher, 4.0);
                // One instruction takes a nanosecond.
                let instructions = worked.saturating_sub(nothing) * 1000;
                println!(
                    "{cipher} {}: {} instructions for each byte",
                    if up { "upload" } else { "download" },
                    instructions / SIZE
                );
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few million, for a table")]
fn tree_bits() -> f64 {
    SIZE as f64 * 8.0
}

/// The highest offered rate of which 99 % arrived, Mbit/s.
fn raw_towards_the_device(test: &UdpSocket) -> f64 {
    let mut best = 0.0;
    for mbps in OFFERED {
        ask(test, b"R");
        let count = mbps * 1_000_000 / 8 / u32::try_from(DATAGRAM).unwrap_or(u32::MAX) * 2;
        let gap = Duration::from_secs(2) / count;
        let start = Instant::now();
        for number in 0..count {
            let _ = test.send(&[b'S'; DATAGRAM]);
            let next = start + gap * (number + 1);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        std::thread::sleep(Duration::from_millis(300));
        let arrived = ask(test, b"R").first().copied().unwrap_or(0);
        println!("raw in, {mbps} Mbit/s offered: {arrived} of {count} arrived");
        if arrived * 100 < u64::from(count) * 99 {
            break;
        }
        best = f64::from(mbps);
    }
    best
}

/// How fast the device sends datagrams, Mbit/s.
fn raw_from_the_device(test: &UdpSocket) -> f64 {
    let count = 3000_u32;
    let size = u32::try_from(DATAGRAM).unwrap_or(0);
    let mut order = vec![b'G'];
    order.extend(count.to_le_bytes());
    order.extend(size.to_le_bytes());
    test.send(&order).expect("an order");
    let mut buffer = [0; 2048];
    let (mut first, mut last, mut arrived) = (None, Instant::now(), 0_u32);
    while let Ok(length) = test.recv(&mut buffer) {
        if length == DATAGRAM {
            last = Instant::now();
            first.get_or_insert(last);
            arrived += 1;
        }
        if arrived == count {
            break;
        }
    }
    let seconds = last.duration_since(first.unwrap_or(last)).as_secs_f64();
    f64::from(arrived) * f64::from(size) * 8.0 / seconds / 1e6
}

/// The numbers that answer an order; asked again when one of the two is lost.
fn ask(test: &UdpSocket, order: &[u8]) -> Vec<u64> {
    let mut buffer = [0; 2048];
    for _ in 0..10 {
        let _ = test.send(order);
        while let Ok(length) = test.recv(&mut buffer) {
            if length == 24 {
                let (numbers, _) = buffer.as_chunks::<8>();
                return numbers
                    .iter()
                    .take(3)
                    .map(|n| u64::from_le_bytes(*n))
                    .collect();
            }
        }
    }
    panic!("the test port does not answer")
}
