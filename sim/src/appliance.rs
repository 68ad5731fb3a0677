//! The appliance of `firmware`, whole, on model paths: SSH over TCP and datagrams over UDP share the same bad link.
//!
//! On the other end is a client made of the same parts as `ascp`: the machines of `core`, over an SSH client.
//! What is encrypted for SSH differs from run to run, because its randomness is the system's; when and what size
//! everything is does not, so a seed repeats what happens.

mod client;

use fasp_core::time::Instant;
use fasp_core::units::BitRate;
use fasp_firmware::appliance::{Configuration, Next, SmallAppliance, SshMemory};
use fasp_firmware::host::Host;
use fasp_firmware::sockets::{SocketMemory, Sockets};
use fasp_firmware::storage::Storage as _;
use fasp_firmware::storage::ram_disk::RamDisk;
use fasp_firmware::udp_bridge::stack_time;
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address};

use crate::datagram::Datagram;
use crate::frames::Frames;
use crate::link::Link;
use crate::paths::Path;
use crate::pattern;
use crate::random::Random;
use client::Client;

const IP_MTU: usize = 1_500;
const CLIENT: u8 = 1;
const APPLIANCE: u8 = 2;
const CONTROL_PORT: u16 = 22;
const DATA_PORT: u16 = 33_001;
/// The object of the pattern that files hold.
const FILE: u32 = 1;
const NAME: &[u8] = b"file";
/// So many turns without time passing are too many.
const MOST_IDLE_TURNS: u32 = 1_000;

const fn address(last: u8) -> Ipv4Address {
    Ipv4Address::new(10, 0, 0, last)
}

fn interface(frames: &mut Frames, last: u8) -> Interface {
    let hardware = EthernetAddress([2, 0, 0, 0, 0, last]);
    let mut config = Config::new(HardwareAddress::Ethernet(hardware));
    config.random_seed = u64::from(last);
    let mut interface = Interface::new(config, frames, stack_time(Instant::default()));
    interface.update_ip_addrs(|addresses| {
        let own = IpCidr::new(IpAddress::Ipv4(address(last)), 24);
        assert!(addresses.push(own).is_ok(), "there is room for one address");
    });
    interface
}

#[derive(Debug)]
struct SeededHost(Random);

impl Host for SeededHost {
    fn random(&mut self, out: &mut [u8]) {
        for piece in out.chunks_mut(8) {
            let bytes = self.0.next().to_le_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
    }
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Came {
    /// When the client was done, µs.
    done_us: u64,
    /// Frames that entered the links, and that were lost.
    entered: u64,
    lost: u64,
}

/// Frames between two cards and two links.
fn carry(from: &mut Frames, link: &mut Link, now_us: u64) {
    let header = from.link_header();
    while let Some(frame) = from.leave() {
        link.send(now_us, 0, Datagram::packet(&frame, header));
    }
}

fn arrive(link: &mut Link, to: &mut Frames, now_us: u64) {
    let mut bytes = [0; IP_MTU + 64];
    while let Some((_, datagram)) = link.receive(now_us) {
        let length = datagram.write(&mut bytes);
        to.arrive(&bytes[..length]);
    }
}

type Disk<'m> = RamDisk<'m, 1_024, 16>;

/// One file of `bytes` over `path`, to the appliance or from it; what came has been compared.
fn transfer(path: &Path, seed: u64, upload: bool, bytes: usize) -> Came {
    let mut memory = vec![0; 4 << 20];
    let mut disk = Disk::new(&mut memory);
    let mut content = vec![0; bytes];
    if !upload {
        let mut partial = disk.create(NAME, bytes as u64).expect("room");
        pattern::fill(FILE, 0, &mut content);
        disk.write_at(&mut partial, 0, &content).expect("room");
        disk.commit(partial, 0).expect("a name");
    }
    let came = run(path, seed, Client::new(seed, upload, bytes), &mut disk);
    let (mut file, entry) = disk.open(NAME).expect("the file under its final name");
    assert_eq!(entry.size, bytes as u64);
    disk.read_at(&mut file, 0, &mut content).expect("its bytes");
    assert!(pattern::matches(FILE, 0, &content), "other bytes came");
    came
}

fn configuration(authorized_keys: &[[u8; 32]]) -> Configuration<'_> {
    Configuration {
        host_key: &[3; 32],
        user: None,
        authorized_keys,
        password: None,
        control_port: CONTROL_PORT,
        data_port: DATA_PORT,
        advertised_address: None,
        advertised_port: None,
        target_rate_cap: BitRate(100_000_000),
        largest_datagram: 1_472,
    }
}

/// Serves `client` over `path` until both have left.
fn run(path: &Path, seed: u64, mut client: Client, disk: &mut Disk<'_>) -> Came {
    let authorized = [client::public_key()];
    let mut frames = Frames::new(Medium::Ethernet, IP_MTU);
    let mut stack = interface(&mut frames, APPLIANCE);
    let mut memory = Box::new(SocketMemory::<4_096, 32, 49_152>::new());
    let mut set = SocketSet::new(Vec::new());
    let sockets = Sockets::add(&mut set, &mut memory);
    let host = SeededHost(Random::named(seed, "appliance"));
    let mut appliance = SmallAppliance::new(configuration(&authorized), disk, host, sockets);
    let mut ssh_memory = SshMemory::new();
    let mut visit = appliance.visit(&mut ssh_memory);
    let mut there = Link::new(seed, "there", &path.forward, Vec::new());
    let mut back = Link::new(seed, "back", &path.backward, Vec::new());
    let mut now_us = 1;
    let mut is_over = false;
    let mut idle_turns = 0;
    while !(client.is_done() && is_over) {
        assert!(now_us < 300_000_000, "not over after 300 s: {client:?}");
        let now = Instant::from_micros(now_us);
        arrive(&mut there, &mut frames, now_us);
        arrive(&mut back, &mut client.frames, now_us);
        let mut next = client.turn(now);
        carry(&mut client.frames, &mut there, now_us);
        if !is_over {
            match visit.poll(now, &mut stack, &mut frames, &mut set) {
                Next::Over => is_over = true,
                Next::Wait(until) => next = next.into_iter().chain(until).min(),
            }
        }
        carry(&mut frames, &mut back, now_us);
        let links = [there.next_at(), back.next_at()];
        let next = next.map(Instant::as_micros);
        let next = next.into_iter().chain(links.into_iter().flatten()).min();
        let next = next.expect("something is due");
        idle_turns = if next > now_us { 0 } else { idle_turns + 1 };
        assert!(
            idle_turns < MOST_IDLE_TURNS,
            "they turn without end: {client:?}"
        );
        now_us = next.max(now_us);
    }
    Came {
        done_us: client.done_us(),
        entered: there.entered + back.entered,
        lost: there.lost + back.lost,
    }
}

mod tests;
