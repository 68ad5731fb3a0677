//! Locks of split files: of the plan, for a moment, and of a part, as long as a session is at it.
//!
//! Both are `flock`, which holds between processes and, on network file systems that have it, between machines; it
//! ends with its owner. A lock file of a part is made, taken and removed under the lock of the plan only.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::SplitFile;
use super::plan::{Plan, PlanFile};
use crate::failure::Outcome;
use crate::storage::attributes::Fingerprint;
use crate::storage::control_file::is_named;
use crate::storage::disk;
use crate::storage::disk_fault::write_failure;

/// How long a lock is waited for: a session that was lost is still at its part until the server notices.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 150 } else { 10_000 });
const PAUSE: Duration = Duration::from_millis(15);

/// The lock of a plan, and what the plan says; ends when dropped.
#[derive(Debug)]
pub(in super::super) struct Locked {
    file: PlanFile,
    pub(super) plan: Option<Plan>,
}

impl Locked {
    pub(super) fn save(&mut self, plan: Plan) -> Result<(), Errno> {
        self.file.save(&plan)?;
        self.plan = Some(plan);
        Ok(())
    }

    pub(super) fn clear(&mut self) -> Result<(), Errno> {
        self.file.clear()?;
        self.plan = None;
        Ok(())
    }
}

/// Patience with others.
pub(super) struct Waiting {
    until: Instant,
}

impl Waiting {
    pub(super) fn begin() -> Self {
        Self {
            until: Instant::now() + PATIENCE,
        }
    }

    /// Waits a moment; `false` when it has been long enough.
    pub(super) fn goes_on(&self) -> bool {
        std::thread::sleep(PAUSE);
        Instant::now() < self.until
    }
}

impl SplitFile {
    /// Takes the lock of the plan, which is made if it is not there.
    pub(super) fn lock(&self, folder: &OwnedFd, waiting: &Waiting) -> Outcome<Locked> {
        let name = self.plan_name();
        loop {
            let file = match open(folder, &name) {
                Err(Errno::NOENT) => disk::create(folder, &name, Mode::from_raw_mode(0o600)),
                outcome => outcome,
            };
            match file {
                Ok(file) => {
                    let inode = self.number_of(&file)?;
                    // Whoever had it before may have removed it.
                    if self.try_lock(&file)? && is_named(folder, &name, inode) {
                        let (file, plan) = PlanFile::read(file).map_err(|error| match error {
                            Errno::EXIST => {
                                self.failure("a file of somebody else has the name of the plan")
                            }
                            error => write_failure(&self.path, error),
                        })?;
                        return Ok(Locked { file, plan });
                    }
                }
                // Another session was faster.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(write_failure(&self.path, error)),
            }
            if !waiting.goes_on() {
                return Err(
                    self.failure("another session holds the plan of the parts; try again later")
                );
            }
        }
    }

    /// The lock of this part, if nobody has it. The lock of the plan must be held.
    pub(super) fn try_hold(&self, folder: &OwnedFd) -> Outcome<Option<OwnedFd>> {
        let name = self.lock_of(self.share.node());
        let file = match open(folder, &name) {
            Err(Errno::NOENT) => disk::create(folder, &name, Mode::from_raw_mode(0o600)),
            outcome => outcome,
        };
        let file = file.map_err(|error| write_failure(&self.path, error))?;
        self.number_of(&file)?;
        Ok(self.try_lock(&file)?.then_some(file))
    }

    /// Whether no session is at part `node`. The lock of the plan must be held.
    pub(super) fn is_free(&self, folder: &OwnedFd, node: u8) -> Outcome<bool> {
        match open(folder, &self.lock_of(node)) {
            Err(Errno::NOENT) => Ok(true),
            Ok(file) => self.try_lock(&file),
            Err(error) => Err(write_failure(&self.path, error)),
        }
    }

    fn number_of(&self, file: &OwnedFd) -> Outcome<u64> {
        let stat = rustix::fs::fstat(file).map_err(|error| write_failure(&self.path, error))?;
        let facts = Fingerprint::of(&stat);
        if facts.regular {
            Ok(facts.inode)
        } else {
            Err(self.failure("what has the name of a lock is no file"))
        }
    }

    fn try_lock(&self, file: &OwnedFd) -> Outcome<bool> {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
            Err(_) => Err(self.failure("the file system has no locks, which parts of a file need")),
        }
    }
}

fn open(folder: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}
