//! What goes wrong with datagrams apart from queues and delay: runs of losses, disorder, black holes, outages.

use super::{Leaves, MICROSECOND};
use crate::datagram::Datagram;
use crate::random::Random;

/// Losses in runs (Gilbert-Elliott): everything is lost in the bad state, nothing in the good one.
#[derive(Clone, Debug)]
pub(crate) struct Bursts {
    enter_ppb: u64,
    leave_ppb: u64,
    bad: bool,
}

impl Bursts {
    /// `ppm` of all datagrams, in runs of `mean` on average.
    pub(crate) const fn new(ppm: u64, mean: u64) -> Self {
        let leave_ppb = 1_000_000_000 / mean;
        Self {
            enter_ppb: leave_ppb * ppm / (1_000_000 - ppm),
            leave_ppb,
            bad: false,
        }
    }

    pub(super) fn pass(&mut self, at: u64, random: &mut Random) -> Leaves {
        let change = if self.bad {
            self.leave_ppb
        } else {
            self.enter_ppb
        };
        if random.below(1_000_000_000) < change {
            self.bad = !self.bad;
        }
        (!self.bad).then_some(at)
    }
}

/// `ppm` of the datagrams come up to `most_us` late.
#[derive(Clone, Debug)]
pub(crate) struct Reorder {
    pub(crate) ppm: u64,
    pub(crate) most_us: u64,
}

impl Reorder {
    pub(super) fn pass(&self, at: u64, random: &mut Random) -> u64 {
        if random.chance(self.ppm) {
            at + random.below(self.most_us * MICROSECOND)
        } else {
            at
        }
    }
}

/// Datagrams with more than so many bytes of UDP payload vanish without a word.
#[derive(Clone, Debug)]
pub(crate) struct LargestDatagram {
    steps: Vec<(u64, usize)>,
}

impl LargestDatagram {
    pub(crate) fn constant(bytes: usize) -> Self {
        Self {
            steps: vec![(0, bytes)],
        }
    }

    /// The same, but `bytes` from `at_us` on; changes are added in the order of time.
    pub(crate) fn then(mut self, at_us: u64, bytes: usize) -> Self {
        self.steps.push((at_us * MICROSECOND, bytes));
        self
    }

    pub(super) fn pass(&self, at: u64, datagram: &Datagram) -> Leaves {
        let step = self.steps.iter().rev().find(|step| step.0 <= at)?;
        (datagram.len() <= step.1).then_some(at)
    }
}

/// Nothing passes for a time, once or again and again.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    from: u64,
    length: u64,
    every: Option<u64>,
}

impl Outage {
    pub(crate) const fn once(from_us: u64, length_us: u64) -> Self {
        Self {
            from: from_us * MICROSECOND,
            length: length_us * MICROSECOND,
            every: None,
        }
    }

    /// From `from_us` on for `length_us`, and again every `every_us`.
    pub(crate) const fn repeated(from_us: u64, length_us: u64, every_us: u64) -> Self {
        Self {
            every: Some(every_us * MICROSECOND),
            ..Self::once(from_us, length_us)
        }
    }

    pub(super) fn pass(&self, at: u64) -> Leaves {
        let Some(since) = at.checked_sub(self.from) else {
            return Some(at);
        };
        let since = self.every.map_or(since, |every| since % every);
        (since >= self.length).then_some(at)
    }
}
