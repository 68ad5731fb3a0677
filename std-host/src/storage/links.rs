//! Making the symbolic links that a sender offers.
//!
//! A link in a document root never leads out of it: neither as it is written nor as the kernel resolves it. Where links
//! may lead anywhere, because it is the user's own tree, nothing is written through one that leads out
//! (see [`DestinationTree::closed`](super::destination_tree::DestinationTree::closed)).

use std::os::fd::OwnedFd;

use fasp_core::fault::Fault;
use fasp_core::selection::links::LinkTreatment;
use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::Errno;

use super::destination_tree::{joined, last_name, parent};
use super::disk_fault::{named, shown, write_failure};
use super::docroot::Docroot;
use super::folders::Folders;
use super::partial_file::temporary_name;
use crate::failure::{Failure, Outcome};

/// A link as it is offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnedLink {
    /// Path below the destination, as the peer sent it.
    pub path: Vec<u8>,
    /// Where it leads to.
    pub target: Vec<u8>,
    /// It takes the place of what has its name.
    pub replaces: bool,
}

impl Folders {
    /// Makes the link at `path` as far as `allowed` goes; `false` if what is there stays.
    pub(super) fn make_link(
        &mut self,
        path: &[u8],
        link: &OwnedLink,
        allowed: LinkTreatment,
    ) -> Outcome<bool> {
        let replaces = match allowed {
            LinkTreatment::CopyForce => link.replaces,
            LinkTreatment::Copy => false,
            _ => return Ok(false),
        };
        let folder_path = parent(path).to_vec();
        if self.tree().keeps_links_inside() && leads_out(&folder_path, &link.target) {
            return Err(leads_out_failure(path, link));
        }
        let folder = self.open(&folder_path)?;
        if !self
            .tree()
            .docroot()
            .admits(&folder, last_name(path), false)
        {
            return Err(named(path, Fault::NoPermissions));
        }
        let place = LinkPlace {
            folder: &folder,
            folder_path: &folder_path,
            name: last_name(path),
        };
        let made = if replaces {
            self.replace(&place, link)?
        } else {
            self.add(&place, link)?
        };
        if made {
            self.note_link(&folder_path);
        }
        Ok(made)
    }

    /// Makes the link where nothing has its name.
    fn add(&self, place: &LinkPlace<'_>, link: &OwnedLink) -> Outcome<bool> {
        if place.stat()?.is_some() {
            return Ok(false);
        }
        let temporary = temporary_name(place.name);
        self.make_temporary(place, &temporary, link)?;
        let renamed = rustix::fs::renameat_with(
            place.folder,
            temporary.as_slice(),
            place.folder,
            place.name,
            rustix::fs::RenameFlags::NOREPLACE,
        );
        match renamed {
            Ok(()) => return Ok(true),
            // A file system that does not know how: making a link never replaces anything.
            Err(Errno::INVAL | Errno::NOSYS) => {
                place.unlink(&temporary);
                let target = link.target.as_slice();
                match rustix::fs::symlinkat(target, place.folder, place.name) {
                    Ok(()) => return Ok(true),
                    Err(Errno::EXIST) => return Ok(false),
                    Err(error) => return Err(place.failure(error)),
                }
            }
            Err(_) => place.unlink(&temporary),
        }
        match renamed {
            Err(Errno::EXIST) | Ok(()) => Ok(false),
            Err(error) => Err(place.failure(error)),
        }
    }

    /// Makes the link in the place of what has its name, which a link to a folder keeps.
    fn replace(&self, place: &LinkPlace<'_>, link: &OwnedLink) -> Outcome<bool> {
        match place.stat()? {
            Some(FileType::Directory) => {
                return Err(named(&place.path(), Fault::IsADirectory));
            }
            Some(FileType::Symlink) if self.leads_to_folder(place) => return Ok(false),
            _ => {}
        }
        let temporary = temporary_name(place.name);
        self.make_temporary(place, &temporary, link)?;
        let renamed =
            rustix::fs::renameat(place.folder, temporary.as_slice(), place.folder, place.name);
        if let Err(error) = renamed {
            place.unlink(&temporary);
            return Err(place.failure(error));
        }
        Ok(true)
    }

    /// Makes the link under another name, and takes it away again if the kernel finds that it leads out.
    fn make_temporary(
        &self,
        place: &LinkPlace<'_>,
        temporary: &[u8],
        link: &OwnedLink,
    ) -> Outcome<()> {
        rustix::fs::symlinkat(link.target.as_slice(), place.folder, temporary)
            .map_err(|error| place.failure(error))?;
        let at = joined(place.folder_path, temporary);
        if self.tree().keeps_links_inside() && escapes(self.tree().docroot(), &at) {
            place.unlink(temporary);
            return Err(leads_out_failure(&place.path(), link));
        }
        Ok(())
    }

    fn leads_to_folder(&self, place: &LinkPlace<'_>) -> bool {
        self.tree()
            .docroot()
            .stat(&place.path())
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }
}

/// Where a link is made.
struct LinkPlace<'p> {
    folder: &'p OwnedFd,
    folder_path: &'p [u8],
    name: &'p [u8],
}

impl LinkPlace<'_> {
    fn path(&self) -> Vec<u8> {
        joined(self.folder_path, self.name)
    }

    fn failure(&self, error: Errno) -> Failure {
        write_failure(&self.path(), error)
    }

    /// What has the name now.
    fn stat(&self) -> Outcome<Option<FileType>> {
        match rustix::fs::statat(self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.failure(error)),
        }
    }

    fn unlink(&self, name: &[u8]) {
        // What cannot be taken away again is only a name that nothing uses.
        let _ = rustix::fs::unlinkat(self.folder, name, AtFlags::empty());
    }
}

fn escapes(docroot: &Docroot, path: &[u8]) -> bool {
    matches!(docroot.open(path, OFlags::PATH), Err(Errno::XDEV))
}

/// Whether a link in `folder` leads out of the tree as it is written.
fn leads_out(folder: &[u8], target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return true;
    }
    let mut depth = 0_usize;
    for component in folder.split(|byte| *byte == b'/') {
        depth = match component {
            b"" | b"." => depth,
            b".." => depth.saturating_sub(1),
            _ => depth + 1,
        };
    }
    for component in target.split(|byte| *byte == b'/') {
        depth = match component {
            b"" | b"." => depth,
            b".." if depth == 0 => return true,
            b".." => depth - 1,
            _ => depth + 1,
        };
    }
    false
}

fn leads_out_failure(path: &[u8], link: &OwnedLink) -> Failure {
    let fault = Fault::OutsideDocroot;
    let text = format!(
        "{}: the link {} to '{}'",
        fault.text(),
        shown(path),
        shown(&link.target)
    );
    Failure::new(fault, text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::storage::destination_tree::{DestinationTree, Placement};

    struct Fixture {
        folder: tempfile::TempDir,
        folders: Folders,
    }

    /// `outside` next to the docroot `in`, which holds `in/d/file`.
    fn fixture(confined: bool) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("outside")).unwrap();
        fs::create_dir_all(folder.path().join("in/d")).unwrap();
        fs::write(folder.path().join("in/d/file"), b"f").unwrap();
        let root = folder.path().join("in");
        let docroot = if confined {
            Docroot::confined(&root)
        } else {
            Docroot::unconfined(&root)
        };
        let tree = DestinationTree::new(Arc::new(docroot.unwrap()), b".", Placement::Into);
        let folders = Folders::new(Arc::new(tree.closed().unwrap()), Arc::default());
        Fixture { folder, folders }
    }

    impl Fixture {
        fn make(&mut self, path: &str, target: &str, replaces: bool) -> Result<bool, Fault> {
            let link = OwnedLink {
                path: path.into(),
                target: target.into(),
                replaces,
            };
            let made = self
                .folders
                .make_link(path.as_bytes(), &link, LinkTreatment::CopyForce);
            made.map_err(|failure| failure.fault)
        }

        fn root(&self) -> std::path::PathBuf {
            self.folder.path().join("in")
        }
    }

    fn names(folder: &Path) -> Vec<std::ffi::OsString> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_is_made_as_it_is_written_and_in_folders_that_were_not_offered() {
        let mut it = fixture(true);
        assert_eq!(it.make("a/b/link", "../../d/file", false), Ok(true));
        let made = it.root().join("a/b/link");
        assert_eq!(fs::read_link(&made).unwrap(), Path::new("../../d/file"));
        assert_eq!(fs::read(made).unwrap(), b"f");
        assert_eq!(names(&it.root().join("a/b")), ["link"]);
        assert_eq!(it.make("dangling", "d/none", false), Ok(true));
    }

    #[test]
    fn a_link_never_leads_out_of_a_docroot() {
        let mut it = fixture(true);
        symlink(".", it.root().join("here")).unwrap();
        for (path, target) in [
            ("l", "/etc/passwd"),
            ("l", ".."),
            ("l", "../outside"),
            ("d/l", "../../outside"),
            ("d/l", "x/../../../outside/none"),
            ("here/l", ".."),
            ("here/here/l", "../d"),
        ] {
            for replaces in [false, true] {
                let made = it.make(path, target, replaces);
                assert_eq!(made, Err(Fault::OutsideDocroot), "{path} -> {target}");
            }
        }
        assert_eq!(names(&it.root()), ["d", "here"]);
        assert_eq!(names(&it.root().join("d")), ["file"]);
    }

    #[test]
    fn a_users_own_tree_has_links_to_anywhere_and_nothing_is_written_through_them() {
        let mut it = fixture(false);
        let outside = it.folder.path().join("outside");
        assert_eq!(it.make("out", outside.to_str().unwrap(), false), Ok(true));
        assert_eq!(it.make("up", "../outside", false), Ok(true));
        for path in ["out/file", "up/file", "up/new/file"] {
            let failure = it.folders.place(path.as_bytes()).unwrap_err();
            assert_eq!(failure.fault, Fault::OutsideDocroot, "{path}");
            let made = it.make(path, "x", true);
            assert_eq!(made, Err(Fault::OutsideDocroot), "{path}");
        }
        let failure = it.folders.place(b"up").map(|place| place.folder_path);
        assert_eq!(failure.unwrap_err().fault, Fault::OutsideDocroot);
        assert_eq!(names(&outside), [""; 0]);
    }

    #[test]
    fn what_is_there_stays_or_is_replaced_but_for_folders() {
        for replaces in [false, true] {
            let mut it = fixture(true);
            let root = it.root();
            fs::write(root.join("file"), b"old").unwrap();
            symlink("d/file", root.join("to_file")).unwrap();
            symlink("d", root.join("to_folder")).unwrap();
            assert_eq!(it.make("file", "d/file", replaces), Ok(replaces));
            assert_eq!(it.make("to_file", "d/new", replaces), Ok(replaces));
            assert_eq!(it.make("to_folder", "d/new", replaces), Ok(false));
            let on_folder = it.make("d", "x", replaces);
            let expected = if replaces {
                Err(Fault::IsADirectory)
            } else {
                Ok(false)
            };
            assert_eq!(on_folder, expected);
            assert_eq!(fs::read_link(root.join("file")).is_ok(), replaces);
            assert_eq!(
                fs::read_link(root.join("to_folder")).unwrap(),
                Path::new("d")
            );
            assert_eq!(names(&root), ["d", "file", "to_file", "to_folder"]);
        }
    }

    #[test]
    fn what_is_not_allowed_is_left_out() {
        let mut it = fixture(true);
        let link = OwnedLink {
            path: b"file".to_vec(),
            target: b"d".to_vec(),
            replaces: true,
        };
        fs::write(it.root().join("file"), b"").unwrap();
        for (allowed, made) in [
            (LinkTreatment::Skip, false),
            (LinkTreatment::Follow, false),
            (LinkTreatment::Copy, false),
            (LinkTreatment::CopyForce, true),
        ] {
            let outcome = it.folders.make_link(b"file", &link, allowed);
            assert_eq!(outcome.unwrap(), made, "{allowed:?}");
        }
    }
}
