//! An Ethernet cable between two network stacks of one thread, which can be bad or pulled out.

use std::collections::VecDeque;

use fasp_tests::random::SplitMix64;
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

/// Frames that wait at a card before it drops more.
const QUEUE: usize = 256;

/// One end.
#[derive(Debug, Default)]
pub(crate) struct Card {
    arrived: VecDeque<Vec<u8>>,
    leaving: VecDeque<Vec<u8>>,
}

pub(crate) struct Arrived(Vec<u8>);

pub(crate) struct Leaving<'c>(&'c mut VecDeque<Vec<u8>>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}

impl Device for Card {
    type RxToken<'c> = Arrived;
    type TxToken<'c> = Leaving<'c>;

    fn receive(&mut self, _now: Instant) -> Option<(Arrived, Leaving<'_>)> {
        let frame = self.arrived.pop_front()?;
        Some((Arrived(frame), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leaving<'_>> {
        (self.leaving.len() < QUEUE).then_some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }
}

/// What the cable does to frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quality {
    /// Frames in a thousand that are lost, each way.
    pub(crate) lost_per_mille: u32,
    /// Frames in a thousand that the next ones overtake.
    pub(crate) late_per_mille: u32,
    /// Nothing comes through.
    pub(crate) is_pulled: bool,
}

/// The cable and what is late on it.
#[derive(Debug)]
pub(crate) struct Cable {
    random: SplitMix64,
    late: Vec<Vec<u8>>,
}

impl Cable {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            late: Vec::new(),
        }
    }

    /// Carries what waits at `from` to `to`; `true` if anything did.
    pub(crate) fn carry(&mut self, from: &mut Card, to: &mut Card, quality: Quality) -> bool {
        let moved = !from.leaving.is_empty();
        while let Some(frame) = from.leaving.pop_front() {
            if quality.is_pulled || self.random.chance(quality.lost_per_mille) {
                continue;
            }
            if self.random.chance(quality.late_per_mille) {
                self.late.push(frame);
                continue;
            }
            if to.arrived.len() < QUEUE {
                to.arrived.push_back(frame);
            }
        }
        to.arrived.extend(self.late.drain(..));
        moved
    }
}
