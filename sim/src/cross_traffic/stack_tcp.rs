//! TCP of smoltcp from end to end: two real stacks, a connection, a stream that never ends.
//!
//! Every byte of the stream follows from its place and is compared where it arrives.

use std::net::Ipv4Addr;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr};

use super::Way;
use crate::checks::{Breaches, check_bytes};
use crate::datagram::Datagram;
use crate::frames::Frames;
use crate::pattern;
use crate::random::Random;

const IP_MTU: usize = 1_500;
/// More than any path here holds with its queue.
const WINDOW_BYTES: usize = 64 << 20;
const PORT: u16 = 5_001;
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Names the stream in the pattern of file bytes.
const STREAM: u32 = 0xFFFF;

/// Which congestion control the stack uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum StackControl {
    Reno,
    Cubic,
}

/// One end.
struct End {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    frames: Frames,
}

impl std::fmt::Debug for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("End").finish_non_exhaustive()
    }
}

impl End {
    fn new(address: Ipv4Addr, receives: bool, control: StackControl, seed: u64) -> Self {
        let mut frames = Frames::new(Medium::Ip, IP_MTU);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut frames, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(address.into(), 24);
            assert!(addresses.push(own).is_ok(), "there is room for one address");
        });
        let (large, small) = (WINDOW_BYTES, IP_MTU);
        let (receive, send) = if receives {
            (large, small)
        } else {
            (small, large)
        };
        let buffer = |bytes| SocketBuffer::new(vec![0; bytes]);
        let mut socket = Socket::new(buffer(receive), buffer(send));
        socket.set_congestion_control(match control {
            StackControl::Reno => CongestionControl::Reno,
            StackControl::Cubic => CongestionControl::Cubic,
        });
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self {
            interface,
            sockets,
            handle,
            frames,
        }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn poll(&mut self, now: Instant) {
        self.interface
            .poll(now, &mut self.frames, &mut self.sockets);
    }

    fn next_at(&mut self, now: Instant) -> Option<u64> {
        let at = self.interface.poll_at(now, &self.sockets)?;
        Some((at.total_micros() as u64).max(now.total_micros() as u64))
    }
}

/// Both ends.
#[derive(Debug)]
pub(super) struct StackTcp {
    sender: End,
    receiver: End,
    connected: bool,
    written: u64,
    delivered: u64,
    piece: Vec<u8>,
}

impl StackTcp {
    pub(super) fn new(control: StackControl, seed: u64, name: &str) -> Self {
        let mut random = Random::named(seed, name);
        let mut receiver = End::new(RECEIVER, true, control, random.next());
        receiver
            .socket()
            .listen(PORT)
            .expect("a new socket can listen");
        Self {
            sender: End::new(SENDER, false, control, random.next()),
            receiver,
            connected: false,
            written: 0,
            delivered: 0,
            piece: vec![0; 1 << 16],
        }
    }

    pub(super) fn receive(&mut self, way: Way, datagram: &Datagram) {
        let length = datagram.write(&mut self.piece);
        let end = match way {
            Way::Forward => &mut self.receiver,
            Way::Backward => &mut self.sender,
        };
        end.frames.arrive(&self.piece[..length]);
    }

    /// Gives both ends their turn; returns when the next one is due.
    pub(super) fn turn(
        &mut self,
        now_us: u64,
        stopped: bool,
        breaches: &mut Breaches,
        mut send: impl FnMut(Way, Datagram),
    ) -> Option<u64> {
        let now = Instant::from_micros(now_us as i64);
        if !stopped {
            self.turn_of_sender(now);
        }
        self.receiver.poll(now);
        self.read(breaches);
        self.receiver.poll(now);
        for (end, way) in [
            (&mut self.sender, Way::Forward),
            (&mut self.receiver, Way::Backward),
        ] {
            let link_header = end.frames.link_header();
            while let Some(frame) = end.frames.leave() {
                send(way, Datagram::packet(&frame, link_header));
            }
        }
        let sender_at = if stopped {
            None
        } else {
            self.sender.next_at(now)
        };
        sender_at
            .into_iter()
            .chain(self.receiver.next_at(now))
            .min()
    }

    fn turn_of_sender(&mut self, now: Instant) {
        if !self.connected {
            let End {
                interface,
                sockets,
                handle,
                ..
            } = &mut self.sender;
            sockets
                .get_mut::<Socket<'_>>(*handle)
                .connect(interface.context(), (RECEIVER, PORT), PORT + 1)
                .expect("a new socket can connect");
            self.connected = true;
        }
        self.sender.poll(now);
        let written = &mut self.written;
        let socket = self
            .sender
            .sockets
            .get_mut::<Socket<'_>>(self.sender.handle);
        while socket.can_send() {
            let filled = socket.send(|room| {
                pattern::fill(STREAM, *written, room);
                (room.len(), room.len() as u64)
            });
            *written += filled.unwrap_or(0);
        }
        self.sender.poll(now);
    }

    fn read(&mut self, breaches: &mut Breaches) {
        let delivered = &mut self.delivered;
        let socket = self
            .receiver
            .sockets
            .get_mut::<Socket<'_>>(self.receiver.handle);
        while socket.can_recv() {
            let read = socket.recv(|bytes| {
                check_bytes(STREAM, *delivered, bytes, breaches);
                (bytes.len(), bytes.len() as u64)
            });
            *delivered += read.unwrap_or(0);
        }
    }

    /// Bytes of the stream that arrived in order.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }
}
