//! Files in a piece of memory: for tests, and for what need not outlive the power.
//!
//! The memory is lent by the caller and given out in blocks. A file reserves all its blocks when it begins, so that a
//! full disk is known before the first byte comes. Folders are names only.

mod blocks;
mod entries;

use super::{Entry, LONGEST_NOTE, LONGEST_PATH, Storage, StorageError};
use blocks::Blocks;
use entries::{Kind, Node, Path};

/// A disk of `BLOCKS` blocks, with at most `ENTRIES` files, folders and partials.
#[derive(Debug)]
pub struct RamDisk<'m, const BLOCKS: usize, const ENTRIES: usize> {
    blocks: Blocks<'m, BLOCKS>,
    nodes: [Option<Node>; ENTRIES],
    /// Counts what was ever made, so that a handle knows whether its file is still the same.
    made: u32,
}

/// A file or partial in hand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Handle {
    slot: usize,
    number: u32,
}

impl<'m, const BLOCKS: usize, const ENTRIES: usize> RamDisk<'m, BLOCKS, ENTRIES> {
    /// An empty disk in `memory`, of which each block is a `BLOCKS`th.
    #[must_use]
    pub const fn new(memory: &'m mut [u8]) -> Self {
        Self {
            blocks: Blocks::new(memory),
            nodes: [const { None }; ENTRIES],
            made: 0,
        }
    }

    /// Bytes that are not taken.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        (self.blocks.free() * self.blocks.block_bytes()) as u64
    }

    /// What a power cut would leave: partials as of their last sync, those never synced not at all.
    pub fn cut_power(&mut self) {
        for slot in 0..ENTRIES {
            let never_synced = self.node(slot).is_some_and(
                |node| matches!(&node.kind, Kind::Partial { note, .. } if note.is_empty()),
            );
            if never_synced {
                self.remove_slot(slot);
            }
        }
    }

    fn node(&self, slot: usize) -> Option<&Node> {
        self.nodes.get(slot)?.as_ref()
    }

    fn find(&self, path: &[u8], is_partial: bool) -> Option<usize> {
        let wanted = |node: &Option<Node>| {
            node.as_ref()
                .is_some_and(|node| node.path == path && node.is_partial() == is_partial)
        };
        self.nodes.iter().position(wanted)
    }

    fn of(&self, handle: Handle) -> Result<&Node, StorageError> {
        self.node(handle.slot)
            .filter(|node| node.number == handle.number)
            .ok_or(StorageError::NotFound)
    }

    fn of_mut(&mut self, handle: Handle) -> Result<&mut Node, StorageError> {
        self.nodes
            .get_mut(handle.slot)
            .and_then(Option::as_mut)
            .filter(|node| node.number == handle.number)
            .ok_or(StorageError::NotFound)
    }

    fn add(&mut self, path: &[u8], kind: Kind, size: u64) -> Result<Handle, StorageError> {
        let slot = self.nodes.iter().position(Option::is_none);
        let slot = slot.ok_or(StorageError::Full)?;
        let path = Path::from_slice(path).map_err(|_| StorageError::Refused)?;
        self.made = self.made.wrapping_add(1);
        let node = Node {
            path,
            kind,
            size,
            modified_ns: 0,
            number: self.made,
        };
        let handle = Handle {
            slot,
            number: node.number,
        };
        if let Some(place) = self.nodes.get_mut(slot) {
            *place = Some(node);
        }
        Ok(handle)
    }

    fn remove_slot(&mut self, slot: usize) {
        self.blocks.release(slot);
        if let Some(place) = self.nodes.get_mut(slot) {
            *place = None;
        }
    }

    /// Whether anything but partials lies in `folder`.
    fn is_empty_folder(&self, folder: &[u8]) -> bool {
        let inside = |node: &Node| !node.is_partial() && node.name_in(folder).is_some();
        !self.nodes.iter().flatten().any(inside)
    }
}

impl<const BLOCKS: usize, const ENTRIES: usize> Storage for RamDisk<'_, BLOCKS, ENTRIES> {
    type File = Handle;
    type Partial = Handle;

    fn stat(&mut self, path: &[u8]) -> Result<Entry, StorageError> {
        if path.is_empty() {
            return Ok(Entry {
                is_folder: true,
                size: 0,
                modified_ns: 0,
            });
        }
        let slot = self.find(path, false).ok_or(StorageError::NotFound)?;
        self.node(slot)
            .map(Node::entry)
            .ok_or(StorageError::NotFound)
    }

    fn list(
        &mut self,
        folder: &[u8],
        after: &[u8],
        name: &mut [u8],
    ) -> Result<Option<(usize, Entry)>, StorageError> {
        if !self.stat(folder)?.is_folder {
            return Err(StorageError::NotFound);
        }
        let next = self
            .nodes
            .iter()
            .flatten()
            .filter(|node| !node.is_partial())
            .filter_map(|node| Some((node.name_in(folder)?, node.entry())))
            .filter(|(found, _)| *found > after)
            .min_by_key(|(found, _)| *found);
        let Some((found, entry)) = next else {
            return Ok(None);
        };
        let place = name.get_mut(..found.len()).ok_or(StorageError::Refused)?;
        place.copy_from_slice(found);
        Ok(Some((found.len(), entry)))
    }

    fn open(&mut self, path: &[u8]) -> Result<(Handle, Entry), StorageError> {
        let slot = self.find(path, false).ok_or(StorageError::NotFound)?;
        let node = self.node(slot).ok_or(StorageError::NotFound)?;
        if matches!(node.kind, Kind::Folder) {
            return Err(StorageError::Refused);
        }
        let handle = Handle {
            slot,
            number: node.number,
        };
        Ok((handle, node.entry()))
    }

    fn read_at(
        &mut self,
        file: &mut Handle,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        self.of(*file)?;
        self.blocks.read(file.slot, offset, buffer)
    }

    fn close(&mut self, _file: Handle) {}

    fn make_folder(&mut self, path: &[u8]) -> Result<(), StorageError> {
        match self.stat(path) {
            Ok(entry) if entry.is_folder => Ok(()),
            Ok(_) => Err(StorageError::Refused),
            Err(_) => self.add(path, Kind::Folder, 0).map(drop),
        }
    }

    fn create(&mut self, path: &[u8], size: u64) -> Result<Handle, StorageError> {
        if let Some(slot) = self.find(path, true) {
            self.remove_slot(slot);
        }
        if size > (self.blocks.block_bytes() * BLOCKS) as u64 {
            return Err(StorageError::TooLarge);
        }
        let kind = Kind::Partial {
            note: heapless::Vec::new(),
        };
        let handle = self.add(path, kind, size)?;
        let reserved = self.blocks.reserve(handle.slot, size);
        if let Err(error) = reserved {
            self.remove_slot(handle.slot);
            return Err(error);
        }
        Ok(handle)
    }

    fn resume(&mut self, path: &[u8], note: &mut [u8]) -> Result<(Handle, usize), StorageError> {
        let slot = self.find(path, true).ok_or(StorageError::NotFound)?;
        let node = self.node(slot).ok_or(StorageError::NotFound)?;
        let Kind::Partial { note: kept } = &node.kind else {
            return Err(StorageError::NotFound);
        };
        if kept.is_empty() {
            return Err(StorageError::NotFound);
        }
        let place = note.get_mut(..kept.len()).ok_or(StorageError::Refused)?;
        place.copy_from_slice(kept);
        let handle = Handle {
            slot,
            number: node.number,
        };
        Ok((handle, kept.len()))
    }

    fn rewind(&mut self, partial: &mut Handle, _start: u64, _end: u64) -> Result<(), StorageError> {
        self.of(*partial).map(drop)
    }

    fn write_at(
        &mut self,
        partial: &mut Handle,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        self.of(*partial)?;
        self.blocks.write(partial.slot, offset, bytes)
    }

    fn sync(&mut self, partial: &mut Handle, note: &[u8]) -> Result<(), StorageError> {
        let note = heapless::Vec::<u8, LONGEST_NOTE>::from_slice(note)
            .map_err(|_| StorageError::Refused)?;
        self.of_mut(*partial)?.kind = Kind::Partial { note };
        Ok(())
    }

    fn commit(&mut self, partial: Handle, modified_ns: i64) -> Result<(), StorageError> {
        let path = self.of(partial)?.path.clone();
        if let Some(slot) = self.find(&path, false) {
            if self.node(slot).is_some_and(|node| node.entry().is_folder) {
                self.remove_slot(partial.slot);
                return Err(StorageError::Refused);
            }
            self.remove_slot(slot);
        }
        let node = self.of_mut(partial)?;
        node.kind = Kind::File;
        node.modified_ns = modified_ns;
        Ok(())
    }

    fn abandon(&mut self, partial: Handle, keep: bool) {
        let is_synced = self
            .of(partial)
            .is_ok_and(|node| matches!(&node.kind, Kind::Partial { note } if !note.is_empty()));
        if self.of(partial).is_ok() && !(keep && is_synced) {
            self.remove_slot(partial.slot);
        }
    }

    fn remove(&mut self, path: &[u8]) -> Result<(), StorageError> {
        let partial = self.find(path, true);
        if let Some(slot) = partial {
            self.remove_slot(slot);
        }
        let Some(slot) = self.find(path, false) else {
            return partial.map(drop).ok_or(StorageError::NotFound);
        };
        if !self.is_empty_folder(path) {
            return Err(StorageError::Refused);
        }
        self.remove_slot(slot);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
