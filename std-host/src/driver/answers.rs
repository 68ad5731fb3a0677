//! Checks and decisions on their way to the sender, in order: records leave only when there is room for them.

use std::collections::VecDeque;

use fasp_core::metadata::check::RangeCheck;
use fasp_core::receiver::Decision;
use fasp_core::units::ObjectId;

use super::HostReceiver;
use crate::storage::write_behind::Decision as Stored;

#[derive(Debug)]
enum Answer {
    Checks(Vec<RangeCheck>),
    Decision(Stored),
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Answers {
    waiting: VecDeque<(ObjectId, Answer)>,
}

impl Answers {
    pub(super) fn check(&mut self, object: ObjectId, checks: Vec<RangeCheck>) {
        self.waiting.push_back((object, Answer::Checks(checks)));
    }

    pub(super) fn decide(&mut self, object: ObjectId, decision: Stored) {
        self.waiting.push_back((object, Answer::Decision(decision)));
    }

    /// Hands over what there is room for.
    pub(super) fn flush(&mut self, receiver: &mut HostReceiver) {
        while let Some((object, answer)) = self.waiting.front() {
            match answer {
                Answer::Checks(checks) => {
                    if receiver.check(*object, checks).is_err() {
                        return;
                    }
                }
                Answer::Decision(decision) => {
                    let decision = match decision {
                        Stored::Go => Decision::Go,
                        Stored::Skip => Decision::Skip,
                        Stored::Compare => Decision::Compare,
                        Stored::Resume { missing } => Decision::Resume(missing),
                    };
                    receiver.decide(*object, decision);
                }
            }
            self.waiting.pop_front();
        }
    }
}
