//! What the receiver has already: its checks go to the host, and the host's judgement to the receiver.
//!
//! No object waits for another here: checks come in the DECIDE stream, answers go in the META stream, and what
//! is judged is sent while others are compared.
//!
//! Source: PROTOCOL.md §6.5.

use heapless::Vec;

use super::object_window::{Offered, Stage};
use super::{Blocked, Sender, SenderEvent};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::metadata::check::{CheckRecord, decode_check, is_check};
use crate::metadata::record::{self, MAX_RECORD, PREFIX_LEN};
use crate::metadata::{ByteRange, MAX_RESUME_RANGES, MetaRecord, Ranges};
use crate::units::ObjectId;

/// The records on their way leave no room: try again when the receiver was heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoRoomForJudgement;

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// The checks that [`SenderEvent::Check`] told of last.
    #[must_use]
    pub fn check_record(&self) -> Option<CheckRecord<'_>> {
        let (body, _) = self.decide.consumed_record_at(self.check_at?)?;
        decode_check(body).ok()
    }

    /// The host compared all checks of `object`: the bytes in `wrong` (sorted, disjoint, within its size) are not
    /// its own. They are sent with what was missing; where the receiver compares, anything wrong sends everything.
    ///
    /// # Errors
    ///
    /// [`NoRoomForJudgement`]; nothing happened then.
    pub fn judge(
        &mut self,
        object: ObjectId,
        wrong: &[ByteRange],
    ) -> Result<(), NoRoomForJudgement> {
        let Some(offered) = self.judged(object) else {
            return Ok(());
        };
        let everything = ByteRange {
            start: 0,
            end: offered.size,
        };
        let missing = self.plans.ranges(object);
        let has_plan = missing.is_some();
        let mut ranges = Vec::new();
        if offered.compared {
            if !wrong.is_empty() {
                let _ = ranges.push(everything);
            }
        } else {
            let missing = missing.unwrap_or_else(|| core::slice::from_ref(&everything));
            ranges = union(missing, wrong).unwrap_or_else(|| Vec::from_iter([everything]));
        }
        ranges.retain(|range| range.start < range.end);
        let sending = MetaRecord::Sending {
            object,
            ranges: Ranges::new(&ranges),
        };
        self.write_judgement(&sending)?;
        let open_end = self.meta.written();
        if let Some(offered) = self.objects.get_mut(object) {
            offered.judged_next = false;
            offered.open_end = open_end;
        }
        self.plans.drop_plan(object);
        if ranges.is_empty() {
            if !offered.compared {
                self.all_sent(object);
            }
        } else if has_plan && !self.plans.add(object, ranges) {
            // There was a plan in its place a moment ago.
            self.give_up(object, Fault::InternalError);
        } else {
            self.make_ready(object);
        }
        self.blocked = Blocked::No;
        Ok(())
    }

    /// The host found a wrong check of `object`, and the checks did not cover all that the receiver has: it is
    /// asked to check all of it. Once for each object.
    ///
    /// # Errors
    ///
    /// [`NoRoomForJudgement`]; nothing happened then.
    pub fn recheck(&mut self, object: ObjectId) -> Result<(), NoRoomForJudgement> {
        if self.judged(object).is_none() {
            return Ok(());
        }
        self.write_judgement(&MetaRecord::Recheck(object))?;
        self.plans.drop_plan(object);
        if let Some(offered) = self.objects.get_mut(object) {
            offered.judged_next = false;
            offered.compared = false;
            offered.checked = false;
            offered.checked_to = 0;
        }
        self.blocked = Blocked::No;
        Ok(())
    }

    /// Takes a CHECK record at `start` of the DECIDE stream: `None` if there is none, `Some(None)` if it has nothing
    /// to tell.
    pub(super) fn next_check(&mut self, start: u64) -> Option<Option<SenderEvent>> {
        let (body, end) = self.decide.record_at(start)?;
        if !is_check(body) {
            return None;
        }
        let checked = decode_check(body);
        let checked = checked.map(|check| (check.object, check.start(), check.end()));
        let Ok((object, first_byte, last_byte)) = checked else {
            return Some(self.breach());
        };
        let Some(offered) = self.objects.get_mut(object) else {
            self.decide.consume(end);
            return Some(None);
        };
        let is_orderly = first_byte >= offered.checked_to && last_byte <= offered.size;
        if !self.allows_checks || offered.judged_next || !is_orderly {
            return Some(self.breach());
        }
        let is_news = offered.stage == Stage::Undecided;
        offered.checked = is_news;
        offered.checked_to = last_byte;
        self.decide.consume(end);
        self.check_at = is_news.then_some(start);
        Some(is_news.then_some(SenderEvent::Check(object)))
    }

    /// RESUME after checks: what is missing waits for the judgement.
    pub(super) fn on_checked_resume(
        &mut self,
        object: ObjectId,
        missing: Vec<ByteRange, MAX_RESUME_RANGES>,
    ) -> Option<SenderEvent> {
        let offered = self.undecided(object)?;
        if missing.last().is_some_and(|range| range.end > offered.size) {
            self.give_up(object, Fault::Protocol);
            return None;
        }
        let absent: u64 = missing.iter().map(|range| range.end - range.start).sum();
        // Without room for a plan everything is sent, and the receiver is told so.
        self.plans.add(object, missing);
        self.ask_host(object, false, offered.size - absent)
    }

    /// COMPARE: the receiver has everything, right or wrong.
    pub(super) fn on_compare(&mut self, object: ObjectId) -> Option<SenderEvent> {
        if !self.allows_checks {
            return self.breach();
        }
        let offered = self.undecided(object)?;
        self.ask_host(object, true, offered.size)
    }

    fn ask_host(&mut self, object: ObjectId, compares: bool, present: u64) -> Option<SenderEvent> {
        let offered = self.objects.get_mut(object)?;
        offered.judged_next = true;
        offered.compared = compares;
        Some(SenderEvent::ChecksEnd {
            object,
            compares,
            present,
        })
    }

    fn undecided(&self, object: ObjectId) -> Option<Offered> {
        let offered = self.objects.get(object).copied();
        offered.filter(|offered| offered.stage == Stage::Undecided && !offered.judged_next)
    }

    fn judged(&self, object: ObjectId) -> Option<Offered> {
        let offered = self.objects.get(object).copied();
        offered.filter(|offered| offered.stage == Stage::Undecided && offered.judged_next)
    }

    fn breach(&mut self) -> Option<SenderEvent> {
        self.fail(Fault::Protocol);
        self.events.pop_front()
    }

    fn write_judgement(&mut self, record: &MetaRecord<'_>) -> Result<(), NoRoomForJudgement> {
        let mut bytes = [0; PREFIX_LEN + MAX_RECORD];
        let length = record::encode_meta(record, &mut bytes).map_err(|_| NoRoomForJudgement)?;
        let encoded = bytes.get(..length).unwrap_or_default();
        self.meta.write(encoded).map_err(|_| NoRoomForJudgement)
    }
}

/// Both sorted lists as one; `None` if it has too many ranges.
fn union(one: &[ByteRange], other: &[ByteRange]) -> Option<Vec<ByteRange, MAX_RESUME_RANGES>> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut merged: Vec<ByteRange, MAX_RESUME_RANGES> = Vec::new();
    loop {
        let next = match (one.peek(), other.peek()) {
            (Some(left), Some(right)) if left.start <= right.start => one.next(),
            (Some(_), None) => one.next(),
            (_, Some(_)) => other.next(),
            (None, None) => return Some(merged),
        };
        let range = *next?;
        match merged.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range).ok()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    #[test]
    fn missing_and_wrong_ranges_become_one_list() {
        let missing = [range(0, 10), range(50, 60)];
        let wrong = [range(5, 20), range(30, 50), range(70, 80)];
        let merged = union(&missing, &wrong).unwrap();
        assert_eq!(merged, [range(0, 20), range(30, 60), range(70, 80)]);
        assert_eq!(union(&missing, &[]).unwrap(), missing);
        assert_eq!(union(&[], &[]).unwrap(), []);
    }

    #[test]
    fn more_ranges_than_a_record_carries_are_refused() {
        let many: std::vec::Vec<_> = (0..65).map(|at| range(at * 10, at * 10 + 1)).collect();
        assert_eq!(union(&many, &[]), None);
        assert!(union(&many[..64], &[]).is_some());
    }
}
