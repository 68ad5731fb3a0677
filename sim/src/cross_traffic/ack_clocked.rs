//! A bulk sender and receiver as in a kernel's TCP, without bytes: segments, selective acknowledgements, timeouts.
//!
//! Every transmission has a serial number, and an acknowledgement says which of the latest 64 have arrived
//! and what is complete: what time stamps and selective acknowledgements tell a kernel (RFC 2018, RFC 8985).
//! A transmission is lost once the third one after it has arrived.
//! While losses are repaired, sending follows the proportional rate reduction of RFC 6937.

use std::collections::{BTreeSet, VecDeque};

use super::congestion_control::{AckSample, CongestionControl, ControlKind, PAYLOAD_BYTES};
use crate::checks::Coverage;
use crate::datagram::Segment;
use crate::link::MICROSECOND;
use crate::random::Random;

/// Sizes of IP packets: a full segment, and an acknowledgement with its options.
const DATA_IP_BYTES: u32 = 1_500;
const ACK_IP_BYTES: u32 = 64;
/// Later ones that must have arrived before one is lost.
const REORDERING: u64 = 3;
const LEAST_TIMEOUT_US: u64 = 200_000;
const MOST_TIMEOUT_US: u64 = 60_000_000;
/// How long an acknowledgement waits for a second segment.
const ACK_DELAY_US: u64 = 40_000;
/// Most time between the arrival of what is acknowledged at once and its acknowledgement. Without any
/// variation, flows of equal round trips fall into step with the queue, and one always loses.
const MOST_TURN_US: u64 = 100;
/// A second in picoseconds.
const SECOND: f64 = 1e12;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Unknown,
    Arrived,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Transmission {
    place: u64,
    sent_us: u64,
    /// Segments acknowledged when it was sent, and when the latest of them was.
    delivered: u64,
    delivered_us: u64,
    /// When the one whose acknowledgement was the latest then had been sent.
    first_sent_us: u64,
    fate: Fate,
}

/// Proportional rate reduction while a window of losses is repaired.
#[derive(Clone, Copy, Debug)]
struct Recovery {
    /// It ends when a transmission from this serial number on has arrived.
    until: u64,
    in_flight_before: u64,
    delivered: u64,
    sent: u64,
    /// What the latest acknowledgement allows and has not been used.
    allowed: u64,
}

impl Recovery {
    /// Segments that may be sent now.
    fn budget(&self, in_flight: u64, window: u64) -> u64 {
        if in_flight > window {
            let due = (self.delivered * window).div_ceil(self.in_flight_before.max(1));
            return due.saturating_sub(self.sent);
        }
        let owed = self.delivered.saturating_sub(self.sent);
        (window - in_flight).min(owed.max(self.allowed))
    }
}

#[derive(Debug)]
pub(super) struct AckClockedSender {
    control: CongestionControl,
    /// Transmissions from `first_serial` on.
    transmissions: VecDeque<Transmission>,
    first_serial: u64,
    next_place: u64,
    /// Places to be sent again.
    lost: BTreeSet<u64>,
    in_flight: u64,
    /// All below have a fate.
    judged: u64,
    /// Transmissions from this serial number on were sent after the latest cut.
    cut_at: u64,
    complete: u64,
    recovery: Option<Recovery>,
    delivered: u64,
    delivered_us: u64,
    first_sent_us: u64,
    smoothed_us: f64,
    deviation_us: f64,
    timeout_at: Option<u64>,
    backoff: u32,
    /// When pacing allows the next one, ps.
    paced_until: u64,
}

impl AckClockedSender {
    pub(super) fn new(kind: ControlKind, seed: u64, name: &str, now_us: u64) -> Self {
        Self {
            control: CongestionControl::new(kind, seed, name, now_us),
            transmissions: VecDeque::new(),
            first_serial: 0,
            next_place: 0,
            lost: BTreeSet::new(),
            in_flight: 0,
            judged: 0,
            cut_at: 0,
            complete: 0,
            recovery: None,
            delivered: 0,
            delivered_us: now_us,
            first_sent_us: now_us,
            smoothed_us: 0.0,
            deviation_us: 0.0,
            timeout_at: None,
            backoff: 0,
            paced_until: 0,
        }
    }

    fn next_serial(&self) -> u64 {
        self.first_serial + self.transmissions.len() as u64
    }

    fn timeout_us(&self) -> u64 {
        let measured = if self.smoothed_us > 0.0 {
            (self.smoothed_us + 4.0 * self.deviation_us) as u64
        } else {
            1_000_000
        };
        (measured.max(LEAST_TIMEOUT_US) << self.backoff.min(8)).min(MOST_TIMEOUT_US)
    }

    pub(super) fn on_acknowledgement(&mut self, now_us: u64, ack: Segment) {
        self.complete = self.complete.max(ack.place);
        let mut acked = 0;
        let mut latest: Option<Transmission> = None;
        for back in (0..64).rev().filter(|back| ack.seen >> back & 1 == 1) {
            let Some(serial) = ack.serial.checked_sub(back) else {
                continue;
            };
            if let Some(transmission) = self.arrived(serial) {
                acked += 1;
                latest = Some(transmission);
            }
        }
        acked += self.forget_old();
        if acked == 0 {
            return;
        }
        self.delivered += acked;
        let mut sample = AckSample {
            now_us,
            acked,
            in_flight: self.in_flight,
            delivered: self.delivered,
            delivered_before: self.delivered,
            rate: None,
            round_trip_us: None,
            smoothed_us: self.smoothed_us,
            in_recovery: false,
        };
        if let Some(latest) = latest {
            self.measure(now_us, &latest, &mut sample);
        }
        self.delivered_us = now_us;
        if self
            .recovery
            .is_some_and(|recovery| ack.serial >= recovery.until)
        {
            self.recovery = None;
        }
        self.judge(ack.serial);
        if let Some(recovery) = &mut self.recovery {
            recovery.delivered += acked;
            recovery.allowed = acked + 1;
            sample.in_recovery = true;
        }
        sample.in_flight = self.in_flight;
        self.control.on_ack(&sample);
        self.backoff = 0;
        self.timeout_at = (self.in_flight > 0).then(|| now_us + self.timeout_us());
    }

    /// Transmission `serial` has arrived; returns it if that is news.
    fn arrived(&mut self, serial: u64) -> Option<Transmission> {
        let index = serial.checked_sub(self.first_serial)?;
        let transmission = self.transmissions.get_mut(index as usize)?;
        match transmission.fate {
            Fate::Arrived => return None,
            Fate::Unknown => self.in_flight -= 1,
            Fate::Lost => {
                // It was only late.
                self.lost.remove(&transmission.place);
            }
        }
        transmission.fate = Fate::Arrived;
        Some(*transmission)
    }

    /// Drops what has a fate; returns how many of these were only known to be complete.
    fn forget_old(&mut self) -> u64 {
        let mut acked = 0;
        while let Some(first) = self.transmissions.front() {
            if first.fate == Fate::Unknown {
                if first.place >= self.complete {
                    break;
                }
                self.in_flight -= 1;
                acked += 1;
            }
            self.transmissions.pop_front();
            self.first_serial += 1;
        }
        acked
    }

    fn measure(&mut self, now_us: u64, latest: &Transmission, sample: &mut AckSample) {
        let round_trip_us = now_us - latest.sent_us;
        let measured = round_trip_us as f64;
        if self.smoothed_us > 0.0 {
            self.deviation_us += ((self.smoothed_us - measured).abs() - self.deviation_us) / 4.0;
            self.smoothed_us += (measured - self.smoothed_us) / 8.0;
        } else {
            self.smoothed_us = measured;
            self.deviation_us = measured / 2.0;
        }
        sample.round_trip_us = Some(round_trip_us);
        sample.smoothed_us = self.smoothed_us;
        sample.delivered_before = latest.delivered;
        // Over the longer of the times of sending and of arriving, so that bursts of
        // acknowledgements do not look like a fast path.
        let sending = latest.sent_us - latest.first_sent_us.min(latest.sent_us);
        let span_us = sending.max(now_us - latest.delivered_us);
        if span_us > 0 {
            sample.rate = Some((self.delivered - latest.delivered) as f64 * 1e6 / span_us as f64);
        }
        self.first_sent_us = latest.sent_us;
    }

    /// Decides what is lost now that transmission `latest` has arrived.
    fn judge(&mut self, latest: u64) {
        let end = (latest + 1).saturating_sub(REORDERING);
        let before = self.in_flight;
        let mut news = false;
        for serial in self.judged.max(self.first_serial)..end {
            // What was sent before the latest cut knows nothing of it.
            news |= self.lose(serial) && serial >= self.cut_at;
        }
        self.judged = self.judged.max(end);
        if news {
            self.control.on_loss();
            self.cut_at = self.next_serial();
            self.recovery = Some(Recovery {
                until: self.cut_at,
                in_flight_before: before,
                delivered: 0,
                sent: 0,
                allowed: 0,
            });
        }
    }

    fn lose(&mut self, serial: u64) -> bool {
        let index = (serial - self.first_serial) as usize;
        let Some(transmission) = self.transmissions.get_mut(index) else {
            return false;
        };
        if transmission.fate != Fate::Unknown {
            return false;
        }
        transmission.fate = Fate::Lost;
        self.in_flight -= 1;
        if transmission.place >= self.complete {
            self.lost.insert(transmission.place);
        }
        true
    }

    pub(super) fn turn(&mut self, now_us: u64, mut send: impl FnMut(Segment)) {
        if self.timeout_at.is_some_and(|at| at <= now_us) {
            for serial in self.first_serial..self.next_serial() {
                self.lose(serial);
            }
            self.judged = self.next_serial();
            self.cut_at = self.judged;
            self.recovery = None;
            self.control.on_timeout();
            self.backoff += 1;
            self.timeout_at = Some(now_us + self.timeout_us());
        }
        while self.may_send() && self.paced_until <= now_us * MICROSECOND {
            send(self.transmit(now_us));
        }
    }

    fn may_send(&self) -> bool {
        let window = self.control.window().max(1.0) as u64;
        match &self.recovery {
            Some(recovery) if self.control.reduces_smoothly() => {
                recovery.budget(self.in_flight, window) > 0
            }
            _ => self.in_flight < window,
        }
    }

    fn transmit(&mut self, now_us: u64) -> Segment {
        while self
            .lost
            .first()
            .is_some_and(|&place| place < self.complete)
        {
            self.lost.pop_first();
        }
        let place = self.lost.pop_first().unwrap_or_else(|| {
            self.next_place += 1;
            self.next_place - 1
        });
        if self.in_flight == 0 {
            self.delivered_us = now_us;
            self.first_sent_us = now_us;
        }
        let serial = self.next_serial();
        self.transmissions.push_back(Transmission {
            place,
            sent_us: now_us,
            delivered: self.delivered,
            delivered_us: self.delivered_us,
            first_sent_us: self.first_sent_us,
            fate: Fate::Unknown,
        });
        self.in_flight += 1;
        if let Some(recovery) = &mut self.recovery {
            recovery.sent += 1;
            recovery.allowed = recovery.allowed.saturating_sub(1);
        }
        if let Some(pacing) = self.control.pacing() {
            let gap = (SECOND / pacing.max(1.0)) as u64;
            // At most one segment is made up for when its turn came late.
            let from = self
                .paced_until
                .max((now_us * MICROSECOND).saturating_sub(gap));
            self.paced_until = from + gap;
        }
        if self.timeout_at.is_none() {
            self.timeout_at = Some(now_us + self.timeout_us());
        }
        Segment {
            serial,
            place,
            ip_bytes: DATA_IP_BYTES,
            ..Segment::default()
        }
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        let paced = self
            .may_send()
            .then(|| self.paced_until.div_ceil(MICROSECOND));
        paced.into_iter().chain(self.timeout_at).min()
    }
}

#[derive(Debug)]
pub(super) struct AckClockedReceiver {
    random: Random,
    arrived: Coverage,
    complete: u64,
    segments: u64,
    latest: u64,
    seen: u64,
    waiting: u32,
    ack_at: Option<u64>,
}

impl AckClockedReceiver {
    pub(super) fn new(seed: u64, name: &str) -> Self {
        Self {
            random: Random::named(seed, &format!("{name} receiver")),
            arrived: Coverage::default(),
            complete: 0,
            segments: 0,
            latest: 0,
            seen: 0,
            waiting: 0,
            ack_at: None,
        }
    }

    pub(super) fn on_data(&mut self, now_us: u64, data: Segment) {
        self.segments += self.arrived.add(data.place, data.place + 1);
        let complete = self.arrived.end_of_first();
        let in_order = complete == data.place + 1;
        let ahead = self.arrived.has_gaps();
        self.complete = complete;
        match data.serial.checked_sub(self.latest) {
            Some(forward) => {
                self.seen = if forward < 64 {
                    self.seen << forward
                } else {
                    0
                } | 1;
                self.latest = data.serial;
            }
            None => {
                let back = self.latest - data.serial;
                self.seen |= if back < 64 { 1 << back } else { 0 };
            }
        }
        self.waiting += 1;
        let at_once = self.waiting >= 2 || ahead || !in_order;
        let delay = if at_once {
            self.random.below(MOST_TURN_US)
        } else {
            ACK_DELAY_US
        };
        let at = now_us + delay;
        self.ack_at = Some(self.ack_at.map_or(at, |before| before.min(at)));
    }

    pub(super) fn turn(&mut self, now_us: u64, mut send: impl FnMut(Segment)) {
        if self.ack_at.is_none_or(|at| at > now_us) {
            return;
        }
        self.ack_at = None;
        self.waiting = 0;
        send(Segment {
            serial: self.latest,
            place: self.complete,
            seen: self.seen,
            ip_bytes: ACK_IP_BYTES,
            damaged: false,
        });
    }

    pub(super) const fn next_at(&self) -> Option<u64> {
        self.ack_at
    }

    pub(super) const fn delivered(&self) -> u64 {
        self.segments * PAYLOAD_BYTES
    }
}
