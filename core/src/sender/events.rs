//! What the host learns from a sender: the fate of objects, and of the session.

use heapless::Vec;

use super::object_window::Stage;
use super::{Blocked, Sender};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::metadata::{ByteRange, DecideRecord, MAX_RESUME_RANGES, record};
use crate::path::Move;
use crate::units::ObjectId;

/// Something the host must know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum SenderEvent {
    /// The first authentic datagram came from the receiver.
    Connected,
    /// These objects are already there; nothing was sent. Final.
    Skipped {
        /// First object.
        first: ObjectId,
        /// Last object.
        last: ObjectId,
    },
    /// These objects were delivered, or failed. Final.
    Finished {
        /// First object.
        first: ObjectId,
        /// Last object.
        last: ObjectId,
        /// Why they failed.
        fault: Option<Fault>,
    },
    /// Only a part of this object is missing at the receiver.
    Resumed {
        /// Which object.
        object: ObjectId,
        /// Bytes that the receiver has already.
        present: u64,
    },
    /// The receiver checks what it has of this object: [`Sender::check_record`] lends the checks until the next
    /// call of [`Sender::poll_event`]. More may follow.
    Check(ObjectId),
    /// All checks of this object were told: the host compares them with its own bytes and gives its judgement
    /// ([`Sender::judge`], or [`Sender::recheck`] where more checks would help).
    ChecksEnd {
        /// Which object.
        object: ObjectId,
        /// Nothing or everything will be sent; otherwise what is missing and what is wrong.
        compares: bool,
        /// Bytes that the receiver has.
        present: u64,
    },
    /// The receiver came to another address, which has proven itself: datagrams go there from now on.
    Moved(Move),
    /// Every object offered has its result, and no more will be offered. Told once.
    Settled,
    /// The session is over.
    Failed(Fault),
}

/// A range of objects that a decision speaks of.
pub(super) type Range = (ObjectId, ObjectId);

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// The next event; call until `None` after every input. Decisions take effect here.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        self.check_at = None;
        while self.failure.is_none() {
            let start = self.decide.consumed();
            match self.next_check(start) {
                Some(Some(event)) => return Some(event),
                Some(None) => continue,
                None => {}
            }
            let taken = match record::next_record(self.decide.bytes_from(start)) {
                Ok(None) => break,
                Ok(Some((body, taken))) => record::decode_decide(body).map(|said| (said, taken)),
                Err(error) => Err(error),
            };
            let Ok((decision, taken)) = taken else {
                self.fail(Fault::Protocol);
                return self.events.pop_front();
            };
            let (event, is_done) = self.on_decision(decision);
            if is_done {
                self.decide.consume(start + taken as u64);
            }
            if event.is_some() {
                return event;
            }
        }
        if !self.settled_told && self.is_settled() {
            self.settled_told = true;
            return Some(SenderEvent::Settled);
        }
        None
    }

    /// What a decision tells the host, and whether that is all it tells.
    fn on_decision(&mut self, decision: DecideRecord) -> (Option<SenderEvent>, bool) {
        self.blocked = Blocked::No;
        match decision {
            DecideRecord::Go { first, last } => {
                if let Some((first, last)) = self.objects.clip(first, last) {
                    for id in first.0..=last.0 {
                        self.on_go(ObjectId(id));
                    }
                }
                (None, true)
            }
            DecideRecord::Skip { first, last } => {
                let (ended, is_done) = self.finish_range(first, last);
                let event = ended.map(|(first, last)| SenderEvent::Skipped { first, last });
                (event, is_done)
            }
            DecideRecord::Resume { object, missing } => {
                let checked = self
                    .objects
                    .get(object)
                    .is_some_and(|offered| offered.checked);
                let event = if checked {
                    self.on_checked_resume(object, missing)
                } else {
                    self.on_resume(object, missing)
                };
                (event, true)
            }
            DecideRecord::Compare(object) => (self.on_compare(object), true),
            DecideRecord::Result { first, last, fault } => {
                let (ended, is_done) = self.finish_range(first, last);
                let event = ended.map(|(first, last)| SenderEvent::Finished { first, last, fault });
                (event, is_done)
            }
        }
    }

    fn on_go(&mut self, object: ObjectId) {
        if self
            .objects
            .get(object)
            .is_some_and(|offered| offered.stage == Stage::Undecided)
        {
            self.make_ready(object);
        }
    }

    fn on_resume(
        &mut self,
        object: ObjectId,
        missing: Vec<ByteRange, MAX_RESUME_RANGES>,
    ) -> Option<SenderEvent> {
        let offered = self
            .objects
            .get(object)
            .filter(|offered| offered.stage == Stage::Undecided)?;
        let (size, last_byte) = (offered.size, missing.last().map_or(0, |range| range.end));
        if last_byte > size {
            self.give_up(object, Fault::Protocol);
            return None;
        }
        let absent: u64 = missing.iter().map(|range| range.end - range.start).sum();
        if missing.is_empty() {
            self.all_sent(object);
        } else if self.plans.add(object, missing) {
            self.make_ready(object);
        } else {
            self.make_ready(object);
            return None;
        }
        Some(SenderEvent::Resumed {
            object,
            present: size - absent,
        })
    }

    /// Ends the first unfinished objects of a range that follow one another, so that none is told twice;
    /// and whether none is left in it.
    fn finish_range(&mut self, first: ObjectId, last: ObjectId) -> (Option<Range>, bool) {
        let Some((first, last)) = self.objects.clip(first, last) else {
            return (None, true);
        };
        let mut ended: Option<Range> = None;
        for id in (first.0..=last.0).map(ObjectId) {
            if self.objects.finish(id) {
                self.plans.drop_plan(id);
                ended = Some((ended.map_or(id, |(first, _)| first), id));
            } else if ended.is_some() {
                return (ended, false);
            }
        }
        (ended, true)
    }
}
