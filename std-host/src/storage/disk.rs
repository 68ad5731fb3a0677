//! The calls on which the safety of received files rests: what changes a file or a name, and what makes that last.
//!
//! All of them are here, so that tests can record them and ask what a crash between any two leaves behind.
//! Reading, locking and attributes are elsewhere.

#[cfg(test)]
pub(super) mod recording;

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Makes a new file, to be read and written.
pub(super) fn create(folder: &OwnedFd, name: &[u8], mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, mode)?;
    #[cfg(test)]
    recording::created(folder, name, &file);
    Ok(file)
}

/// Gives a file its length; what is new reads as zeros.
pub(super) fn set_length(file: &OwnedFd, length: u64) -> Result<(), Errno> {
    #[cfg(test)]
    recording::changed(file, |file| recording::Change::Length { file, length });
    rustix::fs::ftruncate(file, length)
}

/// Writes all of `bytes`.
pub(super) fn write_at(file: &OwnedFd, bytes: &[u8], offset: u64) -> Result<(), Errno> {
    #[cfg(test)]
    recording::changed(file, |file| recording::Change::Write {
        file,
        offset,
        bytes: bytes.to_vec(),
    });
    let (mut at, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        match rustix::io::pwrite(file, rest, at) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => {
                at += u64::try_from(count).unwrap_or(0);
                rest = rest.get(count..).unwrap_or_default();
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes `start..end` read as zeros, without storing them where that is possible.
pub(super) fn clear(file: &OwnedFd, start: u64, end: u64) -> Result<(), Errno> {
    let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, mode, start, end - start) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        outcome => {
            #[cfg(test)]
            recording::changed(file, |file| recording::Change::Clear { file, start, end });
            return outcome;
        }
    }
    let mut at = start;
    while at < end {
        let length = usize::try_from(end - at).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
        write_at(file, ZEROS.get(..length).unwrap_or(&ZEROS), at)?;
        at += u64::try_from(length).unwrap_or(0);
    }
    Ok(())
}

/// Waits until the bytes of `file`, and what is needed to find them, are on the disk.
pub(super) fn sync_bytes(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fdatasync(file)?;
    #[cfg(test)]
    recording::changed(file, |file| recording::Change::Synced { file });
    Ok(())
}

/// Waits until bytes and attributes of `file` are on the disk.
pub(super) fn sync_file(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fsync(file)?;
    #[cfg(test)]
    recording::changed(file, |file| recording::Change::Synced { file });
    Ok(())
}

/// Waits until everything written to the file system of `file` is on the disk.
pub(super) fn sync_all(file: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::syncfs(file)?;
    #[cfg(test)]
    recording::all_synced();
    Ok(())
}

/// As [`sync_all`], for the file system of `folder`.
pub(super) fn sync_all_of(folder: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    sync_all(&rustix::fs::openat(folder, c".", flags, Mode::empty())?)
}

/// Waits until the names in `folder` are on the disk. A folder that may be written to and not be read, and a
/// file system without this call, keep names in their own way: that is no error.
pub(super) fn sync_names(folder: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match rustix::fs::openat(folder, c".", flags, Mode::empty()) {
        Err(Errno::ACCESS) => return Ok(()),
        outcome => outcome?,
    };
    match rustix::fs::fsync(&folder) {
        Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error),
    }
    #[cfg(test)]
    recording::names_synced(&folder);
    Ok(())
}

/// Lets the name `to` mean what `from` meant, in one step.
pub(super) fn rename(folder: &OwnedFd, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    rustix::fs::renameat(folder, from, folder, to)?;
    #[cfg(test)]
    recording::renamed(folder, from, to);
    Ok(())
}

/// As [`rename`], and an error (`EXIST`) if `to` means something already.
pub(super) fn rename_new(folder: &OwnedFd, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        // A file system without that rule: as good as can be had.
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::statat(folder, to, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => return Err(Errno::EXIST),
                Err(Errno::NOENT) => rustix::fs::renameat(folder, from, folder, to)?,
                Err(error) => return Err(error),
            }
        }
        outcome => outcome?,
    }
    #[cfg(test)]
    recording::renamed(folder, from, to);
    Ok(())
}

/// Gives what `from` means a second name.
pub(super) fn link(folder: &OwnedFd, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    rustix::fs::linkat(folder, from, folder, to, AtFlags::empty())
}

/// Takes a name away.
pub(super) fn unlink(folder: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
    #[cfg(test)]
    recording::unlinked(folder, name);
    Ok(())
}
