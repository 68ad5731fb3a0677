//! How much of the stack was ever used, seen from how much of the paint on it is left.
//!
//! `cortex-m-rt` paints the memory between the end of the variables and the top before anything else runs.

use core::ptr;

/// What `cortex-m-rt` paints with.
const PAINT: u32 = 0xCCCC_CCCC;

/// Bytes of the stack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct StackUse {
    /// The most that was ever used.
    pub(crate) used: usize,
    /// What there is.
    pub(crate) size: usize,
}

/// The stack's use since the last reset. Takes time in proportion to what is free.
pub(crate) fn stack_use() -> StackUse {
    #[allow(unsafe_code, reason = "symbols of the linker")]
    // SAFETY: the linker script of cortex-m-rt defines both; only their addresses are taken.
    unsafe extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    let top = (&raw const _stack_start).expose_provenance();
    let bottom = (&raw const _stack_end).expose_provenance();
    let size = top.saturating_sub(bottom);
    let untouched = (bottom..top)
        .step_by(4)
        .take_while(|&address| {
            #[allow(unsafe_code, reason = "the free part of the stack is no object")]
            // SAFETY: aligned words between the end of the variables and the top of the stack, all in memory; a
            // volatile read of what the stack may hold.
            let word = unsafe { ptr::with_exposed_provenance::<u32>(address).read_volatile() };
            word == PAINT
        })
        .count();
    StackUse {
        used: size.saturating_sub(untouched * 4),
        size,
    }
}
