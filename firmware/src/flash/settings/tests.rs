//! Settings come back as they were set, each for itself.

extern crate std;

use std::vec;

use super::*;
use crate::flash::memory_flash::MemoryFlash;
use crate::flash::prepare;

fn fixed() -> FixedIpv4 {
    FixedIpv4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 2), 24),
        router: Some(Ipv4Address::new(10, 0, 0, 1)),
    }
}

#[test]
fn a_new_flash_has_no_secrets_and_asks_dhcp() {
    let mut memory = vec![0; 1 << 20];
    let mut flash = MemoryFlash::new(&mut memory);
    assert_eq!(prepare(&mut flash), Ok(true));
    assert_eq!(host_key(&mut flash), Ok(None));
    assert_eq!(seed(&mut flash), Ok(None));
    assert_eq!(authorized_keys(&mut flash), Ok(Vec::new()));
    assert_eq!(ipv4(&mut flash), Ok(Ipv4Source::Dhcp { otherwise: None }));
    assert_eq!(advertised(&mut flash), Ok(None));
}

#[test]
fn every_setting_comes_back_also_after_hundreds_of_changes() {
    let mut memory = vec![0xFF; 1 << 20];
    let mut flash = MemoryFlash::new(&mut memory);
    assert_eq!(prepare(&mut flash), Ok(true));
    let key = Zeroizing::new([7; KEY_BYTES]);
    set_host_key(&mut flash, &key).unwrap();
    let keys = Vec::from_slice(&[[1; KEY_BYTES]; MOST_KEYS]).unwrap();
    set_authorized_keys(&mut flash, &keys).unwrap();
    let there = Advertised {
        address: Some(Ipv4Address::LOCALHOST),
        port: 40_001,
    };
    set_advertised(&mut flash, Some(there)).unwrap();
    for number in 0..700_u32 {
        let mut next = [0; SEED_BYTES];
        next[..4].copy_from_slice(&number.to_le_bytes());
        set_seed(&mut flash, &next).unwrap();
        assert_eq!(*seed(&mut flash).unwrap().unwrap(), next);
    }
    assert_eq!(prepare(&mut flash), Ok(false));
    assert_eq!(host_key(&mut flash), Ok(Some(key)));
    assert_eq!(authorized_keys(&mut flash), Ok(keys));
    assert_eq!(advertised(&mut flash), Ok(Some(there)));
    set_advertised(&mut flash, None).unwrap();
    assert_eq!(advertised(&mut flash), Ok(None));
}

#[test]
fn every_source_of_an_address_comes_back() {
    let mut memory = vec![0; 1 << 20];
    let mut flash = MemoryFlash::new(&mut memory);
    prepare(&mut flash).unwrap();
    let without_router = FixedIpv4 {
        router: None,
        ..fixed()
    };
    for source in [
        Ipv4Source::Fixed(fixed()),
        Ipv4Source::Fixed(without_router),
        Ipv4Source::Dhcp {
            otherwise: Some(fixed()),
        },
        Ipv4Source::Dhcp { otherwise: None },
    ] {
        set_ipv4(&mut flash, source).unwrap();
        assert_eq!(ipv4(&mut flash), Ok(source));
    }
}
