//! What the sessions of a split file know together: of which source it is, and which parts are on the disk.
//!
//! Two slots that are written in turn, so that the older one stays whole while the newer one is written. A slot counts
//! only with its checksum. Whoever reads or writes it holds the lock of the file, which is never replaced while it is
//! in use.
//!
//! Source: PROTOCOL.md §10.5.

use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::storage::disk;

const MAGIC: &[u8; 8] = b"OFASPset";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 32;
/// Everything of a slot before its checksum.
const BODY_BYTES: usize = 89;
const SLOT_BYTES: usize = BODY_BYTES + CHECKSUM_BYTES;
/// Slots begin at multiples of this, so that no sector belongs to both.
const SLOT_ALIGNMENT: u64 = 4_096;

/// The state of a source and how it is split: parts that differ in any of it are not of one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) struct SourceState {
    /// Bytes of the whole file.
    pub(in super::super) size: u64,
    /// Modification time, nanoseconds since 1970.
    pub(in super::super) modified_ns: i64,
    /// When anything about it was changed last, nanoseconds since 1970.
    pub(in super::super) changed_ns: i64,
    /// How many sessions share it.
    pub(in super::super) count: u8,
}

/// What a plan says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    pub(super) source: SourceState,
    /// Random, for every common file another one: notes name the one they belong to.
    pub(super) set: [u8; 16],
    /// The number of the common file in its file system.
    pub(super) inode: u64,
    /// The parts that are on the disk; bit 0 is the first session's.
    pub(super) durable: u128,
}

impl Plan {
    pub(super) const fn bit(node: u8) -> u128 {
        1 << (node - 1)
    }

    pub(super) const fn has(&self, node: u8) -> bool {
        self.durable & Self::bit(node) != 0
    }
}

/// A plan on the disk.
#[derive(Debug)]
pub(super) struct PlanFile {
    file: OwnedFd,
    /// The newest slot's; 0 if none counts.
    generation: u64,
}

impl PlanFile {
    /// The newest slot that counts; `EXIST` if the file is somebody else's.
    pub(super) fn read(file: OwnedFd) -> Result<(Self, Option<Plan>), Errno> {
        let slots = [0, SLOT_ALIGNMENT].map(|at| slot(&file, at));
        let [first, second] = slots;
        let (first, second) = (first?, second?);
        if !first.is_empty() && !first.starts_with(MAGIC) {
            return Err(Errno::EXIST);
        }
        let newest = [first, second]
            .iter()
            .filter_map(|bytes| decode(bytes))
            .max_by_key(|(generation, _)| *generation);
        let generation = newest.map_or(0, |(generation, _)| generation);
        Ok((Self { file, generation }, newest.map(|(_, plan)| plan)))
    }

    /// Writes the older slot and waits until it is on the disk.
    pub(super) fn save(&mut self, plan: &Plan) -> Result<(), Errno> {
        let generation = self.generation + 1;
        // The first slot is never empty in a file that has one.
        let at = if generation.is_multiple_of(2) {
            SLOT_ALIGNMENT
        } else {
            0
        };
        disk::write_at(&self.file, &encode(plan, generation), at)?;
        disk::sync_bytes(&self.file)?;
        self.generation = generation;
        Ok(())
    }

    /// From here on it says nothing, also after a crash.
    pub(super) fn clear(&mut self) -> Result<(), Errno> {
        disk::set_length(&self.file, 0)?;
        self.generation = 0;
        disk::sync_bytes(&self.file)
    }
}

fn slot(file: &OwnedFd, at: u64) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    while bytes.len() < SLOT_BYTES {
        let offset = at + u64::try_from(bytes.len()).unwrap_or(0);
        match rustix::io::pread(file, spare_capacity(&mut bytes), offset) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(SLOT_BYTES);
    Ok(bytes)
}

fn encode(plan: &Plan, generation: u64) -> Vec<u8> {
    let source = &plan.source;
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&source.size.to_be_bytes());
    bytes.extend_from_slice(&source.modified_ns.to_be_bytes());
    bytes.extend_from_slice(&source.changed_ns.to_be_bytes());
    bytes.push(source.count);
    bytes.extend_from_slice(&plan.set);
    bytes.extend_from_slice(&plan.inode.to_be_bytes());
    bytes.extend_from_slice(&plan.durable.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Generation and content of a slot; `None` for anything that [`encode`] did not write.
fn decode(bytes: &[u8]) -> Option<(u64, Plan)> {
    let (body, checksum) = bytes.split_at_checked(BODY_BYTES)?;
    if blake3::hash(body) != <[u8; CHECKSUM_BYTES]>::try_from(checksum).ok()? {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    if u32::from_be_bytes(take(&mut rest)?) != VERSION {
        return None;
    }
    let generation = u64::from_be_bytes(take(&mut rest)?);
    let source = SourceState {
        size: u64::from_be_bytes(take(&mut rest)?),
        modified_ns: i64::from_be_bytes(take(&mut rest)?),
        changed_ns: i64::from_be_bytes(take(&mut rest)?),
        count: u8::from_be_bytes(take(&mut rest)?),
    };
    let plan = Plan {
        source,
        set: take(&mut rest)?,
        inode: u64::from_be_bytes(take(&mut rest)?),
        durable: u128::from_be_bytes(take(&mut rest)?),
    };
    (generation > 0).then_some((generation, plan))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn plan(durable: u128) -> Plan {
        Plan {
            source: SourceState {
                size: 1 << 55,
                modified_ns: -5,
                changed_ns: i64::MAX,
                count: 128,
            },
            set: [9; 16],
            inode: u64::MAX,
            durable,
        }
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let file = tempfile::tempfile().unwrap();
        let open = || OwnedFd::from(file.try_clone().unwrap());
        let (mut written, nothing) = PlanFile::read(open()).unwrap();
        assert_eq!(nothing, None);
        for durable in [0, 1, u128::MAX] {
            written.save(&plan(durable)).unwrap();
            assert_eq!(PlanFile::read(open()).unwrap().1, Some(plan(durable)));
        }
        // The third one is torn: the second one still holds.
        rustix::io::pwrite(file.as_fd(), &[0xFF], 60).unwrap();
        let (mut written, found) = PlanFile::read(open()).unwrap();
        assert_eq!(found, Some(plan(1)));
        written.save(&plan(7)).unwrap();
        assert_eq!(PlanFile::read(open()).unwrap().1, Some(plan(7)));
        written.clear().unwrap();
        assert_eq!(PlanFile::read(open()).unwrap().1, None);
    }

    #[test]
    fn nothing_but_a_slot_is_one_and_a_foreign_file_stays() {
        let bytes = encode(&plan(3), 8);
        assert_eq!(bytes.len(), SLOT_BYTES);
        assert_eq!(decode(&bytes), Some((8, plan(3))));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            assert_eq!(decode(&flipped), None, "byte {at}");
            assert_eq!(decode(&bytes[..at]), None);
        }
        let file = tempfile::tempfile().unwrap();
        rustix::io::pwrite(&file, b"letter", 0).unwrap();
        let read = PlanFile::read(OwnedFd::from(file)).map(|(_, plan)| plan);
        assert_eq!(read, Err(Errno::EXIST));
    }
}
