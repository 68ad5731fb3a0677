//! The writing end of a stream: keeps bytes until the other side has them.

use super::range_list::{RangeList, TooManyRanges};

/// The buffer cannot take the bytes now; they were not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

/// Acknowledged islands remembered beyond the contiguous edge.
const ISLANDS: usize = 64;

/// At most `N` bytes that are written and not yet acknowledged.
#[derive(Clone, Debug)]
pub struct Outgoing<const N: usize> {
    ring: [u8; N],
    limit: u64,
    acknowledged: u64,
    sent: u64,
    written: u64,
    islands: RangeList<ISLANDS>,
}

impl<const N: usize> Outgoing<N> {
    /// An empty stream that holds no more than `limit` unacknowledged bytes (and never more than `N`).
    #[must_use]
    pub fn new(limit: u32) -> Self {
        let limit = u64::from(limit).min(N as u64);
        Self {
            ring: [0; N],
            limit,
            acknowledged: 0,
            sent: 0,
            written: 0,
            islands: RangeList::new(),
        }
    }

    /// Bytes that can be written now.
    #[must_use]
    pub fn room(&self) -> usize {
        let free = self.limit.saturating_sub(self.written - self.acknowledged);
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if they do not all fit; nothing is written then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        if bytes.len() > self.room() {
            return Err(NoRoom);
        }
        let (before, after) = self.split(self.written, bytes.len());
        let (head, tail) = bytes.split_at(before.len());
        self.ring
            .get_mut(before)
            .ok_or(NoRoom)?
            .copy_from_slice(head);
        self.ring
            .get_mut(after)
            .ok_or(NoRoom)?
            .copy_from_slice(tail);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Offset and length of the next bytes never sent, at most `most`; `None` if there are none.
    #[must_use]
    pub fn unsent(&self, most: usize) -> Option<(u64, usize)> {
        let length = usize::try_from(self.written - self.sent)
            .unwrap_or(usize::MAX)
            .min(most);
        (length > 0).then_some((self.sent, length))
    }

    /// Notes that everything before `offset` was sent once.
    pub fn on_sent(&mut self, offset: u64) {
        self.sent = self.sent.max(offset.min(self.written));
    }

    /// Everything from `offset` on counts as never sent.
    pub fn rewind(&mut self, offset: u64) {
        self.sent = self.sent.min(offset.max(self.acknowledged));
    }

    /// Copies the bytes at `offset` into `out`; `false` if they are not held (any more).
    pub fn copy_to(&self, offset: u64, out: &mut [u8]) -> bool {
        let end = offset.saturating_add(out.len() as u64);
        if offset < self.acknowledged || end > self.written {
            return false;
        }
        let (before, after) = self.split(offset, out.len());
        let (head, tail) = out.split_at_mut(before.len());
        match (self.ring.get(before), self.ring.get(after)) {
            (Some(first), Some(second)) => {
                head.copy_from_slice(first);
                tail.copy_from_slice(second);
                true
            }
            _ => false,
        }
    }

    /// Notes that `length` bytes at `offset` arrived.
    ///
    /// # Errors
    ///
    /// [`TooManyRanges`] if there are too many islands to remember this one: send it again.
    pub fn on_acknowledged(&mut self, offset: u64, length: u64) -> Result<(), TooManyRanges> {
        let end = offset.saturating_add(length).min(self.written);
        if end <= self.acknowledged {
            return Ok(());
        }
        self.islands.insert(offset.max(self.acknowledged), end)?;
        while let Some(edge) = self.islands.take_through(self.acknowledged) {
            self.acknowledged = self.acknowledged.max(edge);
        }
        // After a rewind it may turn out that the other side has the bytes after all.
        self.sent = self.sent.max(self.acknowledged);
        Ok(())
    }

    /// Everything before this offset has arrived.
    #[must_use]
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Bytes sent at least once.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below N")]
    fn split(
        &self,
        offset: u64,
        length: usize,
    ) -> (core::ops::Range<usize>, core::ops::Range<usize>) {
        let start = (offset % N as u64) as usize;
        let first = length.min(N - start);
        (start..start + first, 0..length - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_until_acknowledged_and_then_make_room() {
        let mut stream = Outgoing::<8>::new(8);
        stream.write(b"abcdef").unwrap();
        assert_eq!(stream.write(b"ghi"), Err(NoRoom));
        stream.on_acknowledged(0, 4).unwrap();
        stream.write(b"ghijkl").unwrap();
        let mut out = [0; 8];
        assert!(stream.copy_to(4, &mut out));
        assert_eq!(&out, b"efghijkl");
        assert!(!stream.copy_to(3, &mut out[..1]));
    }

    #[test]
    fn acknowledgements_out_of_order_move_the_edge_only_when_the_hole_closes() {
        let mut stream = Outgoing::<16>::new(16);
        stream.write(&[7; 12]).unwrap();
        stream.on_acknowledged(4, 4).unwrap();
        assert_eq!(stream.acknowledged(), 0);
        stream.on_acknowledged(0, 4).unwrap();
        assert_eq!(stream.acknowledged(), 8);
    }

    #[test]
    fn what_arrived_although_it_was_to_be_sent_again_is_not_sent_again() {
        let mut stream = Outgoing::<16>::new(16);
        stream.write(&[7; 12]).unwrap();
        stream.on_sent(8);
        stream.rewind(0);
        stream.on_acknowledged(0, 8).unwrap();
        assert_eq!(stream.unsent(16), Some((8, 4)));
        assert!(stream.copy_to(8, &mut [0; 4]));
    }

    #[test]
    fn the_peers_limit_binds_before_the_buffer_does() {
        let mut stream = Outgoing::<16>::new(4);
        assert_eq!(stream.write(&[0; 5]), Err(NoRoom));
        stream.write(&[0; 4]).unwrap();
        assert_eq!(stream.unsent(3), Some((0, 3)));
        stream.on_sent(3);
        assert_eq!(stream.unsent(3), Some((3, 1)));
    }
}
