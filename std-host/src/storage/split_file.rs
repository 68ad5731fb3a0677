//! A file that several sessions receive side by side, each its part of the bytes, into one common file.
//!
//! The sessions may be processes, of one machine or of several that share the storage, and know of one another only
//! what lies beside the file: the common file `<name>.ascp-parts`, the plan (`.plan`), and for each part a lock (`.1`)
//! and notes (`.1.aspx`). Everything is looked at and changed under the lock of the plan, which nobody holds for long.
//! A part is written only while its lock is held and the plan does not call it durable; the file gets its name only
//! when all are. So the bytes of a file that has its name never change, and no part of another source is in it.
//!
//! Source: PROTOCOL.md §6.12 and §10.5.

mod locking;
mod plan;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;

use fasp_core::control::{MOST_NODES, Share};
use fasp_core::fault::Fault;
use fasp_core::metadata::ByteRange;
use fasp_core::overwrite::Attributes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::{Fingerprint, modified_ns, size_of_file};
use super::control_file::{ControlFile, is_named};
use super::disk;
use super::disk_fault::{shown, write_failure};
use super::partial_file::parts_name;
use crate::failure::{Failure, Outcome};
pub(super) use locking::Locked;
use plan::Plan;
pub(super) use plan::SourceState;

/// Which files a session splits with others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Splitting {
    /// Which one it is.
    pub share: Share,
    /// Files of at least so many bytes are split; 0 for none.
    pub from: u64,
}

impl Splitting {
    /// The part of this session of a file of `size` bytes. `None` if files of this size are not split;
    /// `Some(None)` if they are, and it gets none.
    #[must_use]
    pub fn part_of(self, size: u64) -> Option<Option<ByteRange>> {
        (self.from > 0 && size >= self.from && !self.share.is_all()).then(|| {
            self.share
                .part_of(size)
                .map(|std::ops::Range { start, end }| ByteRange { start, end })
        })
    }
}

/// The common file, as a session finds it.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) file: OwnedFd,
    pub(super) facts: Fingerprint,
}

/// What a session finds that wants a part.
#[derive(Debug)]
pub(super) enum Entered {
    /// The common file.
    Part(Common),
    /// Meanwhile the file got its name, or another one was put there or taken away: this is there now.
    Changed(Option<Attributes>),
}

/// What it means that a part is on the disk.
#[derive(Debug)]
pub(super) enum Durable {
    /// Other parts are missing: the file waits for them.
    Waiting,
    /// It was the last one. The file can get its name while this is held.
    Last(Locked),
    /// The file has its name already.
    Joined,
}

/// A session's hold on its part of a file.
#[derive(Debug)]
pub(super) struct SplitFile {
    /// The file, for sentences.
    path: Vec<u8>,
    name: Vec<u8>,
    /// The common file, and what all other names begin with.
    stem: Vec<u8>,
    share: Share,
    source: SourceState,
    /// Which common file it is.
    set: [u8; 16],
    inode: u64,
    /// The lock of the part.
    hold: Option<OwnedFd>,
}

impl SplitFile {
    /// The file `name` at `path`, of which `share` is received.
    pub(super) fn new(path: Vec<u8>, name: &[u8], share: Share, source: SourceState) -> Self {
        Self {
            path,
            name: name.to_vec(),
            stem: parts_name(name),
            share,
            source,
            set: [0; 16],
            inode: 0,
            hold: None,
        }
    }

    /// The name of the common file.
    pub(super) fn common_name(&self) -> &[u8] {
        &self.stem
    }

    /// The name of the notes about this part.
    pub(super) fn notes_name(&self) -> Vec<u8> {
        self.notes_of(self.share.node())
    }

    /// Bytes of the whole file.
    pub(super) const fn size(&self) -> u64 {
        self.source.size
    }

    /// What the notes about this part must carry to be believed.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"ascp part");
        hasher.update(&self.set);
        hasher.update(&[self.share.node(), self.share.count()]);
        *hasher.finalize().as_bytes()
    }

    /// Takes the part, in the common file that is there or a new one. Unless it `keeps` what is there, the part counts
    /// as not received. A new one is begun only if the file itself is still as it was `seen`.
    ///
    /// # Errors
    ///
    /// That another session is at the part or receives another state of the source, or that parts were thrown away
    /// that other sessions have delivered.
    pub(super) fn enter(
        &mut self,
        folder: &OwnedFd,
        mode: Mode,
        keeps: bool,
        seen: Option<Attributes>,
    ) -> Outcome<Entered> {
        let waiting = locking::Waiting::begin();
        loop {
            let mut locked = self.lock(folder, &waiting)?;
            if let Some(hold) = self.try_hold(folder)? {
                let now = present(folder, &self.name);
                if locked.plan.is_none() && now != seen {
                    return Ok(Entered::Changed(now));
                }
                self.hold = Some(hold);
                let common = self.enter_held(folder, &mut locked, mode, keeps)?;
                return Ok(Entered::Part(common));
            }
            drop(locked);
            if !waiting.goes_on() {
                let text = "another session receives this part of the file; try again later";
                return Err(self.failure(text));
            }
        }
    }

    fn enter_held(
        &mut self,
        folder: &OwnedFd,
        locked: &mut Locked,
        mode: Mode,
        keeps: bool,
    ) -> Outcome<Common> {
        let found = locked.plan;
        let common = match &found {
            Some(plan) => self.common(folder, plan.inode, plan.source.size),
            None => None,
        };
        match (found, common) {
            (Some(plan), Some(common)) if plan.source == self.source => {
                (self.set, self.inode) = (plan.set, plan.inode);
                if !keeps {
                    self.save(locked, |durable, own| durable & !own)?;
                }
                return Ok(common);
            }
            (Some(old), common) => {
                let loss = self.judge(folder, &old, common.is_some())?;
                self.throw_away(folder, locked)?;
                if let Some(text) = loss {
                    self.remove_all(folder);
                    return Err(self.failure(&text));
                }
            }
            (None, _) => {
                // Between plans there is no common file: it goes first, and comes last.
                if exists(folder, &self.stem) {
                    self.remove_all(folder);
                    let name = shown(&self.stem);
                    return Err(self.failure(&format!("{name} is of somebody else; move it away")));
                }
                self.throw_away(folder, locked)?;
            }
        }
        self.begin(folder, locked, mode)
            .map_err(|error| write_failure(&self.path, error))
    }

    /// A new common file, and a plan that speaks of it.
    fn begin(
        &mut self,
        folder: &OwnedFd,
        locked: &mut Locked,
        mode: Mode,
    ) -> Result<Common, Errno> {
        // A plan without a common file: whoever finds one later knows that it is ours.
        locked.save(Plan {
            source: self.source,
            set: [0; 16],
            inode: 0,
            durable: 0,
        })?;
        let file = disk::create(folder, &self.stem, mode)?;
        disk::set_length(&file, self.source.size)?;
        let facts = Fingerprint::of(&rustix::fs::fstat(&file)?);
        self.inode = facts.inode;
        let random = || RandomState::new().hash_one(facts.inode).to_be_bytes();
        let halves = [random(), random()].concat();
        self.set = halves.try_into().unwrap_or_default();
        disk::sync_file(&file)?;
        // The plan speaks only of a file that is there after a crash too.
        disk::sync_names(folder)?;
        locked.save(Plan {
            source: self.source,
            set: self.set,
            inode: self.inode,
            durable: 0,
        })?;
        Ok(Common { file, facts })
    }

    /// What is to be told when the parts that `old` speaks of are thrown away; `has_common` says whether their common
    /// file is there.
    ///
    /// # Errors
    ///
    /// That another session is still at one of them: then they stay.
    fn judge(&self, folder: &OwnedFd, old: &Plan, has_common: bool) -> Outcome<Option<String>> {
        let same_count = old.source.count == self.source.count;
        let is_own = |node: u8| same_count && node == self.share.node();
        for node in (1..=old.source.count.min(MOST_NODES)).filter(|node| !is_own(*node)) {
            if node != self.share.node() && !self.is_free(folder, node)? {
                let what = match (same_count, old.source == self.source) {
                    (_, true) => "its common file was removed or replaced",
                    (true, false) => {
                        "it is of another state of the source, which changed between the sessions"
                    }
                    (false, false) => "it is one of another number of sessions (-C)",
                };
                let text = format!("another session receives part {node}, and {what}");
                return Err(self.failure(&text));
            }
        }
        let all = self.is_complete(old);
        let delivered = |node: &u8| !is_own(*node) && old.has(*node);
        let lost = (1..=old.source.count.min(MOST_NODES)).find(delivered);
        Ok(match lost {
            // All of them: the file has its name, or the session that was to give it failed.
            _ if all || !same_count => None,
            None => None,
            Some(node) if old.source == self.source && !has_common => Some(format!(
                "what session {node} delivered was removed or replaced; run all sessions again"
            )),
            Some(node) => Some(format!(
                "the source changed between the sessions: the part of session {node} was of another state and is \
                 thrown away; run all sessions again"
            )),
        })
    }

    /// Whether every part of what `plan` speaks of is durable.
    fn is_complete(&self, plan: &Plan) -> bool {
        let Some(any) = Share::new(1, plan.source.count) else {
            return false;
        };
        let mut needed = any
            .sessions()
            .filter(|share| share.part_of(plan.source.size).is_some());
        needed.all(|share| plan.has(share.node()))
    }

    /// Removes what is left of an earlier set; first it counts for nothing, and surely, and the plan goes last.
    fn throw_away(&self, folder: &OwnedFd, locked: &mut Locked) -> Outcome<()> {
        let outcome = match locked.plan {
            Some(plan) => locked.save(Plan {
                set: [0; 16],
                inode: 0,
                durable: 0,
                ..plan
            }),
            None => Ok(()),
        };
        let outcome = outcome.and_then(|()| {
            for node in 1..=MOST_NODES {
                ControlFile::remove(folder, &self.notes_of(node));
                if node != self.share.node() {
                    remove_lock(folder, &self.lock_of(node));
                }
            }
            if locked.plan.is_some() {
                match disk::unlink(folder, &self.stem) {
                    Ok(()) | Err(Errno::NOENT) => disk::sync_names(folder)?,
                    Err(error) => return Err(error),
                }
            }
            locked.clear()
        });
        outcome.map_err(|error| write_failure(&self.path, error))
    }

    /// The common file, if it is the one with this number and of the right size.
    fn common(&self, folder: &OwnedFd, inode: u64, size: u64) -> Option<Common> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, &self.stem, flags, Mode::empty()).ok()?;
        let facts = Fingerprint::of(&rustix::fs::fstat(&file).ok()?);
        let fits = facts.regular && facts.inode == inode && facts.size == size;
        fits.then_some(Common { file, facts })
    }

    /// From here on the part counts as not received: it is written again.
    pub(super) fn restart(&self, folder: &OwnedFd) -> Outcome<()> {
        let mut locked = self.lock(folder, &locking::Waiting::begin())?;
        if !self.is_ours(folder, &locked) {
            return Err(self.is_gone(folder, &locked));
        }
        self.save(&mut locked, |durable, own| durable & !own)
    }

    /// The bytes of the part and the notes about them are on the disk.
    pub(super) fn finish(&self, folder: &OwnedFd) -> Outcome<Durable> {
        let mut locked = self.lock(folder, &locking::Waiting::begin())?;
        if self.is_ours(folder, &locked) {
            self.save(&mut locked, |durable, own| durable | own)?;
            let all = locked.plan.is_some_and(|plan| self.is_complete(&plan));
            return Ok(if all {
                Durable::Last(locked)
            } else {
                Durable::Waiting
            });
        }
        if is_named(folder, &self.name, self.inode) {
            if locked.plan.is_none() {
                self.remove_all(folder);
            }
            return Ok(Durable::Joined);
        }
        Err(self.is_gone(folder, &locked))
    }

    /// Whether the plan still speaks of the common file that this session writes to.
    fn is_ours(&self, folder: &OwnedFd, locked: &Locked) -> bool {
        let same = locked.plan.is_some_and(|plan| plan.set == self.set);
        same && is_named(folder, &self.stem, self.inode)
    }

    fn is_gone(&self, folder: &OwnedFd, locked: &Locked) -> Failure {
        if locked.plan.is_none() {
            self.remove_all(folder);
        }
        self.failure(
            "another session threw away what was here of the parts; run all sessions again",
        )
    }

    fn save(&self, locked: &mut Locked, change: impl Fn(u128, u128) -> u128) -> Outcome<()> {
        let Some(mut plan) = locked.plan else {
            return Err(write_failure(&self.path, Errno::STALE));
        };
        let durable = change(plan.durable, Plan::bit(self.share.node()));
        if durable == plan.durable {
            return Ok(());
        }
        plan.durable = durable;
        locked
            .save(plan)
            .map_err(|error| write_failure(&self.path, error))
    }

    /// Ends without a part worth keeping: what is there goes if nobody else has anything in it.
    pub(super) fn give_up(&mut self, folder: &OwnedFd) {
        ControlFile::remove(folder, &self.notes_name());
        let Ok(mut locked) = self.lock(folder, &locking::Waiting::begin()) else {
            return;
        };
        let has_others = || {
            (1..=self.share.count())
                .filter(|node| *node != self.share.node())
                .any(|node| {
                    let is_free = self.is_free(folder, node).unwrap_or(false);
                    !is_free || exists(folder, &self.notes_of(node))
                })
        };
        let is_empty = locked.plan.is_none_or(|plan| plan.durable == 0);
        let is_ours = self.is_ours(folder, &locked) || locked.plan.is_none();
        if is_ours && is_empty && !has_others() && self.throw_away(folder, &mut locked).is_ok() {
            self.remove_all(folder);
        }
        self.hold = None;
    }

    /// Removes what a crash left behind a file that had got its name already; anything else stays.
    pub(super) fn clear_leftover(&self, folder: &OwnedFd) {
        if !exists(folder, &self.plan_name()) || exists(folder, &self.stem) {
            return;
        }
        let Ok(mut locked) = self.lock(folder, &locking::Waiting::begin()) else {
            return;
        };
        let is_over = locked.plan.is_some_and(|plan| self.is_complete(&plan));
        if (is_over || locked.plan.is_none())
            && !exists(folder, &self.stem)
            && self.throw_away(folder, &mut locked).is_ok()
        {
            remove_lock(folder, &self.lock_of(self.share.node()));
            remove(folder, &self.plan_name());
        }
    }

    /// Removes notes, locks and plan, which nobody needs any more; whoever calls holds the lock of the plan.
    pub(super) fn remove_all(&self, folder: &OwnedFd) {
        for node in 1..=MOST_NODES {
            ControlFile::remove(folder, &self.notes_of(node));
            remove_lock(folder, &self.lock_of(node));
        }
        remove(folder, &self.plan_name());
    }

    /// Lets go of the part; its lock is taken again by [`Self::hold_again`].
    pub(super) fn release(&mut self) {
        self.hold = None;
    }

    /// Takes the part again after [`Self::release`], and opens the common file.
    pub(super) fn hold_again(&mut self, folder: &OwnedFd) -> Outcome<OwnedFd> {
        let locked = self.lock(folder, &locking::Waiting::begin())?;
        if !self.is_ours(folder, &locked) {
            return Err(self.is_gone(folder, &locked));
        }
        if self.hold.is_none() {
            self.hold = self.try_hold(folder)?;
        }
        match self.common(folder, self.inode, self.source.size) {
            Some(common) if self.hold.is_some() => Ok(common.file),
            _ => Err(write_failure(&self.path, Errno::STALE)),
        }
    }

    fn notes_of(&self, node: u8) -> Vec<u8> {
        [&self.stem, format!(".{node}.aspx").as_bytes()].concat()
    }

    fn lock_of(&self, node: u8) -> Vec<u8> {
        [&self.stem, format!(".{node}").as_bytes()].concat()
    }

    fn plan_name(&self) -> Vec<u8> {
        [&self.stem, b".plan".as_slice()].concat()
    }

    fn failure(&self, what: &str) -> Failure {
        let share = self.share;
        let text = format!(
            "{}: {}: part {} of {}: {what}",
            Fault::DiskWrite.text(),
            shown(&self.path),
            share.node(),
            share.count()
        );
        Failure::new(Fault::DiskWrite, text)
    }
}

fn remove(folder: &OwnedFd, name: &[u8]) {
    // What stays is looked at again by whoever comes next.
    let _ = disk::unlink(folder, name);
}

/// Locks are empty: anything else is of somebody else.
fn remove_lock(folder: &OwnedFd, name: &[u8]) {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    if stat.is_ok_and(|stat| stat.st_size == 0 && Fingerprint::of(&stat).regular) {
        remove(folder, name);
    }
}

/// What has the name of the file itself.
fn present(folder: &OwnedFd, name: &[u8]) -> Option<Attributes> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    is_regular.then(|| Attributes {
        size: size_of_file(&stat),
        modified_ns: modified_ns(&stat),
    })
}

fn exists(folder: &OwnedFd, name: &[u8]) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
