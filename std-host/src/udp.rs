//! The UDP socket of a session: a port of its own, large buffers, batches with segmentation offload.
//!
//! Moves bytes; knows nothing of the protocol. The platform's fast paths are `quinn-udp`'s.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use fasp_core::fault::Fault;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{Failure, Outcome};

/// Kernel buffers asked for; the system may give less.
const SOCKET_BUFFER: usize = 8 << 20;
/// Ports tried from the first on.
const PORTS_TRIED: u16 = 512;
/// Room for one batch of coalesced datagrams.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Nothing waits longer in the socket; an older stamp is a clock that was set.
const OLDEST: Duration = Duration::from_secs(1);
/// Batches taken from the kernel in one call.
const BATCHES: usize = 8;
/// IPv4 and UDP headers.
const HEADERS_V4: u32 = 28;
/// IPv6 and UDP headers.
const HEADERS_V6: u32 = 48;
/// Without a fixed size, datagrams do not grow beyond jumbo frames.
const LARGEST_SEARCHED: u32 = 8_972;

/// A bound socket.
#[derive(Debug)]
pub struct UdpPort {
    socket: UdpSocket,
    state: UdpSocketState,
}

/// One datagram as it came.
#[derive(Debug)]
pub struct Arrived<'b> {
    /// Who sent it.
    pub source: SocketAddr,
    /// When the kernel took it from the network, or when we took it if the kernel did not say.
    pub at: Instant,
    /// Its bytes.
    pub bytes: &'b mut [u8],
}

/// Buffers for received datagrams, reused.
#[derive(Debug)]
pub struct ReceiveBatch {
    buffers: Vec<Vec<u8>>,
    metas: [RecvMeta; BATCHES],
    filled: usize,
    /// When they were taken from the kernel: on our clock, and since the epoch of its timestamps.
    taken_at: (Instant, Duration),
}

impl UdpPort {
    /// Binds `ip` at `first_port`, or the next free port after it; port 0 means any.
    ///
    /// # Errors
    ///
    /// [`Fault::SocketSetup`] if no port is free or the system refuses.
    pub fn bind(ip: IpAddr, first_port: u16) -> Outcome<Self> {
        let tries = if first_port == 0 { 1 } else { PORTS_TRIED };
        let mut last = None;
        for port in (first_port..=u16::MAX).take(tries.into()) {
            match bind_one(SocketAddr::new(ip, port)) {
                Ok(socket) => return Self::with(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
                Err(error) => {
                    return Err(setup_failure(&format!("UDP port {port} at {ip}"), &error));
                }
            }
        }
        let error = last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into());
        Err(setup_failure(
            &format!("no free UDP port from {first_port} on"),
            &error,
        ))
    }

    fn with(socket: UdpSocket) -> Outcome<Self> {
        let failed = |error: io::Error| setup_failure("UDP socket", &error);
        let state = UdpSocketState::new((&socket).into()).map_err(failed)?;
        // Smaller buffers only cost speed.
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        let forced =
            rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, SOCKET_BUFFER);
        if forced.is_err() {
            let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        }
        Ok(Self { socket, state })
    }

    /// The address bound.
    ///
    /// # Errors
    ///
    /// [`Fault::SocketSetup`] if the system does not know.
    pub fn address(&self) -> Outcome<SocketAddr> {
        self.socket
            .local_addr()
            .map_err(|error| setup_failure("UDP socket", &error))
    }

    /// What to poll.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Datagrams that one call can send.
    #[must_use]
    pub fn most_segments(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    /// Sends datagrams of `segment_size` bytes each (the last may be shorter); `false` if the kernel has no
    /// room now. Datagrams that the network refuses are lost like any other.
    pub fn send(&self, bytes: &[u8], segment_size: usize, destination: SocketAddr) -> bool {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents: bytes,
            segment_size: (segment_size < bytes.len()).then_some(segment_size),
            src_ip: None,
        };
        match self.state.try_send((&self.socket).into(), &transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Ok(()) | Err(_) => true,
        }
    }

    /// Takes waiting datagrams into `batch`; `false` if there are none.
    pub fn receive(&self, batch: &mut ReceiveBatch) -> bool {
        let mut slices: Vec<IoSliceMut<'_>> = batch
            .buffers
            .iter_mut()
            .map(|buffer| IoSliceMut::new(buffer))
            .collect();
        batch.filled = self
            .state
            .recv((&self.socket).into(), &mut slices, &mut batch.metas)
            .unwrap_or_default();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        batch.taken_at = (Instant::now(), since_epoch.unwrap_or_default());
        batch.filled > 0
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self {
            buffers: vec![vec![0; RECEIVE_BUFFER]; BATCHES.min(BATCH_SIZE)],
            metas: [RecvMeta::default(); BATCHES],
            filled: 0,
            taken_at: (Instant::now(), Duration::ZERO),
        }
    }
}

impl ReceiveBatch {
    /// Every datagram of the batch.
    pub fn datagrams(&mut self) -> impl Iterator<Item = Arrived<'_>> {
        let filled = self.metas.iter().take(self.filled);
        let (now, since_epoch) = self.taken_at;
        self.buffers
            .iter_mut()
            .zip(filled)
            .flat_map(move |(buffer, meta)| {
                let source = SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port());
                let age = age_of(meta.timestamp, since_epoch);
                let at = now.checked_sub(age).unwrap_or(now);
                let bytes = buffer.get_mut(..meta.len).unwrap_or_default();
                let datagrams = bytes.chunks_mut(meta.stride.max(1));
                datagrams.map(move |bytes| Arrived { source, at, bytes })
            })
    }
}

/// The age of what the kernel stamped with `timestamp`; nothing if the system's clock was set meanwhile.
fn age_of(timestamp: Option<Duration>, taken_at: Duration) -> Duration {
    timestamp
        .and_then(|stamped| taken_at.checked_sub(stamped))
        .filter(|age| *age <= OLDEST)
        .unwrap_or_default()
}

/// The largest datagram worth trying towards `peer`: what the local interface carries, at most a jumbo frame
/// unless `fixed` asks for more.
#[must_use]
pub fn largest_datagram(peer: IpAddr, fixed: Option<u16>) -> u16 {
    let most = fixed.map_or(LARGEST_SEARCHED, u32::from);
    let headers = if peer.is_ipv4() {
        HEADERS_V4
    } else {
        HEADERS_V6
    };
    let carried = interface_mtu(peer)
        .unwrap_or(1_500)
        .saturating_sub(headers)
        .max(1_200);
    u16::try_from(carried.min(most)).unwrap_or(u16::MAX)
}

fn interface_mtu(peer: IpAddr) -> Option<u32> {
    let any: IpAddr = if peer.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // Connecting a UDP socket sends nothing: it only picks the route.
    socket.connect((peer, 9)).ok()?;
    if peer.is_ipv4() {
        rustix::net::sockopt::ip_mtu(&socket).ok()
    } else {
        rustix::net::sockopt::ipv6_mtu(&socket).ok()
    }
}

fn bind_one(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn setup_failure(what: &str, error: &io::Error) -> Failure {
    Failure::new(
        Fault::SocketSetup,
        format!("Unable to set up socket: {what}: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_taken_port_leads_to_the_next_free_one() {
        let first = UdpPort::bind(LOOPBACK, 0).unwrap();
        let taken = first.address().unwrap().port();
        let second = UdpPort::bind(LOOPBACK, taken).unwrap();
        assert!(second.address().unwrap().port() > taken);
    }

    #[test]
    fn a_batch_arrives_as_the_datagrams_it_was_made_of() {
        let (from, to) = (
            UdpPort::bind(LOOPBACK, 0).unwrap(),
            UdpPort::bind(LOOPBACK, 0).unwrap(),
        );
        let bytes: Vec<u8> = (0..=255).cycle().take(2_500).collect();
        assert!(from.send(&bytes, 1_000, to.address().unwrap()));
        let mut batch = ReceiveBatch::default();
        let mut came = Vec::new();
        for _ in 0..100 {
            if to.receive(&mut batch) {
                came.extend(batch.datagrams().map(|arrived| arrived.bytes.to_vec()));
            }
            if came.len() == 3 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(
            came.iter().map(Vec::len).collect::<Vec<_>>(),
            [1_000, 1_000, 500]
        );
        assert_eq!(came.concat(), bytes);
    }

    #[test]
    fn the_kernel_says_how_long_a_datagram_has_waited() {
        let (from, to) = (
            UdpPort::bind(LOOPBACK, 0).unwrap(),
            UdpPort::bind(LOOPBACK, 0).unwrap(),
        );
        let mut ages = Vec::new();
        // The kernel begins to stamp some time after the first port asks for it.
        for _ in 0..100 {
            assert!(from.send(&[7; 100], 100, to.address().unwrap()));
            std::thread::sleep(Duration::from_millis(30));
            let mut batch = ReceiveBatch::default();
            assert!(to.receive(&mut batch));
            ages.extend(batch.datagrams().map(|arrived| arrived.at.elapsed()));
            if ages.last() >= Some(&Duration::from_millis(25)) {
                return;
            }
        }
        panic!("{ages:?}");
    }

    #[test]
    fn a_stamp_from_the_future_or_the_far_past_says_nothing() {
        let now = Duration::from_secs(100);
        let stamped = |millis| age_of(Some(Duration::from_millis(millis)), now);
        assert_eq!(stamped(99_990), Duration::from_millis(10));
        assert_eq!(stamped(100_001), Duration::ZERO);
        assert_eq!(stamped(50_000), Duration::ZERO);
        assert_eq!(age_of(None, now), Duration::ZERO);
    }

    #[test]
    fn loopback_carries_jumbo_frames() {
        assert_eq!(largest_datagram(LOOPBACK, None), 8_972);
        assert_eq!(largest_datagram(LOOPBACK, Some(20_000)), 20_000);
    }
}
