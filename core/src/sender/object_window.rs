//! The objects a sender has offered and whose result it does not know yet, by id.

use crate::fault::Fault;
use crate::units::ObjectId;

/// How far an object has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Stage {
    /// No such object, or its result is known.
    #[default]
    Finished,
    /// The receiver has not said whether it wants it.
    Undecided,
    /// Its bytes may be sent.
    Ready,
    /// All its bytes were sent once; its CLOSE record is due.
    Closing,
    /// Everything about it was sent once.
    Closed,
}

/// One offered object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offered {
    pub(super) stage: Stage,
    /// Fits one WHOLE frame; its record is not in the META stream.
    pub(super) whole: bool,
    pub(super) record_length: u16,
    pub(super) size: u64,
    /// First byte never sent.
    pub(super) next_offset: u64,
    /// META offset after its OPEN record.
    pub(super) open_end: u64,
    /// The receiver sends checks of what it has.
    pub(super) checked: bool,
    /// One past the last byte checked: checks ascend.
    pub(super) checked_to: u64,
    /// All checks were told to the host, which is to judge.
    pub(super) judged_next: bool,
    /// The receiver wants nothing or everything.
    pub(super) compared: bool,
    /// Why it cannot be sent, once that is known.
    pub(super) fault: Option<Fault>,
}

/// Ids `base..next`, at most `N` of them.
#[derive(Clone, Debug)]
pub(super) struct ObjectWindow<const N: usize> {
    slots: [Offered; N],
    base: ObjectId,
    next: ObjectId,
    window: u32,
}

impl<const N: usize> ObjectWindow<N> {
    /// An empty window; the peer keeps no more than `window` objects.
    pub(super) fn new(window: u32) -> Self {
        let window = u32::try_from(N).unwrap_or(u32::MAX).min(window);
        Self {
            slots: [Offered::default(); N],
            base: ObjectId(1),
            next: ObjectId(1),
            window,
        }
    }

    /// The id the next object gets; `None` while the window is full.
    pub(super) const fn next_id(&self) -> Option<ObjectId> {
        if self.next.0 - self.base.0 < self.window && self.next.0 < u32::MAX {
            Some(self.next)
        } else {
            None
        }
    }

    /// Objects offered so far.
    pub(super) const fn offered(&self) -> u32 {
        self.next.0 - 1
    }

    /// Whether every offered object has its result.
    pub(super) fn is_settled(&self) -> bool {
        self.base == self.next
    }

    /// Adds the object with the next id, which must have been free.
    pub(super) fn push(&mut self, object: Offered) {
        let id = self.next;
        self.next = id.next();
        if let Some(slot) = self.slots.get_mut(id.0 as usize % N) {
            *slot = object;
        }
    }

    /// An unfinished object.
    pub(super) fn get(&self, id: ObjectId) -> Option<&Offered> {
        if id < self.base || id >= self.next {
            return None;
        }
        self.slots
            .get(id.0 as usize % N)
            .filter(|object| object.stage != Stage::Finished)
    }

    /// An unfinished object, to change.
    pub(super) fn get_mut(&mut self, id: ObjectId) -> Option<&mut Offered> {
        if id < self.base || id >= self.next {
            return None;
        }
        self.slots
            .get_mut(id.0 as usize % N)
            .filter(|object| object.stage != Stage::Finished)
    }

    /// The part of `first..=last` that was offered and is not all finished.
    pub(super) fn clip(&self, first: ObjectId, last: ObjectId) -> Option<(ObjectId, ObjectId)> {
        let first = first.max(self.base);
        let last = last.min(ObjectId(self.next.0 - 1));
        (first <= last).then_some((first, last))
    }

    /// The result of `id` is known; `true` if that is news.
    pub(super) fn finish(&mut self, id: ObjectId) -> bool {
        let Some(object) = self.get_mut(id) else {
            return false;
        };
        object.stage = Stage::Finished;
        while self.base < self.next
            && self
                .slots
                .get(self.base.0 as usize % N)
                .is_some_and(|slot| slot.stage == Stage::Finished)
        {
            self.base = self.base.next();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_opens_when_its_oldest_object_is_finished() {
        let mut window = ObjectWindow::<4>::new(4);
        for _ in 0..4 {
            assert!(window.next_id().is_some());
            window.push(Offered {
                stage: Stage::Ready,
                ..Offered::default()
            });
        }
        assert_eq!(window.next_id(), None);
        assert!(window.finish(ObjectId(2)));
        assert_eq!(window.next_id(), None);
        assert!(window.finish(ObjectId(1)));
        assert_eq!(window.next_id(), Some(ObjectId(5)));
        assert!(!window.finish(ObjectId(1)));
    }
}
