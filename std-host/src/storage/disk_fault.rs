//! From what the system said about a file to the public fault and one sentence naming the file.
//!
//! Source: the numbers and texts are those of `fasp_core::fault`; which system error belongs to
//! which is our choice.

use fasp_core::fault::Fault;
use rustix::io::Errno;

use crate::failure::Failure;

/// The failure of reading or examining `path`.
#[must_use]
pub fn read_failure(path: &[u8], error: Errno) -> Failure {
    let fault = match error {
        Errno::NOTDIR => Fault::NoSuchFile,
        other => common_fault(other).unwrap_or(Fault::DiskRead),
    };
    describe(path, fault, error)
}

/// The failure of creating, writing or renaming `path`.
#[must_use]
pub fn write_failure(path: &[u8], error: Errno) -> Failure {
    let fault = match error {
        Errno::NOSPC | Errno::DQUOT => Fault::NoSpaceLeft,
        Errno::ROFS => Fault::ReadOnlyFileSystem,
        Errno::FBIG => Fault::FileTooBig,
        Errno::ISDIR => Fault::IsADirectory,
        Errno::NOTDIR => Fault::NotADirectory,
        other => common_fault(other).unwrap_or(Fault::DiskWrite),
    };
    describe(path, fault, error)
}

/// A failure whose sentence is the name of the file and the public text.
#[must_use]
pub fn named(path: &[u8], fault: Fault) -> Failure {
    Failure::new(fault, format!("{}: {}", fault.text(), shown(path)))
}

/// `path` for a terminal or a log: control characters escaped, foreign bytes replaced.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for character in String::from_utf8_lossy(path).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

const fn common_fault(error: Errno) -> Option<Fault> {
    Some(match error {
        Errno::NOENT => Fault::NoSuchFile,
        Errno::ACCESS | Errno::PERM => Fault::NoPermissions,
        // What `openat2` answers when a path leaves the tree it is confined to.
        Errno::XDEV => Fault::OutsideDocroot,
        Errno::LOOP => Fault::LinkLoop,
        Errno::NAMETOOLONG => Fault::FilePathTooLong,
        Errno::MFILE | Errno::NFILE => Fault::TooManyFiles,
        Errno::NOMEM => Fault::OutOfMemory,
        _ => return None,
    })
}

fn describe(path: &[u8], fault: Fault, error: Errno) -> Failure {
    match fault {
        Fault::DiskRead | Fault::DiskWrite => {
            let text = format!("{}: {} ({error})", fault.text(), shown(path));
            Failure::new(fault, text)
        }
        _ => named(path, fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_as_users_know_it() {
        let failure = write_failure(b"a/b", Errno::NOSPC);
        assert_eq!(failure.fault, Fault::NoSpaceLeft);
        assert_eq!(failure.text, "No space left on disk: a/b");
        assert_eq!(write_failure(b"a", Errno::DQUOT).fault, Fault::NoSpaceLeft);
    }

    #[test]
    fn an_unforeseen_error_keeps_what_the_system_said() {
        let failure = write_failure(b"a", Errno::IO);
        assert_eq!(failure.fault, Fault::DiskWrite);
        assert!(failure.text.contains("Input/output"), "{}", failure.text);
        assert_eq!(read_failure(b"a", Errno::IO).fault, Fault::DiskRead);
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(shown(b"a\nb\x1b[31m\xff"), "a\\nb\\u{1b}[31m\u{fffd}");
    }
}
