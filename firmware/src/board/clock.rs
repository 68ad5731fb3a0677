//! Time since power-on: the free-running counter of the Ethernet controller, extended to 64 bits.

use fasp_core::time::Instant;

use super::{CLOCK_HZ, ETHERNET, Window};

/// The counter's register.
const FREE_RUN: u16 = 0x9C;
const TICKS_PER_MICROSECOND: u64 = CLOCK_HZ as u64 / 1_000_000;

/// The clock. It must be read at least every 171 s, when the counter starts again; the watchdog sees to that.
#[derive(Debug)]
pub(crate) struct Clock {
    counter: Window,
    last: u32,
    ticks: u64,
}

impl Clock {
    /// Starts at 0 µs.
    pub(crate) fn start() -> Self {
        let counter = Window::at(ETHERNET);
        Self {
            counter,
            last: counter.load(FREE_RUN),
            ticks: 0,
        }
    }

    /// The time since the start.
    pub(crate) fn now(&mut self) -> Instant {
        let value = self.counter.load(FREE_RUN);
        self.ticks += u64::from(value.wrapping_sub(self.last));
        self.last = value;
        Instant::from_micros(self.ticks / TICKS_PER_MICROSECOND)
    }
}
