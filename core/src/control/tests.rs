//! Control messages against bytes made elsewhere, against themselves, and against damage.

mod damage;
mod framing;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel, TransferDirection};
use super::*;
use crate::selection::links::LinkMethod;
use crate::units::{BitRate, ConnectionId, ObjectId};

const VECTORS: &str = include_str!("../../../tests/vectors/control.hex");

/// The bytes that the vector file has under `name`.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let hex = VECTORS
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(found, hex)| (found == name).then_some(hex))
        .expect("a vector of that name");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

const CLIENT_SECRET: [u8; 32] = ascending(0);
const SERVER_SECRET: [u8; 32] = ascending(32);

const fn ascending(first: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut next = first;
    let mut i = 0;
    while i < 32 {
        bytes[i] = next;
        next += 1;
        i += 1;
    }
    bytes
}

fn hello() -> Hello<'static> {
    Hello {
        versions: VersionList::from_slice(&[1]).unwrap(),
        direction: TransferDirection::Upload,
        secret: Secret(&CLIENT_SECRET),
        suites: SuiteList::from_slice(&[0x10, 0x20]).unwrap(),
        connection: ConnectionId::new(0x00AB_CDEF),
        max_datagram: 9_000,
        fixed_datagram: None,
        report_size: 1_440,
        target_rate: BitRate(300_000_000),
        minimum_rate: BitRate(1_000_000),
        policy: RatePolicy::Fair,
        resume: ResumeLevel::Attributes,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::TIMES,
        udp_port: 33_001,
        destination: b"in/\xFF",
        flags: HelloFlags {
            create_destination: true,
            measures: false,
            renames_again: false,
            selects: false,
            ..HelloFlags::default()
        },
        sources: 2,
        object_window: 4_096,
        packet_window: 1 << 20,
        max_body: 1 << 20,
        program: "ascp 0.1.0",
        metadata_window: 1 << 18,
        files: FileWishes::default(),
        records: RecordTerms::default(),
        security: SecurityTerms::default(),
    }
}

fn accept() -> Accept<'static> {
    Accept {
        version: 1,
        secret: Secret(&SERVER_SECRET),
        suite: 0x10,
        connection: ConnectionId::new(0x0012_3456),
        max_datagram: 1_472,
        fixed_datagram: None,
        report_size: 1_440,
        target_rate: BitRate(100_000_000),
        minimum_rate: BitRate(1_000_000),
        policy: RatePolicy::Fair,
        resume: ResumeLevel::Attributes,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::TIMES,
        udp_port: 33_002,
        object_window: 2_048,
        packet_window: 65_536,
        max_body: 4_608,
        program: "ascp 0.1.0",
        metadata_window: 65_536,
        lanes: 1,
        udp_address: None,
        renames: false,
        checksum: None,
        split_from: 0,
    }
}

/// Each vector with the message it stands for.
fn samples() -> Vec<(&'static str, ControlMessage<'static>)> {
    let mut samples = opening_samples();
    samples.extend(running_samples());
    samples.extend(source_samples());
    samples
}

fn opening_samples() -> Vec<(&'static str, ControlMessage<'static>)> {
    vec![
        ("hello", ControlMessage::Hello(hello())),
        ("accept", ControlMessage::Accept(accept())),
        (
            "accept_with_address",
            ControlMessage::Accept(Accept {
                udp_address: Some("192.0.2.7"),
                ..accept()
            }),
        ),
        (
            "reject",
            ControlMessage::Reject {
                code: 1,
                text: "the peer speaks protocol version 7, this program speaks 1",
            },
        ),
    ]
}

fn running_samples() -> Vec<(&'static str, ControlMessage<'static>)> {
    vec![
        ("udp_ok", ControlMessage::UdpOk),
        ("udp_fail", ControlMessage::UdpFail),
        (
            "rate",
            ControlMessage::Rate(Rate {
                target: BitRate(50_000_000),
                minimum: BitRate(0),
                policy: RatePolicy::Fixed,
            }),
        ),
        (
            "file_err",
            ControlMessage::FileError(FileError {
                object: Some(ObjectId(7)),
                code: 35,
                text: "Disk read error",
                path: b"a/b\n",
                delivered: false,
            }),
        ),
        (
            "file_err_without_object",
            ControlMessage::FileError(FileError {
                object: None,
                code: 4,
                text: "No such file or directory",
                path: b"gone",
                delivered: false,
            }),
        ),
        (
            "cancel",
            ControlMessage::Cancel {
                code: 28,
                text: "Cancelled by user",
            },
        ),
        (
            "summary",
            ControlMessage::Summary(Summary {
                code: 27,
                text: "One or more files failed",
                delivered: 3,
                failed: 1,
                skipped: 2,
                bytes: 5_000_000_000,
            }),
        ),
        ("summary_ack", ControlMessage::SummaryAck { code: 0 }),
        ("keepalive", ControlMessage::KeepAlive),
    ]
}

fn source_samples() -> Vec<(&'static str, ControlMessage<'static>)> {
    vec![
        (
            "sources",
            ControlMessage::Sources {
                paths: SourcePaths::new(&[b"vol1/a", b"vol1/\xFE"]),
                more: true,
            },
        ),
        (
            "rules",
            ControlMessage::Rules(Rules {
                rules: SourcePaths::new(&[b"- *.tmp"]),
                newer_than: Some(1_700_000_000),
                links: LinkMethod::CopyForce,
                skip_special: true,
                on_demand: true,
                base: Some(b"d1"),
                part: Some(WantedBytes {
                    start: 10,
                    end: Some(20),
                }),
                ..Rules::everything()
            }),
        ),
        (
            "rules_everything",
            ControlMessage::Rules(Rules::everything()),
        ),
        (
            "sources_wanted",
            ControlMessage::SourcesWanted { messages: 8 },
        ),
        (
            "sources_last",
            ControlMessage::Sources {
                paths: SourcePaths::new(&[]),
                more: false,
            },
        ),
    ]
}

/// The message in `bytes`, header included.
fn parse(bytes: &[u8]) -> Result<Option<ControlMessage<'_>>, DecodeError> {
    let (header, body) = bytes.split_first_chunk().unwrap();
    let (kind, len) = super::framing::parse_header(header, super::framing::MAX_BODY).unwrap();
    assert_eq!(body.len(), usize::try_from(len).unwrap());
    ControlMessage::decode(kind, body)
}

fn encoded(message: &ControlMessage<'_>) -> Vec<u8> {
    let mut out = vec![0xEE; 70_000];
    let len = message.encode(&mut out).unwrap();
    out.truncate(len);
    out
}

#[test]
fn every_message_is_written_as_the_specification_says() {
    for (name, message) in samples() {
        assert_eq!(encoded(&message), vector(name), "{name}");
    }
}

#[test]
fn every_message_is_read_as_the_specification_says() {
    for (name, message) in samples() {
        assert_eq!(parse(&vector(name)), Ok(Some(message)), "{name}");
    }
}

#[test]
fn a_message_fits_a_buffer_of_its_own_size_and_no_smaller_one() {
    for (name, message) in samples() {
        let mut out = vector(name);
        assert_eq!(message.encode(&mut out), Ok(out.len()), "{name}");
        for len in 0..out.len() {
            assert_eq!(message.encode(&mut out[..len]), Err(Full), "{name} {len}");
        }
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    for (name, message) in samples().into_iter().take(3) {
        let shown = std::format!("{message:?}");
        assert!(shown.contains("Secret(..)"), "{name}: {shown}");
        assert!(!shown.contains("3, 4, 5"), "{name}: {shown}");
        assert!(!shown.contains("35, 36, 37"), "{name}: {shown}");
    }
}

#[test]
fn the_versions_of_a_foreign_hello_can_be_read_alone() {
    // {0: [7, 6], 1: "something else"}
    let body = b"\xA2\x00\x82\x07\x06\x01\x6Esomething else";
    assert_eq!(&Hello::peek_versions(body).unwrap()[..], &[7, 6]);
    assert!(Hello::read(body).is_err());
}

#[test]
fn the_paths_of_a_sources_message_are_walked_without_copying() {
    let bytes = vector("sources");
    let Ok(Some(ControlMessage::Sources { paths, more })) = parse(&bytes) else {
        panic!("SOURCES expected");
    };
    assert!(more);
    assert_eq!(paths.len(), 2);
    let walked: Vec<_> = paths.into_iter().collect();
    assert_eq!(walked, [&b"vol1/a"[..], b"vol1/\xFE"]);
    assert!(bytes.as_ptr_range().contains(&walked[1].as_ptr()));
}

prop_compose! {
    fn numbers()(
        small in any::<[u16; 4]>(),
        large in any::<[u32; 6]>(),
        rates in any::<[u64; 2]>(),
        choices in (0_u8..2, 0_u8..4, 0_u8..4, 0_u8..5, 0_u8..4, any::<bool>(), any::<bool>()),
    ) -> Hello<'static> {
        Hello {
            direction: TransferDirection::from_number(choices.0).unwrap(),
            policy: RatePolicy::from_number(choices.1).unwrap(),
            resume: ResumeLevel::from_number(choices.2).unwrap(),
            overwrite: OverwriteRule::from_number(choices.3).unwrap(),
            preserve: Preserve::from_number(choices.4).unwrap(),
            flags: HelloFlags {
                create_destination: choices.5,
                measures: choices.6,
                renames_again: choices.5 && !choices.6,
                selects: choices.6,
                saves_old: choices.5,
                deletes: choices.6,
            },
            max_datagram: small[0],
            fixed_datagram: Some(small[1]).filter(|size| *size != 0),
            report_size: small[2],
            udp_port: small[3],
            connection: ConnectionId::new(large[0]),
            sources: large[1],
            object_window: large[2],
            packet_window: large[3],
            max_body: large[4],
            metadata_window: large[5],
            records: RecordTerms {
                checksum: ChecksumKind::from_number((small[0] % 6) as u8),
                labels: (small[1] % 5) as u8,
                job_size: choices.5,
                block_size: large[0],
                log_folder: choices.6,
            },
            target_rate: BitRate(rates[0]),
            minimum_rate: BitRate(rates[1]),
            ..hello()
        }
    }
}

proptest! {
    #[test]
    fn hello_survives_the_wire(
        numbers in numbers(),
        versions in prop::collection::vec(any::<u16>(), 0..=16),
        suites in prop::collection::vec(any::<u8>(), 0..=16),
        secret in any::<[u8; 32]>(),
        destination in prop::collection::vec(any::<u8>(), 0..600),
        archive in prop::option::of(prop::collection::vec(any::<u8>(), 1..60)),
        bits in (0_u8..16, any::<u8>()),
        node in (1_u8..=MOST_NODES, 1_u8..=MOST_NODES),
        program in ".{0,40}",
    ) {
        let afterwards = AfterTransfer::from_number(bits.0).unwrap_or_default();
        let share = Share::new(node.0, node.1).unwrap_or_default();
        let files = FileWishes {
            afterwards,
            archive: archive.as_deref().filter(|_| !afterwards.remove_files),
            stored: StoredAttributes::from_number(bits.1).unwrap_or_default(),
            share,
            split_from: if share.is_all() { 0 } else { u64::from(bits.1) },
        };
        let message = ControlMessage::Hello(Hello {
            versions: VersionList::from_slice(&versions).unwrap(),
            suites: SuiteList::from_slice(&suites).unwrap(),
            secret: Secret(&secret),
            destination: &destination,
            program: &program,
            files,
            ..numbers
        });
        let bytes = encoded(&message);
        prop_assert_eq!(parse(&bytes), Ok(Some(message)));
    }

    #[test]
    fn accept_survives_the_wire(
        numbers in numbers(),
        version in any::<u16>(),
        suite in any::<u8>(),
        lanes in any::<u8>(),
        address in prop::option::of("[0-9a-f.:]{1,40}"),
    ) {
        let message = ControlMessage::Accept(Accept {
            version,
            suite,
            lanes,
            connection: numbers.connection,
            max_datagram: numbers.max_datagram,
            fixed_datagram: numbers.fixed_datagram,
            report_size: numbers.report_size,
            target_rate: numbers.target_rate,
            minimum_rate: numbers.minimum_rate,
            policy: numbers.policy,
            resume: numbers.resume,
            overwrite: numbers.overwrite,
            preserve: numbers.preserve,
            udp_port: numbers.udp_port,
            object_window: numbers.object_window,
            packet_window: numbers.packet_window,
            max_body: numbers.max_body,
            metadata_window: numbers.metadata_window,
            renames: address.is_some(),
            checksum: numbers.records.checksum,
            split_from: if address.is_some() { u64::from(lanes) } else { 0 },
            udp_address: address.as_deref(),
            ..accept()
        });
        let bytes = encoded(&message);
        prop_assert_eq!(parse(&bytes), Ok(Some(message)));
    }

    #[test]
    fn messages_of_a_running_session_survive_the_wire(
        code in any::<u16>(),
        text in ".{0,300}",
        path in prop::collection::vec(any::<u8>(), 0..300),
        counts in any::<[u32; 4]>(),
        bytes in any::<u64>(),
    ) {
        let (code, text, path) = (code, text.as_str(), path.as_slice());
        for message in [
            ControlMessage::Label(Label { kind: LabelKind::Tags, words: path }),
            ControlMessage::JobSize(JobSize { files: counts[0].into(), bytes }),
            ControlMessage::Reject { code, text },
            ControlMessage::Cancel { code, text },
            ControlMessage::SummaryAck { code },
            ControlMessage::FileError(FileError {
                object: Some(ObjectId(counts[0])).filter(|object| object.0 != 0),
                code,
                text,
                path,
                delivered: false,
            }),
            ControlMessage::Summary(Summary {
                code,
                text,
                delivered: counts[1],
                failed: counts[2],
                skipped: counts[3],
                bytes,
            }),
            ControlMessage::Rate(Rate {
                target: BitRate(bytes),
                minimum: BitRate(counts[0].into()),
                policy: RatePolicy::Low,
            }),
        ] {
            let bytes = encoded(&message);
            prop_assert_eq!(parse(&bytes), Ok(Some(message)));
        }
    }

    #[test]
    fn sources_survive_the_wire(
        paths in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
        more in any::<bool>(),
    ) {
        let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
        let message = ControlMessage::Sources { paths: SourcePaths::new(&paths), more };
        let bytes = encoded(&message);
        prop_assert_eq!(parse(&bytes), Ok(Some(message)));
    }
}
