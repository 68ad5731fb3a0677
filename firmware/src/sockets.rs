//! The sockets of an appliance; the only file that names those of smoltcp.
//!
//! Two for TCP, because one must be free to tell a second client that the appliance is busy, and one for UDP.

use smoltcp::iface::{SocketHandle, SocketSet};
pub(crate) use smoltcp::socket::tcp;
pub(crate) use smoltcp::socket::udp;

/// Bytes of the TCP socket's buffers, each way, that the control channel needs at least.
pub const CONTROL_BYTES: usize = 2_048;

/// Memory of the sockets: `CONTROL` bytes ([`CONTROL_BYTES`] or more) each way for each of two of TCP, `PACKETS` datagrams in `BYTES` each way for UDP.
#[derive(Debug)]
pub struct SocketMemory<const CONTROL: usize, const PACKETS: usize, const BYTES: usize> {
    control: [[[u8; CONTROL]; 2]; 2],
    datagrams: [[u8; BYTES]; 2],
    metadata: [[udp::PacketMetadata; PACKETS]; 2],
}

impl<const CONTROL: usize, const PACKETS: usize, const BYTES: usize>
    SocketMemory<CONTROL, PACKETS, BYTES>
{
    /// Memory to be lent to [`Sockets::add`].
    #[must_use]
    pub const fn new() -> Self {
        Self {
            control: [[[0; CONTROL]; 2]; 2],
            datagrams: [[0; BYTES]; 2],
            metadata: [[udp::PacketMetadata::EMPTY; PACKETS]; 2],
        }
    }
}

impl<const CONTROL: usize, const PACKETS: usize, const BYTES: usize> Default
    for SocketMemory<CONTROL, PACKETS, BYTES>
{
    fn default() -> Self {
        Self::new()
    }
}

/// The sockets of an appliance, in a set.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    /// TCP, for the client that is served and the next one, which waits its turn or is turned away.
    pub(crate) control: [SocketHandle; 2],
    /// UDP.
    pub(crate) data: SocketHandle,
}

impl Sockets {
    /// Adds the sockets to `set`, which must have room for three more.
    #[must_use]
    pub fn add<'m, const CONTROL: usize, const PACKETS: usize, const BYTES: usize>(
        set: &mut SocketSet<'m>,
        memory: &'m mut SocketMemory<CONTROL, PACKETS, BYTES>,
    ) -> Self {
        let [first, second] = &mut memory.control;
        let [bytes_in, bytes_out] = &mut memory.datagrams;
        let [meta_in, meta_out] = &mut memory.metadata;
        let tcp = |[incoming, outgoing]: &'m mut [[u8; CONTROL]; 2]| {
            tcp::Socket::new(
                tcp::SocketBuffer::new(&mut incoming[..]),
                tcp::SocketBuffer::new(&mut outgoing[..]),
            )
        };
        let control = [set.add(tcp(first)), set.add(tcp(second))];
        let data = set.add(udp::Socket::new(
            udp::PacketBuffer::new(&mut meta_in[..], &mut bytes_in[..]),
            udp::PacketBuffer::new(&mut meta_out[..], &mut bytes_out[..]),
        ));
        Self { control, data }
    }
}
