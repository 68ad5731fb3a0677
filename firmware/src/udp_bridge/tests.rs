//! Two bridges over two stacks and an Ethernet cable that the test holds in its hands.

extern crate std;

use std::boxed::Box;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use smoltcp::iface::{Config, SocketStorage};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, UdpMetadata};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

use super::*;

type Frames = VecDeque<Vec<u8>>;

/// A network card that takes nothing while it is busy.
#[derive(Default)]
struct Card {
    arrived: Frames,
    leaving: Frames,
    busy: bool,
}

struct Arrived(Vec<u8>);
struct Leaving<'a>(&'a mut Frames);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.arrived.pop_front()?;
        Some((Arrived(frame), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Leaving<'_>> {
        (!self.busy).then_some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }
}

const PORT: u16 = 33_001;
const PACKETS: usize = 4;

fn address(v6: bool, number: u8) -> IpAddress {
    if v6 {
        IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, number.into())
    } else {
        IpAddress::v4(192, 168, 0, number)
    }
}

/// One end: a stack, a socket for four datagrams each way, a bridge, and what the bridge handed over.
struct End {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    bridge: UdpBridge<Box<[u8]>>,
    received: Vec<Vec<u8>>,
}

impl End {
    fn new(v6: bool, own: u8, peer: u8) -> Self {
        let mut card = Card::default();
        let hardware = EthernetAddress([2, 0, 0, 0, 0, own]);
        let config = Config::new(HardwareAddress::Ethernet(hardware));
        let mut interface = Interface::new(config, &mut card, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::new(address(v6, own), if v6 { 64 } else { 24 }))
                .unwrap();
        });
        let buffer = || -> PacketBuffer<'static> {
            let metadata: Vec<PacketMetadata> = vec![PacketMetadata::EMPTY; PACKETS];
            PacketBuffer::new(metadata.leak(), vec![0; 6_000].leak())
        };
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(PORT).unwrap();
        let storage: Vec<SocketStorage<'static>> = vec![SocketStorage::EMPTY];
        let mut sockets = SocketSet::new(storage.leak());
        let handle = sockets.add(socket);
        let peer = IpEndpoint::new(address(v6, peer), PORT);
        let bridge = UdpBridge::new(handle, peer, vec![0; 1_472].into(), vec![0; 20_000].into());
        Self {
            card,
            interface,
            sockets,
            bridge,
            received: Vec::new(),
        }
    }

    fn receive(&mut self, now: Instant) {
        let received = &mut self.received;
        self.bridge.receive(
            now,
            &mut self.interface,
            &mut self.card,
            &mut self.sockets,
            |_, datagram| {
                received.push(datagram.to_vec());
                true
            },
        );
    }

    /// Sends batches of datagrams of `size` bytes, numbered from `next` up to `end`, `batch` at once.
    fn transmit(
        &mut self,
        now: Instant,
        size: usize,
        batch: usize,
        next: &mut u8,
        end: u8,
    ) -> Transmitted {
        self.bridge.transmit(
            now,
            &mut self.interface,
            &mut self.card,
            &mut self.sockets,
            |out| {
                let count = batch.min(usize::from(end - *next));
                for datagram in out.chunks_mut(size).take(count) {
                    datagram.fill(*next);
                    *next += 1;
                }
                (count > 0).then_some(Transmit {
                    length: count * size,
                    segment_size: size,
                })
            },
        )
    }

    fn next_at(&mut self, now: Instant, machine: Option<Instant>) -> Option<Instant> {
        self.bridge
            .poll_timeout(now, machine, &mut self.interface, &self.sockets)
    }
}

fn at(now_us: u64) -> Instant {
    Instant::from_micros(now_us)
}

/// Carries frames to and fro until none is left.
fn carry(a: &mut End, b: &mut End, now: Instant) {
    while !(a.card.leaving.is_empty() && b.card.leaving.is_empty()) {
        b.card.arrived.append(&mut a.card.leaving);
        a.card.arrived.append(&mut b.card.leaving);
        a.receive(now);
        b.receive(now);
    }
}

fn numbers(end: &End) -> Vec<u8> {
    end.received.iter().map(|datagram| datagram[0]).collect()
}

/// Sends one datagram and lets the ends find each other's hardware addresses.
fn greet(from: &mut End, to: &mut End) {
    for count in [1, 0] {
        from.transmit(at(0), 10, 1, &mut 0, count);
        carry(from, to, at(0));
    }
    assert_eq!(numbers(to), [0]);
    to.received.clear();
}

/// Two ends that know each other's hardware address, with one datagram each way behind them.
fn acquainted(v6: bool) -> (End, End) {
    let (mut a, mut b) = (End::new(v6, 1, 2), End::new(v6, 2, 1));
    greet(&mut a, &mut b);
    greet(&mut b, &mut a);
    (a, b)
}

#[test]
fn datagrams_cross_over_both_versions_of_ip() {
    for v6 in [false, true] {
        let (mut a, mut b) = acquainted(v6);
        let mut next = 0;
        assert_eq!(a.transmit(at(5), 1_200, 3, &mut next, 3), Transmitted::All);
        carry(&mut a, &mut b, at(5));
        assert_eq!(numbers(&b), [0, 1, 2]);
        assert!(b.received.iter().all(|datagram| datagram.len() == 1_200));
        assert_eq!(a.bridge.statistics().sent, 4);
        assert_eq!(b.bridge.statistics().received, 4);
    }
}

#[test]
fn while_the_socket_is_full_the_machine_waits_and_nothing_is_lost() {
    let (mut a, mut b) = acquainted(false);
    a.card.busy = true;
    let mut next = 0;
    let full = a.transmit(at(5), 1_200, 3, &mut next, 20);
    // Four are in the socket, two of the second batch in the bridge.
    assert_eq!((full, next), (Transmitted::Full, 6));
    assert_eq!(
        a.transmit(at(6), 1_200, 3, &mut next, 20),
        Transmitted::Full
    );
    assert_eq!((next, a.bridge.statistics().sent), (6, 1 + 4));
    // The wish of the machine to send does not count, its other timers do.
    let later = at(9_000_000);
    a.card.busy = false;
    assert_eq!(a.next_at(at(6), Some(later)), Some(at(6)));
    while a.transmit(at(7), 1_200, 3, &mut next, 20) == Transmitted::Full {}
    assert_eq!(a.next_at(at(7), Some(later)), Some(later));
    // The other socket holds four datagrams, and the twenty come at once.
    carry(&mut a, &mut b, at(8));
    assert_eq!(numbers(&b), (0..20).collect::<Vec<u8>>());
}

#[test]
fn datagrams_wait_for_the_address_of_the_neighbour() {
    for v6 in [false, true] {
        let (mut a, mut b) = (End::new(v6, 1, 2), End::new(v6, 2, 1));
        let mut next = 0;
        assert_eq!(a.transmit(at(0), 1_200, 6, &mut next, 9), Transmitted::Full);
        assert_eq!((next, a.card.leaving.len()), (6, 1));
        // The question is lost, and asked again after a second.
        a.card.leaving.clear();
        let again = a.next_at(at(0), Some(at(0)));
        assert_eq!(again, Some(at(1_000_000)));
        a.receive(at(1_000_000));
        assert_eq!(a.card.leaving.len(), 1);
        carry(&mut a, &mut b, at(1_000_000));
        assert_eq!(
            a.transmit(at(1_000_100), 1_200, 6, &mut next, 9),
            Transmitted::All
        );
        carry(&mut a, &mut b, at(1_000_200));
        assert_eq!(numbers(&b), (0..9).collect::<Vec<u8>>());
    }
}

#[test]
fn what_fits_nowhere_is_counted_and_does_not_stop_the_rest() {
    let (mut a, mut b) = acquainted(false);
    let mut next = 0;
    // Longer than the socket's whole buffer.
    assert_eq!(a.transmit(at(5), 7_000, 2, &mut next, 2), Transmitted::All);
    assert_eq!(a.bridge.statistics().too_long, 2);
    assert_eq!(a.transmit(at(5), 800, 1, &mut next, 3), Transmitted::All);
    // Longer than the buffer of the other bridge.
    b.bridge.incoming = vec![0; 500].into();
    assert_eq!(a.transmit(at(5), 400, 1, &mut next, 4), Transmitted::All);
    carry(&mut a, &mut b, at(6));
    assert_eq!((numbers(&b), b.bridge.statistics().too_long), (vec![3], 1));
}

#[test]
fn datagrams_go_to_the_peer_that_was_set_last() {
    let (mut a, mut b) = acquainted(false);
    a.bridge
        .set_peer(IpEndpoint::new(address(false, 2), PORT + 1));
    a.transmit(at(5), 100, 1, &mut 0, 1);
    carry(&mut a, &mut b, at(5));
    assert!(b.received.is_empty());
    a.bridge.set_peer(IpEndpoint::new(address(false, 2), 0));
    assert_eq!(a.transmit(at(5), 100, 1, &mut 0, 1), Transmitted::All);
    assert_eq!(a.bridge.statistics().unaddressable, 1);
    a.bridge.set_peer(IpEndpoint::new(address(false, 2), PORT));
    a.transmit(at(5), 100, 1, &mut 7, 8);
    carry(&mut a, &mut b, at(5));
    assert_eq!(numbers(&b), [7]);
}

#[test]
fn a_handed_over_datagram_says_where_it_came_from() {
    let (mut a, mut b) = acquainted(true);
    a.transmit(at(5), 100, 1, &mut 0, 1);
    b.card.arrived.append(&mut a.card.leaving);
    let mut sources: Vec<UdpMetadata> = Vec::new();
    let End {
        card,
        interface,
        sockets,
        bridge,
        ..
    } = &mut b;
    bridge.receive(at(6), interface, card, sockets, |source, datagram| {
        // As a machine that decrypts in place.
        datagram.fill(9);
        sources.push(source.into());
        true
    });
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0].endpoint, IpEndpoint::new(address(true, 1), PORT));
}
