//! Peers that lie: downgrades, sizes beyond all bounds, messages out of place.

use std::vec;
use std::vec::Vec;

use super::*;
use crate::control::{Accept, DecodeError};

/// HELLO bytes of a client with its fields changed by `change`.
fn forged_hello(change: impl Fn(&mut Hello<'_>)) -> Vec<u8> {
    let mut honest = [0; 600];
    let (_, len) = Initiator::open(&wishes(), client_secret(), &mut honest).unwrap();
    let Ok(Some(ControlMessage::Hello(mut hello))) = raw(&honest[..len]).decode() else {
        panic!("HELLO expected");
    };
    change(&mut hello);
    encoded(&ControlMessage::Hello(hello))
}

/// What the client makes of an honest ACCEPT changed by `change`.
fn judge(
    wishes: &ClientWishes<'_>,
    change: impl Fn(&mut Accept<'_>),
) -> Result<Agreement, AnswerError> {
    let (mut to_server, mut to_client) = ([0; 600], [0; 600]);
    let (initiator, len) = Initiator::open(wishes, client_secret(), &mut to_server).unwrap();
    let proposal = read_hello(raw(&to_server[..len]), &LIMITS).unwrap();
    let accepted = proposal.accept(server_side(), &mut to_client).unwrap();
    let honest = raw(&to_client[..accepted.len]).decode();
    let Ok(Some(ControlMessage::Accept(mut accept))) = honest else {
        panic!("ACCEPT expected");
    };
    change(&mut accept);
    let forged = encoded(&ControlMessage::Accept(accept));
    match initiator.handle_answer(raw(&forged))? {
        Answer::Accepted(opened) => Ok(opened.agreement),
        Answer::Rejected { .. } => panic!("ACCEPT was taken for REJECT"),
    }
}

fn encoded(message: &ControlMessage<'_>) -> Vec<u8> {
    let mut out = vec![0; 1_000];
    let len = message.encode(&mut out).unwrap();
    out.truncate(len);
    out
}

#[test]
fn the_forgery_helper_leaves_an_honest_accept_acceptable() {
    assert!(judge(&wishes(), |_| ()).is_ok());
}

#[test]
fn a_suite_that_was_not_offered_is_a_downgrade() {
    for suite in [0x00, 0x01, 0x13, 0x23, 0x30, 0xFF] {
        assert_eq!(
            judge(&wishes(), |accept| accept.suite = suite),
            Err(AnswerError::NotOffered(Term::CipherSuite)),
            "{suite:#x}"
        );
    }
    // The other mode, and longer keys, are offered.
    for suite in [0x20, 0x11, 0x22] {
        assert!(judge(&wishes(), |accept| accept.suite = suite).is_ok());
    }
    let long = ClientWishes {
        cipher: CipherWish::Aes(KeyBits::B256),
        ..wishes()
    };
    assert!(judge(&long, |accept| accept.suite = 0x10).is_err());
    let plain = ClientWishes {
        cipher: CipherWish::None,
        ..wishes()
    };
    assert!(judge(&plain, |accept| accept.suite = 0x10).is_err());
}

#[test]
fn a_version_that_was_not_offered_is_refused() {
    for version in [0, 2, 7] {
        let error = judge(&wishes(), |accept| accept.version = version).unwrap_err();
        assert!(matches!(error, AnswerError::Version(_)), "{error}");
    }
}

#[test]
fn a_server_of_another_version_is_named_even_if_its_accept_looks_different() {
    let (initiator, _) = Initiator::open(&wishes(), client_secret(), &mut [0; 600]).unwrap();
    let accept = RawMessage {
        kind: 0x02,
        body: b"\xA2\x00\x07\x01\x80",
    };
    assert_eq!(
        initiator.handle_answer(accept).unwrap_err().to_string(),
        "the peer speaks protocol version 7, this program speaks 1"
    );
}

#[test]
fn a_client_of_another_version_is_named_even_if_its_hello_looks_different() {
    let hello = RawMessage {
        kind: 0x01,
        body: b"\xA2\x00\x82\x07\x06\x01\x80",
    };
    let refused = read_hello(hello, &LIMITS).unwrap_err();
    assert_eq!(refused.fault(), Fault::Protocol);
    assert_eq!(
        refused.to_string(),
        "the peer speaks protocol version 7, this program speaks 1"
    );
}

#[test]
fn an_answer_may_narrow_what_was_asked_and_never_widen_it() {
    let wish = ClientWishes {
        capabilities: APPLIANCE,
        fixed_datagram: Some(1_000),
        minimum_rate: BitRate(1_000),
        ..wishes()
    };
    type Change = fn(&mut Accept<'_>);
    let widened: [(Term, Change); 13] = [
        (Term::LargestDatagram, |accept| accept.max_datagram = 1_473),
        (Term::DatagramSize, |accept| {
            accept.fixed_datagram = Some(1_001)
        }),
        (Term::DatagramSize, |accept| accept.fixed_datagram = None),
        (Term::ReportSize, |accept| accept.report_size = 513),
        (Term::TargetRate, |accept| accept.target_rate.0 += 1),
        (Term::MinimumRate, |accept| accept.minimum_rate.0 += 1),
        (Term::RatePolicy, |accept| accept.policy = RatePolicy::Fixed),
        (Term::ResumeLevel, |accept| {
            accept.resume = ResumeLevel::Full
        }),
        (Term::OverwriteRule, |accept| {
            accept.overwrite = OverwriteRule::Always
        }),
        (Term::Preserve, |accept| accept.preserve = Preserve::TIMES),
        (Term::UdpPort, |accept| accept.udp_port = 0),
        (Term::ObjectWindow, |accept| accept.object_window = 17),
        (Term::PacketWindow, |accept| accept.packet_window = 1_025),
    ];
    for (term, change) in widened {
        assert_eq!(judge(&wish, change), Err(AnswerError::NotOffered(term)));
    }
    assert_eq!(
        judge(&wish, |accept| accept.metadata_window += 1),
        Err(AnswerError::NotOffered(Term::MetadataWindow))
    );
    let narrowed = judge(&wish, |accept| {
        accept.max_datagram = 900;
        accept.fixed_datagram = Some(800);
        accept.report_size = 128;
        accept.target_rate = BitRate(5_000);
        accept.minimum_rate = BitRate(0);
        accept.packet_window = 16;
    });
    assert_eq!(narrowed.unwrap().fixed_datagram(), Some(800));
}

#[test]
fn an_unasked_fixed_size_is_refused() {
    assert_eq!(
        judge(&wishes(), |accept| accept.fixed_datagram = Some(500)),
        Err(AnswerError::NotOffered(Term::DatagramSize))
    );
}

#[test]
fn an_impossible_accept_is_refused() {
    type Change = fn(&mut Accept<'_>);
    let impossible: [(Term, Change); 12] = [
        (Term::LargestDatagram, |accept| accept.max_datagram = 295),
        (Term::LargestDatagram, |accept| accept.max_datagram = 65_508),
        (Term::DatagramSize, |accept| {
            accept.fixed_datagram = Some(295)
        }),
        (Term::ReportSize, |accept| accept.report_size = 127),
        (Term::TargetRate, |accept| accept.target_rate = BitRate(0)),
        (Term::MinimumRate, |accept| accept.minimum_rate.0 = 1 << 51),
        (Term::ObjectWindow, |accept| accept.object_window = 15),
        (Term::PacketWindow, |accept| accept.packet_window = 0),
        (Term::MetadataWindow, |accept| {
            accept.metadata_window = 4_353
        }),
        (Term::MessageLimit, |accept| accept.max_body = 4_607),
        (Term::Lanes, |accept| accept.lanes = 0),
        (Term::Lanes, |accept| accept.lanes = 2),
    ];
    for (term, change) in impossible {
        let error = judge(&wishes(), change).unwrap_err();
        let AnswerError::OutOfRange(OutOfRange { term: found, .. }) = error else {
            panic!("{term}: {error}");
        };
        assert_eq!(found, term);
    }
    let quiet = ClientWishes {
        target_rate: BitRate(0),
        ..wishes()
    };
    assert!(judge(&quiet, |accept| accept.target_rate.0 = (1 << 50) + 1).is_err());
}

#[test]
fn an_impossible_hello_is_refused() {
    type Change = fn(&mut Hello<'_>);
    let impossible: [(Term, Change); 16] = [
        (Term::LargestDatagram, |hello| hello.max_datagram = 295),
        (Term::LargestDatagram, |hello| hello.max_datagram = 65_508),
        (Term::DatagramSize, |hello| hello.fixed_datagram = Some(295)),
        (Term::DatagramSize, |hello| {
            hello.fixed_datagram = Some(65_508)
        }),
        (Term::ReportSize, |hello| hello.report_size = 127),
        (Term::ReportSize, |hello| hello.report_size = 1_441),
        (Term::TargetRate, |hello| {
            hello.target_rate.0 = (1 << 50) + 1
        }),
        (Term::MinimumRate, |hello| hello.minimum_rate.0 = u64::MAX),
        (Term::ObjectWindow, |hello| hello.object_window = 15),
        (Term::ObjectWindow, |hello| {
            hello.object_window = (1 << 24) + 1
        }),
        (Term::PacketWindow, |hello| hello.packet_window = 0),
        (Term::PacketWindow, |hello| hello.packet_window = u32::MAX),
        (Term::MetadataWindow, |hello| hello.metadata_window = 4_353),
        (Term::MetadataWindow, |hello| {
            hello.metadata_window = u32::MAX
        }),
        (Term::MessageLimit, |hello| hello.max_body = 4_607),
        (Term::MessageLimit, |hello| hello.max_body = u32::MAX),
    ];
    for (term, change) in impossible {
        let refused = read_hello(raw(&forged_hello(change)), &LIMITS).unwrap_err();
        let Refusal::OutOfRange(OutOfRange { term: found, .. }) = refused else {
            panic!("{term}: {refused}");
        };
        assert_eq!(found, term);
        assert_eq!(refused.fault(), Fault::Protocol);
    }
}

#[test]
fn a_hello_without_ciphers_or_versions_is_refused() {
    let no_cipher = forged_hello(|hello| hello.suites.clear());
    assert_eq!(
        read_hello(raw(&no_cipher), &LIMITS).unwrap_err(),
        Refusal::NoCommonCipher
    );
    let no_version = forged_hello(|hello| hello.versions.clear());
    assert!(matches!(
        read_hello(raw(&no_version), &LIMITS),
        Err(Refusal::Version(_))
    ));
}

#[test]
fn a_first_message_out_of_place_is_refused() {
    let keep_alive = RawMessage {
        kind: 0x0D,
        body: b"\xA0",
    };
    assert_eq!(
        read_hello(keep_alive, &LIMITS).unwrap_err(),
        Refusal::NotHello(0x0D)
    );
    for kind in [0x01, 0x0D, 0x80] {
        let (initiator, len) = Initiator::open(&wishes(), client_secret(), &mut [0; 600]).unwrap();
        assert!(len > 0);
        let hello = forged_hello(|_| ());
        let body = if kind == 0x01 {
            raw(&hello).body
        } else {
            b"\xA0"
        };
        let error = initiator
            .handle_answer(RawMessage { kind, body })
            .unwrap_err();
        assert_eq!(error, AnswerError::Unexpected(kind));
    }
}

#[test]
fn a_transcript_changes_with_every_byte_of_either_message() {
    let (mut to_server, mut to_client) = ([0; 600], [0; 600]);
    let (_, len) = Initiator::open(&wishes(), client_secret(), &mut to_server).unwrap();
    let accepted = read_hello(raw(&to_server[..len]), &LIMITS)
        .unwrap()
        .accept(server_side(), &mut to_client)
        .unwrap();
    let other_hello = forged_hello(|hello| hello.program = "clienT");
    let other = read_hello(raw(&other_hello), &LIMITS)
        .unwrap()
        .accept(server_side(), &mut to_client)
        .unwrap();
    assert_ne!(accepted.keys.transcript_hash, other.keys.transcript_hash);
    let port = ServerSide {
        udp_port: 33_003,
        ..server_side()
    };
    let other = read_hello(raw(&to_server[..len]), &LIMITS)
        .unwrap()
        .accept(port, &mut to_client)
        .unwrap();
    assert_ne!(accepted.keys.transcript_hash, other.keys.transcript_hash);
}

proptest! {
    #[test]
    fn random_answers_and_hellos_never_panic(
        kind in 0_u8..4,
        body in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let message = RawMessage { kind, body: &body };
        let _ = read_hello(message, &LIMITS);
        let (initiator, _) = Initiator::open(&wishes(), client_secret(), &mut [0; 600]).unwrap();
        let _ = initiator.handle_answer(message);
        let mut hello = forged_hello(|_| ());
        let at = HEADER_LEN + at.index(hello.len() - HEADER_LEN);
        hello[at] = byte;
        match read_hello(raw(&hello), &LIMITS) {
            Ok(proposal) => {
                let _ = proposal.accept(server_side(), &mut [0; 600]);
            }
            Err(Refusal::Malformed(DecodeError::UnknownMessage(_))) => {
                prop_assert!(false, "the type was not touched");
            }
            Err(refused) => prop_assert!(refused.encode(&mut [0; 256]).is_ok()),
        }
    }
}
