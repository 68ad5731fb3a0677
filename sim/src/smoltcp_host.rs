//! What the second kind of host has under its machine: a network card, ARP or neighbour discovery, IP and UDP.
//!
//! The stack is smoltcp's, and between it and the machine is the adapter of `firmware`: the one that runs
//! where there is no operating system.

use fasp_core::sender::Transmit;
use fasp_core::time::Instant;
use fasp_firmware::udp_bridge::{UdpBridge, stack_time};
use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint};

use crate::checks::Breaches;
use crate::datagram::Datagram;
use crate::frames::Frames;
use crate::host::FlowOptions;
use crate::random::Random;

/// What is between a machine and the link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Stack {
    /// Nothing: datagrams go straight into the link.
    #[default]
    Bare,
    /// Ethernet with ARP, IPv4 and UDP.
    Ipv4,
    /// Ethernet with neighbour discovery, IPv6 and UDP.
    Ipv6,
}

impl Stack {
    /// Bytes of IP and UDP headers.
    pub(crate) const fn header_bytes(self) -> u16 {
        match self {
            Self::Bare | Self::Ipv4 => 20 + 8,
            Self::Ipv6 => 40 + 8,
        }
    }
}

/// Which end of a flow a host is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Sender,
    Receiver,
}

impl End {
    /// Last byte of its addresses.
    const fn number(self) -> u8 {
        match self {
            Self::Sender => 1,
            Self::Receiver => 2,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    const fn address(self, v6: bool) -> IpAddress {
        if v6 {
            IpAddress::v6(0xFD00, 0, 0, 0, 0, 0, 0, self.number() as u16)
        } else {
            IpAddress::v4(10, 0, 0, self.number())
        }
    }
}

const PORT: u16 = 33_001;
/// Datagrams and bytes that each direction of the socket holds: less than one batch of the sender, so that a
/// full socket is an everyday event.
const SOCKET_PACKETS: usize = 32;
const SOCKET_BYTES: usize = 48 << 10;
/// Room for one batch of datagrams.
const BATCH_BYTES: usize = 1 << 17;

/// The stack of one host.
pub(crate) struct SmoltcpHost {
    frames: Frames,
    interface: Interface,
    sockets: SocketSet<'static>,
    bridge: UdpBridge<Vec<u8>>,
}

impl std::fmt::Debug for SmoltcpHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = formatter.debug_struct("SmoltcpHost");
        text.field("bridge", &self.bridge).finish_non_exhaustive()
    }
}

impl SmoltcpHost {
    /// The stack of `end`, with the MTU that the largest datagram needs; `None` for a bare host.
    pub(crate) fn new(seed: u64, name: &str, options: &FlowOptions, end: End) -> Option<Self> {
        let v6 = match options.stack {
            Stack::Bare => return None,
            Stack::Ipv4 => false,
            Stack::Ipv6 => true,
        };
        let ip_mtu = usize::from(options.datagram + options.stack.header_bytes());
        let mut frames = Frames::new(Medium::Ethernet, ip_mtu);
        let hardware = EthernetAddress([2, 0, 0, 0, 0, end.number()]);
        let mut config = Config::new(HardwareAddress::Ethernet(hardware));
        config.random_seed = Random::named(seed, &format!("{name} {end:?}")).next();
        let mut interface = Interface::new(config, &mut frames, stack_time(Instant::default()));
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(end.address(v6), if v6 { 64 } else { 24 });
            assert!(addresses.push(own).is_ok(), "there is room for one address");
        });
        let buffer = || {
            PacketBuffer::new(
                vec![PacketMetadata::EMPTY; SOCKET_PACKETS],
                vec![0; SOCKET_BYTES],
            )
        };
        let mut socket = Socket::new(buffer(), buffer());
        socket.bind(PORT).expect("a new socket can be bound");
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let peer = IpEndpoint::new(end.other().address(v6), PORT);
        let incoming = vec![0; usize::from(u16::MAX)];
        Some(Self {
            frames,
            interface,
            sockets,
            bridge: UdpBridge::new(handle, peer, incoming, vec![0; BATCH_BYTES]),
        })
    }

    /// A frame has come from the link.
    pub(crate) fn arrive(&mut self, frame: &[u8]) {
        self.frames.arrive(frame);
    }

    /// Hands what has arrived to `handle`.
    pub(crate) fn receive(&mut self, now_us: u64, mut handle: impl FnMut(&mut [u8])) {
        // Every frame that has come is taken; the bridge does so in portions.
        while self.bridge.receive(
            Instant::from_micros(now_us),
            &mut self.interface,
            &mut self.frames,
            &mut self.sockets,
            |_, datagram| {
                handle(datagram);
                true
            },
        ) {}
    }

    /// Sends what `next` writes.
    pub(crate) fn transmit(
        &mut self,
        now_us: u64,
        breaches: &mut Breaches,
        mut next: impl FnMut(&mut [u8], &mut Breaches) -> Option<Transmit>,
    ) {
        self.bridge.transmit(
            Instant::from_micros(now_us),
            &mut self.interface,
            &mut self.frames,
            &mut self.sockets,
            |out| next(out, breaches),
        );
        let statistics = self.bridge.statistics();
        if statistics.too_long + statistics.unaddressable > 0 {
            breaches.add(|| format!("the bridge to the stack drops datagrams: {statistics:?}"));
        }
    }

    /// Gives the frames that leave to `send`.
    pub(crate) fn leave(&mut self, mut send: impl FnMut(Datagram)) {
        let link_header = self.frames.link_header();
        while let Some(frame) = self.frames.leave() {
            send(Datagram::packet(&frame, link_header));
        }
    }

    /// When the next turn is due; `machine_at` is what the machine says.
    pub(crate) fn next_at(&mut self, now_us: u64, machine_at: Option<u64>) -> Option<u64> {
        self.bridge
            .poll_timeout(
                Instant::from_micros(now_us),
                machine_at.map(Instant::from_micros),
                &mut self.interface,
                &self.sockets,
            )
            .map(Instant::as_micros)
    }
}

#[cfg(test)]
mod tests;
