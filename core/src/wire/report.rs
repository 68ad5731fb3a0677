//! REPORT: what the receiver measured, and which packet numbers it has and misses.
//!
//! Plain numbers as they stand on the wire; unwrapping 32-bit packet numbers and clocks is the
//! business of the machines, which know what is near.
//!
//! Source: PROTOCOL.md §3.4.

use super::cursor::{Reader, Writer};
use super::error::{Full, WireError};
use super::frame::id;
use super::loss_map::{LossMap, LossMapEncoder};

/// Bytes of frame id and length before a report.
pub const REPORT_OVERHEAD: usize = 3;
/// Bytes of a report without its loss map.
pub const REPORT_FIXED_BYTES: usize = 60;
/// Bytes of a loss map before its blocks.
pub const LOSS_MAP_FIXED_BYTES: usize = 8;

const LOSS_MAP: u8 = 0b0001;
const ECN_SEEN: u8 = 0b0010;
const STORAGE_LIMITED: u8 = 0b0100;
const URGENT: u8 = 0b1000;
const LOW_24_BITS: u32 = 0x00FF_FFFF;

/// The measurements of a report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ReportFields {
    /// Datagrams came with ECN marks that mean something.
    pub ecn_seen: bool,
    /// Storage, not the network, is what limits the receiver.
    pub storage_limited: bool,
    /// Sent early because of what it says.
    pub urgent: bool,
    /// Time between reports in units of 250 µs; 0 = on demand.
    pub interval_quarter_ms: u8,
    /// Number of this report, modulo 2^16.
    pub sequence: u16,
    /// Low 32 bits of the largest packet number received.
    pub largest: u32,
    /// The clock in the header of that packet, µs modulo 2^32.
    pub echoed_clock: u32,
    /// The receiver's clock at its arrival, µs modulo 2^32.
    pub arrival_clock: u32,
    /// Time from that arrival to this report, µs.
    pub held_us: u32,
    /// Time the interval covers, µs.
    pub covered_us: u32,
    /// Packets received in the interval.
    pub received: u32,
    /// Packet numbers newly passed in the interval.
    pub passed: u32,
    /// UDP payload bytes received in the interval.
    pub received_bytes: u32,
    /// Least one-way delay in the interval: arrival clock − header clock, µs modulo 2^32. Only
    /// differences mean something, since the clocks have no common zero.
    pub least_delay_us: i32,
    /// Median minus least one-way delay, units of 16 µs, saturating.
    pub median_over_least: u16,
    /// Largest minus least one-way delay, units of 16 µs, saturating.
    pub largest_over_least: u16,
    /// Packets received in the session, low 32 bits.
    pub received_total: u32,
    /// Packets with congestion marks in the session; the wire carries the low 24 bits.
    pub congestion_marks: u32,
    /// Logarithm to base 2, rounded up, of how many packets one came late; 0 = none did.
    pub reorder_log2: u8,
    /// KiB the receiver can take beyond what it had received at `largest`.
    pub credit_kib: u32,
    /// How fast storage takes bytes, KiB/s; 0 = unknown.
    pub drain_kib_s: u32,
}

/// A report: measurements, and the loss map if it has one.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Report<'a> {
    /// The measurements.
    pub fields: ReportFields,
    /// What arrived and what did not.
    pub loss_map: Option<LossMap<'a>>,
}

impl<'a> Report<'a> {
    /// Reads a whole report, without the frame id and the length before it.
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        if flags & !(LOSS_MAP | ECN_SEEN | STORAGE_LIMITED | URGENT) != 0 {
            return Err(WireError::UnknownFlags(flags));
        }
        let fields = ReportFields::decode(flags, &mut reader)?;
        let loss_map = if flags & LOSS_MAP == 0 {
            None
        } else {
            let base = reader.u32()?;
            let described = reader.u32()?;
            Some(LossMap::new(base, described, reader.rest())?)
        };
        if reader.is_empty() {
            Ok(Self { fields, loss_map })
        } else {
            Err(WireError::ReportLength(
                u16::try_from(body.len()).unwrap_or(u16::MAX),
            ))
        }
    }

    /// Writes the whole frame, id and length included.
    pub(super) fn put(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let map_bytes = self
            .loss_map
            .map_or(0, |map| LOSS_MAP_FIXED_BYTES + map.blocks().len());
        out.u8(id::REPORT)?;
        out.length(REPORT_FIXED_BYTES + map_bytes)?;
        self.fields.put(out, self.loss_map.is_some())?;
        if let Some(map) = self.loss_map {
            out.u32(map.base())?;
            out.u32(map.described())?;
            out.bytes(map.blocks())?;
        }
        Ok(())
    }
}

impl ReportFields {
    fn decode(flags: u8, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            ecn_seen: flags & ECN_SEEN != 0,
            storage_limited: flags & STORAGE_LIMITED != 0,
            urgent: flags & URGENT != 0,
            interval_quarter_ms: reader.u8()?,
            sequence: reader.u16()?,
            largest: reader.u32()?,
            echoed_clock: reader.u32()?,
            arrival_clock: reader.u32()?,
            held_us: reader.u32()?,
            covered_us: reader.u32()?,
            received: reader.u32()?,
            passed: reader.u32()?,
            received_bytes: reader.u32()?,
            least_delay_us: reader.i32()?,
            median_over_least: reader.u16()?,
            largest_over_least: reader.u16()?,
            received_total: reader.u32()?,
            congestion_marks: reader.u24()?,
            reorder_log2: reader.u8()?,
            credit_kib: reader.u32()?,
            drain_kib_s: reader.u32()?,
        })
    }

    fn put(&self, out: &mut Writer<'_>, has_loss_map: bool) -> Result<(), Full> {
        let flags = [
            (has_loss_map, LOSS_MAP),
            (self.ecn_seen, ECN_SEEN),
            (self.storage_limited, STORAGE_LIMITED),
            (self.urgent, URGENT),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        out.u8(set.fold(0, |bits, (_, flag)| bits | flag))?;
        out.u8(self.interval_quarter_ms)?;
        out.u16(self.sequence)?;
        out.u32(self.largest)?;
        out.u32(self.echoed_clock)?;
        out.u32(self.arrival_clock)?;
        out.u32(self.held_us)?;
        out.u32(self.covered_us)?;
        out.u32(self.received)?;
        out.u32(self.passed)?;
        out.u32(self.received_bytes)?;
        out.i32(self.least_delay_us)?;
        out.u16(self.median_over_least)?;
        out.u16(self.largest_over_least)?;
        out.u32(self.received_total)?;
        out.u24(self.congestion_marks & LOW_24_BITS)?;
        out.u8(self.reorder_log2)?;
        out.u32(self.credit_kib)?;
        out.u32(self.drain_kib_s)
    }
}

/// Writes the whole frame within `room` bytes, with the loss map that `fill` describes, and
/// returns how many numbers it describes.
pub(super) fn put_with_loss_map(
    out: &mut Writer<'_>,
    fields: &ReportFields,
    base: u32,
    room: usize,
    fill: impl FnOnce(&mut LossMapEncoder<'_>),
) -> Result<u32, Full> {
    const BEFORE_MAP: usize = REPORT_OVERHEAD + REPORT_FIXED_BYTES;
    const BEFORE_BLOCKS: usize = BEFORE_MAP + LOSS_MAP_FIXED_BYTES;
    const LONGEST: usize = REPORT_OVERHEAD + u16::MAX as usize;

    let window = out.unused().get_mut(..room.min(LONGEST)).ok_or(Full)?;
    let (described, blocks_len) =
        window
            .split_at_mut_checked(BEFORE_BLOCKS)
            .map_or((0, 0), |(_, blocks)| {
                let mut encoder = LossMapEncoder::new(blocks);
                fill(&mut encoder);
                encoder.finish()
            });

    let mut head = Writer::new(window);
    head.u8(id::REPORT)?;
    if described == 0 {
        head.length(REPORT_FIXED_BYTES)?;
        fields.put(&mut head, false)?;
        out.reserve(BEFORE_MAP)?;
    } else {
        head.length(REPORT_FIXED_BYTES + LOSS_MAP_FIXED_BYTES + blocks_len)?;
        fields.put(&mut head, true)?;
        head.u32(base)?;
        head.u32(described)?;
        out.reserve(BEFORE_BLOCKS + blocks_len)?;
    }
    Ok(described)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Fate, Frame, FrameWriter, Frames, Run};
    use std::vec::Vec;

    const FIELDS: ReportFields = ReportFields {
        ecn_seen: false,
        storage_limited: true,
        urgent: false,
        interval_quarter_ms: 1,
        sequence: 2,
        largest: 3,
        echoed_clock: 4,
        arrival_clock: 5,
        held_us: 6,
        covered_us: 7,
        received: 8,
        passed: 9,
        received_bytes: 10,
        least_delay_us: -11,
        median_over_least: 12,
        largest_over_least: 13,
        received_total: 14,
        congestion_marks: 15,
        reorder_log2: 16,
        credit_kib: 17,
        drain_kib_s: 18,
    };

    fn push_until_full(encoder: &mut LossMapEncoder<'_>) {
        while encoder.push_block(&[0xAAAA_AAAA_AAAA_AAAA; 8], 512).is_ok() {}
    }

    #[test]
    fn a_report_stays_within_its_limit_and_tells_how_far_it_came() {
        for limit in [63, 71, 72, 135, 136, 200, 201, 202, 1_412] {
            let mut body = [0xEE; 2_000];
            let mut writer = FrameWriter::new(&mut body);
            let described = writer
                .push_report_with(&FIELDS, 0xFFFF_FFF0, limit, push_until_full)
                .unwrap();
            let len = writer.len();
            assert!(len <= limit && limit - len < 65 + 8);
            let blocks = limit.saturating_sub(71) / 65;
            assert_eq!(described as usize, blocks * 512);
            let Some(Ok(Frame::Report(report))) = Frames::new(&body[..len]).next() else {
                panic!("no report within {limit}");
            };
            assert_eq!(report.fields, FIELDS);
            assert_eq!(report.loss_map.map_or(0, |map| map.described()), described);
        }
    }

    #[test]
    fn a_limit_below_the_fixed_part_writes_nothing() {
        let mut body = [0; 200];
        let mut writer = FrameWriter::new(&mut body);
        writer.push(&Frame::Ping { id: 1 }).unwrap();
        let outcome = writer.push_report_with(&FIELDS, 0, 5 + 62, |_| panic!("no room for a map"));
        assert_eq!(outcome, Err(Full));
        assert_eq!(writer.len(), 5);
        let outcome = writer.push_report_with(&FIELDS, 0, 5 + 63, |_| panic!("no room for a map"));
        assert_eq!(outcome, Ok(0));
        assert_eq!(writer.len(), 5 + 63);
    }

    #[test]
    fn a_report_behind_another_frame_carries_its_map() {
        let mut body = [0xEE; 200];
        let mut writer = FrameWriter::new(&mut body);
        writer.push(&Frame::Ping { id: 1 }).unwrap();
        let described = writer.push_report_with(&FIELDS, 77, 200, |encoder| {
            encoder
                .push_block(&[0b110, 0, 0, 0, 0, 0, 0, 0], 5)
                .unwrap();
        });
        assert_eq!(described, Ok(5));
        writer.push(&Frame::Ping { id: 2 }).unwrap();
        let len = writer.len();
        let frames: Vec<_> = Frames::new(&body[..len]).map(Result::unwrap).collect();
        let Frame::Report(report) = frames[1] else {
            panic!("no report between the pings: {frames:?}");
        };
        let map = report.loss_map.unwrap();
        assert_eq!(map.base(), 77);
        let runs: Vec<_> = map.runs().collect();
        let run = |start, len, fate| Run { start, len, fate };
        assert_eq!(
            runs,
            [
                run(0, 1, Fate::Received),
                run(1, 2, Fate::Missing),
                run(3, 2, Fate::Received)
            ]
        );
        assert_eq!(frames[2], Frame::Ping { id: 2 });
    }

    #[test]
    fn a_length_that_does_not_fit_the_flags_is_refused() {
        let mut body = [0; 61];
        assert_eq!(Report::decode(&body), Err(WireError::ReportLength(61)));
        assert_eq!(Report::decode(&body[..59]), Err(WireError::Truncated));
        assert!(Report::decode(&body[..60]).is_ok());
        body[0] = LOSS_MAP;
        assert_eq!(Report::decode(&body[..60]), Err(WireError::Truncated));
        body[0] = 0x10;
        assert_eq!(
            Report::decode(&body[..60]),
            Err(WireError::UnknownFlags(0x10))
        );
    }
}
