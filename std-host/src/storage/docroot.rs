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
//! Source: openat2(2). Absolute links are refused even if they point back inside: our choice.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fasp_core::fault::Fault;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::disk_fault::{read_failure, shown};
use super::restrictions::Restrictions;
use crate::failure::{Failure, Outcome};

/// How often a resolution that raced with a rename is tried again.
const RACE_RETRIES: u32 = 64;

/// A directory and what can be reached from it.
#[derive(Debug)]
pub struct Docroot {
    root: OwnedFd,
    confined: bool,
    /// Confined, but for links.
    wide: bool,
    /// Access times are left alone.
    quiet: bool,
    was_noticed: AtomicBool,
    rules: Option<Arc<TreeRules>>,
}

/// What exists of a tree, and what may be looked at.
#[derive(Debug)]
struct TreeRules {
    restrictions: Option<Restrictions>,
    lists: bool,
    /// Where the tree lies, without a `/` at its end.
    root: Vec<u8>,
}

impl Docroot {
    /// The tree below `path`, which nothing can leave. A leading `/` of a path means the root of the tree.
    ///
    /// # Errors
    ///
    /// The fault of opening `path`; [`Fault::BadConfiguration`] if the system cannot confine
    /// (Linux before 5.6, or a sandbox that forbids `openat2`): there is no weaker substitute.
    pub fn confined(path: &Path) -> Outcome<Self> {
        let docroot = Self {
            root: open_root(path)?,
            confined: true,
            wide: false,
            quiet: false,
            was_noticed: AtomicBool::new(false),
            rules: None,
        };
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
        Ok(Self {
            root: open_root(base)?,
            confined: false,
            wide: false,
            quiet: false,
            was_noticed: AtomicBool::new(false),
            rules: None,
        })
    }

    /// The same tree, read without changing access times where the system allows that.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn quietly(&self) -> Outcome<Self> {
        let root = self
            .root
            .try_clone()
            .map_err(|error| Failure::new(Fault::TooManyFiles, error.to_string()))?;
        Ok(Self {
            root,
            confined: self.confined,
            wide: self.wide,
            quiet: true,
            was_noticed: AtomicBool::new(false),
            rules: self.rules.clone(),
        })
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
        let inner = Self {
            root: self
                .directory(path)
                .map_err(|error| read_failure(path, error))?,
            confined: true,
            wide: false,
            quiet: false,
            was_noticed: AtomicBool::new(false),
            rules: self.rules.clone(),
        };
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

    /// The same tree, of which only what `restrictions` admit exists, and whose folders are listed if it `lists`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if the system does not say where things are (`/proc` is needed).
    pub fn ruled(mut self, restrictions: Option<Restrictions>, lists: bool) -> Outcome<Self> {
        if restrictions.is_none() && lists {
            return Ok(self);
        }
        let mut root = Vec::new();
        if self.confined {
            root = place_of(&self.root).ok_or_else(|| {
                let text = "restrictions need /proc, which is not there";
                Failure::new(Fault::BadConfiguration, text)
            })?;
            root.truncate(root.strip_suffix(b"/").map_or(root.len(), <[u8]>::len));
        }
        self.rules = Some(Arc::new(TreeRules {
            restrictions,
            lists,
            root,
        }));
        Ok(self)
    }

    /// Whether the names in folders may be told.
    pub(super) fn lists_folders(&self) -> bool {
        self.rules.as_ref().is_none_or(|rules| rules.lists)
    }

    /// Whether `name` in `folder` may be used, there or not.
    pub(super) fn admits(&self, folder: &OwnedFd, name: &[u8], is_folder: bool) -> bool {
        let Some(restrictions) = self.restrictions() else {
            return true;
        };
        let path = self.path_in_tree(folder).map(|mut path| {
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

    fn restrictions(&self) -> Option<&Restrictions> {
        self.rules.as_ref()?.restrictions.as_ref()
    }

    /// Whether what was opened may be used, by the place where it really lies.
    fn admits_opened(&self, opened: &OwnedFd) -> bool {
        let Some(restrictions) = self.restrictions() else {
            return true;
        };
        let is_folder = rustix::fs::fstat(opened)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        self.path_in_tree(opened).is_some_and(|path| {
            if is_folder {
                restrictions.admits_folder(&path)
            } else {
                restrictions.admits(&path)
            }
        })
    }

    /// The path of something open, from the root of the tree, with `/` in front; none outside of it.
    fn path_in_tree(&self, opened: &OwnedFd) -> Option<Vec<u8>> {
        let root = self.rules.as_ref()?.root.as_slice();
        let place = place_of(opened)?;
        let below = place.strip_prefix(root)?;
        match below {
            [] => Some(b"/".to_vec()),
            [b'/', ..] => Some(below.to_vec()),
            _ => None,
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
        if self.confined || self.rules.is_some() {
            return rustix::fs::fstat(self.open(path, OFlags::PATH)?);
        }
        rustix::fs::statat(&self.root, usable(path, false), AtFlags::empty())
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
        let opened = self.open_unruled(path, flags)?;
        if self.admits_opened(&opened) {
            Ok(opened)
        } else {
            Err(Errno::NOENT)
        }
    }

    fn open_unruled(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        let path = usable(path, self.confined);
        if self.wide && path.split(|byte| *byte == b'/').any(|name| name == b"..") {
            return Err(Errno::XDEV);
        }
        if !self.confined || self.wide {
            return rustix::fs::openat(&self.root, path, flags, Mode::empty());
        }
        let rules = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0;
        loop {
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), rules) {
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

/// Where something open lies, as the system says.
fn place_of(opened: &OwnedFd) -> Option<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let place = rustix::fs::readlink(link, Vec::new()).ok()?.into_bytes();
    place.starts_with(b"/").then_some(place)
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
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
        docroot: Docroot,
    }

    /// `outside/secret` next to the docroot `in`, which holds `in/a/file`.
    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/secret"), b"s").unwrap();
        fs::create_dir_all(folder.path().join("in/a")).unwrap();
        fs::write(folder.path().join("in/a/file"), b"f").unwrap();
        let docroot = Docroot::confined(&folder.path().join("in")).unwrap();
        Fixture { folder, docroot }
    }

    #[test]
    fn dots_cannot_leave_the_docroot() {
        let it = fixture();
        for path in [
            "..",
            "../outside/secret",
            "a/../../outside/secret",
            "/../outside/secret",
            "a/../../in/a/file",
        ] {
            let error = it.docroot.open_to_read(path.as_bytes()).unwrap_err();
            assert_eq!(
                read_failure(path.as_bytes(), error).fault,
                Fault::OutsideDocroot,
                "{path}"
            );
            assert!(it.docroot.stat(path.as_bytes()).is_err(), "{path}");
            assert!(it.docroot.directory(path.as_bytes()).is_err(), "{path}");
        }
        assert!(it.docroot.open_to_read(b"a/../a/file").is_ok());
    }

    #[test]
    fn a_leading_slash_means_the_docroot() {
        let it = fixture();
        assert!(it.docroot.open_to_read(b"/a/file").is_ok());
        assert!(it.docroot.open_to_read(b"///a/file").is_ok());
        assert!(it.docroot.directory(b"/").is_ok());
        assert!(it.docroot.directory(b"").is_ok());
        let secret = it.folder.path().join("outside/secret");
        let error = it
            .docroot
            .open_to_read(secret.as_os_str().as_bytes())
            .unwrap_err();
        assert_eq!(error, Errno::NOENT);
    }

    #[test]
    fn links_work_inside_and_end_at_the_border() {
        let it = fixture();
        let root = it.folder.path().join("in");
        symlink("a/file", root.join("inner")).unwrap();
        symlink("../a/file", root.join("a/via_parent")).unwrap();
        symlink("../outside", root.join("out")).unwrap();
        symlink("out", root.join("chain1")).unwrap();
        symlink("chain1", root.join("chain2")).unwrap();
        symlink(it.folder.path().join("outside"), root.join("absolute")).unwrap();
        assert!(it.docroot.open_to_read(b"inner").is_ok());
        assert!(it.docroot.open_to_read(b"a/via_parent").is_ok());
        for path in ["out/secret", "chain2/secret", "absolute/secret", "chain2"] {
            let error = it.docroot.open_to_read(path.as_bytes()).unwrap_err();
            assert_eq!(error, Errno::XDEV, "{path}");
        }
    }

    #[test]
    fn a_wide_docroot_follows_links_out_and_nothing_else() {
        let it = fixture();
        let root = it.folder.path().join("in");
        symlink("../outside", root.join("out")).unwrap();
        symlink(it.folder.path().join("outside"), root.join("absolute")).unwrap();
        let wide = it.docroot.following_links_anywhere();
        assert!(wide.open_to_read(b"out/secret").is_ok());
        assert!(wide.open_to_read(b"/absolute/secret").is_ok());
        for path in ["../outside/secret", "..", "a/..", "out/../x"] {
            assert_eq!(wide.stat(path.as_bytes()).unwrap_err(), Errno::XDEV);
        }
        let secret = it.folder.path().join("outside/secret");
        let error = wide.open_to_read(secret.as_os_str().as_bytes());
        assert_eq!(error.unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn a_link_itself_can_be_looked_at() {
        let it = fixture();
        let root = it.folder.path().join("in");
        symlink("/etc/passwd", root.join("a/link")).unwrap();
        assert_eq!(it.docroot.read_link(b"a/link").unwrap(), b"/etc/passwd");
        let stat = it.docroot.stat_itself(b"a/link").unwrap();
        let kind = FileType::from_raw_mode(stat.st_mode);
        assert_eq!(kind, FileType::Symlink);
        assert!(it.docroot.read_link(b"a/file").is_err());
        symlink("../outside", root.join("out")).unwrap();
        assert_eq!(it.docroot.stat_itself(b"out/x").unwrap_err(), Errno::XDEV);
    }

    #[test]
    fn a_tree_below_a_folder_is_confined_to_it() {
        let it = fixture();
        let open = Docroot::unconfined(&it.folder.path().join("in")).unwrap();
        let below = open.confined_below(b"a").unwrap();
        assert!(below.open_to_read(b"/file").is_ok());
        assert_eq!(below.stat(b"../a/file").unwrap_err(), Errno::XDEV);
        assert!(open.confined_below(b"no").is_err());
    }

    #[test]
    fn a_magic_link_of_proc_leads_nowhere() {
        let docroot = Docroot::confined(Path::new("/proc/self")).unwrap();
        assert!(docroot.open_to_read(b"status").is_ok());
        assert!(docroot.directory(b"cwd").is_err());
        assert!(docroot.open_to_read(b"root/etc/passwd").is_err());
    }

    #[test]
    fn a_loop_and_a_nul_are_plain_errors() {
        let it = fixture();
        let root = it.folder.path().join("in");
        symlink("loop2", root.join("loop1")).unwrap();
        symlink("loop1", root.join("loop2")).unwrap();
        assert_eq!(it.docroot.stat(b"loop1").unwrap_err(), Errno::LOOP);
        assert_eq!(it.docroot.stat(b"a\0b").unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn an_unconfined_root_takes_absolute_and_parent_paths() {
        let it = fixture();
        let open = Docroot::unconfined(&it.folder.path().join("in")).unwrap();
        let secret = it.folder.path().join("outside/secret");
        assert!(open.open_to_read(secret.as_os_str().as_bytes()).is_ok());
        assert!(open.open_to_read(b"../outside/secret").is_ok());
        assert!(open.open_to_read(b"a/file").is_ok());
    }

    #[test]
    fn a_missing_docroot_is_named() {
        let failure = Docroot::confined(Path::new("/nonexistent/docroot")).unwrap_err();
        assert_eq!(failure.fault, Fault::NoSuchFile);
        assert!(failure.text.contains("/nonexistent/docroot"));
    }
}
