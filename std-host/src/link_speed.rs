//! How fast the network interface towards a peer is, for rates in percent of it.
//!
//! Asks the kernel which way a packet would go (one netlink question, which knows every routing rule) and
//! then what speed that interface has. It says nothing about the path behind the interface, and virtual or
//! wireless interfaces often have no speed: then there is an error, never a guess.
//!
//! Source: rtnetlink(7), netlink(7), and `speed` in sysfs (Mbit/s, -1 if unknown).

use std::io;
use std::net::IpAddr;
use std::path::Path;

use fasp_core::fault::Fault;
use fasp_core::units::BitRate;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};

use crate::failure::{Failure, Outcome};

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Bytes of the message header and of the route that follows it.
const HEADERS: usize = 16 + 12;
/// Where the system tells about its interfaces.
const INTERFACES: &str = "/sys/class/net";

/// The speed of the interface that datagrams to `peer` leave by.
///
/// # Errors
///
/// [`Fault::BadConfiguration`] if the interface has no known speed, or none leads there.
pub(crate) fn link_speed_towards(peer: IpAddr) -> Outcome<BitRate> {
    let interface = interface_towards(peer).map_err(|error| {
        Failure::new(
            Fault::BadConfiguration,
            format!("the network interface towards {peer} is not known: {error}"),
        )
    })?;
    speed_of(Path::new(INTERFACES), &interface).ok_or_else(|| {
        Failure::new(
            Fault::BadConfiguration,
            format!("the link speed of the network interface {interface} is not known"),
        )
    })
}

fn speed_of(interfaces: &Path, name: &str) -> Option<BitRate> {
    let text = std::fs::read_to_string(interfaces.join(name).join("speed")).ok()?;
    let megabits: u64 = text.trim().parse().ok()?;
    (megabits > 0).then(|| BitRate::from_kbps(megabits.saturating_mul(1_000)))
}

fn interface_towards(peer: IpAddr) -> io::Result<String> {
    // The first netlink protocol, 0, is routing.
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &question(peer), SendFlags::empty(), &kernel)?;
    let mut answer = [0; 4_096];
    let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let index = outgoing_interface(answer.get(..length).unwrap_or_default())
        .ok_or_else(|| io::Error::other("no route"))?;
    Ok(rustix::net::netdevice::index_to_name(&socket, index)?)
}

/// RTM_GETROUTE for one address.
fn question(peer: IpAddr) -> Vec<u8> {
    let (family, address) = match peer {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    let bits = u8::try_from(address.len() * 8).unwrap_or(0);
    let attribute = 4 + address.len();
    let mut message = Vec::with_capacity(HEADERS + attribute);
    let total = u32::try_from(HEADERS + attribute).unwrap_or(0);
    message.extend_from_slice(&total.to_ne_bytes());
    message.extend_from_slice(&RTM_GETROUTE.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    // Sequence number and port: there is one question and one answer.
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[family, bits, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(&[0; 4]);
    let length = u16::try_from(attribute).unwrap_or(0);
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&RTA_DST.to_ne_bytes());
    message.extend_from_slice(&address);
    message
}

/// The interface index in the answer; `None` if it is an error or has none.
fn outgoing_interface(answer: &[u8]) -> Option<u32> {
    if u16_at(answer, 4)? != RTM_NEWROUTE {
        return None;
    }
    let mut attributes = answer.get(HEADERS..)?;
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let length = usize::from(length);
        let value = attributes.get(4..length)?;
        if kind == RTA_OIF {
            return value.try_into().ok().map(u32::from_ne_bytes);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    two.try_into().ok().map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn loopback_is_reached_by_lo_which_has_no_speed() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(interface_towards(here).unwrap(), "lo");
        let failure = link_speed_towards(here).unwrap_err();
        assert_eq!(failure.fault, Fault::BadConfiguration);
        assert!(failure.text.contains("interface lo is not known"));
    }

    #[test]
    fn both_families_ask_for_exactly_one_address() {
        let question_v4 = question(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
        assert_eq!(question_v4.len(), 36);
        assert_eq!(question_v4[16..18], [AF_INET, 32]);
        assert_eq!(question_v4[32..], [192, 0, 2, 7]);
        let question_v6 = question(IpAddr::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(question_v6.len(), 48);
        assert_eq!(question_v6[16..18], [AF_INET6, 128]);
    }

    #[test]
    fn an_answer_that_is_short_or_an_error_names_no_interface() {
        let mut answer = vec![0; HEADERS];
        answer[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        assert_eq!(outgoing_interface(&answer), None);
        answer.extend_from_slice(&[8, 0, 4, 0, 3, 0, 0, 0]);
        assert_eq!(outgoing_interface(&answer), Some(3));
        for length in 0..answer.len() {
            assert_eq!(outgoing_interface(&answer[..length]), None, "{length}");
        }
        answer[4] = 2;
        assert_eq!(outgoing_interface(&answer), None);
        // An attribute that claims no length must not be read for ever.
        let mut endless = answer[..HEADERS].to_vec();
        endless[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        endless.extend_from_slice(&[0; 64]);
        assert_eq!(outgoing_interface(&endless), None);
    }

    #[test]
    fn a_speed_is_megabits_and_anything_else_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("speed"), text).unwrap();
        };
        put("fast", "10000\n");
        put("down", "-1\n");
        put("none", "0\n");
        let speed = |name| speed_of(folder.path(), name);
        assert_eq!(speed("fast"), Some(BitRate(10_000_000_000)));
        for name in ["down", "none", "missing"] {
            assert_eq!(speed(name), None, "{name}");
        }
    }
}
