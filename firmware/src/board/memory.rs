//! The memory that the appliance treats as flash.

use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{FLASH_MEMORY, FLASH_MEMORY_SIZE};

/// The whole of it, once; `None` when it was given away before.
///
/// Nothing is linked there: what it holds at power-on is what was left in it.
pub(crate) fn take_flash_memory() -> Option<&'static mut [u8]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    let start = ptr::with_exposed_provenance_mut::<u8>(FLASH_MEMORY);
    #[allow(unsafe_code, reason = "memory outside the linker's map")]
    // SAFETY: 16 MiB of memory of the board that the linker's map leaves out, so nothing else refers to them;
    // any bytes are valid, and the flag above lets nobody have them twice.
    Some(unsafe { core::slice::from_raw_parts_mut(start, FLASH_MEMORY_SIZE) })
}
