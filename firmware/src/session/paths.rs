//! Paths from the client, made into paths of the storage; nothing leads out of it.

use fasp_core::destination::{PathError, split_relative};
use fasp_core::fault::Fault;

use crate::storage::{LONGEST_PATH, Storage, StorageError};

/// A path of the storage; empty for the root.
pub(super) type Path = heapless::Vec<u8, LONGEST_PATH>;

/// What the client's user wrote, without `/` in front and `/` and `/.` behind.
///
/// # Errors
///
/// [`Fault::OutsideDocroot`] if it has a component `..` or the like, [`Fault::FilePathTooLong`].
pub(super) fn from_user(written: &[u8]) -> Result<Path, Fault> {
    let mut rest = written;
    while let Some(shorter) = rest.strip_prefix(b"/").or_else(|| rest.strip_prefix(b"./")) {
        rest = shorter;
    }
    while let Some(shorter) = rest.strip_suffix(b"/").or_else(|| rest.strip_suffix(b"/.")) {
        rest = shorter;
    }
    if rest.is_empty() || rest == b"." {
        return Ok(Path::new());
    }
    checked(rest)?;
    Path::from_slice(rest).map_err(|_| Fault::FilePathTooLong)
}

/// `Ok` for a path that a record may carry.
pub(super) fn checked(path: &[u8]) -> Result<(), Fault> {
    match split_relative(path) {
        Ok(_) => Ok(()),
        Err(PathError::TooLong | PathError::ComponentTooLong) => Err(Fault::FilePathTooLong),
        Err(_) => Err(Fault::OutsideDocroot),
    }
}

/// `base` and below it `name`; either may be empty.
pub(super) fn joined(base: &[u8], name: &[u8]) -> Result<Path, Fault> {
    let mut path = Path::from_slice(base).map_err(|_| Fault::FilePathTooLong)?;
    if !base.is_empty() && !name.is_empty() {
        path.push(b'/').map_err(|_| Fault::FilePathTooLong)?;
    }
    path.extend_from_slice(name)
        .map_err(|_| Fault::FilePathTooLong)?;
    Ok(path)
}

/// The folder that holds `path`; empty for the root.
pub(super) fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    path.get(..slash.unwrap_or(0)).unwrap_or_default()
}

/// The last component of `path`.
pub(super) fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Makes `folder` and those above it, as far as they are missing.
pub(super) fn make_folders<S: Storage>(storage: &mut S, folder: &[u8]) -> Result<(), Fault> {
    let mut at = 0;
    while at < folder.len() {
        let rest = folder.get(at..).unwrap_or_default();
        let slash = rest.iter().skip(1).position(|byte| *byte == b'/');
        at = slash.map_or(folder.len(), |further| at + 1 + further);
        let prefix = folder.get(..at).unwrap_or(folder);
        match storage.stat(prefix) {
            Ok(entry) if entry.is_folder => {}
            Ok(_) => return Err(Fault::NotADirectory),
            Err(StorageError::NotFound) => storage
                .make_folder(prefix)
                .map_err(StorageError::while_writing)?,
            Err(error) => return Err(error.while_writing()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ways_to_write_one_path() {
        for written in [
            &b"/a/b"[..],
            b"a/b",
            b"./a/b",
            b"a/b/",
            b"//a/b/.",
            b"/./a/b",
        ] {
            assert_eq!(
                from_user(written).unwrap(),
                b"a/b",
                "{}",
                written.escape_ascii()
            );
        }
        for written in [&b""[..], b"/", b".", b"./", b"/."] {
            assert_eq!(
                from_user(written).unwrap(),
                b"",
                "{}",
                written.escape_ascii()
            );
        }
    }

    #[test]
    fn no_path_leads_out() {
        for written in [
            &b".."[..],
            b"/..",
            b"a/../b",
            b"a/..",
            b"../a",
            b"a//b",
            b"a\0b",
        ] {
            assert_eq!(
                from_user(written),
                Err(Fault::OutsideDocroot),
                "{}",
                written.escape_ascii()
            );
        }
        assert_eq!(from_user(&[b'x'; 129]), Err(Fault::FilePathTooLong));
    }

    #[test]
    fn a_path_has_a_parent_and_a_name() {
        assert_eq!((parent(b"a/b/c"), name(b"a/b/c")), (&b"a/b"[..], &b"c"[..]));
        assert_eq!((parent(b"a"), name(b"a")), (&b""[..], &b"a"[..]));
    }
}
