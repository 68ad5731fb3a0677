//! The other processes on a link: each has a file with its claims, locked for as long as it lives.
//!
//! Whoever finds a file without a lock knows that its process is gone, and removes it. Nobody waits for anybody. The
//! folder is like `/tmp`: everybody may add files and remove only his own. What stands in a file of another user is
//! checked and bounded, but it is his word: who may start programs on the host can claim a share.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags};

use super::sharing::Claim;

/// Processes that are listened to.
const MOST_PROCESSES: usize = 1_024;
/// Bytes of a file that are read; sessions beyond that have no voice.
const MOST_BYTES: usize = 64 * 1024;
/// The last line of a file that was written wholly.
const END: &str = "end\n";
/// How often a file is looked at again that is being written.
const TRIES: usize = 3;

/// This process among the others on one link.
#[derive(Debug)]
pub(super) struct Neighbours {
    folder: OwnedFd,
    own: PathBuf,
    /// Of all files of this link.
    prefix: String,
    file: OwnedFd,
}

impl Neighbours {
    /// Makes the file of this process for the link `name`, and `folder` if it is missing.
    pub(super) fn join(folder: &Path, name: &str) -> io::Result<Self> {
        if !folder.is_dir() {
            std::fs::create_dir_all(folder)?;
            rustix::fs::chmod(folder, Mode::from_raw_mode(0o1777))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
        let prefix = format!("trunk-{name}.");
        let own = format!("{prefix}{}", std::process::id());
        let unready = format!(".{own}");
        // What has these names is of a process that had our number before.
        let _ = rustix::fs::unlinkat(&folder, &own, AtFlags::empty());
        let _ = rustix::fs::unlinkat(&folder, &unready, AtFlags::empty());
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, &unready, flags, Mode::from_raw_mode(0o644))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // It gets its name with its lock: without one it would be taken for a dead one's.
        rustix::fs::renameat(&folder, &unready, &folder, &own)?;
        Ok(Self {
            folder,
            own: own.into(),
            prefix,
            file,
        })
    }

    /// Tells the claims of this process and gives those of the others.
    pub(super) fn exchange(&self, own: &[Claim]) -> Vec<Claim> {
        let mut text: String = own
            .iter()
            .map(|claim| format!("{} {}\n", claim.weight, claim.most_bps))
            .collect();
        text.truncate(text.len().min(MOST_BYTES - END.len()));
        text.push_str(END);
        // A folder that is full keeps what was told before.
        let _ = rustix::io::pwrite(&self.file, text.as_bytes(), 0);
        let _ = rustix::fs::ftruncate(&self.file, u64::try_from(text.len()).unwrap_or(0));
        let names = self.others().unwrap_or_default();
        names.iter().flat_map(|name| self.claims_of(name)).collect()
    }

    fn others(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.folder)? {
            let name = entry?.file_name().to_bytes().to_vec();
            let is_other =
                name.starts_with(self.prefix.as_bytes()) && name != self.own.as_os_str().as_bytes();
            if is_other && names.len() < MOST_PROCESSES {
                names.push(std::os::unix::ffi::OsStringExt::from_vec(name));
            }
        }
        Ok(names)
    }

    fn claims_of(&self, name: &OsString) -> Vec<Claim> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            let Ok(file) = rustix::fs::openat(&self.folder, name, flags, Mode::empty()) else {
                return Vec::new();
            };
            let is_file = rustix::fs::fstat(&file)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
            if !is_file {
                return Vec::new();
            }
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
                // Nobody holds it: its process is gone. Not ours to remove is not ours to listen to either.
                let _ = rustix::fs::unlinkat(&self.folder, name, AtFlags::empty());
                return Vec::new();
            }
            let mut text = String::new();
            let most = u64::try_from(MOST_BYTES).unwrap_or(0);
            let read = File::from(file).take(most).read_to_string(&mut text);
            if read.is_ok() && text.ends_with(END) {
                return text.lines().filter_map(claim).collect();
            }
        }
        Vec::new()
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        let _ = rustix::fs::unlinkat(&self.folder, &self.own, AtFlags::empty());
    }
}

fn claim(line: &str) -> Option<Claim> {
    let (weight, most_bps) = line.split_once(' ')?;
    Some(Claim {
        weight: weight
            .parse()
            .ok()
            .filter(|weight| (1..=1_000).contains(weight))?,
        most_bps: most_bps.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_ones_claims_end_with_its_lock_and_a_foreign_file_is_only_read() {
        let folder = tempfile::tempdir().unwrap();
        let us = Neighbours::join(folder.path(), "7-in").unwrap();
        assert_eq!(us.exchange(&[]), []);
        // A living process: a file with a lock held by another description of it.
        let living = folder.path().join("trunk-7-in.1");
        std::fs::write(&living, "2 500\nnonsense\n0 1\n1 x\nend\n").unwrap();
        let held = File::open(&living).unwrap();
        rustix::fs::flock(&held, FlockOperation::LockExclusive).unwrap();
        std::fs::write(folder.path().join("trunk-8-in.1"), "9 9\nend\n").unwrap();
        std::os::unix::fs::symlink(&living, folder.path().join("trunk-7-in.2")).unwrap();
        let claim = Claim {
            weight: 2,
            most_bps: 500,
        };
        assert_eq!(us.exchange(&[claim]), [claim]);
        drop(held);
        assert_eq!(us.exchange(&[claim]), []);
        assert!(!living.exists());
        drop(us);
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2);
    }
}
