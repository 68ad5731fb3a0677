//! What a receiver has already is checked, compared and repaired, with many objects on their way at once.

use fasp_core::metadata::ByteRange;
use fasp_core::metadata::check::RangeCheck;
use fasp_core::units::ObjectId;

use crate::world::{Machines, Options, World};
use crate::{bad, files};

/// Bytes of a check.
const PIECE: u64 = 5_000;

/// Stands for BLAKE3: the machines never look into a hash.
fn hash(bytes: &[u8]) -> [u8; 32] {
    let sum = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&sum.to_be_bytes());
    hash
}

fn part(bytes: &[u8], range: ByteRange) -> &[u8] {
    &bytes[range.start as usize..range.end as usize]
}

impl<
    const PACKETS: usize,
    const OBJECTS: usize,
    const META: usize,
    const WORDS: usize,
    const GAPS: usize,
> Machines<PACKETS, OBJECTS, META, WORDS, GAPS>
{
    /// The receiving host checks all it has of `object`; `false` if there is no room now.
    pub(crate) fn check(&mut self, object: ObjectId) -> bool {
        let present = &self.delivered[&object.0];
        let nothing = Vec::new();
        let missing = match self.resumes.get(&object.0) {
            Some(missing) => missing,
            None if self.compares.contains(&object.0) => &nothing,
            None => return true,
        };
        let size = present.len() as u64;
        let mut checks = Vec::new();
        let mut start = 0;
        while start < size {
            let hole = missing
                .iter()
                .find(|hole| hole.start <= start && start < hole.end);
            let next = missing
                .iter()
                .map(|hole| hole.start)
                .filter(|at| *at > start)
                .min();
            if let Some(hole) = hole {
                start = hole.end;
                continue;
            }
            let end = (start + PIECE).min(next.unwrap_or(size)).min(size);
            let range = ByteRange { start, end };
            let hash = hash(part(present, range));
            checks.push(RangeCheck { range, hash });
            start = end;
        }
        self.receiver.check(object, &checks).is_ok()
    }

    /// The sending host compares the checks that it was told of.
    pub(crate) fn compare(&mut self, object: ObjectId) {
        let record = self.sender.check_record().expect("the record is lent");
        assert_eq!(record.object, object);
        let bytes = &self.source.files[object.0 as usize - 1];
        let wrong = record
            .checks()
            .filter(|check| hash(part(bytes, check.range)) != check.hash)
            .map(|check| check.range);
        self.wrong.entry(object.0).or_default().extend(wrong);
    }

    /// The sending host judges; `false` if there is no room now.
    pub(crate) fn judge(&mut self, object: ObjectId) -> bool {
        let wrong = self.wrong.get(&object.0).cloned().unwrap_or_default();
        self.sender.judge(object, &wrong).is_ok()
    }

    /// All of `object` is there under its final name, with one wrong byte if `spoiled`.
    fn has_all(&mut self, object: u32, spoiled: Option<usize>) {
        let mut present = self.source.files[object as usize - 1].clone();
        if let Some(at) = spoiled {
            present[at] ^= 1;
        }
        self.delivered.insert(object, present);
        self.compares.insert(object);
    }
}

fn checking() -> Options {
    Options {
        decides: true,
        checks: true,
        storage_delay_us: 3_000,
        ..Options::default()
    }
}

#[test]
fn wrong_bytes_of_a_partial_object_are_found_and_only_they_are_sent_again() {
    for seed in 0..20 {
        let sizes = [50_000, 60_000, 70_000, 80_000, 90_000];
        let mut world = World::new(checking(), bad(seed), files(&sizes));
        world.resume(2, &[(10_000, 20_000)]);
        world.resume(3, &[(30_000, 70_000)]);
        world.delivered.get_mut(&3).unwrap()[12_345] ^= 1;
        world.has_all(4, None);
        world.has_all(5, Some(89_999));
        world.run(120);
        world.assert_all_delivered();
        assert!(world.is_skipped(4), "seed {seed}");
        let sent = world.sender.statistics().file_bytes_sent;
        assert_eq!(sent, 50_000 + 10_000 + 45_000 + 90_000, "seed {seed}");
    }
}

#[test]
fn more_comparisons_than_records_fit_into_a_window_all_come_through() {
    let sizes = vec![120_000; 60];
    let mut world = World::new(checking(), bad(3), files(&sizes));
    for object in 1..=60 {
        world.has_all(object, (object % 10 == 0).then_some(77_777));
    }
    world.run(240);
    world.assert_all_delivered();
    assert_eq!(world.skips.len(), 54);
}

#[test]
fn a_session_of_a_lower_level_takes_no_checks() {
    let options = Options {
        decides: true,
        ..Options::default()
    };
    let mut world = World::new(options, bad(1), files(&[50_000]));
    world.has_all(1, None);
    world.run(20);
    assert!(world.sender_failure.is_some(), "COMPARE must be refused");
}
