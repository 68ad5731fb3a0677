//! A set of byte ranges of one file: which bytes are written.
//!
//! Bounded: ranges beyond the bound are not remembered, and so count as not written.

use std::collections::BTreeMap;

use fasp_core::metadata::ByteRange;

/// Most ranges that one set remembers.
pub const MAX_RANGES: usize = 65_536;

/// Disjoint, merged ranges.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ByteRanges {
    ends_by_start: BTreeMap<u64, u64>,
}

impl ByteRanges {
    /// Everything in the set, in order.
    #[must_use]
    pub fn all(&self) -> Vec<ByteRange> {
        let range = |(start, end): (&u64, &u64)| ByteRange {
            start: *start,
            end: *end,
        };
        self.ends_by_start.iter().map(range).collect()
    }

    /// The set as at most `most` ranges: where it has more, the smallest gaps between them are filled.
    #[must_use]
    pub fn at_most(&self, most: usize) -> Vec<ByteRange> {
        merge_smallest_gaps(self.all(), most)
    }

    /// Adds `start..end`; an empty range adds nothing.
    pub fn insert(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let (mut start, mut end) = (start, end);
        while let Some((&known_start, &known_end)) = self.ends_by_start.range(..=end).next_back() {
            if known_end < start {
                break;
            }
            start = start.min(known_start);
            end = end.max(known_end);
            self.ends_by_start.remove(&known_start);
        }
        if self.ends_by_start.len() < MAX_RANGES {
            self.ends_by_start.insert(start, end);
        }
    }

    /// What of `start..end` is not in the set, in order.
    #[must_use]
    pub fn missing_within(&self, start: u64, end: u64) -> Vec<ByteRange> {
        let mut missing = Vec::new();
        let mut at = start;
        if let Some((_, known_end)) = self.ends_by_start.range(..=start).next_back() {
            at = at.max(*known_end);
        }
        for (&known_start, &known_end) in self.ends_by_start.range(at..end.max(at)) {
            if at < known_start {
                missing.push(ByteRange {
                    start: at,
                    end: known_start,
                });
            }
            at = known_end;
        }
        if at < end {
            missing.push(ByteRange { start: at, end });
        }
        missing
    }

    /// Takes `start..end` out of the set.
    pub fn remove(&mut self, start: u64, end: u64) {
        let before = self.ends_by_start.range(..start).next_back();
        let (left, right) = match before {
            Some((&known_start, &known_end)) if known_end > start => {
                (Some((known_start, start)), Some((end, known_end)))
            }
            _ => (None, None),
        };
        let inside: Vec<(u64, u64)> = self
            .ends_by_start
            .range(start..end.max(start))
            .map(|(start, end)| (*start, *end))
            .collect();
        for (known_start, known_end) in inside {
            self.ends_by_start.remove(&known_start);
            self.insert(end, known_end);
        }
        if let Some((known_start, cut)) = left {
            self.ends_by_start.insert(known_start, cut);
        }
        if let Some((rest_start, rest_end)) = right {
            self.insert(rest_start, rest_end);
        }
    }

    /// What of `0..size` is not in the set, in order, as at most `most` ranges; beyond that the
    /// smallest gaps between them are filled, so that more is called missing than is.
    #[must_use]
    pub fn missing(&self, size: u64, most: usize) -> Vec<ByteRange> {
        let mut missing = Vec::new();
        let mut at = 0;
        for (&start, &end) in self.ends_by_start.range(..size) {
            if at < start {
                missing.push(ByteRange {
                    start: at,
                    end: start,
                });
            }
            at = end;
        }
        if at < size {
            missing.push(ByteRange {
                start: at,
                end: size,
            });
        }
        merge_smallest_gaps(missing, most)
    }
}

fn merge_smallest_gaps(ranges: Vec<ByteRange>, most: usize) -> Vec<ByteRange> {
    let most = most.max(1);
    if ranges.len() <= most {
        return ranges;
    }
    let gap = |pair: &[ByteRange]| match pair {
        [left, right] => right.start - left.end,
        _ => 0,
    };
    let mut gaps: Vec<(u64, usize)> = ranges.windows(2).map(gap).zip(1..).collect();
    gaps.sort_unstable_by_key(|(gap, _)| std::cmp::Reverse(*gap));
    let mut cuts: Vec<usize> = gaps.into_iter().take(most - 1).map(|(_, at)| at).collect();
    cuts.sort_unstable();
    let mut merged: Vec<ByteRange> = Vec::with_capacity(most);
    for (at, range) in ranges.into_iter().enumerate() {
        match merged.last_mut() {
            Some(last) if cuts.binary_search(&at).is_err() => last.end = range.end,
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    #[test]
    fn neighbours_and_overlaps_merge() {
        let mut set = ByteRanges::default();
        set.insert(10, 20);
        set.insert(30, 40);
        set.insert(5, 5);
        assert_eq!(
            set.missing(50, 9),
            [range(0, 10), range(20, 30), range(40, 50)]
        );
        set.insert(20, 30);
        assert_eq!(set.missing(50, 9), [range(0, 10), range(40, 50)]);
        set.insert(0, 100);
        assert_eq!(set.missing(50, 9), []);
    }

    #[test]
    fn an_empty_set_misses_everything_and_an_empty_file_nothing() {
        assert_eq!(ByteRanges::default().missing(7, 9), [range(0, 7)]);
        assert_eq!(ByteRanges::default().missing(0, 9), []);
    }

    #[test]
    fn too_many_ranges_merge_where_least_is_sent_again() {
        let mut set = ByteRanges::default();
        set.insert(10, 20);
        set.insert(30, 31);
        set.insert(40, 90);
        assert_eq!(
            set.missing(100, 3),
            [range(0, 10), range(20, 40), range(90, 100)]
        );
        assert_eq!(set.missing(100, 1), [range(0, 100)]);
    }

    #[test]
    fn random_insertions_agree_with_a_byte_map() {
        let mut seed = 0x1234_5678_u64;
        let mut random = |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % bound
        };
        for _ in 0..200 {
            let mut set = ByteRanges::default();
            let mut map = [false; 64];
            for _ in 0..12 {
                let start = random(60);
                let end = start + random(10).min(64 - start);
                let fresh: u64 = set
                    .missing_within(start, end)
                    .iter()
                    .map(|r| r.end - r.start)
                    .sum();
                set.insert(start, end);
                let mut absent = 0;
                for at in start..end {
                    let place = &mut map[usize::try_from(at).unwrap()];
                    absent += u64::from(!std::mem::replace(place, true));
                }
                assert_eq!(fresh, absent);
                if random(3) == 0 {
                    let start = random(60);
                    let end = start + random(10).min(64 - start);
                    set.remove(start, end);
                    for at in start..end {
                        map[usize::try_from(at).unwrap()] = false;
                    }
                }
            }
            let missing = set.missing(64, 99);
            for (at, present) in (0..).zip(map) {
                let is_missing = missing.iter().any(|r| r.start <= at && at < r.end);
                assert_eq!(is_missing, !present, "byte {at} of {set:?}");
            }
        }
    }
}
