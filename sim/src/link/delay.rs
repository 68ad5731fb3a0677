//! How long a datagram is under way: a delay that may change with the route, and delay that varies.

use super::MICROSECOND;
use crate::random::Random;

/// One-way delays, each from a time on.
#[derive(Clone, Debug)]
pub(crate) struct Delay {
    steps: Vec<(u64, u64)>,
}

impl Delay {
    pub(crate) fn constant(delay_us: u64) -> Self {
        Self {
            steps: vec![(0, delay_us * MICROSECOND)],
        }
    }

    /// The same, but `delay_us` from `at_us` on; changes are added in the order of time.
    pub(crate) fn then(mut self, at_us: u64, delay_us: u64) -> Self {
        self.steps
            .push((at_us * MICROSECOND, delay_us * MICROSECOND));
        self
    }

    pub(super) fn pass(&self, at: u64) -> u64 {
        let step = self.steps.iter().rev().find(|step| step.0 <= at);
        at + step.map_or(0, |step| step.1)
    }
}

/// How delay varies.
#[derive(Clone, Debug)]
pub(crate) enum Jitter {
    /// Wanders between nothing and a most, towards a new value each period; keeps the order.
    Slow(Slow),
    /// The path stands still now and then, and what waited comes at once; keeps the order.
    Stalls(Stalls),
    /// What comes in a known time is held until its end; keeps the order.
    Hold {
        /// When it begins and ends, ps.
        from: u64,
        until: u64,
    },
    /// Arrivals only at multiples of this many ps; keeps the order.
    Slots(u64),
    /// Single datagrams per million are late, up to a most, and are overtaken.
    Spikes {
        /// How many.
        ppm: u64,
        /// How late, ps.
        most: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Slow {
    most: u64,
    period: u64,
    period_index: u64,
    from: u64,
    to: u64,
    last: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Stalls {
    every: u64,
    length: u64,
    starts: u64,
    ends: u64,
}

impl Jitter {
    pub(crate) const fn slow(most_us: u64, period_us: u64) -> Self {
        Self::Slow(Slow {
            most: most_us * MICROSECOND,
            period: period_us * MICROSECOND,
            period_index: u64::MAX,
            from: 0,
            to: 0,
            last: 0,
        })
    }

    /// Stalls of `length_us`, one every `every_us` on average.
    pub(crate) const fn stalls(every_us: u64, length_us: u64) -> Self {
        Self::Stalls(Stalls {
            every: every_us * MICROSECOND,
            length: length_us * MICROSECOND,
            starts: 0,
            ends: 0,
        })
    }

    /// Everything from `from_us` on is held for up to `length_us` and comes at once.
    pub(crate) const fn hold(from_us: u64, length_us: u64) -> Self {
        Self::Hold {
            from: from_us * MICROSECOND,
            until: (from_us + length_us) * MICROSECOND,
        }
    }

    /// A frame every `every_us`, with all that came since the last.
    pub(crate) const fn slots(every_us: u64) -> Self {
        Self::Slots(every_us * MICROSECOND)
    }

    pub(crate) const fn spikes(ppm: u64, most_us: u64) -> Self {
        Self::Spikes {
            ppm,
            most: most_us * MICROSECOND,
        }
    }

    pub(super) fn pass(&mut self, at: u64, random: &mut Random) -> u64 {
        match self {
            Self::Slow(slow) => slow.pass(at, random),
            Self::Stalls(stalls) => stalls.pass(at, random),
            Self::Hold { from, until } if (*from..*until).contains(&at) => *until,
            Self::Hold { .. } => at,
            Self::Slots(every) => at.next_multiple_of(*every),
            Self::Spikes { ppm, most } => {
                if random.chance(*ppm) {
                    at + random.below(*most)
                } else {
                    at
                }
            }
        }
    }
}

impl Slow {
    fn pass(&mut self, at: u64, random: &mut Random) -> u64 {
        let index = at / self.period;
        if index != self.period_index {
            self.period_index = index;
            self.from = self.to;
            self.to = random.below(self.most + 1);
        }
        let share = u128::from(at % self.period);
        let period = u128::from(self.period);
        let weighted = u128::from(self.from) * (period - share) + u128::from(self.to) * share;
        self.last = self.last.max(at + (weighted / period) as u64);
        self.last
    }
}

impl Stalls {
    fn pass(&mut self, at: u64, random: &mut Random) -> u64 {
        while at >= self.ends {
            self.starts = self.ends + random.below(2 * self.every);
            self.ends = self.starts + self.length;
        }
        if at >= self.starts { self.ends } else { at }
    }
}
