//! Memory that behaves as flash: for boards whose memory keeps what it holds, for images of a flash on a host's disk,
//! and for tests.

use core::sync::atomic::{Ordering, fence};

use super::{Flash, FlashError, SECTOR};

/// Flash over borrowed memory.
#[derive(Debug)]
pub struct MemoryFlash<'m> {
    memory: &'m mut [u8],
}

impl<'m> MemoryFlash<'m> {
    /// The flash that `memory` is; what is beyond its last whole sector stays unused.
    pub const fn new(memory: &'m mut [u8]) -> Self {
        Self { memory }
    }

    fn range(&mut self, offset: u32, length: usize) -> Result<&mut [u8], FlashError> {
        let start = usize::try_from(offset).map_err(|_| FlashError::OutOfRange)?;
        let end = start.checked_add(length).ok_or(FlashError::OutOfRange)?;
        self.memory
            .get_mut(start..end)
            .ok_or(FlashError::OutOfRange)
    }
}

/// What was written before is in memory before anything that comes after: power may be cut in between.
fn settle() {
    fence(Ordering::SeqCst);
}

impl Flash for MemoryFlash<'_> {
    fn size(&self) -> u32 {
        u32::try_from(self.memory.len()).unwrap_or(u32::MAX) / SECTOR * SECTOR
    }

    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        buffer.copy_from_slice(self.range(offset, buffer.len())?);
        Ok(())
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        for (cell, byte) in self.range(offset, bytes.len())?.iter_mut().zip(bytes) {
            *cell &= byte;
        }
        settle();
        Ok(())
    }

    fn erase(&mut self, offset: u32) -> Result<(), FlashError> {
        let sector = usize::try_from(SECTOR).map_err(|_| FlashError::OutOfRange)?;
        if !offset.is_multiple_of(SECTOR) {
            return Err(FlashError::OutOfRange);
        }
        self.range(offset, sector)?.fill(0xFF);
        settle();
        Ok(())
    }
}
