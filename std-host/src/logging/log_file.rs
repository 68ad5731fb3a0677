//! One log file in its folder, renamed when it has grown: `aspera-scp-transfer.log` becomes `.0.log`, that `.1.log`,
//! and so on.
//!
//! Several processes may write to the same log. Each appends whole lines; whoever finds the file full renames under a
//! lock on the folder, and the others notice that the name has come to mean another file.
//!
//! Source: names and numbers are public facts; the lock is ours.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::LOG_FILE_NAME;

/// Old files that are kept if nobody says otherwise.
pub(super) const KEPT: u32 = 9;

/// A log file that is open.
#[derive(Debug)]
pub(super) struct LogFile {
    folder: OwnedFd,
    most_bytes: u64,
    /// Old files that are kept; none at all with 0, where the full one is begun again.
    kept: u32,
    /// Only a file of this folder will do: no link, no pipe.
    strict: bool,
    file: File,
}

impl LogFile {
    /// Opens or begins the log in `folder`.
    ///
    /// # Errors
    ///
    /// What the system says; where it is `strict`, also if the name means something else than a file.
    pub(super) fn open(folder: OwnedFd, most_bytes: u64, strict: bool) -> Result<Self, Errno> {
        let file = open_in(&folder, strict)?;
        Ok(Self {
            folder,
            most_bytes,
            kept: KEPT,
            strict,
            file,
        })
    }

    /// The same log with so many old files.
    pub(super) const fn keeping(mut self, kept: u32) -> Self {
        self.kept = kept;
        self
    }

    /// Appends one line in one call.
    pub(super) fn write_line(&mut self, line: &str) -> io::Result<()> {
        if self.is_full(line.len()) {
            // Where it cannot be renamed the log goes on growing: better than losing lines.
            let _ = self.rotate(line.len());
        }
        self.file.write_all(line.as_bytes())
    }

    fn is_full(&self, more: usize) -> bool {
        let Ok(stat) = rustix::fs::fstat(&self.file) else {
            return false;
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file && size > 0 && size.saturating_add(more) > self.most_bytes
    }

    fn rotate(&mut self, more: usize) -> Result<(), Errno> {
        rustix::fs::flock(&self.folder, FlockOperation::LockExclusive)?;
        let outcome = self.rotate_locked(more);
        let _ = rustix::fs::flock(&self.folder, FlockOperation::Unlock);
        outcome
    }

    fn rotate_locked(&mut self, more: usize) -> Result<(), Errno> {
        // Another process may have been first.
        if !self.is_named()? {
            self.file = open_in(&self.folder, self.strict)?;
        }
        if !self.is_full(more) {
            return Ok(());
        }
        for number in (1..self.kept).rev() {
            self.rename(&old_name(number - 1), &old_name(number))?;
        }
        if self.kept == 0 {
            rustix::fs::unlinkat(&self.folder, LOG_FILE_NAME, AtFlags::empty())?;
        } else {
            self.rename(LOG_FILE_NAME, &old_name(0))?;
        }
        self.file = open_in(&self.folder, self.strict)?;
        Ok(())
    }

    /// Whether the name still means the file that is open.
    fn is_named(&self) -> Result<bool, Errno> {
        let open = rustix::fs::fstat(&self.file)?;
        match rustix::fs::statat(&self.folder, LOG_FILE_NAME, AtFlags::empty()) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        match rustix::fs::renameat(&self.folder, from, &self.folder, to) {
            Err(Errno::NOENT) => Ok(()),
            outcome => outcome,
        }
    }
}

/// `aspera-scp-transfer.3.log`.
fn old_name(number: u32) -> String {
    let stem = LOG_FILE_NAME.trim_end_matches(".log");
    format!("{stem}.{number}.log")
}

fn open_in(folder: &OwnedFd, strict: bool) -> Result<File, Errno> {
    let mut flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
    if strict {
        flags |= OFlags::NOFOLLOW | OFlags::NONBLOCK;
    }
    let mode = Mode::from_raw_mode(0o644);
    let file = rustix::fs::openat(folder, LOG_FILE_NAME, flags, mode)?;
    let stat = rustix::fs::fstat(&file)?;
    if strict && FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    Ok(File::from(file))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn log(folder: &Path, most_bytes: u64) -> LogFile {
        let folder = OwnedFd::from(File::open(folder).unwrap());
        LogFile::open(folder, most_bytes, true).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_log_is_renamed_and_nine_old_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut it = log(folder.path(), 20);
        for number in 10..40 {
            it.write_line(&format!("line {number}\n")).unwrap();
        }
        let expected: Vec<String> = (0..9)
            .map(old_name)
            .chain([LOG_FILE_NAME.to_owned()])
            .collect();
        assert_eq!(names(folder.path()), expected);
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read(LOG_FILE_NAME), "line 38\nline 39\n");
        assert_eq!(read(&old_name(0)), "line 36\nline 37\n");
        assert_eq!(read(&old_name(8)), "line 20\nline 21\n");
    }

    #[test]
    fn two_writers_of_one_log_lose_no_line_when_it_is_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let mut it = log(folder.path(), 2_000);
                std::thread::spawn(move || {
                    for number in 0..300 {
                        it.write_line(&format!("{writer} {number:010}\n")).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let lines: usize = names(folder.path())
            .iter()
            .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
            .inspect(|text| assert!(text.len() <= 2_100, "{} bytes", text.len()))
            .map(|text| text.lines().count())
            .sum();
        assert_eq!(lines, 600);
    }

    #[test]
    fn a_line_longer_than_the_limit_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut it = log(folder.path(), 10);
        it.write_line("twenty characters...\n").unwrap();
        it.write_line("twenty characters...\n").unwrap();
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn a_strict_log_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, folder.path().join(LOG_FILE_NAME)).unwrap();
        let opened = OwnedFd::from(File::open(folder.path()).unwrap());
        assert!(LogFile::open(opened, 10, true).is_err());
        assert!(!elsewhere.exists());
    }
}
