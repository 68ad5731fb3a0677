//! Flash whose power is cut at a chosen byte, for tests.
//!
//! A cut while a byte is programmed leaves some of its bits cleared and some not; a cut during an erase leaves
//! the sector partly erased, its next byte with some bits set. Nothing works after it until the power is back.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::memory_flash::MemoryFlash;
use super::{Flash, FlashError, SECTOR};

/// A chip with power for so many bytes more.
#[derive(Clone, Debug)]
pub(crate) struct PowerCut {
    pub(crate) memory: Vec<u8>,
    /// Bytes until the cut.
    pub(crate) left: u64,
    /// Which bits of the byte at the cut have changed.
    pub(crate) torn: u8,
}

impl PowerCut {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            memory: vec![0xFF; size],
            left: u64::MAX,
            torn: 0,
        }
    }

    /// Takes the power for `length` bytes; gives how many of them are reached.
    fn spend(&mut self, length: usize) -> usize {
        let reached = length.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= reached as u64;
        reached
    }
}

impl Flash for PowerCut {
    fn size(&self) -> u32 {
        u32::try_from(self.memory.len()).unwrap()
    }

    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        if self.left == 0 {
            return Err(FlashError::Broken);
        }
        MemoryFlash::new(&mut self.memory).read(offset, buffer)
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let had_power = self.left > 0;
        let reached = self.spend(bytes.len());
        let torn = self.torn;
        let mut flash = MemoryFlash::new(&mut self.memory);
        flash.program(offset, &bytes[..reached])?;
        match bytes.get(reached) {
            None => Ok(()),
            Some(byte) => {
                if had_power {
                    let at = offset + u32::try_from(reached).unwrap();
                    flash.program(at, &[byte | torn])?;
                }
                Err(FlashError::Broken)
            }
        }
    }

    fn erase(&mut self, offset: u32) -> Result<(), FlashError> {
        let had_power = self.left > 0;
        // A sector counts for as much as a few bytes, so that cuts during an erase are not most of all.
        let steps = 8;
        let reached = self.spend(steps);
        let start = usize::try_from(offset).unwrap();
        let sector = &mut self.memory[start..start + SECTOR as usize];
        let end = sector.len() * reached / steps;
        sector[..end].fill(0xFF);
        if reached == steps {
            return Ok(());
        }
        if had_power {
            sector[end] |= self.torn;
        }
        Err(FlashError::Broken)
    }
}
