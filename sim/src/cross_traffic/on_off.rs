//! UDP that sends at its rate for a while, is silent for a while, and listens to nobody.

use crate::datagram::Segment;
use crate::link::MICROSECOND;
use crate::random::Random;

/// A full Ethernet frame.
const IP_BYTES: u32 = 1_500;
const WIRE_BITS: u64 = (IP_BYTES as u64 + 38) * 8;
/// One bit at 1 bit/s, in picoseconds.
const SECOND: u64 = 1_000_000_000_000;

/// How long the times of sending and of silence are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spread {
    /// Always the mean.
    Constant,
    /// Exponentially distributed around the mean.
    Exponential,
}

/// What it is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnOff {
    /// Ethernet bit rate while it sends; more than 0.
    pub(crate) rate_bps: u64,
    /// Mean times of sending and of silence; the latter 0 is a constant rate.
    pub(crate) on_us: u64,
    pub(crate) off_us: u64,
    pub(crate) spread: Spread,
}

#[derive(Debug)]
pub(super) struct OnOffSender {
    options: OnOff,
    random: Random,
    /// When the next packet leaves and when silence begins, ps.
    next: u64,
    on_until: u64,
    serial: u64,
}

impl OnOffSender {
    pub(super) fn new(options: OnOff, seed: u64, name: &str, now_us: u64) -> Self {
        let mut sender = Self {
            options,
            random: Random::named(seed, name),
            next: now_us * MICROSECOND,
            on_until: 0,
            serial: 0,
        };
        sender.on_until = sender.next + sender.draw(options.on_us);
        sender
    }

    /// A time around `mean_us`, ps.
    fn draw(&mut self, mean_us: u64) -> u64 {
        let mean = mean_us * MICROSECOND;
        match self.options.spread {
            Spread::Constant => mean,
            Spread::Exponential => {
                // Above 0 and at most 1.
                let share = ((self.random.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
                (-share.ln() * mean as f64) as u64
            }
        }
    }

    pub(super) fn turn(&mut self, now_us: u64, mut send: impl FnMut(Segment)) {
        while self.next <= now_us * MICROSECOND {
            send(Segment {
                serial: self.serial,
                place: self.serial,
                ip_bytes: IP_BYTES,
                ..Segment::default()
            });
            self.serial += 1;
            self.next += WIRE_BITS * SECOND / self.options.rate_bps;
            while self.next >= self.on_until {
                let silent_until = self.on_until + self.draw(self.options.off_us);
                self.next = self.next.max(silent_until);
                self.on_until = silent_until + self.draw(self.options.on_us).max(1);
            }
        }
    }

    pub(super) const fn next_at(&self) -> u64 {
        self.next.div_ceil(MICROSECOND)
    }
}
