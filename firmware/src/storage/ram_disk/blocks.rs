//! The memory of the disk in blocks, and which file has which of them.

use super::StorageError;

/// The block belongs to nobody.
const NOBODY: u16 = u16::MAX;

/// `BLOCKS` blocks of `BLOCK` bytes. Owners are numbers below 65,535.
pub(super) struct Blocks<const BLOCK: usize, const BLOCKS: usize> {
    bytes: [[u8; BLOCK]; BLOCKS],
    /// Whose the block is, and the how manieth of the file it is.
    owners: [(u16, u32); BLOCKS],
}

impl<const BLOCK: usize, const BLOCKS: usize> core::fmt::Debug for Blocks<BLOCK, BLOCKS> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blocks({} of {BLOCKS} free)", self.free())
    }
}

impl<const BLOCK: usize, const BLOCKS: usize> Blocks<BLOCK, BLOCKS> {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [[0; BLOCK]; BLOCKS],
            owners: [(NOBODY, 0); BLOCKS],
        }
    }

    pub(super) fn free(&self) -> usize {
        let nobodys = self.owners.iter().filter(|(owner, _)| *owner == NOBODY);
        nobodys.count()
    }

    /// Gives `owner` the blocks for `size` bytes.
    pub(super) fn reserve(&mut self, owner: usize, size: u64) -> Result<(), StorageError> {
        let owner = u16::try_from(owner).map_err(|_| StorageError::Full)?;
        let wanted = size.div_ceil(BLOCK as u64);
        if wanted > self.free() as u64 {
            return Err(StorageError::Full);
        }
        let wanted = u32::try_from(wanted).map_err(|_| StorageError::Full)?;
        let free = self.owners.iter_mut().filter(|(owner, _)| *owner == NOBODY);
        for (place, index) in free.zip(0..wanted) {
            *place = (owner, index);
        }
        Ok(())
    }

    pub(super) fn release(&mut self, owner: usize) {
        for place in &mut self.owners {
            if usize::from(place.0) == owner {
                *place = (NOBODY, 0);
            }
        }
    }

    pub(super) fn read(
        &self,
        owner: usize,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), StorageError> {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let (index, inside) = Self::place(at)?;
            let block = self.find(owner, index)?;
            let bytes = self.bytes.get(block).and_then(|block| block.get(inside..));
            let bytes = bytes.ok_or(StorageError::Damaged)?;
            let count = bytes.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(bytes.get(..count).ok_or(StorageError::Damaged)?);
            rest = later;
            at += count as u64;
        }
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        owner: usize,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (index, inside) = Self::place(at)?;
            let block = self.find(owner, index)?;
            let place = self.bytes.get_mut(block);
            let place = place.and_then(|block| block.get_mut(inside..));
            let place = place.ok_or(StorageError::Damaged)?;
            let count = place.len().min(rest.len());
            let (now, later) = rest.split_at(count);
            place
                .get_mut(..count)
                .ok_or(StorageError::Damaged)?
                .copy_from_slice(now);
            rest = later;
            at += count as u64;
        }
        Ok(())
    }

    fn place(offset: u64) -> Result<(u32, usize), StorageError> {
        let index = u32::try_from(offset / BLOCK as u64).map_err(|_| StorageError::Damaged)?;
        let inside = usize::try_from(offset % BLOCK as u64).map_err(|_| StorageError::Damaged)?;
        Ok((index, inside))
    }

    fn find(&self, owner: usize, index: u32) -> Result<usize, StorageError> {
        let wanted = |place: &(u16, u32)| usize::from(place.0) == owner && place.1 == index;
        self.owners
            .iter()
            .position(wanted)
            .ok_or(StorageError::Damaged)
    }
}
