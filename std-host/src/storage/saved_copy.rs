//! Keeping a file that is about to be replaced: `NAME.yyyy.mm.dd.hh.mm.ss.index.EXT` beside it.
//!
//! The copy is another name of the old file, so it keeps every attribute and costs no time; the old name is never
//! missing. Where a file system has no second names, the old file is renamed and its name is missing for a moment.
//!
//! Source: the form of the name, local time and the counting from 1 in each second are public.

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use chrono::Local;
use rustix::io::Errno;

use super::disk;
use super::write_behind::lock;

const NAME_MAX: usize = 255;
/// Names tried in one second before it is given up.
const MOST_TRIES: u32 = 1_000_000;

/// The names of one session's copies.
#[derive(Debug, Default)]
pub(super) struct SavedCopies {
    last: Mutex<(String, u32)>,
}

impl SavedCopies {
    /// Keeps the file `name` in `folder`, if there is one.
    ///
    /// # Errors
    ///
    /// What the system says; the file is where it was.
    pub(super) fn keep(&self, folder: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        for _ in 0..MOST_TRIES {
            let (second, index) = self.next();
            let copy = copy_name(name, &second, index);
            match keep_as(folder, name, &copy) {
                Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => return Ok(()),
                outcome => return outcome,
            }
        }
        Err(Errno::EXIST)
    }

    /// The present second and the next index in it.
    fn next(&self) -> (String, u32) {
        let now = Local::now().format("%Y.%m.%d.%H.%M.%S").to_string();
        let mut last = lock(&self.last);
        let index = if last.0 == now { last.1 + 1 } else { 1 };
        *last = (now, index);
        last.clone()
    }
}

fn keep_as(folder: &OwnedFd, name: &[u8], copy: &[u8]) -> Result<(), Errno> {
    match disk::link(folder, name, copy) {
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => {
            disk::rename_new(folder, name, copy)
        }
        outcome => outcome,
    }
}

/// `name` with the moment before its extension; a name that gets too long loses the end of its stem.
fn copy_name(name: &[u8], second: &str, index: u32) -> Vec<u8> {
    let dot = name.iter().rposition(|byte| *byte == b'.');
    let (stem, extension) = match dot {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, &b""[..]),
    };
    let middle = format!(".{second}.{index}");
    let room = NAME_MAX.saturating_sub(middle.len());
    let extension = extension.get(..extension.len().min(room)).unwrap_or(b"");
    let mut keep = stem.len().min(room - extension.len());
    // Not within a character: some file systems take valid UTF-8 only.
    while keep > 0 && stem.get(keep).is_some_and(|byte| byte & 0xC0 == 0x80) {
        keep -= 1;
    }
    let stem = stem.get(..keep).unwrap_or(stem);
    [stem, middle.as_bytes(), extension].concat()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::{CWD, Mode, OFlags};

    use super::*;

    #[test]
    fn the_moment_stands_before_the_extension() {
        let second = "2026.11.27.23.30.59";
        let table: [(&str, &str); 5] = [
            ("file.ext", "file.2026.11.27.23.30.59.7.ext"),
            ("a.tar.gz", "a.tar.2026.11.27.23.30.59.7.gz"),
            ("plain", "plain.2026.11.27.23.30.59.7"),
            (".hidden", ".hidden.2026.11.27.23.30.59.7"),
            ("dot.", "dot.2026.11.27.23.30.59.7."),
        ];
        for (name, expected) in table {
            let copy = copy_name(name.as_bytes(), second, 7);
            assert_eq!(String::from_utf8(copy).unwrap(), expected);
        }
        for name in [
            "x".repeat(255),
            format!("{}.{}", "ü".repeat(100), "e".repeat(54)),
        ] {
            let copy = copy_name(name.as_bytes(), second, 7);
            assert!(copy.len() <= 255 && String::from_utf8(copy).is_ok());
        }
    }

    #[test]
    fn copies_of_one_second_are_counted_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let handle = rustix::fs::openat(CWD, folder.path(), flags, Mode::empty()).unwrap();
        let copies = SavedCopies::default();
        assert_eq!(copies.keep(&handle, b"missing"), Ok(()));
        for number in 0..50 {
            fs::write(folder.path().join("f.txt"), format!("{number}")).unwrap();
            copies.keep(&handle, b"f.txt").unwrap();
            fs::remove_file(folder.path().join("f.txt")).unwrap();
        }
        let mut kept: Vec<u32> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                fs::read_to_string(entry.unwrap().path())
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        kept.sort_unstable();
        assert_eq!(kept, (0..50).collect::<Vec<_>>());
    }
}
