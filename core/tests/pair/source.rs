//! Files in memory, as the sending host's storage: slow, failing and unpredictable if asked to be.

use std::collections::BTreeSet;

use fasp_core::fault::Fault;
use fasp_core::metadata::{ObjectKind, OpenRecord};
use fasp_core::sender::{FinishOutcome, ObjectSource, ReadOutcome};
use fasp_core::units::ObjectId;

/// Files in memory.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) files: Vec<Vec<u8>>,
    /// These objects are folders.
    pub(crate) folders: BTreeSet<u32>,
    /// These objects are links, which the receiver makes, fails to make and skips in turn; they have no bytes.
    pub(crate) links: BTreeSet<u32>,
    /// Reading this object beyond this offset fails.
    pub(crate) fail_at: Option<(u32, u64)>,
    /// Per mille of calls that find nothing ready.
    pub(crate) not_ready: u64,
    /// Something was not ready: the host must poll again.
    pub(crate) waits: bool,
    pub(crate) random: Random,
    path: Vec<u8>,
}

/// A small generator of random numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

impl Source {
    pub(crate) fn new(files: Vec<Vec<u8>>, seed: u64) -> Self {
        Self {
            files,
            random: Random(seed),
            ..Self::default()
        }
    }

    fn is_ready(&mut self) -> bool {
        let ready = !self.random.chance(self.not_ready);
        self.waits |= !ready;
        ready
    }

    pub(crate) fn record<'a>(&self, object: ObjectId, path: &'a mut Vec<u8>) -> OpenRecord<'a> {
        let folder = self.folders.contains(&object.0);
        *path = format!("folder/file {}", object.0).into_bytes();
        OpenRecord {
            object,
            path,
            kind: if folder {
                ObjectKind::Directory
            } else {
                ObjectKind::File
            },
            size: self.files[object.0 as usize - 1].len() as u64,
            modified_ns: 1,
            accessed_ns: 2,
            mode: 0o644,
        }
    }
}

impl ObjectSource for Source {
    fn read(&mut self, object: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        let end = offset + buffer.len() as u64;
        if self
            .fail_at
            .is_some_and(|(id, at)| id == object.0 && end > at)
        {
            return ReadOutcome::Failed(Fault::DiskRead);
        }
        if !self.is_ready() {
            return ReadOutcome::NotReady;
        }
        let file = &self.files[object.0 as usize - 1];
        buffer.copy_from_slice(&file[offset as usize..end as usize]);
        ReadOutcome::Filled
    }

    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        if self.is_ready() {
            FinishOutcome::Unchanged
        } else {
            FinishOutcome::NotReady
        }
    }

    fn describe(&mut self, object: ObjectId) -> Option<OpenRecord<'_>> {
        let mut path = std::mem::take(&mut self.path);
        let record = OpenRecord {
            path: &[],
            ..self.record(object, &mut path)
        };
        self.path = path;
        Some(OpenRecord {
            path: &self.path,
            ..record
        })
    }
}
