//! A receiver and a sender that holds the keys and breaks every rule.
//!
//! Whatever comes, the receiver neither panics nor spins, tells each object's events once, lends no byte
//! outside of an offered file or twice, and completes a file only when every byte was lent.

use std::collections::{BTreeMap, BTreeSet};

use fasp_core::crypto::{Role, Sealer};
use fasp_core::fault::Fault;
use fasp_core::metadata::record::{encode_meta, encode_open};
use fasp_core::metadata::{ByteRange, LinkRecord, MetaRecord, ObjectKind, OpenRecord};
use fasp_core::receiver::{Block, Decision, Receiver, ReceiverEvent};
use fasp_core::time::{Duration, Instant};
use fasp_core::units::ObjectId;
use fasp_core::wire::{DataBlock, Frame, FrameWriter, PacketKind, Payload, SendPhase};

use crate::choices::{Choices, Session, assert_rests, keys, sealed};

/// What the host knows of an object.
#[derive(Debug, Default)]
struct Known {
    size: u64,
    /// Ranges lent out or present, sorted, disjoint.
    there: Vec<(u64, u64)>,
    ended: bool,
    result_given: bool,
}

impl Known {
    fn add(&mut self, start: u64, end: u64) {
        self.there.push((start, end));
        self.there.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for &(start, end) in &self.there {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        self.there = merged;
    }

    fn is_whole(&self) -> bool {
        self.size == 0 || self.there == [(0, self.size)]
    }
}

struct Attack<'c> {
    choices: Choices<'c>,
    receiver: Box<Receiver<4, 16, 8, 4_608>>,
    sealer: Sealer,
    now: Instant,
    meta: Vec<u8>,
    meta_sent: usize,
    known: BTreeMap<u32, Known>,
    pending: BTreeSet<u32>,
    once: BTreeSet<&'static str>,
    decides: bool,
}

/// Plays the operations that `bytes` spell out.
pub fn run(bytes: &[u8]) {
    let mut attack = Attack::new(bytes);
    while !attack.choices.is_empty() {
        attack.step();
    }
}

/// Sends the longest run of zero bytes for an object over and over.
pub fn repeat_a_run_of_zeros(times: u32) {
    let mut attack = Attack::new(&[]);
    let open = MetaRecord::Open(OpenRecord {
        object: ObjectId(1),
        path: b"a",
        kind: ObjectKind::File,
        size: (1 << 56) - 1,
        modified_ns: 0,
        accessed_ns: 0,
        mode: 0,
    });
    let mut record = [0; 100];
    let length = encode_meta(&open, &mut record).expect("room");
    let mut body = [0; 200];
    let mut writer = FrameWriter::new(&mut body);
    let bytes = &record[..length];
    writer
        .push(&Frame::Meta { offset: 0, bytes })
        .expect("room");
    let length = writer.len();
    attack.deliver(PacketKind::Frames, &body[..length]);
    let block = DataBlock {
        object: ObjectId(1),
        offset: 0,
        fin: true,
        payload: Payload::Zeros((1 << 56) - 1),
    };
    let length = block.encode(&mut body).expect("room");
    for _ in 0..times {
        attack.deliver(PacketKind::Data, &body[..length]);
        attack.drain();
    }
    assert_eq!(attack.receiver.statistics().file_bytes_repeated, u64::MAX);
}

impl<'c> Attack<'c> {
    fn new(bytes: &'c [u8]) -> Self {
        let mut choices = Choices(bytes);
        let session = Session {
            decides: choices.below(2) == 1,
            sends: false,
            packet_window: choices.pick(&[16, 192]),
            report_size: choices.pick(&[128, 1_440]),
        };
        let now = Instant::from_micros(choices.pick(&[1, (1 << 32) - 1_000]));
        let (sealer, opener) = keys(Role::Server);
        let agreement = session.agreement();
        let receiver = Receiver::new(&agreement, sealer, opener, 100_000, now);
        Self {
            choices,
            receiver: Box::new(receiver),
            sealer: keys(Role::Client).0,
            now,
            meta: Vec::new(),
            meta_sent: 0,
            known: BTreeMap::new(),
            pending: BTreeSet::new(),
            once: BTreeSet::new(),
            decides: session.decides,
        }
    }

    fn step(&mut self) {
        match self.choices.below(16) {
            0 => {
                let micros = self.choices.pick(&[1, 900, 20_000, 1_000_000]);
                self.now += Duration::from_micros(micros);
                self.receiver.handle_timeout(self.now);
            }
            1 => self.finish_one(),
            2 => {
                let bytes = self.choices.number();
                self.receiver.handle_written(bytes);
            }
            3..=5 => {
                let body = self.data();
                self.deliver(PacketKind::Data, &body);
            }
            6 => {
                let body = self.choices.bytes(200).to_vec();
                let kind = self.choices.pick(&[PacketKind::Data, PacketKind::Frames]);
                self.deliver(kind, &body);
            }
            7 => {
                // A hole in the packet numbers.
                for _ in 0..self.choices.u8() {
                    sealed(&mut self.sealer, PacketKind::Frames, 0, &[1; 5]);
                }
            }
            _ => {
                let body = self.frames();
                self.deliver(PacketKind::Frames, &body);
            }
        }
        self.drain();
    }

    fn object(&mut self) -> ObjectId {
        ObjectId(match self.choices.u8() {
            0..=249 => u32::from(self.choices.below(20)) + 1,
            250..=252 => u32::MAX,
            _ => self.choices.u32().max(1),
        })
    }

    fn block<'b>(&mut self, room: &'b [u8]) -> DataBlock<'b> {
        let object = self.object();
        let offset = self.choices.number().min((1 << 56) - 1);
        let most = (1 << 56) - 1 - offset;
        let payload = if self.choices.below(4) == 0 {
            Payload::Zeros(self.choices.number().min(most))
        } else {
            let length = u64::from(self.choices.below(60)).min(most) as usize;
            Payload::Bytes(&room[..length])
        };
        DataBlock {
            object,
            offset,
            fin: self.choices.below(2) == 1,
            payload,
        }
    }

    fn data(&mut self) -> Vec<u8> {
        let mut body = vec![0; 200];
        let length = self
            .block(&[7; 60])
            .encode(&mut body)
            .expect("the block fits");
        body.truncate(length);
        body
    }

    fn open<'p>(&mut self, path: &'p [u8]) -> OpenRecord<'p> {
        let kind = self
            .choices
            .pick(&[ObjectKind::File, ObjectKind::File, ObjectKind::Directory]);
        let size = self.choices.number();
        OpenRecord {
            object: self.object(),
            path,
            kind,
            size: if kind == ObjectKind::File { size } else { 0 },
            modified_ns: 0,
            accessed_ns: 0,
            mode: 0,
        }
    }

    fn add_record(&mut self) {
        let mut out = [0; 200];
        let next = ObjectId(self.known.len() as u32 + 1);
        let fault = self.choices.pick(&[None, None, Some(Fault::DiskRead)]);
        let record = match self.choices.below(120) {
            0..=59 => MetaRecord::Open(OpenRecord {
                object: next,
                ..self.open(b"a")
            }),
            60 => MetaRecord::Open(self.open(b"a/b")),
            61..=65 => MetaRecord::Link(LinkRecord {
                object: next,
                path: b"a/l",
                target: b"../../x",
                replaces: self.choices.below(2) == 0,
            }),
            66..=117 => MetaRecord::Close {
                object: self.object(),
                fault,
                root: self.choices.below(2).eq(&0).then_some(&[7; 32]),
                checksum: self.choices.below(4).eq(&0).then_some(&[9; 16]),
            },
            118 => MetaRecord::End {
                objects: self.choices.number() as u32,
                bytes: self.choices.number(),
            },
            _ => {
                let garbage = self.choices.bytes(20);
                return self.meta.extend(garbage);
            }
        };
        if let Ok(length) = encode_meta(&record, &mut out) {
            self.meta.extend(&out[..length]);
        }
    }

    fn frames(&mut self) -> Vec<u8> {
        let mut body = vec![0; 1_400];
        let count = self.choices.pick(&[1, 1, 2, 5, 64]);
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
        let frame = match self.choices.below(18) {
            0..=5 => {
                self.add_record();
                let from = self.meta_sent;
                self.meta_sent = self.meta.len();
                let bytes = self.meta[from..].to_vec();
                return writer
                    .push(&Frame::Meta {
                        offset: from as u64,
                        bytes: &bytes,
                    })
                    .is_ok();
            }
            6 => Frame::Meta {
                offset: self.choices.number() & 0xFFFF_FFFF_FF00,
                bytes: self.choices.bytes(30),
            },
            7..=9 => Frame::Chunk(self.block(&[9; 60])),
            10 => return self.whole(writer),
            11 => Frame::Sack {
                largest: self.choices.number() as u32,
                earlier: self.choices.u64(),
            },
            12 => Frame::SenderState {
                floor: self.choices.number() as u32,
                next: self.choices.number() as u32,
                phase: self
                    .choices
                    .pick(&[SendPhase::Running, SendPhase::Tail, SendPhase::Done]),
                queued_kib: 0,
                round_trip_us: self.choices.number() as u32,
            },
            13 => Frame::Ping { id: 1 },
            14 => Frame::PathChallenge(self.choices.u64()),
            15..=16 => Frame::Train {
                train: self.choices.below(10),
                index: self.choices.u8(),
                count: self.choices.u8(),
            },
            _ => Frame::CloseAck { code: 1, text: "" },
        };
        writer.push(&frame).is_ok()
    }

    fn whole(&mut self, writer: &mut FrameWriter<'_>) -> bool {
        let mut record = [0; 100];
        let data = [5; 40];
        let length = usize::from(self.choices.below(40));
        let mut open = self.open(b"w");
        if self.choices.below(8) > 0 {
            (open.size, open.kind) = (length as u64, ObjectKind::File);
        }
        let Ok(record_length) = encode_open(&open, &mut record) else {
            return true;
        };
        let object = self.choices.pick(&[open.object, open.object, ObjectId(3)]);
        writer
            .push(&Frame::Whole {
                object,
                record: &record[..record_length],
                data: &data[..length],
            })
            .is_ok()
    }

    fn deliver(&mut self, kind: PacketKind, body: &[u8]) {
        let clock = self.choices.pick(&[self.now.wire_clock(), 0, u32::MAX]);
        let mut datagram = sealed(&mut self.sealer, kind, clock, body);
        if self.choices.below(16) == 15 {
            return;
        }
        let mut again = datagram.clone();
        let mut ended = Vec::new();
        let Ok(arrival) = self.receiver.handle_datagram(self.now, &mut datagram) else {
            return;
        };
        let blocks: Vec<_> = arrival.blocks().collect();
        self.events(&mut ended);
        for block in blocks {
            self.take(block);
        }
        self.judge(&ended);
        assert!(
            self.receiver.handle_datagram(self.now, &mut again).is_err(),
            "the same packet number was taken twice"
        );
    }

    fn take(&mut self, block: Block<'_>) {
        let (object, start, end) = match block {
            Block::Bytes {
                object,
                offset,
                bytes,
            } => (object, offset, offset + bytes.len() as u64),
            Block::Zeros {
                object,
                offset,
                length,
            } => (object, offset, offset + length),
            Block::Whole { record, bytes } => {
                assert_eq!(record.size, bytes.len() as u64);
                let known = Known {
                    ended: true,
                    ..Known::default()
                };
                let before = self.known.insert(record.object.0, known);
                assert!(before.is_none(), "{record:?} was known");
                self.pending.insert(record.object.0);
                return;
            }
        };
        let known = self.known.get_mut(&object.0).expect("an offered object");
        assert!(end <= known.size, "{start}..{end} of {object:?} is outside");
        known.add(start, end);
    }

    /// Polls all events; completions and cancellations are judged after the blocks that came with them.
    fn events(&mut self, ended: &mut Vec<(u32, bool)>) {
        let mut offered = Vec::new();
        let mut turns = 0;
        while let Some(event) = self.receiver.poll_event() {
            turns += 1;
            assert!(turns < 2_000, "events without end");
            let once = match event {
                ReceiverEvent::Offered(record) => {
                    let known = Known {
                        size: record.size,
                        ..Known::default()
                    };
                    let before = self.known.insert(record.object.0, known);
                    assert!(before.is_none(), "{record:?} was known");
                    offered.push(record.object);
                    continue;
                }
                ReceiverEvent::Linked(link) => {
                    let before = self.known.insert(link.object.0, Known::default());
                    assert!(before.is_none(), "{link:?} was known");
                    continue;
                }
                ReceiverEvent::Complete(object) => {
                    assert!(
                        !self.known[&object.0].result_given,
                        "{object:?} had its result"
                    );
                    ended.push((object.0, true));
                    continue;
                }
                ReceiverEvent::Cancelled { object, .. } => {
                    self.known.entry(object.0).or_default();
                    ended.push((object.0, false));
                    continue;
                }
                ReceiverEvent::Root { object, .. } => {
                    assert!(self.known.contains_key(&object.0), "{object:?} is unknown");
                    continue;
                }
                ReceiverEvent::Sending { object, .. } | ReceiverEvent::Recheck(object) => {
                    panic!("nothing of {object:?} was checked");
                }
                ReceiverEvent::Connected => "connected",
                ReceiverEvent::Ended { .. } => "ended",
                ReceiverEvent::Settled => "settled",
                ReceiverEvent::Failed(_) => "failed",
                _ => "other",
            };
            assert!(self.once.insert(once), "{once} twice");
        }
        for object in offered {
            self.decide(object);
        }
    }

    fn decide(&mut self, object: ObjectId) {
        let size = self.known[&object.0].size;
        match self.choices.below(if self.decides { 6 } else { 2 }) {
            0 => self.give_result(object, Some(Fault::NoPermissions)),
            1 => {}
            2 => {
                self.receiver.decide(object, Decision::Skip);
            }
            3 if size > 20 => {
                let missing = [
                    ByteRange { start: 3, end: 9 },
                    ByteRange { start: 15, end: 20 },
                ];
                self.receiver.decide(object, Decision::Resume(&missing));
                let known = self.known.get_mut(&object.0).expect("known");
                if missing.len() < 8 {
                    known.add(0, 3);
                    known.add(9, 15);
                    known.add(20, size);
                }
            }
            _ => self.receiver.decide(object, Decision::Go),
        }
    }

    fn judge(&mut self, ended: &[(u32, bool)]) {
        for &(object, complete) in ended {
            let known = self
                .known
                .get_mut(&object)
                .expect("an object that is known");
            assert!(!known.ended, "object {object} ended twice");
            known.ended = true;
            if complete {
                assert!(known.is_whole(), "object {object}: {known:?}");
            }
            self.pending.insert(object);
        }
    }

    fn finish_one(&mut self) {
        let nth = usize::from(self.choices.u8()) % (self.pending.len() + 1);
        let object = self.pending.iter().copied().nth(nth);
        if let Some(object) = object {
            self.pending.remove(&object);
            let fault = self.choices.pick(&[None, Some(Fault::NoSpaceLeft)]);
            self.give_result(ObjectId(object), fault);
        } else {
            let (object, fault) = (self.object(), Some(Fault::DiskWrite));
            self.give_result(object, fault);
        }
    }

    fn give_result(&mut self, object: ObjectId, fault: Option<Fault>) {
        if let Some(known) = self.known.get_mut(&object.0) {
            known.result_given = true;
            self.receiver.handle_result(object, fault);
        }
    }

    fn drain(&mut self) {
        let mut ended = Vec::new();
        self.events(&mut ended);
        self.judge(&ended);
        let mut out = [0; 1_500];
        let mut sent = 0;
        while let Some(length) = self.receiver.poll_transmit(self.now, &mut out) {
            assert!(length <= 1_472);
            sent += 1;
            assert!(sent < 300, "datagrams without end");
        }
        assert_rests(self.receiver.poll_timeout(), self.now);
        let mut ended = Vec::new();
        self.events(&mut ended);
        self.judge(&ended);
    }
}
