//! What the receiver says it has, to be compared with the source: bookkeeping without I/O.

use std::collections::{HashMap, VecDeque};

use fasp_core::metadata::ByteRange;
use fasp_core::metadata::check::RangeCheck;

use super::super::byte_ranges::ByteRanges;

/// Checks that wait before no more are taken from the receiver.
const MOST_WAITING: usize = 16_384;
/// Wrong ranges that one judgement tells apart.
const MOST_WRONG: usize = 32;

/// What came of the checks of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// These bytes of the receiver are wrong.
    Wrong(Vec<ByteRange>),
    /// Some are wrong, and the checks were samples.
    Unclear,
}

#[derive(Debug, Default)]
struct Compared {
    waiting: usize,
    covered: u64,
    wrong: ByteRanges,
    /// Bytes that the receiver has, once all checks were told; with whether it wants nothing or everything.
    end: Option<(u64, bool)>,
    rechecked: bool,
}

/// All checks of a session.
#[derive(Debug, Default)]
pub(super) struct Comparing {
    queue: VecDeque<(u32, RangeCheck)>,
    objects: HashMap<u32, Compared>,
}

impl Comparing {
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() < MOST_WAITING
    }

    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn add(&mut self, object: u32, check: RangeCheck) {
        self.objects.entry(object).or_default().waiting += 1;
        self.queue.push_back((object, check));
    }

    /// No more checks of `object` come; the receiver has `present` bytes of it.
    pub(super) fn end(&mut self, object: u32, present: u64, compares: bool) {
        self.objects.entry(object).or_default().end = Some((present, compares));
    }

    pub(super) fn next(&mut self) -> Option<(u32, RangeCheck)> {
        self.queue.pop_front()
    }

    /// A check was compared.
    pub(super) fn compared(&mut self, object: u32, range: ByteRange, is_right: bool) {
        let Some(compared) = self.objects.get_mut(&object) else {
            return;
        };
        compared.waiting = compared.waiting.saturating_sub(1);
        compared.covered = compared.covered.saturating_add(range.end - range.start);
        if !is_right {
            compared.wrong.insert(range.start, range.end);
        }
    }

    /// The judgement of `object`, once all its checks were told and compared. It stays until it is taken.
    pub(super) fn judgement(&self, object: u32) -> Option<Judgement> {
        let compared = self.objects.get(&object)?;
        let (present, compares) = compared.end.filter(|_| compared.waiting == 0)?;
        let wrong = compared.wrong.at_most(MOST_WRONG);
        let samples = compared.covered < present;
        if samples && !compares && !wrong.is_empty() && !compared.rechecked {
            return Some(Judgement::Unclear);
        }
        Some(Judgement::Wrong(wrong))
    }

    /// The judgement was told; after [`Judgement::Unclear`] more checks come.
    pub(super) fn told(&mut self, object: u32, judgement: &Judgement) {
        self.objects.remove(&object);
        if *judgement == Judgement::Unclear {
            self.objects.entry(object).or_default().rechecked = true;
        }
    }

    pub(super) fn release(&mut self, object: u32) {
        if self.objects.remove(&object).is_some() {
            self.queue.retain(|(other, _)| *other != object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(start: u64, end: u64) -> RangeCheck {
        RangeCheck {
            range: ByteRange { start, end },
            hash: [0; 32],
        }
    }

    #[test]
    fn a_judgement_comes_when_everything_was_told_and_compared() {
        let mut comparing = Comparing::default();
        comparing.add(1, check(0, 10));
        comparing.add(1, check(10, 20));
        comparing.compared(1, ByteRange { start: 0, end: 10 }, true);
        comparing.end(1, 20, false);
        assert_eq!(comparing.judgement(1), None);
        comparing.compared(1, ByteRange { start: 10, end: 20 }, false);
        let wrong = vec![ByteRange { start: 10, end: 20 }];
        assert_eq!(comparing.judgement(1), Some(Judgement::Wrong(wrong)));
    }

    #[test]
    fn a_wrong_sample_asks_for_more_once_and_never_where_all_or_nothing_is_wanted() {
        let mut comparing = Comparing::default();
        let range = ByteRange { start: 0, end: 10 };
        for (compares, expected) in [
            (false, Judgement::Unclear),
            (true, Judgement::Wrong(vec![range])),
        ] {
            comparing.add(1, check(0, 10));
            comparing.compared(1, range, false);
            comparing.end(1, 20, compares);
            assert_eq!(comparing.judgement(1), Some(expected));
            comparing.release(1);
        }
        comparing.told(1, &Judgement::Unclear);
        comparing.add(1, check(0, 10));
        comparing.compared(1, range, false);
        comparing.end(1, 20, false);
        assert_eq!(comparing.judgement(1), Some(Judgement::Wrong(vec![range])));
    }
}
