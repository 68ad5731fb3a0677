//! One directory of a docroot: where clients see it, what exists in it, and whether this session may use it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use fasp_core::fault::Fault;
use rustix::fs::FileType;

use crate::failure::{Failure, Outcome};
use crate::storage::restrictions::Restrictions;

/// A directory and its rules.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) root: Arc<OwnedFd>,
    /// The names of the path under which clients see it; none for `/`.
    pub(super) mount: Vec<Vec<u8>>,
    /// Seen, and closed to this session.
    pub(super) barred: bool,
    pub(super) rules: Option<Arc<TreeRules>>,
    /// Where it lies, without a `/` at its end; known where it matters.
    pub(super) place: Vec<u8>,
}

/// What exists of a tree, and what may be looked at.
#[derive(Debug)]
pub(super) struct TreeRules {
    pub(super) restrictions: Option<Restrictions>,
    pub(super) lists: bool,
}

impl Tree {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self {
            root: Arc::new(root),
            mount: Vec::new(),
            barred: false,
            rules: None,
            place: Vec::new(),
        }
    }

    /// Asks the system where the tree lies.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if it does not say (`/proc` is needed).
    pub(super) fn find_place(&mut self) -> Outcome<()> {
        let mut place = place_of(&self.root).ok_or_else(|| {
            let text = "restrictions and several docroots need /proc, which is not there";
            Failure::new(Fault::BadConfiguration, text)
        })?;
        place.truncate(place.strip_suffix(b"/").map_or(place.len(), <[u8]>::len));
        self.place = place;
        Ok(())
    }

    /// What is left of `path` below the place where clients see this tree; none for a path elsewhere.
    pub(super) fn below<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let mut rest = path;
        for name in &self.mount {
            rest = without_empty_names(rest);
            let end = rest.iter().position(|byte| *byte == b'/');
            let (first, after) = rest.split_at(end.unwrap_or(rest.len()));
            if first != name {
                return None;
            }
            rest = after;
        }
        Some(rest)
    }

    pub(super) fn restrictions(&self) -> Option<&Restrictions> {
        self.rules.as_ref()?.restrictions.as_ref()
    }

    pub(super) fn lists(&self) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.lists)
    }

    /// Whether what was opened may be used, by the place where it really lies.
    pub(super) fn admits_opened(&self, opened: &OwnedFd) -> bool {
        let Some(restrictions) = self.restrictions() else {
            return true;
        };
        let is_folder = rustix::fs::fstat(opened)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let path = place_of(opened).and_then(|place| self.path_of(&place));
        path.is_some_and(|path| {
            if is_folder {
                restrictions.admits_folder(&path)
            } else {
                restrictions.admits(&path)
            }
        })
    }

    /// Whether `name` in `folder` may be used, there or not.
    pub(super) fn admits(&self, folder: &OwnedFd, name: &[u8], is_folder: bool) -> bool {
        let Some(restrictions) = self.restrictions() else {
            return true;
        };
        let path = place_of(folder).and_then(|place| self.path_of(&place));
        let path = path.map(|mut path| {
            if !path.ends_with(b"/") {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            path
        });
        path.is_some_and(|path| {
            if is_folder {
                restrictions.admits_folder(&path)
            } else {
                restrictions.admits(&path)
            }
        })
    }

    /// The path from the root of the tree, with `/` in front, of what lies at `place`; none outside of it.
    pub(super) fn path_of(&self, place: &[u8]) -> Option<Vec<u8>> {
        match place.strip_prefix(self.place.as_slice())? {
            [] => Some(b"/".to_vec()),
            below @ [b'/', ..] => Some(below.to_vec()),
            _ => None,
        }
    }
}

/// Where something open lies, as the system says.
pub(super) fn place_of(opened: &OwnedFd) -> Option<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let place = rustix::fs::readlink(link, Vec::new()).ok()?.into_bytes();
    place.starts_with(b"/").then_some(place)
}

/// `path` without `/` and `./` in front.
fn without_empty_names(mut path: &[u8]) -> &[u8] {
    loop {
        path = match path {
            [b'/', rest @ ..] | [b'.', b'/', rest @ ..] => rest,
            _ => return path,
        };
    }
}
