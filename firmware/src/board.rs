//! The mps2-an386 board: its memory map, and what of its hardware the image uses.
//!
//! Everything that must be said in unsafe code about this hardware is said here and below.
//!
//! Source: Arm application note AN386 and the CMSDK technical reference manual for the addresses; what QEMU models.

mod clock;
mod crash;
mod fault;
mod log_line;
mod memory;
mod registers;
mod sleep;
mod stack;
mod watchdog;

pub(crate) use clock::Clock;
pub(crate) use crash::Crashes;
#[cfg(feature = "test-port")]
pub(crate) use fault::read_nothing;
pub(crate) use log_line::start as start_log;
pub(crate) use memory::take_flash_memory;
pub(crate) use registers::Window;
pub(crate) use sleep::Sleep;
pub(crate) use stack::stack_use;
pub(crate) use watchdog::Watchdog;

/// The LAN9118 Ethernet controller.
pub(crate) const ETHERNET: usize = 0x4020_0000;
/// Its interrupt line.
pub(crate) const ETHERNET_INTERRUPT: u16 = 13;
/// The first CMSDK UART: log lines.
pub(crate) const UART: usize = 0x4000_4000;
/// The CMSDK watchdog; its first expiry is a non-maskable interrupt, its second a reset.
pub(crate) const WATCHDOG: usize = 0x4000_8000;
/// The clock of core, SysTick, watchdog and the free-running counter of the Ethernet controller, in hertz.
pub(crate) const CLOCK_HZ: u32 = 25_000_000;
/// The memory that the appliance treats as flash.
pub(crate) const FLASH_MEMORY: usize = 0x2100_0000;
/// Its size in bytes.
pub(crate) const FLASH_MEMORY_SIZE: usize = 16 << 20;
