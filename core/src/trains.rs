//! Packet trains: the capacity of the slowest link, from how far apart it lets a burst arrive.
//!
//! A train is some full datagrams sent back to back. The slowest link sends them on at its own pace, so the
//! bytes that arrive after the first instant, divided by the time they take, are its rate. Shared by both
//! machines; what sends and notes trains is in `sender/trains.rs` and `receiver/trains.rs`.
//!
//! Source: PROTOCOL.md §5.6. Packet dispersion is a known method; the median over trains and the rule for
//! collected arrivals are our choice.

use crate::time::Duration;
use crate::units::BitRate;

/// Trains that one session can measure.
pub const MOST_TRAINS: usize = 8;
/// Fewer datagrams of a train say nothing.
const LEAST_RECEIVED: u8 = 4;
/// No train takes longer.
const LONGEST_SPAN: Duration = Duration::from_secs(60);

/// What arrived of one train.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TrainOutcome {
    /// Datagrams that arrived.
    pub received: u8,
    /// Different instants at which they did.
    pub instants: u8,
    /// From the first to the last instant.
    pub span: Duration,
    /// UDP payload bytes that arrived after the first instant.
    pub bytes: u32,
}

impl TrainOutcome {
    /// The rate of the slowest link as this train shows it, bit/s of UDP payload; `None` if too little
    /// arrived, or all of it at one instant.
    #[must_use]
    pub fn capacity(&self) -> Option<BitRate> {
        let says_something = self.received >= LEAST_RECEIVED
            && self.instants > 1
            && self.bytes > 0
            && self.span > Duration::ZERO
            && self.span <= LONGEST_SPAN;
        says_something.then(|| BitRate::of(self.bytes.into(), self.span))
    }

    /// Whether the receiver's network card or kernel handed over most datagrams in groups.
    const fn is_coalesced(&self) -> bool {
        self.received >= LEAST_RECEIVED && self.instants < self.received / 2
    }
}

/// What all trains of a session showed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bandwidth {
    /// The median of the trains, bit/s of UDP payload; `None` if none of them said anything.
    pub capacity: Option<BitRate>,
    /// Arrivals came in groups: the capacity may be far off, and without one this is why.
    pub coalesced: bool,
    /// Trains of which something arrived.
    pub trains: u8,
}

/// The outcomes of a session's trains, each noted once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrainOutcomes([Option<TrainOutcome>; MOST_TRAINS]);

impl TrainOutcomes {
    /// Keeps what is first told about `train`; one that cannot exist is ignored.
    pub(crate) fn note(&mut self, train: u8, outcome: TrainOutcome) {
        if let Some(place) = self.0.get_mut(usize::from(train)) {
            place.get_or_insert(outcome);
        }
    }

    /// Whether something is known of each of the first `count` trains.
    pub(crate) fn has_all(&self, count: u8) -> bool {
        self.0.iter().take(count.into()).all(Option::is_some)
    }

    pub(crate) fn bandwidth(&self) -> Bandwidth {
        let mut rates = [BitRate(0); MOST_TRAINS];
        let (mut known, mut coalesced, mut trains) = (0, 0, 0);
        for outcome in self.0.iter().flatten() {
            trains += u8::from(outcome.received > 0);
            coalesced += u8::from(outcome.is_coalesced());
            if let (Some(rate), Some(place)) = (outcome.capacity(), rates.get_mut(known)) {
                *place = rate;
                known += 1;
            }
        }
        let rates = rates.get_mut(..known).unwrap_or_default();
        rates.sort_unstable();
        Bandwidth {
            capacity: rates.get(rates.len() / 2).copied(),
            coalesced: coalesced * 2 > trains,
            trains,
        }
    }
}

#[cfg(test)]
mod tests;
