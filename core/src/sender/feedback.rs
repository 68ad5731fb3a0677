//! What comes back from the receiver: one handler for each kind of frame.

use core::net::SocketAddr;

use super::sent_ring::{ContentKind, Contents};
use super::{Blocked, Sender, SenderEvent};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane::DatagramError;
use crate::path::{NO_ADDRESS, Taken};
use crate::rate_control::{ReportFacts, RoundTrip};
use crate::time::{Duration, Instant};
use crate::units::{BitRate, PacketNumber};
use crate::wire::{Fate, Frame, Frames, LossMap, PacketKind, Report, ReportFields};

/// A round trip longer than this is a wrong clock, not a path.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(60);

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// Takes a datagram from the network; it is opened in place.
    ///
    /// # Errors
    ///
    /// [`DatagramError`]: the datagram is dropped and counted; the session goes on.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
    ) -> Result<(), DatagramError> {
        self.handle_datagram_from(now, NO_ADDRESS, datagram)
    }

    /// Takes a datagram that came from address `from`; see [`Self::follow_peer`].
    ///
    /// # Errors
    ///
    /// [`DatagramError`]: the datagram is dropped and counted; the session goes on.
    pub fn handle_datagram_from(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), DatagramError> {
        self.arriving_from = from;
        let outcome = self.take_datagram(now, datagram);
        if outcome.is_err() {
            self.statistics.datagrams_refused += 1;
        }
        outcome
    }

    fn take_datagram(&mut self, now: Instant, datagram: &mut [u8]) -> Result<(), DatagramError> {
        let length = datagram.len();
        let unpacked = self.inbound.unpack(datagram)?;
        let (number, kind) = (unpacked.number, unpacked.header.kind);
        let body: &[u8] = unpacked.body;
        if kind != PacketKind::Frames {
            return Err(DatagramError::Foreign);
        }
        let newest = self
            .inbound
            .window()
            .largest()
            .is_none_or(|largest| number > largest);
        self.on_alive(now);
        let mut all_kept = true;
        for frame in Frames::new(body) {
            all_kept &= self.on_frame(now, &frame?);
        }
        if !all_kept {
            return Err(DatagramError::NoRoom);
        }
        self.inbound.mark(number);
        self.note_path(&Taken {
            now,
            from: self.arriving_from,
            number,
            newest,
            length,
        });
        Ok(())
    }

    fn on_alive(&mut self, now: Instant) {
        self.last_heard = now;
        if !self.heard {
            self.heard = true;
            let _ = self.events.push_back(SenderEvent::Connected);
        }
    }

    /// `false` if a frame that must not be lost found no room.
    fn on_frame(&mut self, now: Instant, frame: &Frame<'_>) -> bool {
        match *frame {
            Frame::Report(ref report) => self.on_report(now, report),
            Frame::Decide { offset, bytes } => return self.on_decide(now, offset, bytes),
            Frame::Ping { id } => self.pong_due = Some((id, now)),
            Frame::PathChallenge(bits) => {
                // More questions than places: whoever asks asks again.
                let _ = self.path_answers.push(bits);
            }
            Frame::PathResponse(bits) => self.on_path_response(now, bits),
            Frame::Close { code, .. } => self.on_close(code),
            Frame::TrainResult { .. } => self.on_train_result(frame),
            _ => {}
        }
        true
    }

    fn on_decide(&mut self, now: Instant, offset: u64, bytes: &[u8]) -> bool {
        let soon = now
            + self
                .round_trip
                .smoothed()
                .scaled(1, 4)
                .min(Duration::from_millis(25));
        self.state_due_at = self.state_due_at.min(soon);
        self.blocked = Blocked::No;
        self.decide.insert(offset, bytes).is_ok()
    }

    fn on_close(&mut self, code: u16) {
        let fault = Fault::from_number(code);
        self.fail(if fault == Fault::Unknown {
            Fault::PeerAborted
        } else {
            fault
        });
    }

    fn on_report(&mut self, now: Instant, report: &Report<'_>) {
        self.statistics.reports += 1;
        let fields = &report.fields;
        let newest = self
            .report_sequence
            .is_none_or(|last| fields.sequence.wrapping_sub(last) < 1 << 15);
        self.sample_round_trip(now, fields);
        if let Some(map) = &report.loss_map {
            self.on_loss_map(now, map);
        }
        if newest {
            self.report_sequence = Some(fields.sequence);
            self.credit = u64::from(fields.credit_kib) * 1024;
            self.rate.on_report(&self.facts(now, fields));
            if fields.received > 0 {
                self.delay_zero.get_or_insert(fields.least_delay_us);
                self.report_delay_zero
                    .get_or_insert_with(|| report_delay(now, fields));
            }
            self.charge_train(now, fields);
            self.marks_seen = fields.congestion_marks;
        }
        self.blocked = Blocked::No;
    }

    fn sample_round_trip(&mut self, now: Instant, fields: &ReportFields) {
        let elapsed = now.wire_clock().wrapping_sub(fields.echoed_clock);
        let sample = Duration::from_micros(u64::from(elapsed.saturating_sub(fields.held_us)));
        if sample <= LONGEST_ROUND_TRIP {
            self.round_trip.on_sample(sample);
        }
    }

    /// The opening train went ahead of the pacer; what the path has carried since then pays for it.
    fn charge_train(&mut self, now: Instant, fields: &ReportFields) {
        let target = self.rate.target();
        let capacity = self.rate.train_capacity();
        let largest = self.largest_arrived(fields);
        if let Some(left_at) = self.train.take_measured(largest, capacity.is_some()) {
            let carried = capacity.map_or(target, |capacity| capacity.min(target));
            self.pacer.repay(carried.bytes_in(now.since(left_at)));
        }
    }

    fn largest_arrived(&self, fields: &ReportFields) -> u64 {
        PacketNumber::recover(fields.largest, PacketNumber(self.sent.next())).0
    }

    fn facts(&self, now: Instant, fields: &ReportFields) -> ReportFacts {
        let zero = self.delay_zero.unwrap_or(fields.least_delay_us);
        let report_delay = report_delay(now, fields);
        let report_zero = self.report_delay_zero.unwrap_or(report_delay);
        let largest = self.largest_arrived(fields);
        let first = (largest + 1).saturating_sub(u64::from(fields.passed));
        ReportFacts {
            now,
            interval: Duration::from_micros(u64::from(fields.covered_us)),
            received_packets: fields.received,
            passed_packets: fields.passed,
            received_bytes: fields.received_bytes,
            least_delay_us: i64::from(fields.least_delay_us.wrapping_sub(zero)),
            median_spread_us: u32::from(fields.median_over_least) * 16,
            largest_spread_us: u32::from(fields.largest_over_least) * 16,
            report_delay_us: i64::from(report_delay.wrapping_sub(report_zero).cast_signed()),
            round_trip: self.round_trip.smoothed(),
            least_round_trip: self.round_trip.least(),
            congestion_marks: fields.congestion_marks.wrapping_sub(self.marks_seen) & 0x00FF_FFFF,
            storage_rate: (fields.drain_kib_s > 0)
                .then(|| BitRate(u64::from(fields.drain_kib_s) * 8 * 1024)),
            largest,
            next: self.sent.next(),
            in_flight: self.sent.in_flight_bytes(),
            in_train: self.train.overlaps(first, largest),
            train_passed: self.train.is_passed(largest),
            application_limited: largest < self.limited_until,
        }
    }

    fn on_loss_map(&mut self, now: Instant, map: &LossMap<'_>) {
        let next = self.sent.next();
        let base = PacketNumber::recover(map.base(), PacketNumber(next)).0;
        for run in map.runs() {
            let start = base.saturating_add(u64::from(run.start));
            let end = start.saturating_add(u64::from(run.len)).min(next);
            for number in start.max(self.sent.floor())..end {
                match run.fate {
                    Fate::Received => self.on_arrived(now, number),
                    Fate::Missing => self.on_lost(now, number),
                }
            }
        }
    }

    fn on_arrived(&mut self, now: Instant, number: u64) {
        let special: Contents = self
            .sent
            .contents_of(number)
            .filter(|content| matches!(content.kind, ContentKind::Meta | ContentKind::Probe))
            .collect();
        let Some(arrived) = self.sent.acknowledge(number) else {
            return;
        };
        self.statistics.packets_recovered += u64::from(arrived.was_lost);
        self.mtu.on_arrived(now, arrived.bytes);
        for content in special {
            if content.kind == ContentKind::Probe {
                self.mtu
                    .on_probe_arrived(u16::try_from(content.length).unwrap_or(u16::MAX));
            } else if self
                .meta
                .on_acknowledged(content.offset, u64::from(content.length))
                .is_err()
            {
                // Too scattered to remember: it goes again, and the edge will have moved by then.
                self.meta.rewind(content.offset);
            }
        }
    }

    fn on_lost(&mut self, now: Instant, number: u64) {
        let is_probe = self
            .sent
            .contents_of(number)
            .any(|content| content.kind == ContentKind::Probe);
        let Some(size) = self.sent.lose(number) else {
            return;
        };
        self.statistics.packets_lost += 1;
        if !is_probe {
            self.rate.on_lost(number);
        }
        if !is_probe && self.mtu.on_lost(now, size) {
            self.round_trip = RoundTrip::new();
        }
    }
}

/// One-way delay of a report in µs modulo 2^32, against the difference of the two clocks.
const fn report_delay(now: Instant, fields: &ReportFields) -> u32 {
    let written = fields.arrival_clock.wrapping_add(fields.held_us);
    now.wire_clock().wrapping_sub(written)
}
