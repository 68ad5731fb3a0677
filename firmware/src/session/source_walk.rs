//! Lists what the client of a download asked for, one item at a time, in an order that depends on names alone.
//!
//! Depth first, a folder before its content. Only the path of the present place is kept: the storage is asked
//! for the name after it.
//!
//! A source keeps its last component as its name at the client; the root stands for its content alone.

use fasp_core::fault::Fault;

use super::paths::{self, Path};
use crate::storage::{Entry, LONGEST_PATH, Storage};

/// Bytes of all names that a client may give.
const NAMES: usize = 1_024;

/// What the client asked for, as it wrote it.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// One byte of length before each.
    names: heapless::Vec<u8, NAMES>,
}

impl Sources {
    pub(super) const fn new() -> Self {
        Self {
            names: heapless::Vec::new(),
        }
    }

    /// `false` if there is no room for the name.
    pub(super) fn push(&mut self, name: &[u8]) -> bool {
        let Ok(length) = u8::try_from(name.len()) else {
            return false;
        };
        self.names.len() + 1 + name.len() <= NAMES
            && self.names.push(length).is_ok()
            && self.names.extend_from_slice(name).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (name, next) = self.at(at)?;
            at = next;
            Some(name)
        })
    }

    /// The name at byte `at`, and where the next one begins.
    fn at(&self, at: usize) -> Option<(&[u8], usize)> {
        let length = usize::from(*self.names.get(at)?);
        let end = at + 1 + length;
        Some((self.names.get(at + 1..end)?, end))
    }
}

/// A file or folder to send.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where it is on the storage.
    pub(super) path: Path,
    /// Where in the path its name for the client begins.
    pub(super) name_at: usize,
    /// What it is.
    pub(super) entry: Entry,
}

/// Something that cannot be sent: its path and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem(pub(super) Path, pub(super) Fault);

/// The walk over all sources.
#[derive(Debug)]
pub(super) struct SourceWalk {
    sources: Sources,
    at: usize,
    /// The folder that is being listed, and the name that was last.
    folder: Path,
    after: Path,
    /// Length of the source folder's path, or nothing between sources.
    within: Option<usize>,
    name_at: usize,
}

impl SourceWalk {
    pub(super) const fn new(sources: Sources) -> Self {
        Self {
            sources,
            at: 0,
            folder: Path::new(),
            after: Path::new(),
            within: None,
            name_at: 0,
        }
    }

    /// The next item, or what is in its place; `None` at the end.
    pub(super) fn next<S: Storage>(&mut self, storage: &mut S) -> Option<Result<Item, Problem>> {
        loop {
            match self.within {
                Some(source) => {
                    if let Some(found) = self.step(storage, source) {
                        return Some(found);
                    }
                }
                None => {
                    let (written, next) = self.sources.at(self.at)?;
                    let written = Path::from_slice(written).map_err(|_| Fault::FilePathTooLong);
                    self.at = next;
                    if let Some(found) = self.start(storage, written) {
                        return Some(found);
                    }
                }
            }
        }
    }

    /// Begins a source; `None` if it stands for its content alone.
    fn start<S: Storage>(
        &mut self,
        storage: &mut S,
        written: Result<Path, Fault>,
    ) -> Option<Result<Item, Problem>> {
        let path = match written.and_then(|written| paths::from_user(&written)) {
            Ok(path) => path,
            Err(fault) => return Some(Err(Problem(Path::new(), fault))),
        };
        let entry = match storage.stat(&path) {
            Ok(entry) => entry,
            Err(error) => return Some(Err(Problem(path, error.while_reading()))),
        };
        self.name_at = path.len() - paths::name(&path).len();
        if entry.is_folder {
            self.within = Some(path.len());
            self.enter(path.clone());
            if path.is_empty() {
                return None;
            }
        }
        Some(Ok(self.item(path, entry)))
    }

    /// The next name of the present folder; `None` when it has no more and the walk went up.
    fn step<S: Storage>(
        &mut self,
        storage: &mut S,
        source: usize,
    ) -> Option<Result<Item, Problem>> {
        let mut name = [0; LONGEST_PATH];
        let listed = storage.list(&self.folder, &self.after, &mut name);
        let (length, entry) = match listed {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.leave(source);
                return None;
            }
            Err(error) => {
                let problem = Problem(self.folder.clone(), error.while_reading());
                self.leave(source);
                return Some(Err(problem));
            }
        };
        let name = name.get(..length).unwrap_or_default();
        self.after = Path::from_slice(name).unwrap_or_default();
        let path = match paths::joined(&self.folder, name) {
            Ok(path) => path,
            Err(fault) => return Some(Err(Problem(self.folder.clone(), fault))),
        };
        if entry.is_folder {
            self.enter(path.clone());
        }
        Some(Ok(self.item(path, entry)))
    }

    fn enter(&mut self, folder: Path) {
        self.folder = folder;
        self.after.clear();
    }

    /// Goes back to the folder above, behind the one that is done; the source itself ends the walk in it.
    fn leave(&mut self, source: usize) {
        if self.folder.len() <= source {
            self.within = None;
            return;
        }
        self.after = Path::from_slice(paths::name(&self.folder)).unwrap_or_default();
        let above = paths::parent(&self.folder).len();
        self.folder.truncate(above);
    }

    const fn item(&self, path: Path, entry: Entry) -> Item {
        Item {
            path,
            name_at: self.name_at,
            entry,
        }
    }
}
