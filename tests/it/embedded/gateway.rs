//! Between the sockets of this computer and the cable: what comes to two ports of the loopback goes on to the
//! appliance, as a router with port forwarding would do it.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};

use super::cable::Card;

/// The addresses on the cable.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const APPLIANCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Ports of the appliance.
pub(crate) const CONTROL_PORT: u16 = 22;
pub(crate) const DATA_PORT: u16 = 33_001;
/// Bytes of a socket's buffer on the cable's side.
const BUFFER: usize = 64 << 10;
/// Datagrams taken from the loopback in one turn.
const TURN: usize = 32;

/// A TCP connection that is passed on.
#[derive(Debug)]
struct Passage {
    near: TcpStream,
    far: SocketHandle,
    to_near: Vec<u8>,
    near_ended: bool,
    ended: bool,
    over: bool,
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    listener: TcpListener,
    udp: UdpSocket,
    passages: Vec<Passage>,
    clients: HashMap<SocketAddr, SocketHandle>,
    next_port: u16,
}

/// An interface with one IPv4 address.
pub(crate) fn interface(card: &mut Card, address: Ipv4Addr) -> Interface {
    let last = address.octets()[3];
    let hardware = EthernetAddress([2, 0, 0, 0, 0, last]);
    let mut config = Config::new(HardwareAddress::Ethernet(hardware));
    config.random_seed = u64::from(last) << 32 | u64::from(std::process::id());
    let mut interface = Interface::new(config, card, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        addresses
            .push(IpCidr::new(IpAddress::Ipv4(address), 24))
            .expect("room for an address");
    });
    interface
}

impl Gateway {
    /// A gateway for the ports that `listener` and `udp` have.
    pub(crate) fn new(listener: TcpListener, udp: UdpSocket) -> Self {
        listener
            .set_nonblocking(true)
            .expect("a listener that does not block");
        udp.set_nonblocking(true)
            .expect("a socket that does not block");
        let mut card = Card::default();
        Self {
            interface: interface(&mut card, GATEWAY),
            card,
            sockets: SocketSet::new(Vec::new()),
            listener,
            udp,
            passages: Vec::new(),
            clients: HashMap::new(),
            next_port: 40_000,
        }
    }

    /// Moves what there is; `true` if there was anything.
    pub(crate) fn turn(&mut self, now: Instant) -> bool {
        let mut moved = self.accept();
        moved |= self.take_datagrams();
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        for passage in &mut self.passages {
            moved |= passage.turn(&mut self.sockets);
        }
        let sockets = &mut self.sockets;
        self.passages.retain(|passage| {
            if passage.over {
                sockets.remove(passage.far);
            }
            !passage.over
        });
        moved |= self.give_datagrams();
        self.interface.poll(now, &mut self.card, &mut self.sockets);
        moved
    }

    fn port(&mut self) -> u16 {
        self.next_port += 1;
        self.next_port
    }

    fn accept(&mut self) -> bool {
        let Ok((near, _)) = self.listener.accept() else {
            return false;
        };
        near.set_nonblocking(true)
            .expect("a stream that does not block");
        near.set_nodelay(true).expect("a stream without delay");
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        let port = self.port();
        let far = (IpAddress::Ipv4(APPLIANCE), CONTROL_PORT);
        socket
            .connect(self.interface.context(), far, port)
            .expect("a connection can be tried");
        self.passages.push(Passage {
            near,
            far: self.sockets.add(socket),
            to_near: Vec::new(),
            near_ended: false,
            ended: false,
            over: false,
        });
        true
    }

    fn take_datagrams(&mut self) -> bool {
        let mut bytes = [0; 2_048];
        for turn in 0..TURN {
            let Ok((length, client)) = self.udp.recv_from(&mut bytes) else {
                return turn > 0;
            };
            let handle = match self.clients.get(&client) {
                Some(handle) => *handle,
                None => {
                    let port = self.port();
                    let handle = self.sockets.add(udp_socket(port));
                    self.clients.insert(client, handle);
                    handle
                }
            };
            let far = (IpAddress::Ipv4(APPLIANCE), DATA_PORT);
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(handle);
            // A full socket loses, as a router does.
            let _ = socket.send_slice(&bytes[..length.min(1_472)], far);
        }
        true
    }

    fn give_datagrams(&mut self) -> bool {
        let mut moved = false;
        for (client, handle) in &self.clients {
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(*handle);
            while let Ok((datagram, _)) = socket.recv() {
                let _ = self.udp.send_to(datagram, client);
                moved = true;
            }
        }
        moved
    }
}

impl Passage {
    fn turn(&mut self, sockets: &mut SocketSet<'_>) -> bool {
        let far = sockets.get_mut::<tcp::Socket<'_>>(self.far);
        let mut moved = false;
        let mut bytes = [0; 16 << 10];
        let room = far.send_capacity() - far.send_queue();
        if far.may_send() && !self.near_ended && room >= bytes.len() {
            match self.near.read(&mut bytes) {
                Ok(0) => self.near_ended = true,
                Ok(count) => {
                    far.send_slice(&bytes[..count]).expect("room was looked at");
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.near_ended = true,
            }
            if self.near_ended {
                far.close();
            }
        }
        while far.can_recv() && self.to_near.len() < BUFFER {
            let count = far.recv_slice(&mut bytes).expect("bytes were there");
            self.to_near.extend_from_slice(&bytes[..count]);
        }
        while !self.to_near.is_empty() {
            let Ok(count @ 1..) = self.near.write(&self.to_near) else {
                break;
            };
            self.to_near.drain(..count);
            moved = true;
        }
        let far_ended = !far.may_recv() && far.state() != tcp::State::SynSent;
        if far_ended && self.to_near.is_empty() {
            let _ = self.near.shutdown(std::net::Shutdown::Write);
        }
        // The last acknowledgement has left a turn after the end was seen.
        self.over = self.ended && self.to_near.is_empty();
        self.ended = matches!(far.state(), tcp::State::Closed | tcp::State::TimeWait);
        moved
    }
}

fn udp_socket(port: u16) -> udp::Socket<'static> {
    let buffer =
        || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 256], vec![0; 256 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).expect("a port on the cable");
    socket
}
