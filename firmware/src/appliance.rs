//! An appliance: a machine without an operating system that the ordinary `ascp` talks to.
//!
//! It serves one client after the other. For each, [`Appliance::visit`] gives a [`Visit`], which the caller polls
//! whenever a frame has come or its deadline has passed, until it is over:
//!
//! ```text
//! loop {
//!     let mut visit = appliance.visit(&mut ssh_memory);
//!     while let Next::Wait(until) = visit.poll(now(), &mut interface, &mut device, &mut sockets) {
//!         sleep_until_a_frame_or(until);
//!     }
//! }
//! ```
//!
//! A visit begins before there is a client: polling it is what listens. Who connects while another client is
//! served is told so and turned away.

mod visit;

use core::fmt;

use fasp_core::time::Instant;
use fasp_core::units::BitRate;
use smoltcp::iface::SocketHandle;
use smoltcp::wire::{IpAddress, IpEndpoint};
use zeroize::Zeroize;

use crate::host::Host;
use crate::session::Session;
use crate::sockets::Sockets;
use crate::storage::Storage;
use crate::udp_bridge::UdpBridge;

pub use visit::Visit;

/// Bytes of the largest datagram that an appliance sends or takes: what Ethernet carries over IPv4.
pub const DATAGRAM_BYTES: usize = 1_472;
/// Bytes of an Ed25519 key, public or secret.
pub const KEY_BYTES: usize = 32;

/// Who an appliance is, and whom it lets in.
#[derive(Clone, Copy)]
pub struct Configuration<'c> {
    /// The secret Ed25519 key that proves to clients which appliance this is (the 32 bytes of RFC 8032's seed).
    pub host_key: &'c [u8; KEY_BYTES],
    /// The login name; `None` for any.
    pub user: Option<&'c str>,
    /// Public Ed25519 keys of those who may log in.
    pub authorized_keys: &'c [[u8; KEY_BYTES]],
    /// A password that may be used instead of a key; `None`, the better choice, for none.
    pub password: Option<&'c str>,
    /// The TCP port of the control channel; 22 is what `ascp` tries first.
    pub control_port: u16,
    /// The UDP port of the data; 33001 is usual.
    pub data_port: u16,
    /// The UDP address that clients are told, where it is not that of the control channel.
    pub advertised_address: Option<IpAddress>,
    /// The UDP port that clients are told, where it is not the one bound.
    pub advertised_port: Option<u16>,
    /// No session gets a higher target rate.
    pub target_rate_cap: BitRate,
    /// Largest datagram, bytes of UDP payload: what the link carries in one piece, at most 1,472 over Ethernet.
    pub largest_datagram: u16,
}

impl fmt::Debug for Configuration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration")
            .field("user", &self.user)
            .field("authorized_keys", &self.authorized_keys.len())
            .field("control_port", &self.control_port)
            .field("data_port", &self.data_port)
            .finish_non_exhaustive()
    }
}

/// What to do after [`Visit::poll`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Poll again when a frame has come, or at this instant; `None`: only a frame can change anything.
    Wait(Option<Instant>),
    /// The client has left: begin the next visit.
    Over,
}

/// Bytes of the largest SSH packet, each way.
const SSH_PACKET: usize = 2_048;

/// Memory of the SSH connection of one visit.
pub struct SshMemory {
    pub(crate) incoming: [u8; SSH_PACKET],
    pub(crate) outgoing: [u8; SSH_PACKET],
}

impl SshMemory {
    /// Memory to be lent to [`Appliance::visit`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            incoming: [0; SSH_PACKET],
            outgoing: [0; SSH_PACKET],
        }
    }
}

impl Default for SshMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SshMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SshMemory")
    }
}

impl Drop for SshMemory {
    fn drop(&mut self) {
        self.incoming.zeroize();
        self.outgoing.zeroize();
    }
}

/// An appliance and its files.
///
/// `PACKETS` (a power of two, 128 at least) packets a sending session has in flight, `WORDS` × 64 packet numbers
/// a receiving one remembers, `OBJECTS` (16 at least) files at once, `GAPS` missing ranges, `META` (8,960 at
/// least) bytes of records about files each way. [`SmallAppliance`] is the small profile.
#[derive(Debug)]
pub struct Appliance<
    'c,
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    configuration: Configuration<'c>,
    storage: S,
    host: H,
    sockets: Sockets,
    bridge: UdpBridge<[u8; DATAGRAM_BYTES]>,
    session: Option<Session<S, PACKETS, WORDS, OBJECTS, GAPS, META>>,
}

/// An appliance that holds one session in at most 64 KiB.
pub type SmallAppliance<'c, S, H> = Appliance<'c, S, H, 256, 16, 16, 128, 8_960>;

/// A session of a [`SmallAppliance`].
pub type SmallSession<S> = Session<S, 256, 16, 16, 128, 8_960>;

impl<
    'c,
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Appliance<'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// An appliance that nobody has visited yet.
    pub fn new(configuration: Configuration<'c>, storage: S, host: H, sockets: Sockets) -> Self {
        Self {
            configuration,
            storage,
            host,
            bridge: bridge(sockets.data),
            sockets,
            session: None,
        }
    }

    /// The files, for example to look at them between visits.
    pub fn storage(&mut self) -> &mut S {
        &mut self.storage
    }

    /// The machine the appliance runs on.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// Begins to listen for the next client.
    pub fn visit<'v>(
        &'v mut self,
        memory: &'v mut SshMemory,
    ) -> Visit<'v, 'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META> {
        self.bridge = bridge(self.sockets.data);
        self.session = None;
        Visit::new(self, memory)
    }
}

/// A bridge that knows no peer yet.
fn bridge(data: SocketHandle) -> UdpBridge<[u8; DATAGRAM_BYTES]> {
    let nobody = IpEndpoint::new(IpAddress::v4(0, 0, 0, 0), 0);
    UdpBridge::new(data, nobody, [0; DATAGRAM_BYTES], [0; DATAGRAM_BYTES])
}
