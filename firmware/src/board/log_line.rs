//! Log lines: what `defmt` encodes goes out of the first UART.
//!
//! A line that nobody takes must not stop the device: after a bounded wait bytes are dropped until the UART moves
//! again. The encoding marks the ends of lines, so that a reader loses no more than the lines that were cut.

use core::cell::RefCell;

use critical_section::Mutex;
use defmt::{Encoder, Logger, global_logger};

use super::{CLOCK_HZ, UART, Window};

const DATA: u16 = 0x00;
const STATE: u16 = 0x04;
const CONTROL: u16 = 0x08;
const BAUD_DIVISOR: u16 = 0x10;
const STATE_TRANSMIT_FULL: u32 = 1;
const CONTROL_TRANSMIT: u32 = 1;
const BAUD: u32 = 115_200;
/// Reads of the state before the line counts as dead.
const PATIENCE: u32 = 200_000;

const PORT: Window = Window::at(UART);

struct Line {
    encoder: Encoder,
    /// The critical section that a line is written in.
    section: Option<critical_section::RestoreState>,
    dead: bool,
}

static LINE: Mutex<RefCell<Line>> = Mutex::new(RefCell::new(Line {
    encoder: Encoder::new(),
    section: None,
    dead: false,
}));

#[global_logger]
struct Uart;

/// Must come before the first line.
pub(crate) fn start() {
    PORT.store(BAUD_DIVISOR, CLOCK_HZ / BAUD);
    PORT.store(CONTROL, CONTROL_TRANSMIT);
}

fn send(bytes: &[u8], dead: &mut bool) {
    for &byte in bytes {
        let patience = if *dead { 1 } else { PATIENCE };
        *dead = !(0..patience).any(|_| PORT.load(STATE) & STATE_TRANSMIT_FULL == 0);
        if !*dead {
            PORT.store(DATA, u32::from(byte));
        }
    }
}

/// Runs `act` on the line. A line inside a line (a fault while one is written) is left out.
fn with_line(act: impl FnOnce(&mut Line)) {
    critical_section::with(|section| {
        if let Ok(mut line) = LINE.borrow(section).try_borrow_mut() {
            act(&mut line);
        }
    });
}

#[allow(unsafe_code, reason = "the trait of defmt is unsafe to implement")]
// SAFETY: a line is written within one critical section from `acquire` to `release`, so that lines never mix;
// `write` and `flush` are called in between only.
unsafe impl Logger for Uart {
    fn acquire() {
        // SAFETY: released by `release`, which defmt calls once for every `acquire`.
        let section = unsafe { critical_section::acquire() };
        with_line(|line| {
            line.section = Some(section);
            let dead = &mut line.dead;
            line.encoder.start_frame(|bytes| send(bytes, dead));
        });
    }

    unsafe fn flush() {}

    unsafe fn write(bytes: &[u8]) {
        with_line(|line| {
            let dead = &mut line.dead;
            line.encoder.write(bytes, |encoded| send(encoded, dead));
        });
    }

    unsafe fn release() {
        let mut section = None;
        with_line(|line| {
            let dead = &mut line.dead;
            line.encoder.end_frame(|bytes| send(bytes, dead));
            section = line.section.take();
        });
        if let Some(section) = section {
            // SAFETY: what `acquire` was given.
            unsafe { critical_section::release(section) };
        }
    }
}
