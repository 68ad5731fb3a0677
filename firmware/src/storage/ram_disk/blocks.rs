//! The memory of the disk in blocks, and which file has which of them.

use core::ops::Range;

use super::StorageError;

/// The block belongs to nobody.
const NOBODY: u16 = u16::MAX;

/// `BLOCKS` blocks of equal size. Owners are numbers below 65,535.
pub(super) struct Blocks<'m, const BLOCKS: usize> {
    bytes: &'m mut [u8],
    /// Whose the block is, and the how manieth of the file it is.
    owners: [(u16, u32); BLOCKS],
}

impl<const BLOCKS: usize> core::fmt::Debug for Blocks<'_, BLOCKS> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blocks({} of {BLOCKS} free)", self.free())
    }
}

impl<'m, const BLOCKS: usize> Blocks<'m, BLOCKS> {
    pub(super) const fn new(bytes: &'m mut [u8]) -> Self {
        Self {
            bytes,
            owners: [(NOBODY, 0); BLOCKS],
        }
    }

    pub(super) const fn block_bytes(&self) -> usize {
        self.bytes.len() / BLOCKS
    }

    pub(super) fn free(&self) -> usize {
        let nobodys = self.owners.iter().filter(|(owner, _)| *owner == NOBODY);
        nobodys.count()
    }

    /// Gives `owner` the blocks for `size` bytes.
    pub(super) fn reserve(&mut self, owner: usize, size: u64) -> Result<(), StorageError> {
        let owner = u16::try_from(owner).map_err(|_| StorageError::Full)?;
        let wanted = size.div_ceil(self.block_bytes().max(1) as u64);
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
            let place = self.place(owner, at)?;
            let bytes = self.bytes.get(place).ok_or(StorageError::Damaged)?;
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
            let place = self.place(owner, at)?;
            let place = self.bytes.get_mut(place).ok_or(StorageError::Damaged)?;
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

    /// Where in the memory the bytes of `owner` from `offset` to the end of their block are.
    fn place(&self, owner: usize, offset: u64) -> Result<Range<usize>, StorageError> {
        let size = self.block_bytes();
        let divisor = size.max(1) as u64;
        let index = u32::try_from(offset / divisor).map_err(|_| StorageError::Damaged)?;
        let inside = usize::try_from(offset % divisor).map_err(|_| StorageError::Damaged)?;
        let wanted = |place: &(u16, u32)| usize::from(place.0) == owner && place.1 == index;
        let block = self.owners.iter().position(wanted);
        let start = block.ok_or(StorageError::Damaged)? * size;
        Ok(start + inside..start + size)
    }
}
