//! The addresses of an appliance: IPv4 by DHCP with a fixed one to fall back on, or fixed for good; IPv6 by what the
//! routers say (SLAAC, which the stack does by itself) beside the link-local one.

use fasp_core::time::{Duration, Instant};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{
    EthernetAddress, HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address,
};

use crate::udp_bridge::stack_time;

/// How long DHCP is waited for before the fixed address is taken.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long an offer is waited for before the next question.
const ASK_AGAIN: smoltcp::time::Duration = smoltcp::time::Duration::from_millis(1000);

/// Where the IPv4 address comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ipv4Source {
    /// From DHCP; while there is no server, from here.
    Dhcp {
        /// The address to fall back on; `None` waits for a server for ever.
        otherwise: Option<FixedIpv4>,
    },
    /// Always this one.
    Fixed(FixedIpv4),
}

/// A fixed address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FixedIpv4 {
    /// The address and how many bits of it name the network.
    pub address: Ipv4Cidr,
    /// The router towards everything else.
    pub router: Option<Ipv4Address>,
}

/// What the IPv4 address became.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Changed {
    /// A server gave this one.
    Leased(Ipv4Cidr),
    /// The fixed one was taken.
    Fixed(Ipv4Cidr),
    /// There is none any more.
    Lost,
}

/// Keeps the addresses of one interface.
#[derive(Debug)]
pub struct Addresses {
    dhcp: Option<SocketHandle>,
    fixed: Option<FixedIpv4>,
    /// When the fixed address is taken if nothing came until then.
    fixed_at: Option<Instant>,
    /// The server is asked anew; until it answers, the address there is stays.
    asks_again: bool,
}

/// An interface with its link-local IPv6 address, which listens to routers. `random_seed` differs at every start.
pub fn interface<D: Device + ?Sized>(
    device: &mut D,
    address: EthernetAddress,
    random_seed: u64,
    now: Instant,
) -> Interface {
    let mut config = Config::new(HardwareAddress::Ethernet(address));
    config.random_seed = random_seed;
    config.slaac = true;
    let mut interface = Interface::new(config, device, stack_time(now));
    interface.update_ip_addrs(|addresses| {
        let link_local = IpCidr::new(IpAddress::Ipv6(link_local(address)), 64);
        // The list is empty and has room for several.
        let _ = addresses.push(link_local);
    });
    interface
}

/// The link-local address that belongs to a hardware address (RFC 4291, appendix A).
#[must_use]
pub fn link_local(address: EthernetAddress) -> Ipv6Address {
    let [a, b, c, d, e, f] = address.0;
    let group = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Address::new(
        0xFE80,
        0,
        0,
        0,
        group(a ^ 0x02, b),
        group(c, 0xFF),
        group(0xFE, d),
        group(e, f),
    )
}

impl Addresses {
    /// Begins to look for an IPv4 address; `sockets` needs room for one socket more.
    pub fn start(source: Ipv4Source, sockets: &mut SocketSet<'_>, now: Instant) -> Self {
        let (dhcp, fixed, patience) = match source {
            Ipv4Source::Dhcp { otherwise } => {
                let mut socket = dhcpv4::Socket::new();
                let mut retry = socket.get_retry_config();
                retry.discover_timeout = ASK_AGAIN;
                socket.set_retry_config(retry);
                (Some(sockets.add(socket)), otherwise, PATIENCE)
            }
            Ipv4Source::Fixed(fixed) => (None, Some(fixed), Duration::from_micros(0)),
        };
        Self {
            dhcp,
            fixed,
            fixed_at: fixed.map(|_| now + patience),
            asks_again: false,
        }
    }

    /// Looks for news from the server and the clock; tells what changed. To be called after every poll of the
    /// stack.
    pub fn poll(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) -> Option<Changed> {
        let event = self
            .dhcp
            .and_then(|handle| sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll());
        match event {
            Some(dhcpv4::Event::Configured(lease)) => {
                self.fixed_at = None;
                self.asks_again = false;
                set_ipv4(interface, Some(lease.address), lease.router);
                Some(Changed::Leased(lease.address))
            }
            // What the socket says after a reset: the connections of a client outlive a short cut.
            Some(dhcpv4::Event::Deconfigured) if core::mem::take(&mut self.asks_again) => None,
            // The first thing a new socket says; and what it says when the lease runs out.
            Some(dhcpv4::Event::Deconfigured) if interface.ipv4_addr().is_some() => {
                set_ipv4(interface, None, None);
                self.fixed_at = self.fixed.map(|_| now + PATIENCE);
                Some(Changed::Lost)
            }
            _ if self.fixed_at.is_some_and(|at| at <= now) => {
                self.fixed_at = None;
                let fixed = self.fixed?;
                set_ipv4(interface, Some(fixed.address), fixed.router);
                Some(Changed::Fixed(fixed.address))
            }
            _ => None,
        }
    }

    /// When [`Self::poll`] has something to do although nothing arrives.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.fixed_at
    }

    /// The cable was put in anew, maybe into another network: asks for an address from the start. Until there is
    /// an answer the old one stays.
    pub fn link_came_up(&mut self, now: Instant, sockets: &mut SocketSet<'_>) {
        if let Some(handle) = self.dhcp {
            sockets.get_mut::<dhcpv4::Socket<'_>>(handle).reset();
            self.asks_again = true;
            self.fixed_at = self.fixed.map(|_| now + PATIENCE);
        }
    }
}

/// Puts `address` in the place of the IPv4 address there was, and leaves those of IPv6.
fn set_ipv4(interface: &mut Interface, address: Option<Ipv4Cidr>, router: Option<Ipv4Address>) {
    interface.update_ip_addrs(|addresses| {
        addresses.retain(|cidr| !matches!(cidr, IpCidr::Ipv4(_)));
        if let Some(address) = address {
            // One was taken out, or the list never had one: there is room.
            let _ = addresses.push(IpCidr::Ipv4(address));
        }
    });
    interface.routes_mut().remove_default_ipv4_route();
    if let Some(router) = router {
        let _ = interface.routes_mut().add_default_ipv4_route(router);
    }
}

#[cfg(test)]
mod tests;
