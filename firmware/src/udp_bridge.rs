//! Between a machine of `core` and a UDP socket of smoltcp.
//!
//! [`UdpBridge::receive`] hands what has arrived to the machine, [`UdpBridge::transmit`] takes what the machine
//! has to send. A datagram that the machine has given away is never lost here: while the socket has no room,
//! because the link is busy or the neighbour's address is not known yet, it waits in the bridge's buffer, and
//! the machine is not asked for more.

use fasp_core::sender::Transmit;
use fasp_core::time::Instant;
use smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::Device;

use smoltcp::wire::IpEndpoint;

use crate::sockets::udp::{RecvError, SendError, Socket};

/// Frames taken in one call to [`UdpBridge::receive`].
const FRAMES: usize = 64;

/// What came of [`UdpBridge::transmit`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transmitted {
    /// The machine has nothing more to send now.
    All,
    /// The socket is full; call again when the stack has been polled. Until then the machine waits.
    Full,
}

/// What passed a bridge.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BridgeStatistics {
    /// Datagrams handed to the machine.
    pub received: u64,
    /// Datagrams given to the socket.
    pub sent: u64,
    /// Datagrams dropped because they are longer than the receive buffer, or than the socket can ever take.
    pub too_long: u64,
    /// Datagrams dropped because the socket is bound to no port or the peer has no address.
    pub unaddressable: u64,
}

/// Datagrams of the machine that the socket had no room for yet.
#[derive(Clone, Copy, Debug, Default)]
struct Staged {
    start: usize,
    end: usize,
    segment_size: usize,
}

/// One socket and the peer that datagrams go to.
///
/// `incoming` has room for the largest datagram that may arrive, `outgoing` for what the machine sends at once.
#[derive(Debug)]
pub struct UdpBridge<B> {
    socket: SocketHandle,
    peer: IpEndpoint,
    incoming: B,
    outgoing: B,
    staged: Staged,
    full: bool,
    statistics: BridgeStatistics,
}

/// The time of `core` as that of smoltcp; both count microseconds.
#[must_use]
pub fn stack_time(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> UdpBridge<B> {
    /// A bridge over `socket`, which is bound to a port already.
    pub fn new(socket: SocketHandle, peer: IpEndpoint, incoming: B, outgoing: B) -> Self {
        Self {
            socket,
            peer,
            incoming,
            outgoing,
            staged: Staged::default(),
            full: false,
            statistics: BridgeStatistics::default(),
        }
    }

    /// From now on datagrams go to `peer`, for example because an authentic one came from there.
    pub fn set_peer(&mut self, peer: IpEndpoint) {
        self.peer = peer;
    }

    /// What has passed so far.
    #[must_use]
    pub const fn statistics(&self) -> BridgeStatistics {
        self.statistics
    }

    /// Polls the stack and hands every datagram that has arrived to `handle`, with where it came from.
    /// `handle` says whether it can take another one now; those it cannot take wait in the socket.
    ///
    /// Frame by frame, so that many at once do not overflow the socket, and no more than some dozens, so that a
    /// flood does not hold up everything else: `true` if more may wait.
    /// Whether a datagram is authentic is for the machine to say; `handle` may change its bytes.
    pub fn receive<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
        mut handle: impl FnMut(IpEndpoint, &mut [u8]) -> bool,
    ) -> bool {
        let mut more = !self.take_from(sockets.get_mut(self.socket), &mut handle);
        for frame in 1..=FRAMES {
            let polled = interface.poll_ingress_single(stack_time(now), device, sockets);
            if polled == PollIngressSingleResult::None {
                break;
            }
            more |= !more && !self.take_from(sockets.get_mut(self.socket), &mut handle);
            more |= frame == FRAMES;
        }
        // Upkeep of the stack and its own answers.
        interface.poll_maintenance(stack_time(now));
        send_all(now, interface, device, sockets);
        more
    }

    /// `false` if `handle` can take no more and something may wait.
    fn take_from(
        &mut self,
        socket: &mut Socket<'_>,
        handle: &mut impl FnMut(IpEndpoint, &mut [u8]) -> bool,
    ) -> bool {
        loop {
            let incoming = self.incoming.as_mut();
            let (length, source) = match socket.recv_slice(incoming) {
                Ok((length, metadata)) => (length, metadata.endpoint),
                Err(RecvError::Truncated) => {
                    self.statistics.too_long += 1;
                    continue;
                }
                Err(RecvError::Exhausted) => return true,
            };
            if let Some(datagram) = incoming.get_mut(..length) {
                self.statistics.received += 1;
                if !handle(source, datagram) {
                    return false;
                }
            }
        }
    }

    /// Sends what waits and then what `next` writes into the buffer it is given, until it has nothing more or
    /// the socket is full.
    pub fn transmit<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
        mut next: impl FnMut(&mut [u8]) -> Option<Transmit>,
    ) -> Transmitted {
        loop {
            while !self.give_to(sockets.get_mut(self.socket)) {
                let before = self.staged.start;
                send_all(now, interface, device, sockets);
                self.full = !self.give_to(sockets.get_mut(self.socket));
                if self.full && self.staged.start == before {
                    return Transmitted::Full;
                }
            }
            self.full = false;
            let Some(transmit) = next(self.outgoing.as_mut()) else {
                send_all(now, interface, device, sockets);
                return Transmitted::All;
            };
            self.staged = Staged {
                start: 0,
                end: transmit.length,
                segment_size: transmit.segment_size.max(1),
            };
        }
    }

    /// Gives the socket what waits; `false` if it did not take all.
    fn give_to(&mut self, socket: &mut Socket<'_>) -> bool {
        let outgoing = self.outgoing.as_ref();
        while self.staged.start < self.staged.end {
            let end = self
                .staged
                .end
                .min(self.staged.start + self.staged.segment_size);
            let Some(datagram) = outgoing.get(self.staged.start..end) else {
                // A machine that claims more than its buffer holds has nothing to send.
                self.staged = Staged::default();
                return true;
            };
            if datagram.len() > socket.payload_send_capacity() {
                self.statistics.too_long += 1;
            } else {
                match socket.send_slice(datagram, self.peer) {
                    Ok(()) => self.statistics.sent += 1,
                    Err(SendError::BufferFull) => return false,
                    Err(SendError::Unaddressable) => self.statistics.unaddressable += 1,
                }
            }
            self.staged.start = end;
        }
        true
    }

    /// When [`Self::receive`] and [`Self::transmit`] must be called next although nothing arrives; `machine` is
    /// what the machine's `poll_timeout` says.
    ///
    /// While the socket is full the machine's wish to send does not count: the stack says when there may be room.
    pub fn poll_timeout(
        &self,
        now: Instant,
        machine: Option<Instant>,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        let stack = interface.poll_at(stack_time(now), sockets).map(|at| {
            let at = u64::try_from(at.total_micros()).unwrap_or(0);
            Instant::from_micros(at).max(now)
        });
        let machine = machine.filter(|&at| !self.full || at > now);
        stack.into_iter().chain(machine).min()
    }
}

/// Has the stack send until it has nothing more, or the device takes nothing more.
fn send_all<D: Device + ?Sized>(
    now: Instant,
    interface: &mut Interface,
    device: &mut D,
    sockets: &mut SocketSet<'_>,
) {
    while interface.poll_egress(stack_time(now), device, sockets) == PollResult::SocketStateChanged
    {
    }
}

#[cfg(test)]
mod tests;
