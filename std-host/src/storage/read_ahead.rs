//! The reader thread of a sending session, and the meeting point between it and the sender.
//!
//! The thread serves requests first and otherwise reads on from where the sender is: the rest of the
//! file, then the files registered after it, until the unread blocks fill their share of the memory.
//! What to read is decided in `plan`, what to drop in `blocks`; here is the I/O.

mod blocks;
mod comparing;
mod plan;
pub(super) mod sealed;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fasp_core::control::ChecksumKind;
use fasp_core::fault::Fault;
use fasp_core::metadata::check::RangeCheck;
use rustix::buffer::spare_capacity;
use rustix::fs::Advice;
use rustix::io::Errno;

use super::attributes::Fingerprint;
use super::checker::{hash_of, shifted};
use super::checksum::Checksum;
use super::disk_fault::{read_failure, shown};
use super::docroot::Docroot;
use super::faux::Fill;
use super::hash_tree::group_value;
use super::waker::Waker;
use super::walk::SourceItem;
use crate::failure::{Failure, Outcome};
pub use comparing::Judgement;
pub(super) use plan::{BLOCK_BYTES, Finish, Key, Take};
use plan::{Loaded, Plan, Task, Work};

/// Bytes that are held in memory for a session unless told otherwise.
pub(super) const DEFAULT_MEMORY_BYTES: usize = 16 * 1024 * 1024;
/// Smaller reads are not worth a system call.
const LEAST_READ_BYTES: usize = 4_096;

/// What the sender's thread and the reader's thread share.
#[derive(Debug)]
pub(super) struct ReadAhead {
    plan: Mutex<Plan>,
    read_size: Option<u32>,
    work: Condvar,
    docroot: Arc<Docroot>,
    waker: Waker,
}

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRules {
    /// Bytes that are held in memory for a session, read ahead or handed out lately.
    pub memory_bytes: usize,
    /// The checksum that every file gets.
    pub checksum: Option<ChecksumKind>,
    /// Bytes asked of the system at a time (`-g`); above a block it is told to read so far ahead.
    pub read_size: Option<u32>,
}

impl Default for ReadRules {
    fn default() -> Self {
        Self {
            memory_bytes: DEFAULT_MEMORY_BYTES,
            checksum: None,
            read_size: None,
        }
    }
}

/// Starts a reader thread that ends after [`ReadAhead::stop`].
pub(super) fn start(
    docroot: Arc<Docroot>,
    waker: Waker,
    rules: ReadRules,
) -> Outcome<Arc<ReadAhead>> {
    let shared = Arc::new(ReadAhead {
        plan: Mutex::new(Plan::new(rules.memory_bytes, rules.checksum)),
        read_size: rules.read_size,
        work: Condvar::new(),
        docroot,
        waker,
    });
    let reader = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("file-reader".to_owned())
        .spawn(move || reader.run())
        .map_err(|error| {
            let text = format!("cannot start the thread that reads files ({error})");
            Failure::new(Fault::ThreadSpawn, text)
        })?;
    Ok(shared)
}

impl ReadAhead {
    pub(super) fn register(&self, object: u32, item: Arc<SourceItem>) {
        self.change(|plan| plan.register(object, item));
    }

    pub(super) fn release(&self, object: u32) {
        let closed = self.change(|plan| plan.release(object));
        drop(closed);
    }

    pub(super) fn take(&self, key: Key) -> Take {
        self.change(|plan| plan.take(key))
    }

    pub(super) fn finish(&self, object: u32) -> Finish {
        self.change(|plan| plan.finish(object))
    }

    pub(super) fn checksum(&self, object: u32) -> Option<Checksum> {
        self.lock().checksum(object)
    }

    /// Whether more checks may be taken from the receiver.
    pub(super) fn has_room_for_checks(&self) -> bool {
        self.lock().comparing.has_room()
    }

    pub(super) fn compare(&self, object: u32, check: RangeCheck) {
        self.change(|plan| plan.comparing.add(object, check));
    }

    pub(super) fn end_checks(&self, object: u32, present: u64, compares: bool) {
        self.change(|plan| plan.comparing.end(object, present, compares));
    }

    pub(super) fn judgement(&self, object: u32) -> Option<Judgement> {
        self.lock().comparing.judgement(object)
    }

    pub(super) fn judgement_told(&self, object: u32, judgement: &Judgement) {
        self.lock().comparing.told(object, judgement);
    }

    pub(super) fn hash_behind(&self, object: u32) {
        self.change(|plan| plan.hash_behind(object));
    }

    pub(super) fn fail(&self, object: u32, failure: Failure) {
        self.lock().fail(object, failure);
    }

    pub(super) fn failure(&self, object: u32) -> Option<Failure> {
        self.lock().failure(object)
    }

    /// Gives back a block that the sender no longer looks at.
    pub(super) fn recycle(&self, used: Option<(Key, Arc<Vec<u8>>)>) {
        if let Some((_, block)) = used
            && let Some(buffer) = Arc::into_inner(block)
        {
            self.lock().recycle(buffer);
        }
    }

    pub(super) fn stop(&self) {
        self.change(|plan| plan.stopping = true);
    }

    /// Changes the plan and rouses the reader if it sleeps and there is work now.
    fn change<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        let mut plan = self.lock();
        let outcome = change(&mut plan);
        if plan.reader_sleeps && plan.has_work() {
            plan.reader_sleeps = false;
            drop(plan);
            self.work.notify_one();
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut plan = self.lock();
        while !plan.stopping {
            let Some(mut task) = plan.next_task() else {
                plan.reader_sleeps = true;
                plan = self.work.wait(plan).unwrap_or_else(PoisonError::into_inner);
                plan.reader_sleeps = false;
                continue;
            };
            let buffer = plan.buffer_for(&task);
            drop(plan);
            let outcome = self.load(&mut task, buffer);
            plan = self.lock();
            if plan.complete(task, outcome) {
                self.waker.wake();
            }
        }
    }

    /// Reads and checks what `task` asks for.
    fn load(&self, task: &mut Task, mut bytes: Vec<u8>) -> Result<Loaded, Failure> {
        let item = &Arc::clone(&task.item);
        if let Some(fill) = item.made {
            return make(task, fill, bytes);
        }
        let file = match &task.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(self.open(item)?),
        };
        let begun_ns = match (task.changed_ns, task.is_one_read()) {
            (Some(changed_ns), false) => changed_ns,
            _ => examine(item, &file)?,
        };
        self.fill(task, &file, &mut bytes)?;
        let compared = match task.work {
            Work::Compare(check) => Some(match &item.seal {
                Some(seal) => sealed::hash_of(seal, item, &file, check.range)?,
                None => {
                    let mut buffer = Vec::with_capacity(usize::try_from(BLOCK_BYTES).unwrap_or(0));
                    hash_of(&file, shifted(check.range, item.start), &mut buffer)
                        .map_err(|error| unreadable(item, error))?
                }
            }),
            _ => None,
        };
        let changed_ns = examine(item, &file)?;
        let touched = changed_ns != begun_ns;
        match task.work {
            Work::Examine(root) if touched => self.read_again(task, &file, root)?,
            Work::Read(_) if touched && task.is_one_read() => return Err(changed(item)),
            _ => {}
        }
        Ok(loaded(task, bytes, compared, Some(file), begun_ns))
    }

    /// Reads the bytes of `task`, as many at a time as was asked for.
    fn fill(&self, task: &Task, file: &OwnedFd, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let wanted = task.wanted_bytes();
        if let Some(seal) = &task.item.seal {
            bytes.resize(wanted, 0);
            return sealed::read(seal, &task.item, file, task.offset(), bytes);
        }
        let size = self.read_size.map(u64::from);
        if let Some(size) = size.filter(|size| *size > BLOCK_BYTES)
            && task
                .offset()
                .is_multiple_of(size / BLOCK_BYTES * BLOCK_BYTES)
        {
            // Only a hint: a file system that does not take it reads as well.
            let length = std::num::NonZeroU64::new(size);
            let start = task.item.start + task.offset();
            let _ = rustix::fs::fadvise(file, start, length, Advice::WillNeed);
        }
        let most = size.map_or(usize::MAX, |size| {
            usize::try_from(size).unwrap_or(usize::MAX)
        });
        let most = most.max(LEAST_READ_BYTES);
        while bytes.len() < wanted {
            let begun = bytes.len();
            let offset = task.item.start + task.offset() + u64::try_from(begun).unwrap_or(0);
            let outcome = if most < wanted {
                bytes.resize(wanted.min(begun + most), 0);
                let room = bytes.get_mut(begun..).unwrap_or_default();
                let outcome = rustix::io::pread(file, room, offset);
                bytes.truncate(begun + outcome.unwrap_or(0));
                outcome
            } else {
                rustix::io::pread(file, spare_capacity(bytes), offset)
            };
            match outcome {
                Ok(0) => return Err(shorter(&task.item)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(unreadable(&task.item, error)),
            }
        }
        bytes.truncate(wanted);
        Ok(())
    }

    /// Something about the file was changed while it was read: its attributes, which does not matter, or its bytes.
    fn read_again(&self, task: &Task, file: &OwnedFd, root: [u8; 32]) -> Result<(), Failure> {
        let item = &task.item;
        let begun_ns = examine(item, file)?;
        let mut hasher = blake3::Hasher::new();
        let mut block = Vec::with_capacity(usize::try_from(BLOCK_BYTES).unwrap_or(0));
        let mut at = 0;
        while at < item.size {
            if self.lock().stopping {
                return Err(changed(item));
            }
            block.clear();
            match rustix::io::pread(file, spare_capacity(&mut block), item.start + at) {
                Ok(0) => return Err(shorter(item)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(unreadable(item, error)),
            }
            // The file may go on behind the part that is sent.
            let rest = usize::try_from(item.size - at).unwrap_or(usize::MAX);
            block.truncate(rest);
            hasher.update(&block);
            at += u64::try_from(block.len()).unwrap_or(0);
        }
        let same = examine(item, file)? == begun_ns && hasher.finalize() == root;
        if same { Ok(()) } else { Err(changed(item)) }
    }

    fn open(&self, item: &SourceItem) -> Result<OwnedFd, Failure> {
        let file = self
            .docroot
            .open_to_read(&item.open_path)
            .map_err(|error| unreadable(item, error))?;
        if item.size > BLOCK_BYTES {
            // Only a hint: a file system that does not take it reads as well.
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        }
        Ok(file)
    }
}

/// What `task` asks for of a file whose bytes are made up.
fn make(task: &mut Task, fill: Fill, mut bytes: Vec<u8>) -> Result<Loaded, Failure> {
    let item = Arc::clone(&task.item);
    bytes.resize(task.wanted_bytes(), 0);
    sealed::make(&item, fill, task.offset(), &mut bytes)?;
    let compared = match task.work {
        Work::Compare(check) => Some(sealed::hash_in_pieces(check.range, |at, piece| {
            sealed::make(&item, fill, at, piece)
        })?),
        _ => None,
    };
    Ok(loaded(task, bytes, compared, None, 0))
}

/// What the reader brings back, with its hashes; `compared` is the hash of a range of the receiver.
fn loaded(
    task: &mut Task,
    bytes: Vec<u8>,
    compared: Option<[u8; 32]>,
    file: Option<Arc<OwnedFd>>,
    changed_ns: i64,
) -> Loaded {
    if let Some(running) = &mut task.running {
        let offset = running.position();
        running.add(offset, &bytes);
    }
    let hash = if let Some(hash) = compared {
        hash
    } else if task.is_one_read() {
        *blake3::hash(&bytes).as_bytes()
    } else if bytes.is_empty() {
        [0; 32]
    } else {
        group_value(task.offset(), &bytes)
    };
    Loaded {
        bytes,
        hash,
        file,
        changed_ns,
    }
}

/// Whether a file is still in the state in which `item` was offered, as far as size and times tell.
pub(super) fn is_as_offered(item: &SourceItem, now: Fingerprint) -> bool {
    now.regular
        && now.size == item.file_size
        && now.modified_ns == item.modified_ns
        && now.inode == item.inode
        && now.device == item.device
        // Of two contents under one key stream the receiver could tell how they differ; and the parts of a file are of
        // one state only if nothing about it was changed between them.
        && ((item.seal.is_none() && !item.splits) || now.changed_ns == item.changed_ns)
}

/// When the file was last changed in any way, if it is as offered.
fn examine(item: &SourceItem, file: &OwnedFd) -> Result<i64, Failure> {
    let stat = rustix::fs::fstat(file).map_err(|error| unreadable(item, error))?;
    let now = Fingerprint::of(&stat);
    if is_as_offered(item, now) {
        Ok(now.changed_ns)
    } else {
        Err(changed(item))
    }
}

pub(super) fn changed(item: &SourceItem) -> Failure {
    about(item, "the source file changed during the transfer")
}

pub(super) fn shorter(item: &SourceItem) -> Failure {
    about(item, "the source file became shorter during the transfer")
}

pub(super) fn unreadable(item: &SourceItem, error: Errno) -> Failure {
    read_failure(&item.open_path, error)
}

fn about(item: &SourceItem, what: &str) -> Failure {
    let fault = Fault::DiskRead;
    let text = format!("{fault}: {}: {what}", shown(&item.open_path));
    Failure::new(fault, text)
}
