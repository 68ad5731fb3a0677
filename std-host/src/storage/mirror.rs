//! Deleting at the destination what the source has not (`--delete-before-transfer`).
//!
//! Works from a complete list of the source's names, within the destination folder, never through a link. What has
//! another type than in the source stays, as does what a transfer has left to go on with, and what is protected.
//!
//! Source: PROTOCOL.md §6.8; that types and sizes do not count is public.

mod listing;

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use fasp_core::fault::Fault;
use fasp_core::selection::links::LinkTreatment;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::destination_tree::DestinationTree;
use super::disk_fault::{named, write_failure};
use super::docroot::Docroot;
use super::selection::Choice;
use super::source_list::SourceNames;
use super::walk::SourceWalk;
use crate::failure::{Failure, Outcome};
use listing::Listed;
pub use listing::Listing;

/// Folders within folders: each level keeps a descriptor.
const MOST_LEVELS: usize = 200;
/// Bytes of directory entries asked of the system at once.
const ENTRIES_BYTES: usize = 32 * 1024;
/// What accompanies a file that a session is receiving, or its attributes.
const COMPANIONS: [&[u8]; 3] = [b".ascp-part", b".aspx", b".aspera-meta"];

/// What was deleted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Deletion {
    /// Files and folders.
    pub count: u64,
    /// The first that could not be deleted.
    pub failure: Option<Failure>,
}

/// What may not be deleted although the source has it not.
pub struct Keep<'k> {
    /// Says so of a path as an OPEN record would have it, and whether it is a folder.
    pub is_protected: &'k (dyn Fn(&[u8], bool) -> bool + Sync),
    /// The user's suffix of partial files.
    pub partial_suffix: Option<&'k [u8]>,
}

impl std::fmt::Debug for Keep<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keep")
            .field("partial_suffix", &self.partial_suffix)
            .finish_non_exhaustive()
    }
}

/// Walks the single source and gives its names, folders with `/` at the end. Of `choice`, what the session sends, only
/// the treatment of links and special files counts: what rules and times leave out is listed too.
///
/// `tell` takes one name and says whether to go on. `false` is returned if something could not be looked at: nothing
/// may be deleted then.
pub fn list(
    docroot: std::sync::Arc<Docroot>,
    source: Vec<u8>,
    choice: &Choice,
    mut tell: impl FnMut(Vec<u8>) -> bool,
) -> bool {
    let everything = Choice {
        links: match choice.links {
            LinkTreatment::Follow | LinkTreatment::FollowAnywhere => choice.links,
            // Not looked through: a link that leads nowhere is a name like any other.
            LinkTreatment::Skip | LinkTreatment::Copy | LinkTreatment::CopyForce => {
                LinkTreatment::Copy
            }
        },
        skip_special: choice.skip_special,
        ..Choice::default()
    };
    for item in SourceWalk::new(docroot, SourceNames::of(vec![source]), &everything) {
        let Ok(item) = item else {
            return false;
        };
        let mut name = item.path;
        if item.kind == fasp_core::metadata::ObjectKind::Directory {
            name.push(b'/');
        }
        if !tell(name) {
            return false;
        }
    }
    true
}

/// Deletes below the destination of `tree` what is not in `listing`; ends early when `stop` is set.
///
/// # Errors
///
/// That the destination is no folder. That single files could not be deleted is told in the [`Deletion`].
pub fn delete(
    tree: &DestinationTree,
    listing: &Listing,
    keep: &Keep<'_>,
    stop: &AtomicBool,
) -> Outcome<Deletion> {
    let path = tree.locate(listing.root())?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let folder = match tree.docroot().open(&path, flags) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(Deletion::default()),
        Err(error) => return Err(write_failure(&path, error)),
    };
    let mut pruning = Pruning {
        listing,
        keep,
        stop,
        path: listing.root().to_vec(),
        done: Deletion::default(),
    };
    pruning.compare(&folder, 0);
    Ok(pruning.done)
}

struct Pruning<'p> {
    listing: &'p Listing,
    keep: &'p Keep<'p>,
    stop: &'p AtomicBool,
    /// Of the folder at hand, as an OPEN record would have it.
    path: Vec<u8>,
    done: Deletion,
}

impl Pruning<'_> {
    /// Deletes in a folder that the source has too.
    fn compare(&mut self, folder: &OwnedFd, level: usize) {
        for (name, is_folder) in self.entries(folder) {
            let outer = self.enter(&name);
            match (self.listing.find(&self.path), is_folder) {
                (Some(Listed::Folder), true) => self.below(folder, &name, level, false),
                (Some(_), _) => {}
                (None, false) if self.accompanies(&name, outer) => {}
                (None, _) => self.remove(folder, &name, is_folder, level),
            }
            self.path.truncate(outer);
        }
    }

    /// Deletes an entry that the source has not, and what is in it.
    fn remove(&mut self, folder: &OwnedFd, name: &[u8], is_folder: bool, level: usize) {
        if self.stop.load(Ordering::Relaxed) || (self.keep.is_protected)(&self.path, is_folder) {
            return;
        }
        let flags = if is_folder {
            self.below(folder, name, level, true);
            AtFlags::REMOVEDIR
        } else {
            AtFlags::empty()
        };
        match rustix::fs::unlinkat(folder, name, flags) {
            Ok(()) => self.done.count += 1,
            // Something protected is in it, or it is gone.
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_folder => {}
            Err(Errno::NOENT) => {}
            Err(error) => self.failed(write_failure(&self.path, error)),
        }
    }

    /// Goes into the folder `name`, which may have become something else meanwhile.
    fn below(&mut self, folder: &OwnedFd, name: &[u8], level: usize, removes: bool) {
        if level >= MOST_LEVELS {
            self.failed(named(&self.path, Fault::FilePathTooLong));
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(inner) if removes => {
                for (name, is_folder) in self.entries(&inner) {
                    let outer = self.enter(&name);
                    self.remove(&inner, &name, is_folder, level + 1);
                    self.path.truncate(outer);
                }
            }
            Ok(inner) => self.compare(&inner, level + 1),
            Err(Errno::NOENT) => {}
            Err(error) => self.failed(write_failure(&self.path, error)),
        }
    }

    /// Makes `name` the end of the path; gives the length to return to.
    fn enter(&mut self, name: &[u8]) -> usize {
        let outer = self.path.len();
        self.path.push(b'/');
        self.path.extend_from_slice(name);
        outer
    }

    /// Whether `name` belongs to a file that the source has: a partial file, its note, attributes beside it.
    fn accompanies(&self, name: &[u8], outer: usize) -> bool {
        let folder = self.path.get(..outer).unwrap_or_default();
        let is_listed = |stem: &[u8]| {
            let path = [folder, b"/", stem].concat();
            self.listing.find(&path) == Some(Listed::File)
        };
        let own = self.keep.partial_suffix;
        let noted = own.map(|suffix| [suffix, b".aspx"].concat());
        let suffixes = COMPANIONS.into_iter().chain(own).chain(noted.as_deref());
        suffixes
            .filter_map(|suffix| name.strip_suffix(suffix))
            .chain(without_parts(name))
            .any(|stem| is_listed(stem) || is_listed(without_random(stem)) || is_cut(stem))
    }

    fn entries(&mut self, folder: &OwnedFd) -> Vec<(Vec<u8>, bool)> {
        read_entries(folder).unwrap_or_else(|error| {
            self.failed(write_failure(&self.path, error));
            Vec::new()
        })
    }

    fn failed(&mut self, failure: Failure) {
        self.done.failure.get_or_insert(failure);
    }
}

/// The name in that of anything that belongs to a file in parts (PROTOCOL.md §10.5).
fn without_parts(name: &[u8]) -> Option<&[u8]> {
    const PARTS: &[u8] = b".ascp-parts";
    let at = name.windows(PARTS.len()).rposition(|part| part == PARTS)?;
    let (stem, rest) = name.split_at_checked(at)?;
    let rest = rest.get(PARTS.len()..)?;
    let node = rest.strip_suffix(b".aspx").unwrap_or(rest);
    let is_node =
        |node: &[u8]| (1..=3).contains(&node.len()) && node.iter().all(u8::is_ascii_digit);
    let is_part = node.strip_prefix(b".").is_some_and(is_node);
    (rest.is_empty() || rest == b".plan" || is_part).then_some(stem)
}

/// The name in `.name.xxxxxxxx` or `name.xxxxxxxx`.
fn without_random(stem: &[u8]) -> &[u8] {
    let stem = stem.strip_prefix(b".").unwrap_or(stem);
    let Some((rest, digits)) = stem.len().checked_sub(9).map(|at| stem.split_at(at)) else {
        return stem;
    };
    match digits.split_first() {
        Some((b'.', digits)) if digits.iter().all(u8::is_ascii_hexdigit) => rest,
        _ => stem,
    }
}

/// Whether a name was too long and carries its hash: whose it is cannot be told.
fn is_cut(stem: &[u8]) -> bool {
    stem.len() > 100
        && stem
            .iter()
            .rposition(|byte| *byte == b'~')
            .is_some_and(|at| stem.len() - at >= 17)
}

/// Names in a folder, without `.` and `..`, and whether each is a folder itself; a link is none.
pub(super) fn read_entries(folder: &OwnedFd) -> Result<Vec<(Vec<u8>, bool)>, Errno> {
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); ENTRIES_BYTES];
    let mut entries = RawDir::new(folder.as_fd(), &mut buffer);
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            kind => kind,
        };
        found.push((name.to_bytes().to_vec(), kind == FileType::Directory));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
