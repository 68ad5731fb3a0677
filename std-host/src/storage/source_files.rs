//! The bytes of files being sent, always from memory: a reader thread fills blocks ahead of the sender.
//!
//! Asked for bytes that are not there yet, it answers `NotReady` and wakes the asker later. The one
//! exception are bytes asked for a second time (retransmissions) of a file that is still open:
//! those come from the system's page cache by a direct read.
//!
//! Every block is checked against the offered size, time and file number after it was read, and hashed. When all
//! was sent, the time of the last change of any kind, which nobody can set, must be that of the beginning; if it is
//! not, the file is read once more and must have the same hash. So no mixture of two states of a file is handed out.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::fault::Fault;
use fasp_core::metadata::check::RangeCheck;
use fasp_core::metadata::{MAX_CHECKSUM, ObjectKind, OpenRecord};
use fasp_core::sender::{FinishOutcome, ObjectSource, ReadOutcome};
use fasp_core::units::ObjectId;

use super::attributes::Fingerprint;
use super::checksum::Checksum;
use super::docroot::Docroot;
use super::read_ahead::{self, BLOCK_BYTES, Finish, Key, ReadAhead, Take};
pub use super::read_ahead::{Judgement, ReadRules};
use super::waker::Waker;
use super::walk::SourceItem;
use crate::failure::{Failure, Outcome};

/// The files of a sending session by object id.
#[derive(Debug)]
pub struct SourceFiles {
    shared: Arc<ReadAhead>,
    items: HashMap<u32, Arc<SourceItem>>,
    current: Option<(Key, Arc<Vec<u8>>)>,
}

impl SourceFiles {
    /// Starts the reader thread. It rings `waker` when something that was not ready may be now.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn new(docroot: Arc<Docroot>, waker: Waker) -> Outcome<Self> {
        Self::with_rules(docroot, waker, ReadRules::default())
    }

    /// As [`SourceFiles::new`] with other rules; a block or two is the least of memory.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn with_rules(docroot: Arc<Docroot>, waker: Waker, rules: ReadRules) -> Outcome<Self> {
        Ok(Self {
            shared: read_ahead::start(docroot, waker, rules)?,
            items: HashMap::new(),
            current: None,
        })
    }

    /// Announces that `object` will be sent; reading begins in the order of ids.
    pub fn register(&mut self, object: ObjectId, item: SourceItem) {
        let item = Arc::new(item);
        self.shared.register(object.0, Arc::clone(&item));
        self.items.insert(object.0, item);
    }

    /// Forgets `object`: its result is known.
    pub fn release(&mut self, object: ObjectId) {
        if self
            .current
            .as_ref()
            .is_some_and(|(key, _)| key.0 == object.0)
        {
            self.current = None;
        }
        if self.items.remove(&object.0).is_some() {
            self.shared.release(object.0);
        }
    }

    /// Only a part of `object` will be sent: what lies before it is hashed meanwhile, while there is nothing to read ahead.
    pub fn hash_behind(&self, object: ObjectId) {
        self.shared.hash_behind(object.0);
    }

    /// Whether more checks may be taken from the receiver.
    #[must_use]
    pub fn has_room_for_checks(&self) -> bool {
        self.shared.has_room_for_checks()
    }

    /// Compares a range that the receiver has of `object` with the source.
    pub fn compare(&self, object: ObjectId, check: RangeCheck) {
        self.shared.compare(object.0, check);
    }

    /// No more checks of `object` come: the receiver has `present` bytes of it, and where it `compares` wants
    /// nothing or everything.
    pub fn end_checks(&self, object: ObjectId, present: u64, compares: bool) {
        self.shared.end_checks(object.0, present, compares);
    }

    /// What came of the checks of `object`; `None` while they are compared.
    #[must_use]
    pub fn judgement(&self, object: ObjectId) -> Option<Judgement> {
        self.shared.judgement(object.0)
    }

    /// The receiver was told the judgement.
    pub fn judgement_told(&self, object: ObjectId, judgement: &Judgement) {
        self.shared.judgement_told(object.0, judgement);
    }

    /// The checksum of `object` for the user, once it was finished and until it is released.
    #[must_use]
    pub fn checksum_of(&self, object: ObjectId) -> Option<Checksum> {
        self.shared.checksum(object.0)
    }

    /// What was registered as `object`, until it is released.
    #[must_use]
    pub fn item(&self, object: ObjectId) -> Option<&SourceItem> {
        self.items.get(&object.0).map(Arc::as_ref)
    }

    /// Why `object` failed, with a sentence that names it.
    #[must_use]
    pub fn failure(&self, object: ObjectId) -> Option<Failure> {
        self.shared.failure(object.0)
    }

    fn read_piece(&mut self, key: Key, within: usize, piece: &mut [u8]) -> ReadOutcome {
        if let Some((current, block)) = &self.current
            && *current == key
        {
            return copy(block, within, piece);
        }
        match self.shared.take(key) {
            Take::Block(block) => {
                let outcome = copy(&block, within, piece);
                self.shared.recycle(self.current.replace((key, block)));
                outcome
            }
            Take::Direct(file) => self.read_directly(key, &file, within, piece),
            Take::Wait => ReadOutcome::NotReady,
            Take::Failed(fault) => ReadOutcome::Failed(fault),
        }
    }

    fn read_directly(
        &self,
        key: Key,
        file: &OwnedFd,
        within: usize,
        piece: &mut [u8],
    ) -> ReadOutcome {
        let Some(item) = self.items.get(&key.0) else {
            return ReadOutcome::Failed(Fault::InternalError);
        };
        let within = u64::try_from(within).unwrap_or(0);
        let mut rest = piece;
        if let Some(seal) = &item.seal {
            let offset = key.1 * BLOCK_BYTES + within;
            let bytes = std::mem::take(&mut rest);
            if let Err(failure) = read_ahead::sealed::read(seal, item, file, offset, bytes) {
                return self.fail(key.0, failure);
            }
        }
        let mut offset = item.start + key.1 * BLOCK_BYTES + within;
        while !rest.is_empty() {
            match rustix::io::pread(file, &mut *rest, offset) {
                Ok(0) => return self.fail(key.0, read_ahead::shorter(item)),
                Ok(count) => {
                    offset += u64::try_from(count).unwrap_or(0);
                    rest = rest.get_mut(count..).unwrap_or_default();
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return self.fail(key.0, read_ahead::unreadable(item, error)),
            }
        }
        match rustix::fs::fstat(file) {
            Ok(stat) if read_ahead::is_as_offered(item, Fingerprint::of(&stat)) => {
                ReadOutcome::Filled
            }
            Ok(_) => self.fail(key.0, read_ahead::changed(item)),
            Err(error) => self.fail(key.0, read_ahead::unreadable(item, error)),
        }
    }

    fn fail(&self, object: u32, failure: Failure) -> ReadOutcome {
        let fault = failure.fault;
        self.shared.fail(object, failure);
        ReadOutcome::Failed(fault)
    }
}

impl ObjectSource for SourceFiles {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let mut offset = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let key = (object.0, offset / BLOCK_BYTES);
            let within = offset % BLOCK_BYTES;
            let room = usize::try_from(BLOCK_BYTES - within).unwrap_or(0);
            let Some((piece, tail)) = rest.split_at_mut_checked(room.min(rest.len())) else {
                return ReadOutcome::Failed(Fault::InternalError);
            };
            let within = usize::try_from(within).unwrap_or(0);
            match self.read_piece(key, within, piece) {
                ReadOutcome::Filled => {}
                other => return other,
            }
            offset += u64::try_from(piece.len()).unwrap_or(0);
            rest = tail;
        }
        ReadOutcome::Filled
    }

    fn finish(&mut self, object: ObjectId) -> FinishOutcome {
        match self.shared.finish(object.0) {
            Finish::Hashed(root) => FinishOutcome::Hashed(root),
            Finish::Unchanged => FinishOutcome::Unchanged,
            Finish::Wait => FinishOutcome::NotReady,
            Finish::Failed(fault) => FinishOutcome::Failed(fault),
        }
    }

    fn checksum(&mut self, object: ObjectId, out: &mut [u8; MAX_CHECKSUM]) -> usize {
        let Some(checksum) = self.checksum_of(object) else {
            return 0;
        };
        match out.get_mut(..checksum.bytes.len()) {
            Some(place) => {
                place.copy_from_slice(&checksum.bytes);
                place.len()
            }
            None => 0,
        }
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        let item = self.items.get(&object.0)?;
        Some(OpenRecord {
            object,
            path: &item.path,
            kind: item.kind,
            size: match item.kind {
                ObjectKind::File => item.size,
                _ => 0,
            },
            modified_ns: item.modified_ns,
            accessed_ns: item.accessed_ns,
            mode: item.mode,
        })
    }
}

impl Drop for SourceFiles {
    fn drop(&mut self) {
        // Not joined: the reader may sit in a slow disk and ends by itself.
        self.shared.stop();
    }
}

fn copy(block: &[u8], within: usize, piece: &mut [u8]) -> ReadOutcome {
    let bytes = block
        .get(within..)
        .and_then(|bytes| bytes.get(..piece.len()));
    match bytes {
        Some(bytes) => {
            piece.copy_from_slice(bytes);
            ReadOutcome::Filled
        }
        None => ReadOutcome::Failed(Fault::InternalError),
    }
}

#[cfg(test)]
mod tests;
