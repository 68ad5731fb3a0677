//! The reader thread of a sending session, and the meeting point between it and the sender.
//!
//! The thread serves requests first and otherwise reads on from where the sender is: the rest of the
//! file, then the files registered after it, until the unread blocks fill their share of the memory.
//! What to read is decided in `plan`, what to drop in `blocks`; here is the I/O.

mod blocks;
mod plan;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fasp_core::fault::Fault;
use rustix::buffer::spare_capacity;
use rustix::fs::Advice;
use rustix::io::Errno;

use super::attributes::Fingerprint;
use super::disk_fault::{read_failure, shown};
use super::docroot::Docroot;
use super::waker::Waker;
use super::walk::SourceItem;
use crate::failure::{Failure, Outcome};
pub(super) use plan::{BLOCK_BYTES, Finish, Key, Take};
use plan::{Loaded, Plan, Task};

/// What the sender's thread and the reader's thread share.
#[derive(Debug)]
pub(super) struct ReadAhead {
    plan: Mutex<Plan>,
    work: Condvar,
    docroot: Arc<Docroot>,
    waker: Waker,
}

/// Starts a reader thread that ends after [`ReadAhead::stop`].
pub(super) fn start(
    docroot: Arc<Docroot>,
    waker: Waker,
    memory_bytes: usize,
) -> Outcome<Arc<ReadAhead>> {
    let shared = Arc::new(ReadAhead {
        plan: Mutex::new(Plan::new(memory_bytes)),
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
            let Some(task) = plan.next_task() else {
                plan.reader_sleeps = true;
                plan = self.work.wait(plan).unwrap_or_else(PoisonError::into_inner);
                plan.reader_sleeps = false;
                continue;
            };
            let buffer = plan.buffer_for(&task);
            drop(plan);
            let outcome = self.load(&task, buffer);
            plan = self.lock();
            if plan.complete(task, outcome) {
                self.waker.wake();
            }
        }
    }

    /// Reads and checks what `task` asks for.
    fn load(&self, task: &Task, mut bytes: Vec<u8>) -> Result<Loaded, Failure> {
        let item = &task.item;
        let file = match &task.file {
            Some(file) => Arc::clone(file),
            None => Arc::new(self.open(item)?),
        };
        let wanted = task.wanted_bytes();
        while bytes.len() < wanted {
            let offset = task.offset() + u64::try_from(bytes.len()).unwrap_or(0);
            match rustix::io::pread(&file, spare_capacity(&mut bytes), offset) {
                Ok(0) => return Err(shorter(item)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(unreadable(item, error)),
            }
        }
        bytes.truncate(wanted);
        let stat = rustix::fs::fstat(&file).map_err(|error| unreadable(item, error))?;
        if !is_as_offered(item, Fingerprint::of(&stat)) {
            return Err(changed(item));
        }
        Ok(Loaded { bytes, file })
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

/// Whether a file is still in the state in which `item` was offered.
pub(super) fn is_as_offered(item: &SourceItem, now: Fingerprint) -> bool {
    let offered = Fingerprint {
        regular: true,
        size: item.size,
        modified_ns: item.modified_ns,
        inode: item.inode,
    };
    now == offered
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
