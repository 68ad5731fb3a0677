//! A small file system in flash, behind [`Storage`].
//!
//! Each file has one record with its name, its size and the runs of sectors it lies in; the bytes themselves are
//! written where they belong at once, in any order, each once: the way a transfer brings them and flash takes
//! them. Nothing is moved later. A change of names is one record, so that a power cut leaves the old state or the new
//! one. Everything about the entries is also kept in memory; flash is read for bytes only.

use heapless::Vec;

use super::records::Records;
use super::{FILES_FROM, Flash, FlashError, RECORDS, SECTOR};
use crate::storage::{self, LONGEST_NOTE, LONGEST_PATH, Storage, StorageError};

mod entry;
mod sectors;

use entry::{Entry, Kind, LONGEST_RECORD};
use sectors::{MOST_SECTORS, Marks};

/// Records of notes have the number of their file and this.
const NOTE: u16 = 0x8000;
const LONGEST_NOTE_RECORD: usize = LONGEST_NOTE + 4;

const _: () = assert!(LONGEST_RECORD <= super::records::LONGEST);
const _: () = assert!(LONGEST_NOTE_RECORD <= super::records::LONGEST);

/// A file system of at most `ENTRIES` files, partial files and folders together.
#[derive(Debug)]
pub struct FileSystem<F, const ENTRIES: usize> {
    flash: F,
    records: Records,
    entries: [Entry; ENTRIES],
    used: Marks,
    /// Sectors of partial files that hold old bytes.
    stale: Marks,
    /// Sectors for files.
    total: u16,
    /// Where the search for free sectors begins.
    next: u16,
    generation: u32,
}

/// A file or partial that is open: its entry, and which of all that had this entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Handle {
    index: u16,
    generation: u32,
}

impl From<FlashError> for StorageError {
    fn from(error: FlashError) -> Self {
        match error {
            FlashError::Full => Self::Full,
            _ => Self::Damaged,
        }
    }
}

impl<F: Flash, const ENTRIES: usize> FileSystem<F, ENTRIES> {
    /// Reads what is in the flash, which [`super::prepare`] has laid out, and clears away what a power cut left.
    ///
    /// # Errors
    ///
    /// [`FlashError`] when the records cannot be read.
    pub fn mount(mut flash: F) -> Result<Self, FlashError> {
        let sectors = flash.size().saturating_sub(FILES_FROM) / SECTOR;
        let records = Records::new(RECORDS);
        let mut entries = [const { EMPTY }; ENTRIES];
        let mut notes = [None; ENTRIES];
        records.each(&mut flash, |number, record| {
            let index = usize::from(number & !NOTE);
            if number & NOTE == 0 {
                if let Some(entry) = entries.get_mut(index) {
                    *entry = Entry::decode(record).unwrap_or_default();
                }
            } else if let (Some(note), Some(generation)) =
                (notes.get_mut(index), record.first_chunk())
            {
                *note = Some(u32::from_le_bytes(*generation));
            }
        })?;
        let mut this = Self {
            flash,
            records,
            entries,
            used: Marks::none(),
            stale: Marks::none(),
            total: u16::try_from(sectors).unwrap_or(u16::MAX).min(MOST_SECTORS),
            next: 0,
            generation: 0,
        };
        this.settle(&notes)?;
        Ok(this)
    }

    /// Decides which entries count.
    fn settle(&mut self, notes: &[Option<u32>; ENTRIES]) -> Result<(), FlashError> {
        for index in 0..ENTRIES {
            let Some(entry) = self.entries.get(index) else {
                break;
            };
            self.generation = self.generation.max(entry.generation);
            let note = notes.get(index).copied().flatten();
            let synced = note == Some(entry.generation);
            let counts = match entry.kind {
                Kind::Free => continue,
                Kind::Folder => true,
                Kind::Complete => !self.has_newer(entry),
                Kind::Partial { .. } => synced && !self.has_newer(entry),
            };
            if !counts || !self.fits(entry) {
                self.free(index)?;
                continue;
            }
            self.next = entry
                .extents
                .last()
                .map_or(self.next, |extent| extent.first + extent.count);
            self.used.set_all(&entry.extents, true);
            if let Some(entry) = self
                .entries
                .get_mut(index)
                .filter(|entry| entry.is_partial())
            {
                entry.kind = Kind::Partial { synced };
            }
        }
        Ok(())
    }

    /// Whether another entry of the same name and kind came later.
    fn has_newer(&self, entry: &Entry) -> bool {
        self.entries.iter().any(|other| {
            other.path == entry.path
                && other.is_partial() == entry.is_partial()
                && other.kind != Kind::Free
                && other.generation > entry.generation
        })
    }

    /// Whether the entry's sectors exist, are as many as its size needs, and nobody else's.
    fn fits(&self, entry: &Entry) -> bool {
        let mut count = 0;
        for extent in &entry.extents {
            let Some(end) = extent.first.checked_add(extent.count) else {
                return false;
            };
            count += u32::from(extent.count);
            if end > self.total || (extent.first..end).any(|sector| self.used.has(sector)) {
                return false;
            }
        }
        count == entry.size.div_ceil(SECTOR)
    }

    /// Bytes that a new file may have at most if the flash were otherwise empty.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        u64::from(self.total) * u64::from(SECTOR)
    }

    /// Bytes in sectors that nobody uses.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        let free = (0..self.total).filter(|&sector| !self.used.has(sector));
        free.count() as u64 * u64::from(SECTOR)
    }

    /// Gives the flash back.
    pub fn unmount(self) -> F {
        self.flash
    }

    fn find(&self, path: &[u8], wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| {
            entry.kind != Kind::Free && entry.path.as_slice() == path && wanted(entry)
        })
    }

    fn get(&self, handle: Handle) -> Result<&Entry, StorageError> {
        self.entries
            .get(usize::from(handle.index))
            .filter(|entry| entry.kind != Kind::Free && entry.generation == handle.generation)
            .ok_or(StorageError::NotFound)
    }

    fn handle(&self, index: usize) -> Result<Handle, StorageError> {
        let entry = self.entries.get(index).ok_or(StorageError::NotFound)?;
        Ok(Handle {
            index: u16::try_from(index).map_err(|_| StorageError::Refused)?,
            generation: entry.generation,
        })
    }

    /// Makes entry `index` what `entry` says, in flash and then in memory.
    fn store(&mut self, index: usize, entry: Entry) -> Result<(), FlashError> {
        let number = u16::try_from(index).map_err(|_| FlashError::OutOfRange)?;
        self.records.put(&mut self.flash, number, &entry.encode())?;
        let place = self.entries.get_mut(index).ok_or(FlashError::OutOfRange)?;
        *place = entry;
        Ok(())
    }

    /// Frees an entry. In memory in any case: at the next start flash may bring it back, whole.
    fn free(&mut self, index: usize) -> Result<(), FlashError> {
        if let Some(entry) = self.entries.get_mut(index) {
            let old = core::mem::take(entry);
            if old.kind != Kind::Free && self.shares_no_sector(&old) {
                self.used.set_all(&old.extents, false);
                self.stale.set_all(&old.extents, false);
            }
        }
        let number = u16::try_from(index).map_err(|_| FlashError::OutOfRange)?;
        self.records
            .put(&mut self.flash, number, &Entry::default().encode())
    }

    /// A damaged record may claim sectors that belong to a good one.
    fn shares_no_sector(&self, entry: &Entry) -> bool {
        let overlap = |a: &entry::Extent, b: &entry::Extent| {
            u32::from(a.first) < u32::from(b.first) + u32::from(b.count)
                && u32::from(b.first) < u32::from(a.first) + u32::from(a.count)
        };
        self.entries.iter().all(|other| {
            let mut theirs = other.extents.iter();
            theirs.all(|theirs| !entry.extents.iter().any(|own| overlap(own, theirs)))
        })
    }

    fn add(&mut self, mut entry: Entry) -> Result<usize, StorageError> {
        let index = self
            .entries
            .iter()
            .position(|entry| entry.kind == Kind::Free);
        let index = index.ok_or(StorageError::Full)?;
        self.generation += 1;
        entry.generation = self.generation;
        self.store(index, entry)?;
        Ok(index)
    }

    /// Whether flash gives the bytes that were written to it.
    fn compare(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let mut at = offset;
        for piece in bytes.chunks(64) {
            let mut buffer = [0; 64];
            let is = buffer.get_mut(..piece.len()).unwrap_or_default();
            self.flash.read(at, is)?;
            if is != piece {
                return Err(FlashError::Damaged);
            }
            at += 64;
        }
        Ok(())
    }

    /// Calls `act` for every piece of `offset..offset + length` that lies in one sector: where in flash, the sector,
    /// and where in the range.
    fn pieces(
        &mut self,
        handle: Handle,
        offset: u64,
        length: usize,
        mut act: impl FnMut(&mut Self, u32, u16, core::ops::Range<usize>) -> Result<(), FlashError>,
    ) -> Result<(), StorageError> {
        let entry = self.get(handle)?;
        let (size, offset) = (entry.size, u32::try_from(offset));
        let offset = offset.map_err(|_| StorageError::Refused)?;
        let end = u32::try_from(length)
            .ok()
            .and_then(|l| offset.checked_add(l));
        if end.is_none_or(|end| end > size) {
            return Err(StorageError::Refused);
        }
        let mut done = 0;
        while done < length {
            let at = offset + u32::try_from(done).map_err(|_| StorageError::Refused)?;
            let within = at % SECTOR;
            let sector = self.get(handle)?.sector_of(at);
            let sector = sector.ok_or(StorageError::Damaged)?;
            let rest = usize::try_from(SECTOR - within).map_err(|_| StorageError::Refused)?;
            let next = length.min(done + rest);
            let place = FILES_FROM + u32::from(sector) * SECTOR + within;
            act(self, place, sector, done..next)?;
            done = next;
        }
        Ok(())
    }
}

const EMPTY: Entry = Entry {
    kind: Kind::Free,
    generation: 0,
    size: 0,
    modified_ns: 0,
    path: Vec::new(),
    extents: Vec::new(),
};

mod files;

#[cfg(test)]
mod tests;
