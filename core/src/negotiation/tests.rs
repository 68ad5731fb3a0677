//! Client and server against each other, and each against a peer that cheats.

mod hostile;

use std::string::ToString;

use proptest::prelude::*;

use super::bounds::{OutOfRange, Term};
use super::cipher_choice::{CipherWish, KeyBits};
use super::initiator::*;
use super::responder::*;
use super::*;
use crate::control::framing::{HEADER_LEN, RawMessage};
use crate::control::{ControlMessage, Hello, RecordTerms};
use crate::crypto::CipherSuite;
use crate::fault::Fault;
use crate::units::ConnectionId;

const HOST: Capabilities = Capabilities {
    max_datagram: 65_507,
    report_size: 1_440,
    object_window: 4_096,
    packet_window: 1 << 20,
    metadata_window: 1 << 18,
    max_body: 1 << 20,
};

const APPLIANCE: Capabilities = Capabilities {
    max_datagram: 1_472,
    report_size: 512,
    object_window: 16,
    packet_window: 1_024,
    metadata_window: 4_354,
    max_body: 4_608,
};

const LIMITS: ServerLimits<'static> = ServerLimits {
    suites: &[
        CipherSuite::Aes128Gcm,
        CipherSuite::Aes128Cfb,
        CipherSuite::AuthOnly,
    ],
    policies: &RatePolicy::ALL,
    target_rate_cap: BitRate(1_000_000_000),
    default_target_rate: DEFAULT_TARGET_RATE,
    rate_rules: RateRules::FREE,
    max_resume: ResumeLevel::Attributes,
    preserve: Preserve::TIMES,
    checksums: true,
    default_checksum: None,
    capabilities: HOST,
};

fn wishes() -> ClientWishes<'static> {
    ClientWishes {
        direction: TransferDirection::Upload,
        cipher: CipherWish::default(),
        connection: ConnectionId::new(0x111),
        fixed_datagram: None,
        target_rate: BitRate(300_000_000),
        minimum_rate: BitRate(0),
        policy: RatePolicy::Fair,
        resume: ResumeLevel::Restart,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        udp_port: 33_001,
        destination: b"in",
        create_destination: false,
        measures: false,
        renames_again: false,
        selects: false,
        saves_old: false,
        deletes: false,
        files: crate::control::FileWishes::default(),
        sources: 1,
        records: RecordTerms::default(),
        security: crate::control::SecurityTerms::default(),
        capabilities: HOST,
        program: "client",
    }
}

/// A message as the framing hands it over.
fn raw(bytes: &[u8]) -> RawMessage<'_> {
    RawMessage {
        kind: bytes[4],
        body: &bytes[HEADER_LEN..],
    }
}

fn client_secret() -> SessionSecret {
    SessionSecret::new([0xC1; 32])
}

fn server_side() -> ServerSide<'static> {
    ServerSide {
        secret: SessionSecret::new([0x5E; 32]),
        connection: ConnectionId::new(0x222),
        udp_port: 33_002,
        udp_address: None,
        program: "server",
        renames: false,
    }
}

/// Both agreements of an opening that succeeds, client's first.
fn open(wishes: &ClientWishes<'_>, limits: &ServerLimits<'_>) -> (Agreement, Agreement) {
    let (mut to_server, mut to_client) = ([0; 600], [0; 600]);
    let (initiator, len) = Initiator::open(wishes, client_secret(), &mut to_server).unwrap();
    let proposal = read_hello(raw(&to_server[..len]), limits).unwrap();
    let accepted = proposal.accept(server_side(), &mut to_client).unwrap();
    let answer = initiator
        .handle_answer(raw(&to_client[..accepted.len]))
        .unwrap();
    let Answer::Accepted(opened) = answer else {
        panic!("the server rejected: {answer:?}");
    };
    assert_eq!(opened.udp_port, 33_002);
    assert_eq!(opened.udp_address, None);
    assert_eq!(opened.program, "server");
    assert_same_keys(&opened.keys, &accepted.keys);
    (opened.agreement, accepted.agreement)
}

fn assert_same_keys(one: &KeyInputs, other: &KeyInputs) {
    assert_eq!(one.client_secret.as_bytes(), &[0xC1; 32]);
    assert_eq!(other.client_secret.as_bytes(), &[0xC1; 32]);
    assert_eq!(one.server_secret.as_bytes(), &[0x5E; 32]);
    assert_eq!(other.server_secret.as_bytes(), &[0x5E; 32]);
    assert_eq!(one.transcript_hash, other.transcript_hash);
}

fn refusal(wishes: &ClientWishes<'_>, limits: &ServerLimits<'_>) -> Refusal {
    let mut to_server = [0; 600];
    let (_, len) = Initiator::open(wishes, client_secret(), &mut to_server).unwrap();
    read_hello(raw(&to_server[..len]), limits).unwrap_err()
}

#[test]
fn both_sides_agree_and_each_sees_its_own_half() {
    let (client, server) = open(&wishes(), &LIMITS);
    assert!(client.is_sender());
    assert!(!server.is_sender());
    assert_eq!(client.own_connection(), ConnectionId::new(0x111));
    assert_eq!(client.peer_connection(), ConnectionId::new(0x222));
    assert_eq!(server.own_connection(), client.peer_connection());
    assert_eq!(server.peer_connection(), client.own_connection());
    let mirrored = Terms {
        sends: true,
        own_connection: server.peer_connection(),
        peer_connection: server.own_connection(),
        ..*server.terms()
    };
    assert_eq!(*client.terms(), mirrored);
    assert_eq!(client.suite(), CipherSuite::Aes128Gcm);
    assert_eq!(client.target_rate(), BitRate(300_000_000));
}

#[test]
fn in_a_download_the_server_sends() {
    let download = ClientWishes {
        direction: TransferDirection::Download,
        destination: b"",
        ..wishes()
    };
    let (client, server) = open(&download, &LIMITS);
    assert!(!client.is_sender());
    assert!(server.is_sender());
}

#[test]
fn a_client_that_names_no_rate_gets_the_default() {
    let quiet = ClientWishes {
        target_rate: BitRate(0),
        ..wishes()
    };
    let (client, _) = open(&quiet, &LIMITS);
    assert_eq!(client.target_rate(), BitRate(10_000_000));
}

#[test]
fn rates_are_capped_by_the_server() {
    let greedy = ClientWishes {
        target_rate: BitRate(5_000_000_000),
        minimum_rate: BitRate(4_000_000_000),
        ..wishes()
    };
    let (client, server) = open(&greedy, &LIMITS);
    assert_eq!(client.target_rate(), BitRate(1_000_000_000));
    assert_eq!(client.minimum_rate(), BitRate(1_000_000_000));
    assert_eq!(server.target_rate(), client.target_rate());
    let capped = ServerLimits {
        target_rate_cap: BitRate(1_000_000),
        ..LIMITS
    };
    let quiet = ClientWishes {
        target_rate: BitRate(0),
        ..wishes()
    };
    assert_eq!(open(&quiet, &capped).0.target_rate(), BitRate(1_000_000));
}

#[test]
fn the_minimum_rate_has_a_cap_of_its_own() {
    let wish = ClientWishes {
        target_rate: BitRate(7_000_000),
        minimum_rate: BitRate(6_000_000),
        ..wishes()
    };
    let limits = ServerLimits {
        rate_rules: RateRules {
            minimum_cap: BitRate(1_000),
        },
        ..LIMITS
    };
    let (client, server) = open(&wish, &limits);
    assert_eq!(client.target_rate(), BitRate(7_000_000));
    assert_eq!(client.minimum_rate(), BitRate(1_000));
    assert_eq!(server.minimum_rate(), client.minimum_rate());
    assert_eq!(open(&wish, &LIMITS).0.minimum_rate(), BitRate(6_000_000));
}

#[test]
fn the_smaller_of_two_capabilities_holds() {
    let small_client = ClientWishes {
        capabilities: APPLIANCE,
        ..wishes()
    };
    let small_server = ServerLimits {
        capabilities: APPLIANCE,
        ..LIMITS
    };
    for (client, server) in [open(&small_client, &LIMITS), open(&wishes(), &small_server)] {
        for side in [client, server] {
            assert_eq!(side.max_datagram(), 1_472);
            assert_eq!(side.report_size(), 512);
            assert_eq!(side.object_window(), 16);
            assert_eq!(side.packet_window(), 1_024);
            assert_eq!(side.metadata_window(), 4_354);
        }
    }
    let (client, server) = open(&small_client, &LIMITS);
    assert_eq!(client.peer_max_body(), 1 << 20);
    assert_eq!(server.peer_max_body(), 4_608);
}

#[test]
fn a_fixed_datagram_size_is_kept_within_the_largest() {
    let fixed = |size| ClientWishes {
        fixed_datagram: Some(size),
        ..wishes()
    };
    assert_eq!(open(&fixed(296), &LIMITS).0.fixed_datagram(), Some(296));
    let small_server = ServerLimits {
        capabilities: APPLIANCE,
        ..LIMITS
    };
    let (client, server) = open(&fixed(9_000), &small_server);
    assert_eq!(client.fixed_datagram(), Some(1_472));
    assert_eq!(server.fixed_datagram(), Some(1_472));
    assert_eq!(open(&wishes(), &LIMITS).0.fixed_datagram(), None);
}

#[test]
fn a_report_never_exceeds_the_largest_datagram() {
    let tiny = ClientWishes {
        capabilities: Capabilities {
            max_datagram: 296,
            ..HOST
        },
        ..wishes()
    };
    assert_eq!(open(&tiny, &LIMITS).0.report_size(), 296);
}

#[test]
fn attributes_that_the_server_cannot_preserve_are_left_out() {
    let limits = ServerLimits {
        preserve: Preserve {
            modification_times: true,
            ..Preserve::default()
        },
        ..LIMITS
    };
    let wish = ClientWishes {
        preserve: Preserve::TIMES,
        ..wishes()
    };
    let (client, _) = open(&wish, &limits);
    assert!(client.preserve().modification_times);
    assert!(!client.preserve().access_times);
}

#[test]
fn without_encryption_the_session_still_authenticates() {
    let plain = ClientWishes {
        cipher: CipherWish::None,
        ..wishes()
    };
    assert_eq!(open(&plain, &LIMITS).0.suite(), CipherSuite::AuthOnly);
    let strict = ServerLimits {
        suites: &[CipherSuite::Aes128Gcm],
        ..LIMITS
    };
    assert_eq!(refusal(&plain, &strict), Refusal::NoCommonCipher);
}

#[test]
fn what_the_server_does_not_allow_is_refused_with_a_sentence() {
    let limits = ServerLimits {
        policies: &[RatePolicy::Fair, RatePolicy::Low],
        ..LIMITS
    };
    let fixed = ClientWishes {
        policy: RatePolicy::Fixed,
        ..wishes()
    };
    let refused = refusal(&fixed, &limits);
    assert_eq!(refused, Refusal::Policy(RatePolicy::Fixed));
    assert_eq!(refused.fault(), Fault::Unauthorized);
    assert_eq!(
        refused.to_string(),
        "the server does not allow the rate policy fixed; choose another one with --policy"
    );
    let full = ClientWishes {
        resume: ResumeLevel::Full,
        ..wishes()
    };
    assert_eq!(refusal(&full, &LIMITS), Refusal::Resume(ResumeLevel::Full));
    let cipher = ClientWishes {
        cipher: CipherWish::AesGcm(KeyBits::B256),
        ..wishes()
    };
    assert_eq!(refusal(&cipher, &LIMITS), Refusal::NoCommonCipher);
}

#[test]
fn a_refusal_reaches_the_client_with_its_fault_and_sentence() {
    let mut to_server = [0; 600];
    let (initiator, _) = Initiator::open(&wishes(), client_secret(), &mut to_server).unwrap();
    let mut to_client = [0; 256];
    let len = Refusal::NoCommonCipher.encode(&mut to_client).unwrap();
    let answer = initiator.handle_answer(raw(&to_client[..len])).unwrap();
    let Answer::Rejected { fault, text } = answer else {
        panic!("a refusal was taken for {answer:?}");
    };
    assert_eq!(fault, Fault::BadConfiguration);
    assert_eq!(text, Refusal::NoCommonCipher.to_string());
}

#[test]
fn every_refusal_fits_the_documented_buffer() {
    let longest =
        Refusal::Malformed(crate::control::DecodeError::NotDeterministic { key: u64::MAX });
    let range = Refusal::OutOfRange(OutOfRange {
        term: Term::Preserve,
        value: u64::MAX,
        least: u64::MAX,
        most: u64::MAX,
    });
    for refusal in [
        longest,
        range,
        Refusal::Policy(RatePolicy::Fixed),
        Refusal::Resume(ResumeLevel::Full),
    ] {
        assert!(refusal.encode(&mut [0; 256]).is_ok(), "{refusal}");
    }
}

#[test]
fn the_host_sees_where_the_files_shall_go_before_it_accepts() {
    let mut to_server = [0; 600];
    let (_, len) = Initiator::open(&wishes(), client_secret(), &mut to_server).unwrap();
    let proposal = read_hello(raw(&to_server[..len]), &LIMITS).unwrap();
    assert_eq!(proposal.hello().destination, b"in");
    assert_eq!(proposal.hello().udp_port, 33_001);
    assert_eq!(proposal.terms().target_rate, BitRate(300_000_000));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let mut to_server = [0; 600];
    let (initiator, len) = Initiator::open(&wishes(), client_secret(), &mut to_server).unwrap();
    let proposal = read_hello(raw(&to_server[..len]), &LIMITS).unwrap();
    let shown = std::format!("{initiator:?} {proposal:?} {:?}", server_side());
    for secret in ["193, 193", "94, 94"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn own_wishes_out_of_bounds_are_refused_before_they_are_sent() {
    let bad = ClientWishes {
        fixed_datagram: Some(100),
        ..wishes()
    };
    let error = Initiator::open(&bad, client_secret(), &mut [0; 600]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a datagram size of 100 is not possible; it must be 296 to 65507"
    );
    let small = Initiator::open(&wishes(), client_secret(), &mut [0; 60]).unwrap_err();
    assert_eq!(small, OpeningError::Full(Full));
}

#[test]
fn a_hello_never_exceeds_what_the_smallest_server_reads() {
    let path = [b'x'; 4_500];
    let long = |len| ClientWishes {
        destination: &path[..len],
        ..wishes()
    };
    let mut out = [0; 6_000];
    assert!(Initiator::open(&long(4_096), client_secret(), &mut out).is_ok());
    let error = Initiator::open(&long(4_500), client_secret(), &mut out).unwrap_err();
    assert_eq!(error, OpeningError::Full(Full));
}

#[test]
fn rates_of_a_running_session_have_bounds_too() {
    let rate = |target, minimum| crate::control::Rate {
        target: BitRate(target),
        minimum: BitRate(minimum),
        policy: RatePolicy::Fair,
    };
    let within = |rate, cap| bounds::rate_within(&rate, BitRate(cap));
    assert_eq!(within(rate(1, 1), 1 << 50), Ok(rate(1, 1)));
    assert_eq!(within(rate(1 << 50, 0), 1 << 50), Ok(rate(1 << 50, 0)));
    assert_eq!(within(rate(90, 60), 50), Ok(rate(50, 50)));
    assert_eq!(within(rate(90, 20), 50), Ok(rate(50, 20)));
    for (target, minimum, term) in [
        (0, 0, Term::TargetRate),
        ((1 << 50) + 1, 0, Term::TargetRate),
        (5, 6, Term::MinimumRate),
    ] {
        let error = within(rate(target, minimum), 1 << 50).unwrap_err();
        assert_eq!(error.term, term);
    }
}

#[test]
fn a_server_without_a_port_cannot_accept() {
    let mut to_server = [0; 600];
    let (_, len) = Initiator::open(&wishes(), client_secret(), &mut to_server).unwrap();
    let proposal = read_hello(raw(&to_server[..len]), &LIMITS).unwrap();
    let no_port = ServerSide {
        udp_port: 0,
        ..server_side()
    };
    let error = proposal.accept(no_port, &mut [0; 600]).unwrap_err();
    assert!(matches!(
        error,
        OpeningError::OutOfRange(OutOfRange {
            term: Term::UdpPort,
            ..
        })
    ));
}

prop_compose! {
    fn capabilities()(
        max_datagram in 296_u16..=65_507,
        report_size in 128_u16..=1_440,
        object_window in 16_u32..=1 << 22,
        packet_window in 16_u32..=1 << 22,
        metadata_window in 4_354_u32..=1 << 24,
        max_body in 4_608_u32..=1 << 24,
    ) -> Capabilities {
        Capabilities { max_datagram, report_size, object_window, packet_window, metadata_window, max_body }
    }
}

proptest! {
    #[test]
    fn all_allowed_wishes_and_limits_end_in_the_same_agreement(
        client in capabilities(),
        server in capabilities(),
        fixed in prop::option::of(296_u16..=65_507),
        rates in (0_u64..=1 << 50, 0_u64..=1 << 50, 1_u64..=1 << 50, 1_u64..=1 << 50),
        choices in (0_u8..4, 0_u8..2, 0_u8..5, 0_u8..4, 0_u8..2),
    ) {
        let wish = ClientWishes {
            capabilities: client,
            fixed_datagram: fixed,
            target_rate: BitRate(rates.0),
            minimum_rate: BitRate(rates.1),
            policy: RatePolicy::from_number(choices.0).unwrap(),
            resume: ResumeLevel::from_number(choices.1).unwrap(),
            overwrite: OverwriteRule::from_number(choices.2).unwrap(),
            preserve: Preserve::from_number(choices.3).unwrap(),
            direction: TransferDirection::from_number(choices.4).unwrap(),
            ..wishes()
        };
        let limits = ServerLimits {
            capabilities: server,
            target_rate_cap: BitRate(rates.2),
            default_target_rate: BitRate(rates.3),
            rate_rules: RateRules::FREE,
            ..LIMITS
        };
        let (client, server) = open(&wish, &limits);
        let mirrored = Terms {
            sends: !server.is_sender(),
            own_connection: server.peer_connection(),
            peer_connection: server.own_connection(),
            peer_max_body: client.peer_max_body(),
            ..*server.terms()
        };
        prop_assert_eq!(*client.terms(), mirrored);
        prop_assert_eq!(client.policy(), wish.policy);
    }
}
