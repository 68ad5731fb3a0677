//! Removing source folders that are empty, deepest first, never through a link.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use fasp_core::fault::Fault;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::SourceWishes;
use crate::failure::Failure;
use crate::storage::destination_tree::{last_name, parent};
use crate::storage::disk_fault::{named, write_failure};
use crate::storage::docroot::Docroot;
use crate::storage::mirror::read_entries;
use crate::storage::walk::base_name;

/// Folders within folders: each level keeps a descriptor.
const MOST_LEVELS: usize = 200;

/// Removes what is empty below the base of `wishes`, or else below each folder of `sources`; the parent of a source
/// that was a file, if that is empty now. What could not be removed, with its path.
pub(super) fn remove(
    docroot: &Docroot,
    wishes: &SourceWishes,
    sources: &[Vec<u8>],
) -> Vec<(Vec<u8>, Failure)> {
    let mut sweep = Sweep {
        path: Vec::new(),
        troubles: Vec::new(),
    };
    let mut parents = BTreeSet::new();
    if let Some(base) = &wishes.base {
        sweep.root(docroot, base);
    }
    for source in sources {
        let plain = trimmed(source);
        let is_folder = docroot
            .stat(source)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        if is_folder {
            if wishes.base.is_none() {
                sweep.root(docroot, plain);
            }
            if wishes.afterwards.remove_source_folder && !base_name(source).is_empty() {
                sweep.itself(docroot, plain);
            }
        } else if wishes.base.is_none() && matches!(docroot.stat(source), Err(Errno::NOENT)) {
            parents.insert(parent(plain));
        }
    }
    for parent in parents {
        if !base_name(parent).is_empty() {
            sweep.itself(docroot, parent);
        }
    }
    sweep.troubles
}

/// `path` without slashes and dots at its end.
fn trimmed(mut path: &[u8]) -> &[u8] {
    while path.len() > 1
        && let Some(shorter) = path.strip_suffix(b"/").or_else(|| path.strip_suffix(b"/."))
        && !shorter.is_empty()
    {
        path = shorter;
    }
    path
}

struct Sweep {
    path: Vec<u8>,
    troubles: Vec<(Vec<u8>, Failure)>,
}

impl Sweep {
    /// Sweeps below a folder that stays itself.
    fn root(&mut self, docroot: &Docroot, path: &[u8]) {
        self.path = path.to_vec();
        match docroot.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(folder) => self.below(&folder, 0),
            Err(Errno::NOENT) => {}
            Err(error) => self.trouble(error),
        }
    }

    /// Removes a folder, if it is empty and no link.
    fn itself(&mut self, docroot: &Docroot, path: &[u8]) {
        self.path = path.to_vec();
        match docroot.directory(parent(path)) {
            Ok(folder) => self.remove(&folder, last_name(path)),
            Err(error) => self.trouble(error),
        }
    }

    fn below(&mut self, folder: &OwnedFd, level: usize) {
        if level >= MOST_LEVELS {
            let failure = named(&self.path, Fault::FilePathTooLong);
            self.troubles.push((self.path.clone(), failure));
            return;
        }
        let entries = match read_entries(folder) {
            Ok(entries) => entries,
            Err(error) => return self.trouble(error),
        };
        for (name, _) in entries.iter().filter(|(_, is_folder)| *is_folder) {
            let outer = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(name);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::openat(folder, name.as_slice(), flags, Mode::empty()) {
                Ok(inner) => {
                    self.below(&inner, level + 1);
                    self.remove(folder, name);
                }
                Err(Errno::NOENT) => {}
                Err(error) => self.trouble(error),
            }
            self.path.truncate(outer);
        }
    }

    fn remove(&mut self, folder: &OwnedFd, name: &[u8]) {
        match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
            // Something is in it, it is gone, it is a link, or somebody stands in it.
            Ok(())
            | Err(
                Errno::NOTEMPTY
                | Errno::EXIST
                | Errno::NOENT
                | Errno::NOTDIR
                | Errno::BUSY
                | Errno::INVAL,
            ) => {}
            Err(error) => self.trouble(error),
        }
    }

    fn trouble(&mut self, error: Errno) {
        let failure = write_failure(&self.path, error);
        self.troubles.push((self.path.clone(), failure));
    }
}
