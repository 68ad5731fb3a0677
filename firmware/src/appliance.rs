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

use fasp_core::time::Instant;
use fasp_core::units::BitRate;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::Device;
use smoltcp::wire::IpAddress;

use crate::host::Host;
use crate::sockets::Sockets;
use crate::storage::Storage;

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
    /// The UDP address that clients are told, where it is not that of the control channel.
    pub advertised_address: Option<IpAddress>,
    /// The UDP port that clients are told, where it is not the one bound.
    pub advertised_port: Option<u16>,
    /// No session gets a higher target rate.
    pub target_rate_cap: BitRate,
    /// Largest datagram, bytes of UDP payload: what the link carries in one piece, at most 1,472 over Ethernet.
    pub largest_datagram: u16,
}

/// What to do after [`Visit::poll`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Poll again when a frame has come, or at this instant; `None`: only a frame can change anything.
    Wait(Option<Instant>),
    /// The client has left: begin the next visit.
    Over,
}

/// Memory of the SSH connection of one visit.
#[derive(Debug)]
pub struct SshMemory {
    incoming: [u8; 2_048],
    outgoing: [u8; 2_048],
}

/// An appliance and its files.
///
/// `PACKETS` (a power of two, 128 at least) packets a sending session has in flight, `WORDS` × 64 packet numbers
/// a receiving one remembers, `OBJECTS` (16 at least) files at once, `GAPS` missing ranges, `META` (8,960 at
/// least) bytes of records about files each way. [`SmallAppliance`] is the small profile.
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
}

/// Holds one session in at most 64 KiB.
pub type SmallAppliance<'c, S, H> = Appliance<'c, S, H, 256, 16, 16, 128, 8_960>;

/// One client, from listening to its good-bye.
pub struct Visit<
    'v,
    'c,
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    appliance: &'v mut Appliance<'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>,
    memory: &'v mut SshMemory,
}

impl SshMemory {
    /// Memory to be lent to [`Appliance::visit`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            incoming: [0; 2_048],
            outgoing: [0; 2_048],
        }
    }
}

impl Default for SshMemory {
    fn default() -> Self {
        Self::new()
    }
}

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
            sockets,
        }
    }

    /// The files, for example to look at them between visits.
    pub fn storage(&mut self) -> &mut S {
        &mut self.storage
    }

    /// Begins to listen for the next client.
    pub fn visit<'v>(
        &'v mut self,
        memory: &'v mut SshMemory,
    ) -> Visit<'v, 'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META> {
        Visit {
            appliance: self,
            memory,
        }
    }
}

impl<
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Visit<'_, '_, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// Takes what has come, does what is due and sends what may leave; polls the whole stack with it.
    ///
    /// Bounded: it returns after at most some dozens of frames, with the present as deadline if more wait.
    pub fn poll<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) -> Next {
        interface.poll(crate::udp_bridge::stack_time(now), device, sockets);
        Next::Wait(None)
    }
}
