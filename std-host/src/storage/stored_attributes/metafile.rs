//! Attributes in a file beside the file they belong to: `NAME.aspera-meta`.
//!
//! Text, one attribute a line, the same on every system. A file of that name which does not begin as one of ours is
//! somebody else's: it is neither read as attributes nor replaced.
//!
//! Source: the name is public; the layout is our own and specified in PROTOCOL.md §10.4.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;

use fasp_core::fault::Fault;
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Sort, Stored, cannot};
use crate::failure::{Failure, Outcome};
use crate::storage::disk;
use crate::storage::disk_fault::{named, read_failure, shown, write_failure};
use crate::storage::docroot::Docroot;
use crate::storage::partial_file::temporary_name;

/// What such a file has behind the name of the file it belongs to.
pub(super) const SUFFIX: &[u8] = b".aspera-meta";
const HEAD: &str = "OFASP-META 1\n";
/// More is none of ours: hex digits of what one record takes, and names.
const MOST_BYTES: usize = 32 * 1024;
const NAME_MAX: usize = 255;

/// The name beside `name`; `None` if it would be too long.
fn metafile_name(name: &[u8]) -> Option<Vec<u8>> {
    let name = [name, SUFFIX].concat();
    (name.len() <= NAME_MAX).then_some(name)
}

/// The attributes noted beside the file `path`; none if there is no note.
pub(super) fn read(docroot: &Docroot, path: &[u8]) -> Outcome<Vec<Stored>> {
    let path = [path, SUFFIX].concat();
    let file = match docroot.open_to_read(&path) {
        Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(Vec::new()),
        outcome => outcome.map_err(|error| read_failure(&path, error))?,
    };
    let bytes = content(&file).map_err(|error| read_failure(&path, error))?;
    parse(&bytes).ok_or_else(|| {
        let text = format!("{}: is no file of attributes", shown(&path));
        Failure::new(Fault::DiskRead, text)
    })
}

/// Notes `all` beside the file `name` in `folder`; an old note goes where there is nothing to note.
pub(super) fn write(folder: &OwnedFd, name: &[u8], path: &[u8], all: &[Stored]) -> Outcome<()> {
    let Some(beside) = metafile_name(name) else {
        return match all {
            [] => Ok(()),
            _ => Err(named(path, Fault::FilePathTooLong)),
        };
    };
    let failed = |error| cannot(path, &error);
    if !is_free_or_ours(folder, &beside).map_err(failed)? {
        let text = format!(
            "{}: the name beside it with .aspera-meta is taken by another file",
            shown(path)
        );
        return Err(Failure::new(Fault::AlreadyExists, text));
    }
    if all.is_empty() {
        return match disk::unlink(folder, &beside) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(write_failure(path, error)),
        };
    }
    let text = text_of(all);
    let temporary = temporary_name(&beside);
    let mode = Mode::from_raw_mode(0o600);
    let file = disk::create(folder, &temporary, mode).map_err(failed)?;
    let outcome = disk::write_at(&file, text.as_bytes(), 0)
        .and_then(|()| disk::sync_file(&file))
        .and_then(|()| disk::rename(folder, &temporary, &beside));
    outcome.map_err(|error| {
        let _ = disk::unlink(folder, &temporary);
        cannot(path, &error)
    })
}

fn is_free_or_ours(folder: &OwnedFd, name: &[u8]) -> Result<bool, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(true),
        Err(Errno::LOOP) => Ok(false),
        Err(error) => Err(error),
        Ok(file) => Ok(content(&file).is_ok_and(|bytes| bytes.starts_with(HEAD.as_bytes()))),
    }
}

fn content(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(MOST_BYTES + 1);
    while bytes.len() <= MOST_BYTES {
        match rustix::io::read(file, spare_capacity(&mut bytes)) {
            Ok(0) => return Ok(bytes),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::FBIG)
}

fn text_of(all: &[Stored]) -> String {
    let mut text = HEAD.to_owned();
    for stored in all {
        text.push_str(match stored.sort {
            Sort::Xattr => "xattr ",
            Sort::Acl => "acl ",
        });
        for byte in &stored.name {
            if byte.is_ascii_graphic() && *byte != b'%' {
                text.push(char::from(*byte));
            } else {
                let _ = write!(text, "%{byte:02x}");
            }
        }
        text.push(' ');
        for byte in &stored.value {
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

/// `None` if a line is not as [`text_of`] writes it.
fn parse(bytes: &[u8]) -> Option<Vec<Stored>> {
    let lines = bytes.strip_prefix(HEAD.as_bytes())?;
    if lines.is_empty() {
        return Some(Vec::new());
    }
    let lines = lines.strip_suffix(b"\n")?;
    lines.split(|byte| *byte == b'\n').map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Stored> {
    let mut words = line.split(|byte| *byte == b' ');
    let sort = match words.next()? {
        b"xattr" => Sort::Xattr,
        b"acl" => Sort::Acl,
        _ => return None,
    };
    let mut name = Vec::new();
    let mut typed = words.next()?;
    while let Some((byte, rest)) = typed.split_first() {
        typed = rest;
        if *byte != b'%' {
            name.push(*byte);
            continue;
        }
        let (digits, rest) = typed.split_at_checked(2)?;
        name.push(hex(digits)?);
        typed = rest;
    }
    let digits = words.next()?;
    let value: Option<Vec<u8>> = digits.chunks(2).map(hex).collect();
    if words.next().is_some() || name.is_empty() || name.contains(&0) || name.len() > NAME_MAX {
        return None;
    }
    Some(Stored {
        sort,
        name,
        value: value?,
    })
}

fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(16 * digit(high)? + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_and_value_survives_the_text() {
        let all: Vec<Stored> = [
            (&b"user.plain"[..], &b""[..]),
            (b"user.a b%\n\xff", b"\0\x01\xfe"),
            (b"user.x", &[7; 300]),
        ]
        .into_iter()
        .map(|(name, value)| Stored {
            sort: Sort::Xattr,
            name: name.to_vec(),
            value: value.to_vec(),
        })
        .collect();
        let text = text_of(&all);
        assert!(text.is_ascii());
        assert!(
            text.contains("xattr user.a%20b%25%0a%ff 0001fe\n"),
            "{text}"
        );
        assert_eq!(parse(text.as_bytes()), Some(all));
        assert_eq!(parse(HEAD.as_bytes()), Some(Vec::new()));
    }

    #[test]
    fn other_text_is_none() {
        for text in [
            "",
            "OFASP-META 2\n",
            "OFASP-META 1\nxattr user.a 0",
            "OFASP-META 1\nxattr user.a 0\n",
            "OFASP-META 1\nxattr user.a zz\n",
            "OFASP-META 1\nfork user.a 00\n",
            "OFASP-META 1\nxattr  00\n",
            "OFASP-META 1\nxattr user.%0 00\n",
            "OFASP-META 1\nxattr user.a 00 00\n",
            "OFASP-META 1\nxattr %00 00\n",
            "OFASP-META 1\n\n",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
