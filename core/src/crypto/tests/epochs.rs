//! Keys change by count alone, on both sides, and a forger gains nothing from it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::vec;

use proptest::prelude::*;

use super::*;

const EPOCH: u64 = 1 << 22;

/// What the software implementation was asked to do in this thread.
#[derive(Default)]
struct Record {
    keys_made: usize,
    sealed_under: BTreeSet<(Vec<u8>, [u8; 12])>,
    seals: usize,
}

std::thread_local! {
    static RECORD: RefCell<Record> = RefCell::default();
}

/// The software implementation, watched.
struct WatchedGcm;

impl GcmBackend for WatchedGcm {
    type Key = (Vec<u8>, SoftwareGcmKey);

    fn key(key: AesKey<'_>) -> Self::Key {
        RECORD.with_borrow_mut(|record| record.keys_made += 1);
        let bytes = match key {
            AesKey::Aes128(bytes) => bytes.to_vec(),
            AesKey::Aes192(bytes) => bytes.to_vec(),
            AesKey::Aes256(bytes) => bytes.to_vec(),
        };
        (bytes, SoftwareGcm::key(key))
    }

    fn seal(key: &Self::Key, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        RECORD.with_borrow_mut(|record| {
            record.seals += 1;
            record.sealed_under.insert((key.0.clone(), *nonce));
        });
        SoftwareGcm::seal(&key.1, nonce, aad, in_out)
    }

    fn open(
        key: &Self::Key,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), AuthenticationFailed> {
        SoftwareGcm::open(&key.1, nonce, aad, in_out, tag)
    }
}

fn keys_made() -> usize {
    RECORD.with_borrow(|record| record.keys_made)
}

/// A pair that stands `before` packets before the end of epoch 0.
fn near_the_edge(suite: CipherSuite, before: u64) -> (Sealer<WatchedGcm>, Opener<WatchedGcm>) {
    let (mut sealer, opener) = client_to_server(suite);
    sealer.skip_to(PacketNumber(EPOCH - before));
    (sealer, opener)
}

#[test]
fn the_key_phase_flips_exactly_at_the_edge_of_an_epoch() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = near_the_edge(suite, 2);
        for phase in [0, 0, 0x20, 0x20] {
            let (number, mut datagram) = sealed(&mut sealer, b"body");
            assert_eq!(datagram[0] & 0x20, phase, "{suite:?} {number:?}");
            assert_eq!(opener.open(number, &mut datagram).unwrap(), b"body");
        }
        sealer.skip_to(PacketNumber(2 * EPOCH - 1));
        for phase in [0x20, 0] {
            let (number, mut datagram) = sealed(&mut sealer, b"body");
            assert_eq!(datagram[0] & 0x20, phase, "{suite:?} {number:?}");
            assert_eq!(opener.open(number, &mut datagram).unwrap(), b"body");
        }
    }
}

#[test]
fn datagrams_overtaken_by_a_key_change_still_open() {
    let (mut sealer, mut opener) = near_the_edge(CipherSuite::Aes128Gcm, 2);
    let datagrams: Vec<_> = (0..4).map(|_| sealed(&mut sealer, b"body")).collect();
    for (number, mut datagram) in datagrams.into_iter().rev() {
        assert_eq!(opener.open(number, &mut datagram).unwrap(), b"body");
    }
}

#[test]
fn keys_change_once_an_epoch_and_not_per_packet() {
    let (mut sealer, mut opener) = near_the_edge(CipherSuite::Aes128Gcm, 20);
    let before = keys_made();
    for _ in 0..40 {
        let (number, mut datagram) = sealed(&mut sealer, b"body");
        assert!(opener.open(number, &mut datagram).is_ok());
    }
    assert_eq!(keys_made() - before, 2);
}

#[test]
fn the_epoch_before_the_previous_is_gone() {
    let (mut sealer, mut opener) = near_the_edge(CipherSuite::Aes256Gcm, 1);
    let (old, mut old_datagram) = sealed(&mut sealer, b"old");
    for epoch in 1..=2 {
        sealer.skip_to(PacketNumber(epoch * EPOCH));
        let (number, mut datagram) = sealed(&mut sealer, b"new");
        assert!(opener.open(number, &mut datagram).is_ok());
    }
    assert_eq!(
        opener.open(old, &mut old_datagram),
        Err(OpenError::PastEpoch)
    );
    assert_eq!(opener.failed_authentications(), 0);
}

#[test]
fn forged_numbers_make_at_most_one_key_and_change_nothing() {
    let (mut sealer, mut opener) = near_the_edge(CipherSuite::Aes128Gcm, 1);
    let (number, datagram) = sealed(&mut sealer, b"body");
    let before = keys_made();
    for epoch in 1..2000 {
        let mut forged = unsealed(b"forged");
        forged[0] |= key_phase(epoch);
        let expected = if epoch == 1 {
            OpenError::Forged
        } else {
            OpenError::FutureEpoch
        };
        let far = PacketNumber(epoch * EPOCH + epoch);
        assert_eq!(opener.open(far, &mut forged), Err(expected));
        assert_eq!(
            opener.open(PacketNumber(EPOCH), &mut unsealed(b"forged")),
            Err(OpenError::KeyPhase)
        );
    }
    for attempt in 0..2000 {
        let mut forged = unsealed(b"forged");
        forged[0] |= key_phase(1);
        let next = PacketNumber(EPOCH + attempt);
        assert_eq!(opener.open(next, &mut forged), Err(OpenError::Forged));
    }
    assert_eq!(keys_made() - before, 1);
    assert_eq!(opener.open(number, &mut datagram.clone()).unwrap(), b"body");
    let (number, mut datagram) = sealed(&mut sealer, b"next epoch");
    assert_eq!(opener.open(number, &mut datagram).unwrap(), b"next epoch");
}

#[test]
fn nothing_opens_after_two_to_the_36_forgeries() {
    let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(CipherSuite::Aes128Gcm);
    opener.set_failed_authentications((1 << 36) - 1);
    let (number, datagram) = sealed(&mut sealer, b"body");
    assert!(opener.open(number, &mut datagram.clone()).is_ok());
    assert_eq!(
        opener.open(number, &mut unsealed(b"forged")),
        Err(OpenError::Forged)
    );
    assert_eq!(
        opener.open(number, &mut datagram.clone()),
        Err(OpenError::TooManyForgeries)
    );
    assert_eq!(opener.failed_authentications(), 1 << 36);
}

#[test]
fn packet_numbers_end_before_two_to_the_62() {
    let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(CipherSuite::Aes128Cfb);
    sealer.skip_to(PacketNumber((1 << 62) - 1));
    opener.skip_to_epoch((1 << 40) - 1);
    let (number, mut datagram) = sealed(&mut sealer, b"last");
    assert_eq!(opener.open(number, &mut datagram).unwrap(), b"last");
    let mut one_more = unsealed(b"one more");
    assert_eq!(sealer.seal(&mut one_more), Err(SealError::Exhausted));
    assert_eq!(one_more, unsealed(b"one more"));
}

proptest! {
    #[test]
    fn no_nonce_is_used_twice_under_a_key(
        suite in prop::sample::select(vec![
            CipherSuite::AuthOnly,
            CipherSuite::Aes128Gcm,
            CipherSuite::Aes192Gcm,
            CipherSuite::Aes256Gcm,
        ]),
        stretches in prop::collection::vec((0..3 * EPOCH, 1_usize..30), 1..8),
        first in (0..4_u64, 0..60_u64).prop_map(|(epoch, before)| (epoch * EPOCH).saturating_sub(before)),
    ) {
        RECORD.take();
        let (mut client, _) = schedule().into_lane::<WatchedGcm>(suite, Role::Client);
        let (mut server, _) = schedule().into_lane::<WatchedGcm>(suite, Role::Server);
        for sealer in [&mut client, &mut server] {
            sealer.skip_to(PacketNumber(first));
            for (gap, count) in &stretches {
                for _ in 0..*count {
                    sealed(sealer, b"body");
                }
                sealer.skip_to(PacketNumber(sealer.next_packet_number().0 + gap));
            }
        }
        let record = RECORD.take();
        prop_assert_eq!(record.seals, 2 * stretches.iter().map(|(_, count)| count).sum::<usize>());
        prop_assert_eq!(record.sealed_under.len(), record.seals);
    }

    /// A session that goes on with a lost one begins at packet number 0 again: only its keys keep it apart, and one
    /// side that draws fresh bytes is enough.
    #[test]
    fn sessions_one_after_the_other_use_no_nonce_twice_under_a_key(
        suite in prop::sample::select(vec![
            CipherSuite::AuthOnly,
            CipherSuite::Aes128Gcm,
            CipherSuite::Aes192Gcm,
            CipherSuite::Aes256Gcm,
        ]),
        secrets in prop::collection::btree_set(any::<[u8; 32]>(), 2..6),
        repeated in 0..3_u8,
        packets in 1_usize..40,
    ) {
        RECORD.take();
        for fresh in &secrets {
            let (client, server) = match repeated {
                0 => (*fresh, *fresh),
                1 => (*fresh, [5; 32]),
                _ => ([5; 32], *fresh),
            };
            for role in [Role::Client, Role::Server] {
                let schedule = KeySchedule::new(
                    &SessionSecret::new(client),
                    &SessionSecret::new(server),
                    &[3; 32],
                );
                let (mut sealer, _) = schedule.into_lane::<WatchedGcm>(suite, role);
                for _ in 0..packets {
                    sealed(&mut sealer, b"body");
                }
            }
        }
        let record = RECORD.take();
        prop_assert_eq!(record.seals, 2 * packets * secrets.len());
        prop_assert_eq!(record.sealed_under.len(), record.seals);
    }
}
