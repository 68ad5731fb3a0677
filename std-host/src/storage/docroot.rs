//! The tree that a session may touch, as a directory handle with rules; nothing opens a path but this.
//!
//! A confined docroot resolves every path in the kernel with `RESOLVE_BENEATH`: `..`, absolute
//! links and links that lead outside end in [`Fault::OutsideDocroot`], whatever happens in the tree
//! meanwhile. An unconfined one is a user's own working directory and has the user's rights, no more
//! rules. Parent folders are opened here; single names below an opened folder are safe by themselves.
//!
//! A confined one can be told to follow links wherever they lead, for reading; then `..` is refused as text, and what
//! the links of the tree lead to is as good as inside.
//!
//! A docroot may be of several trees, seen under different paths. Each path belongs to the one that is seen deepest on
//! its way, and nothing leads from one to another: the kernel holds every path below the root of its tree.
//!
//! Source: openat2(2). Absolute links are refused even if they point back inside: our choice.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fasp_core::fault::Fault;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

mod tree;

use self::tree::{Tree, TreeRules, place_of};
use super::disk_fault::{read_failure, shown};
use super::restrictions::Restrictions;
use crate::failure::{Failure, Outcome};

/// How often a resolution that raced with a rename is tried again.
const RACE_RETRIES: u32 = 64;

/// Directories and what can be reached from them; nearly always one.
#[derive(Debug)]
pub struct Docroot {
    /// Those that clients see deepest come first.
    trees: Vec<Tree>,
    /// One tree lies in another: what was opened is judged by the rules of the innermost that holds it.
    overlaps: bool,
    confined: bool,
    /// Confined, but for links.
    wide: bool,
    /// Access times are left alone.
    quiet: bool,
    was_noticed: AtomicBool,
}

impl Docroot {
    fn of(tree: Tree, confined: bool) -> Self {
        Self {
            trees: vec![tree],
            overlaps: false,
            confined,
            wide: false,
            quiet: false,
            was_noticed: AtomicBool::new(false),
        }
    }

    /// The tree below `path`, which nothing can leave. A leading `/` of a path means the root of the tree.
    ///
    /// # Errors
    ///
    /// The fault of opening `path`; [`Fault::BadConfiguration`] if the system cannot confine
    /// (Linux before 5.6, or a sandbox that forbids `openat2`): there is no weaker substitute.
    pub fn confined(path: &Path) -> Outcome<Self> {
        let docroot = Self::of(Tree::new(open_root(path)?), true);
        match docroot.directory(b".") {
            Ok(_) => Ok(docroot),
            Err(Errno::NOSYS | Errno::PERM) => Err(Failure::new(
                Fault::BadConfiguration,
                format!(
                    "cannot confine docroot {}: the system call openat2 is not available (Linux 5.6 or newer is needed)",
                    shown(path.as_os_str().as_bytes())
                ),
            )),
            Err(error) => Err(read_failure(path.as_os_str().as_bytes(), error)),
        }
    }

    /// Everything the user can reach; relative paths start at `base`, absolute ones at `/`.
    ///
    /// # Errors
    ///
    /// The fault of opening `base`.
    pub fn unconfined(base: &Path) -> Outcome<Self> {
        Ok(Self::of(Tree::new(open_root(base)?), false))
    }

    /// The same confined tree, seen under the path `shown_as` instead of `/`; with `barred` it is seen and not opened.
    #[must_use]
    pub fn shown_as(mut self, shown_as: &[u8], barred: bool) -> Self {
        let names = shown_as.split(|byte| *byte == b'/');
        let mount: Vec<Vec<u8>> = names
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        for tree in &mut self.trees {
            tree.mount.clone_from(&mount);
            tree.barred = barred;
        }
        self
    }

    /// Several confined trees as one: a path belongs to the tree that is seen deepest on its way.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if the system does not say where they are (`/proc` is needed).
    pub fn joined(parts: Vec<Self>) -> Outcome<Self> {
        let mut trees: Vec<Tree> = parts.into_iter().flat_map(|part| part.trees).collect();
        let mut overlaps = false;
        if trees.len() > 1 {
            trees.iter_mut().try_for_each(Tree::find_place)?;
            overlaps = trees.iter().enumerate().any(|(number, tree)| {
                let others = trees
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != number);
                let mut others = others.map(|(_, other)| other);
                others.any(|other| tree.path_of(&other.place).is_some())
            });
        }
        trees.sort_by_key(|tree| std::cmp::Reverse(tree.mount.len()));
        Ok(Self {
            trees,
            overlaps,
            confined: true,
            wide: false,
            quiet: false,
            was_noticed: AtomicBool::new(false),
        })
    }

    /// The same tree, read without changing access times where the system allows that.
    #[must_use]
    pub fn quietly(&self) -> Self {
        Self {
            trees: self.trees.clone(),
            overlaps: self.overlaps,
            confined: self.confined,
            wide: self.wide,
            quiet: true,
            was_noticed: AtomicBool::new(false),
        }
    }

    /// Whether something was read whose access time could not be left as it was.
    #[must_use]
    pub fn was_noticed(&self) -> bool {
        self.was_noticed.load(Ordering::Relaxed)
    }

    /// The tree below the folder `path` of this one, which nothing can leave.
    ///
    /// # Errors
    ///
    /// As [`Self::confined`].
    pub fn confined_below(&self, path: &[u8]) -> Outcome<Self> {
        let rules = self.trees.first().and_then(|tree| tree.rules.clone());
        let root = self
            .directory(path)
            .map_err(|error| read_failure(path, error))?;
        let tree = Tree {
            rules,
            ..Tree::new(root)
        };
        let inner = Self::of(tree, true);
        match inner.directory(b".") {
            Ok(_) => Ok(inner),
            Err(Errno::NOSYS | Errno::PERM) => Err(Failure::new(
                Fault::BadConfiguration,
                "links cannot be received: the system call openat2 is not available (Linux 5.6 or newer is needed)",
            )),
            Err(error) => Err(read_failure(path, error)),
        }
    }

    /// The same tree, where links of the tree may lead anywhere. Only for reading.
    #[must_use]
    pub fn following_links_anywhere(mut self) -> Self {
        self.wide = self.confined;
        self
    }

    /// The same trees, of which only what `restrictions` admit exists, and whose folders are listed if they `list`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if the system does not say where things are (`/proc` is needed).
    pub fn ruled(mut self, restrictions: Option<Restrictions>, lists: bool) -> Outcome<Self> {
        if restrictions.is_none() && lists {
            return Ok(self);
        }
        let rules = Arc::new(TreeRules {
            restrictions,
            lists,
        });
        for tree in &mut self.trees {
            if self.confined {
                tree.find_place()?;
            }
            tree.rules = Some(Arc::clone(&rules));
        }
        Ok(self)
    }

    /// Whether the names in the folder `path` may be told.
    pub(super) fn lists_folder(&self, path: &[u8]) -> bool {
        self.tree_of(path).is_ok_and(|(tree, _)| tree.lists())
    }

    /// Whether the names in `folder`, which was opened, may be told.
    pub(super) fn lists_opened(&self, folder: &OwnedFd) -> bool {
        !self.overlaps || self.innermost(folder).is_none_or(Tree::lists)
    }

    /// Whether `path` is one, other than `/`, under which clients see a tree.
    pub(super) fn is_a_root(&self, path: &[u8]) -> bool {
        let is_here = |tree: &Tree| {
            let rest = tree.below(path);
            !tree.mount.is_empty() && rest.is_some_and(|rest| matches!(rest, b"" | b"/" | b"/."))
        };
        self.trees.iter().any(is_here)
    }

    /// Whether `name` in `folder` may be used, there or not.
    pub(super) fn admits(&self, folder: &OwnedFd, name: &[u8], is_folder: bool) -> bool {
        match self.trees.as_slice() {
            [tree] => tree.admits(folder, name, is_folder),
            trees if trees.iter().all(|tree| tree.rules.is_none()) => true,
            // Its own tree is the innermost one.
            _ => self
                .innermost(folder)
                .is_some_and(|tree| tree.admits(folder, name, is_folder)),
        }
    }

    /// The tree that holds what was opened, the innermost of several.
    fn innermost(&self, opened: &OwnedFd) -> Option<&Tree> {
        let place = place_of(opened)?;
        let holding = self
            .trees
            .iter()
            .filter(|tree| tree.path_of(&place).is_some());
        holding.max_by_key(|tree| tree.place.len())
    }

    /// The tree that `path` belongs to, and the path in it.
    fn tree_of<'p>(&self, path: &'p [u8]) -> Result<(&Tree, &'p [u8]), Errno> {
        let found = self
            .trees
            .iter()
            .find_map(|tree| Some((tree, tree.below(path)?)));
        match found {
            Some((tree, _)) if tree.barred => Err(Errno::ACCESS),
            found => found.ok_or(Errno::NOENT),
        }
    }

    /// Whether what was opened through `tree` may be used.
    fn judge(&self, tree: &Tree, opened: &OwnedFd) -> Result<(), Errno> {
        if !tree.admits_opened(opened) {
            return Err(Errno::NOENT);
        }
        if !self.overlaps {
            return Ok(());
        }
        match self.innermost(opened) {
            Some(inner) if inner.barred => Err(Errno::ACCESS),
            Some(inner) if !inner.admits_opened(opened) => Err(Errno::NOENT),
            // Outside of all of them lead only links that may.
            _ => Ok(()),
        }
    }

    /// Whether paths are held below the root.
    #[must_use]
    pub const fn is_confined(&self) -> bool {
        self.confined
    }

    /// Opens `path` for reading; never waits for the other end of a pipe.
    ///
    /// # Errors
    ///
    /// What the system says; `XDEV` if the path leads outside.
    pub fn open_to_read(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    /// A handle of the folder `path`, to name things in it.
    ///
    /// # Errors
    ///
    /// What the system says; `NOTDIR` if it is no folder, `XDEV` if the path leads outside.
    pub fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// What `path` leads to, links followed.
    ///
    /// # Errors
    ///
    /// What the system says; `XDEV` if the path leads outside.
    pub fn stat(&self, path: &[u8]) -> Result<Stat, Errno> {
        let is_ruled = self.trees.iter().any(|tree| tree.rules.is_some());
        if self.confined || is_ruled {
            return rustix::fs::fstat(self.open(path, OFlags::PATH)?);
        }
        let (tree, path) = self.tree_of(path)?;
        rustix::fs::statat(&tree.root, usable(path, false), AtFlags::empty())
    }

    /// What stands at `path` itself; a link at its end is not followed.
    ///
    /// # Errors
    ///
    /// As [`Self::stat`].
    pub fn stat_itself(&self, path: &[u8]) -> Result<Stat, Errno> {
        rustix::fs::fstat(self.open_itself(path)?)
    }

    /// Where the link at `path` leads to, as it is written there.
    ///
    /// # Errors
    ///
    /// What the system says; `NOENT` or `INVAL` if it is no link.
    pub fn read_link(&self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let link = self.open_itself(path)?;
        Ok(rustix::fs::readlinkat(&link, c"", Vec::new())?.into_bytes())
    }

    fn open_itself(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let follows = path.ends_with(b"/");
        let flags = if follows {
            OFlags::PATH
        } else {
            OFlags::PATH | OFlags::NOFOLLOW
        };
        self.open(path, flags)
    }

    /// Opens what `path` leads to. Never creates: a name is created in the handle of its folder.
    pub(super) fn open(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        if !self.quiet || flags.contains(OFlags::PATH) {
            return self.open_as_told(path, flags);
        }
        match self.open_as_told(path, flags | OFlags::NOATIME) {
            // Not the owner, who alone could set the time back later.
            Err(Errno::PERM) => {
                self.was_noticed.store(true, Ordering::Relaxed);
                self.open_as_told(path, flags)
            }
            outcome => outcome,
        }
    }

    fn open_as_told(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let (tree, path) = self.tree_of(path)?;
        let opened = self.open_unruled(tree, path, flags)?;
        self.judge(tree, &opened)?;
        Ok(opened)
    }

    fn open_unruled(&self, tree: &Tree, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let path = usable(path, self.confined);
        if self.wide && path.split(|byte| *byte == b'/').any(|name| name == b"..") {
            return Err(Errno::XDEV);
        }
        if !self.confined || self.wide {
            return rustix::fs::openat(&tree.root, path, flags, Mode::empty());
        }
        let rules = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0;
        loop {
            match rustix::fs::openat2(&tree.root, path, flags, Mode::empty(), rules) {
                Err(Errno::AGAIN | Errno::INTR) if tries < RACE_RETRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }
}

fn open_root(path: &Path) -> Outcome<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
        .map_err(|error| read_failure(path.as_os_str().as_bytes(), error))
}

fn usable(mut path: &[u8], confined: bool) -> &[u8] {
    if confined {
        while let Some((b'/', rest)) = path.split_first() {
            path = rest;
        }
    }
    if path.is_empty() { b"." } else { path }
}

#[cfg(test)]
mod tests;
