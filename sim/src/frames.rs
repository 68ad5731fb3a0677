//! A network card for smoltcp's stacks: frames that have arrived, and frames to be sent.
//!
//! It has room for any number, as the links behind it have: what a queue may hold is their matter.

use std::collections::VecDeque;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// Bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;

/// The card.
#[derive(Debug)]
pub(crate) struct Frames {
    medium: Medium,
    /// Largest IP packet, bytes.
    ip_mtu: usize,
    arrived: VecDeque<Box<[u8]>>,
    leaving: VecDeque<Box<[u8]>>,
}

impl Frames {
    pub(crate) const fn new(medium: Medium, ip_mtu: usize) -> Self {
        Self {
            medium,
            ip_mtu,
            arrived: VecDeque::new(),
            leaving: VecDeque::new(),
        }
    }

    /// Bytes in front of the IP header.
    pub(crate) fn link_header(&self) -> usize {
        match self.medium {
            Medium::Ethernet => ETHERNET_HEADER,
            _ => 0,
        }
    }

    pub(crate) fn arrive(&mut self, frame: &[u8]) {
        self.arrived.push_back(frame.into());
    }

    /// The next frame that the stack has sent.
    pub(crate) fn leave(&mut self) -> Option<Box<[u8]>> {
        self.leaving.pop_front()
    }
}

/// A frame that has arrived.
#[derive(Debug)]
pub(crate) struct Arrived(Box<[u8]>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a frame to be sent.
#[derive(Debug)]
pub(crate) struct Leaving<'a>(&'a mut VecDeque<Box<[u8]>>);

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length].into_boxed_slice();
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Frames {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.arrived.pop_front()?;
        Some((Arrived(frame), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = self.medium;
        capabilities.max_transmission_unit = self.ip_mtu + self.link_header();
        capabilities
    }
}
