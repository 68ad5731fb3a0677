//! What becomes of sources that are delivered: handed to the thread that treats them, and its news handed on.

use std::sync::Arc;

use fasp_core::fault::Fault;
use fasp_core::units::ObjectId;

use super::super::message::{FileVerdict, TransferEvent};
use super::Sending;
use crate::failure::{Failure, Outcome};
use crate::storage::after_transfer::{CareEvent, SourceCare, SourceWishes};
use crate::storage::docroot::Docroot;
use crate::storage::waker::Waker;

/// The thread, if there is anything for it to do.
pub(super) fn start(
    docroot: &Arc<Docroot>,
    mut wishes: SourceWishes,
    waker: &Waker,
) -> Outcome<Option<SourceCare>> {
    if !wishes.any() {
        return Ok(None);
    }
    let sources = std::mem::take(&mut wishes.sources);
    let care = SourceCare::start(Arc::clone(docroot), wishes, sources, waker.clone())?;
    Ok(Some(care))
}

impl Sending {
    /// The receiver has confirmed what became of `object`.
    pub(super) fn care_for(&self, object: ObjectId, verdict: &FileVerdict) {
        let (Some(care), Some(item)) = (&self.care, self.source.files.item(object)) else {
            return;
        };
        if item.made.is_some() {
            return;
        }
        match verdict {
            FileVerdict::Delivered => care.delivered(item.clone()),
            FileVerdict::Skipped => care.skipped(item.clone()),
            FileVerdict::Failed(_) => {}
        }
    }

    /// Every file has its result: the session is settled when the sources are treated too.
    pub(super) fn settle(&self) {
        if self.docroot.was_noticed() {
            let text = "access times of sources could not be kept: only the owner of a file may leave them as they are";
            let failure = Failure::new(Fault::NoPermissions, text);
            self.ends.tell(TransferEvent::Trouble(Vec::new(), failure));
        }
        let all_well = self.report.totals.failed == 0 && self.report.failure.is_none();
        match &self.care {
            Some(care) => care.end(all_well),
            None => self.tell_settled(),
        }
    }

    pub(super) fn take_care_events(&mut self) {
        while let Some(event) = self.care.as_ref().and_then(SourceCare::next_event) {
            match event {
                CareEvent::Trouble(path, failure) => {
                    self.ends.tell(TransferEvent::Trouble(path, failure));
                }
                CareEvent::Finished => {
                    self.care = None;
                    self.tell_settled();
                }
            }
        }
    }

    fn tell_settled(&self) {
        let report = self.summary();
        self.ends.tell(TransferEvent::Settled(report));
    }
}
