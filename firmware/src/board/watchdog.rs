//! The watchdog: a main loop that does not come round for too long is reset.

use super::{CLOCK_HZ, WATCHDOG, Window};

const LOAD: u16 = 0x000;
const CONTROL: u16 = 0x008;
const INTERRUPT_CLEAR: u16 = 0x00C;
const LOCK: u16 = 0xC00;
const UNLOCK: u32 = 0x1ACC_E551;
const CONTROL_INTERRUPT: u32 = 1;
const CONTROL_RESET: u32 = 1 << 1;

/// How long the main loop may take for one round. The first expiry is reported, the second resets.
const PATIENCE_SECONDS: u32 = 4;

/// The running watchdog.
#[derive(Debug)]
pub(crate) struct Watchdog {
    registers: Window,
}

impl Watchdog {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let registers = Window::at(WATCHDOG);
        registers.store(LOCK, UNLOCK);
        registers.store(LOAD, PATIENCE_SECONDS * CLOCK_HZ);
        registers.store(CONTROL, CONTROL_INTERRUPT | CONTROL_RESET);
        registers.store(LOCK, 0);
        Self { registers }
    }

    /// The main loop came round.
    pub(crate) fn feed(&self) {
        self.registers.store(LOCK, UNLOCK);
        // Any value loads the counter anew.
        self.registers.store(INTERRUPT_CLEAR, 1);
        self.registers.store(LOCK, 0);
    }
}

/// Stops it, for what comes after a crash.
pub(crate) fn stop() {
    let registers = Window::at(WATCHDOG);
    registers.store(LOCK, UNLOCK);
    registers.store(CONTROL, 0);
    registers.store(LOCK, 0);
}
