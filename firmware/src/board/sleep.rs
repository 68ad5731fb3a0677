//! Sleep until a frame arrives or a time comes.
//!
//! Interrupts stay masked at the core for good: a pending one ends the sleep, and the main loop looks for itself.
//! So there are no handlers, and no races between them and the loop.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SCB, SYST};
use fasp_core::time::Instant;

use super::{CLOCK_HZ, ETHERNET_INTERRUPT};

/// The counter of SysTick has 24 bits.
const LONGEST_TICKS: u64 = (1 << 24) - 1;
const TICKS_PER_MICROSECOND: u64 = CLOCK_HZ as u64 / 1_000_000;

#[derive(Clone, Copy, Debug)]
struct EthernetLine;

#[allow(unsafe_code, reason = "the trait is unsafe to implement")]
// SAFETY: the number is a line of this board's interrupt controller, always the same.
unsafe impl InterruptNumber for EthernetLine {
    fn number(self) -> u16 {
        ETHERNET_INTERRUPT
    }
}

/// The core's sleep and its alarm.
pub(crate) struct Sleep {
    alarm: SYST,
}

impl Sleep {
    /// Masks interrupts at the core and lets the Ethernet controller wake it.
    pub(crate) fn start(mut alarm: SYST) -> Self {
        cortex_m::interrupt::disable();
        alarm.set_clock_source(SystClkSource::Core);
        alarm.enable_interrupt();
        #[allow(unsafe_code, reason = "unmasking may break critical sections")]
        // SAFETY: interrupts are masked at the core and stay so: no handler ever runs.
        unsafe {
            NVIC::unmask(EthernetLine);
        }
        Self { alarm }
    }

    /// Sleeps until a frame arrives or `until` comes, at most 671 ms.
    ///
    /// The interrupt of the controller must have been acknowledged, and no frame have been waiting since.
    pub(crate) fn until(&mut self, until: Option<Instant>, now: Instant) {
        let micros = until.map_or(u64::MAX, |until| {
            until.as_micros().saturating_sub(now.as_micros())
        });
        let ticks = micros
            .saturating_mul(TICKS_PER_MICROSECOND)
            .min(LONGEST_TICKS);
        let Some(reload) = u32::try_from(ticks).ok().filter(|&ticks| ticks > 1) else {
            return;
        };
        self.alarm.set_reload(reload);
        self.alarm.clear_current();
        self.alarm.enable_counter();
        cortex_m::asm::dsb();
        cortex_m::asm::wfi();
        self.alarm.disable_counter();
        SCB::clear_pendst();
        NVIC::unpend(EthernetLine);
    }
}
