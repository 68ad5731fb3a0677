//! Where records land: the destination in its docroot, and the rules for names that a peer sends.
//!
//! Whether a single source takes the destination's name or goes inside it is decided elsewhere from
//! the [`DestinationFacts`]; here the decision is carried out.

use std::sync::{Arc, OnceLock};

use fasp_core::fault::Fault;
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

use super::attributes::settle_folder;
use super::create_modes::{CreateModes, ModeRule};
use super::disk_fault::{named, read_failure, shown, write_failure};
use super::docroot::Docroot;
use crate::failure::{Failure, Outcome};

/// Longest component of a path that file systems take.
const NAME_MAX: usize = 255;

/// How the paths of records meet the destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Placement {
    /// They lie inside the destination folder.
    Into,
    /// Their first component is replaced by the destination itself.
    Rename,
}

/// What is at the destination now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DestinationFacts {
    /// Something has this name.
    pub exists: bool,
    /// It is a folder, or a link to one.
    pub is_dir: bool,
    /// The folder that holds or would hold it exists.
    pub parent_exists: bool,
}

/// The destination of a session.
#[derive(Debug)]
pub struct DestinationTree {
    docroot: Arc<Docroot>,
    base: Vec<u8>,
    placement: Placement,
    /// The name whose place the destination takes.
    replaced: OnceLock<Vec<u8>>,
    keeps_links_inside: bool,
    /// What a name at the destination must keep of that of its source.
    kept_suffix: Vec<u8>,
    modes: CreateModes,
}

impl DestinationTree {
    /// What is at `path`.
    ///
    /// # Errors
    ///
    /// [`Fault::OutsideDocroot`] and what else keeps one from looking; not that nothing is there.
    pub fn examine(docroot: &Docroot, path: &[u8]) -> Outcome<DestinationFacts> {
        let path = normal(path, docroot);
        let parent_exists = match docroot.directory(parent(&path)) {
            Ok(_) => true,
            Err(_) if docroot.is_a_root(&path) => true,
            Err(Errno::NOENT | Errno::NOTDIR) => false,
            Err(error) => return Err(read_failure(&path, error)),
        };
        match docroot.stat(&path) {
            Ok(stat) => Ok(DestinationFacts {
                exists: true,
                is_dir: FileType::from_raw_mode(stat.st_mode) == FileType::Directory,
                parent_exists,
            }),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(DestinationFacts {
                exists: false,
                is_dir: false,
                parent_exists,
            }),
            Err(error) => Err(read_failure(&path, error)),
        }
    }

    /// The tree of a session that keeps nothing.
    #[must_use]
    pub fn of_nothing(docroot: &Arc<Docroot>) -> Self {
        Self::new(Arc::clone(docroot), b".", Placement::Into)
    }

    /// The tree whose records land at `path` as `placement` says.
    #[must_use]
    pub fn new(docroot: Arc<Docroot>, path: &[u8], placement: Placement) -> Self {
        let base = normal(path, &docroot);
        Self {
            keeps_links_inside: docroot.is_confined(),
            docroot,
            base,
            placement,
            replaced: OnceLock::new(),
            modes: CreateModes::default(),
            kept_suffix: Vec::new(),
        }
    }

    /// The same tree: a file that takes the name of the destination keeps this suffix, if it has it.
    #[must_use]
    pub fn keeping_suffix(self, suffix: &[u8]) -> Self {
        Self {
            kept_suffix: suffix.to_vec(),
            ..self
        }
    }

    /// The same tree, where what is created gets these modes.
    #[must_use]
    pub const fn with_modes(mut self, modes: CreateModes) -> Self {
        self.modes = modes;
        self
    }

    /// The modes of what is created.
    pub(super) const fn modes(&self) -> CreateModes {
        self.modes
    }

    /// The same tree, out of which nothing can lead, whatever links are or will be in it. Its folder must be there.
    ///
    /// # Errors
    ///
    /// As [`Docroot::confined_below`].
    pub fn closed(self) -> Outcome<Self> {
        if self.docroot.is_confined() {
            return Ok(self);
        }
        let (folder, base): (&[u8], &[u8]) = match self.placement {
            Placement::Into => (&self.base, b"."),
            Placement::Rename => (parent(&self.base), last_name(&self.base)),
        };
        Ok(Self {
            docroot: Arc::new(self.docroot.confined_below(folder)?),
            base: base.to_vec(),
            ..self
        })
    }

    /// Links that would lead out of the docroot are not made.
    pub(super) const fn keeps_links_inside(&self) -> bool {
        self.keeps_links_inside
    }

    /// Whether the destination takes the name of the single source.
    #[must_use]
    pub fn renames(&self) -> bool {
        self.placement == Placement::Rename
    }

    /// The last component of the destination.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        last_name(&self.base)
    }

    /// Makes sure that there is a folder to write to; with `create` (`-d`) makes it, parents included.
    ///
    /// # Errors
    ///
    /// [`Fault::NotADirectory`] if a file is in the way, [`Fault::NoSuchFile`] if there is nothing and
    /// nothing may be created, or the fault of creating.
    pub fn prepare(&self, create: bool) -> Outcome<()> {
        let folder = match self.placement {
            Placement::Into => self.base.as_slice(),
            Placement::Rename => parent(&self.base),
        };
        if create {
            return self.make_folders(folder);
        }
        match self.docroot.directory(folder) {
            Ok(_) => Ok(()),
            Err(error) => Err(write_failure(folder, error)),
        }
    }

    /// The path in the docroot of the record path `path`.
    ///
    /// # Errors
    ///
    /// [`Fault::OutsideDocroot`] for a path that is absolute, empty or has a component that is empty,
    /// `.`, `..` or holds a NUL; [`Fault::FilePathTooLong`] for a component over 255 bytes; [`Fault::Protocol`] for
    /// a second name that would have to take the place of the destination, where they would replace one another.
    pub fn locate(&self, path: &[u8]) -> Outcome<Vec<u8>> {
        check_record_path(path)?;
        if self.placement == Placement::Rename {
            let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
            if self.replaced.get_or_init(|| first.to_vec()) != first {
                return Err(named(path, Fault::Protocol));
            }
        }
        let below = match self.placement {
            Placement::Into => path,
            Placement::Rename => match path.iter().position(|byte| *byte == b'/') {
                Some(slash) => path.get(slash + 1..).unwrap_or_default(),
                None => {
                    let mut renamed = self.base.clone();
                    let suffix = self.kept_suffix.as_slice();
                    if path.ends_with(suffix) && !renamed.ends_with(suffix) {
                        renamed.extend_from_slice(suffix);
                    }
                    return Ok(renamed);
                }
            },
        };
        Ok(joined(&self.base, below))
    }

    pub(super) const fn docroot(&self) -> &Arc<Docroot> {
        &self.docroot
    }

    /// Whether `path` is the destination or below it, where folders are made without being asked for.
    pub(super) fn holds(&self, path: &[u8]) -> bool {
        self.base == b"."
            || path
                .strip_prefix(self.base.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || self.base == b"/")
    }

    fn make_folders(&self, path: &[u8]) -> Outcome<()> {
        let mut at = 0;
        while at < path.len() {
            let slash = path.iter().skip(at + 1).position(|byte| *byte == b'/');
            at = slash.map_or(path.len(), |further| at + 1 + further);
            let prefix = path.get(..at).unwrap_or(path);
            match self.docroot.directory(prefix) {
                Ok(_) => {}
                Err(Errno::NOENT) => make_folder(&self.docroot, prefix, self.modes.folders)?,
                Err(error) => return Err(write_failure(prefix, error)),
            }
        }
        Ok(())
    }
}

fn make_folder(docroot: &Docroot, path: &[u8], rule: ModeRule) -> Outcome<()> {
    let outcome = docroot.directory(parent(path)).and_then(|parent| {
        let name = last_name(path);
        if !docroot.admits(&parent, name, true) {
            return Err(Errno::ACCESS);
        }
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777))?;
        let mode = rule.is_set().then_some((0o777, rule.usable()));
        settle_folder(&parent, name, mode, None, (None, None))
    });
    match outcome {
        Ok(()) | Err(Errno::EXIST) => docroot
            .directory(path)
            .map(drop)
            .map_err(|error| write_failure(path, error)),
        Err(error) => Err(write_failure(path, error)),
    }
}

/// `path` without `/` and `/.` at its end, and without a leading `/` where that means the docroot.
fn normal(path: &[u8], docroot: &Docroot) -> Vec<u8> {
    let mut trimmed = path;
    if docroot.is_confined() {
        while let Some(rest) = trimmed.strip_prefix(b"/") {
            trimmed = rest;
        }
    }
    while trimmed.len() > 1 {
        match trimmed
            .strip_suffix(b"/")
            .or_else(|| trimmed.strip_suffix(b"/."))
        {
            Some(b"") => trimmed = b"/",
            Some(shorter) => trimmed = shorter,
            None => break,
        }
    }
    if trimmed.is_empty() {
        b".".to_vec()
    } else {
        trimmed.to_vec()
    }
}

/// The folder that holds `path`.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) => b"/",
        Some(slash) => path.get(..slash).unwrap_or_default(),
        None => b".",
    }
}

/// The last component of `path`.
pub(super) fn last_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// `below` in the folder `base`.
pub(super) fn joined(base: &[u8], below: &[u8]) -> Vec<u8> {
    if below.is_empty() {
        return base.to_vec();
    }
    let mut path = Vec::with_capacity(base.len() + 1 + below.len());
    if base != b"." {
        path.extend_from_slice(base);
        if !base.ends_with(b"/") {
            path.push(b'/');
        }
    }
    path.extend_from_slice(below);
    path
}

fn check_record_path(path: &[u8]) -> Outcome<()> {
    for component in path.split(|byte| *byte == b'/') {
        if component.len() > NAME_MAX {
            return Err(named(path, Fault::FilePathTooLong));
        }
        if matches!(component, b"" | b"." | b"..") || component.contains(&0) {
            return Err(Failure::new(
                Fault::OutsideDocroot,
                format!("{}: the peer sent a path that is not allowed", shown(path)),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(root: &std::path::Path, base: &[u8], placement: Placement) -> DestinationTree {
        let docroot = Arc::new(Docroot::confined(root).unwrap());
        DestinationTree::new(docroot, base, placement)
    }

    #[test]
    fn a_record_lands_inside_or_takes_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let into = tree(folder.path(), b"/d/", Placement::Into);
        assert_eq!(into.locate(b"x/y").unwrap(), b"d/x/y");
        let all = tree(folder.path(), b"/", Placement::Into);
        assert_eq!(all.locate(b"x/y").unwrap(), b"x/y");
        let rename = tree(folder.path(), b"d/f/.", Placement::Rename);
        assert_eq!(rename.locate(b"x").unwrap(), b"d/f");
        assert_eq!(rename.locate(b"x/y/z").unwrap(), b"d/f/y/z");
        assert!(rename.holds(b"d/f/y") && rename.holds(b"d/f"));
        assert!(!rename.holds(b"d") && !rename.holds(b"d/ff"));
        assert_eq!(
            rename.locate(b"y/z").unwrap_err().fault,
            Fault::Protocol,
            "another source would lie in the same place"
        );
    }

    #[test]
    fn a_record_path_that_could_leave_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let into = tree(folder.path(), b".", Placement::Into);
        for path in [
            &b"../x"[..],
            b"/x",
            b"a/../x",
            b"a//x",
            b"a/",
            b"",
            b".",
            b"a\0b",
            b"..",
        ] {
            let failure = into.locate(path).unwrap_err();
            assert_eq!(failure.fault, Fault::OutsideDocroot, "{path:?}");
        }
        assert!(into.locate(&[b'n'; 255]).is_ok());
        let failure = into.locate(&[b'n'; 256]).unwrap_err();
        assert_eq!(failure.fault, Fault::FilePathTooLong);
    }

    #[test]
    fn the_facts_tell_files_folders_and_nothing_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        fs::write(folder.path().join("f"), b"").unwrap();
        symlink("d", folder.path().join("l")).unwrap();
        symlink("/etc", folder.path().join("out")).unwrap();
        let docroot = Docroot::confined(folder.path()).unwrap();
        let facts = |path: &str| {
            let facts = DestinationTree::examine(&docroot, path.as_bytes()).unwrap();
            (facts.exists, facts.is_dir, facts.parent_exists)
        };
        assert_eq!(facts("d"), (true, true, true));
        assert_eq!(facts("/l/"), (true, true, true));
        assert_eq!(facts("f"), (true, false, true));
        assert_eq!(facts("d/new/."), (false, false, true));
        assert_eq!(facts("no/new"), (false, false, false));
        assert_eq!(facts("f/new"), (false, false, false));
        assert_eq!(facts("."), (true, true, true));
        assert_eq!(facts(""), (true, true, true));
        for path in ["..", "out", "../x"] {
            let failure = DestinationTree::examine(&docroot, path.as_bytes()).unwrap_err();
            assert_eq!(failure.fault, Fault::OutsideDocroot, "{path}");
        }
    }

    #[test]
    fn the_destination_folder_is_made_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), b"").unwrap();
        let deep = tree(folder.path(), b"/a/b/c", Placement::Into);
        assert_eq!(deep.prepare(false).unwrap_err().fault, Fault::NoSuchFile);
        deep.prepare(true).unwrap();
        assert!(folder.path().join("a/b/c").is_dir());
        deep.prepare(false).unwrap();
        let file = tree(folder.path(), b"f", Placement::Into);
        assert_eq!(file.prepare(false).unwrap_err().fault, Fault::NotADirectory);
        assert_eq!(file.prepare(true).unwrap_err().fault, Fault::NotADirectory);
        let rename = tree(folder.path(), b"n/x", Placement::Rename);
        rename.prepare(true).unwrap();
        assert!(folder.path().join("n").is_dir());
        assert!(!folder.path().join("n/x").exists());
        let out = tree(folder.path(), b"../out", Placement::Into);
        assert_eq!(out.prepare(true).unwrap_err().fault, Fault::OutsideDocroot);
    }
}
