//! An envelope that has arrived becomes the file that is in it.
//!
//! The plain bytes go to a temporary file beside its final name, which then takes the place of the envelope: it gets
//! the attributes, is brought to the disk and takes its name like any other. The envelope is removed last.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::fault::Fault;
use rustix::io::Errno;

use super::progress::Progress;
use super::{PartialFile, temporary_name};
use crate::envelope::{Opener, Unopened, without_suffix};
use crate::failure::{Failure, Outcome};
use crate::storage::attributes::creation_mode;
use crate::storage::control_file::ControlFile;
use crate::storage::destination_tree::joined;
use crate::storage::disk;
use crate::storage::disk_fault::{shown, write_failure};
use crate::storage::folders::Folders;

/// An envelope that was opened; it stays, locked, until the file that was in it has its name.
#[derive(Debug)]
pub(super) struct Opened {
    folder_path: Vec<u8>,
    part_name: Vec<u8>,
    resume: Option<Progress>,
    _file: Arc<OwnedFd>,
}

impl PartialFile {
    /// Opens the complete file, if its name says that it is an envelope. With another passphrase it stays as it is,
    /// unless that is to be an error.
    ///
    /// # Errors
    ///
    /// [`Fault::FileEncryption`] for what is no envelope of a passphrase or is damaged,
    /// [`Fault::FileDecryptionPassphrase`], or the fault of writing.
    pub(in super::super) fn open_envelope(
        &mut self,
        folders: &mut Folders,
        opener: &Opener,
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<()> {
        let Some(plain_path) = without_suffix(&self.path) else {
            return Ok(());
        };
        let place = folders.place(plain_path)?;
        let path = joined(&place.folder_path, &place.name);
        let sealed = self.open(folders)?;
        let folder = folders.open(&place.folder_path)?;
        let part_name = temporary_name(&place.name);
        let plain = disk::create(&folder, &part_name, creation_mode(self.mode))
            .map_err(|error| write_failure(&path, error))?;
        let size = match self.decrypt(opener, (&sealed, &plain), go_on) {
            Ok(Ok(size)) => size,
            outcome => {
                let _ = disk::unlink(&folder, &part_name);
                return match outcome {
                    Err(failure) => Err(failure),
                    Ok(Err(Unopened::WrongPassphrase)) if !opener.fails() => {
                        opener.note_kept(&self.path);
                        Ok(())
                    }
                    Ok(Err(why)) => Err(self.unopened(why)),
                    Ok(Ok(_)) => Ok(()),
                };
            }
        };
        let stat = rustix::fs::fstat(&plain).map_err(|error| write_failure(&path, error))?;
        self.wait_for_checkpoint();
        self.opened = Some(Opened {
            folder_path: std::mem::replace(&mut self.folder_path, place.folder_path),
            part_name: std::mem::replace(&mut self.part_name, part_name),
            resume: self.resume.take(),
            _file: sealed,
        });
        (self.path, self.name, self.size) = (path, place.name, size);
        (self.device, self.inode) = (stat.st_dev, stat.st_ino);
        self.file = Some(Arc::new(plain));
        self.fresh = true;
        Ok(())
    }

    fn decrypt(
        &self,
        opener: &Opener,
        (sealed, plain): (&OwnedFd, &OwnedFd),
        go_on: &dyn Fn() -> bool,
    ) -> Outcome<Result<u64, Unopened>> {
        let failed = |error| write_failure(&self.path, error);
        let mut read = |mut at: u64, mut rest: &mut [u8]| {
            if !go_on() {
                return Err(Failure::from(Fault::UserCancelled));
            }
            while !rest.is_empty() {
                match rustix::io::pread(sealed, &mut *rest, at) {
                    Ok(0) => return Err(failed(Errno::IO)),
                    Ok(count) => {
                        at += u64::try_from(count).unwrap_or(0);
                        rest = rest.get_mut(count..).unwrap_or_default();
                    }
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            Ok(())
        };
        let mut write = |at, bytes: &[u8]| disk::write_at(plain, bytes, at).map_err(failed);
        opener.open(self.size, &mut read, &mut write)
    }

    fn unopened(&self, why: Unopened) -> Failure {
        let fault = match why {
            Unopened::WrongPassphrase => Fault::FileDecryptionPassphrase,
            Unopened::Foreign | Unopened::Damaged => Fault::FileEncryption,
        };
        let text = format!("{}: {}: {}", fault.text(), shown(&self.path), why.text());
        Failure::new(fault, text)
    }

    /// Removes the envelope of a file that has its name, or of one that is given up and not to be gone on with.
    pub(super) fn drop_envelope(&mut self, folders: &mut Folders) {
        let Some(opened) = self.opened.take() else {
            return;
        };
        let Ok(folder) = folders.open(&opened.folder_path) else {
            return;
        };
        if let Some(resume) = &opened.resume {
            ControlFile::remove(&folder, &resume.control_name);
        }
        let _ = disk::unlink(&folder, &opened.part_name);
    }

    /// Whether a later session can go on with the envelope.
    pub(super) fn envelope_is_resumable(&self) -> bool {
        self.opened
            .as_ref()
            .is_some_and(|opened| opened.resume.is_some())
    }
}
