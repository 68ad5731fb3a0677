//! Addresses on a network where nobody answers, or only a router. A lease is shown on the board, where there is a real server.

extern crate std;

use smoltcp::iface::SocketStorage;
use smoltcp::phy::{ChecksumCapabilities, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Packet, Ipv6Repr,
    NdiscPrefixInfoFlags, NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags,
};

use super::*;

/// A cable that leads nowhere.
struct Nowhere;

struct Nothing;

impl RxToken for Nothing {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, handle: F) -> R {
        handle(&[])
    }
}

impl TxToken for Nothing {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        write(&mut std::vec![0; length])
    }
}

impl Device for Nowhere {
    type RxToken<'a> = Nothing;
    type TxToken<'a> = Nothing;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Nothing, Nothing)> {
        None
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Nothing> {
        Some(Nothing)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

const MAC: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const FIXED: FixedIpv4 = FixedIpv4 {
    address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 2), 24),
    router: Some(Ipv4Address::new(10, 0, 0, 1)),
};

/// What changes from 0 s to 20 s in steps of 10 ms, and when in milliseconds; then the interface.
fn run(source: Ipv4Source) -> (std::vec::Vec<(u64, Changed)>, Interface) {
    let mut interface = interface(&mut Nowhere, MAC, 1, Instant::from_micros(0));
    let mut storage = [SocketStorage::EMPTY; 2];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let mut addresses = Addresses::start(source, &mut sockets, Instant::from_micros(0));
    let mut changes = std::vec![];
    for millis in (0..20_000).step_by(10) {
        let now = Instant::from_micros(millis * 1000);
        interface.poll(stack_time(now), &mut Nowhere, &mut sockets);
        let changed = addresses.poll(now, &mut interface, &mut sockets);
        changes.extend(changed.map(|changed| (millis, changed)));
    }
    (changes, interface)
}

#[test]
fn the_fixed_address_is_taken_at_once_or_when_no_server_answers() {
    let address = FIXED.address;
    let (changes, interface) = run(Ipv4Source::Fixed(FIXED));
    assert_eq!(changes, [(0, Changed::Fixed(address))]);
    assert_eq!(interface.ipv4_addr(), Some(address.address()));
    let otherwise = Some(FIXED);
    let (changes, interface) = run(Ipv4Source::Dhcp { otherwise });
    assert_eq!(changes, [(5_000, Changed::Fixed(address))]);
    assert_eq!(interface.ipv4_addr(), Some(address.address()));
    let (changes, interface) = run(Ipv4Source::Dhcp { otherwise: None });
    assert_eq!(changes, []);
    assert_eq!(interface.ipv4_addr(), None);
}

#[test]
fn the_link_local_address_comes_from_the_hardware_address_and_stays() {
    let expected = Ipv6Address::new(0xFE80, 0, 0, 0, 0x5054, 0x00FF, 0xFE12, 0x3456);
    assert_eq!(link_local(MAC), expected);
    let (_, interface) = run(Ipv4Source::Fixed(FIXED));
    assert!(interface.has_ip_addr(expected));
}

/// A cable with a router at its other end that says once which prefix the network has.
struct Router(Option<std::vec::Vec<u8>>);

struct Frame(std::vec::Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, handle: F) -> R {
        handle(&self.0)
    }
}

impl Device for Router {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Nothing;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Frame, Nothing)> {
        self.0.take().map(|frame| (Frame(frame), Nothing))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Nothing> {
        Some(Nothing)
    }

    fn capabilities(&self) -> DeviceCapabilities {
        Nowhere.capabilities()
    }
}

/// A router advertisement to all nodes, as a frame.
fn advertisement(prefix: Ipv6Address) -> std::vec::Vec<u8> {
    let router = EthernetAddress([2, 0, 0, 0, 0, 1]);
    let (from, to) = (
        link_local(router),
        Ipv6Address::new(0xFF02, 0, 0, 0, 0, 0, 0, 1),
    );
    let day = smoltcp::time::Duration::from_secs(86_400);
    let advert = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: smoltcp::time::Duration::from_secs(1_800),
        reachable_time: smoltcp::time::Duration::ZERO,
        retrans_time: smoltcp::time::Duration::ZERO,
        lladdr: None,
        mtu: None,
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: 64,
            flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
            valid_lifetime: day,
            preferred_lifetime: day,
            prefix,
        }),
    });
    let header = Ipv6Repr {
        src_addr: from,
        dst_addr: to,
        next_header: IpProtocol::Icmpv6,
        payload_len: advert.buffer_len(),
        hop_limit: 255,
    };
    let mut frame = std::vec![0; 14 + header.buffer_len() + advert.buffer_len()];
    let mut ethernet = EthernetFrame::new_unchecked(&mut frame[..]);
    ethernet.set_src_addr(router);
    ethernet.set_dst_addr(EthernetAddress([0x33, 0x33, 0, 0, 0, 1]));
    ethernet.set_ethertype(EthernetProtocol::Ipv6);
    let mut packet = Ipv6Packet::new_unchecked(ethernet.payload_mut());
    header.emit(&mut packet);
    let mut message = Icmpv6Packet::new_unchecked(packet.payload_mut());
    advert.emit(&from, &to, &mut message, &ChecksumCapabilities::default());
    frame
}

#[test]
fn a_router_that_tells_its_prefix_gives_an_address_beside_the_link_local_one() {
    let prefix = Ipv6Address::new(0x2001, 0xDB8, 1, 2, 0, 0, 0, 0);
    let mut router = Router(Some(advertisement(prefix)));
    let mut interface = interface(&mut router, MAC, 1, Instant::from_micros(0));
    let mut storage = [SocketStorage::EMPTY; 1];
    let mut sockets = SocketSet::new(&mut storage[..]);
    let own = Ipv6Address::new(0x2001, 0xDB8, 1, 2, 0x5054, 0x00FF, 0xFE12, 0x3456);
    assert!(!interface.has_ip_addr(own));
    for millis in (0..3_000).step_by(10) {
        let now = Instant::from_micros(millis * 1000);
        interface.poll(stack_time(now), &mut router, &mut sockets);
    }
    assert!(interface.has_ip_addr(own), "{:?}", interface.ip_addrs());
    assert!(interface.has_ip_addr(link_local(MAC)));
}
