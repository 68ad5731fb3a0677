//! Datagrams without content: where the sender stands, path probes, answers, closing; and time-outs.

use core::mem;

use super::sent_ring::{Content, ContentKind};
use super::{Blocked, Sender, SenderEvent};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane;
use crate::time::{Duration, Instant};
use crate::units::{BitRate, ObjectId, PacketNumber};
use crate::wire::{Frame, FrameWriter, PacketKind, SendPhase};

/// A full window waits at least this long for news of its lowest packet.
const LEAST_PATIENCE: Duration = Duration::from_millis(300);
/// A datagram that tells where the sender stands is about this long,
const STATE_BYTES: u64 = 60;
/// and takes no more than this part of the rate while there is new content,
const UPKEEP_SHARE: u64 = 200;
/// and this part in the tail, where nothing else is waiting.
const TAIL_SHARE: u64 = 16;
/// From this target rate on, path-MTU probes leave with the first flight.
const EARLY_PROBES_FROM: BitRate = BitRate(5_000_000);
/// Largest body of an upkeep datagram: four answers, a challenge, PONG, SACK and the state.
const UPKEEP_BYTES: usize = 100;
/// An unproven address gets nothing before it has earned this many bytes: a challenge, PONG, SACK and the state. The
/// first PING earns them.
const LEAST_ALLOWANCE: usize = 80;

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// Acts on time that has passed: silence slows the session and in the end stops it.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.failure.is_some() {
            return;
        }
        let silent_for = now.since(self.last_heard);
        let limit = if self.heard {
            self.silence.running
        } else {
            self.silence.connecting
        };
        if silent_for >= limit {
            self.fail(if self.heard {
                Fault::DataTransferTimeout
            } else {
                Fault::ConnectionTimeout
            });
            return;
        }
        self.move_path(now);
        if let Some(trains) = &mut self.trains {
            trains.on_time(now);
        }
        if now < self.silence_step_at {
            return;
        }
        let patience = Duration::from_millis(200).max(self.round_trip.overdue().scaled(2, 1));
        self.silence_step_at = now + self.round_trip.smoothed().max(Duration::from_millis(50));
        if self.heard && silent_for >= patience && self.sent.in_flight_bytes() > 0 {
            self.rate.on_silence(silent_for);
        }
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        if self.failure.is_none() {
            self.failure = Some(fault);
            let _ = self.events.push_back(SenderEvent::Failed(fault));
        }
    }

    /// The receiver asked whether we are here, and the answer finds room: without it a window that is full because we
    /// have moved would stay so.
    pub(super) fn owes_answers(&self) -> bool {
        !self.path_answers.is_empty() && self.sent.has_room_for_path()
    }

    /// Whether a datagram of upkeep may go to where the receiver is believed to be.
    pub(super) fn may_send_upkeep(&self) -> bool {
        self.path.allowance() >= LEAST_ALLOWANCE
    }

    /// Whether content may leave at all.
    pub(super) fn may_send_content(&mut self, now: Instant) -> bool {
        if !self.train.is_open(now) && !self.pacer.is_open(now) {
            return false;
        }
        self.sent.make_room_at_floor();
        let in_flight = self.sent.in_flight_bytes() + u64::from(self.mtu.current());
        if !self.path.is_proven() || !self.sent.has_room_for_lost() || in_flight > self.credit {
            self.window_is_full();
            return false;
        }
        true
    }

    /// Only feedback lets more content leave; reports of this time say little about the path.
    pub(super) const fn window_is_full(&mut self) -> Option<usize> {
        self.blocked = Blocked::Window;
        self.limited_until = self.sent.next();
        None
    }

    /// Nothing is waiting: the pacer saves nothing, and reports of this time say little about the path.
    pub(super) fn nothing_to_send(&mut self, now: Instant) -> Option<usize> {
        if self.blocked == Blocked::No {
            self.blocked = Blocked::Empty;
        }
        self.pacer.on_idle(now);
        self.limited_until = self.sent.next();
        None
    }

    /// Whether a path-MTU probe may leave.
    pub(super) fn may_probe(&self) -> bool {
        let early = self.rate.target() >= EARLY_PROBES_FROM;
        (self.heard || early)
            && self.path.is_proven()
            && self.failure.is_none()
            && self.sent.has_room()
    }

    /// A path-MTU probe, if one is due.
    pub(super) fn next_probe(&mut self, now: Instant, room: &mut [u8]) -> Option<usize> {
        if !self.may_probe() {
            return None;
        }
        let size = self.mtu.next_probe(now, self.round_trip.smoothed())?;
        let body = lane::body_of(room, usize::from(size))?;
        let length = body.len();
        if length + lane::PACKET_OVERHEAD < usize::from(size) {
            return None;
        }
        let mut writer = FrameWriter::new(body);
        writer
            .push(&Frame::Ping {
                id: u32::from(size),
            })
            .ok()?;
        writer.pad_to(length).ok()?;
        let probe = Content {
            kind: ContentKind::Probe,
            object: ObjectId(0),
            length: u32::from(size),
            offset: 0,
        };
        self.dispatch(now, PacketKind::Frames, false, room, length, &[probe])
    }

    /// What the path or the receiver is owed now.
    pub(super) fn next_upkeep(&mut self, now: Instant, room: &mut [u8]) -> Option<usize> {
        let has_room = self.sent.has_room_for_upkeep() || self.owes_answers();
        if !has_room || !self.may_send_upkeep() {
            return None;
        }
        let state_due = now >= self.state_due_at;
        let answers = mem::take(&mut self.path_answers);
        let pong = self.pong_due.take();
        let challenge = self.path.present_challenge(now);
        if !state_due && answers.is_empty() && pong.is_none() && challenge.is_none() {
            return None;
        }
        let state = self.state_frame();
        let sack = self.sack_frame();
        let most = (UPKEEP_BYTES + lane::PACKET_OVERHEAD).min(self.path.allowance());
        let body = lane::body_of(room, most)?;
        let mut writer = FrameWriter::new(body);
        // All of these together are far below the size of the body.
        for bits in answers {
            let _ = writer.push(&Frame::PathResponse(bits));
        }
        let _ = challenge.map(|bits| writer.push(&Frame::PathChallenge(bits)));
        let _ = pong.map(|(id, at)| {
            let held_us = u32::try_from(now.since(at).as_micros()).unwrap_or(u32::MAX);
            writer.push(&Frame::Pong { id, held_us })
        });
        let _ = sack.map(|frame| writer.push(&frame));
        let _ = writer.push(&state);
        let length = writer.len();
        self.state_due_at = now + self.state_interval(now);
        self.dispatch(now, PacketKind::Frames, false, room, length, &[])
    }

    /// Tells the receiver that the session is over; nothing else is sent any more.
    pub(super) fn next_close(&mut self, now: Instant, room: &mut [u8]) -> Option<usize> {
        self.close_frames_left = self.close_frames_left.checked_sub(1)?;
        if !self.may_send_upkeep() {
            return None;
        }
        let fault = self.closed_with;
        let body = lane::body_of(room, UPKEEP_BYTES + lane::PACKET_OVERHEAD)?;
        let mut writer = FrameWriter::new(body);
        writer
            .push(&Frame::Close {
                code: fault.map_or(0, Fault::number),
                text: fault.map_or("", Fault::text),
            })
            .ok()?;
        let length = writer.len() + lane::PACKET_OVERHEAD;
        let datagram = room.get_mut(..length)?;
        self.outbound
            .pack(now, PacketKind::Frames, false, datagram)
            .ok()?;
        self.path.on_sent(length);
        self.statistics.packets_sent += 1;
        self.statistics.bytes_sent += length as u64;
        Some(length)
    }

    /// Until when the lowest unsettled packet may keep a full window waiting.
    pub(super) fn stuck_until(&self) -> Instant {
        let patience = self.round_trip.overdue().scaled(2, 1);
        self.stuck.1 + patience.max(LEAST_PATIENCE)
    }

    /// When not even a word about where we stand finds a number and nothing moves, the lowest packet of which
    /// nothing is known is taken for lost: the receiver may have got none of them, and asks for what it
    /// does not know of only when it learns of it.
    pub(super) fn watch_floor(&mut self, now: Instant) {
        let floor = self.sent.floor();
        if floor != self.stuck.0 || self.sent.has_room_for_upkeep() {
            self.stuck = (floor, now);
        } else if now >= self.stuck_until() {
            self.stuck.1 = now;
            if let Some(number) = self.sent.first_in_flight() {
                self.sent.lose(number);
                self.statistics.packets_lost += 1;
            }
        }
    }

    fn state_frame(&self) -> Frame<'static> {
        let queued: u64 = self.meta.written() - self.meta.sent();
        Frame::SenderState {
            floor: low_bits(self.sent.floor()),
            next: low_bits(self.sent.next()),
            phase: self.phase(),
            queued_kib: u32::try_from(queued / 1024).unwrap_or(u32::MAX),
            round_trip_us: if self.round_trip.is_measured() {
                u32::try_from(self.round_trip.smoothed().as_micros()).unwrap_or(u32::MAX)
            } else {
                0
            },
        }
    }

    fn sack_frame(&self) -> Option<Frame<'static>> {
        let window = self.inbound.window();
        let largest = window.largest()?;
        let mut earlier = 0;
        for index in 0..64 {
            if let Some(number) = largest.0.checked_sub(index + 1)
                && window.is_marked(PacketNumber(number))
            {
                earlier |= 1 << index;
            }
        }
        Some(Frame::Sack {
            largest: largest.on_wire(),
            earlier,
        })
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.ready.is_empty() || self.meta.written() > self.meta.sent() || !self.closing.is_empty()
    }

    fn phase(&self) -> SendPhase {
        if self.has_unsent() {
            SendPhase::Running
        } else if self.sent.has_content_unresolved() {
            SendPhase::Tail
        } else {
            SendPhase::Done
        }
    }

    /// How long until the receiver is told again where the sender stands.
    fn state_interval(&self, now: Instant) -> Duration {
        let round_trip = self.round_trip.smoothed();
        let between = |numerator, denominator, least: u64, most: u64| {
            round_trip
                .scaled(numerator, denominator)
                .max(Duration::from_millis(least))
                .min(Duration::from_millis(most))
        };
        if !self.heard || now.since(self.last_heard) > Duration::from_secs(1) {
            return Duration::from_millis(500);
        }
        let interval = match self.phase() {
            SendPhase::Running => between(1, 4, 2, 50),
            SendPhase::Tail => between(1, 8, 1, 25),
            SendPhase::Done => between(1, 1, 20, 250),
        };
        // At a low rate this must leave room for content.
        let part = match self.phase() {
            SendPhase::Running => UPKEEP_SHARE,
            _ => TAIL_SHARE,
        };
        let share = self.rate.rate().time_for(part * STATE_BYTES);
        interval.max(share.min(Duration::from_millis(500)))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the wire carries packet numbers modulo 2^32"
)]
const fn low_bits(number: u64) -> u32 {
    number as u32
}
