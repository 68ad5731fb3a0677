//! The objects a receiver knows and whose result it has not told yet.

use crate::fault::Fault;
use crate::units::ObjectId;

/// What the sender is to be told about an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Go,
    Resume,
    Compare,
    Skip,
    Delivered,
    Failed(Fault),
}

impl Outcome {
    /// Nothing follows this one.
    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Skip | Self::Delivered | Self::Failed(_))
    }
}

/// How far an object has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Stage {
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// Its record is there; bytes may come.
    Open,
    /// All bytes are there, or it failed: the host has it in hand.
    InHand,
    /// The host gave its result; it is not told yet.
    Resulted,
    /// The sender was told.
    Released,
}

/// One object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    pub(super) stage: Stage,
    /// The host wants its bytes; matters only where it decides on each.
    pub(super) decided: bool,
    /// The host's checks of it are on their way to the sender.
    pub(super) checked: bool,
    /// The sender is to say what it sends.
    pub(super) awaits: bool,
    /// The sender asked for more checks.
    pub(super) rechecked: bool,
    /// The host is to be told that it is cancelled.
    pub(super) cancelled: bool,
    /// It came in one frame.
    pub(super) whole: bool,
    /// The sender closed it: all its bytes were sent once.
    pub(super) closed: bool,
    /// It waits in the queue of outcomes to tell.
    pub(super) queued: bool,
    pub(super) outcome: Option<Outcome>,
    pub(super) size: u64,
    /// One past the furthest byte that arrived.
    pub(super) high: u64,
    /// Bytes missing below `high`.
    pub(super) missing: u64,
}

impl Entry {
    /// Whether every byte is there and no failure was announced.
    pub(super) const fn is_complete(&self) -> bool {
        self.closed && self.high == self.size && self.missing == 0
    }
}

/// Where an id stands relative to the table.
#[derive(Debug)]
pub(super) enum Place<'t> {
    /// Its result was told long ago.
    Past,
    /// Beyond what the table can hold now.
    Beyond,
    /// In the table.
    Here(&'t mut Entry),
}

/// Ids `base..base + N`.
#[derive(Clone, Debug)]
pub(super) struct ObjectTable<const N: usize> {
    entries: [Entry; N],
    base: ObjectId,
}

impl<const N: usize> ObjectTable<N> {
    pub(super) fn new() -> Self {
        Self {
            entries: [Entry::default(); N],
            base: ObjectId(1),
        }
    }

    /// The lowest id whose result was not told.
    pub(super) const fn base(&self) -> ObjectId {
        self.base
    }

    pub(super) fn place(&mut self, id: ObjectId) -> Place<'_> {
        let Some(distance) = id.0.checked_sub(self.base.0) else {
            return Place::Past;
        };
        if distance as usize >= N {
            return Place::Beyond;
        }
        match self.entries.get_mut(id.0 as usize % N) {
            Some(entry) if entry.stage == Stage::Released => Place::Past,
            Some(entry) => Place::Here(entry),
            None => Place::Beyond,
        }
    }

    /// An object in the table, to change.
    pub(super) fn get_mut(&mut self, id: ObjectId) -> Option<&mut Entry> {
        match self.place(id) {
            Place::Here(entry) => Some(entry),
            Place::Past | Place::Beyond => None,
        }
    }

    /// A copy of an object in the table.
    pub(super) fn get(&self, id: ObjectId) -> Option<Entry> {
        let distance = id.0.checked_sub(self.base.0)?;
        let entry = self
            .entries
            .get(id.0 as usize % N)
            .filter(|_| (distance as usize) < N)?;
        (entry.stage != Stage::Released).then_some(*entry)
    }

    /// The result of `id` was told; its place becomes free when all before it are.
    pub(super) fn release(&mut self, id: ObjectId) {
        if let Some(entry) = self.get_mut(id) {
            *entry = Entry {
                stage: Stage::Released,
                ..Entry::default()
            };
        }
        while let Some(entry) = self
            .entries
            .get_mut(self.base.0 as usize % N)
            .filter(|entry| entry.stage == Stage::Released)
        {
            *entry = Entry::default();
            self.base = self.base.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_object_is_past_even_while_an_older_one_holds_the_table() {
        let mut table = ObjectTable::<4>::new();
        table.release(ObjectId(2));
        assert!(matches!(table.place(ObjectId(2)), Place::Past));
        assert!(matches!(table.place(ObjectId(1)), Place::Here(_)));
        assert!(matches!(table.place(ObjectId(5)), Place::Beyond));
        table.release(ObjectId(1));
        assert_eq!(table.base(), ObjectId(3));
        assert!(
            matches!(table.place(ObjectId(5)), Place::Here(entry) if entry.stage == Stage::Unknown)
        );
    }
}
