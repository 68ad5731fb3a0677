//! The folder to which delivered sources are moved, on the same file system.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::fault::Fault;
use rustix::fs::{FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::failure::{Failure, Outcome};
use crate::storage::destination_tree::{DestinationTree, Placement, last_name, parent};
use crate::storage::disk_fault::{read_failure, shown, write_failure};
use crate::storage::docroot::Docroot;
use crate::storage::walk::SourceItem;

/// Levels climbed before it is given up.
const MOST_LEVELS: usize = 4_096;

/// An archive that is there.
#[derive(Debug)]
pub(super) struct Archive {
    tree: DestinationTree,
    /// The folder that was used last.
    folder: Option<(Vec<u8>, OwnedFd)>,
}

impl Archive {
    /// The archive at `path`, which is made if it is missing.
    pub(super) fn open(docroot: &Arc<Docroot>, path: &[u8]) -> Outcome<Self> {
        let tree = DestinationTree::new(Arc::clone(docroot), path, Placement::Into);
        tree.prepare(true).map_err(|failure| {
            let text = format!("the archive cannot be used, sources stay: {}", failure.text);
            Failure::new(failure.fault, text)
        })?;
        Ok(Self { tree, folder: None })
    }

    /// Moves `name` in `folder`, which is `item`, to the path that it has in the session.
    pub(super) fn take(
        &mut self,
        docroot: &Arc<Docroot>,
        item: &SourceItem,
        folder: &OwnedFd,
        name: &[u8],
    ) -> Outcome<()> {
        let path = self.tree.locate(&item.path)?;
        let to = self.folder(docroot, parent(&path))?;
        let flags = RenameFlags::NOREPLACE;
        let outcome = rustix::fs::renameat_with(folder, name, to, last_name(&path), flags);
        outcome.map_err(|error| match error {
            Errno::EXIST => Failure::new(
                Fault::AlreadyExists,
                format!(
                    "{}: is in the archive already, the source stays",
                    shown(&path)
                ),
            ),
            Errno::XDEV => Failure::new(
                Fault::BadConfiguration,
                format!(
                    "{}: the archive is on another file system, the source stays",
                    shown(&item.open_path)
                ),
            ),
            error => write_failure(&path, error),
        })
    }

    fn folder(&mut self, docroot: &Arc<Docroot>, path: &[u8]) -> Outcome<&OwnedFd> {
        if self.folder.as_ref().is_none_or(|(known, _)| known != path) {
            DestinationTree::new(Arc::clone(docroot), path, Placement::Into).prepare(true)?;
            let handle = docroot
                .directory(path)
                .map_err(|error| write_failure(path, error))?;
            self.folder = Some((path.to_vec(), handle));
        }
        match &self.folder {
            Some((_, handle)) => Ok(handle),
            None => Err(Fault::InternalError.into()),
        }
    }
}

/// Whether the archive `path`, there or not, lies outside all folders among `sources`: within one, what was moved would
/// be found and sent again.
///
/// # Errors
///
/// [`Fault::BadConfiguration`], naming both.
pub fn check_outside(docroot: &Docroot, path: &[u8], sources: &[Vec<u8>]) -> Outcome<()> {
    let mut folders = Vec::new();
    for source in sources {
        if let Ok(stat) = docroot.stat(source)
            && FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        {
            folders.push(((stat.st_dev, stat.st_ino), source));
        }
    }
    let failed = |error| read_failure(path, error);
    let top = docroot.stat(b".").map_err(failed)?;
    let mut at = match nearest(docroot, path) {
        // It cannot be made: the transfer goes on without, and says so at its end.
        Err(Errno::NOTDIR | Errno::ACCESS) => return Ok(()),
        outcome => outcome.map_err(failed)?,
    };
    for _ in 0..MOST_LEVELS {
        let stat = rustix::fs::fstat(&at).map_err(failed)?;
        let here = (stat.st_dev, stat.st_ino);
        if let Some((_, source)) = folders.iter().find(|(folder, _)| *folder == here) {
            let text = format!(
                "the archive {} lies in the source {}; move sources to a folder outside of it",
                shown(path),
                shown(source)
            );
            return Err(Failure::new(Fault::BadConfiguration, text));
        }
        if docroot.is_confined() && here == (top.st_dev, top.st_ino) {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::openat(&at, c"..", flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&above).map_err(failed)?;
        if (stat.st_dev, stat.st_ino) == here {
            return Ok(());
        }
        at = above;
    }
    Err(read_failure(path, Errno::NAMETOOLONG))
}

/// The folder `path`, or the closest of those that would hold it which is there.
fn nearest(docroot: &Docroot, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut path = path;
    loop {
        match docroot.directory(path) {
            Err(Errno::NOENT) if path != b"." && path != b"/" => path = parent(path),
            outcome => return outcome,
        }
    }
}
