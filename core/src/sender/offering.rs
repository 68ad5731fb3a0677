//! Offering objects: records into the META stream, and the CLOSE record after the last byte.

use heapless::Deque;

use super::object_source::{FinishOutcome, ObjectSource};
use super::object_window::{ObjectWindow, Offered, Stage};
use super::{Blocked, Sender};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane::PACKET_OVERHEAD;
use crate::metadata::attributes::AttributesRecord;
use crate::metadata::record::{self, MAX_RECORD, PREFIX_LEN};
use crate::metadata::{LinkRecord, MAX_CHECKSUM, MetaRecord, ObjectKind, OpenRecord, RootHash};
use crate::units::ObjectId;
use crate::wire::WHOLE_OVERHEAD;

/// A CLOSE or END record is no longer than this.
const SMALL_RECORD: usize = 128;

/// Why an object was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OfferError {
    /// Too many objects are unfinished, or too many records unacknowledged: offer it again later.
    #[error("The window of unfinished objects is full.")]
    Full,
    /// The record cannot be sent: its path is not acceptable to any receiver.
    #[error("The record of the object is not valid.")]
    Invalid,
    /// The offers were ended before.
    #[error("Nothing can be offered after the end of the offers.")]
    Ended,
}

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// The id that the next offered object will get; `None` while there is no room for one.
    #[must_use]
    pub fn next_object(&self) -> Option<ObjectId> {
        if self.offers_ended || self.meta.room() < SMALL_RECORD {
            return None;
        }
        self.objects.next_id()
    }

    /// Offers an object; `record.object` must be [`Self::next_object`].
    ///
    /// # Errors
    ///
    /// [`OfferError`]; nothing is offered then.
    pub fn offer(&mut self, record: &OpenRecord<'_>) -> Result<(), OfferError> {
        self.offer_with(record, None)
    }

    /// As [`Self::offer`], with attributes of the object that its own record has no place for.
    ///
    /// # Errors
    ///
    /// [`OfferError`]; nothing is offered then. Attributes that no record holds are [`OfferError::Invalid`].
    pub fn offer_with(
        &mut self,
        record: &OpenRecord<'_>,
        attributes: Option<&AttributesRecord<'_>>,
    ) -> Result<(), OfferError> {
        if self.offers_ended {
            return Err(OfferError::Ended);
        }
        if self.next_object() != Some(record.object) {
            return Err(OfferError::Full);
        }
        let mut bytes = [0; PREFIX_LEN + MAX_RECORD];
        if let Some(attributes) = attributes {
            self.write_attributes(record, attributes, &mut bytes)?;
        }
        let length = record::encode_meta(&MetaRecord::Open(*record), &mut bytes)
            .map_err(|_| OfferError::Invalid)?;
        let encoded = bytes.get(..length).ok_or(OfferError::Invalid)?;
        let body = encoded.get(PREFIX_LEN..).ok_or(OfferError::Invalid)?;
        if length > META || record::decode_open(body).is_err() {
            return Err(OfferError::Invalid);
        }
        let whole = attributes.is_none() && self.fits_whole(record, body.len());
        if !whole {
            self.meta.write(encoded).map_err(|_| OfferError::Full)?;
        }
        let stage = if self.decides_each {
            Stage::Undecided
        } else {
            Stage::Ready
        };
        self.objects.push(Offered {
            stage,
            whole,
            record_length: u16::try_from(body.len()).unwrap_or(u16::MAX),
            size: record.size,
            next_offset: 0,
            open_end: self.meta.written(),
            ..Offered::default()
        });
        self.offered_bytes = self.offered_bytes.saturating_add(record.size);
        if record.kind == ObjectKind::Directory {
            self.set_stage(record.object, Stage::Closed);
        } else if stage == Stage::Ready {
            self.make_ready(record.object);
        }
        self.blocked = Blocked::No;
        Ok(())
    }

    /// Offers a symbolic link; `link.object` must be [`Self::next_object`].
    ///
    /// # Errors
    ///
    /// [`OfferError`]; nothing is offered then.
    pub fn offer_link(&mut self, link: &LinkRecord<'_>) -> Result<(), OfferError> {
        if self.offers_ended {
            return Err(OfferError::Ended);
        }
        if self.next_object() != Some(link.object) {
            return Err(OfferError::Full);
        }
        let mut bytes = [0; PREFIX_LEN + MAX_RECORD];
        let length = record::encode_meta(&MetaRecord::Link(*link), &mut bytes)
            .map_err(|_| OfferError::Invalid)?;
        let encoded = bytes.get(..length).ok_or(OfferError::Invalid)?;
        let body = encoded.get(PREFIX_LEN..).ok_or(OfferError::Invalid)?;
        if length > META || record::decode_meta(body).is_err() {
            return Err(OfferError::Invalid);
        }
        self.meta.write(encoded).map_err(|_| OfferError::Full)?;
        self.objects.push(Offered {
            stage: Stage::Closed,
            open_end: self.meta.written(),
            ..Offered::default()
        });
        self.blocked = Blocked::No;
        Ok(())
    }

    /// Writes the record that stands before that of its object, if both find room and are valid.
    fn write_attributes(
        &mut self,
        record: &OpenRecord<'_>,
        attributes: &AttributesRecord<'_>,
        bytes: &mut [u8],
    ) -> Result<(), OfferError> {
        let open = record::encode_open(record, bytes).map_err(|_| OfferError::Invalid)?;
        let is_valid = bytes
            .get(..open)
            .is_some_and(|body| record::decode_open(body).is_ok());
        let length = attributes.encode(bytes).map_err(|_| OfferError::Invalid)?;
        let both = length + PREFIX_LEN + open;
        if !is_valid || attributes.object != record.object || both > META {
            return Err(OfferError::Invalid);
        }
        if both > self.meta.room() {
            return Err(OfferError::Full);
        }
        let encoded = bytes.get(..length).ok_or(OfferError::Invalid)?;
        self.meta.write(encoded).map_err(|_| OfferError::Full)
    }

    /// Nothing more will be offered.
    pub fn end_offers(&mut self) {
        self.offers_ended = true;
        self.blocked = Blocked::No;
    }

    /// A small file needs no decision and travels with its record in one frame.
    fn fits_whole(&self, record: &OpenRecord<'_>, record_length: usize) -> bool {
        let room = usize::from(self.mtu.current()) - PACKET_OVERHEAD;
        !self.decides_each
            && record.kind == ObjectKind::File
            && usize::try_from(record.size)
                .is_ok_and(|size| WHOLE_OVERHEAD + record_length + size <= room)
    }

    pub(super) fn set_stage(&mut self, object: ObjectId, stage: Stage) {
        if let Some(offered) = self.objects.get_mut(object) {
            offered.stage = stage;
        }
    }

    /// The bytes of `object` may be sent; one without bytes is closed at once.
    pub(super) fn make_ready(&mut self, object: ObjectId) {
        let Some(offered) = self.objects.get_mut(object) else {
            return;
        };
        offered.stage = Stage::Ready;
        let nothing_to_send = offered.size == 0 && !offered.whole;
        if nothing_to_send {
            self.all_sent(object);
        } else {
            enqueue(&mut self.ready, &self.objects, Stage::Ready, object);
        }
    }

    /// All bytes of `object` were sent once.
    pub(super) fn all_sent(&mut self, object: ObjectId) {
        self.plans.drop_plan(object);
        let Some(offered) = self.objects.get_mut(object) else {
            return;
        };
        if offered.stage != Stage::Closing {
            offered.stage = Stage::Closing;
            enqueue(&mut self.closing, &self.objects, Stage::Closing, object);
        }
    }

    /// `object` was to travel in one frame, and the path carries less than when it was offered: its record goes into
    /// the META stream now and its bytes follow. `false` if there is no room for the record yet.
    pub(super) fn send_in_pieces<S: ObjectSource>(
        &mut self,
        object: ObjectId,
        source: &mut S,
    ) -> bool {
        let Some(described) = source.describe(object) else {
            self.give_up(object, Fault::InternalError);
            return true;
        };
        let mut bytes = [0; PREFIX_LEN + MAX_RECORD];
        let Ok(length) = record::encode_meta(&MetaRecord::Open(described), &mut bytes) else {
            self.give_up(object, Fault::InternalError);
            return true;
        };
        let encoded = bytes.get(..length).unwrap_or_default();
        if self.meta.write(encoded).is_err() {
            return false;
        }
        let open_end = self.meta.written();
        let Some(offered) = self.objects.get_mut(object) else {
            return true;
        };
        let was_sent = offered.stage == Stage::Closed;
        offered.whole = false;
        offered.next_offset = 0;
        offered.open_end = open_end;
        if was_sent || offered.size == 0 {
            self.make_ready(object);
        }
        true
    }

    /// `object` cannot be sent: the receiver is told, and its result will confirm it.
    pub(super) fn give_up(&mut self, object: ObjectId, fault: Fault) {
        if let Some(offered) = self.objects.get_mut(object) {
            offered.fault = Some(fault);
        }
        self.all_sent(object);
    }

    /// Writes the CLOSE records that are due, and the END record after the last offer.
    pub(super) fn flush_closing<S: ObjectSource>(&mut self, source: &mut S) {
        for _ in 0..self.closing.len() {
            if self.meta.room() < SMALL_RECORD {
                break;
            }
            let Some(object) = self.closing.pop_front() else {
                break;
            };
            let Some(offered) = self
                .objects
                .get(object)
                .filter(|offered| offered.stage == Stage::Closing)
            else {
                continue;
            };
            let outcome = offered
                .fault
                .map_or_else(|| source.finish(object), FinishOutcome::Failed);
            match outcome {
                FinishOutcome::NotReady => {
                    let _ = self.closing.push_back(object);
                }
                FinishOutcome::Unchanged => self.write_close(object, None, None, None),
                FinishOutcome::Hashed(root) => {
                    let mut checksum = [0; MAX_CHECKSUM];
                    let length = source.checksum(object, &mut checksum);
                    let checksum = checksum.get(..length).filter(|bytes| !bytes.is_empty());
                    self.write_close(object, None, Some(&root), checksum);
                }
                FinishOutcome::Failed(fault) => self.write_close(object, Some(fault), None, None),
            }
        }
        if self.offers_ended && !self.end_written {
            let end = MetaRecord::End {
                objects: self.objects.offered(),
                bytes: self.offered_bytes,
            };
            self.end_written = self.write_record(&end);
        }
    }

    fn write_close(
        &mut self,
        object: ObjectId,
        fault: Option<Fault>,
        root: Option<RootHash<'_>>,
        checksum: Option<&[u8]>,
    ) {
        let close = MetaRecord::Close {
            object,
            fault,
            root,
            checksum,
        };
        if self.write_record(&close) {
            self.set_stage(object, Stage::Closed);
        } else {
            let _ = self.closing.push_back(object);
        }
    }

    fn write_record(&mut self, record: &MetaRecord<'_>) -> bool {
        let mut bytes = [0; SMALL_RECORD];
        match record::encode_meta(record, &mut bytes) {
            Ok(length) => bytes
                .get(..length)
                .is_some_and(|encoded| self.meta.write(encoded).is_ok()),
            Err(_) => false,
        }
    }
}

/// Queues `object`, which is at `stage`. There are as many places as unfinished objects, but those that were
/// finished before their turn came are still queued.
fn enqueue<const N: usize>(
    queue: &mut Deque<ObjectId, N>,
    objects: &ObjectWindow<N>,
    stage: Stage,
    object: ObjectId,
) {
    if queue.is_full() {
        for _ in 0..N {
            let Some(queued) = queue.pop_front() else {
                break;
            };
            if objects
                .get(queued)
                .is_some_and(|offered| offered.stage == stage)
            {
                let _ = queue.push_back(queued);
            }
        }
    }
    let _ = queue.push_back(object);
}
