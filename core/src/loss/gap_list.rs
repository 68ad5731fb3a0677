//! A bounded list of missing byte ranges of many objects, sorted by object and offset.
//!
//! New gaps appear at the end of the list and old ones close near its beginning, so it is a ring
//! that shifts whichever side is shorter.

use crate::units::ObjectId;

/// A missing range `start..end` of one object.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Gap {
    /// Which object.
    pub object: ObjectId,
    /// First missing byte.
    pub start: u64,
    /// One past the last missing byte.
    pub end: u64,
}

/// The list is full; the caller treats the bytes as not arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRoom;

/// At most `N` gaps.
#[derive(Clone, Debug)]
pub struct GapList<const N: usize> {
    ring: [Gap; N],
    head: usize,
    len: usize,
}

impl<const N: usize> Default for GapList<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> GapList<N> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        const NONE: Gap = Gap {
            object: ObjectId(0),
            start: 0,
            end: 0,
        };
        Self {
            ring: [NONE; N],
            head: 0,
            len: 0,
        }
    }

    /// Gaps held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is missing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gaps that can still be added.
    #[must_use]
    pub const fn room(&self) -> usize {
        N - self.len
    }

    /// Adds a gap that overlaps none of those held.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if `N` gaps are held; the list is unchanged.
    pub fn add(&mut self, gap: Gap) -> Result<(), NoRoom> {
        if gap.start >= gap.end {
            return Ok(());
        }
        let at = self.first_ending_after(gap.object, gap.start);
        self.insert_at(at, gap)
    }

    /// Bytes of `start..end` of `object` that are still missing.
    #[must_use]
    pub fn missing_in(&self, object: ObjectId, start: u64, end: u64) -> u64 {
        self.touching(object, start, end)
            .map(|gap| gap.end.min(end) - gap.start.max(start))
            .sum()
    }

    /// Whether to fill `start..end` of `object` takes one more gap, because bytes on both sides stay missing.
    #[must_use]
    pub fn is_split_by(&self, object: ObjectId, start: u64, end: u64) -> bool {
        let at = self.first_ending_after(object, start);
        self.get(at)
            .is_some_and(|gap| gap.object == object && gap.start < start && end < gap.end)
    }

    /// Closes `start..end` of `object` and returns how many missing bytes that filled.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if a gap would have to be split and the list is full; the list is unchanged.
    pub fn fill(&mut self, object: ObjectId, start: u64, end: u64) -> Result<u64, NoRoom> {
        let at = self.first_ending_after(object, start);
        if start >= end {
            return Ok(0);
        }
        if let Some(gap) = self.get(at)
            && gap.object == object
            && gap.start < start
            && end < gap.end
        {
            self.insert_at(at + 1, Gap { start: end, ..gap })?;
            self.set(at, Gap { end: start, ..gap });
            return Ok(end - start);
        }
        Ok(self.fill_without_split(at, object, start, end))
    }

    /// Forgets every gap of `object`.
    pub fn forget(&mut self, object: ObjectId) {
        let at = self.first_ending_after(object, 0);
        while self.get(at).is_some_and(|gap| gap.object == object) {
            self.remove_at(at);
        }
    }

    /// The gaps of `object`, in order.
    pub fn of(&self, object: ObjectId) -> impl Iterator<Item = Gap> + '_ {
        self.touching(object, 0, u64::MAX)
    }

    fn touching(&self, object: ObjectId, start: u64, end: u64) -> impl Iterator<Item = Gap> + '_ {
        let first = self.first_ending_after(object, start);
        (first..self.len)
            .map_while(|at| self.get(at))
            .take_while(move |gap| gap.object == object && gap.start < end)
    }

    fn fill_without_split(&mut self, at: usize, object: ObjectId, start: u64, end: u64) -> u64 {
        let mut at = at;
        let mut filled = 0;
        while let Some(gap) = self.get(at) {
            if gap.object != object || gap.start >= end {
                break;
            }
            filled += gap.end.min(end) - gap.start.max(start);
            if start <= gap.start && gap.end <= end {
                self.remove_at(at);
            } else if gap.start < start {
                self.set(at, Gap { end: start, ..gap });
                at += 1;
            } else {
                self.set(at, Gap { start: end, ..gap });
                at += 1;
            }
        }
        filled
    }

    /// Index of the first gap of `object` that ends after `offset`, or where it would stand.
    fn first_ending_after(&self, object: ObjectId, offset: u64) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self
                .get(middle)
                .is_some_and(|gap| (gap.object, gap.end) <= (object, offset));
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn slot(&self, at: usize) -> usize {
        let slot = self.head + at;
        if slot >= N { slot - N } else { slot }
    }

    fn get(&self, at: usize) -> Option<Gap> {
        if at >= self.len {
            return None;
        }
        self.ring.get(self.slot(at)).copied()
    }

    fn set(&mut self, at: usize, gap: Gap) {
        let slot = self.slot(at);
        if let Some(entry) = self.ring.get_mut(slot) {
            *entry = gap;
        }
    }

    fn shift(&mut self, from: usize, to: usize) {
        if let Some(gap) = self.ring.get(self.slot(from)).copied() {
            self.set(to, gap);
        }
    }

    fn insert_at(&mut self, at: usize, gap: Gap) -> Result<(), NoRoom> {
        if self.len == N {
            return Err(NoRoom);
        }
        self.len += 1;
        if at < self.len / 2 {
            self.head = if self.head == 0 { N - 1 } else { self.head - 1 };
            for index in 0..at {
                self.shift(index + 1, index);
            }
        } else {
            for index in (at + 1..self.len).rev() {
                self.shift(index - 1, index);
            }
        }
        self.set(at, gap);
        Ok(())
    }

    fn remove_at(&mut self, at: usize) {
        if at < self.len / 2 {
            for index in (1..=at).rev() {
                self.shift(index - 1, index);
            }
            self.head = self.slot(1);
        } else {
            for index in at + 1..self.len {
                self.shift(index, index - 1);
            }
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn gap(object: u32, start: u64, end: u64) -> Gap {
        Gap {
            object: ObjectId(object),
            start,
            end,
        }
    }

    #[test]
    fn filling_the_middle_of_a_gap_splits_it() {
        let mut gaps = GapList::<4>::new();
        gaps.add(gap(1, 0, 100)).unwrap();
        assert_eq!(gaps.fill(ObjectId(1), 40, 60), Ok(20));
        assert_eq!(
            gaps.of(ObjectId(1)).collect::<Vec<_>>(),
            [gap(1, 0, 40), gap(1, 60, 100)]
        );
    }

    #[test]
    fn a_full_list_refuses_a_split_and_stays_as_it_was() {
        let mut gaps = GapList::<1>::new();
        gaps.add(gap(1, 0, 100)).unwrap();
        assert_eq!(gaps.fill(ObjectId(1), 40, 60), Err(NoRoom));
        assert_eq!(gaps.missing_in(ObjectId(1), 0, 100), 100);
        assert_eq!(gaps.fill(ObjectId(1), 0, 60), Ok(60));
    }

    #[test]
    fn gaps_of_other_objects_are_left_alone() {
        let mut gaps = GapList::<4>::new();
        gaps.add(gap(1, 0, 10)).unwrap();
        gaps.add(gap(3, 0, 10)).unwrap();
        gaps.add(gap(2, 0, 10)).unwrap();
        gaps.forget(ObjectId(2));
        assert_eq!(gaps.fill(ObjectId(2), 0, 10), Ok(0));
        assert_eq!(gaps.len(), 2);
    }

    #[test]
    fn only_bytes_inside_a_gap_split_it() {
        let mut gaps = GapList::<4>::new();
        gaps.add(gap(1, 10, 20)).unwrap();
        for (start, end, splits) in [
            (12, 15, true),
            (10, 15, false),
            (15, 20, false),
            (5, 25, false),
        ] {
            assert_eq!(gaps.is_split_by(ObjectId(1), start, end), splits);
        }
        assert!(!gaps.is_split_by(ObjectId(2), 12, 15));
    }

    #[test]
    fn filling_nothing_splits_nothing() {
        let mut gaps = GapList::<1>::new();
        gaps.add(gap(1, 10, 20)).unwrap();
        assert_eq!(gaps.fill(ObjectId(1), 15, 15), Ok(0));
        assert_eq!(gaps.missing_in(ObjectId(1), 0, 100), 10);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_bytes(operations in prop::collection::vec((1u32..4, 0u64..60, 1u64..12), 1..80)) {
            let mut gaps = GapList::<12>::new();
            let mut model = BTreeSet::new();
            for object in 1..4 {
                gaps.add(gap(object, 0, 64)).unwrap();
                model.extend((0..64).map(|byte| (object, byte)));
            }
            for (object, start, length) in operations {
                let end = (start + length).min(64);
                let Ok(filled) = gaps.fill(ObjectId(object), start, end) else { continue };
                let expected = (start..end).filter(|&byte| model.remove(&(object, byte))).count();
                prop_assert_eq!(filled, expected as u64);
                for each in 1..4 {
                    let missing = model.iter().filter(|(o, _)| *o == each).count();
                    prop_assert_eq!(gaps.missing_in(ObjectId(each), 0, 64), missing as u64);
                }
            }
        }
    }
}
