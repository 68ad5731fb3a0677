//! When to report, and what: measurements of one interval and the map of what is missing.
//!
//! A packet number is reported missing only when it is ripe: enough later packets came, or enough time
//! passed, that it is not just late. What arrived is acknowledged at once.

use crate::crypto::replay::ReplayWindow;
use crate::lane::PACKET_OVERHEAD;
use crate::time::{Duration, Instant};
use crate::units::PacketNumber;
use crate::wire::{FrameWriter, LossMapEncoder, MAX_DESCRIBED, ReportFields};

/// Every path must carry this much UDP payload.
const BASE_DATAGRAM: usize = 1_200;
/// Packets that must have come after a number before it counts as missing.
const RIPE_AFTER_PACKETS: u64 = 3;
/// No packet is expected to come later than this many others.
const MOST_REORDER: u64 = 4_096;
/// Reports are made at least this often while packets come.
const LONGEST_INTERVAL: Duration = Duration::from_millis(50);
/// Reports are this far apart at least,
const LEAST_INTERVAL: Duration = Duration::from_millis(1);
/// and so far while the sender looks for its rate: on a path of a millisecond it waits for each of them.
const LEAST_AT_BEGINNING: Duration = Duration::from_micros(250);
/// How long that is.
const BEGINNING: Duration = Duration::from_millis(20);
/// Fewer bytes than this do not deserve a report of their own, unless time has passed.
const WORTH_REPORTING: u32 = 6_000;
/// A report is repeated after this time even if nothing came: it may have been lost.
const REPEAT_AFTER: Duration = Duration::from_millis(1_000);
/// Delays kept for the median of an interval.
const SAMPLES: usize = 32;

/// One packet that was taken.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) now: Instant,
    pub(super) number: PacketNumber,
    pub(super) clock: u32,
    pub(super) length: usize,
}

/// What the host's storage can take, in bytes.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) credit: u64,
    pub(super) capacity: u64,
}

/// What happened since the last report.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    started: Instant,
    received: u32,
    bytes: u32,
    written: u64,
    least: Option<i32>,
    largest: i32,
    samples: [i32; SAMPLES],
    sampled: usize,
}

/// The state behind reports.
#[derive(Clone, Debug)]
pub(super) struct Reporting {
    interval: Interval,
    report_limit: usize,
    /// No datagram of ours may be larger, whatever the path carries.
    largest_datagram: usize,
    sequence: u16,
    received_total: u32,
    largest_clock: u32,
    largest_arrival: Instant,
    /// One past the largest number at the last report.
    passed_end: u64,
    floor: u64,
    round_trip: Duration,
    first_report: Option<Instant>,
    last_report: Option<Instant>,
    /// How many packets one came late, at most, lately.
    reorder: u64,
    /// All numbers below this are ripe.
    ripe_end: u64,
    ripening: (Instant, u64),
    /// Where the next map begins when the last one did not fit.
    map_goes_on_at: Option<u64>,
    written_kib_s: u32,
}

impl Reporting {
    pub(super) fn new(report_size: u16, largest_datagram: u16, now: Instant) -> Self {
        Self {
            interval: Interval {
                started: now,
                ..Interval::default()
            },
            report_limit: usize::from(report_size),
            largest_datagram: usize::from(largest_datagram),
            sequence: 0,
            received_total: 0,
            largest_clock: 0,
            largest_arrival: now,
            passed_end: 0,
            floor: 0,
            round_trip: Duration::ZERO,
            first_report: None,
            last_report: None,
            reorder: 0,
            ripe_end: 0,
            ripening: (now, 0),
            map_goes_on_at: None,
            written_kib_s: 0,
        }
    }

    #[cfg(test)]
    pub(super) const fn skip_to(&mut self, number: u64) {
        self.passed_end = number;
        self.floor = number;
        self.ripe_end = number;
    }

    pub(super) const fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Bytes of UDP payload that a datagram of ours may have: no more than every path carries. What the way here has
    /// carried says nothing about the way back, and a report that is too large would be so again and again.
    pub(super) fn datagram_limit(&self) -> usize {
        BASE_DATAGRAM.min(self.largest_datagram)
    }

    pub(super) const fn on_written(&mut self, bytes: u64) {
        self.interval.written = self.interval.written.saturating_add(bytes);
    }

    pub(super) fn on_sender_state(&mut self, floor: u32, round_trip_us: u32) {
        let known = self.passed_end.max(self.floor);
        let floor = PacketNumber::recover(floor, PacketNumber(known)).0;
        if floor <= known.saturating_add(u64::from(MAX_DESCRIBED)) {
            self.floor = self.floor.max(floor);
        }
        self.round_trip = Duration::from_micros(u64::from(round_trip_us));
    }

    /// Notes a packet; `largest` is the largest number before it.
    pub(super) fn on_packet(&mut self, packet: &Packet, largest: Option<PacketNumber>) {
        let interval = &mut self.interval;
        interval.received = interval.received.saturating_add(1);
        interval.bytes = interval
            .bytes
            .saturating_add(u32::try_from(packet.length).unwrap_or(u32::MAX));
        self.received_total = self.received_total.wrapping_add(1);
        interval.sample(
            packet
                .now
                .wire_clock()
                .wrapping_sub(packet.clock)
                .cast_signed(),
        );
        match largest {
            // The sender never repeats a number: what comes below the largest is late.
            Some(largest) if packet.number < largest => {
                self.reorder = self
                    .reorder
                    .max((largest.0 - packet.number.0).min(MOST_REORDER));
            }
            _ => {
                self.largest_clock = packet.clock;
                self.largest_arrival = packet.now;
            }
        }
    }

    /// Time between reports: an eighth of a round trip, 1 to 20 ms; at the start it may be less.
    fn pace(&self) -> Duration {
        let least = match self.first_report {
            Some(first) if self.interval.started.since(first) >= BEGINNING => LEAST_INTERVAL,
            _ => LEAST_AT_BEGINNING,
        };
        self.round_trip
            .scaled(1, 8)
            .max(least)
            .min(Duration::from_millis(20))
    }

    /// How long a missing packet may be just late.
    fn ripening_time(&self) -> Duration {
        self.round_trip
            .scaled(1, 8)
            .max(Duration::from_millis(2))
            .min(Duration::from_millis(25))
    }

    /// When the next report is due; `None` while there is nothing to tell.
    pub(super) fn due_at<const WORDS: usize>(
        &self,
        window: &ReplayWindow<WORDS>,
    ) -> Option<Instant> {
        let Some(last) = self.last_report else {
            return (self.interval.received > 0).then_some(self.interval.started);
        };
        if self.map_goes_on_at.is_some() {
            return Some(last + self.pace().scaled(1, 4));
        }
        if self.interval.bytes >= WORTH_REPORTING {
            return Some(last + self.pace());
        }
        if self.interval.received > 0 {
            return Some(last + LONGEST_INTERVAL.min(self.pace().scaled(4, 1)));
        }
        let end = window.largest().map_or(0, |largest| largest.0 + 1);
        let unripe = known_end(window, self.ripe_end, end) < end;
        Some(
            last + if unripe {
                self.ripening_time()
            } else {
                REPEAT_AFTER
            },
        )
    }

    pub(super) fn is_due<const WORDS: usize>(
        &self,
        now: Instant,
        window: &ReplayWindow<WORDS>,
    ) -> bool {
        self.due_at(window).is_some_and(|at| now >= at)
    }

    /// Writes a report frame; `false` if it found no room.
    pub(super) fn write<const WORDS: usize>(
        &mut self,
        now: Instant,
        window: &ReplayWindow<WORDS>,
        storage: &Storage,
        writer: &mut FrameWriter<'_>,
    ) -> bool {
        let end = window.largest().map_or(0, |largest| largest.0 + 1);
        self.ripen(now, end);
        self.measure_storage(now);
        let fields = self.fields(now, window.largest(), end, storage);
        let oldest = end.saturating_sub((WORDS as u64 - 1) * 64);
        let floor = self.floor.max(oldest);
        let start = self
            .map_goes_on_at
            .filter(|&at| at > floor && at < end)
            .unwrap_or(floor);
        let described_end = known_end(window, self.ripe_end.max(start), end);
        let limit = self
            .report_limit
            .min(self.datagram_limit())
            .saturating_sub(PACKET_OVERHEAD);
        let base = PacketNumber(start).on_wire();
        let described = writer.push_report_with(&fields, base, limit, |map| {
            describe(map, window, start, described_end)
        });
        let Ok(described) = described else {
            return false;
        };
        let covered = start + u64::from(described);
        self.map_goes_on_at = (described > 0 && covered < described_end).then_some(covered);
        self.start_interval(now, end);
        true
    }

    fn fields(
        &self,
        now: Instant,
        largest: Option<PacketNumber>,
        end: u64,
        storage: &Storage,
    ) -> ReportFields {
        let interval = &self.interval;
        let least = interval.least.unwrap_or(0);
        let spread = |delay: i32| {
            let above = u32::try_from(delay.wrapping_sub(least)).unwrap_or(0);
            u16::try_from(above / 16).unwrap_or(u16::MAX)
        };
        let micros = |span: Duration| u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        let storage_limited = storage.credit < storage.capacity / 2;
        ReportFields {
            storage_limited,
            interval_quarter_ms: u8::try_from(self.pace().as_micros() / 250).unwrap_or(u8::MAX),
            sequence: self.sequence,
            largest: largest.unwrap_or_default().on_wire(),
            echoed_clock: self.largest_clock,
            arrival_clock: self.largest_arrival.wire_clock(),
            held_us: micros(now.since(self.largest_arrival)),
            covered_us: micros(now.since(interval.started)),
            received: interval.received,
            passed: u32::try_from(end.saturating_sub(self.passed_end)).unwrap_or(u32::MAX),
            received_bytes: interval.bytes,
            least_delay_us: least,
            median_over_least: spread(interval.median()),
            largest_over_least: spread(interval.largest),
            received_total: self.received_total,
            reorder_log2: u8::try_from(self.reorder.next_power_of_two().ilog2()).unwrap_or(0),
            credit_kib: u32::try_from(storage.credit / 1024).unwrap_or(u32::MAX),
            drain_kib_s: if storage_limited {
                self.written_kib_s
            } else {
                0
            },
            ..ReportFields::default()
        }
    }

    fn start_interval(&mut self, now: Instant, end: u64) {
        self.interval = Interval {
            started: now,
            ..Interval::default()
        };
        self.first_report.get_or_insert(now);
        self.last_report = Some(now);
        self.passed_end = end;
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Numbers become ripe by packets that came after them, or by time.
    fn ripen(&mut self, now: Instant, end: u64) {
        let by_packets =
            end.saturating_sub(RIPE_AFTER_PACKETS.max(self.reorder + self.reorder / 4));
        let (since, candidate) = self.ripening;
        if now.since(since) >= self.ripening_time() {
            self.ripe_end = self.ripe_end.max(candidate);
            self.ripening = (now, end);
            // What once came late need not do so for ever.
            self.reorder -= self.reorder / 64;
        }
        self.ripe_end = self.ripe_end.max(by_packets).min(end);
    }

    fn measure_storage(&mut self, now: Instant) {
        let span_us = now.since(self.interval.started).as_micros();
        let rate = (self.interval.written.saturating_mul(1_000_000) / 1024)
            .checked_div(span_us)
            .unwrap_or(0);
        let rate = u32::try_from(rate).unwrap_or(u32::MAX);
        self.written_kib_s = self.written_kib_s / 8 * 7 + rate / 8;
    }
}

impl Interval {
    fn sample(&mut self, delay: i32) {
        let least = self.least.unwrap_or(delay);
        let largest = if self.least.is_some() {
            self.largest
        } else {
            delay
        };
        self.least = Some(if delay.wrapping_sub(least) < 0 {
            delay
        } else {
            least
        });
        self.largest = if delay.wrapping_sub(largest) > 0 {
            delay
        } else {
            largest
        };
        if let Some(slot) = self.samples.get_mut(self.sampled % SAMPLES) {
            *slot = delay;
        }
        self.sampled += 1;
    }

    /// The median of the last delays sampled.
    fn median(&self) -> i32 {
        let least = self.least.unwrap_or(0);
        let mut above = self.samples.map(|delay| delay.wrapping_sub(least));
        let count = self.sampled.min(SAMPLES);
        let Some(taken) = above.get_mut(..count) else {
            return least;
        };
        taken.sort_unstable();
        taken
            .get(count / 2)
            .map_or(least, |middle| middle.wrapping_add(least))
    }
}

/// Describes `start..end` block by block until the map is full.
fn describe<const WORDS: usize>(
    map: &mut LossMapEncoder<'_>,
    window: &ReplayWindow<WORDS>,
    start: u64,
    end: u64,
) {
    let mut at = start;
    while at < end {
        let mut valid = u16::try_from((end - at).min(512)).unwrap_or(512);
        let mut words = [0; 8];
        for (index, word) in (0_u64..).zip(words.iter_mut()) {
            *word = missing_from(window, at + 64 * index);
        }
        // A first block that is too long for a small report is cut, or no report would ever tell of it.
        while map.push_block(&words, valid).is_err() {
            valid /= 2;
            if valid == 0 || map.described() > 0 {
                return;
            }
        }
        at += u64::from(valid);
    }
}

/// The numbers `at` to `at + 63` that did not arrive, the first in the lowest bit.
fn missing_from<const WORDS: usize>(window: &ReplayWindow<WORDS>, at: u64) -> u64 {
    let missing = window.missing_word(at) >> (at % 64);
    match at % 64 {
        0 => missing,
        taken => missing | window.missing_word(at + 64) << (64 - taken),
    }
}

/// One past the last number whose fate is known: all ripe ones, and those after them that came in order.
fn known_end<const WORDS: usize>(window: &ReplayWindow<WORDS>, ripe_end: u64, end: u64) -> u64 {
    let mut at = ripe_end;
    while at < end {
        let word_start = at & !63;
        let missing = window.missing_word(word_start) >> (at - word_start);
        if missing != 0 {
            return (at + u64::from(missing.trailing_zeros())).min(end);
        }
        at = word_start + 64;
    }
    end
}

#[cfg(test)]
mod tests;
