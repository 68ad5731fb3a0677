//! Symbolic links that the sender offers.

use std::time::Instant;

use fasp_core::metadata::LinkRecord;
use fasp_core::units::ObjectId;

use super::super::message::FileVerdict;
use super::{InHand, Receiving};
use crate::storage::write_behind::{Job, OwnedLink};

/// The record with bytes of its own.
pub(super) fn owned(link: &LinkRecord<'_>) -> OwnedLink {
    OwnedLink {
        path: link.path.to_vec(),
        target: link.target.to_vec(),
        replaces: link.replaces,
    }
}

impl Receiving {
    pub(super) fn linked(&mut self, object: ObjectId, link: OwnedLink) {
        let in_hand = InHand {
            name: link.path.clone(),
            size: 0,
            is_folder: true,
            started: Instant::now(),
            present: 0,
            received: 0,
            root: None,
            told_checksum: Vec::new(),
            checksum: None,
            compares: false,
        };
        self.in_hand.insert(object, in_hand);
        self.storage.submit(Job::Link { object, link });
    }

    pub(super) fn link_over(&mut self, object: ObjectId, made: bool) {
        if made {
            self.receiver.handle_result(object, None);
            self.over(object, FileVerdict::Delivered, false);
        } else {
            self.receiver.handle_skip(object);
            self.over(object, FileVerdict::Skipped, false);
        }
    }
}
