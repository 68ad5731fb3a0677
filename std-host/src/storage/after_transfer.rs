//! What becomes of the sources when they are delivered: removed, moved to an archive, or left.
//!
//! A thread of its own does it, file by file, each only when the receiver has confirmed it, and only if it is still
//! the file that was sent. Empty folders go at the end, if everything went well. Nothing that exists is replaced.
//!
//! Source: the meanings and limits of `--remove-after-transfer`, `--remove-skipped`, `--move-after-transfer`,
//! `--remove-empty-directories` and `--remove-empty-source-directory` are public. That a link to a file is removed or
//! moved itself, not what it leads to, is our choice.

mod archive;
mod empty_folders;

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use fasp_core::control::AfterTransfer;
use fasp_core::fault::Fault;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::attributes::Fingerprint;
use super::destination_tree::{last_name, parent};
use super::disk_fault::{shown, write_failure};
use super::docroot::Docroot;
use super::read_ahead::is_as_offered;
use super::waker::Waker;
use super::walk::SourceItem;
use super::write_behind::start_thread;
use crate::failure::{Failure, Outcome};
use archive::Archive;
pub use archive::check_outside;

/// What to do with sources.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SourceWishes {
    /// What is removed.
    pub afterwards: AfterTransfer,
    /// Where delivered files are moved to; not together with removing them.
    pub archive: Option<Vec<u8>>,
    /// The folder at which the paths of the session begin (`--src-base`); without it the sources themselves.
    pub base: Option<Vec<u8>>,
    /// The sources as they were named; none of a list, which needs a base where empty folders are removed.
    pub sources: Vec<Vec<u8>>,
}

impl SourceWishes {
    /// Whether sources change.
    #[must_use]
    pub fn any(&self) -> bool {
        self.archive.is_some() || self.afterwards != AfterTransfer::default()
    }
}

/// Something that happened to a source, or to all of them.
#[derive(Debug)]
pub enum CareEvent {
    /// A source could not be treated as wished, with its path in the session.
    Trouble(Vec<u8>, Failure),
    /// Everything that was asked for is done.
    Finished,
}

#[derive(Debug)]
enum Job {
    Delivered(SourceItem),
    Skipped(SourceItem),
    /// The session is over; whether every file is there.
    End(bool),
}

/// The thread, as the sender's sees it. Dropped, it ends when it has done what was asked for.
#[derive(Debug)]
pub struct SourceCare {
    jobs: Option<Sender<Job>>,
    events: Receiver<CareEvent>,
    thread: Option<JoinHandle<()>>,
}

impl SourceCare {
    /// Starts the thread; it rings `waker` when there is an event.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn start(
        docroot: Arc<Docroot>,
        wishes: SourceWishes,
        sources: Vec<Vec<u8>>,
        waker: Waker,
    ) -> Outcome<Self> {
        let (jobs, incoming) = channel();
        let (outgoing, events) = channel();
        let thread = start_thread("source-care", move || {
            let mut care = Care::new(docroot, wishes, sources);
            for job in incoming {
                for event in care.carry_out(job) {
                    let _ = outgoing.send(event);
                    waker.wake();
                }
            }
        })?;
        Ok(Self {
            jobs: Some(jobs),
            events,
            thread: Some(thread),
        })
    }

    /// The receiver has `item`.
    pub fn delivered(&self, item: SourceItem) {
        self.ask(Job::Delivered(item));
    }

    /// The receiver had `item` already.
    pub fn skipped(&self, item: SourceItem) {
        self.ask(Job::Skipped(item));
    }

    /// No more files; `all_well` if all are there. Answered by [`CareEvent::Finished`].
    pub fn end(&self, all_well: bool) {
        self.ask(Job::End(all_well));
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn next_event(&self) -> Option<CareEvent> {
        self.events.try_recv().ok()
    }

    fn ask(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // A thread that panicked has said so on standard error.
            let _ = jobs.send(job);
        }
    }
}

impl Drop for SourceCare {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
#[derive(Debug)]
struct Care {
    docroot: Arc<Docroot>,
    wishes: SourceWishes,
    sources: Vec<Vec<u8>>,
    archive: Option<Outcome<Archive>>,
    /// When files with more names than one were last changed, if that was by us.
    own_changes: HashMap<(u64, u64), i64>,
}

impl Care {
    fn new(docroot: Arc<Docroot>, wishes: SourceWishes, sources: Vec<Vec<u8>>) -> Self {
        let archive = wishes
            .archive
            .as_ref()
            .map(|path| Archive::open(&docroot, path));
        Self {
            docroot,
            wishes,
            sources,
            archive,
            own_changes: HashMap::new(),
        }
    }

    fn carry_out(&mut self, job: Job) -> Vec<CareEvent> {
        let afterwards = self.wishes.afterwards;
        match job {
            Job::Delivered(item) if self.wishes.archive.is_some() || afterwards.remove_files => {
                self.treat(&item)
            }
            Job::Skipped(item) if afterwards.remove_skipped => self.treat(&item),
            Job::Delivered(_) | Job::Skipped(_) => Vec::new(),
            Job::End(all_well) => {
                let mut events = Vec::new();
                if all_well && afterwards.remove_empty_folders {
                    let troubles =
                        empty_folders::remove(&self.docroot, &self.wishes, &self.sources);
                    events.extend(
                        troubles
                            .into_iter()
                            .map(|(path, failure)| CareEvent::Trouble(path, failure)),
                    );
                }
                events.push(CareEvent::Finished);
                events
            }
        }
    }

    fn treat(&mut self, item: &SourceItem) -> Vec<CareEvent> {
        match self.remove_or_move(item) {
            Ok(()) => Vec::new(),
            Err(failure) => vec![CareEvent::Trouble(item.path.clone(), failure)],
        }
    }

    fn remove_or_move(&mut self, item: &SourceItem) -> Outcome<()> {
        let path = &item.open_path;
        let failed = |error| write_failure(path, error);
        let folder = self.docroot.directory(parent(path)).map_err(failed)?;
        let name = last_name(path);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(failed)?;
        let stat = self.check_same(item, &file)?;
        match &mut self.archive {
            Some(Ok(archive)) => archive.take(&self.docroot, item, &folder, name)?,
            Some(Err(failure)) => return Err(failure.clone()),
            None => rustix::fs::unlinkat(&folder, name, AtFlags::empty()).map_err(failed)?,
        }
        if stat.st_nlink > 1
            && let Ok(stat) = rustix::fs::fstat(&file)
        {
            let changed = Fingerprint::of(&stat).changed_ns;
            self.own_changes.insert((stat.st_dev, stat.st_ino), changed);
        }
        Ok(())
    }

    /// Whether `file` is what was sent, or a link to that; gives what it is.
    fn check_same(&self, item: &SourceItem, file: &OwnedFd) -> Outcome<Stat> {
        let path = &item.open_path;
        let failed = |error: Errno| write_failure(path, error);
        let stat = rustix::fs::fstat(file).map_err(failed)?;
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let meant = if is_link {
            self.docroot.stat(path).map_err(failed)?
        } else {
            stat
        };
        let now = Fingerprint::of(&meant);
        let own_change = self.own_changes.get(&(meant.st_dev, meant.st_ino));
        let is_same = is_as_offered(item, now)
            && (now.changed_ns == item.changed_ns || own_change == Some(&now.changed_ns));
        if is_same {
            return Ok(stat);
        }
        let text = format!(
            "{}: the source was changed after it was sent and stays where it is",
            shown(path)
        );
        Err(Failure::new(Fault::DiskWrite, text))
    }
}

#[cfg(test)]
mod tests;
