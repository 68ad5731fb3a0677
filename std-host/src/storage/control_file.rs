//! The note beside a partial file that says which bytes are safely on disk: `<name>.aspx`.
//!
//! Never trusted further than its checksum: a torn, foreign or outdated note is as good as none.
//! A user's own file may have that name; it is neither replaced nor removed.
//!
//! Layout, big-endian: 8 bytes magic `OFASPctl`, u32 version 1, u64 source size, i64 source
//! modification time (ns), u32 number of missing ranges, two u64 (start, end) each, sorted and
//! disjoint; then the first 16 bytes of the SHA-256 of all that.
//! Source: the suffix is public; the layout is our own, as none is published.

use std::os::fd::OwnedFd;

use aws_lc_rs::digest::{SHA256, digest};
use fasp_core::metadata::ByteRange;
use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::Fingerprint;
use super::byte_ranges::MAX_RANGES;
use super::partial_file::temporary_name;

/// Longest note that is read.
const MAX_BYTES: usize = 32 + 16 * (MAX_RANGES + 1) + CHECKSUM_BYTES;
const MAGIC: &[u8; 8] = b"OFASPctl";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 16;

/// What a note says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ControlFile {
    /// Bytes of the source.
    pub(super) size: u64,
    /// Modification time of the source, nanoseconds.
    pub(super) modified_ns: i64,
    /// What is not on disk.
    pub(super) missing: Vec<ByteRange>,
}

impl ControlFile {
    /// The note `name` in `folder`, if there is a valid one.
    pub(super) fn load(folder: &OwnedFd, name: &[u8]) -> Option<Self> {
        Self::decode(&read(folder, name, MAX_BYTES).ok()?)
    }

    /// Replaces the note in one step, after its content is on the disk.
    pub(super) fn save(&self, folder: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        if !is_free_or_ours(folder, name) {
            return Err(Errno::EXIST);
        }
        let temporary = temporary_name(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let file = rustix::fs::openat(folder, &temporary, flags, mode)?;
        let outcome = write_all(&file, &self.encode())
            .and_then(|()| rustix::fs::fdatasync(&file))
            .and_then(|()| rustix::fs::renameat(folder, &temporary, folder, name));
        if outcome.is_err() {
            let _ = rustix::fs::unlinkat(folder, &temporary, AtFlags::empty());
        }
        outcome
    }

    /// Removes the note `name`, if it is one.
    pub(super) fn remove(folder: &OwnedFd, name: &[u8]) {
        if read(folder, name, MAGIC.len()).is_ok_and(|head| head == MAGIC) {
            let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        }
    }

    fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.missing.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(48 + 16 * self.missing.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.modified_ns.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        for range in &self.missing {
            bytes.extend_from_slice(&range.start.to_be_bytes());
            bytes.extend_from_slice(&range.end.to_be_bytes());
        }
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// `None` for anything that [`ControlFile::encode`] did not write.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(..bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
        if bytes.get(body.len()..)? != checksum(body) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        if u32::from_be_bytes(take(&mut rest)?) != VERSION {
            return None;
        }
        let size = u64::from_be_bytes(take(&mut rest)?);
        let modified_ns = i64::from_be_bytes(take(&mut rest)?);
        let count = u32::from_be_bytes(take(&mut rest)?);
        let mut missing = Vec::new();
        let mut at = 0;
        for _ in 0..count {
            let start = u64::from_be_bytes(take(&mut rest)?);
            let end = u64::from_be_bytes(take(&mut rest)?);
            if start < at || end <= start || end > size {
                return None;
            }
            missing.push(ByteRange { start, end });
            at = end;
        }
        rest.is_empty().then_some(Self {
            size,
            modified_ns,
            missing,
        })
    }
}

fn is_free_or_ours(folder: &OwnedFd, name: &[u8]) -> bool {
    match read(folder, name, MAGIC.len()) {
        Ok(head) => head == MAGIC,
        Err(error) => error == Errno::NOENT,
    }
}

/// Up to `most` bytes of the regular file `name`.
fn read(folder: &OwnedFd, name: &[u8], most: usize) -> Result<Vec<u8>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let facts = Fingerprint::of(&rustix::fs::fstat(&file)?);
    if !facts.regular {
        return Err(Errno::INVAL);
    }
    let wanted = usize::try_from(facts.size).map_or(most, |size| size.min(most));
    let mut bytes = Vec::with_capacity(wanted);
    while bytes.len() < wanted {
        if rustix::io::read(&file, spare_capacity(&mut bytes))? == 0 {
            break;
        }
    }
    bytes.truncate(wanted);
    Ok(bytes)
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut short = [0; CHECKSUM_BYTES];
    for (to, from) in short.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> ControlFile {
        ControlFile {
            size: 100,
            modified_ns: -5,
            missing: vec![
                ByteRange { start: 0, end: 10 },
                ByteRange {
                    start: 90,
                    end: 100,
                },
            ],
        }
    }

    #[test]
    fn a_note_reads_back_as_it_was_written() {
        assert_eq!(ControlFile::decode(&note().encode()), Some(note()));
    }

    #[test]
    fn a_note_that_is_torn_anywhere_is_ignored() {
        let bytes = note().encode();
        for length in 0..bytes.len() {
            assert_eq!(
                ControlFile::decode(&bytes[..length]),
                None,
                "{length} bytes"
            );
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(ControlFile::decode(&flipped), None, "byte {at}");
        }
    }

    #[test]
    fn ranges_out_of_order_or_out_of_the_file_are_ignored() {
        let mut wrong = note();
        wrong.missing.reverse();
        assert_eq!(ControlFile::decode(&wrong.encode()), None);
        let mut wrong = note();
        wrong.size = 99;
        assert_eq!(ControlFile::decode(&wrong.encode()), None);
    }
}
