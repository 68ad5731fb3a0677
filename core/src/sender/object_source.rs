//! Where a sender's bytes come from: the host's storage, asked at the moment of sending.
//!
//! The bytes go straight into the datagram, so nothing is queued or copied in the core and a
//! retransmission simply reads again. Storage that is not ready says so; it never blocks.

use crate::fault::Fault;
use crate::metadata::{MAX_CHECKSUM, OpenRecord};
use crate::units::ObjectId;

/// What came of asking for bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ReadOutcome {
    /// The whole buffer is filled.
    Filled,
    /// Not yet: the host will poll the sender again when the bytes are there.
    NotReady,
    /// The object cannot be sent: unreadable, shorter than offered, or changed since.
    Failed(Fault),
}

/// What came of asking whether an object is still what was offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FinishOutcome {
    /// Size and times are as offered; there is no hash.
    Unchanged,
    /// Size and times are as offered, and this is the BLAKE3 hash of all bytes, as they were read.
    Hashed([u8; 32]),
    /// Not known yet: ask again when the host polls.
    NotReady,
    /// It changed or cannot be examined.
    Failed(Fault),
}

/// The host's side of sending: objects by id.
pub trait ObjectSource {
    /// Fills `buffer` with the bytes of `object` from `offset`; the range lies within the offered size.
    ///
    /// After [`ObjectSource::finish`] said `Unchanged` or `Hashed`, a further read (a retransmission) must fail
    /// if the object has changed since, so that no mixture of old and new bytes can be delivered.
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome;

    /// Called once all bytes of `object` were sent for the first time.
    fn finish(&mut self, object: ObjectId) -> FinishOutcome;

    /// Writes the checksum of a finished `object`, of the kind agreed, to the start of `out`; gives its length, 0
    /// if there is none. Asked for only after [`ObjectSource::finish`] said `Hashed`.
    fn checksum(&mut self, _object: ObjectId, _out: &mut [u8; MAX_CHECKSUM]) -> usize {
        0
    }

    /// The OPEN record of an unfinished `object`, as it was offered.
    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>>;
}
