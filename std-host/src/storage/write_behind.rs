//! The receiving side of the disk: jobs in, completions out, never a wait for the one who asks.
//!
//! Writer threads own the files; an object belongs to one thread, so its jobs happen in the order
//! of submission. The queues do not refuse: whoever submits bounds them by the credit it grants, and
//! [`WriteBehind::queued_bytes`] says how much is under way.
//!
//! Each object ends in one [`Completion::Finished`], except a skipped or abandoned one. After a failure
//! further jobs for the object have no effect; its writes still come back as [`Completion::Written`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use fasp_core::control::ChecksumKind;
use fasp_core::control::choices::ResumeLevel;
use fasp_core::fault::Fault;
use fasp_core::metadata::check::RangeCheck;
use fasp_core::metadata::{ByteRange, ObjectKind, OpenRecord};
use fasp_core::selection::links::LinkTreatment;
use fasp_core::units::ObjectId;

use super::attributes::Preserve;
use super::checker;
use super::checksum::Checksum;
use super::destination_tree::DestinationTree;
pub use super::file_rules::FileRules;
use super::finishing;
use super::folders::{FolderNotes, Folders};
pub use super::links::OwnedLink;
pub use super::partial_file::{CheckpointRule, Decision};
use super::saved_copy::SavedCopies;
pub use super::split_file::Splitting;
use super::stored_attributes::OwnedAttributes;
use super::waker::Waker;
use super::writer::Writer;
use crate::failure::{Failure, Outcome};

/// Buffers smaller than this are not worth keeping.
const LEAST_POOLED_BYTES: usize = 32 * 1024;

/// Bytes of idle buffers kept for [`WriteBehind::take_buffer`].
const MOST_POOLED_BYTES: usize = 8 * 1024 * 1024;

/// How a session writes.
#[derive(Clone, Debug)]
pub struct WriteConfig {
    /// Where to.
    pub tree: Arc<DestinationTree>,
    /// Writer threads, at least 1; 2 serve a local disk.
    pub threads: usize,
    /// Level of `-k`: 0 goes on with nothing; from 1 partial files are continued, at 2 after samples of them were
    /// compared, at 3 after all of them was; the same is how complete files are found to be different.
    pub resume_level: ResumeLevel,
    /// What happens to files that are there.
    pub rules: FileRules,
    /// Times that files and folders take over.
    pub preserve: Preserve,
    /// When resumable files are noted.
    pub checkpoints: CheckpointRule,
    /// What the sender may do with links: copy them, with force or without, or nothing.
    pub links: LinkTreatment,
    /// The checksum that every file gets.
    pub checksum: Option<ChecksumKind>,
    /// Which files come in parts, of which others receive the rest.
    pub splitting: Splitting,
    /// Nothing of it comes to a disk: everything is taken and thrown away.
    pub keeps_nothing: bool,
}

/// An OPEN record that owns its path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnedRecord {
    /// Path below the destination, as the peer sent it.
    pub path: Vec<u8>,
    /// File or folder.
    pub kind: ObjectKind,
    /// Bytes of a file.
    pub size: u64,
    /// Modification time, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// Access time, nanoseconds since the Unix epoch.
    pub accessed_ns: i64,
    /// Permission bits of the source.
    pub mode: u32,
    /// What else came of it.
    pub attributes: Option<Box<OwnedAttributes>>,
}

impl From<OpenRecord<'_>> for OwnedRecord {
    fn from(record: OpenRecord<'_>) -> Self {
        Self {
            path: record.path.to_vec(),
            kind: record.kind,
            size: record.size,
            modified_ns: record.modified_ns,
            accessed_ns: record.accessed_ns,
            mode: record.mode,
            attributes: None,
        }
    }
}

/// Something to do.
#[derive(Clone, Debug)]
pub enum Job {
    /// An object begins: answered by [`Completion::Decided`] or a failed [`Completion::Finished`].
    Open {
        /// Which object.
        object: ObjectId,
        /// What is offered.
        record: OwnedRecord,
    },
    /// Bytes of a file, in any order: answered by [`Completion::Written`].
    Write {
        /// Which object.
        object: ObjectId,
        /// Where they belong.
        offset: u64,
        /// The bytes; the buffer goes to the pool.
        bytes: Vec<u8>,
    },
    /// A run of zero bytes: answered by [`Completion::Written`]. Takes no room in the queue.
    Zeros {
        /// Which object.
        object: ObjectId,
        /// Where they belong.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// The sender sends these ranges of a resumed file again. Not answered, unless it fails.
    Forget {
        /// Which object.
        object: ObjectId,
        /// What is void.
        ranges: Vec<ByteRange>,
    },
    /// A sample was wrong: everything that is kept is checked. Answered as [`Job::Open`].
    Recheck {
        /// Which object.
        object: ObjectId,
    },
    /// All bytes were submitted: checks the file, brings it to the disk and gives it its name. Answered by
    /// [`Completion::Finished`].
    Commit {
        /// Which object.
        object: ObjectId,
        /// The BLAKE3 hash of the file at its sender, if it told one.
        root: Option<[u8; 32]>,
        /// Its checksum at its sender, of the kind configured; empty if it told none.
        checksum: Vec<u8>,
    },
    /// A whole small file or a folder at once, without a decision: answered by [`Completion::Written`]
    /// and [`Completion::Finished`].
    Whole {
        /// Which object.
        object: ObjectId,
        /// What it is.
        record: OwnedRecord,
        /// All its bytes.
        bytes: Vec<u8>,
    },
    /// An object will not be completed. Not answered.
    Abandon {
        /// Which object.
        object: ObjectId,
        /// With resume: leave what is there for the next time.
        keep_partial: bool,
    },
    /// A link, without a decision: answered by [`Completion::Linked`] or a failed [`Completion::Finished`].
    Link {
        /// Which object.
        object: ObjectId,
        /// What it is.
        link: OwnedLink,
    },
    /// Every object is finished: set final modes and times of folders. Answered by
    /// [`Completion::FoldersSettled`].
    SettleFolders,
}

/// Something done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Completion {
    /// Checks of what is there, before the decision that follows from them; more may come.
    Checked {
        /// Which object.
        object: ObjectId,
        /// The checks, in the order of their ranges, at most as many as one record takes.
        checks: Vec<RangeCheck>,
    },
    /// What to ask of the sender. A skipped object ends here.
    Decided {
        /// Which object.
        object: ObjectId,
        /// The decision.
        decision: Decision,
    },
    /// A write is done with, well or not: its bytes no longer occupy the queue.
    Written {
        /// Which object.
        object: ObjectId,
        /// Bytes as submitted; for a run of zeros its length.
        bytes: u64,
    },
    /// The checksum of an object that is complete and will get its name.
    Summed {
        /// Which object.
        object: ObjectId,
        /// The checksum.
        checksum: Checksum,
    },
    /// An object is under its final name, or failed.
    Finished {
        /// Which object.
        object: ObjectId,
        /// Why it failed, with a sentence that names the file.
        result: Result<(), Failure>,
    },
    /// A link was made, or what has its name stays.
    Linked {
        /// Which object.
        object: ObjectId,
        /// It was made.
        made: bool,
    },
    /// Folders have their final attributes.
    FoldersSettled {
        /// Those that could not be set.
        failures: Vec<Failure>,
    },
}

/// The writer threads of a session.
#[derive(Debug)]
pub struct WriteBehind {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// These end when the writers have.
    finishers: Vec<JoinHandle<()>>,
}

/// What the threads and their owner share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: WriteConfig,
    pub(super) folder_notes: Arc<FolderNotes>,
    pub(super) saved_copies: Arc<SavedCopies>,
    queues: Vec<Queue>,
    completions: Mutex<VecDeque<Completion>>,
    queued_bytes: AtomicUsize,
    pool: Mutex<Pool>,
    waker: Waker,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) state: Mutex<QueueState>,
    pub(super) filled: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct QueueState {
    pub(super) jobs: VecDeque<Job>,
    /// End when there are no more jobs; whether partial files are kept.
    pub(super) stop: Option<bool>,
}

#[derive(Debug, Default)]
struct Pool {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl WriteBehind {
    /// Starts the writer threads. They ring `waker` when there is a completion.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn start(config: WriteConfig, waker: Waker) -> Outcome<Self> {
        let threads = config.threads.max(1);
        let mut this = Self {
            shared: Shared::new(config, waker),
            threads: Vec::new(),
            finishers: Vec::new(),
        };
        let finishing = finishing::start(&this.shared, &mut this.finishers)?;
        let checker = checker::start(&this.shared, &mut this.finishers)?;
        for index in 0..threads {
            let folders = this.shared.folders();
            let shared = Arc::clone(&this.shared);
            let writer = Writer::new(shared, index, folders, finishing.clone(), checker.clone());
            let thread = start_thread(&format!("file-writer-{index}"), move || writer.run())?;
            this.threads.push(thread);
        }
        Ok(this)
    }

    /// Hands over a job. Never waits for the disk.
    pub fn submit(&self, job: Job) {
        self.shared
            .queued_bytes
            .fetch_add(queued_bytes_of(&job), Ordering::Relaxed);
        let Some(queue) = self.shared.queue_of(&job) else {
            return;
        };
        lock(&queue.state).jobs.push_back(job);
        queue.filled.notify_one();
    }

    /// The next thing done, if any.
    #[must_use]
    pub fn next_completion(&self) -> Option<Completion> {
        self.shared.next_completion()
    }

    /// Bytes in submitted jobs that are not written yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.shared.queued_bytes.load(Ordering::Relaxed)
    }

    /// An empty buffer, if possible one that a write has given back.
    #[must_use]
    pub fn take_buffer(&self) -> Vec<u8> {
        let mut pool = lock(&self.shared.pool);
        let buffer = pool.buffers.pop().unwrap_or_default();
        pool.bytes = pool.bytes.saturating_sub(buffer.capacity());
        buffer
    }

    /// Does what was submitted, abandons what is not committed, settles folders and ends the threads.
    ///
    /// Waits for the disk: not for a network thread. What came back until then is still to be had
    /// from the returned list, in order; folders that could not be settled are its last entry.
    #[must_use]
    pub fn stop(mut self, keep_partial: bool) -> Vec<Completion> {
        self.shared.ask_to_stop(keep_partial);
        for thread in self.threads.drain(..).chain(self.finishers.drain(..)) {
            // A thread that panicked has nothing more to say; its objects stay unfinished.
            let _ = thread.join();
        }
        let config = &self.shared.config;
        let failures = self
            .shared
            .folder_notes
            .settle(&config.tree, config.preserve);
        let mut left: Vec<_> = lock(&self.shared.completions).drain(..).collect();
        if !failures.is_empty() {
            left.push(Completion::FoldersSettled { failures });
        }
        left
    }
}

impl Drop for WriteBehind {
    fn drop(&mut self) {
        // Without `stop` the threads end by themselves; partial files that can be continued stay.
        self.shared.ask_to_stop(true);
    }
}

/// Starts a thread that works on files.
pub(super) fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Outcome<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| {
            let text = format!("cannot start a thread that writes files ({error})");
            Failure::new(Fault::ThreadSpawn, text)
        })
}

impl Shared {
    pub(super) fn new(config: WriteConfig, waker: Waker) -> Arc<Self> {
        let threads = config.threads.max(1);
        Arc::new(Self {
            config,
            folder_notes: Arc::default(),
            saved_copies: Arc::default(),
            queues: (0..threads).map(|_| Queue::default()).collect(),
            completions: Mutex::default(),
            queued_bytes: AtomicUsize::new(0),
            pool: Mutex::default(),
            waker,
        })
    }

    pub(super) fn next_completion(&self) -> Option<Completion> {
        lock(&self.completions).pop_front()
    }

    /// The folders of the destination, for one thread.
    pub(super) fn folders(&self) -> Folders {
        Folders::new(
            Arc::clone(&self.config.tree),
            Arc::clone(&self.folder_notes),
        )
    }

    pub(super) fn queue(&self, index: usize) -> Option<&Queue> {
        self.queues.get(index)
    }

    pub(super) fn complete(&self, completion: Completion) {
        lock(&self.completions).push_back(completion);
        self.waker.wake();
    }

    /// Takes back the buffer of a job that is done with.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        self.queued_bytes.fetch_sub(buffer.len(), Ordering::Relaxed);
        let capacity = buffer.capacity();
        let mut pool = lock(&self.pool);
        if capacity >= LEAST_POOLED_BYTES && pool.bytes + capacity <= MOST_POOLED_BYTES {
            buffer.clear();
            pool.bytes += capacity;
            pool.buffers.push(buffer);
        }
    }

    fn queue_of(&self, job: &Job) -> Option<&Queue> {
        let object = match job {
            Job::Open { object, .. }
            | Job::Write { object, .. }
            | Job::Zeros { object, .. }
            | Job::Forget { object, .. }
            | Job::Recheck { object }
            | Job::Commit { object, .. }
            | Job::Whole { object, .. }
            | Job::Link { object, .. }
            | Job::Abandon { object, .. } => object.0,
            Job::SettleFolders => 0,
        };
        let index = usize::try_from(object).ok()? % self.queues.len();
        self.queues.get(index)
    }

    /// Whether the writer `index` was asked to end.
    pub(super) fn is_stopping(&self, index: usize) -> bool {
        self.queue(index)
            .is_some_and(|queue| lock(&queue.state).stop.is_some())
    }

    fn ask_to_stop(&self, keep_partial: bool) {
        for queue in &self.queues {
            lock(&queue.state).stop.get_or_insert(keep_partial);
            queue.filled.notify_one();
        }
    }
}

fn queued_bytes_of(job: &Job) -> usize {
    match job {
        Job::Write { bytes, .. } | Job::Whole { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
