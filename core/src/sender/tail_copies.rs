//! The end of a session: what was lost and travels again is sent more than once, in the time that is left over.
//!
//! With nothing new to send, a repetition that is lost in its turn costs a whole round trip. So every block that travels
//! again gets copies, as many as make it unlikely that all are lost; they are spaced, because losses come in runs.
//! A copy carries no books: if all are lost, the block is asked for like any other.

use super::Sender;
use super::object_source::ObjectSource;
use super::sent_ring::{Content, ContentKind};
use crate::crypto::GcmBackend;
use crate::time::{Duration, Instant};
use crate::wire::{DATA_PREFIX_BYTES, PacketKind};

/// Most times that a block travels in one round trip.
const MOST: u8 = 8;
/// All blocks of a tail shall arrive but for one tail in so many.
const ONE_TAIL_IN: u64 = 20;
const MILLION: u64 = 1_000_000;
/// Copies of one block are at least this far apart.
const LEAST_SPACING: Duration = Duration::from_millis(1);

/// Where the passes over the blocks in flight stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TailCopies {
    /// Packet numbers still to be looked at in this pass.
    cursor: u64,
    pass_end: u64,
    next_pass_at: Instant,
    /// How often a block shall travel.
    times: u8,
    /// When content last travelled for the first time.
    last_new_at: Instant,
    /// What was repeated earlier gets no copies, for if it is lost there is still time to ask for it.
    from: Option<u64>,
}

impl TailCopies {
    /// Content travels for the first time.
    pub(super) const fn on_new_content(&mut self, now: Instant) {
        self.last_new_at = now;
        self.from = None;
    }
}

/// How often each of `blocks` must travel where `loss_ppm` are lost.
fn times_for(blocks: u64, loss_ppm: u64) -> u8 {
    let mut expected_losses = blocks.saturating_mul(MILLION);
    let mut times = 0;
    while times < MOST && expected_losses > MILLION / ONE_TAIL_IN {
        expected_losses = expected_losses.saturating_mul(loss_ppm.min(MILLION / 2)) / MILLION;
        times += 1;
    }
    times.max(1)
}

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// One more copy of a block that travels again, if there is nothing better to send.
    pub(super) fn next_copy<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
    ) -> Option<usize> {
        if !self.wants_copies() || now < self.copies_begin_at() {
            return None;
        }
        let copy = self.copy_of_pass(now, room, limit, source);
        if copy.is_some() || now < self.copies.next_pass_at {
            return copy;
        }
        self.begin_pass(now);
        self.copy_of_pass(now, room, limit, source)
    }

    /// The next copy of the pass under way.
    fn copy_of_pass<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
    ) -> Option<usize> {
        while self.copies.cursor < self.copies.pass_end {
            let number = self.copies.cursor.max(self.sent.floor());
            self.copies.cursor = number + 1;
            let Some(content) = self.sent.block_to_copy(number, self.copies.times) else {
                continue;
            };
            if let Some(bytes) = self.send_copy(now, room, limit, source, content) {
                self.sent.on_copied(number);
                return Some(bytes);
            }
        }
        None
    }

    /// Whether blocks are in flight that had been lost, and nothing new is waiting.
    pub(super) fn wants_copies(&self) -> bool {
        self.sent.repeated_in_flight() > 0 && !self.has_unsent()
    }

    /// What is repeated before this can still be asked for once more.
    fn copies_begin_at(&self) -> Instant {
        self.copies.last_new_at + self.round_trip.smoothed().scaled(3, 8)
    }

    /// When the next copies are due, if any are wanted.
    pub(super) fn next_copies_at(&self) -> Instant {
        self.copies.next_pass_at.max(self.copies_begin_at())
    }

    fn begin_pass(&mut self, now: Instant) {
        let from = self.copies.from.unwrap_or_else(|| self.sent.next());
        let spacing = self.round_trip.smoothed().scaled(1, 24).max(LEAST_SPACING);
        let loss_ppm = (self.statistics.packets_lost * MILLION)
            .checked_div(self.statistics.packets_sent)
            .unwrap_or(0);
        self.copies = TailCopies {
            last_new_at: self.copies.last_new_at,
            from: Some(from),
            cursor: self.sent.floor().max(from),
            pass_end: self.sent.next(),
            next_pass_at: now + spacing,
            times: times_for(self.sent.repeated_in_flight().into(), loss_ppm),
        };
    }

    fn send_copy<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
        content: Content,
    ) -> Option<usize> {
        let length = usize::try_from(content.length).ok()?;
        let wanted = self
            .objects
            .get(content.object)
            .is_some_and(|offered| offered.fault.is_none());
        if content.kind != ContentKind::Bytes
            || !wanted
            || length > super::assembly::data_room(limit)
        {
            return None;
        }
        self.write_data(room, content.object, content.offset, length, source)
            .ok()?;
        self.statistics.file_bytes_repeated += length as u64;
        let body_length = DATA_PREFIX_BYTES + length;
        self.dispatch(now, PacketKind::Data, true, room, body_length, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_lost_and_the_more_blocks_the_more_copies() {
        assert_eq!(times_for(1, 0), 1);
        assert_eq!(times_for(10, 1_000), 1);
        assert_eq!(times_for(10, 10_000), 2);
        assert_eq!(times_for(1_000, 100_000), 5);
        assert_eq!(times_for(u64::MAX, 900_000), MOST);
    }
}
