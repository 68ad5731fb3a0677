//! Lists what the sources hold, one item at a time, in an order that depends on names alone.
//!
//! Depth first, names of a folder in byte order, a folder before its content, links followed.
//! Memory holds the names of the folders that are open, never the whole tree. What cannot be sent
//! comes as a [`SourceProblem`] in its place and the walk goes on.
//!
//! Source: the last component of a source names it at the destination, with or without a trailing
//! `/` (public behaviour). That `.`, `..` and `/` stand for their content alone is our choice.

mod folder;

use std::ffi::CStr;
use std::sync::Arc;

use fasp_core::fault::Fault;
use fasp_core::metadata::ObjectKind;
use rustix::fs::{FileType, Stat};

use super::attributes::{accessed_ns, changed_ns, modified_ns, size_of_file};
use super::disk_fault::{named, read_failure};
use super::docroot::Docroot;
use super::stored_attributes::OwnedAttributes;
use crate::failure::Failure;
use folder::Folder;

/// Longest path that the system takes in one call, with its end mark.
const PATH_MAX: usize = 4096;

/// Levels that keep their descriptor; those above are opened again when the walk returns to them.
const OPEN_LEVELS: usize = 32;

/// A file or folder to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceItem {
    /// Its path below the destination, as the record carries it.
    pub path: Vec<u8>,
    /// How the docroot reaches it.
    pub open_path: Vec<u8>,
    /// File or folder.
    pub kind: ObjectKind,
    /// Bytes of a file; 0 for a folder.
    pub size: u64,
    /// Modification time, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// Access time, nanoseconds since the Unix epoch.
    pub accessed_ns: i64,
    /// Permission bits (`0o7777`).
    pub mode: u32,
    /// The file's number in its file system: the same path may lead to another file later.
    pub inode: u64,
    /// The file system.
    pub device: u64,
    /// When anything about it was changed last, nanoseconds since the Unix epoch.
    pub changed_ns: i64,
    /// Number of its owner.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
    /// What is sent of it besides its record.
    pub attributes: Option<Box<OwnedAttributes>>,
}

/// Something that was named or found and cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceProblem {
    /// How the docroot would reach it.
    pub path: Vec<u8>,
    /// Why.
    pub fault: Fault,
    /// The sentence for the user; names the path.
    pub text: String,
}

/// The walk over all sources of a session.
#[derive(Debug)]
pub struct SourceWalk {
    docroot: Arc<Docroot>,
    sources: std::vec::IntoIter<Vec<u8>>,
    levels: Vec<Folder>,
    path: Vec<u8>,
    open_path: Vec<u8>,
}

impl SourceWalk {
    /// A walk over `sources` in the order given.
    #[must_use]
    pub fn new(docroot: Arc<Docroot>, sources: Vec<Vec<u8>>) -> Self {
        Self {
            docroot,
            sources: sources.into_iter(),
            levels: Vec::new(),
            path: Vec::new(),
            open_path: Vec::new(),
        }
    }

    /// A source argument: `Ok(None)` if it stands for its content alone.
    fn start(&mut self, source: &[u8]) -> Result<Option<SourceItem>, Failure> {
        let stat = self
            .docroot
            .stat(source)
            .map_err(|error| read_failure(source, error))?;
        self.path = base_name(source).to_vec();
        self.open_path = open_base(source, self.docroot.is_confined());
        if is_folder(&stat) {
            let item = (!self.path.is_empty()).then(|| self.item(&stat, ObjectKind::Directory));
            self.enter(&stat)?;
            return Ok(item);
        }
        self.open_path = source.to_vec();
        self.file(&stat).map(Some)
    }

    /// The next name of the innermost folder; `None` if it has no more.
    fn step(&mut self) -> Option<Result<SourceItem, Failure>> {
        let depth = self.levels.len();
        let level = self.levels.last_mut()?;
        if !level.advance() {
            self.levels.pop();
            return None;
        }
        let name = level.current().map(CStr::to_bytes).unwrap_or_default();
        join(&mut self.path, level.path_len, name);
        join(&mut self.open_path, level.open_path_len, name);
        let outcome = level
            .examine_current(&self.docroot, &self.open_path)
            .map_err(|error| read_failure(&self.open_path, error));
        Some(outcome.and_then(|stat| {
            if self.open_path.len() >= PATH_MAX {
                return Err(named(&self.open_path, Fault::FilePathTooLong));
            }
            if !is_folder(&stat) {
                return self.file(&stat);
            }
            let item = self.item(&stat, ObjectKind::Directory);
            self.enter(&stat)?;
            if let Some(far) = depth
                .checked_sub(OPEN_LEVELS)
                .and_then(|far| self.levels.get_mut(far))
            {
                far.close();
            }
            Ok(item)
        }))
    }

    fn file(&self, stat: &Stat) -> Result<SourceItem, Failure> {
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(named(&self.open_path, Fault::NotRegular));
        }
        let readable = match self.levels.last() {
            Some(level) => level.current_is_readable(&self.docroot, &self.open_path),
            None => self.docroot.open_to_read(&self.open_path).map(drop),
        };
        readable.map_err(|error| read_failure(&self.open_path, error))?;
        Ok(self.item(stat, ObjectKind::File))
    }

    /// Goes into the folder at the current path.
    fn enter(&mut self, stat: &Stat) -> Result<(), Failure> {
        let identity = (stat.st_dev, stat.st_ino);
        if self.levels.iter().any(|level| level.identity == identity) {
            return Err(named(&self.open_path, Fault::LinkLoop));
        }
        let folder = Folder::read(
            &self.docroot,
            &self.open_path,
            (self.path.len(), self.open_path.len()),
            identity,
        )
        .map_err(|error| read_failure(&self.open_path, error))?;
        self.levels.push(folder);
        Ok(())
    }

    fn item(&self, stat: &Stat, kind: ObjectKind) -> SourceItem {
        SourceItem {
            path: self.path.clone(),
            open_path: self.open_path.clone(),
            kind,
            size: match kind {
                ObjectKind::File => size_of_file(stat),
                _ => 0,
            },
            modified_ns: modified_ns(stat),
            accessed_ns: accessed_ns(stat),
            mode: stat.st_mode & 0o7777,
            inode: stat.st_ino,
            device: stat.st_dev,
            changed_ns: changed_ns(stat),
            uid: stat.st_uid,
            gid: stat.st_gid,
            attributes: None,
        }
    }
}

impl Iterator for SourceWalk {
    type Item = Result<SourceItem, SourceProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if !self.levels.is_empty() {
                match self.step() {
                    Some(Ok(item)) => return Some(Ok(item)),
                    Some(Err(failure)) => return Some(Err(problem(&self.open_path, failure))),
                    None => continue,
                }
            }
            let source = self.sources.next()?;
            match self.start(&source) {
                Ok(Some(item)) => return Some(Ok(item)),
                Ok(None) => {}
                Err(failure) => return Some(Err(problem(&source, failure))),
            }
        }
    }
}

/// The name a source gets at the destination; empty if it stands for its content alone.
#[must_use]
pub fn base_name(source: &[u8]) -> &[u8] {
    let trimmed = without_trailing_dots(source);
    let name = trimmed.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
    if name == b"." || name == b".." {
        b""
    } else {
        name
    }
}

/// `source` without the `/` and `/.` at its end; empty for the root.
fn without_trailing_dots(mut source: &[u8]) -> &[u8] {
    loop {
        if let Some(shorter) = source.strip_suffix(b"/") {
            source = shorter;
        } else if let Some(shorter) = source.strip_suffix(b"/.") {
            source = shorter;
        } else {
            return source;
        }
    }
}

/// What the names of a source folder are joined to.
fn open_base(source: &[u8], confined: bool) -> Vec<u8> {
    let trimmed = without_trailing_dots(source);
    match trimmed {
        b"" if !source.is_empty() && !confined => b"/".to_vec(),
        b"." => Vec::new(),
        other => other.to_vec(),
    }
}

/// Replaces what follows the first `base_len` bytes of `path` by `name`.
fn join(path: &mut Vec<u8>, base_len: usize, name: &[u8]) {
    path.truncate(base_len);
    if path.last().is_some_and(|last| *last != b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn problem(path: &[u8], failure: Failure) -> SourceProblem {
    SourceProblem {
        path: path.to_vec(),
        fault: failure.fault,
        text: failure.text,
    }
}

#[cfg(test)]
mod tests;
