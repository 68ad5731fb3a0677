//! A sender and a receiver that holds the keys and breaks every rule.
//!
//! Whatever comes, the sender neither panics nor spins nor floods, keeps to its path's limits, tells each
//! object's end once, and reads no byte outside of an offered file.

use std::collections::{BTreeMap, BTreeSet};

use fasp_core::crypto::{Role, Sealer};
use fasp_core::fault::Fault;
use fasp_core::metadata::record::encode_decide;
use fasp_core::metadata::{ByteRange, DecideRecord, ObjectKind, OpenRecord};
use fasp_core::sender::{FinishOutcome, ObjectSource, PathTrust, ReadOutcome, Sender, SenderEvent};
use fasp_core::time::{Duration, Instant};
use fasp_core::units::{BitRate, ObjectId};
use fasp_core::wire::{BLOCK_NUMBERS, Frame, FrameWriter, PacketKind, ReportFields};

use crate::choices::{Choices, Session, assert_rests, keys, sealed};

/// Objects offered, and a storage with moods.
#[derive(Debug, Default)]
struct Source {
    sizes: BTreeMap<u32, (u64, ObjectKind)>,
    moods: u64,
    waits: bool,
}

impl Source {
    fn mood(&mut self) -> u64 {
        self.moods = self
            .moods
            .rotate_left(3)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            | 1;
        self.moods >> 32
    }
}

impl ObjectSource for Source {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let size = self.sizes[&object.0].0;
        assert!(offset + buffer.len() as u64 <= size, "beyond {object:?}");
        match self.mood() % 64 {
            0 => ReadOutcome::Failed(Fault::DiskRead),
            1..=8 => {
                self.waits = true;
                ReadOutcome::NotReady
            }
            _ => {
                buffer.fill(1);
                ReadOutcome::Filled
            }
        }
    }

    fn finish(&mut self, object: ObjectId) -> FinishOutcome {
        assert!(self.sizes.contains_key(&object.0));
        match self.mood() % 16 {
            0 => FinishOutcome::Failed(Fault::DiskRead),
            1..=4 => {
                self.waits = true;
                FinishOutcome::NotReady
            }
            _ => FinishOutcome::Unchanged,
        }
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        let (size, kind) = *self.sizes.get(&object.0)?;
        Some(record(object, size, kind))
    }
}

const fn record(object: ObjectId, size: u64, kind: ObjectKind) -> OpenRecord<'static> {
    OpenRecord {
        object,
        path: b"a/b",
        kind,
        size,
        modified_ns: 3,
        accessed_ns: 4,
        mode: 0o600,
    }
}

struct Attack<'c> {
    choices: Choices<'c>,
    sender: Box<Sender<128, 16, 4_608>>,
    source: Source,
    sealer: Sealer,
    now: Instant,
    decisions: Vec<u8>,
    decisions_sent: usize,
    sequence: u16,
    sent: u32,
    ended: BTreeSet<u32>,
    once: BTreeSet<&'static str>,
}

/// Plays the operations that `bytes` spell out.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let session = Session {
        decides: choices.below(2) == 1,
        sends: true,
        packet_window: choices.pick(&[16, 128]),
        report_size: 1_440,
    };
    let now = Instant::from_micros(choices.pick(&[1, (1 << 32) - 1_000]));
    let path = match choices.below(4) {
        0 => PathTrust::Unproven { challenge: 5 },
        _ => PathTrust::Proven,
    };
    let (sealer, opener) = keys(Role::Client);
    let mut sender = Sender::new(&session.agreement(), sealer, opener, path, now);
    if choices.below(3) == 0 {
        sender.measure(BitRate(choices.pick(&[1, 100_000, u64::MAX])));
    }
    let moods = choices.u64();
    let mut attack = Attack {
        choices,
        sender: Box::new(sender),
        source: Source {
            moods,
            ..Source::default()
        },
        sealer: keys(Role::Server).0,
        now,
        decisions: Vec::new(),
        decisions_sent: 0,
        sequence: 0,
        sent: 0,
        ended: BTreeSet::new(),
        once: BTreeSet::new(),
    };
    while !attack.choices.is_empty() {
        attack.step();
    }
}

impl Attack<'_> {
    fn step(&mut self) {
        match self.choices.below(16) {
            0..=2 => {
                let micros = self.choices.pick(&[1, 900, 20_000, 400_000, 1_000_000]);
                self.now += Duration::from_micros(micros);
                self.sender.handle_timeout(self.now);
            }
            3..=5 => self.offer(),
            6 if self.choices.below(8) == 0 => self.sender.end_offers(),
            7 => {
                let body = self.choices.bytes(100).to_vec();
                self.deliver(&body);
            }
            _ => {
                let body = self.frames();
                self.deliver(&body);
            }
        }
        self.drain();
    }

    fn offer(&mut self) {
        let Some(object) = self.sender.next_object() else {
            return;
        };
        let size = match self.choices.below(4) {
            0 => u64::from(self.choices.u8()),
            1 => self.choices.number(),
            _ => u64::from(self.choices.u8()) * 40,
        };
        let (size, kind) = match self.choices.below(6) {
            0 => (0, ObjectKind::Directory),
            _ => (size, ObjectKind::File),
        };
        if self.sender.offer(&record(object, size, kind)).is_ok() {
            self.source.sizes.insert(object.0, (size, kind));
        }
    }

    fn object(&mut self) -> ObjectId {
        ObjectId(match self.choices.u8() {
            0..=239 => u32::from(self.choices.below(24)) + 1,
            240..=250 => u32::MAX,
            _ => self.choices.u32().max(1),
        })
    }

    fn range(&mut self) -> (ObjectId, ObjectId) {
        let (one, other) = (self.object(), self.object());
        match self.choices.below(3) {
            0 => (one.min(other), one.max(other)),
            _ => (one, one),
        }
    }

    fn add_decision(&mut self) {
        let (first, last) = self.range();
        let decision = match self.choices.below(40) {
            0..=13 => DecideRecord::Go { first, last },
            14..=17 => DecideRecord::Skip { first, last },
            18..=25 => {
                let mut missing = heapless::Vec::new();
                let mut at = 0;
                for _ in 0..self.choices.below(5) {
                    let start = at + self.choices.number() % (1 << 40);
                    at = start + 1 + self.choices.number() % (1 << 40);
                    let _ = missing.push(ByteRange { start, end: at });
                }
                DecideRecord::Resume {
                    object: first,
                    missing,
                }
            }
            26..=38 => DecideRecord::Result {
                first,
                last,
                fault: self.choices.pick(&[None, Some(Fault::DiskWrite)]),
            },
            _ => {
                let garbage = self.choices.bytes(12);
                return self.decisions.extend(garbage);
            }
        };
        let mut out = [0; 1_400];
        if let Ok(length) = encode_decide(&decision, &mut out) {
            self.decisions.extend(&out[..length]);
        }
    }

    fn frames(&mut self) -> Vec<u8> {
        let mut body = vec![0; 1_400];
        let count = self.choices.pick(&[1, 1, 2, 64]);
        let mut writer = FrameWriter::new(&mut body);
        for _ in 0..count {
            if !self.frame(&mut writer) {
                break;
            }
        }
        let length = writer.len();
        body.truncate(length);
        body
    }

    fn frame(&mut self, writer: &mut FrameWriter<'_>) -> bool {
        let frame = match self.choices.below(43) {
            0..=17 => return self.report(writer),
            18..=30 => {
                self.add_decision();
                let from = self.decisions_sent;
                self.decisions_sent = self.decisions.len();
                let bytes = self.decisions[from..].to_vec();
                return writer
                    .push(&Frame::Decide {
                        offset: from as u64,
                        bytes: &bytes,
                    })
                    .is_ok();
            }
            31 => Frame::Decide {
                offset: self.choices.number() & 0xFFFF_FFFF_FF00,
                bytes: self.choices.bytes(30),
            },
            32..=33 => Frame::Ping { id: 1 },
            34 => Frame::PathChallenge(self.choices.u64()),
            35..=37 => Frame::PathResponse(5),
            38 => Frame::Sack {
                largest: self.choices.u32(),
                earlier: self.choices.u64(),
            },
            39..=41 => Frame::TrainResult {
                train: self.choices.below(10),
                received: self.choices.u8(),
                instants: self.choices.u8(),
                first_arrival: self.choices.u32(),
                last_arrival: self.choices.u32(),
                bytes: self.choices.u32(),
            },
            _ if self.choices.below(8) == 0 => Frame::Close {
                code: u16::from(self.choices.u8()),
                text: "bad",
            },
            _ => Frame::CloseAck { code: 1, text: "" },
        };
        writer.push(&frame).is_ok()
    }

    /// A number near those that were sent, or any.
    fn packet(&mut self) -> u32 {
        match self.choices.below(8) {
            0 => self.choices.number() as u32,
            _ => self
                .sent
                .wrapping_sub(u32::from(self.choices.below(200)))
                .wrapping_add(8),
        }
    }

    fn report(&mut self, writer: &mut FrameWriter<'_>) -> bool {
        self.sequence = self.sequence.wrapping_add(1);
        let clock = self.now.wire_clock();
        let sane = self.choices.below(3) > 0;
        let mut any = || self.choices.number() as u32;
        let fields = if sane {
            ReportFields {
                echoed_clock: clock.wrapping_sub(20_000),
                covered_us: 10_000,
                received: 10,
                passed: 10,
                received_bytes: 12_000,
                credit_kib: 1_000,
                ..ReportFields::default()
            }
        } else {
            ReportFields {
                echoed_clock: any(),
                arrival_clock: any(),
                held_us: any(),
                covered_us: any(),
                received: any(),
                passed: any(),
                received_bytes: any(),
                least_delay_us: any() as i32,
                median_over_least: any() as u16,
                largest_over_least: any() as u16,
                received_total: any(),
                congestion_marks: any() & 0xFF_FFFF,
                reorder_log2: any() as u8,
                credit_kib: any(),
                drain_kib_s: any(),
                ..ReportFields::default()
            }
        };
        let fields = ReportFields {
            sequence: match self.choices.below(8) {
                0 => self.choices.u32() as u16,
                _ => self.sequence,
            },
            largest: self.packet(),
            ..fields
        };
        let base = self.packet();
        let blocks = self.choices.pick(&[0, 1, 1, 1, 40]);
        let style = self.choices.below(4);
        let words = match style {
            0 => [0; 8],
            1 => [u64::MAX; 8],
            _ => [self.choices.u64(); 8],
        };
        let last = u16::from(self.choices.u8()) + 1;
        writer
            .push_report_with(&fields, base, 1_400, |map| {
                for block in 0..blocks {
                    let valid = if block + 1 == blocks {
                        last
                    } else {
                        BLOCK_NUMBERS as u16
                    };
                    let _ = map.push_block(&words, valid);
                }
            })
            .is_ok()
    }

    fn deliver(&mut self, body: &[u8]) {
        let kind = match self.choices.below(32) {
            0 => PacketKind::Data,
            _ => PacketKind::Frames,
        };
        let mut datagram = sealed(&mut self.sealer, kind, 0, body);
        let _ = self.sender.handle_datagram(self.now, &mut datagram);
    }

    fn events(&mut self) {
        let mut turns = 0;
        while let Some(event) = self.sender.poll_event() {
            turns += 1;
            assert!(turns < 2_000, "events without end");
            let once = match event {
                SenderEvent::Finished { first, last, .. }
                | SenderEvent::Skipped { first, last } => {
                    assert!(last.0 - first.0 < 16, "{first:?}..{last:?}");
                    for id in first.0..=last.0 {
                        assert!(self.source.sizes.contains_key(&id), "{id} was not offered");
                        assert!(self.ended.insert(id), "{id} ended twice");
                    }
                    continue;
                }
                SenderEvent::Resumed { object, present } => {
                    assert!(present <= self.source.sizes[&object.0].0);
                    continue;
                }
                SenderEvent::Connected => "connected",
                SenderEvent::Settled => {
                    assert_eq!(self.ended.len(), self.source.sizes.len());
                    "settled"
                }
                SenderEvent::Failed(_) => "failed",
                _ => "other",
            };
            assert!(self.once.insert(once), "{once} twice");
        }
    }

    fn drain(&mut self) {
        self.events();
        let mut out = [0; 16_000];
        let mut turns = 0;
        while let Some(transmit) =
            self.sender
                .poll_transmit(self.now, &mut out, 8, &mut self.source)
        {
            assert!(transmit.segment_size <= 1_472);
            self.sent += transmit.length.div_ceil(transmit.segment_size) as u32;
            turns += 1;
            assert!(turns < 300, "datagrams without end");
        }
        self.events();
        if !std::mem::take(&mut self.source.waits) {
            assert_rests(self.sender.poll_timeout(), self.now);
        }
    }
}
