//! What outlives a reset: how often in a row the image crashed, so that a crash at every start does not become a
//! device that starts a hundred times a second.

use core::sync::atomic::{AtomicU32, Ordering};

use super::{CLOCK_HZ, ETHERNET, Window, watchdog};

/// Says that the count beside it was written by this image and is not what memory held at power-on.
const MARK: u32 = 0xFA5B_C4A5;

// Neither cleared nor loaded at a reset. Any bits are a valid number.
#[allow(unsafe_code, reason = "a section of its own")]
// SAFETY: the section is kept by the linker script of cortex-m-rt for exactly this.
#[unsafe(link_section = ".uninit.crash_mark")]
static MARKED: AtomicU32 = AtomicU32::new(0);
#[allow(unsafe_code, reason = "a section of its own")]
// SAFETY: as above.
#[unsafe(link_section = ".uninit.crash_count")]
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Crashes without a rest at the end of which the count begins anew.
const AT_ONCE: u32 = 3;
/// The longest rest before a restart, in seconds.
const LONGEST_REST_SECONDS: u32 = 32;

/// The count of crashes since the image last worked for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crashes;

impl Crashes {
    /// How many in a row led to this start; 0 after power-on.
    pub(crate) fn in_a_row(self) -> u32 {
        if MARKED.load(Ordering::Relaxed) == MARK {
            COUNT.load(Ordering::Relaxed)
        } else {
            0
        }
    }

    /// The image has worked for a while: the next crash is the first again.
    pub(crate) fn forget(self) {
        COUNT.store(0, Ordering::Relaxed);
        MARKED.store(MARK, Ordering::Relaxed);
    }
}

/// Counts a crash, rests if there were many, and starts anew.
pub(super) fn restart() -> ! {
    let count = Crashes.in_a_row().saturating_add(1);
    COUNT.store(count, Ordering::Relaxed);
    MARKED.store(MARK, Ordering::Relaxed);
    watchdog::stop();
    let doublings = count.saturating_sub(AT_ONCE);
    let seconds = if doublings == 0 {
        0
    } else {
        1_u32
            .checked_shl(doublings - 1)
            .unwrap_or(u32::MAX)
            .min(LONGEST_REST_SECONDS)
    };
    rest(seconds);
    cortex_m::peripheral::SCB::sys_reset()
}

/// Waits without interrupts; the counter wraps after 171 s, which is longer than any rest.
fn rest(seconds: u32) {
    const FREE_RUN: u16 = 0x9C;
    let counter = Window::at(ETHERNET);
    let start = counter.load(FREE_RUN);
    while counter.load(FREE_RUN).wrapping_sub(start) < seconds * CLOCK_HZ {
        cortex_m::asm::nop();
    }
}
