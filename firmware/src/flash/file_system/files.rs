//! The file system as an appliance sees it.

use super::{
    Entry, FileSystem, Flash, Handle, Kind, LONGEST_NOTE, LONGEST_NOTE_RECORD, LONGEST_PATH, NOTE,
    SECTOR, Storage, StorageError, Vec, sectors, storage,
};

fn owned(path: &[u8]) -> Result<Vec<u8, LONGEST_PATH>, StorageError> {
    Vec::from_slice(path).map_err(|_| StorageError::Refused)
}

/// What follows `folder` in `path`, if it is directly in it.
fn name_in<'p>(path: &'p [u8], folder: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(folder)?;
    let name = if folder.is_empty() {
        rest
    } else {
        rest.strip_prefix(b"/")?
    };
    (!name.is_empty() && !name.contains(&b'/')).then_some(name)
}

fn seen(entry: &Entry) -> storage::Entry {
    storage::Entry {
        is_folder: entry.kind == Kind::Folder,
        size: entry.size.into(),
        modified_ns: entry.modified_ns,
    }
}

impl<F: Flash, const ENTRIES: usize> Storage for FileSystem<F, ENTRIES> {
    type File = Handle;
    type Partial = Handle;

    const RESUME_BLOCK: u64 = SECTOR as u64;

    fn stat(&mut self, path: &[u8]) -> Result<storage::Entry, StorageError> {
        if path.is_empty() {
            return Ok(storage::Entry {
                is_folder: true,
                size: 0,
                modified_ns: 0,
            });
        }
        let found = self.find(path, Entry::is_visible);
        let entry = found.and_then(|index| self.entries.get(index));
        entry.map(seen).ok_or(StorageError::NotFound)
    }

    fn list(
        &mut self,
        folder: &[u8],
        after: &[u8],
        name: &mut [u8],
    ) -> Result<Option<(usize, storage::Entry)>, StorageError> {
        if !self.stat(folder)?.is_folder {
            return Err(StorageError::NotFound);
        }
        let next = self
            .entries
            .iter()
            .filter(|entry| entry.is_visible())
            .filter_map(|entry| Some((name_in(&entry.path, folder)?, entry)))
            .filter(|(found, _)| *found > after)
            .min_by_key(|(found, _)| *found);
        let Some((found, entry)) = next else {
            return Ok(None);
        };
        let room = name.get_mut(..found.len()).ok_or(StorageError::Refused)?;
        room.copy_from_slice(found);
        Ok(Some((found.len(), seen(entry))))
    }

    fn open(&mut self, path: &[u8]) -> Result<(Handle, storage::Entry), StorageError> {
        let entry = self.stat(path)?;
        if entry.is_folder {
            return Err(StorageError::Refused);
        }
        let index = self.find(path, Entry::is_visible);
        let handle = self.handle(index.ok_or(StorageError::NotFound)?)?;
        Ok((handle, entry))
    }

    fn read_at(
        &mut self,
        file: &mut Handle,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        self.pieces(*file, offset, buffer.len(), |this, place, _, range| {
            this.flash
                .read(place, buffer.get_mut(range).unwrap_or_default())
        })
    }

    fn close(&mut self, _: Handle) {}

    fn make_folder(&mut self, path: &[u8]) -> Result<(), StorageError> {
        match self.stat(path) {
            Ok(entry) if entry.is_folder => return Ok(()),
            Ok(_) => return Err(StorageError::Refused),
            Err(_) => {}
        }
        let entry = Entry {
            kind: Kind::Folder,
            path: owned(path)?,
            ..Entry::default()
        };
        self.add(entry).map(drop)
    }

    fn create(&mut self, path: &[u8], size: u64) -> Result<Handle, StorageError> {
        let path = owned(path)?;
        if path.is_empty() {
            return Err(StorageError::Refused);
        }
        let size = u32::try_from(size).map_err(|_| StorageError::TooLarge)?;
        let count = size.div_ceil(SECTOR);
        let count = u16::try_from(count).map_err(|_| StorageError::TooLarge)?;
        if count > self.total {
            return Err(StorageError::TooLarge);
        }
        if let Some(earlier) = self.find(&path, Entry::is_partial) {
            self.free(earlier)?;
        }
        let extents = sectors::find(&self.used, self.total, self.next, count);
        let extents = extents.ok_or(StorageError::Full)?;
        let entry = Entry {
            kind: Kind::Partial { synced: false },
            size,
            path,
            extents: extents.clone(),
            ..Entry::default()
        };
        let index = self.add(entry)?;
        self.used.set_all(&extents, true);
        // Erased as they are first written, so that no call takes long.
        self.stale.set_all(&extents, true);
        self.next = extents
            .last()
            .map_or(self.next, |last| last.first + last.count);
        self.handle(index)
    }

    fn resume(&mut self, path: &[u8], note: &mut [u8]) -> Result<(Handle, usize), StorageError> {
        let synced = |entry: &Entry| entry.kind == Kind::Partial { synced: true };
        let index = self.find(path, synced).ok_or(StorageError::NotFound)?;
        let handle = self.handle(index)?;
        let mut record = [0; LONGEST_NOTE_RECORD];
        let length = self
            .records
            .get(&mut self.flash, NOTE | handle.index, &mut record)?
            .ok_or(StorageError::NotFound)?;
        let whole = record.get(..length).and_then(|r| r.split_first_chunk());
        let (generation, stored) = whole.ok_or(StorageError::NotFound)?;
        if u32::from_le_bytes(*generation) != handle.generation {
            return Err(StorageError::NotFound);
        }
        let room = note.get_mut(..stored.len()).ok_or(StorageError::Refused)?;
        room.copy_from_slice(stored);
        Ok((handle, stored.len()))
    }

    fn rewind(&mut self, partial: &mut Handle, start: u64, end: u64) -> Result<(), StorageError> {
        let length = usize::try_from(end.saturating_sub(start));
        let length = length.map_err(|_| StorageError::Refused)?;
        self.pieces(*partial, start, length, |this, _, sector, _| {
            this.stale.set(sector, true);
            Ok(())
        })
    }

    fn write_at(
        &mut self,
        partial: &mut Handle,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        self.pieces(
            *partial,
            offset,
            bytes.len(),
            |this, place, sector, range| {
                if this.stale.has(sector) {
                    this.flash.erase(place / SECTOR * SECTOR)?;
                    this.stale.set(sector, false);
                }
                let piece = bytes.get(range).unwrap_or_default();
                this.flash.program(place, piece)?;
                this.compare(place, piece)
            },
        )
    }

    fn sync(&mut self, partial: &mut Handle, note: &[u8]) -> Result<(), StorageError> {
        self.get(*partial)?;
        if note.len() > LONGEST_NOTE {
            return Err(StorageError::Refused);
        }
        // What was written is durable: the flash says so of every call.
        let mut record: Vec<u8, LONGEST_NOTE_RECORD> = Vec::new();
        let _ = record.extend_from_slice(&partial.generation.to_le_bytes());
        let _ = record.extend_from_slice(note);
        self.records
            .put(&mut self.flash, NOTE | partial.index, &record)?;
        if let Some(entry) = self.entries.get_mut(usize::from(partial.index)) {
            entry.kind = Kind::Partial { synced: true };
        }
        Ok(())
    }

    fn commit(&mut self, partial: Handle, modified_ns: i64) -> Result<(), StorageError> {
        let mut entry = self.get(partial)?.clone();
        let index = usize::from(partial.index);
        let earlier = self.find(&entry.path, Entry::is_visible);
        let in_the_way = earlier.and_then(|index| self.entries.get(index));
        if in_the_way.is_some_and(|earlier| earlier.kind == Kind::Folder) {
            self.free(index)?;
            return Err(StorageError::Refused);
        }
        self.generation += 1;
        entry.generation = self.generation;
        entry.kind = Kind::Complete;
        entry.modified_ns = modified_ns;
        // From this record on the new file has the name, whether or not the next one is written.
        if let Err(error) = self.store(index, entry) {
            // Best effort: it failed already, and what is said is why.
            let _ = self.free(index);
            return Err(error.into());
        }
        match earlier {
            Some(earlier) => Ok(self.free(earlier)?),
            None => Ok(()),
        }
    }

    fn abandon(&mut self, partial: Handle, keep: bool) {
        let Ok(entry) = self.get(partial) else { return };
        if !keep || entry.kind != (Kind::Partial { synced: true }) {
            // What the flash does not take now is cleared away at the next start.
            let _ = self.free(usize::from(partial.index));
        }
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), StorageError> {
        let holds_something = |folder: &Entry| {
            self.entries.iter().any(|entry| {
                entry.kind != Kind::Free
                    && entry
                        .path
                        .strip_prefix(folder.path.as_slice())
                        .is_some_and(|rest| rest.starts_with(b"/"))
            })
        };
        let visible = self.find(path, Entry::is_visible);
        let entry = visible.and_then(|index| self.entries.get(index));
        if entry.is_some_and(|entry| entry.kind == Kind::Folder && holds_something(entry)) {
            return Err(StorageError::Refused);
        }
        let partial = self.find(path, Entry::is_partial);
        if visible.or(partial).is_none() {
            return Err(StorageError::NotFound);
        }
        for index in partial.into_iter().chain(visible) {
            self.free(index)?;
        }
        Ok(())
    }
}
