//! A bounded, sorted list of disjoint ranges of stream offsets that merge when they touch.

use heapless::Vec;

/// The list is full and the range touches none of its entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooManyRanges;

/// At most `N` disjoint, non-touching half-open ranges, in order.
#[derive(Clone, Debug, Default)]
pub struct RangeList<const N: usize> {
    ranges: Vec<(u64, u64), N>,
}

impl<const N: usize> RangeList<N> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Adds `start..end`, merging with what it touches; an empty range changes nothing.
    ///
    /// # Errors
    ///
    /// [`TooManyRanges`] if it would need entry `N + 1`; the list is unchanged.
    pub fn insert(&mut self, start: u64, end: u64) -> Result<(), TooManyRanges> {
        if start >= end {
            return Ok(());
        }
        let first = self
            .ranges
            .iter()
            .position(|&(_, e)| e >= start)
            .unwrap_or(self.ranges.len());
        let touching = self
            .ranges
            .iter()
            .skip(first)
            .take_while(|&&(s, _)| s <= end)
            .count();
        if touching == 0 {
            return self
                .ranges
                .insert(first, (start, end))
                .map_err(|_| TooManyRanges);
        }
        let mut merged = (start, end);
        for _ in 0..touching {
            let (s, e) = self.ranges.remove(first);
            merged = (merged.0.min(s), merged.1.max(e));
        }
        self.ranges.insert(first, merged).map_err(|_| TooManyRanges)
    }

    /// Removes and returns the end of the range that begins at or before `offset`, if the first
    /// range does; used to advance a contiguous edge.
    pub fn take_through(&mut self, offset: u64) -> Option<u64> {
        let &(start, end) = self.ranges.first()?;
        if start > offset {
            return None;
        }
        self.ranges.remove(0);
        Some(end)
    }

    /// Whether no range is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_ranges_become_one() {
        let mut list = RangeList::<4>::new();
        list.insert(10, 20).unwrap();
        list.insert(30, 40).unwrap();
        list.insert(20, 30).unwrap();
        assert_eq!(list.take_through(10), Some(40));
        assert!(list.is_empty());
    }

    #[test]
    fn a_full_list_refuses_a_new_island_but_still_merges() {
        let mut list = RangeList::<2>::new();
        list.insert(0, 1).unwrap();
        list.insert(4, 5).unwrap();
        assert_eq!(list.insert(8, 9), Err(TooManyRanges));
        list.insert(1, 4).unwrap();
        assert_eq!(list.take_through(0), Some(5));
    }

    #[test]
    fn nothing_is_taken_from_beyond_a_hole() {
        let mut list = RangeList::<2>::new();
        list.insert(5, 6).unwrap();
        assert_eq!(list.take_through(4), None);
        assert_eq!(list.take_through(5), Some(6));
    }
}
