//! What the reader thread reads next: bookkeeping without I/O.
//!
//! A block is *unread* until the sender took it. Unread blocks may fill three quarters of the
//! memory; blocks already taken stay for retransmissions until room is needed, oldest first.
//! Per file, what lies before the highest block taken counts as a retransmission. What is read for the first time
//! is hashed; blocks that are never sent, because the receiver has them, are read for their hash alone.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::control::ChecksumKind;
use fasp_core::fault::Fault;
use fasp_core::metadata::ObjectKind;
use fasp_core::metadata::check::RangeCheck;

use super::super::checksum::{Checksum, RunningChecksum};
use super::super::hash_tree::HashTree;
use super::super::walk::SourceItem;
use super::blocks::Blocks;
use super::comparing::Comparing;
use crate::failure::Failure;

/// Bytes of a block; the last one of a file is shorter.
pub(crate) const BLOCK_BYTES: u64 = 256 * 1024;

/// Files kept open.
const MOST_OPEN: usize = 64;

/// Object and block number.
pub(crate) type Key = (u32, u64);

/// The answer to the sender asking for a block.
#[derive(Debug)]
pub(crate) enum Take {
    /// Here it is.
    Block(Arc<Vec<u8>>),
    /// Read it from the page cache.
    Direct(Arc<OwnedFd>),
    /// The waker will ring.
    Wait,
    /// The object has failed.
    Failed(Fault),
}

/// The answer to the sender asking whether a file is unchanged.
#[derive(Debug)]
pub(crate) enum Finish {
    /// With the hash of all bytes.
    Hashed([u8; 32]),
    /// A folder.
    Unchanged,
    Wait,
    Failed(Fault),
}

/// One thing for the reader thread to do.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) object: u32,
    pub(super) work: Work,
    pub(super) item: Arc<SourceItem>,
    pub(super) file: Option<Arc<OwnedFd>>,
    /// When the file was last changed in any way, as it was opened first.
    pub(super) changed_ns: Option<i64>,
    /// The checksum of the file, where what is read goes on with it.
    pub(super) running: Option<RunningChecksum>,
}

/// What to do with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Work {
    /// Read a block for the sender.
    Read(u64),
    /// Read a block for its hash alone.
    Hash(u64),
    /// Compare a range of the receiver with the source.
    Compare(RangeCheck),
    /// Everything was read, and has this hash: is the file still what it was?
    Examine([u8; 32]),
}

/// What the reader thread brings back.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) bytes: Vec<u8>,
    /// The hash of the bytes: of the whole file, if it is one block, else their value in its tree.
    pub(super) hash: [u8; 32],
    /// None where the bytes are made up.
    pub(super) file: Option<Arc<OwnedFd>>,
    pub(super) changed_ns: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    NotAsked,
    Queued,
    Passed([u8; 32]),
}

#[derive(Debug)]
struct Entry {
    item: Arc<SourceItem>,
    file: Option<Arc<OwnedFd>>,
    last_used: u64,
    /// The next block to read ahead.
    ahead: u64,
    /// One past the highest block taken.
    frontier: u64,
    check: Check,
    hash: HashTree,
    /// The checksum for the user, from the start to where it has come; away while a task goes on with it.
    running: Option<RunningChecksum>,
    changed_ns: Option<i64>,
    failure: Option<Failure>,
}

/// Something asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Request {
    Block(u64),
    Finish,
}

/// The state behind the lock.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) stopping: bool,
    pub(super) reader_sleeps: bool,
    /// The checksum that every file gets.
    checksum: Option<ChecksumKind>,
    entries: HashMap<u32, Entry>,
    blocks: Blocks,
    requests: VecDeque<(u32, Request)>,
    /// Files of which the receiver has a part.
    behind: Vec<u32>,
    pub(super) comparing: Comparing,
    compared_last: bool,
    loading: Option<Key>,
    /// The file to read ahead in; those before it are read or not wanted now.
    scan: u32,
    /// One past the last object registered.
    end: u32,
    open: Vec<u32>,
    clock: u64,
    sender_waits: bool,
}

impl Plan {
    pub(super) fn new(memory: usize, checksum: Option<ChecksumKind>) -> Self {
        Self {
            checksum,
            stopping: false,
            reader_sleeps: false,
            entries: HashMap::new(),
            blocks: Blocks::new(memory),
            requests: VecDeque::new(),
            behind: Vec::new(),
            comparing: Comparing::default(),
            compared_last: false,
            loading: None,
            scan: 0,
            end: 0,
            open: Vec::new(),
            clock: 0,
            sender_waits: false,
        }
    }

    pub(super) fn register(&mut self, object: u32, item: Arc<SourceItem>) {
        let entry = Entry {
            hash: HashTree::new(item.size, u32::MAX),
            running: self.checksum.map(RunningChecksum::new),
            changed_ns: None,
            item,
            file: None,
            last_used: 0,
            ahead: 0,
            frontier: 0,
            check: Check::NotAsked,
            failure: None,
        };
        if self.entries.is_empty() {
            self.scan = object;
        }
        self.entries.insert(object, entry);
        self.end = self.end.max(object.saturating_add(1));
    }

    /// Forgets an object; the caller closes what is returned.
    pub(super) fn release(&mut self, object: u32) -> Option<Arc<OwnedFd>> {
        let entry = self.entries.remove(&object)?;
        self.open.retain(|open| *open != object);
        self.behind.retain(|behind| *behind != object);
        self.comparing.release(object);
        self.blocks.drop_all_of(object);
        entry.file
    }

    pub(super) fn take(&mut self, key: Key) -> Take {
        let (object, block) = key;
        let Some(entry) = self.entries.get_mut(&object) else {
            return Take::Failed(Fault::InternalError);
        };
        if let Some(failure) = &entry.failure {
            return Take::Failed(failure.fault);
        }
        if entry.item.kind == ObjectKind::Directory
            || block >= entry.item.size.div_ceil(BLOCK_BYTES)
        {
            return Take::Failed(Fault::InternalError);
        }
        if let Some(bytes) = self.blocks.take(key) {
            entry.frontier = entry.frontier.max(block + 1);
            return Take::Block(bytes);
        }
        if block < entry.frontier {
            if let Some(file) = &entry.file {
                self.clock += 1;
                entry.last_used = self.clock;
                return Take::Direct(Arc::clone(file));
            }
        } else {
            entry.ahead = block;
            self.scan = object;
            for (object, block) in self.blocks.make_way_for(object) {
                if let Some(entry) = self.entries.get_mut(&object) {
                    entry.ahead = entry.ahead.min(block);
                }
            }
        }
        self.sender_waits = true;
        let request = (object, Request::Block(block));
        if self.loading != Some(key) && !self.requests.contains(&request) {
            self.requests.push_back(request);
        }
        Take::Wait
    }

    pub(super) fn finish(&mut self, object: u32) -> Finish {
        let Some(entry) = self.entries.get_mut(&object) else {
            return Finish::Failed(Fault::InternalError);
        };
        if let Some(failure) = &entry.failure {
            return Finish::Failed(failure.fault);
        }
        if entry.item.kind == ObjectKind::Directory {
            return Finish::Unchanged;
        }
        if let Check::Passed(root) = entry.check {
            return Finish::Hashed(root);
        }
        if entry.check == Check::NotAsked {
            entry.check = Check::Queued;
            self.requests.push_back((object, Request::Finish));
        }
        self.sender_waits = true;
        Finish::Wait
    }

    /// The checksum of `object`, whose end was reached.
    pub(super) fn checksum(&self, object: u32) -> Option<Checksum> {
        let entry = self.entries.get(&object)?;
        let running = entry.running.as_ref();
        let complete = running.filter(|running| running.position() == entry.item.size)?;
        Some(complete.clone().finish())
    }

    /// The part of `object` that the sender passes over is hashed when there is time.
    pub(super) fn hash_behind(&mut self, object: u32) {
        if !self.behind.contains(&object) {
            self.behind.push(object);
        }
    }

    pub(super) fn fail(&mut self, object: u32, failure: Failure) {
        if let Some(entry) = self.entries.get_mut(&object) {
            entry.failure.get_or_insert(failure);
        }
    }

    pub(super) fn failure(&self, object: u32) -> Option<Failure> {
        self.entries.get(&object)?.failure.clone()
    }

    /// Takes back a buffer that the sender no longer looks at.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.blocks.recycle(buffer);
    }

    /// Whether a sleeping reader should be roused. It fills up to three quarters and is roused
    /// below one half, so that it does not wake for every small file.
    pub(super) fn has_work(&self) -> bool {
        self.stopping
            || !self.requests.is_empty()
            || (self.blocks.run_low() && self.scan < self.end)
            || self.comparing.has_work()
            || self
                .behind
                .iter()
                .any(|object| self.block_behind(*object).is_some())
    }

    pub(super) fn next_task(&mut self) -> Option<Task> {
        while let Some((object, request)) = self.requests.pop_front() {
            let work = match request {
                Request::Block(block) => Some(Work::Read(block)),
                Request::Finish => self.work_to_finish(object),
            };
            if let Some(task) = work.and_then(|work| self.task(object, work)) {
                return Some(task);
            }
        }
        // In turns: what is compared decides what is read, and what is read is sent.
        self.compared_last = !self.compared_last;
        if self.compared_last
            && let Some(task) = self.task_to_compare()
        {
            return Some(task);
        }
        while self.blocks.have_room() && self.scan < self.end {
            let object = self.scan;
            match self.block_ahead(object) {
                Some(block) => return self.task(object, Work::Read(block)),
                None => self.scan += 1,
            }
        }
        if let Some(task) = self.task_to_compare() {
            return Some(task);
        }
        let behind = self.behind.iter();
        let (object, block) = behind
            .filter_map(|object| Some((*object, self.block_behind(*object)?)))
            .next()?;
        self.task(object, Work::Hash(block))
    }

    fn task_to_compare(&mut self) -> Option<Task> {
        while let Some((object, check)) = self.comparing.next() {
            let within = self
                .entries
                .get(&object)
                .is_some_and(|entry| check.range.end <= entry.item.size);
            if within && let Some(task) = self.task(object, Work::Compare(check)) {
                return Some(task);
            }
            self.comparing.compared(object, check.range, false);
            self.sender_waits = true;
        }
        None
    }

    /// What is left to do at the end of an object: hash what was never read, then examine the file.
    fn work_to_finish(&mut self, object: u32) -> Option<Work> {
        let entry = self.entries.get(&object)?;
        if entry.item.size <= BLOCK_BYTES {
            return matches!(entry.check, Check::Queued).then_some(Work::Hash(0));
        }
        if let Some(hole) = entry.hash.first_hole(0) {
            // Others have their turn before it goes on.
            self.requests.push_back((object, Request::Finish));
            return Some(Work::Hash(hole.start / BLOCK_BYTES));
        }
        if let Some(block) = entry.block_without_checksum() {
            self.requests.push_back((object, Request::Finish));
            return Some(Work::Hash(block));
        }
        entry.hash.root().map(Work::Examine)
    }

    /// The first block before those taken that is not hashed, or not in the checksum.
    fn block_behind(&self, object: u32) -> Option<u64> {
        let entry = self
            .entries
            .get(&object)
            .filter(|entry| entry.failure.is_none())?;
        let hole = entry.hash.first_hole(0);
        let unhashed = hole.map(|hole| hole.start / BLOCK_BYTES);
        [unhashed, entry.block_without_checksum()]
            .into_iter()
            .flatten()
            .find(|block| *block < entry.frontier)
    }

    /// An empty buffer with room for what `task` reads.
    pub(super) fn buffer_for(&mut self, task: &Task) -> Vec<u8> {
        self.blocks.buffer(task.wanted_bytes())
    }

    /// Books what the reader brought; whether the sender waits for news.
    pub(super) fn complete(&mut self, mut task: Task, outcome: Result<Loaded, Failure>) -> bool {
        self.loading = None;
        let object = task.object;
        if let Some(entry) = self.entries.get_mut(&object)
            && let Some(running) = task.running.take()
        {
            entry.running = Some(running);
        }
        if let Work::Compare(check) = task.work {
            let is_right = outcome
                .as_ref()
                .is_ok_and(|loaded| loaded.hash == check.hash);
            self.comparing.compared(object, check.range, is_right);
            self.sender_waits = true;
        }
        let Some(entry) = self.entries.get_mut(&object) else {
            return false;
        };
        match outcome {
            Err(failure) => {
                entry.failure.get_or_insert(failure);
            }
            Ok(loaded) => {
                let one_read = entry.item.size <= BLOCK_BYTES;
                entry.changed_ns.get_or_insert(loaded.changed_ns);
                if let Work::Examine(root) = task.work {
                    entry.check = Check::Passed(root);
                } else if one_read && !matches!(task.work, Work::Compare(_)) {
                    entry.check = Check::Passed(loaded.hash);
                }
                if let Work::Read(block) | Work::Hash(block) = task.work
                    && !one_read
                    && !entry.hash.knows(block * BLOCK_BYTES)
                {
                    let log2 = BLOCK_BYTES.trailing_zeros();
                    entry.hash.add_group(block * BLOCK_BYTES, log2, loaded.hash);
                }
                if let Work::Read(block) = task.work {
                    if entry.ahead == block {
                        entry.ahead = block + 1;
                    }
                    if !loaded.bytes.is_empty() {
                        let unread = block >= entry.frontier;
                        self.blocks.keep((object, block), loaded.bytes, unread);
                    }
                }
                if let Some(file) = loaded.file.filter(|_| !one_read) {
                    self.keep_open(object, file);
                }
            }
        }
        std::mem::take(&mut self.sender_waits)
    }

    fn task(&mut self, object: u32, work: Work) -> Option<Task> {
        let entry = self.entries.get_mut(&object)?;
        if entry.failure.is_some() || entry.item.kind == ObjectKind::Directory {
            return None;
        }
        if let Work::Read(block) = work {
            if self.blocks.contain((object, block)) {
                return None;
            }
            self.loading = Some((object, block));
        }
        let running = match work {
            Work::Read(block) | Work::Hash(block) => {
                let size = entry.item.size;
                let goes_on = |running: &mut RunningChecksum| {
                    running.position() == block * BLOCK_BYTES && running.position() < size
                };
                entry.running.take_if(goes_on)
            }
            Work::Compare(_) | Work::Examine(_) => None,
        };
        Some(Task {
            running,
            object,
            work,
            item: Arc::clone(&entry.item),
            file: entry.file.clone(),
            changed_ns: entry.changed_ns,
        })
    }

    /// The next block of `object` that is not in memory; `None` at its end.
    fn block_ahead(&mut self, object: u32) -> Option<u64> {
        let entry = self.entries.get_mut(&object)?;
        if entry.failure.is_some() || entry.item.kind == ObjectKind::Directory {
            return None;
        }
        while self.blocks.contain((object, entry.ahead)) {
            entry.ahead += 1;
        }
        (entry.ahead < block_count(entry.item.size)).then_some(entry.ahead)
    }

    fn keep_open(&mut self, object: u32, file: Arc<OwnedFd>) {
        self.clock += 1;
        let Some(entry) = self.entries.get_mut(&object) else {
            return;
        };
        entry.last_used = self.clock;
        if entry.file.is_some() {
            return;
        }
        entry.file = Some(file);
        self.open.push(object);
        if self.open.len() <= MOST_OPEN {
            return;
        }
        let entries = &self.entries;
        let oldest = self
            .open
            .iter()
            .copied()
            .min_by_key(|open| entries.get(open).map(|entry| entry.last_used));
        if let Some(oldest) = oldest {
            self.open.retain(|open| *open != oldest);
            if let Some(entry) = self.entries.get_mut(&oldest) {
                entry.file = None;
            }
        }
    }
}

impl Entry {
    /// The block where the checksum goes on; `None` where there is none, or it is complete.
    fn block_without_checksum(&self) -> Option<u64> {
        let position = self.running.as_ref()?.position();
        (position < self.item.size).then_some(position / BLOCK_BYTES)
    }
}

impl Task {
    pub(super) const fn offset(&self) -> u64 {
        match self.work {
            Work::Read(block) | Work::Hash(block) => block * BLOCK_BYTES,
            Work::Compare(_) | Work::Examine(_) => 0,
        }
    }

    /// Bytes to read.
    pub(super) fn wanted_bytes(&self) -> usize {
        if matches!(self.work, Work::Compare(_) | Work::Examine(_)) {
            return 0;
        }
        let rest = self.item.size.saturating_sub(self.offset());
        usize::try_from(rest.min(BLOCK_BYTES)).unwrap_or(0)
    }

    /// Whether one read takes the whole file.
    pub(super) fn is_one_read(&self) -> bool {
        self.item.size <= BLOCK_BYTES
    }
}

/// Blocks of a file; an empty file has one, so that it is opened and examined.
const fn block_count(size: u64) -> u64 {
    let blocks = size.div_ceil(BLOCK_BYTES);
    if blocks == 0 { 1 } else { blocks }
}
