//! Memory-mapped registers.

use core::ptr;

use fasp_firmware::phy::lan9118::Registers;

/// A window of 32-bit registers of one peripheral.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    base: usize,
}

impl Window {
    /// The registers from `base` on.
    ///
    /// `base` is the address of a peripheral of this board whose registers have no effect on memory.
    pub(crate) const fn at(base: usize) -> Self {
        Self { base }
    }

    /// Reads the register `offset` bytes from the start.
    pub(crate) fn load(self, offset: u16) -> u32 {
        let address = ptr::with_exposed_provenance::<u32>(self.base + usize::from(offset & !3));
        #[allow(unsafe_code, reason = "registers are reached by address")]
        // SAFETY: windows are made of the addresses in `board.rs` alone: aligned registers that are always there.
        unsafe {
            address.read_volatile()
        }
    }

    /// Writes the register `offset` bytes from the start.
    pub(crate) fn store(self, offset: u16, value: u32) {
        let address = ptr::with_exposed_provenance_mut::<u32>(self.base + usize::from(offset & !3));
        #[allow(unsafe_code, reason = "registers are reached by address")]
        // SAFETY: as in `load`; none of these peripherals writes to memory on its own.
        unsafe {
            address.write_volatile(value);
        }
    }
}

impl Registers for Window {
    fn read(&mut self, offset: u16) -> u32 {
        self.load(offset)
    }

    fn write(&mut self, offset: u16, value: u32) {
        self.store(offset, value);
    }
}
