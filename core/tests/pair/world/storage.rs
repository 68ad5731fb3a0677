//! The receiving host's storage, in memory: what it takes, and what it says later.

use fasp_core::fault::Fault;
use fasp_core::receiver::{Block, Decision};
use fasp_core::units::ObjectId;

use super::Machines;

/// What the receiving host's storage does later.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    Written(u64),
    Decide(ObjectId),
    Result(ObjectId, Option<Fault>),
    Judge(ObjectId),
    Link(ObjectId),
    PollSender,
}

impl<
    const PACKETS: usize,
    const OBJECTS: usize,
    const META: usize,
    const WORDS: usize,
    const GAPS: usize,
> Machines<PACKETS, OBJECTS, META, WORDS, GAPS>
{
    pub(super) fn storage_delay(&mut self) -> u64 {
        match self.options.storage_delay_us {
            0 => 0,
            most => self.random.below(most),
        }
    }

    pub(crate) fn later(&mut self, delay_us: u64, task: Task) {
        if delay_us == 0 {
            return self.perform(task);
        }
        self.tasks_made += 1;
        let at = self.now.as_micros() + delay_us;
        self.tasks.insert((at, self.tasks_made), task);
    }

    pub(super) fn perform(&mut self, task: Task) {
        match task {
            Task::Written(bytes) => {
                self.outstanding -= bytes;
                self.receiver.handle_written(bytes);
            }
            Task::Result(object, fault) => self.receiver.handle_result(object, fault),
            Task::Decide(object) if self.options.checks && !self.check(object) => {
                self.later(1_000, task);
            }
            Task::Judge(object) if !self.judge(object) => self.later(1_000, task),
            Task::Judge(_) => {}
            Task::Decide(object) => match self.resumes.get(&object.0) {
                _ if self.skips.contains(&object.0) => {
                    self.receiver.decide(object, Decision::Skip);
                }
                _ if self.compares.contains(&object.0) => {
                    self.receiver.decide(object, Decision::Compare);
                }
                Some(missing) => self.receiver.decide(object, Decision::Resume(missing)),
                None => self.receiver.decide(object, Decision::Go),
            },
            Task::Link(object) => match object.0 % 3 {
                0 => self.receiver.handle_result(object, None),
                1 => self
                    .receiver
                    .handle_result(object, Some(Fault::NoPermissions)),
                _ => {
                    self.skips.insert(object.0);
                    self.receiver.handle_skip(object);
                }
            },
            Task::PollSender => {}
        }
    }

    pub(super) fn finish(&mut self, object: ObjectId) {
        assert!(self.complete.insert(object.0), "completed twice");
        assert!(!self.cancelled.contains(&object.0), "cancelled before");
        let delay = self.storage_delay();
        self.later(delay, Task::Result(object, None));
    }

    /// What was lent out is not missing any more, and what is missing is in order and in the file.
    pub(super) fn lent(&self, object: ObjectId, start: u64, end: u64) {
        let size = self.delivered[&object.0].len() as u64;
        let mut at = 0;
        for range in self.receiver.missing(object) {
            assert!(at <= range.start && range.start < range.end && range.end <= size);
            assert!(range.end <= start || end <= range.start, "lent and missing");
            at = range.end;
        }
    }

    pub(super) fn write(&mut self, block: Block<'_>) {
        match block {
            Block::Bytes {
                object,
                offset,
                bytes,
            } => {
                let file = self
                    .delivered
                    .get_mut(&object.0)
                    .expect("bytes of an object that was offered");
                file[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
                self.lent(object, offset, offset + bytes.len() as u64);
                self.written(bytes.len() as u64);
            }
            Block::Zeros {
                object,
                offset,
                length,
            } => {
                let file = self
                    .delivered
                    .get_mut(&object.0)
                    .expect("bytes of an object that was offered");
                file[offset as usize..(offset + length) as usize].fill(0);
                self.lent(object, offset, offset + length);
            }
            Block::Whole { record, bytes } => {
                assert!(
                    self.delivered
                        .insert(record.object.0, bytes.to_vec())
                        .is_none()
                );
                self.written(bytes.len() as u64);
                self.finish(record.object);
            }
        }
    }

    pub(super) fn written(&mut self, bytes: u64) {
        self.outstanding += bytes;
        self.most_outstanding = self.most_outstanding.max(self.outstanding);
        let mut delay = self.storage_delay();
        if self.options.write_rate < u64::MAX {
            self.write_free_at = self.write_free_at.max(self.now.as_micros());
            self.write_free_at += bytes * 8_000_000 / self.options.write_rate;
            delay += self.write_free_at - self.now.as_micros();
        }
        self.later(delay, Task::Written(bytes));
    }
}
