//! What is here already: what storage found of an object, and what the sender makes of it.

use fasp_core::fault::Fault;
use fasp_core::metadata::ByteRange;
use fasp_core::units::ObjectId;

use super::super::message::{FileVerdict, KeptReport, TransferEvent};
use super::Receiving;
use crate::storage::disk_fault::named;
use crate::storage::write_behind::{Decision, Job};

impl Receiving {
    pub(super) fn decided(&mut self, object: ObjectId, decision: Decision) {
        if !self.decides {
            if decision == Decision::Skip {
                // The sender asks nobody, and sends what may not replace anything here.
                let name = self
                    .in_hand
                    .get(&object)
                    .map(|in_hand| in_hand.name.clone());
                let failure = named(&name.unwrap_or_default(), Fault::AlreadyExists);
                self.file_finished(object, Err(failure));
            }
            return;
        }
        let is_checked = self.checks;
        match &decision {
            Decision::Go => {}
            Decision::Compare => {
                if let Some(in_hand) = self.in_hand.get_mut(&object) {
                    in_hand.compares = true;
                }
            }
            Decision::Resume { missing } => {
                let absent = length_of(missing);
                if let Some(in_hand) = self.in_hand.get_mut(&object) {
                    in_hand.present = in_hand.size.saturating_sub(absent);
                }
                if !is_checked {
                    self.tell_kept(object, 0);
                }
            }
            Decision::Skip => self.over(object, FileVerdict::Skipped, false),
        }
        self.answers.decide(object, decision);
    }

    /// The sender compared what is here of `object` and sends `ranges`.
    pub(super) fn sending(&mut self, object: ObjectId, ranges: Vec<ByteRange>) {
        let Some(in_hand) = self.in_hand.get_mut(&object) else {
            return;
        };
        let was_there = if in_hand.compares {
            in_hand.size
        } else {
            in_hand.present
        };
        in_hand.present = in_hand.size.saturating_sub(length_of(&ranges));
        let (wrong, compares) = (was_there.saturating_sub(in_hand.present), in_hand.compares);
        self.tell_kept(object, wrong);
        if !compares {
            self.storage.submit(Job::Forget { object, ranges });
        } else if ranges.is_empty() {
            self.storage.submit(Job::Abandon {
                object,
                keep_partial: false,
            });
            self.receiver.handle_skip(object);
            self.over(object, FileVerdict::Skipped, false);
        }
    }

    fn tell_kept(&self, object: ObjectId, wrong: u64) {
        if let Some(in_hand) = self.in_hand.get(&object) {
            self.ends.tell(TransferEvent::Kept(KeptReport {
                name: in_hand.name.clone(),
                size: in_hand.size,
                kept: in_hand.present,
                wrong,
            }));
        }
    }
}

fn length_of(ranges: &[ByteRange]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}
