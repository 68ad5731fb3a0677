//! The reading end of a stream: puts bytes that arrive out of order back in order.

use super::range_list::RangeList;

/// Bytes that cannot be taken now; the datagram counts as not received and is asked for again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused;

/// Islands beyond the contiguous edge.
const ISLANDS: usize = 64;

/// A window of `N` bytes from the first byte that was not consumed.
#[derive(Clone, Debug)]
pub struct Incoming<const N: usize> {
    buffer: [u8; N],
    /// Stream offset of `buffer[0]`.
    base: u64,
    consumed: u64,
    contiguous: u64,
    islands: RangeList<ISLANDS>,
}

impl<const N: usize> Default for Incoming<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Incoming<N> {
    /// An empty stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: [0; N],
            base: 0,
            consumed: 0,
            contiguous: 0,
            islands: RangeList::new(),
        }
    }

    /// Takes `bytes` at `offset`; what is already there is ignored.
    ///
    /// # Errors
    ///
    /// [`Refused`] if they end beyond the window or make too many islands; nothing is taken.
    pub fn insert(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Refused> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(Refused)?;
        if end <= self.contiguous {
            return Ok(());
        }
        if end > self.base + N as u64 {
            self.compact();
        }
        if end > self.base + N as u64 {
            return Err(Refused);
        }
        let start = offset.max(self.contiguous);
        let skipped = usize::try_from(start - offset).map_err(|_| Refused)?;
        let fresh = bytes.get(skipped..).ok_or(Refused)?;
        let at = usize::try_from(start - self.base).map_err(|_| Refused)?;
        self.islands.insert(start, end).map_err(|_| Refused)?;
        self.buffer
            .get_mut(at..at + fresh.len())
            .ok_or(Refused)?
            .copy_from_slice(fresh);
        while let Some(edge) = self.islands.take_through(self.contiguous) {
            self.contiguous = self.contiguous.max(edge);
        }
        Ok(())
    }

    /// The bytes from `offset` (not before the consumed edge) to the contiguous edge.
    #[must_use]
    pub fn bytes_from(&self, offset: u64) -> &[u8] {
        let from = usize::try_from(offset.max(self.consumed) - self.base).unwrap_or(N);
        let to = usize::try_from(self.contiguous - self.base).unwrap_or(N);
        self.buffer.get(from..to).unwrap_or_default()
    }

    /// The next whole record at `offset`: its body without the length prefix, and the offset after it.
    #[must_use]
    pub fn record_at(&self, offset: u64) -> Option<(&[u8], u64)> {
        let (prefix, rest) = self.bytes_from(offset).split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*prefix));
        let body = rest.get(..length)?;
        Some((body, offset + 2 + length as u64))
    }

    /// Everything before `offset` is no longer needed.
    pub fn consume(&mut self, offset: u64) {
        self.consumed = self.consumed.max(offset.min(self.contiguous));
    }

    /// Offset of the first byte not consumed.
    #[must_use]
    pub const fn consumed(&self) -> u64 {
        self.consumed
    }

    fn compact(&mut self) {
        let shift = usize::try_from(self.consumed - self.base)
            .unwrap_or(N)
            .min(N);
        if shift > 0 {
            self.buffer.copy_within(shift.., 0);
            self.base = self.consumed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_order_bytes_become_readable_when_the_hole_closes() {
        let mut stream = Incoming::<16>::new();
        stream.insert(3, b"def").unwrap();
        assert_eq!(stream.bytes_from(0), b"");
        stream.insert(0, b"abcd").unwrap();
        assert_eq!(stream.bytes_from(0), b"abcdef");
    }

    #[test]
    fn consumed_bytes_make_room_for_later_ones() {
        let mut stream = Incoming::<8>::new();
        stream.insert(0, b"abcdef").unwrap();
        assert_eq!(stream.insert(6, b"ghijkl"), Err(Refused));
        stream.consume(5);
        stream.insert(6, b"ghijkl").unwrap();
        assert_eq!(stream.bytes_from(5), b"fghijkl");
    }

    #[test]
    fn a_record_is_given_only_when_it_is_whole() {
        let mut stream = Incoming::<16>::new();
        stream.insert(0, &[0, 3, b'x', b'y']).unwrap();
        assert_eq!(stream.record_at(0), None);
        stream.insert(4, b"z").unwrap();
        assert_eq!(stream.record_at(0), Some((&b"xyz"[..], 5)));
    }

    #[test]
    fn an_offset_that_overflows_is_refused() {
        let mut stream = Incoming::<8>::new();
        assert_eq!(stream.insert(u64::MAX - 1, b"abc"), Err(Refused));
    }
}
