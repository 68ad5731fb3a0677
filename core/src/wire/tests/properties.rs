//! What holds for any frame and for any bytes.

use std::string::String;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{config, written};
use crate::units::{ConnectionId, ObjectId};
use crate::wire::*;

/// Raw material from which any frame can be made.
#[derive(Clone, Debug)]
struct Seed {
    choice: u8,
    small: u8,
    code: u16,
    words: [u32; 14],
    bits: u64,
    bytes: Vec<u8>,
    more: Vec<u8>,
    text: String,
    lossy: Vec<u8>,
}

fn seed() -> impl Strategy<Value = Seed> {
    (
        (any::<u8>(), any::<u8>(), any::<u16>(), any::<u64>()),
        any::<[u32; 14]>(),
        vec(any::<u8>(), 0..200),
        vec(any::<u8>(), 0..200),
        ".{0,60}",
        vec(any::<[u64; 8]>(), 1..4),
    )
        .prop_map(
            |((choice, small, code, bits), words, bytes, more, text, blocks)| {
                let mut lossy = std::vec![0; 400];
                let mut encoder = LossMapEncoder::new(&mut lossy);
                for block in &blocks {
                    encoder.push_block(block, 512).expect("room for a block");
                }
                let (_, len) = encoder.finish();
                lossy.truncate(len);
                Seed {
                    choice,
                    small,
                    code,
                    words,
                    bits,
                    bytes,
                    more,
                    text,
                    lossy,
                }
            },
        )
}

impl Seed {
    /// The map of one to three blocks, whichever the bytes are.
    fn loss_map(&self, base: u32) -> Option<LossMap<'_>> {
        (1..=3).find_map(|blocks| LossMap::new(base, blocks * 512, &self.lossy).ok())
    }

    fn report(&self) -> Report<'_> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = self.words;
        Report {
            fields: ReportFields {
                ecn_seen: self.small & 1 != 0,
                storage_limited: self.small & 2 != 0,
                urgent: self.small & 4 != 0,
                interval_quarter_ms: self.choice,
                sequence: self.code,
                largest: a,
                echoed_clock: b,
                arrival_clock: c,
                held_us: d,
                covered_us: e,
                received: f,
                passed: g,
                received_bytes: h,
                least_delay_us: i.cast_signed(),
                median_over_least: self.code,
                largest_over_least: !self.code,
                received_total: j,
                congestion_marks: k & 0x00FF_FFFF,
                reorder_log2: self.small,
                credit_kib: l,
                drain_kib_s: m,
            },
            loss_map: self.loss_map(n).filter(|_| self.small & 8 != 0),
        }
    }

    fn block(&self) -> DataBlock<'_> {
        DataBlock {
            object: ObjectId(self.words[0].max(1)),
            offset: self.bits >> 9,
            fin: self.small & 1 != 0,
            payload: if self.small & 2 != 0 {
                Payload::Zeros(u64::from(self.words[1]))
            } else {
                Payload::Bytes(&self.bytes)
            },
        }
    }

    fn frame(&self) -> Frame<'_> {
        let [a, b, c, ..] = self.words;
        let (bytes, text, code) = (self.bytes.as_slice(), self.text.as_str(), self.code);
        let offset = self.bits >> 17;
        match self.choice % 15 {
            0 => Frame::Ping { id: a },
            1 => Frame::Pong { id: a, held_us: b },
            2 => Frame::PathChallenge(self.bits),
            3 => Frame::PathResponse(self.bits),
            4 => Frame::Train {
                train: self.small,
                index: self.choice,
                count: !self.small,
            },
            5 => Frame::TrainResult {
                train: self.small,
                received: self.choice,
                instants: !self.choice,
                first_arrival: a,
                last_arrival: b,
                bytes: c,
            },
            6 => Frame::Report(self.report()),
            7 => Frame::Sack {
                largest: a,
                earlier: self.bits,
            },
            8 => Frame::SenderState {
                floor: a,
                next: b,
                phase: [SendPhase::Running, SendPhase::Tail, SendPhase::Done][a as usize % 3],
                queued_kib: c >> 8,
                round_trip_us: self.words[3],
            },
            9 => Frame::Meta { offset, bytes },
            10 => Frame::Decide { offset, bytes },
            11 => Frame::Chunk(self.block()),
            12 => Frame::Whole {
                object: ObjectId(a.max(1)),
                record: bytes,
                data: &self.more,
            },
            13 => Frame::Close { code, text },
            _ => Frame::CloseAck { code, text },
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_header_survives_the_wire(
        flags: [bool; 3], connection: u32, packet_number: u32, clock: u32, behind: [u8; 3],
    ) {
        let header = Header {
            key_phase: flags[0],
            repeated: flags[1],
            kind: if flags[2] { PacketKind::Data } else { PacketKind::Frames },
            connection: ConnectionId::new(connection),
            packet_number,
            clock,
        };
        let mut datagram = Vec::from(header.encode());
        datagram.extend(behind);
        prop_assert_eq!(Header::decode(&datagram), Ok(header));
    }

    #[test]
    fn a_data_block_survives_the_wire(seed in seed()) {
        let mut body = [0xEE; 300];
        let len = seed.block().encode(&mut body).unwrap();
        prop_assert_eq!(DataBlock::decode(&body[..len]), Ok(seed.block()));
    }

    #[test]
    fn frames_survive_the_wire_in_order(seeds in vec(seed(), 1..=8), padding in 0_usize..20) {
        let frames: Vec<_> = seeds.iter().map(Seed::frame).collect();
        let mut body = written(&frames);
        body.resize(body.len() + padding, 0);
        let back: Result<Vec<_>, _> = Frames::new(&body).collect();
        prop_assert_eq!(back, Ok(frames));
    }

    #[test]
    fn a_buffer_too_short_for_a_frame_takes_none_of_it(seed in seed()) {
        let frame = seed.frame();
        let needed = written(&[frame]).len();
        let mut body = std::vec![0; needed];
        let mut writer = FrameWriter::new(&mut body[1..]);
        prop_assert_eq!(writer.push(&frame), Err(Full));
        prop_assert!(writer.is_empty());
        prop_assert_eq!(FrameWriter::new(&mut body).push(&frame), Ok(()));
    }

    #[test]
    fn any_bytes_decode_without_a_panic(mut bytes in vec(any::<u8>(), 0..300), id in 0_u8..0x32) {
        if let Some(first) = bytes.first_mut() {
            *first = id;
        }
        let _ = Header::decode(&bytes);
        let _ = DataBlock::decode(&bytes);
        let mut seen = 0;
        for frame in Frames::new(&bytes) {
            seen += 1;
            if let Ok(Frame::Report(Report { loss_map: Some(map), .. })) = frame {
                let total: u32 = map.runs().map(|run| run.len).sum();
                prop_assert_eq!(total, map.described());
            }
        }
        prop_assert!(seen <= MAX_FRAMES + 1);
    }

    #[test]
    fn a_flipped_bit_decodes_without_a_panic(seed in seed(), place: prop::sample::Index, bit in 0_u32..8) {
        let mut body = written(&[seed.frame()]);
        let place = place.index(body.len());
        body[place] ^= 1_u8 << bit;
        for frame in Frames::new(&body) {
            if let Ok(Frame::Report(Report { loss_map: Some(map), .. })) = frame {
                let total: u32 = map.runs().map(|run| run.len).sum();
                prop_assert_eq!(total, map.described());
            }
        }
    }
}
