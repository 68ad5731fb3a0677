//! One way of a path: parts that a datagram passes in order, each from its own random stream.
//!
//! Everything that happens to a datagram is decided when it enters, in picoseconds; only arrivals are
//! events. Parts with a queue reckon with datagrams in the order of time, so they stand before parts that
//! change the order; [`Link::new`] insists on it.

mod arrivals;
mod bottleneck;
mod codel;
mod delay;
mod impairment;
mod policer;
mod rate_schedule;

pub(crate) use bottleneck::{Bottleneck, Buffer};
pub(crate) use delay::{Delay, Jitter};
pub(crate) use impairment::{Bursts, LargestDatagram, Outage, Reorder};
pub(crate) use policer::Policer;
pub(crate) use rate_schedule::RateSchedule;

use arrivals::Arrivals;

use crate::datagram::Datagram;
use crate::random::Random;

/// Picoseconds in a microsecond.
pub(crate) const MICROSECOND: u64 = 1_000_000;

/// What one part does.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A rate and a drop-tail queue.
    Bottleneck(Bottleneck),
    /// Token bucket without a queue.
    Policer(Policer),
    /// One-way delay, by schedule.
    Delay(Delay),
    /// Delay that varies.
    Jitter(Jitter),
    /// Each datagram alone is lost, per million.
    Loss(u64),
    /// Losses in runs.
    Bursts(Bursts),
    /// Some datagrams come later than those behind them.
    Reorder(Reorder),
    /// Some come twice, per million.
    Duplicate(u64),
    /// Some come with one wrong bit, per million.
    Flip(u64),
    /// Larger ones vanish.
    LargestDatagram(LargestDatagram),
    /// Everything vanishes for a time.
    Outage(Outage),
}

/// When a datagram leaves a part; `None` if it does not.
pub(crate) type Leaves = Option<u64>;

#[derive(Clone, Debug)]
struct Slot {
    part: Part,
    random: Random,
}

/// One direction of a path, with what is under way.
#[derive(Debug)]
pub(crate) struct Link {
    slots: Vec<Slot>,
    /// Additional delay of each flow, ps.
    extra: Vec<u64>,
    arrivals: Arrivals,
    /// Datagrams that entered and that vanished.
    pub(crate) entered: u64,
    pub(crate) lost: u64,
}

impl Link {
    /// A link called `name` of `parts`; `extra[flow]` ps are added to the delay of `flow`.
    pub(crate) fn new(seed: u64, name: &str, parts: &[Part], extra: Vec<u64>) -> Self {
        let mut disordered = false;
        for part in parts {
            let queues = matches!(part, Part::Bottleneck(_) | Part::Policer(_));
            assert!(
                !(queues && disordered),
                "queues stand before parts that change the order"
            );
            disordered |= matches!(part, Part::Jitter(_) | Part::Reorder(_));
        }
        let slots = parts.iter().enumerate().map(|(index, part)| Slot {
            part: part.clone(),
            random: Random::named(seed, &format!("{name}/{index}")),
        });
        Self {
            slots: slots.collect(),
            extra,
            arrivals: Arrivals::default(),
            entered: 0,
            lost: 0,
        }
    }

    /// `datagram` of `flow` enters at `now_us`.
    pub(crate) fn send(&mut self, now_us: u64, flow: usize, datagram: Datagram) {
        self.entered += 1;
        self.pass(0, now_us * MICROSECOND, flow, datagram);
    }

    fn pass(&mut self, first: usize, mut at: u64, flow: usize, mut datagram: Datagram) {
        for index in first..self.slots.len() {
            let slot = &mut self.slots[index];
            let random = &mut slot.random;
            let leaves = match &mut slot.part {
                Part::Bottleneck(part) => part.pass(at, &datagram),
                Part::Policer(part) => part.pass(at, &datagram),
                Part::Delay(part) => Some(part.pass(at)),
                Part::Jitter(part) => Some(part.pass(at, random)),
                Part::Loss(ppm) => (!random.chance(*ppm)).then_some(at),
                Part::Bursts(part) => part.pass(at, random),
                Part::Reorder(part) => Some(part.pass(at, random)),
                Part::Duplicate(ppm) => {
                    if random.chance(*ppm) {
                        self.pass(index + 1, at, flow, datagram.clone());
                    }
                    Some(at)
                }
                Part::Flip(ppm) => {
                    if random.chance(*ppm) {
                        datagram.flip(random.next());
                    }
                    Some(at)
                }
                Part::LargestDatagram(part) => part.pass(at, &datagram),
                Part::Outage(part) => part.pass(at),
            };
            let Some(next) = leaves else {
                self.lost += 1;
                return;
            };
            at = next;
        }
        let at = at + self.extra.get(flow).copied().unwrap_or(0);
        self.arrivals.push(at.div_ceil(MICROSECOND), flow, datagram);
    }

    /// When the next datagram arrives, µs.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.arrivals.next_at()
    }

    /// A datagram that has arrived by `now_us`, and its flow.
    pub(crate) fn receive(&mut self, now_us: u64) -> Option<(usize, Datagram)> {
        self.arrivals.pop(now_us)
    }

    /// The part with the rate that counts, if there is one.
    pub(crate) fn bottleneck(&mut self) -> Option<&mut Bottleneck> {
        self.slots.iter_mut().find_map(|slot| match &mut slot.part {
            Part::Bottleneck(part) => Some(part),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
