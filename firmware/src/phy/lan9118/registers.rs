//! Names and bits of the registers of the LAN9118, as in its data sheet, and how a driver reaches them.

/// The window of 32-bit registers of the chip; offsets are bytes, multiples of four.
pub trait Registers {
    /// Reads one register. Reading from a FIFO takes a word out of it.
    fn read(&mut self, offset: u16) -> u32;
    /// Writes one register. Writing to a FIFO puts a word into it.
    fn write(&mut self, offset: u16, value: u32);
}

/// Registers of the host's interface.
pub(super) mod register {
    pub(crate) const RX_DATA: u16 = 0x00;
    pub(crate) const TX_DATA: u16 = 0x20;
    pub(crate) const RX_STATUS: u16 = 0x40;
    pub(crate) const TX_STATUS: u16 = 0x48;
    pub(crate) const IRQ_CFG: u16 = 0x54;
    pub(crate) const INT_STS: u16 = 0x58;
    pub(crate) const INT_EN: u16 = 0x5C;
    pub(crate) const BYTE_TEST: u16 = 0x64;
    pub(crate) const FIFO_INT: u16 = 0x68;
    pub(crate) const RX_CFG: u16 = 0x6C;
    pub(crate) const TX_CFG: u16 = 0x70;
    pub(crate) const HW_CFG: u16 = 0x74;
    pub(crate) const RX_FIFO_INF: u16 = 0x7C;
    pub(crate) const TX_FIFO_INF: u16 = 0x80;
    pub(crate) const MAC_COMMAND: u16 = 0xA4;
    pub(crate) const MAC_DATA: u16 = 0xA8;
    pub(crate) const AFC_CFG: u16 = 0xAC;

    pub(crate) const BYTE_TEST_VALUE: u32 = 0x8765_4321;
    pub(crate) const HW_CFG_RESET: u32 = 1;
    pub(crate) const HW_CFG_MUST_BE_ONE: u32 = 1 << 20;
    pub(crate) const HW_CFG_TRANSMIT_FIFO_5K: u32 = 5 << 16;
    pub(crate) const AFC_CFG_RECOMMENDED: u32 = 0x006E_3740;
    /// Receive status level 0: an interrupt for every frame. Transmit levels at their ends: none for them.
    pub(crate) const FIFO_INT_EACH_FRAME: u32 = 0xFF00_0000;
    /// The line on, push-pull, high when active.
    pub(crate) const IRQ_CFG_ACTIVE_HIGH: u32 = 1 << 8 | 1 << 4 | 1;
    pub(crate) const TX_CFG_ON: u32 = 1 << 1;
    pub(crate) const RX_STATUS_ERROR: u32 = 1 << 15;
    pub(crate) const TX_FIRST_SEGMENT: u32 = 1 << 13;
    pub(crate) const TX_LAST_SEGMENT: u32 = 1 << 12;
}

/// Bits of the interrupt registers.
pub(super) mod interrupt {
    /// The receive status FIFO is above its level.
    pub(crate) const FRAME_ARRIVED: u32 = 1 << 3;
}

/// Registers of the MAC, reached through `MAC_COMMAND`.
pub(super) mod mac {
    pub(crate) const BUSY: u32 = 1 << 31;
    pub(crate) const READ: u32 = 1 << 30;

    pub(crate) const CONTROL: u32 = 1;
    pub(crate) const ADDRESS_HIGH: u32 = 2;
    pub(crate) const ADDRESS_LOW: u32 = 3;
    pub(crate) const PHY_ACCESS: u32 = 6;
    pub(crate) const PHY_DATA: u32 = 7;

    pub(crate) const RECEIVE: u32 = 1 << 2;
    pub(crate) const TRANSMIT: u32 = 1 << 3;
    /// IPv6 finds neighbours and routers by multicast.
    pub(crate) const ALL_MULTICAST: u32 = 1 << 19;
    pub(crate) const FULL_DUPLEX: u32 = 1 << 20;
}

/// Registers of the PHY, reached through the MAC.
pub(super) mod phy {
    pub(crate) const BUSY: u32 = 1;
    pub(crate) const WRITE: u32 = 1 << 1;

    pub(crate) const CONTROL: u32 = 0;
    pub(crate) const STATUS: u32 = 1;

    /// Negotiate with the far end, from the start.
    pub(crate) const NEGOTIATE: u32 = 1 << 12 | 1 << 9;
    pub(crate) const STATUS_LINK: u32 = 1 << 2;

    /// The command that reads register `index` of the chip's own PHY, which has address 1.
    pub(crate) const fn access(index: u32) -> u32 {
        1 << 11 | index << 6 | BUSY
    }
}
