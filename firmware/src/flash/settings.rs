//! What makes an appliance this one: its host key, who may log in, its address, its seed of randomness.
//!
//! Each is a record of its own: changing one leaves the others, and a power cut leaves the old or the new one.

use heapless::Vec;
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};
use zeroize::Zeroizing;

use super::records::Records;
use super::{Flash, FlashError, SETTINGS};
use crate::addresses::{FixedIpv4, Ipv4Source};
use crate::appliance::KEY_BYTES;
use crate::entropy::SEED_BYTES;

/// Most keys that may log in.
pub const MOST_KEYS: usize = 7;

const HOST_KEY: u16 = 1;
const SEED: u16 = 2;
const AUTHORIZED_KEYS: u16 = 3;
const IPV4: u16 = 4;
const ADVERTISED: u16 = 5;

const RECORDS: Records = Records::new(SETTINGS);

/// A secret of the size of a key.
pub type Secret = Zeroizing<[u8; KEY_BYTES]>;
/// Public keys of those who may log in.
pub type AuthorizedKeys = Vec<[u8; KEY_BYTES], MOST_KEYS>;

/// Where clients are told to send their datagrams.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advertised {
    /// The address, where it is not that of the control channel.
    pub address: Option<Ipv4Address>,
    /// The UDP port.
    pub port: u16,
}

/// The secret Ed25519 key of the host; `None` before the first start.
///
/// # Errors
///
/// [`FlashError`], as for all that follow.
pub fn host_key(flash: &mut impl Flash) -> Result<Option<Secret>, FlashError> {
    secret(flash, HOST_KEY)
}

/// Keeps the secret key of the host.
///
/// # Errors
///
/// As for [`host_key`].
pub fn set_host_key(flash: &mut impl Flash, key: &Secret) -> Result<(), FlashError> {
    RECORDS.put(flash, HOST_KEY, &key[..])
}

/// The seed for the next start; `None` if nobody ever gave one.
///
/// # Errors
///
/// As for [`host_key`].
pub fn seed(flash: &mut impl Flash) -> Result<Option<Zeroizing<[u8; SEED_BYTES]>>, FlashError> {
    secret(flash, SEED)
}

/// Keeps the seed for the next start.
///
/// # Errors
///
/// As for [`host_key`].
pub fn set_seed(flash: &mut impl Flash, seed: &[u8; SEED_BYTES]) -> Result<(), FlashError> {
    RECORDS.put(flash, SEED, seed)
}

/// Who may log in.
///
/// # Errors
///
/// As for [`host_key`].
pub fn authorized_keys(flash: &mut impl Flash) -> Result<AuthorizedKeys, FlashError> {
    let mut record = [0; MOST_KEYS * KEY_BYTES];
    let length = RECORDS
        .get(flash, AUTHORIZED_KEYS, &mut record)?
        .unwrap_or(0);
    let (keys, rest) = record
        .get(..length)
        .ok_or(FlashError::Damaged)?
        .as_chunks::<KEY_BYTES>();
    if !rest.is_empty() {
        return Err(FlashError::Damaged);
    }
    Vec::from_slice(keys).map_err(|_| FlashError::Damaged)
}

/// Says who may log in.
///
/// # Errors
///
/// As for [`host_key`].
pub fn set_authorized_keys(
    flash: &mut impl Flash,
    keys: &AuthorizedKeys,
) -> Result<(), FlashError> {
    RECORDS.put(flash, AUTHORIZED_KEYS, keys.as_flattened())
}

/// Where the IPv4 address comes from; DHCP alone if nothing was said.
///
/// # Errors
///
/// As for [`host_key`].
pub fn ipv4(flash: &mut impl Flash) -> Result<Ipv4Source, FlashError> {
    let mut record = [0; 10];
    match RECORDS.get(flash, IPV4, &mut record)? {
        None => Ok(Ipv4Source::Dhcp { otherwise: None }),
        Some(10) => decode_ipv4(record).ok_or(FlashError::Damaged),
        Some(_) => Err(FlashError::Damaged),
    }
}

/// Says where the IPv4 address comes from.
///
/// # Errors
///
/// As for [`host_key`].
pub fn set_ipv4(flash: &mut impl Flash, source: Ipv4Source) -> Result<(), FlashError> {
    let (kind, fixed) = match source {
        Ipv4Source::Dhcp { otherwise } => (b'd', otherwise),
        Ipv4Source::Fixed(fixed) => (b'f', Some(fixed)),
    };
    let zero = Ipv4Address::UNSPECIFIED;
    let [a, b, c, d] = fixed.map_or(zero, |f| f.address.address()).octets();
    let [e, f, g, h] = fixed.and_then(|f| f.router).unwrap_or(zero).octets();
    let bits = fixed.map_or(0, |f| f.address.prefix_len());
    RECORDS.put(flash, IPV4, &[kind, bits, a, b, c, d, e, f, g, h])
}

fn decode_ipv4([kind, bits, a, b, c, d, e, f, g, h]: [u8; 10]) -> Option<Ipv4Source> {
    let address = Ipv4Address::new(a, b, c, d);
    let router = Ipv4Address::new(e, f, g, h);
    let fixed = (!address.is_unspecified() && bits <= 32).then(|| FixedIpv4 {
        address: Ipv4Cidr::new(address, bits),
        router: (!router.is_unspecified()).then_some(router),
    });
    match kind {
        b'd' => Some(Ipv4Source::Dhcp { otherwise: fixed }),
        b'f' => fixed.map(Ipv4Source::Fixed),
        _ => None,
    }
}

/// Where clients are told to send their datagrams, if not to the appliance's own address and port.
///
/// # Errors
///
/// As for [`host_key`].
pub fn advertised(flash: &mut impl Flash) -> Result<Option<Advertised>, FlashError> {
    let mut record = [0; 6];
    let length = RECORDS.get(flash, ADVERTISED, &mut record)?;
    let [high, low, a, b, c, d] = record;
    match length {
        None | Some(0) => Ok(None),
        Some(6) => Ok(Some(Advertised {
            address: (record[2..] != [0; 4]).then(|| Ipv4Address::new(a, b, c, d)),
            port: u16::from_be_bytes([high, low]),
        })),
        Some(_) => Err(FlashError::Damaged),
    }
}

/// Says where clients are told to send their datagrams.
///
/// # Errors
///
/// As for [`host_key`].
pub fn set_advertised(
    flash: &mut impl Flash,
    advertised: Option<Advertised>,
) -> Result<(), FlashError> {
    let Some(advertised) = advertised else {
        return RECORDS.put(flash, ADVERTISED, &[]);
    };
    let [high, low] = advertised.port.to_be_bytes();
    let address = advertised.address.unwrap_or(Ipv4Address::UNSPECIFIED);
    let [a, b, c, d] = address.octets();
    RECORDS.put(flash, ADVERTISED, &[high, low, a, b, c, d])
}

fn secret<const N: usize>(
    flash: &mut impl Flash,
    number: u16,
) -> Result<Option<Zeroizing<[u8; N]>>, FlashError> {
    let mut record = Zeroizing::new([0; N]);
    match RECORDS.get(flash, number, &mut record[..])? {
        None => Ok(None),
        Some(length) if length == N => Ok(Some(record)),
        Some(_) => Err(FlashError::Damaged),
    }
}

#[cfg(test)]
mod tests;
