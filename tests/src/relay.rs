//! A bad path: passes datagrams between client and server and does to them what networks do.
//!
//! Loses, repeats, delays (and so reorders) and damages datagrams in both directions, from a
//! seed; can swallow everything; keeps copies of what passed for replay; lets a test inject its
//! own. It counts what it did, so that a test can tell that the path was really bad. It knows
//! nothing of what the bytes mean.

use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::random::SplitMix64;

/// Longest wait in a receive, so that delayed datagrams leave in time.
const TICK: Duration = Duration::from_millis(2);
/// Copies kept of each direction.
const KEPT_COPIES: usize = 512;
/// Receive buffer of both sockets: bursts must be lost by the dice, not by a full socket.
const SOCKET_BUFFER: usize = 4 << 20;

/// What happens to each datagram, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Badness {
    /// Lost.
    pub loss: u32,
    /// Delivered twice.
    pub duplicate: u32,
    /// Held back for up to [`Self::hold`], so that others overtake it.
    pub reorder: u32,
    /// One bit flipped.
    pub damage: u32,
    /// An older datagram of the same direction is sent along again.
    pub replay: u32,
    /// Longest time a datagram is held back.
    pub hold: Duration,
    /// Time every datagram needs for its way.
    pub delay: Duration,
}

impl Badness {
    /// 5 % loss, and reordering, duplication and bit flips besides.
    #[must_use]
    pub const fn heavy() -> Self {
        Self {
            loss: 50,
            duplicate: 20,
            reorder: 50,
            damage: 20,
            replay: 10,
            hold: Duration::from_millis(15),
            delay: Duration::ZERO,
        }
    }

    /// A good path of a given length: `delay` each way.
    #[must_use]
    pub fn far(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }
}

/// A datagram that came to the relay.
#[derive(Clone, Debug)]
pub struct Passed {
    /// When.
    pub at: Instant,
    /// As it came.
    pub bytes: Vec<u8>,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Toward {
    /// From the client to the server.
    Server,
    /// From the server to the client.
    Client,
}

/// What one direction has seen.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Datagrams that came in.
    pub seen: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Sent twice.
    pub duplicated: u64,
    /// Held back.
    pub held: u64,
    /// Damaged.
    pub damaged: u64,
    /// Old datagrams sent again.
    pub replayed: u64,
}

/// A relay that works until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The socket clients send to.
    near: UdpSocket,
    /// The socket that talks to the server.
    far: UdpSocket,
    server: SocketAddr,
    client: Mutex<Option<SocketAddr>>,
    badness: Badness,
    stop: AtomicBool,
    blackhole: AtomicBool,
    to_server: Direction,
    to_client: Direction,
}

#[derive(Debug, Default)]
struct Direction {
    seen: AtomicU64,
    lost: AtomicU64,
    duplicated: AtomicU64,
    held: AtomicU64,
    damaged: AtomicU64,
    replayed: AtomicU64,
    copies: Mutex<Vec<Passed>>,
}

/// A datagram held back; the heap gives the earliest first.
#[derive(Debug, Eq, PartialEq)]
struct Held {
    leaves: Instant,
    bytes: Vec<u8>,
}

impl Relay {
    /// A relay on the loopback in front of UDP port `server_port`.
    ///
    /// # Panics
    ///
    /// When no socket can be opened.
    #[must_use]
    pub fn start(server_port: u16, seed: u64, badness: Badness) -> Self {
        let near = socket().expect("the client's side of the relay");
        let far = socket().expect("the server's side of the relay");
        let address = near.local_addr().expect("the relay's address");
        let shared = Arc::new(Shared {
            near,
            far,
            server: SocketAddr::from(([127, 0, 0, 1], server_port)),
            client: Mutex::new(None),
            badness,
            stop: AtomicBool::new(false),
            blackhole: AtomicBool::new(false),
            to_server: Direction::default(),
            to_client: Direction::default(),
        });
        let threads = [(Toward::Server, seed), (Toward::Client, !seed)]
            .map(|(toward, seed)| {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.run(toward, SplitMix64::new(seed)))
            })
            .into();
        Self {
            address,
            shared,
            threads,
        }
    }

    /// Where clients must send their datagrams.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the server sees clients come from.
    ///
    /// # Panics
    ///
    /// When the system does not know.
    #[must_use]
    pub fn far_address(&self) -> SocketAddr {
        self.shared
            .far
            .local_addr()
            .expect("the relay's far address")
    }

    /// Datagrams of the server go to `client` also before one came from there.
    ///
    /// # Panics
    ///
    /// When a relay thread has panicked.
    pub fn expect_client(&self, client: SocketAddr) {
        *self.shared.client.lock().expect("the client's address") = Some(client);
    }

    /// From now on swallows everything (`true`) or works again (`false`).
    pub fn swallow_everything(&self, on: bool) {
        self.shared.blackhole.store(on, Ordering::Relaxed);
    }

    /// What one direction has seen so far.
    #[must_use]
    pub fn count(&self, toward: Toward) -> Count {
        let direction = self.shared.direction(toward);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Count {
            seen: read(&direction.seen),
            lost: read(&direction.lost),
            duplicated: read(&direction.duplicated),
            held: read(&direction.held),
            damaged: read(&direction.damaged),
            replayed: read(&direction.replayed),
        }
    }

    /// Copies of the first datagrams that came in one direction.
    ///
    /// # Panics
    ///
    /// When a relay thread has panicked.
    #[must_use]
    pub fn copies(&self, toward: Toward) -> Vec<Passed> {
        let copies = &self.shared.direction(toward).copies;
        copies.lock().expect("the kept copies").clone()
    }

    /// Sends `datagram` as if it had come through this path.
    pub fn inject(&self, toward: Toward, datagram: &[u8]) {
        self.shared.deliver(toward, datagram);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(TICK))?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}

impl Shared {
    const fn direction(&self, toward: Toward) -> &Direction {
        match toward {
            Toward::Server => &self.to_server,
            Toward::Client => &self.to_client,
        }
    }

    fn run(&self, toward: Toward, mut dice: SplitMix64) {
        let mut buffer = vec![0_u8; 65_536];
        let mut held = BinaryHeap::new();
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(datagram) = self.receive(toward, &mut buffer) {
                self.treat(toward, &mut dice, datagram, &mut held);
            }
            let now = Instant::now();
            while held.peek().is_some_and(|next: &Held| next.leaves <= now) {
                if let Some(next) = held.pop() {
                    self.deliver(toward, &next.bytes);
                }
            }
        }
    }

    fn receive<'b>(&self, toward: Toward, buffer: &'b mut [u8]) -> Option<&'b mut [u8]> {
        let socket = match toward {
            Toward::Server => &self.near,
            Toward::Client => &self.far,
        };
        let (length, from) = socket.recv_from(buffer).ok()?;
        match toward {
            Toward::Server => *self.client.lock().ok()? = Some(from),
            Toward::Client if from != self.server => return None,
            Toward::Client => {}
        }
        buffer.get_mut(..length)
    }

    fn treat(
        &self,
        toward: Toward,
        dice: &mut SplitMix64,
        datagram: &mut [u8],
        held: &mut BinaryHeap<Held>,
    ) {
        let (direction, badness) = (self.direction(toward), self.badness);
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        add(&direction.seen);
        if let Some(old) = direction.keep(dice, datagram, badness.replay) {
            add(&direction.replayed);
            self.deliver(toward, &old);
        }
        if dice.chance(badness.loss) || self.blackhole.load(Ordering::Relaxed) {
            add(&direction.lost);
            return;
        }
        if dice.chance(badness.damage) {
            add(&direction.damaged);
            flip_one_bit(dice, datagram);
        }
        if dice.chance(badness.duplicate) {
            add(&direction.duplicated);
            self.deliver(toward, datagram);
        }
        let mut delay = badness.delay;
        if dice.chance(badness.reorder) {
            add(&direction.held);
            let longest = u64::try_from(badness.hold.as_micros()).unwrap_or(0);
            delay += Duration::from_micros(dice.below(longest));
        }
        if delay.is_zero() {
            self.deliver(toward, datagram);
        } else {
            held.push(Held {
                leaves: Instant::now() + delay,
                bytes: datagram.to_vec(),
            });
        }
    }

    /// A datagram the system will not take is lost, as on any network.
    fn deliver(&self, toward: Toward, datagram: &[u8]) {
        match toward {
            Toward::Server => {
                let _ = self.far.send_to(datagram, self.server);
            }
            Toward::Client => {
                if let Some(client) = self.client.lock().ok().and_then(|client| *client) {
                    let _ = self.near.send_to(datagram, client);
                }
            }
        }
    }
}

impl Direction {
    /// Keeps a copy of `datagram`, and gives an older one `replay` times in a thousand.
    fn keep(&self, dice: &mut SplitMix64, datagram: &[u8], replay: u32) -> Option<Vec<u8>> {
        let mut copies = self.copies.lock().ok()?;
        let old = if dice.chance(replay) {
            let count = u64::try_from(copies.len()).ok()?;
            let index = usize::try_from(dice.below(count)).ok()?;
            copies.get(index).map(|copy| copy.bytes.clone())
        } else {
            None
        };
        if copies.len() < KEPT_COPIES {
            copies.push(Passed {
                at: Instant::now(),
                bytes: datagram.to_vec(),
            });
        }
        old
    }
}

fn flip_one_bit(dice: &mut SplitMix64, datagram: &mut [u8]) {
    let bits = u64::try_from(datagram.len()).unwrap_or(0) * 8;
    let bit = dice.below(bits);
    let byte = usize::try_from(bit / 8)
        .ok()
        .and_then(|index| datagram.get_mut(index));
    if let Some(byte) = byte {
        *byte ^= 1 << (bit % 8);
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.leaves, &other.bytes).cmp(&(self.leaves, &self.bytes))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` numbered datagrams through a relay; what arrives, in order of arrival.
    fn pass(badness: Badness, count: u32) -> (Vec<Vec<u8>>, Count) {
        let server = socket().unwrap();
        server
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let relay = Relay::start(server.local_addr().unwrap().port(), 3, badness);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut arrived = Vec::new();
        let mut buffer = [0_u8; 100];
        for number in 0..count {
            client
                .send_to(&number.to_be_bytes(), relay.address())
                .unwrap();
        }
        while let Ok(length) = server.recv(&mut buffer) {
            arrived.push(buffer[..length].to_vec());
        }
        (arrived, relay.count(Toward::Server))
    }

    #[test]
    fn a_good_path_keeps_every_datagram_in_order() {
        let (arrived, count) = pass(Badness::default(), 200);
        let sent: Vec<Vec<u8>> = (0..200_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        assert_eq!(arrived, sent);
        assert_eq!(count.lost + count.damaged + count.duplicated, 0);
    }

    #[test]
    fn a_bad_path_loses_repeats_reorders_and_damages() {
        let (arrived, count) = pass(Badness::heavy(), 1000);
        assert!(count.lost > 20, "{count:?}");
        assert!(count.held > 20 && count.damaged > 5, "{count:?}");
        let expected = 1000 - count.lost + count.duplicated + count.replayed;
        assert_eq!(u64::try_from(arrived.len()).unwrap(), expected);
        assert!(arrived.windows(2).any(|pair| pair[0] > pair[1]));
    }

    #[test]
    fn a_blackhole_swallows_everything_until_it_is_lifted() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let relay = Relay::start(server.local_addr().unwrap().port(), 3, Badness::default());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        relay.swallow_everything(true);
        client.send_to(b"one", relay.address()).unwrap();
        let mut buffer = [0_u8; 10];
        assert!(server.recv(&mut buffer).is_err());
        relay.swallow_everything(false);
        client.send_to(b"two", relay.address()).unwrap();
        assert_eq!(server.recv(&mut buffer).unwrap(), 3);
    }
}
