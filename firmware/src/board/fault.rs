//! When something is badly wrong: say what, and start anew.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m_rt::{ExceptionFrame, exception};

use super::crash;

/// A fault while a fault is reported must not report itself.
static REPORTING: AtomicBool = AtomicBool::new(false);

fn report(say: impl FnOnce()) -> ! {
    if !REPORTING.swap(true, Ordering::Relaxed) {
        say();
    }
    crash::restart()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    report(|| defmt::error!("{}", defmt::Display2Format(info)))
}

#[allow(unsafe_code, reason = "cortex-m-rt wants the handler marked")]
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    const CONFIGURABLE_FAULT_STATUS: usize = 0xE000_ED28;
    const BUS_FAULT_ADDRESS: usize = 0xE000_ED38;
    let status = super::Window::at(CONFIGURABLE_FAULT_STATUS).load(0);
    let address = super::Window::at(BUS_FAULT_ADDRESS).load(0);
    report(|| {
        defmt::error!(
            "hard fault at pc {=u32:#010x}, lr {=u32:#010x}, status {=u32:#010x}, address {=u32:#010x}",
            frame.pc(),
            frame.lr(),
            status,
            address
        );
    })
}

#[allow(unsafe_code, reason = "cortex-m-rt wants the handler marked")]
#[exception]
unsafe fn NonMaskableInt() -> ! {
    report(|| defmt::error!("the main loop stands still: reset by the watchdog"))
}

/// Reads where nothing is, which is a hard fault.
#[cfg(feature = "test-port")]
pub(crate) fn read_nothing() {
    super::Window::at(0x9000_0000).load(0);
}
