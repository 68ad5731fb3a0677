//! Datagrams to the sender and the receiver's time-outs.

use core::mem;

use super::{Receiver, reporting};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane::{self, PACKET_OVERHEAD};
use crate::time::{Duration, Instant};
use crate::wire::{DECIDE_OVERHEAD, Frame, FrameWriter, PacketKind};

/// The sender is called this often until it answers.
const PING_INTERVAL: Duration = Duration::from_millis(200);
/// An unproven address gets nothing before it has earned this many bytes: a small report with answers.
const LEAST_ALLOWANCE: usize = 180;

impl<const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize, G: GcmBackend>
    Receiver<WORDS, OBJECTS, GAPS, META, G>
{
    /// Writes one datagram that is due into `out` and returns its length. Call until `None`.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if self.failure.is_some() && self.close_frames_left == 0 {
            return None;
        }
        let allowance = self.path.allowance();
        if allowance < LEAST_ALLOWANCE {
            return None;
        }
        self.flush_outcomes();
        self.repeat_overdue(now);
        let ping = !self.heard && now >= self.ping_due_at;
        let report = self.heard && self.reporting.is_due(now, self.inbound.window());
        let decide = self.heard && self.has_unsent_decisions();
        let answers = !self.path_answers.is_empty()
            || self.pong_due.is_some()
            || self.path.present_is_due(now)
            || self.trains.is_due(now);
        if !(ping || report || decide || answers || self.close_frames_left > 0) {
            return None;
        }
        let body = lane::body_of(out, self.reporting.datagram_limit().min(allowance))?;
        let mut writer = FrameWriter::new(body);
        self.put_answers(now, ping, &mut writer);
        if report {
            self.put_report(now, &mut writer);
        }
        let piece = if decide {
            self.put_decisions(&mut writer)
        } else {
            None
        };
        let body_length = writer.len();
        if body_length == 0 {
            return None;
        }
        let length = body_length + PACKET_OVERHEAD;
        let datagram = out.get_mut(..length)?;
        let Ok(number) = self.outbound.pack(now, PacketKind::Frames, false, datagram) else {
            self.fail(Fault::InternalError);
            return None;
        };
        self.path.on_sent(length);
        if let Some((offset, bytes)) = piece {
            self.sent_decisions.push(number, offset, bytes, now);
        }
        Some(length)
    }

    fn has_unsent_decisions(&self) -> bool {
        self.decide.unsent(1).is_some() && !self.sent_decisions.is_full()
    }

    fn put_answers(&mut self, now: Instant, ping: bool, writer: &mut FrameWriter<'_>) {
        // All of these together are far below the size of the body.
        if self.close_frames_left > 0 {
            self.close_frames_left -= 1;
            let fault = self.closed_with;
            let code = fault.map_or(0, Fault::number);
            let _ = writer.push(&Frame::Close {
                code,
                text: fault.map_or("", Fault::text),
            });
        }
        for bits in mem::take(&mut self.path_answers) {
            let _ = writer.push(&Frame::PathResponse(bits));
        }
        let _ = self
            .path
            .present_challenge(now)
            .map(|bits| writer.push(&Frame::PathChallenge(bits)));
        let _ = self.pong_due.take().map(|(id, at)| {
            let held_us = u32::try_from(now.since(at).as_micros()).unwrap_or(u32::MAX);
            writer.push(&Frame::Pong { id, held_us })
        });
        self.trains.put(now, writer);
        if ping {
            self.ping_due_at = now + PING_INTERVAL;
            let _ = writer.push(&Frame::Ping { id: 0 });
        }
    }

    fn put_report(&mut self, now: Instant, writer: &mut FrameWriter<'_>) {
        let credit = self.capacity.saturating_sub(self.outstanding);
        let storage = reporting::Storage {
            credit,
            capacity: self.capacity,
        };
        if self
            .reporting
            .write(now, self.inbound.window(), &storage, writer)
        {
            self.statistics.reports += 1;
        }
    }

    fn put_decisions(&mut self, writer: &mut FrameWriter<'_>) -> Option<(u64, u64)> {
        let (offset, length) = self
            .decide
            .unsent(writer.remaining().checked_sub(DECIDE_OVERHEAD)?)?;
        let copy = |bytes: &mut [u8]| {
            if self.decide.copy_to(offset, bytes) {
                Ok(())
            } else {
                Err(())
            }
        };
        writer.push_decide_with(offset, length, copy).ok()?;
        self.decide.on_sent(offset + length as u64);
        Some((offset, length as u64))
    }

    /// When [`Self::poll_transmit`] or [`Self::handle_timeout`] has something to do at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.failure.is_some() {
            return (self.close_frames_left > 0).then_some(self.last_heard);
        }
        if self.path.allowance() < LEAST_ALLOWANCE {
            // Only the peer's next datagram opens an unproven path.
            return Some(self.last_heard + self.patience());
        }
        if !self.heard {
            return Some(
                self.ping_due_at
                    .min(self.last_heard + self.silence.connecting),
            );
        }
        let answers = !self.path_answers.is_empty() || self.pong_due.is_some();
        if self.has_unsent_decisions() || self.can_tell() || answers {
            return Some(self.last_heard);
        }
        let mut next = self.last_heard + self.silence.running;
        if let Some(path_at) = self.path.next_at() {
            next = next.min(path_at);
        }
        if let Some(report_at) = self.reporting.due_at(self.inbound.window()) {
            next = next.min(report_at);
        }
        if let Some(repeat_at) = self.sent_decisions.overdue_at(self.reporting.round_trip()) {
            next = next.min(repeat_at);
        }
        if let Some(answer_at) = self.trains.due_at() {
            next = next.min(answer_at);
        }
        Some(next)
    }

    /// How long the sender may be silent.
    const fn patience(&self) -> Duration {
        if self.heard {
            self.silence.running
        } else {
            self.silence.connecting
        }
    }

    /// Acts on time that has passed: long silence ends the session.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.move_path(now);
        if now.since(self.last_heard) >= self.patience() {
            self.fail(if self.heard {
                Fault::DataTransferTimeout
            } else {
                Fault::ConnectionTimeout
            });
        }
    }
}
