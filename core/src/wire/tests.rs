//! Golden vectors, and what broken bytes do, for all datagrams together.

mod properties;

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::units::{ConnectionId, ObjectId};

const VECTORS: &str = include_str!("../../../tests/vectors/wire.hex");

pub(super) fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = digits.as_bytes().chunks(2);
    bytes
        .map(|byte| core::str::from_utf8(byte).expect("ASCII"))
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

fn vectors() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    VECTORS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(" = ").expect("`name = hex`"))
        .map(|(name, digits)| (name, hex(digits)))
}

fn vector(name: &str) -> Vec<u8> {
    let found = vectors().find(|(other, _)| *other == name);
    found.unwrap_or_else(|| panic!("no vector `{name}`")).1
}

fn written(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut body = std::vec![0xEE; 70_000];
    let mut writer = FrameWriter::new(&mut body);
    for frame in frames {
        writer.push(frame).expect("a frame that fits");
    }
    let len = writer.len();
    body.truncate(len);
    body
}

/// Each frame is written as the vector of its name, and that vector reads as the frame.
fn assert_golden(expected: &[(&str, Frame<'_>)]) {
    for (name, frame) in expected {
        let bytes = vector(name);
        let mut frames = Frames::new(&bytes);
        assert_eq!(frames.next(), Some(Ok(*frame)), "{name}");
        assert_eq!(frames.next(), None, "{name}");
        assert_eq!(written(&[*frame]), bytes, "{name}");
    }
}

const REPORT: ReportFields = ReportFields {
    ecn_seen: true,
    storage_limited: false,
    urgent: true,
    interval_quarter_ms: 20,
    sequence: 513,
    largest: 9_000,
    echoed_clock: 0x0102_0304,
    arrival_clock: 0x1112_1314,
    held_us: 250,
    covered_us: 5_000,
    received: 95,
    passed: 100,
    received_bytes: 136_800,
    least_delay_us: -70_000,
    median_over_least: 3,
    largest_over_least: 65_535,
    received_total: 8_910,
    congestion_marks: 7,
    reorder_log2: 2,
    credit_kib: 65_536,
    drain_kib_s: 500_000,
};

const fn block(object: u32, offset: u64, fin: bool, payload: Payload<'_>) -> DataBlock<'_> {
    DataBlock {
        object: ObjectId(object),
        offset,
        fin,
        payload,
    }
}

#[test]
fn headers_are_the_golden_bytes() {
    let data = Header {
        key_phase: true,
        repeated: false,
        kind: PacketKind::Data,
        connection: ConnectionId::new(0x00AB_CDEF),
        packet_number: 0x0102_0304,
        clock: 0x0A0B_0C0D,
    };
    let frames = Header {
        key_phase: false,
        repeated: true,
        kind: PacketKind::Frames,
        connection: ConnectionId::new(1),
        packet_number: u32::MAX,
        clock: 0,
    };
    for (name, header) in [("header_data", data), ("header_frames", frames)] {
        let bytes = vector(name);
        assert_eq!(Header::decode(&bytes), Ok(header), "{name}");
        assert_eq!(header.encode()[..], bytes, "{name}");
    }
}

#[test]
fn data_bodies_are_the_golden_bytes() {
    for (name, expected) in [
        (
            "data_bytes",
            block(7, 0x01_0203, true, Payload::Bytes(b"hello")),
        ),
        (
            "data_zeros",
            block(1, 1 << 32, false, Payload::Zeros(1 << 20)),
        ),
        ("data_empty_file", block(2, 0, true, Payload::Bytes(b""))),
    ] {
        let bytes = vector(name);
        assert_eq!(DataBlock::decode(&bytes), Ok(expected), "{name}");
        let mut encoded = std::vec![0; bytes.len()];
        assert_eq!(expected.encode(&mut encoded), Ok(bytes.len()), "{name}");
        assert_eq!(encoded, bytes, "{name}");
        assert_eq!(expected.encode(&mut encoded[1..]), Err(Full), "{name}");
    }
}

#[test]
fn control_frames_are_the_golden_bytes() {
    let bits = 0x0123_4567_89AB_CDEF;
    assert_golden(&[
        ("ping", Frame::Ping { id: 0x1122_3344 }),
        (
            "pong",
            Frame::Pong {
                id: 0x1122_3344,
                held_us: 1_500,
            },
        ),
        ("path_challenge", Frame::PathChallenge(bits)),
        ("path_response", Frame::PathResponse(bits)),
        (
            "train",
            Frame::Train {
                train: 2,
                index: 5,
                count: 32,
            },
        ),
        (
            "train_result",
            Frame::TrainResult {
                train: 2,
                received: 31,
                instants: 30,
                first_arrival: 0xFFFF_FFF0,
                last_arrival: 0x10,
                bytes: 43_200,
            },
        ),
        (
            "sack",
            Frame::Sack {
                largest: 1_000,
                earlier: 1 | 1 << 63,
            },
        ),
        (
            "sender_state",
            Frame::SenderState {
                floor: 100,
                next: 200,
                phase: SendPhase::Tail,
                queued_kib: 4_096,
                round_trip_us: 100_000,
            },
        ),
    ]);
}

#[test]
fn frames_with_content_are_the_golden_bytes() {
    let tail = block(7, 5, true, Payload::Bytes(b"tail"));
    let hole = block(7, 0, true, Payload::Zeros(4_096));
    assert_golden(&[
        (
            "meta",
            Frame::Meta {
                offset: 1 << 40,
                bytes: b"meta",
            },
        ),
        (
            "decide",
            Frame::Decide {
                offset: 3,
                bytes: b"",
            },
        ),
        ("chunk_bytes", Frame::Chunk(tail)),
        ("chunk_zeros", Frame::Chunk(hole)),
        (
            "whole",
            Frame::Whole {
                object: ObjectId(8),
                record: &[0xA0],
                data: b"xyz",
            },
        ),
        (
            "close",
            Frame::Close {
                code: 10,
                text: "bye",
            },
        ),
        ("close_ack", Frame::CloseAck { code: 0, text: "" }),
    ]);
}

#[test]
fn reports_are_the_golden_bytes() {
    let without_map = Report {
        fields: REPORT,
        loss_map: None,
    };
    let map_bytes = vector("report_loss_map").split_off(3 + 60 + 8);
    let loss_map = LossMap::new(4_294_967_000, 2_053, &map_bytes).unwrap();
    let with_map = Report {
        fields: ReportFields {
            ecn_seen: false,
            storage_limited: true,
            urgent: false,
            ..REPORT
        },
        loss_map: Some(loss_map),
    };
    assert_golden(&[
        ("report", Frame::Report(without_map)),
        ("report_loss_map", Frame::Report(with_map)),
    ]);

    let run = |start, len, fate| Run { start, len, fate };
    let runs: Vec<_> = loss_map.runs().collect();
    let first_of_all = [
        run(0, 512, Fate::Received),
        run(512, 512, Fate::Missing),
        run(1_024, 1, Fate::Received),
        run(1_025, 1, Fate::Missing),
        run(1_026, 1, Fate::Received),
        run(1_027, 3, Fate::Missing),
        run(1_030, 506, Fate::Received),
        run(1_536, 1, Fate::Missing),
        run(1_537, 1, Fate::Received),
    ];
    assert_eq!(runs[..9], first_of_all);
    assert_eq!(runs.len(), 7 + 512 + 1);
    assert_eq!(
        runs[518..],
        [run(2_047, 5, Fate::Received), run(2_052, 1, Fate::Missing)]
    );
}

#[test]
fn padding_ends_the_list_and_must_be_zero() {
    let mut bytes = vector("padded");
    let mut body = [0xEE; 12];
    let mut writer = FrameWriter::new(&mut body);
    writer.push(&Frame::Ping { id: 1 }).unwrap();
    writer.pad_to(12).unwrap();
    assert_eq!(body[..], bytes);
    let frames: Vec<_> = Frames::new(&bytes).collect();
    assert_eq!(frames, [Ok(Frame::Ping { id: 1 })]);

    bytes[11] = 1;
    let frames: Vec<_> = Frames::new(&bytes).collect();
    assert_eq!(
        frames,
        [Ok(Frame::Ping { id: 1 }), Err(WireError::PaddingNotZero)]
    );
}

#[test]
fn the_constants_are_what_the_frames_take() {
    let none = Payload::Bytes(b"");
    for (frame, len) in [
        (Frame::Ping { id: 0 }, PING_BYTES),
        (Frame::Pong { id: 0, held_us: 0 }, PONG_BYTES),
        (Frame::PathChallenge(0), PATH_BYTES),
        (Frame::PathResponse(0), PATH_BYTES),
        (
            Frame::Meta {
                offset: 0,
                bytes: b"",
            },
            META_OVERHEAD,
        ),
        (
            Frame::Decide {
                offset: 0,
                bytes: b"",
            },
            DECIDE_OVERHEAD,
        ),
        (Frame::Chunk(block(1, 0, false, none)), CHUNK_OVERHEAD),
        (
            Frame::Whole {
                object: ObjectId(1),
                record: b"",
                data: b"",
            },
            WHOLE_OVERHEAD,
        ),
        (Frame::Close { code: 0, text: "" }, CLOSE_OVERHEAD),
        (Frame::CloseAck { code: 0, text: "" }, CLOSE_OVERHEAD),
        (
            Frame::Report(Report::default()),
            REPORT_OVERHEAD + REPORT_FIXED_BYTES,
        ),
    ] {
        assert_eq!(written(&[frame]).len(), len, "{frame:?}");
    }
    assert_eq!(vector("train").len(), TRAIN_BYTES);
    assert_eq!(vector("train_result").len(), TRAIN_RESULT_BYTES);
    assert_eq!(vector("sack").len(), SACK_BYTES);
    assert_eq!(vector("sender_state").len(), SENDER_STATE_BYTES);
    assert_eq!(vector("data_empty_file").len(), DATA_PREFIX_BYTES);
}

#[test]
fn a_frame_cut_anywhere_is_an_error_and_ends_the_list() {
    for (name, bytes) in vectors() {
        if name.starts_with("header") {
            for cut in 0..bytes.len() {
                assert_eq!(Header::decode(&bytes[..cut]), Err(WireError::Truncated));
            }
        } else if name.starts_with("data") {
            for cut in 0..DATA_PREFIX_BYTES {
                assert_eq!(DataBlock::decode(&bytes[..cut]), Err(WireError::Truncated));
            }
        } else if name != "padded" {
            for cut in 0..bytes.len() {
                let mut frames = Frames::new(&bytes[..cut]);
                let expected = match cut {
                    0 => WireError::NoFrames,
                    _ => WireError::Truncated,
                };
                assert_eq!(frames.next(), Some(Err(expected)), "{name} cut at {cut}");
                assert_eq!(frames.next(), None, "{name} cut at {cut}");
            }
        }
    }
}

#[test]
fn frames_before_a_broken_one_stand_and_those_behind_it_do_not() {
    for (digits, error) in [
        ("07", WireError::UnknownFrame(0x07)),
        ("40", WireError::UnknownFrame(0x40)),
        ("05 02050001", WireError::ReservedNotZero),
        (
            "06 021f0001 00000000 00000000 00000000",
            WireError::ReservedNotZero,
        ),
        (
            "12 00000000 00000000 03 000000 00000000",
            WireError::UnknownPhase(3),
        ),
        ("20 ffffffffffff 0001 00", WireError::BeyondStream),
        ("21 ffffffffffff 0001 00", WireError::BeyondStream),
        ("22 00000000 00 00000000000000 0000", WireError::ObjectZero),
        ("22 00000001 02 00000000000000 0001 00", WireError::ZeroRun),
        (
            "22 00000001 08 00000000000000 0000",
            WireError::UnknownFlags(8),
        ),
        ("23 00000000 0000 0000", WireError::ObjectZero),
        ("30 0000 01 ff", WireError::TextNotUtf8),
        ("31 0000 02 c3c3", WireError::TextNotUtf8),
    ] {
        let mut body = vector("ping");
        body.extend(hex(digits));
        body.extend(vector("ping"));
        let frames: Vec<_> = Frames::new(&body).collect();
        let ping = Frame::Ping { id: 0x1122_3344 };
        assert_eq!(frames, [Ok(ping), Err(error)], "{digits}");
    }
}

#[test]
fn a_list_of_65_frames_is_an_error_after_the_64th_and_padding_does_not_count() {
    let ping = vector("ping");
    let mut body = ping.repeat(MAX_FRAMES);
    body.push(0);
    assert!(Frames::new(&body).all(|frame| frame.is_ok()));
    let body = ping.repeat(MAX_FRAMES + 1);
    let frames: Vec<_> = Frames::new(&body).collect();
    assert_eq!(frames.len(), 65);
    assert_eq!(frames[64], Err(WireError::TooManyFrames));
}

#[test]
fn a_queue_too_long_for_its_field_is_reported_as_the_longest() {
    let state = |queued_kib| Frame::SenderState {
        floor: 0,
        next: 0,
        phase: SendPhase::Done,
        queued_kib,
        round_trip_us: 0,
    };
    assert_eq!(written(&[state(u32::MAX)]), written(&[state(0x00FF_FFFF)]));
}
