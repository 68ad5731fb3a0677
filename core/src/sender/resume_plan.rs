//! Which ranges of a resumed object are still to be sent.
//!
//! Few objects are resumed at once: those that were in flight when a session broke. When the table is
//! full, an object is sent whole, which is right, only longer.

use heapless::Vec;

use crate::metadata::{ByteRange, MAX_RESUME_RANGES};
use crate::units::ObjectId;

/// Objects with a plan at the same time.
const PLANS: usize = 8;

#[derive(Clone, Debug)]
struct Plan {
    object: ObjectId,
    ranges: Vec<ByteRange, MAX_RESUME_RANGES>,
}

/// Plans of the objects being resumed.
#[derive(Clone, Debug, Default)]
pub(super) struct ResumePlans {
    plans: Vec<Plan, PLANS>,
}

impl ResumePlans {
    /// Only `ranges` (sorted, disjoint) of `object` will be sent; `false` if there is no room for the plan.
    pub(super) fn add(
        &mut self,
        object: ObjectId,
        ranges: Vec<ByteRange, MAX_RESUME_RANGES>,
    ) -> bool {
        self.plans.push(Plan { object, ranges }).is_ok()
    }

    /// All ranges of `object` that are not sent yet.
    pub(super) fn ranges(&self, object: ObjectId) -> Option<&[ByteRange]> {
        let plan = self.plans.iter().find(|plan| plan.object == object)?;
        Some(&plan.ranges)
    }

    /// The first range of `object` not sent yet; `None` without a plan or at its end.
    pub(super) fn next_range(&self, object: ObjectId) -> Option<ByteRange> {
        self.plans
            .iter()
            .find(|plan| plan.object == object)?
            .ranges
            .first()
            .copied()
    }

    /// Whether `object` has a plan.
    pub(super) fn contains(&self, object: ObjectId) -> bool {
        self.plans.iter().any(|plan| plan.object == object)
    }

    /// The first `length` bytes of the first range of `object` were sent; `true` when nothing is left of it.
    pub(super) fn on_sent(&mut self, object: ObjectId, length: u64) -> bool {
        let Some(plan) = self.plans.iter_mut().find(|plan| plan.object == object) else {
            return false;
        };
        if let Some(range) = plan.ranges.first_mut() {
            range.start = range.start.saturating_add(length);
            if range.start >= range.end {
                plan.ranges.remove(0);
            }
        }
        let done = plan.ranges.is_empty();
        if done {
            self.drop_plan(object);
        }
        done
    }

    /// Forgets the plan of `object`.
    pub(super) fn drop_plan(&mut self, object: ObjectId) {
        self.plans.retain(|plan| plan.object != object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_worked_off_range_by_range() {
        let mut plans = ResumePlans::default();
        let ranges = [
            ByteRange { start: 10, end: 20 },
            ByteRange { start: 50, end: 55 },
        ];
        assert!(plans.add(ObjectId(3), Vec::from_slice(&ranges).unwrap()));
        assert!(!plans.on_sent(ObjectId(3), 4));
        assert_eq!(
            plans.next_range(ObjectId(3)),
            Some(ByteRange { start: 14, end: 20 })
        );
        assert!(!plans.on_sent(ObjectId(3), 6));
        assert!(plans.on_sent(ObjectId(3), 5));
        assert!(!plans.contains(ObjectId(3)));
    }

    #[test]
    fn a_full_table_refuses_a_plan() {
        let mut plans = ResumePlans::default();
        for object in 0..8 {
            assert!(plans.add(ObjectId(object), Vec::new()));
        }
        assert!(!plans.add(ObjectId(9), Vec::new()));
    }
}
