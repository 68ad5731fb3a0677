//! Modes, times and identity of files, between what the system reports and what records carry.
//!
//! Extended attributes and access lists are in `stored_attributes`.
//!
//! Source: modes are masked by the receiver's umask and times kept on `-p` (public behaviour of
//! `ascp`). The mask is never read: the kernel applies it (or a folder's default access list) at
//! creation, and later changes only take bits away.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use super::create_modes::ModeRule;
use super::stored_attributes::OwnedAttributes;

const NANOS: i64 = 1_000_000_000;

/// Which times and owners a delivered file takes over from its source.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Preserve {
    /// The modification time.
    pub modified: bool,
    /// The access time.
    pub accessed: bool,
    /// The number of the owner.
    pub uid: bool,
    /// The number of the group.
    pub gid: bool,
}

impl From<fasp_core::negotiation::Preserve> for Preserve {
    fn from(agreed: fasp_core::negotiation::Preserve) -> Self {
        Self {
            modified: agreed.modification_times,
            accessed: agreed.access_times,
            uid: agreed.owner_uids,
            gid: agreed.owner_gids,
        }
    }
}

impl Preserve {
    /// Whether there is anything to take over.
    #[must_use]
    pub const fn any(self) -> bool {
        self.modified || self.accessed || self.uid || self.gid
    }
}

/// What identifies one state of a file's content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fingerprint {
    pub(super) regular: bool,
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    pub(super) inode: u64,
    pub(super) device: u64,
    /// When anything about the file was changed last; nobody can set it.
    pub(super) changed_ns: i64,
}

impl Fingerprint {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            regular: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
            size: size_of_file(stat),
            modified_ns: modified_ns(stat),
            inode: stat.st_ino,
            device: stat.st_dev,
            changed_ns: changed_ns(stat),
        }
    }
}

pub(super) fn size_of_file(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

pub(super) fn modified_ns(stat: &Stat) -> i64 {
    nanos(stat.st_mtime, stat.st_mtime_nsec)
}

pub(super) fn accessed_ns(stat: &Stat) -> i64 {
    nanos(stat.st_atime, stat.st_atime_nsec)
}

pub(super) fn changed_ns(stat: &Stat) -> i64 {
    nanos(stat.st_ctime, stat.st_ctime_nsec)
}

fn nanos(seconds: i64, fraction: u64) -> i64 {
    let fraction = i64::try_from(fraction).unwrap_or(0);
    seconds.saturating_mul(NANOS).saturating_add(fraction)
}

/// The times to set; `None` if none is to be kept.
pub(super) fn times(preserve: Preserve, modified_ns: i64, accessed_ns: i64) -> Option<Timestamps> {
    (preserve.modified || preserve.accessed).then(|| Timestamps {
        last_access: timespec(preserve.accessed, accessed_ns),
        last_modification: timespec(preserve.modified, modified_ns),
    })
}

fn timespec(keep: bool, nanos: i64) -> Timespec {
    let tv_nsec = if keep {
        nanos.rem_euclid(NANOS)
    } else {
        UTIME_OMIT
    };
    Timespec {
        tv_sec: nanos.div_euclid(NANOS),
        tv_nsec,
    }
}

/// The owner and group that are kept of those that came.
pub(super) fn owner(
    preserve: Preserve,
    attributes: Option<&OwnedAttributes>,
) -> (Option<Uid>, Option<Gid>) {
    let attributes = attributes.cloned().unwrap_or_default();
    let uid = attributes.uid.filter(|_| preserve.uid).map(Uid::from_raw);
    let gid = attributes.gid.filter(|_| preserve.gid).map(Gid::from_raw);
    (uid, gid)
}

/// The permission bits to create a file with: readable and writable while it is filled.
pub(super) fn creation_mode(source_mode: u32) -> Mode {
    Mode::from_raw_mode(source_mode & 0o777 | 0o600)
}

/// The permission bits to create a folder with: usable while it is filled.
pub(super) fn folder_creation_mode(source_mode: u32) -> Mode {
    Mode::from_raw_mode(source_mode & 0o777 | 0o700)
}

/// Takes away the permission bits that the source does not have; those the mask took stay away, unless
/// `rule` says otherwise.
pub(super) fn settle_mode(file: impl AsFd, source_mode: u32, rule: ModeRule) -> Result<(), Errno> {
    let current = rustix::fs::fstat(&file)?.st_mode & 0o7777;
    let wanted = rule.settled(current, source_mode);
    if wanted != current {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(wanted))?;
    }
    Ok(())
}

/// [`settle_mode`] and times of the folder `name` in `parent`; a link in its place is left alone.
pub(super) fn settle_folder(
    parent: impl AsFd,
    name: &[u8],
    source_mode: Option<(u32, ModeRule)>,
    times: Option<&Timestamps>,
    (uid, gid): (Option<Uid>, Option<Gid>),
) -> Result<(), Errno> {
    let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(());
    }
    if uid.is_some() || gid.is_some() {
        rustix::fs::chownat(&parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let current = stat.st_mode & 0o7777;
    let wanted = source_mode.map_or(current, |(mode, rule)| rule.settled(current, mode));
    if wanted != current {
        let mode = Mode::from_raw_mode(wanted);
        rustix::fs::chmodat(&parent, name, mode, AtFlags::empty())?;
    }
    if let Some(times) = times {
        rustix::fs::utimensat(&parent, name, times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_epoch_keeps_a_positive_fraction() {
        let time = timespec(true, -1);
        assert_eq!((time.tv_sec, time.tv_nsec), (-1, 999_999_999));
    }

    #[test]
    fn times_that_are_not_kept_are_left_alone() {
        assert!(times(Preserve::default(), 1, 1).is_none());
        let preserve = Preserve {
            modified: true,
            ..Preserve::default()
        };
        let times = times(preserve, 5_000_000_001, 7).unwrap();
        assert_eq!(times.last_modification.tv_sec, 5);
        assert_eq!(times.last_modification.tv_nsec, 1);
        assert_eq!(times.last_access.tv_nsec, UTIME_OMIT);
    }
}
