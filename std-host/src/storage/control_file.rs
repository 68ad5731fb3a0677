//! The note beside a partial file that says which chunks are safely on disk, and their hashes: `<name>.aspx`.
//!
//! Two slots are written in turn, so that the older one stays whole while the newer one is written. A slot counts
//! only with its checksum; a torn, foreign or outdated note is as good as none. A user's own file may have that
//! name, and a later version of this program too: neither is replaced nor removed.
//!
//! Source: the suffix is public; the layout is our own and specified in PROTOCOL.md §10.2.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::Fingerprint;
use super::chunks::Chunks;
use super::disk;
use super::partial_file::temporary_name;

const MAGIC: &[u8; 8] = b"OFASPctl";
const VERSION: u32 = 2;
/// Magic and version.
const HEAD_BYTES: usize = 12;
/// Everything of a slot before the bits of the chunks.
const FIXED_BYTES: usize = 76;
const CHECKSUM_BYTES: usize = 32;
/// Slots begin at multiples of this, so that no sector belongs to both.
const SLOT_ALIGNMENT: usize = 4_096;
/// Nothing is known of the source but its size and time.
pub(super) const NO_FINGERPRINT: [u8; 32] = [0; 32];

/// The hash of a chunk: its chaining value in the BLAKE3 tree of the file.
pub(super) type ChunkHash = [u8; 32];

/// What a note says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Notes {
    /// The size of the source and how it is cut.
    pub(super) chunks: Chunks,
    /// Modification time of the source, nanoseconds.
    pub(super) modified_ns: i64,
    /// What else a source must have; all zero: nothing.
    pub(super) fingerprint: [u8; 32],
    /// Chunks that are on the disk, and their hashes.
    pub(super) durable: BTreeMap<u64, ChunkHash>,
}

/// Whose a file with the name of a control file is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// There is none.
    Nobody,
    /// It is a note of this version or an older one.
    Us,
    /// It is something else, and stays as it is.
    SomebodyElse,
}

/// The place of a note.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ControlFile {
    name: Vec<u8>,
    /// The newest slot's; 0 before there is a file.
    generation: u64,
    inode: u64,
}

impl ControlFile {
    /// A note that is not written yet.
    pub(super) const fn new(name: Vec<u8>) -> Self {
        Self {
            name,
            generation: 0,
            inode: 0,
        }
    }

    /// What the file `name` in `folder` is.
    pub(super) fn owner(folder: &OwnedFd, name: &[u8]) -> Owner {
        match open(folder, name, OFlags::RDONLY).and_then(|file| read(&file, 0, HEAD_BYTES)) {
            Err(Errno::NOENT) => Owner::Nobody,
            Ok(head) if is_ours(&head) => Owner::Us,
            _ => Owner::SomebodyElse,
        }
    }

    /// Whether there is a note on the disk.
    pub(super) const fn is_written(&self) -> bool {
        self.generation > 0
    }

    /// What the newest valid slot says, if it is about a source of this size, time and fingerprint.
    pub(super) fn load(
        &mut self,
        folder: &OwnedFd,
        chunks: Chunks,
        modified_ns: i64,
        fingerprint: [u8; 32],
    ) -> Option<Notes> {
        let file = open(folder, &self.name, OFlags::RDONLY).ok()?;
        let inode = rustix::fs::fstat(&file).ok()?.st_ino;
        let length = slot_bytes(chunks);
        let slots = [0, length].map(|at| {
            let bytes = read(&file, u64::try_from(at).ok()?, length).ok()?;
            decode(&bytes, chunks)
        });
        let (generation, notes) = slots.into_iter().flatten().max_by_key(|slot| slot.0)?;
        if notes.modified_ns != modified_ns || notes.fingerprint != fingerprint {
            return None;
        }
        (self.generation, self.inode) = (generation, inode);
        Some(notes)
    }

    /// Writes the note into the older slot and waits until it is on the disk; the bytes it speaks of must be there
    /// already. The first time the file is made, in one step, and its name is brought to the disk too.
    ///
    /// # Errors
    ///
    /// What the system says; `EXIST` if the name belongs to somebody else. What was noted before still is.
    pub(super) fn save(&mut self, folder: &OwnedFd, notes: &Notes) -> Result<(), Errno> {
        if self.generation == 0 {
            return self.make(folder, notes);
        }
        let file = open(folder, &self.name, OFlags::RDWR)?;
        if rustix::fs::fstat(&file)?.st_ino != self.inode {
            return Err(Errno::STALE);
        }
        let generation = self.generation + 1;
        let slot = usize::from(generation.is_multiple_of(2)) * slot_bytes(notes.chunks);
        let bytes = encode(notes, generation);
        disk::write_at(&file, &bytes, u64::try_from(slot).map_err(|_| Errno::FBIG)?)?;
        disk::sync_bytes(&file)?;
        self.generation = generation;
        Ok(())
    }

    /// Removes the note, if it is one; `true` if there was one.
    pub(super) fn remove(folder: &OwnedFd, name: &[u8]) -> bool {
        let is_ours = Self::owner(folder, name) == Owner::Us;
        // One that stays is not believed without its partial file.
        is_ours && disk::unlink(folder, name).is_ok()
    }

    fn make(&mut self, folder: &OwnedFd, notes: &Notes) -> Result<(), Errno> {
        if Self::owner(folder, &self.name) == Owner::SomebodyElse {
            return Err(Errno::EXIST);
        }
        let temporary = temporary_name(&self.name);
        let file = disk::create(folder, &temporary, Mode::from_raw_mode(0o600))?;
        let length = u64::try_from(2 * slot_bytes(notes.chunks)).map_err(|_| Errno::FBIG)?;
        let outcome = reserve(&file, length)
            .and_then(|()| disk::write_at(&file, &encode(notes, 1), 0))
            .and_then(|()| disk::sync_bytes(&file))
            .and_then(|()| disk::rename(folder, &temporary, &self.name))
            .and_then(|()| disk::sync_names(folder))
            .and_then(|()| rustix::fs::fstat(&file));
        match outcome {
            Ok(stat) => {
                self.generation = 1;
                self.inode = stat.st_ino;
                Ok(())
            }
            Err(error) => {
                let _ = disk::unlink(folder, &temporary);
                Err(error)
            }
        }
    }
}

/// Takes the room of both slots at once: a disk that fills up later must not cost the notes.
fn reserve(file: &OwnedFd, length: u64) -> Result<(), Errno> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => disk::set_length(file, length),
        Err(error) => Err(error),
    }
}

fn slot_bytes(chunks: Chunks) -> usize {
    let count = usize::try_from(chunks.count()).unwrap_or(0);
    let most = FIXED_BYTES + count.div_ceil(8) + 32 * count + CHECKSUM_BYTES;
    most.next_multiple_of(SLOT_ALIGNMENT)
}

fn encode(notes: &Notes, generation: u64) -> Vec<u8> {
    let count = notes.chunks.count();
    let mut bytes = Vec::with_capacity(slot_bytes(notes.chunks));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&notes.chunks.size().to_be_bytes());
    bytes.extend_from_slice(&notes.modified_ns.to_be_bytes());
    bytes.extend_from_slice(&notes.fingerprint);
    bytes.extend_from_slice(&notes.chunks.log2().to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(0).to_be_bytes());
    for first in (0..count).step_by(8) {
        let bits = (0..8).fold(0, |bits, bit| {
            bits << 1 | u8::from(notes.durable.contains_key(&(first + bit)))
        });
        bytes.push(bits);
    }
    for hash in notes.durable.values() {
        bytes.extend_from_slice(hash);
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Generation and notes of a slot; `None` for anything that [`encode`] did not write for such a source.
pub(super) fn decode(bytes: &[u8], chunks: Chunks) -> Option<(u64, Notes)> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    if u32::from_be_bytes(take(&mut rest)?) != VERSION {
        return None;
    }
    let generation = u64::from_be_bytes(take(&mut rest)?);
    let size = u64::from_be_bytes(take(&mut rest)?);
    let modified_ns = i64::from_be_bytes(take(&mut rest)?);
    let fingerprint: [u8; 32] = take(&mut rest)?;
    let log2 = u32::from_be_bytes(take(&mut rest)?);
    let count = u64::from(u32::from_be_bytes(take(&mut rest)?));
    let is_usual =
        generation > 0 && size == chunks.size() && log2 == chunks.log2() && count == chunks.count();
    if !is_usual {
        return None;
    }
    let (bits, mut rest) = rest.split_at_checked(usize::try_from(count.div_ceil(8)).ok()?)?;
    let mut durable = BTreeMap::new();
    for (first, bits) in (0_u64..).step_by(8).zip(bits) {
        for bit in (0..8).filter(|bit| bits << bit & 0x80 != 0) {
            if first + bit >= count {
                return None;
            }
            durable.insert(first + bit, take(&mut rest)?);
        }
    }
    let checksum: [u8; CHECKSUM_BYTES] = take(&mut rest)?;
    let body = bytes.get(..bytes.len() - rest.len() - CHECKSUM_BYTES)?;
    let notes = Notes {
        chunks,
        modified_ns,
        fingerprint,
        durable,
    };
    (blake3::hash(body) == checksum).then_some((generation, notes))
}

fn is_ours(head: &[u8]) -> bool {
    let version = head.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk());
    version.is_some_and(|version| u32::from_be_bytes(*version) <= VERSION)
}

/// The regular file `name`; a link is not followed, a pipe not waited for.
fn open(folder: &OwnedFd, name: &[u8], mode: OFlags) -> Result<OwnedFd, Errno> {
    let flags = mode | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    if Fingerprint::of(&rustix::fs::fstat(&file)?).regular {
        Ok(file)
    } else {
        Err(Errno::INVAL)
    }
}

/// Up to `most` bytes from `offset`.
fn read(file: &OwnedFd, offset: u64, most: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(most);
    while bytes.len() < most {
        let at = offset + u64::try_from(bytes.len()).unwrap_or(0);
        match rustix::io::pread(file, spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(most);
    Ok(bytes)
}

/// Whether `folder` still has the file number `inode` under `name`.
pub(super) fn is_named(folder: &OwnedFd, name: &[u8], inode: u64) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_ino == inode)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
