//! What sealing promises: bodies come back, nothing else opens, no secret is shown.

use std::format;
use std::string::String;

use aes::{Aes128, Aes128Enc, Aes192, Aes192Enc, Aes256, Aes256Enc};
use aes_gcm::{AesGcm, aead::consts::U12};
use proptest::prelude::*;
use zeroize::ZeroizeOnDrop;

use super::*;

fn any_suite() -> impl Strategy<Value = CipherSuite> {
    prop::sample::select(CipherSuite::ALL.to_vec())
}

proptest! {
    #[test]
    fn what_was_sealed_opens_to_the_same_header_and_body(
        suite in any_suite(),
        mut header in any::<[u8; HEADER_BYTES]>(),
        body in prop::collection::vec(any::<u8>(), 0..1500),
        number in 0..PACKET_NUMBER_LIMIT.0,
    ) {
        let number = PacketNumber(number);
        let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(suite);
        sealer.skip_to(number);
        opener.skip_to_epoch(epoch_of(number));
        let mut datagram = [&header[..], &body, &[0; TAG_BYTES]].concat();
        prop_assert_eq!(sealer.seal(&mut datagram), Ok(number));

        header[0] = header[0] & 0xDF | key_phase(epoch_of(number));
        header[4..8].copy_from_slice(&number.on_wire().to_be_bytes());
        prop_assert_eq!(&datagram[..HEADER_BYTES], &header);
        let read = number.on_wire().to_be_bytes();
        prop_assert_eq!(PacketNumber::recover(u32::from_be_bytes(read), number), number);
        prop_assert_eq!(opener.open(number, &mut datagram).unwrap(), &body);
        prop_assert_eq!(&datagram[..HEADER_BYTES], &header);
    }

    #[test]
    fn random_bytes_do_not_open(
        suite in any_suite(),
        number in 0..PACKET_NUMBER_LIMIT.0,
        mut datagram in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (_, mut opener) = client_to_server::<SoftwareGcm>(suite);
        prop_assert!(opener.open(PacketNumber(number), &mut datagram).is_err());
    }
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(suite);
        let (number, datagram) = sealed(&mut sealer, b"twenty bytes of body");
        for bit in 0..datagram.len() * 8 {
            let mut forged = datagram.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit == 5 {
                OpenError::KeyPhase
            } else {
                OpenError::Forged
            };
            assert_eq!(
                opener.open(number, &mut forged),
                Err(expected),
                "{suite:?} bit {bit}"
            );
        }
        assert_eq!(
            opener.failed_authentications(),
            datagram.len() as u64 * 8 - 1
        );
        assert!(opener.open(number, &mut datagram.clone()).is_ok());
    }
}

#[test]
fn a_cut_or_lengthened_datagram_is_refused() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(suite);
        let (number, datagram) = sealed(&mut sealer, b"twenty bytes of body");
        for length in 0..datagram.len() {
            let expected = if length < HEADER_BYTES + TAG_BYTES {
                OpenError::TooShort
            } else {
                OpenError::Forged
            };
            let mut cut = datagram[..length].to_vec();
            assert_eq!(
                opener.open(number, &mut cut),
                Err(expected),
                "{suite:?} {length}"
            );
        }
        let mut longer = [&datagram[..], &[0]].concat();
        assert_eq!(opener.open(number, &mut longer), Err(OpenError::Forged));
    }
}

#[test]
fn a_datagram_opens_only_under_its_own_number() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(suite);
        let (number, datagram) = sealed(&mut sealer, b"body");
        for other in [number.0 + 1, number.0 + 2, 0x20_0000] {
            let outcome = opener
                .open(PacketNumber(other), &mut datagram.clone())
                .map(|_| ());
            assert_eq!(outcome, Err(OpenError::Forged), "{suite:?} {other}");
        }
    }
}

#[test]
fn a_datagram_does_not_open_when_it_is_reflected_to_its_sender() {
    for suite in CipherSuite::ALL {
        let (mut sealer, mut own_opener): (Sealer, Opener) =
            schedule().into_lane(suite, Role::Client);
        let (number, mut datagram) = sealed(&mut sealer, b"body");
        assert_eq!(
            own_opener.open(number, &mut datagram),
            Err(OpenError::Forged)
        );
    }
}

#[test]
fn every_input_of_the_key_schedule_changes_the_keys() {
    let secret = |byte| SessionSecret::new([byte; 32]);
    let openers = [
        KeySchedule::new(&secret(0), &secret(0xB8), &[0xC9; 32]),
        KeySchedule::new(&secret(0xA7), &secret(0), &[0xC9; 32]),
        KeySchedule::new(&secret(0xA7), &secret(0xB8), &[0; 32]),
        KeySchedule::new(&secret(0xB8), &secret(0xA7), &[0xC9; 32]),
    ];
    for suite in CipherSuite::ALL {
        let (mut sealer, _) = client_to_server::<SoftwareGcm>(suite);
        let (number, datagram) = sealed(&mut sealer, b"body");
        let way = Direction::ClientToServer;
        for other in &openers {
            let mut opener: Opener = Opener::new(other, suite, way, 0);
            assert_eq!(
                opener.open(number, &mut datagram.clone()),
                Err(OpenError::Forged)
            );
        }
        let mut other_lane: Opener = Opener::new(&schedule(), suite, way, 1);
        assert_eq!(
            other_lane.open(number, &mut datagram.clone()),
            Err(OpenError::Forged)
        );
        let mut right: Opener = Opener::new(&schedule(), suite, way, 0);
        assert!(right.open(number, &mut datagram.clone()).is_ok());
    }
}

#[test]
fn only_the_suite_that_says_so_leaves_the_body_readable() {
    let body = [0x55; 64];
    for suite in CipherSuite::ALL {
        let (mut sealer, _) = client_to_server::<SoftwareGcm>(suite);
        let (_, datagram) = sealed(&mut sealer, &body);
        let readable = datagram[HEADER_BYTES..][..body.len()] == body;
        assert_eq!(readable, !suite.encrypts(), "{suite:?}");
        let (_, again) = sealed(&mut sealer, &body);
        let (one, two) = (&datagram[HEADER_BYTES..], &again[HEADER_BYTES..]);
        assert_eq!(
            one[..64] != two[..64],
            suite.encrypts(),
            "{suite:?} repeats its keystream"
        );
        assert_ne!(one[64..], two[64..], "{suite:?} repeats its tag");
    }
}

#[test]
fn a_forged_cfb_datagram_is_not_decrypted() {
    for suite in [
        CipherSuite::Aes128Cfb,
        CipherSuite::Aes192Cfb,
        CipherSuite::Aes256Cfb,
    ] {
        let (mut sealer, mut opener) = client_to_server::<SoftwareGcm>(suite);
        let (number, mut datagram) = sealed(&mut sealer, b"body");
        datagram[HEADER_BYTES] ^= 1;
        let before = datagram.clone();
        assert_eq!(opener.open(number, &mut datagram), Err(OpenError::Forged));
        assert_eq!(datagram, before);
    }
}

#[test]
fn a_buffer_without_room_for_the_tag_is_not_sealed_and_uses_no_number() {
    let (mut sealer, _) = client_to_server::<SoftwareGcm>(CipherSuite::Aes128Gcm);
    for length in 0..HEADER_BYTES + TAG_BYTES {
        assert_eq!(
            sealer.seal(&mut std::vec![0; length]),
            Err(SealError::TooShort)
        );
    }
    assert_eq!(sealer.next_packet_number(), PacketNumber(0));
    assert_eq!(sealer.seal(&mut [0; 28]), Ok(PacketNumber(0)));
    assert_eq!(sealer.next_packet_number(), PacketNumber(1));
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let (mut sealer, opener) = client_to_server::<SoftwareGcm>(CipherSuite::Aes128Gcm);
    sealed(&mut sealer, b"body");
    let mut transcript = Transcript::new();
    transcript.absorb(&[0xA7; 70]);
    let key = [0xA7; 16];
    let shown: [(String, &str); 7] = [
        (
            format!("{:?}", SessionSecret::new([0xA7; 32])),
            "SessionSecret { .. }",
        ),
        (format!("{transcript:?}"), "Transcript { .. }"),
        (format!("{:?}", schedule()), "KeySchedule { .. }"),
        (format!("{:?}", AesKey::Aes128(&key)), "Aes128 { .. }"),
        (
            format!("{:?}", SoftwareGcm::key(AesKey::Aes128(&key))),
            "SoftwareGcmKey { .. }",
        ),
        (
            format!("{sealer:?}"),
            "Sealer { suite: Aes128Gcm, direction: ClientToServer, lane: 0, \
             next: PacketNumber(1), .. }",
        ),
        (
            format!("{opener:?}"),
            "Opener { suite: Aes128Gcm, direction: ClientToServer, lane: 0, epoch: 0, \
             failures: 0, .. }",
        ),
    ];
    for (text, expected) in shown {
        assert_eq!(text, expected);
    }
}

#[test]
fn ciphers_overwrite_their_keys_when_dropped() {
    fn overwritten<T: ZeroizeOnDrop>() -> bool {
        core::mem::needs_drop::<T>()
    }
    assert!(overwritten::<AesGcm<Aes128, U12>>());
    assert!(overwritten::<AesGcm<Aes192, U12>>());
    assert!(overwritten::<AesGcm<Aes256, U12>>());
    assert!(overwritten::<Aes128Enc>());
    assert!(overwritten::<Aes192Enc>());
    assert!(overwritten::<Aes256Enc>());
}

#[test]
fn suites_are_found_by_their_ids_and_reserved_ids_are_not() {
    for suite in CipherSuite::ALL {
        assert_eq!(CipherSuite::from_id(suite.id()), Some(suite));
    }
    let known = (0..=u8::MAX).filter(|id| CipherSuite::from_id(*id).is_some());
    assert_eq!(
        known.collect::<Vec<_>>(),
        [0x01, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22]
    );
    assert_eq!(CipherSuite::Aes192Cfb.key_bits(), 192);
    assert_eq!(CipherSuite::Aes256Gcm.name(), "aes-256-gcm");
}
