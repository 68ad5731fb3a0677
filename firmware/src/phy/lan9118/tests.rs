//! The driver against a model of the chip: its FIFOs, its MAC and PHY registers, nothing more.

extern crate std;

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use smoltcp::phy::{Device as _, RxToken as _, TxToken as _};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use super::registers::{mac, phy, register};
use super::{LONGEST_FRAME, Lan9118, Lan9118Error, Registers};

const NOW: Instant = Instant::ZERO;

#[derive(Debug)]
struct Chip {
    there: bool,
    mac_is_stuck: bool,
    link: bool,
    statuses: VecDeque<u32>,
    words: VecDeque<u32>,
    sent: Vec<u32>,
    transmit_room: u32,
    pending_statuses: u32,
    mac_command: u32,
    mac_data: u32,
    mac_control: u32,
    phy_access: u32,
}

impl Default for Chip {
    fn default() -> Self {
        Self {
            there: true,
            mac_is_stuck: false,
            link: true,
            statuses: VecDeque::new(),
            words: VecDeque::new(),
            sent: Vec::new(),
            transmit_room: 4608,
            pending_statuses: 0,
            mac_command: 0,
            mac_data: 0,
            mac_control: 0,
            phy_access: 0,
        }
    }
}

impl Chip {
    /// A frame as the wire brings it, with a check sequence that nobody looks at.
    fn arrive(&mut self, frame: &[u8], error: bool) {
        let mut bytes = frame.to_vec();
        bytes.extend([0xFC; 4]);
        let length = u32::try_from(bytes.len()).unwrap();
        self.statuses
            .push_back(length << 16 | u32::from(error) << 15);
        for chunk in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words.push_back(u32::from_le_bytes(word));
        }
    }

    fn run_mac_command(&mut self) {
        let index = self.mac_command & 0xFF;
        if self.mac_command & mac::READ != 0 {
            self.mac_data = match index {
                mac::ADDRESS_LOW => 0x3322_1102,
                mac::ADDRESS_HIGH => 0x5544,
                mac::PHY_ACCESS => self.phy_access,
                mac::PHY_DATA => u32::from(self.link) << 2,
                _ => 0,
            };
        } else {
            match index {
                mac::CONTROL => self.mac_control = self.mac_data,
                mac::PHY_ACCESS => self.phy_access = self.mac_data & !phy::BUSY,
                _ => {}
            }
        }
    }
}

impl Registers for Chip {
    fn read(&mut self, offset: u16) -> u32 {
        match offset {
            register::BYTE_TEST if self.there => register::BYTE_TEST_VALUE,
            register::RX_FIFO_INF => u32::try_from(self.statuses.len()).unwrap() << 16,
            register::RX_STATUS => self.statuses.pop_front().expect("a status to take"),
            register::RX_DATA => self.words.pop_front().expect("a word to take"),
            register::TX_FIFO_INF => self.pending_statuses << 16 | self.transmit_room,
            register::TX_STATUS => {
                self.pending_statuses = self.pending_statuses.checked_sub(1).expect("a status");
                0
            }
            register::MAC_COMMAND if self.mac_is_stuck => mac::BUSY,
            register::MAC_COMMAND => self.mac_command & !mac::BUSY,
            register::MAC_DATA => self.mac_data,
            _ => 0,
        }
    }

    fn write(&mut self, offset: u16, value: u32) {
        match offset {
            register::TX_DATA => self.sent.push(value),
            register::MAC_DATA => self.mac_data = value,
            register::MAC_COMMAND => {
                self.mac_command = value;
                self.run_mac_command();
            }
            _ => {}
        }
    }
}

fn started() -> Lan9118<Chip> {
    Lan9118::start(Chip::default()).expect("the chip starts")
}

fn received(device: &mut Lan9118<Chip>) -> Option<Vec<u8>> {
    let (token, _) = device.receive(NOW)?;
    Some(token.consume(<[u8]>::to_vec))
}

#[test]
fn a_start_reads_the_hardware_address_and_opens_both_directions() {
    let device = started();
    let address = EthernetAddress([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
    assert_eq!(device.address(), address);
    let both = mac::RECEIVE | mac::TRANSMIT;
    assert_eq!(device.registers.mac_control & both, both);
}

#[test]
fn an_empty_socket_on_the_board_is_no_chip() {
    let chip = Chip {
        there: false,
        ..Chip::default()
    };
    assert_eq!(Lan9118::start(chip).unwrap_err(), Lan9118Error::NotFound);
}

#[test]
fn a_chip_that_stays_busy_is_given_up() {
    let chip = Chip {
        mac_is_stuck: true,
        ..Chip::default()
    };
    assert_eq!(Lan9118::start(chip).unwrap_err(), Lan9118Error::Stuck);
}

#[test]
fn frames_of_every_length_arrive_whole_and_in_order() {
    let mut device = started();
    let frames: Vec<Vec<u8>> = [14, 15, 16, 17, 60, 1511, 1512, 1513, 1514]
        .into_iter()
        .map(|length: usize| {
            (0..length)
                .map(|i| u8::try_from(i % 251).unwrap())
                .collect()
        })
        .collect();
    for frame in &frames {
        device.registers.arrive(frame, false);
    }
    for frame in &frames {
        assert_eq!(received(&mut device).as_ref(), Some(frame));
    }
    assert_eq!(received(&mut device), None);
    assert_eq!(device.registers.words, [], "no word may stay in the FIFO");
}

#[test]
fn damaged_short_and_long_frames_are_taken_out_and_not_handed_on() {
    let mut device = started();
    device.registers.arrive(&[1; 60], true);
    device.registers.arrive(&[2; 13], false);
    device.registers.arrive(&[3; LONGEST_FRAME + 1], false);
    device.registers.arrive(&[], false);
    device.registers.arrive(&[4; 60], false);
    assert_eq!(received(&mut device), Some(vec![4; 60]));
    assert_eq!(device.statistics().damaged, 4);
    assert_eq!(device.registers.words, []);
}

#[test]
fn a_frame_is_sent_with_its_length_and_a_padded_last_word() {
    let mut device = started();
    let token = device.transmit(NOW).expect("room");
    token.consume(5, |frame| frame.copy_from_slice(&[1, 2, 3, 4, 5]));
    let whole = register::TX_FIRST_SEGMENT | register::TX_LAST_SEGMENT;
    assert_eq!(device.registers.sent, [whole | 5, 5, 0x0403_0201, 5]);
}

#[test]
fn while_the_chip_is_full_nothing_is_sent_and_frames_wait_in_it() {
    let mut device = started();
    device.registers.transmit_room = 1000;
    device.registers.arrive(&[1; 60], false);
    assert!(device.transmit(NOW).is_none());
    assert!(device.receive(NOW).is_none());
    device.registers.transmit_room = 4608;
    assert_eq!(received(&mut device), Some(vec![1; 60]));
}

#[test]
fn reports_of_sent_frames_are_taken_so_that_the_chip_never_stalls() {
    let mut device = started();
    device.registers.pending_statuses = 200;
    assert!(device.transmit(NOW).is_some());
    assert_eq!(device.registers.pending_statuses, 0);
}

#[test]
fn the_state_of_the_cable_is_told() {
    let mut device = started();
    assert_eq!(device.link_is_up(), Ok(true));
    device.registers.link = false;
    assert_eq!(device.link_is_up(), Ok(false));
}
