//! A UDP port for tests: what the device and its stack carry without the protocol, and faults on demand.
//!
//! The first byte of a datagram is the command:
//! `E` comes back as it is. `S` is counted. `R` is answered with what was counted (datagrams, bytes, microseconds from
//! the first to the last; three numbers of 64 bits, low byte first) and clears it. `G` and two numbers of 32 bits
//! (count, size) is answered with so many datagrams of that size. `M` is answered with the stack's high-water mark and
//! size, two numbers of 32 bits. `P` panics, `H` reads where nothing is, `W` stops the main loop.

use fasp_core::time::Instant;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, Socket};
use smoltcp::wire::IpEndpoint;
use static_cell::StaticCell;

use fasp_firmware::udp_bridge::stack_time;

use crate::board;

const PORT: u16 = 7777;
const LARGEST: usize = 1472;
const DATAGRAMS: usize = 8;

#[derive(Debug)]
pub(super) struct TestPort {
    socket: SocketHandle,
    counted: u64,
    bytes: u64,
    first: Instant,
    last: Instant,
    to_send: u32,
    size: usize,
    peer: Option<IpEndpoint>,
}

type Memory = ([PacketMetadata; DATAGRAMS], [u8; LARGEST * DATAGRAMS]);

const fn memory() -> Memory {
    ([PacketMetadata::EMPTY; DATAGRAMS], [0; LARGEST * DATAGRAMS])
}

impl TestPort {
    pub(super) fn open(sockets: &mut SocketSet<'_>) -> Self {
        static INCOMING: StaticCell<Memory> = StaticCell::new();
        static OUTGOING: StaticCell<Memory> = StaticCell::new();
        let (metadata, payload) = INCOMING.init_with(memory);
        let incoming = PacketBuffer::new(metadata.as_mut_slice(), payload.as_mut_slice());
        let (metadata, payload) = OUTGOING.init_with(memory);
        let outgoing = PacketBuffer::new(metadata.as_mut_slice(), payload.as_mut_slice());
        let mut socket = Socket::new(incoming, outgoing);
        if socket.bind(PORT).is_err() {
            defmt::error!("the test port cannot be opened");
        }
        Self {
            socket: sockets.add(socket),
            counted: 0,
            bytes: 0,
            first: Instant::from_micros(0),
            last: Instant::from_micros(0),
            to_send: 0,
            size: 0,
            peer: None,
        }
    }

    /// Obeys what came; whether there is more to send at once.
    pub(super) fn poll<D: Device>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) -> bool {
        let mut command = [0; LARGEST];
        loop {
            let socket = sockets.get_mut::<Socket<'_>>(self.socket);
            let Ok((length, metadata)) = socket.recv_slice(&mut command) else {
                break;
            };
            let command = command.get(..length).unwrap_or_default();
            self.obey(now, command, metadata.endpoint, socket);
        }
        let socket = sockets.get_mut::<Socket<'_>>(self.socket);
        if let Some(peer) = self.peer.filter(|_| self.to_send > 0) {
            while self.to_send > 0 && socket.send(self.size, peer).is_ok() {
                self.to_send -= 1;
            }
        }
        interface.poll(stack_time(now), device, sockets);
        self.to_send > 0
    }

    fn obey(&mut self, now: Instant, command: &[u8], from: IpEndpoint, socket: &mut Socket<'_>) {
        let answer = |socket: &mut Socket<'_>, bytes: &[u8]| {
            // A full socket loses an answer, as the network may.
            let _ = socket.send_slice(bytes, from);
        };
        match command {
            [b'E', ..] => answer(socket, command),
            [b'S', ..] => {
                if self.counted == 0 {
                    self.first = now;
                }
                self.last = now;
                self.counted += 1;
                self.bytes += u64::try_from(command.len()).unwrap_or(0);
            }
            [b'R', ..] => {
                let span = self.last.as_micros().saturating_sub(self.first.as_micros());
                let numbers = [self.counted, self.bytes, span].map(u64::to_le_bytes);
                answer(socket, numbers.as_flattened());
                (self.counted, self.bytes) = (0, 0);
            }
            [b'G', a, b, c, d, e, f, g, h] => {
                self.to_send = u32::from_le_bytes([*a, *b, *c, *d]);
                let size = u32::from_le_bytes([*e, *f, *g, *h]);
                self.size = usize::try_from(size).unwrap_or(0).min(LARGEST);
                self.peer = Some(from);
            }
            [b'M', ..] => {
                let stack = board::stack_use();
                let numbers =
                    [stack.used, stack.size].map(|n| u32::try_from(n).unwrap_or(0).to_le_bytes());
                answer(socket, numbers.as_flattened());
            }
            [b'P', ..] => panic!("asked to"),
            [b'H', ..] => {
                board::read_nothing();
            }
            [b'W', ..] => loop {
                cortex_m::asm::nop();
            },
            _ => {}
        }
    }
}
