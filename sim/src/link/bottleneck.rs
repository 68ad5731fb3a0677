//! The narrowest place of a path: a rate, and a queue that drops what does not fit.

use std::collections::VecDeque;

use super::codel::CoDel;
use super::{Leaves, MICROSECOND, RateSchedule};
use crate::datagram::Datagram;
use crate::measure::Histogram;

/// How much may wait, counting what is leaving.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Buffer {
    /// Bytes on the wire.
    Bytes(u64),
    /// Datagrams.
    Packets(usize),
}

impl Buffer {
    /// What passes at `rate_bps` in `span_us`.
    pub(crate) fn time(rate_bps: u64, span_us: u64) -> Self {
        Self::Bytes((u128::from(rate_bps) * u128::from(span_us) / 8_000_000) as u64)
    }
}

/// A first-in, first-out queue in front of a rate.
#[derive(Clone, Debug)]
pub(crate) struct Bottleneck {
    rate: RateSchedule,
    buffer: Buffer,
    codel: Option<CoDel>,
    free_at: u64,
    /// When each datagram has left, and its size.
    waiting: VecDeque<(u64, u64)>,
    waiting_bytes: u64,
    dropped: u64,
    delays: Histogram,
    latest_delay_us: u64,
}

impl Bottleneck {
    pub(crate) fn new(rate: RateSchedule, buffer: Buffer) -> Self {
        Self {
            rate,
            buffer,
            codel: None,
            free_at: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            dropped: 0,
            delays: Histogram::default(),
            latest_delay_us: 0,
        }
    }

    /// The same, but the queue is managed by CoDel (RFC 8289).
    pub(crate) fn with_codel(mut self) -> Self {
        self.codel = Some(CoDel::default());
        self
    }

    pub(super) fn pass(&mut self, at: u64, datagram: &Datagram) -> Leaves {
        while let Some(&(left_at, bytes)) = self.waiting.front()
            && left_at <= at
        {
            self.waiting.pop_front();
            self.waiting_bytes -= bytes;
        }
        let bytes = datagram.wire_bytes();
        let fits = match self.buffer {
            Buffer::Bytes(most) => self.waiting.is_empty() || self.waiting_bytes + bytes <= most,
            Buffer::Packets(most) => self.waiting.len() < most,
        };
        let start = self.free_at.max(at);
        let queued = self.waiting_bytes + bytes;
        let managed = self.codel.as_mut().filter(|_| fits);
        let dropped = managed.is_some_and(|codel| codel.drops(start, start - at, queued));
        let leaves = if fits && !dropped {
            self.rate.finish(start, bytes)
        } else {
            None
        };
        let Some(leaves) = leaves else {
            self.dropped += 1;
            return None;
        };
        self.latest_delay_us = (start - at) / MICROSECOND;
        self.delays.add(self.latest_delay_us);
        self.free_at = leaves;
        self.waiting.push_back((leaves, bytes));
        self.waiting_bytes += bytes;
        Some(leaves)
    }

    /// Forgets the delays measured so far.
    pub(crate) fn restart_measuring(&mut self) {
        self.delays = Histogram::default();
    }

    /// Time in the queue of what was not dropped, µs.
    pub(crate) const fn delays(&self) -> &Histogram {
        &self.delays
    }

    /// Time in the queue of the latest datagram, µs.
    pub(crate) const fn latest_delay_us(&self) -> u64 {
        self.latest_delay_us
    }

    /// Datagrams that did not fit.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}
