//! Gathers blocks that follow each other into writes worth a system call.

use fasp_core::units::ObjectId;

use crate::storage::write_behind::{Job, WriteBehind};

/// A run is written when it has this many bytes, unless another size was asked for (`-G`).
const FULL: usize = 256 * 1024;
/// Larger runs would hold too much of the credit.
const MOST_FULL: usize = 2 * 1024 * 1024;
/// A run of this size gets room for a full one, and no more.
const LARGE: usize = 16 * 1024;
/// The last block of a full run may go beyond it.
const SLACK: usize = 16 * 1024;
/// Runs gathered side by side: the front of the transfer and what is repeated behind it.
const RUNS: usize = 4;

#[derive(Debug)]
struct Run {
    object: ObjectId,
    offset: u64,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// Runs being gathered.
#[derive(Debug)]
pub(super) struct WriteRuns {
    full: usize,
    runs: Vec<Run>,
    /// Large buffers that a small run did not fill.
    spare: Vec<Vec<u8>>,
}

impl WriteRuns {
    /// Runs of `size` bytes, as far as that is sensible: from one block to 2 MiB.
    pub(super) fn of(size: Option<u32>) -> Self {
        let wished = size.map_or(FULL, |size| usize::try_from(size).unwrap_or(MOST_FULL));
        Self {
            full: wished.min(MOST_FULL),
            runs: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Adds a block; what is full goes to `storage`.
    pub(super) fn add(
        &mut self,
        storage: &WriteBehind,
        object: ObjectId,
        offset: u64,
        bytes: &[u8],
    ) {
        let found = self
            .runs
            .iter()
            .position(|run| run.object == object && run.end() == offset);
        let at = found.unwrap_or_else(|| {
            if self.runs.len() >= RUNS {
                self.submit(storage, 0);
            }
            let buffer = self.spare.pop().unwrap_or_else(|| storage.take_buffer());
            self.runs.push(Run {
                object,
                offset,
                bytes: buffer,
            });
            self.runs.len() - 1
        });
        let Some(run) = self.runs.get_mut(at) else {
            return;
        };
        let full = self.full;
        if run.bytes.len() >= LARGE && run.bytes.capacity() < full {
            run.bytes.reserve_exact(full + SLACK - run.bytes.len());
        }
        run.bytes.extend_from_slice(bytes);
        if run.bytes.len() >= full {
            self.submit(storage, at);
        }
    }

    /// Hands over what there is of `object`.
    pub(super) fn flush_object(&mut self, storage: &WriteBehind, object: ObjectId) {
        while let Some(at) = self.runs.iter().position(|run| run.object == object) {
            self.submit(storage, at);
        }
    }

    /// Hands over everything.
    pub(super) fn flush(&mut self, storage: &WriteBehind) {
        while !self.runs.is_empty() {
            self.submit(storage, 0);
        }
    }

    /// Forgets what there is of `object`; returns how many bytes that was.
    pub(super) fn forget(&mut self, object: ObjectId) -> u64 {
        let bytes = self
            .runs
            .iter()
            .filter(|run| run.object == object)
            .map(|run| run.bytes.len() as u64)
            .sum();
        self.runs.retain(|run| run.object != object);
        bytes
    }

    /// A small run leaves in a buffer of its own size: thousands may wait for the disk.
    fn submit(&mut self, storage: &WriteBehind, at: usize) {
        let run = self.runs.remove(at);
        let mut bytes = run.bytes;
        if bytes.len() < bytes.capacity() / 2 {
            let exact = bytes.as_slice().to_vec();
            bytes.clear();
            if self.spare.len() < RUNS {
                self.spare.push(bytes);
            }
            bytes = exact;
        }
        storage.submit(Job::Write {
            object: run.object,
            offset: run.offset,
            bytes,
        });
    }
}
