//! The SMSC LAN9118 Ethernet controller and its relatives, as a device of smoltcp.
//!
//! One frame at a time through the FIFOs of the chip, without DMA. The receive FIFO holds seven full frames;
//! what comes faster is lost, as the chip has no means to hold the sender back.
//!
//! Source: the register map and the start-up order of the LAN9118 data sheet (SMSC, 2008), and what QEMU models.

use smoltcp::phy::{Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

mod registers;

pub use registers::Registers;
use registers::{interrupt, mac, phy, register};

/// The longest Ethernet frame without the frame check sequence, in bytes.
pub const LONGEST_FRAME: usize = 1514;
/// Bytes of the frame check sequence, which the chip leaves at the end of a received frame.
const CHECK_SEQUENCE: usize = 4;
/// How often a status is looked at before the chip is given up.
const PATIENCE: u32 = 100_000;
/// What a frame may need in the transmit FIFO: its words and two words of command.
const TRANSMIT_ROOM: u32 = 1536 + 8;

/// Why the chip cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Lan9118Error {
    /// The byte order test register does not read as it must: no such chip is there.
    NotFound,
    /// The chip did not come out of its reset, or one of its inner units stays busy.
    Stuck,
}

/// What passed the chip.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lan9118Statistics {
    /// Frames handed to the stack.
    pub received: u64,
    /// Frames given to the chip.
    pub sent: u64,
    /// Received frames with an error, or of a length that no frame has.
    pub damaged: u64,
}

/// The chip behind `R`, with one frame of memory for each direction.
#[derive(Debug)]
pub struct Lan9118<R> {
    registers: R,
    address: EthernetAddress,
    incoming: [u8; LONGEST_FRAME],
    outgoing: [u8; LONGEST_FRAME],
    statistics: Lan9118Statistics,
}

impl<R: Registers> Lan9118<R> {
    /// Resets the chip and starts both directions. Its hardware address is the one the chip brings.
    ///
    /// # Errors
    ///
    /// [`Lan9118Error`] when the chip does not answer; every wait is bounded.
    pub fn start(mut registers: R) -> Result<Self, Lan9118Error> {
        if registers.read(register::BYTE_TEST) != register::BYTE_TEST_VALUE {
            return Err(Lan9118Error::NotFound);
        }
        registers.write(register::HW_CFG, register::HW_CFG_RESET);
        wait(&mut registers, register::HW_CFG, register::HW_CFG_RESET)?;
        registers.write(
            register::HW_CFG,
            register::HW_CFG_MUST_BE_ONE | register::HW_CFG_TRANSMIT_FIFO_5K,
        );
        registers.write(register::AFC_CFG, register::AFC_CFG_RECOMMENDED);
        registers.write(register::RX_CFG, 0);
        registers.write(register::FIFO_INT, register::FIFO_INT_EACH_FRAME);
        registers.write(register::INT_STS, u32::MAX);
        registers.write(register::INT_EN, interrupt::FRAME_ARRIVED);
        registers.write(register::IRQ_CFG, register::IRQ_CFG_ACTIVE_HIGH);
        registers.write(register::TX_CFG, register::TX_CFG_ON);
        let [a, b, c, d] = read_mac(&mut registers, mac::ADDRESS_LOW)?.to_le_bytes();
        let [e, f, ..] = read_mac(&mut registers, mac::ADDRESS_HIGH)?.to_le_bytes();
        let address = EthernetAddress([a, b, c, d, e, f]);
        write_phy(&mut registers, phy::CONTROL, phy::NEGOTIATE)?;
        let control = mac::TRANSMIT | mac::RECEIVE | mac::FULL_DUPLEX | mac::ALL_MULTICAST;
        write_mac(&mut registers, mac::CONTROL, control)?;
        Ok(Self {
            registers,
            address,
            incoming: [0; LONGEST_FRAME],
            outgoing: [0; LONGEST_FRAME],
            statistics: Lan9118Statistics::default(),
        })
    }

    /// The hardware address.
    #[must_use]
    pub const fn address(&self) -> EthernetAddress {
        self.address
    }

    /// What has passed so far.
    #[must_use]
    pub const fn statistics(&self) -> Lan9118Statistics {
        self.statistics
    }

    /// Whether a cable is in and the far end talks.
    ///
    /// # Errors
    ///
    /// [`Lan9118Error::Stuck`] when the chip does not say.
    pub fn link_is_up(&mut self) -> Result<bool, Lan9118Error> {
        // A lost link is latched until it is read: the second value is how it is now.
        read_phy(&mut self.registers, phy::STATUS)?;
        Ok(read_phy(&mut self.registers, phy::STATUS)? & phy::STATUS_LINK != 0)
    }

    /// Takes back the interrupt, and says whether frames wait all the same.
    pub fn acknowledge_interrupt(&mut self) -> bool {
        self.registers.write(register::INT_STS, u32::MAX);
        self.waiting_frames() > 0
    }

    fn waiting_frames(&mut self) -> u32 {
        (self.registers.read(register::RX_FIFO_INF) >> 16) & 0xFF
    }

    /// Moves the next good frame into the buffer for incoming ones; its length in bytes.
    fn take_frame(&mut self) -> Option<usize> {
        while self.waiting_frames() > 0 {
            let status = self.registers.read(register::RX_STATUS);
            let length = usize::try_from((status >> 16) & 0x3FFF).unwrap_or(0);
            let frame = length.saturating_sub(CHECK_SEQUENCE);
            let good = status & register::RX_STATUS_ERROR == 0;
            if good && (14..=LONGEST_FRAME).contains(&frame) {
                self.read_words(length, frame);
                self.statistics.received += 1;
                return Some(frame);
            }
            self.statistics.damaged += 1;
            self.read_words(length, 0);
        }
        None
    }

    /// Takes `length` bytes out of the data FIFO, whole words, and keeps the first `keep`.
    fn read_words(&mut self, length: usize, keep: usize) {
        let mut kept = self.incoming.get_mut(..keep).unwrap_or_default();
        for _ in 0..length.div_ceil(4) {
            let word = self.registers.read(register::RX_DATA).to_le_bytes();
            let count = kept.len().min(word.len());
            let (now, later) = kept.split_at_mut(count);
            now.copy_from_slice(word.get(..count).unwrap_or_default());
            kept = later;
        }
    }

    /// Whether the chip takes a frame now. Forgets how earlier ones were sent.
    fn has_room(&mut self) -> bool {
        for _ in 0..(self.registers.read(register::TX_FIFO_INF) >> 16) & 0xFF {
            self.registers.read(register::TX_STATUS);
        }
        self.registers.read(register::TX_FIFO_INF) & 0xFFFF >= TRANSMIT_ROOM
    }
}

/// A received frame.
#[derive(Debug)]
pub struct Received<'a>(&'a [u8]);

/// Room for one frame to be sent.
#[derive(Debug)]
pub struct Sending<'a, R> {
    registers: &'a mut R,
    buffer: &'a mut [u8; LONGEST_FRAME],
    statistics: &'a mut Lan9118Statistics,
}

impl smoltcp::phy::RxToken for Received<'_> {
    fn consume<T, F: FnOnce(&[u8]) -> T>(self, handle: F) -> T {
        handle(self.0)
    }
}

impl<R: Registers> smoltcp::phy::TxToken for Sending<'_, R> {
    fn consume<T, F: FnOnce(&mut [u8]) -> T>(self, length: usize, write: F) -> T {
        // The stack knows from `capabilities` that no frame is longer.
        let length = length.min(LONGEST_FRAME);
        let Some(frame) = self.buffer.get_mut(..length) else {
            return write(&mut []);
        };
        let result = write(frame);
        let size = u32::try_from(length).unwrap_or(0);
        let whole = register::TX_FIRST_SEGMENT | register::TX_LAST_SEGMENT;
        self.registers.write(register::TX_DATA, whole | size);
        self.registers.write(register::TX_DATA, size);
        for chunk in frame.chunks(4) {
            let mut word = [0; 4];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.registers
                .write(register::TX_DATA, u32::from_le_bytes(word));
        }
        self.statistics.sent += 1;
        result
    }
}

impl<R: Registers> Device for Lan9118<R> {
    type RxToken<'a>
        = Received<'a>
    where
        R: 'a;
    type TxToken<'a>
        = Sending<'a, R>
    where
        R: 'a;

    fn receive(&mut self, _: Instant) -> Option<(Received<'_>, Sending<'_, R>)> {
        // The stack may answer at once: without room for the answer the frame waits in the chip.
        if self.waiting_frames() == 0 || !self.has_room() {
            return None;
        }
        let length = self.take_frame()?;
        let received = Received(self.incoming.get(..length)?);
        let sending = Sending {
            registers: &mut self.registers,
            buffer: &mut self.outgoing,
            statistics: &mut self.statistics,
        };
        Some((received, sending))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending<'_, R>> {
        self.has_room().then_some(Sending {
            registers: &mut self.registers,
            buffer: &mut self.outgoing,
            statistics: &mut self.statistics,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST_FRAME;
        capabilities.max_burst_size = Some(1);
        capabilities
    }
}

/// Waits until `bits` of a register are clear.
fn wait<R: Registers>(registers: &mut R, offset: u16, bits: u32) -> Result<(), Lan9118Error> {
    for _ in 0..PATIENCE {
        if registers.read(offset) & bits == 0 {
            return Ok(());
        }
    }
    Err(Lan9118Error::Stuck)
}

fn read_mac<R: Registers>(registers: &mut R, index: u32) -> Result<u32, Lan9118Error> {
    registers.write(register::MAC_COMMAND, mac::BUSY | mac::READ | index);
    wait(registers, register::MAC_COMMAND, mac::BUSY)?;
    Ok(registers.read(register::MAC_DATA))
}

fn write_mac<R: Registers>(registers: &mut R, index: u32, value: u32) -> Result<(), Lan9118Error> {
    registers.write(register::MAC_DATA, value);
    registers.write(register::MAC_COMMAND, mac::BUSY | index);
    wait(registers, register::MAC_COMMAND, mac::BUSY)
}

/// Waits until the chip's line to its PHY is free.
fn wait_for_phy<R: Registers>(registers: &mut R) -> Result<(), Lan9118Error> {
    for _ in 0..PATIENCE {
        if read_mac(registers, mac::PHY_ACCESS)? & phy::BUSY == 0 {
            return Ok(());
        }
    }
    Err(Lan9118Error::Stuck)
}

fn read_phy<R: Registers>(registers: &mut R, index: u32) -> Result<u32, Lan9118Error> {
    write_mac(registers, mac::PHY_ACCESS, phy::access(index))?;
    wait_for_phy(registers)?;
    read_mac(registers, mac::PHY_DATA)
}

fn write_phy<R: Registers>(registers: &mut R, index: u32, value: u32) -> Result<(), Lan9118Error> {
    write_mac(registers, mac::PHY_DATA, value)?;
    write_mac(registers, mac::PHY_ACCESS, phy::access(index) | phy::WRITE)?;
    wait_for_phy(registers)
}

#[cfg(test)]
mod tests;
