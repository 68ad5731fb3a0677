//! Telling the sender what becomes of objects: the DECIDE stream and its repetition.

use heapless::{Deque, Vec};

use super::Receiver;
use super::object_table::{Outcome, Stage};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::loss::Gap;
use crate::metadata::check::{RangeCheck, encode_check};
use crate::metadata::record::{MAX_RECORD, PREFIX_LEN};
use crate::metadata::{ByteRange, DecideRecord, MAX_RESUME_RANGES, record};
use crate::time::{Duration, Instant};
use crate::units::{ObjectId, PacketNumber};

/// What the host wants of an offered object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision<'r> {
    /// All of it.
    Go,
    /// Nothing: it is there already.
    Skip,
    /// Only these ranges: sorted, disjoint, within its size, at most [`MAX_RESUME_RANGES`].
    Resume(&'r [ByteRange]),
    /// All that is there was checked ([`Receiver::check`]): nothing if every check is right, else all of it.
    Compare,
}

/// The records on their way leave no room: try again when the sender was heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoomForChecks;

/// DECIDE pieces on their way.
const IN_FLIGHT: usize = 64;
/// A piece that this many later packets overtook is lost.
const REORDER: u64 = 3;
/// Bytes of the longest DECIDE record: RESUME with all its ranges.
const LONGEST: usize = 1_400;
/// Bytes of any other DECIDE record.
const SHORT: usize = 40;

#[derive(Clone, Copy, Debug)]
struct Piece {
    number: PacketNumber,
    offset: u64,
    length: u64,
    sent_at: Instant,
}

/// Which packet carried which piece of the DECIDE stream.
#[derive(Clone, Debug, Default)]
pub(super) struct SentDecisions {
    pieces: Deque<Piece, IN_FLIGHT>,
}

impl SentDecisions {
    pub(super) fn is_full(&self) -> bool {
        self.pieces.is_full()
    }

    pub(super) fn push(
        &mut self,
        number: PacketNumber,
        offset: u64,
        length: u64,
        sent_at: Instant,
    ) {
        let _ = self.pieces.push_back(Piece {
            number,
            offset,
            length,
            sent_at,
        });
    }

    /// When the oldest piece counts as lost if nothing is heard of it.
    pub(super) fn overdue_at(&self, round_trip: Duration) -> Option<Instant> {
        self.pieces
            .front()
            .map(|piece| piece.sent_at + round_trip.scaled(2, 1) + Duration::from_millis(50))
    }
}

impl<const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize, G: GcmBackend>
    Receiver<WORDS, OBJECTS, GAPS, META, G>
{
    /// The host's decision on an offered object. Only sessions that decide on each object need it.
    pub fn decide(&mut self, object: ObjectId, decision: Decision<'_>) {
        let Some(entry) = self
            .objects
            .get_mut(object)
            .filter(|entry| entry.stage == Stage::Open && !entry.decided && !entry.awaits)
        else {
            return;
        };
        // Where checks were sent, the sender says what follows from them.
        entry.awaits = match decision {
            Decision::Resume(_) => entry.checked,
            Decision::Compare => true,
            Decision::Go | Decision::Skip => false,
        };
        entry.decided = !entry.awaits;
        match decision {
            Decision::Compare => self.tell(object, Outcome::Compare),
            Decision::Go => self.tell(object, Outcome::Go),
            Decision::Skip => {
                entry.stage = Stage::Resulted;
                self.tell(object, Outcome::Skip);
            }
            Decision::Resume(missing) => self.resume(object, missing),
        }
    }

    /// Sends the sender checks of bytes of an offered, undecided `object` that are here already: sorted, disjoint,
    /// within its size, at most [`crate::metadata::check::MAX_CHECKS`] a call. All of them come before the decision.
    ///
    /// # Errors
    ///
    /// [`NoRoomForChecks`]; nothing is sent then.
    pub fn check(
        &mut self,
        object: ObjectId,
        checks: &[RangeCheck],
    ) -> Result<(), NoRoomForChecks> {
        let Some(entry) = self
            .objects
            .get_mut(object)
            .filter(|entry| entry.stage == Stage::Open && !entry.decided && !entry.awaits)
        else {
            return Ok(());
        };
        if checks.is_empty() {
            return Ok(());
        }
        let mut bytes = [0; PREFIX_LEN + MAX_RECORD];
        let length = encode_check(object, checks, &mut bytes).map_err(|_| NoRoomForChecks)?;
        let encoded = bytes.get(..length).unwrap_or_default();
        self.decide.write(encoded).map_err(|_| NoRoomForChecks)?;
        entry.checked = true;
        Ok(())
    }

    /// The sender compared the checks of `object` and sends `ranges`; `false` if it was not asked.
    pub(super) fn on_sending(&mut self, object: ObjectId, ranges: &[ByteRange]) -> bool {
        let Some(entry) = self
            .objects
            .get_mut(object)
            .filter(|entry| entry.stage == Stage::Open && entry.awaits)
        else {
            // It may have failed here meanwhile.
            return self
                .objects
                .get(object)
                .is_none_or(|entry| entry.stage != Stage::Open);
        };
        if ranges.last().is_some_and(|range| range.end > entry.size) {
            return false;
        }
        let size = entry.size;
        self.gaps.forget(object);
        let mut missing = 0;
        for range in ranges {
            let gap = Gap {
                object,
                start: range.start,
                end: range.end,
            };
            if self.gaps.add(gap).is_err() {
                self.fail(Fault::InternalError);
                return true;
            }
            missing += range.end - range.start;
        }
        if let Some(entry) = self.objects.get_mut(object) {
            entry.awaits = false;
            entry.decided = true;
            entry.high = size;
            entry.missing = missing;
        }
        self.check_complete(object);
        true
    }

    /// The sender wants everything of `object` checked; once is enough.
    pub(super) fn on_recheck(&mut self, object: ObjectId) -> bool {
        let Some(entry) = self
            .objects
            .get_mut(object)
            .filter(|entry| entry.stage == Stage::Open)
        else {
            return self
                .objects
                .get(object)
                .is_none_or(|entry| entry.stage != Stage::Unknown);
        };
        if !entry.awaits || entry.rechecked {
            return false;
        }
        entry.awaits = false;
        entry.rechecked = true;
        entry.checked = false;
        entry.missing = 0;
        entry.high = 0;
        self.gaps.forget(object);
        true
    }

    /// The host compared `object` and every check was right: it stays as it is. Final, as [`Decision::Skip`].
    pub fn handle_skip(&mut self, object: ObjectId) {
        let Some(entry) = self.objects.get_mut(object) else {
            return;
        };
        if matches!(entry.stage, Stage::Unknown | Stage::Resulted) {
            return;
        }
        entry.stage = Stage::Resulted;
        self.gaps.forget(object);
        self.tell(object, Outcome::Skip);
    }

    /// The host put `object` under its final name, or failed to.
    pub fn handle_result(&mut self, object: ObjectId, fault: Option<Fault>) {
        let Some(entry) = self.objects.get_mut(object) else {
            return;
        };
        if matches!(entry.stage, Stage::Unknown | Stage::Resulted) {
            return;
        }
        entry.stage = Stage::Resulted;
        self.gaps.forget(object);
        self.tell(object, fault.map_or(Outcome::Delivered, Outcome::Failed));
    }

    fn resume(&mut self, object: ObjectId, missing: &[ByteRange]) {
        let size = self.objects.get(object).map_or(0, |entry| entry.size);
        let usable = missing.len() <= MAX_RESUME_RANGES
            && missing.len() < self.gaps.room()
            && missing
                .iter()
                .all(|range| range.start < range.end && range.end <= size)
            && missing
                .iter()
                .zip(missing.iter().skip(1))
                .all(|(one, next)| one.end <= next.start);
        if !usable {
            if let Some(entry) = self.objects.get_mut(object) {
                (entry.decided, entry.awaits) = (true, false);
            }
            return self.tell(object, Outcome::Go);
        }
        for range in missing {
            let _ = self.gaps.add(Gap {
                object,
                start: range.start,
                end: range.end,
            });
        }
        if let Some(entry) = self.objects.get_mut(object) {
            entry.high = size;
            entry.missing = missing.iter().map(|range| range.end - range.start).sum();
        }
        self.tell(object, Outcome::Resume);
    }

    /// Queues an outcome; a final one replaces one that was not told yet.
    fn tell(&mut self, object: ObjectId, outcome: Outcome) {
        let Some(entry) = self.objects.get_mut(object) else {
            return;
        };
        entry.outcome = Some(outcome);
        if !entry.queued {
            entry.queued = true;
            // Each object is queued once, and there are as many places as objects.
            let _ = self.to_tell.push_back(object);
        }
    }

    /// Moves queued outcomes into the stream, neighbours with the same outcome as one record.
    pub(super) fn flush_outcomes(&mut self) {
        while let Some(&first) = self.to_tell.front() {
            let Some(outcome) = self.objects.get(first).and_then(|entry| entry.outcome) else {
                self.to_tell.pop_front();
                continue;
            };
            if self.decide.room() < room_for(outcome) {
                return;
            }
            let last = self.take_neighbours(first, outcome);
            self.write_outcome(first, last, outcome);
            if outcome.is_final() {
                for id in first.0..=last.0 {
                    self.objects.release(ObjectId(id));
                }
            }
        }
    }

    /// Whether [`Self::flush_outcomes`] would do something now.
    pub(super) fn can_tell(&self) -> bool {
        self.to_tell.front().is_some_and(|&first| {
            let outcome = self.objects.get(first).and_then(|entry| entry.outcome);
            outcome.is_none_or(|outcome| self.decide.room() >= room_for(outcome))
        })
    }

    /// Takes `first` and the ids that follow it with the same outcome from the queue; returns the last.
    fn take_neighbours(&mut self, first: ObjectId, outcome: Outcome) -> ObjectId {
        let mut last = first;
        self.take_told(first);
        while !matches!(outcome, Outcome::Resume | Outcome::Compare)
            && let Some(&next) = self.to_tell.front()
            && next == last.next()
            && self.objects.get(next).and_then(|entry| entry.outcome) == Some(outcome)
        {
            self.take_told(next);
            last = next;
        }
        last
    }

    fn take_told(&mut self, object: ObjectId) {
        self.to_tell.pop_front();
        if let Some(entry) = self.objects.get_mut(object) {
            entry.queued = false;
            entry.outcome = None;
        }
    }

    fn write_outcome(&mut self, first: ObjectId, last: ObjectId, outcome: Outcome) {
        let decision = match outcome {
            Outcome::Go => DecideRecord::Go { first, last },
            Outcome::Skip => DecideRecord::Skip { first, last },
            Outcome::Compare => DecideRecord::Compare(first),
            Outcome::Delivered => DecideRecord::Result {
                first,
                last,
                fault: None,
            },
            Outcome::Failed(fault) => DecideRecord::Result {
                first,
                last,
                fault: Some(fault),
            },
            Outcome::Resume => {
                let ranges = self.gaps.of(first).map(|gap| ByteRange {
                    start: gap.start,
                    end: gap.end,
                });
                let missing: Vec<ByteRange, MAX_RESUME_RANGES> =
                    ranges.take(MAX_RESUME_RANGES).collect();
                DecideRecord::Resume {
                    object: first,
                    missing,
                }
            }
        };
        let mut bytes = [0; LONGEST];
        let encoded = record::encode_decide(&decision, &mut bytes)
            .ok()
            .and_then(|length| bytes.get(..length));
        if encoded.is_none_or(|encoded| self.decide.write(encoded).is_err()) {
            // Room was checked: only a stream smaller than one record comes here.
            self.fail(Fault::InternalError);
        }
    }

    /// The sender told which of our packets arrived.
    pub(super) fn on_sack(&mut self, largest: u32, earlier: u64) {
        let largest = PacketNumber::recover(largest, self.outbound.next_number());
        for _ in 0..self.sent_decisions.pieces.len() {
            let Some(piece) = self.sent_decisions.pieces.pop_front() else {
                break;
            };
            let behind = largest.0.checked_sub(piece.number.0);
            let arrived = match behind {
                Some(0) => true,
                Some(distance) => distance <= 64 && earlier >> (distance - 1) & 1 == 1,
                None => false,
            };
            if arrived
                && self
                    .decide
                    .on_acknowledged(piece.offset, piece.length)
                    .is_ok()
            {
                continue;
            }
            if arrived || behind.is_some_and(|distance| distance >= REORDER) {
                self.decide.rewind(piece.offset);
            } else {
                let _ = self.sent_decisions.pieces.push_back(piece);
            }
        }
    }

    /// Gives up waiting for pieces that nothing was heard of.
    pub(super) fn repeat_overdue(&mut self, now: Instant) {
        let round_trip = self.reporting.round_trip();
        while self
            .sent_decisions
            .overdue_at(round_trip)
            .is_some_and(|at| now >= at)
        {
            if let Some(piece) = self.sent_decisions.pieces.pop_front() {
                self.decide.rewind(piece.offset);
            }
        }
    }
}

/// Bytes that the stream must have free before an outcome is written.
const fn room_for(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Resume => LONGEST,
        _ => SHORT,
    }
}
