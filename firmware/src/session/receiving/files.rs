//! What becomes of each file of an upload: decided on, begun or gone on with, written, synced, named or given up.

use fasp_core::fault::Fault;
use fasp_core::receiver::Decision;
use fasp_core::time::Instant;
use fasp_core::units::ObjectId;

use super::super::Ground;
use super::super::outbox::Outbox;
use super::super::paths::{self, Path};
use super::super::resume_note::Note;
use super::{InHand, Offer, Receiving, SYNC_BYTES, SYNC_INTERVAL};
use crate::host::{Event, Host};
use crate::storage::{LONGEST_NOTE, Storage, StorageError};

impl<S: Storage, const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize>
    Receiving<S, WORDS, OBJECTS, GAPS, META>
{
    /// An object is offered with a record of its own.
    pub(super) fn take_offer<H: Host>(
        &mut self,
        now: Instant,
        offer: &Offer,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        let outcome = match &offer.path {
            Err(fault) => Err(*fault),
            Ok(path) if offer.is_folder => paths::make_folders(ground.storage, path)
                .map(|()| self.receiver.handle_result(offer.object, None)),
            Ok(path) => self.begin(now, offer, path, ground),
        };
        if let Err(fault) = outcome {
            let path = offer.path.as_deref().unwrap_or_default();
            self.fail(offer.object, path, fault, ground, outbox);
        }
    }

    /// Skips the file, goes on with it or begins it.
    fn begin<H: Host>(
        &mut self,
        now: Instant,
        offer: &Offer,
        path: &Path,
        ground: &mut Ground<'_, '_, S, H>,
    ) -> Result<(), Fault> {
        let there = self.examine(path, ground.storage)?;
        if self.decides {
            if there == Some(offer.size) {
                self.totals.skipped += 1;
                self.receiver.decide(offer.object, Decision::Skip);
                return Ok(());
            }
            if let Some((partial, note)) = self.find_partial(offer, path, ground)? {
                ground.host.observe(&Event::Resumed {
                    path,
                    present: note.present(),
                });
                self.take_in_hand(now, offer, path, partial);
                self.receiver
                    .decide(offer.object, Decision::Resume(&note.missing));
                return Ok(());
            }
        }
        let partial = create(ground.storage, path, offer.size)?;
        self.take_in_hand(now, offer, path, partial);
        if self.decides {
            self.receiver.decide(offer.object, Decision::Go);
        }
        Ok(())
    }

    /// The size of the file that has the name now, if one has.
    fn examine(&self, path: &[u8], storage: &mut S) -> Result<Option<u64>, Fault> {
        if self.in_hand.iter().any(|file| file.path == path) {
            return Err(Fault::AlreadyExists);
        }
        match storage.stat(path) {
            Ok(entry) if entry.is_folder => Err(Fault::IsADirectory),
            Ok(entry) => Ok(Some(entry.size)),
            Err(StorageError::Damaged) => Err(Fault::DiskRead),
            Err(_) => Ok(None),
        }
    }

    /// A partial that an earlier session left of the same source.
    fn find_partial<H: Host>(
        &self,
        offer: &Offer,
        path: &[u8],
        ground: &mut Ground<'_, '_, S, H>,
    ) -> Result<Option<(S::Partial, Note)>, Fault> {
        let mut bytes = [0; LONGEST_NOTE];
        let Ok((mut partial, length)) = ground.storage.resume(path, &mut bytes) else {
            return Ok(None);
        };
        let note = bytes.get(..length).and_then(Note::decode);
        let note =
            note.filter(|note| note.size == offer.size && note.modified_ns == offer.modified_ns);
        let Some(note) = note else {
            ground.storage.abandon(partial, false);
            return Ok(None);
        };
        let note = note.in_blocks(S::RESUME_BLOCK);
        for range in &note.missing {
            if let Err(error) = ground.storage.rewind(&mut partial, range.start, range.end) {
                ground.storage.abandon(partial, false);
                return Err(error.while_writing());
            }
        }
        Ok(Some((partial, note)))
    }

    fn take_in_hand(&mut self, now: Instant, offer: &Offer, path: &Path, partial: S::Partial) {
        let file = InHand {
            object: offer.object,
            path: path.clone(),
            size: offer.size,
            modified_ns: offer.modified_ns,
            partial,
            unsaved: 0,
            saved_at: now,
        };
        // The machine knows no more objects at a time than there are places.
        let _ = self.in_hand.push(file);
    }

    /// A small file that came at once: written and named at once.
    pub(super) fn take_whole<H: Host>(
        &mut self,
        now: Instant,
        offer: &Offer,
        bytes: &[u8],
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        let begun = match &offer.path {
            Err(fault) => Err(*fault),
            Ok(path) => self.begin(now, offer, path, ground),
        };
        if let Err(fault) = begun {
            let path = offer.path.as_deref().unwrap_or_default();
            return self.fail(offer.object, path, fault, ground, outbox);
        }
        if self.write(now, offer.object, 0, bytes, ground, outbox) {
            self.commit(offer.object, ground, outbox);
        }
    }

    /// Writes `bytes` of `object`; `false` if it is not in hand, or has failed over this.
    pub(super) fn write<H: Host>(
        &mut self,
        now: Instant,
        object: ObjectId,
        offset: u64,
        bytes: &[u8],
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(file) = self.in_hand.iter_mut().find(|file| file.object == object) else {
            return false;
        };
        if file.unsaved == 0 {
            file.saved_at = now;
        }
        file.unsaved = file.unsaved.saturating_add(bytes.len() as u64);
        if bytes.is_empty() {
            return true;
        }
        match ground.storage.write_at(&mut file.partial, offset, bytes) {
            Ok(()) => true,
            Err(error) => {
                self.give_up(object, error.while_writing(), ground, outbox);
                false
            }
        }
    }

    /// Gives the files that are complete their names, unless zeros are still to be written.
    pub(super) fn finish_completed<H: Host>(
        &mut self,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        if self.is_behind() {
            return;
        }
        while let Some(object) = self.completed.pop() {
            self.commit(object, ground, outbox);
        }
    }

    fn commit<H: Host>(
        &mut self,
        object: ObjectId,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        let Some(file) = self.take_out(object) else {
            return;
        };
        let modified_ns = if self.keeps_times {
            file.modified_ns
        } else {
            0
        };
        match ground.storage.commit(file.partial, modified_ns) {
            Ok(()) => {
                self.totals.delivered += 1;
                ground.host.observe(&Event::Done {
                    path: &file.path,
                    size: file.size,
                });
                self.receiver.handle_result(object, None);
            }
            Err(error) => self.fail(object, &file.path, error.while_writing(), ground, outbox),
        }
    }

    /// The client will not send the rest of `object`.
    pub(super) fn cancelled<H: Host>(
        &mut self,
        object: ObjectId,
        fault: Fault,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        if let Some(file) = self.take_out(object) {
            ground.storage.abandon(file.partial, false);
            ground.host.observe(&Event::Failed {
                path: &file.path,
                fault,
            });
        }
        self.totals.failed += 1;
        self.receiver.handle_result(object, Some(fault));
    }

    /// A file in hand has failed here.
    fn give_up<H: Host>(
        &mut self,
        object: ObjectId,
        fault: Fault,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        if let Some(file) = self.take_out(object) {
            ground.storage.abandon(file.partial, false);
            self.fail(object, &file.path, fault, ground, outbox);
        }
    }

    fn fail<H: Host>(
        &mut self,
        object: ObjectId,
        path: &[u8],
        fault: Fault,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        self.totals.failed += 1;
        outbox.push_file_error(Some(object), path, fault);
        ground.host.observe(&Event::Failed { path, fault });
        self.receiver.handle_result(object, Some(fault));
    }

    fn take_out(&mut self, object: ObjectId) -> Option<InHand<S::Partial>> {
        let at = self.in_hand.iter().position(|file| file.object == object)?;
        Some(self.in_hand.swap_remove(at))
    }

    /// Brings one file to the storage for good, if it is due: a call must not take long.
    pub(super) fn sync_one<H: Host>(
        &mut self,
        now: Instant,
        ground: &mut Ground<'_, '_, S, H>,
        outbox: &mut Outbox,
    ) {
        if !self.keeps || self.is_behind() {
            return;
        }
        let is_due = |file: &InHand<S::Partial>| {
            file.unsaved >= SYNC_BYTES
                || (file.unsaved > 0 && now.since(file.saved_at) >= SYNC_INTERVAL)
        };
        let Some(at) = self.in_hand.iter().position(is_due) else {
            return;
        };
        let mut file = self.in_hand.swap_remove(at);
        let object = file.object;
        let synced = self.sync(now, &mut file, ground);
        // Its place is still free.
        let _ = self.in_hand.push(file);
        if let Err(error) = synced {
            self.give_up(object, error.while_writing(), ground, outbox);
        }
    }

    /// Makes the bytes of `file` durable, and the note of what is missing.
    pub(super) fn sync<H: Host>(
        &self,
        now: Instant,
        file: &mut InHand<S::Partial>,
        ground: &mut Ground<'_, '_, S, H>,
    ) -> Result<(), StorageError> {
        let missing = self.receiver.missing(file.object);
        let note = Note::new(file.size, file.modified_ns, missing);
        ground.storage.sync(&mut file.partial, &note.encode())?;
        file.unsaved = 0;
        file.saved_at = now;
        Ok(())
    }
}

/// Begins a file, with the folders above it.
fn create<S: Storage>(storage: &mut S, path: &[u8], size: u64) -> Result<S::Partial, Fault> {
    paths::make_folders(storage, paths::parent(path))?;
    storage
        .create(path, size)
        .map_err(StorageError::while_writing)
}
