//! NOR flash and what lies in it: settings, and a small file system that survives power cuts.
//!
//! Flash is erased by sectors, to ones; programming only clears bits. A power cut may come at any byte. The first
//! sector says that the rest is ours; then come the settings, the records about files, and the files themselves:
//!
//! | sectors | what |
//! |---|---|
//! | 0 | header |
//! | 1 to 8 | settings |
//! | 9 to 40 | records about files |
//! | 41 to the end | the bytes of files |

use core::ops::Range;

pub mod file_system;
pub mod memory_flash;
mod records;
pub mod settings;

/// Bytes that are erased at once; offsets and sizes of areas are multiples of it.
pub const SECTOR: u32 = 4096;

const SETTINGS: Range<u32> = SECTOR..9 * SECTOR;
const RECORDS: Range<u32> = 9 * SECTOR..41 * SECTOR;
const FILES_FROM: u32 = 41 * SECTOR;
/// What the header holds: the name of the layout and its version.
const HEADER: &[u8; 16] = b"fasp appliance 1";

/// Why flash did not do what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FlashError {
    /// The range is not in the flash.
    #[error("The range is not in the flash.")]
    OutOfRange,
    /// The chip failed, or has no power.
    #[error("The flash does not work.")]
    Broken,
    /// What is in it is neither ours nor blank.
    #[error("The flash holds something else; it must be erased first.")]
    Foreign,
    /// Ours, but not to be read any more, or not to be written.
    #[error("The flash is damaged.")]
    Damaged,
    /// No room for a record.
    #[error("The flash is full.")]
    Full,
}

/// A flash chip. Calls block until they are done: an erase for some 50 ms on a real part.
pub trait Flash {
    /// Bytes, a multiple of [`SECTOR`].
    fn size(&self) -> u32;

    /// Fills `buffer` with the bytes from `offset`.
    ///
    /// # Errors
    ///
    /// [`FlashError::OutOfRange`], [`FlashError::Broken`].
    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError>;

    /// Clears the bits from `offset` on that are clear in `bytes`; the others stay as they are. In order, and
    /// durable when it returns.
    ///
    /// # Errors
    ///
    /// [`FlashError::OutOfRange`], [`FlashError::Broken`].
    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError>;

    /// Sets every bit of the sector that begins at `offset`.
    ///
    /// # Errors
    ///
    /// [`FlashError::OutOfRange`], [`FlashError::Broken`].
    fn erase(&mut self, offset: u32) -> Result<(), FlashError>;
}

impl<F: Flash + ?Sized> Flash for &mut F {
    fn size(&self) -> u32 {
        (**self).size()
    }

    fn read(&mut self, offset: u32, buffer: &mut [u8]) -> Result<(), FlashError> {
        (**self).read(offset, buffer)
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        (**self).program(offset, bytes)
    }

    fn erase(&mut self, offset: u32) -> Result<(), FlashError> {
        (**self).erase(offset)
    }
}

/// Lays the flash out if it is blank (a new part: all ones, or all zeros as memory may be). Whether it did.
///
/// # Errors
///
/// [`FlashError::Foreign`] when something else is in the first sector; nothing was changed then.
pub fn prepare(flash: &mut impl Flash) -> Result<bool, FlashError> {
    let mut header = [0; HEADER.len()];
    flash.read(0, &mut header)?;
    if header == *HEADER {
        return Ok(false);
    }
    // A cut while the header was written leaves a header with some bits not yet cleared.
    let unfinished = header
        .iter()
        .zip(HEADER)
        .all(|(is, must)| is & must == *must);
    if !unfinished && header.iter().any(|byte| *byte != 0) {
        return Err(FlashError::Foreign);
    }
    for offset in (0..FILES_FROM).step_by(4096) {
        flash.erase(offset)?;
    }
    flash.program(0, HEADER)?;
    Ok(true)
}

#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod tests;
