//! The sender's files, with a note of what was read of them: that is what moves.

use fasp_core::metadata::{MAX_CHECKSUM, OpenRecord};
use fasp_core::sender::{FinishOutcome, ObjectSource, ReadOutcome};
use fasp_core::units::ObjectId;

use crate::storage::source_files::SourceFiles;

/// The files, and where in them the sender is.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) files: SourceFiles,
    /// The furthest object that was read, and how far.
    pub(super) latest: Option<(ObjectId, u64)>,
    /// Objects of which bytes were read since anybody was told.
    pub(super) begun: Vec<ObjectId>,
    last_read: Option<ObjectId>,
}

impl Observed {
    pub(super) const fn new(files: SourceFiles) -> Self {
        Self {
            files,
            latest: None,
            begun: Vec::new(),
            last_read: None,
        }
    }
}

impl ObjectSource for Observed {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let outcome = self.files.read(object, offset, buffer);
        if outcome == ReadOutcome::Filled {
            // Files need not come in their order, so that it begins is for those to see who know what has begun.
            if self.last_read != Some(object) {
                self.last_read = Some(object);
                self.begun.push(object);
            }
            let end = offset + buffer.len() as u64;
            match &mut self.latest {
                Some((latest, furthest)) if *latest == object => *furthest = end.max(*furthest),
                Some((latest, _)) if *latest > object => {}
                latest => *latest = Some((object, end)),
            }
        }
        outcome
    }

    fn finish(&mut self, object: ObjectId) -> FinishOutcome {
        self.files.finish(object)
    }

    fn checksum(&mut self, object: ObjectId, out: &mut [u8; MAX_CHECKSUM]) -> usize {
        self.files.checksum(object, out)
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        self.files.describe(object)
    }
}
