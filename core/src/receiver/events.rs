//! What the host learns from a receiver: objects offered, complete or cancelled, and the session's end.

use core::mem;

use super::Receiver;
use super::object_table::Stage;
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::metadata::attributes::AttributesRecord;
use crate::metadata::{LinkRecord, MetaRecord, OpenRecord, Ranges, RootHash, record};
use crate::path::Move;
use crate::units::ObjectId;

/// Something the host must know or do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ReceiverEvent<'r> {
    /// The first authentic datagram came from the sender.
    Connected,
    /// Attributes of an object that is not offered yet; they are of the one that is offered next, or of none.
    Attributes(AttributesRecord<'r>),
    /// An object is offered: prepare for its bytes, and decide on it if the session decides on each.
    Offered(OpenRecord<'r>),
    /// A symbolic link is offered: make it and give the result, or say [`Receiver::handle_skip`].
    Linked(LinkRecord<'r>),
    /// The hash of an object at its sender, told before the object is complete. What arrived must have it too,
    /// or the object must not be delivered. A sender may tell none.
    Root {
        /// Which object.
        object: ObjectId,
        /// BLAKE3 hash of all its bytes.
        root: RootHash<'r>,
        /// Checksum of all its bytes, of the kind agreed; empty if the sender told none.
        checksum: &'r [u8],
    },
    /// The sender compared the checks of an object: these ranges come, and nothing else. Where the host compared
    /// the whole object and none comes, it now says [`Receiver::handle_skip`].
    Sending {
        /// Which object.
        object: ObjectId,
        /// What comes; what is in these ranges already is wrong or was missing.
        ranges: Ranges<'r>,
    },
    /// A check of this object was wrong: the host checks all that it has, and decides again.
    Recheck(ObjectId),
    /// All bytes of an object were lent out and are what the sender read: write them, put the object
    /// under its name, and give the result.
    Complete(ObjectId),
    /// The object will not be completed: clean up, and give the result.
    Cancelled {
        /// Which object.
        object: ObjectId,
        /// Why.
        fault: Fault,
    },
    /// The sender offers nothing more.
    Ended {
        /// Objects offered.
        objects: u32,
        /// Sum of their sizes.
        bytes: u64,
    },
    /// The sender came to another address, which has proven itself: datagrams go there from now on.
    Moved(Move),
    /// Every object's result is on its way to the sender. Told once.
    Settled,
    /// The session is over.
    Failed(Fault),
}

impl<const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize, G: GcmBackend>
    Receiver<WORDS, OBJECTS, GAPS, META, G>
{
    /// The next event; call until `None` after every input.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent<'_>> {
        if self.heard && !self.connected_told {
            self.connected_told = true;
            return Some(ReceiverEvent::Connected);
        }
        if let Some(moved) = self.moved.take() {
            return Some(ReceiverEvent::Moved(moved));
        }
        if let Some(fault) = self.failure.filter(|_| !self.failure_told) {
            self.failure_told = true;
            return Some(ReceiverEvent::Failed(fault));
        }
        while self.meta.consumed() < self.meta_parsed {
            let start = self.meta.consumed();
            let (_, end) = self.meta.record_at(start)?;
            let told = self.is_told(start);
            self.meta.consume(end);
            if told {
                return self.event_of(start);
            }
        }
        while let Some(object) = self.completed.pop_front() {
            // The host may have given its result already, because writing failed.
            let entry = self.objects.get(object);
            if entry.is_some_and(|entry| entry.stage == Stage::InHand) {
                return Some(ReceiverEvent::Complete(object));
            }
        }
        if !self.settled_told && self.all_told() {
            self.settled_told = true;
            return Some(ReceiverEvent::Settled);
        }
        None
    }

    /// Whether the record at `start` of the META stream makes an event; a cancellation is told once.
    fn is_told(&mut self, start: u64) -> bool {
        let Some((body, _)) = self.meta.record_at(start) else {
            return false;
        };
        match record::decode_meta(body) {
            // One that came in one frame was told with its bytes.
            Ok(MetaRecord::Open(open)) => self
                .objects
                .get(open.object)
                .is_some_and(|entry| !entry.whole),
            Ok(MetaRecord::Link(link)) => self
                .objects
                .get(link.object)
                .is_some_and(|entry| !entry.whole),
            Ok(MetaRecord::End { .. }) => true,
            Ok(MetaRecord::Attributes(attributes)) => self
                .objects
                .get(attributes.object)
                .is_some_and(|entry| !entry.whole),
            Ok(MetaRecord::Sending { object, .. } | MetaRecord::Recheck(object)) => self
                .objects
                .get(object)
                .is_some_and(|entry| matches!(entry.stage, Stage::Open | Stage::InHand)),
            Ok(MetaRecord::Close {
                object,
                fault: None,
                root,
                ..
            }) => {
                root.is_some()
                    && self
                        .objects
                        .get(object)
                        .is_some_and(|entry| matches!(entry.stage, Stage::Open | Stage::InHand))
            }
            Ok(MetaRecord::Close { object, .. }) => self
                .objects
                .get_mut(object)
                .is_some_and(|entry| mem::take(&mut entry.cancelled)),
            Err(_) => false,
        }
    }

    /// The event of the record at `start`, which was just consumed but is still held.
    fn event_of(&self, start: u64) -> Option<ReceiverEvent<'_>> {
        let (body, _) = self.meta.consumed_record_at(start)?;
        match record::decode_meta(body).ok()? {
            MetaRecord::Open(open) => Some(ReceiverEvent::Offered(open)),
            MetaRecord::Close {
                object,
                fault: None,
                root,
                checksum,
            } => Some(ReceiverEvent::Root {
                object,
                root: root?,
                checksum: checksum.unwrap_or_default(),
            }),
            MetaRecord::Close {
                object,
                fault: Some(fault),
                ..
            } => Some(ReceiverEvent::Cancelled { object, fault }),
            MetaRecord::End { objects, bytes } => Some(ReceiverEvent::Ended { objects, bytes }),
            MetaRecord::Sending { object, ranges } => {
                Some(ReceiverEvent::Sending { object, ranges })
            }
            MetaRecord::Recheck(object) => Some(ReceiverEvent::Recheck(object)),
            MetaRecord::Link(link) => Some(ReceiverEvent::Linked(link)),
            MetaRecord::Attributes(attributes) => Some(ReceiverEvent::Attributes(attributes)),
        }
    }
}
