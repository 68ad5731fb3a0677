//! Checksums for the user, at the side that receives.

use fasp_core::control::ChecksumKind;
use md5::{Digest, Md5};

use super::*;

fn summing(resume_level: u8) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let waker = Waker::new().unwrap();
    let config = WriteConfig {
        checksum: Some(ChecksumKind::Md5),
        ..config(folder.path(), resume_level, Preserve::default())
    };
    let writer = Some(WriteBehind::start(config, waker.clone()).unwrap());
    Fixture {
        folder,
        writer,
        waker,
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from((at * 31 / 7 + at / 251) % 256).unwrap())
        .collect()
}

fn commit(it: &Fixture, bytes: &[u8], checksum: Vec<u8>) -> (Option<Checksum>, Option<Failure>) {
    it.submit(Job::Commit {
        object: ObjectId(1),
        root: Some(*blake3::hash(bytes).as_bytes()),
        checksum,
    });
    match it.next() {
        Completion::Summed { checksum, .. } => (Some(checksum), finished(it.next()).err()),
        other => (None, finished(other).err()),
    }
}

#[test]
fn pieces_in_any_order_make_the_checksum_of_the_file() {
    let bytes = content(2_000_000);
    for step in [3, 7, 40] {
        let it = summing(0);
        assert_eq!(it.open(1, file(b"f", 2_000_000)), go(1));
        let pieces: Vec<(usize, &[u8])> = bytes.chunks(50_000).enumerate().collect();
        for start in 0..step {
            // The first pieces come last.
            for (number, piece) in pieces.iter().skip(step - 1 - start).step_by(step) {
                it.write(1, u64::try_from(number * 50_000).unwrap(), piece);
            }
        }
        let expected = Md5::digest(&bytes).to_vec();
        let (checksum, failure) = commit(&it, &bytes, expected.clone());
        assert_eq!(failure, None);
        assert_eq!(checksum.unwrap().bytes, expected, "step {step}");
    }
}

#[test]
fn a_run_of_zeros_is_in_the_checksum() {
    let it = summing(0);
    assert_eq!(it.open(1, file(b"f", 1_000_000)), go(1));
    it.submit(Job::Zeros {
        object: ObjectId(1),
        offset: 0,
        len: 999_999,
    });
    assert!(matches!(it.next(), Completion::Written { .. }));
    it.write(1, 999_999, b"x");
    let mut bytes = vec![0; 999_999];
    bytes.push(b'x');
    let (checksum, failure) = commit(&it, &bytes, Vec::new());
    assert_eq!(failure, None);
    assert_eq!(checksum.unwrap().bytes, Md5::digest(&bytes).to_vec());
}

#[test]
fn another_checksum_than_the_senders_fails_the_file_and_keeps_nothing() {
    let it = summing(1);
    assert_eq!(it.open(1, file(b"f", 3)), go(1));
    it.write(1, 0, b"abc");
    let (checksum, failure) = commit(&it, b"abc", vec![0; 16]);
    assert_eq!(checksum, None);
    let failure = failure.unwrap();
    assert_eq!(failure.fault, Fault::DiskWrite);
    assert!(failure.text.contains("md5"), "{}", failure.text);
    assert!(it.names().is_empty(), "{:?}", it.names());
}

#[test]
fn a_small_file_that_came_at_once_has_its_checksum() {
    let it = summing(0);
    it.submit(Job::Whole {
        object: ObjectId(1),
        record: file(b"f", 3),
        bytes: b"abc".to_vec(),
    });
    let mut sums = Vec::new();
    loop {
        match it.next() {
            Completion::Summed { checksum, .. } => sums.push(checksum.to_string()),
            Completion::Finished { result, .. } => break assert_eq!(result, Ok(())),
            _ => {}
        }
    }
    assert_eq!(sums, ["md5:900150983cd24fb0d6963f7d28e17f72"]);
}
