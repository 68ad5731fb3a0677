//! Checksums for the user: of all bytes, in whatever order they were asked for.

use fasp_core::control::ChecksumKind;

use super::*;

fn summing(memory: usize) -> Fixture {
    Fixture::with(ReadRules {
        memory_bytes: memory,
        checksum: Some(ChecksumKind::Md5),
        read_size: Some(10_000),
    })
}

/// Bytes that no block has twice.
fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from((at * 31 / 7 + at / 251) % 256).unwrap())
        .collect()
}

fn md5(bytes: &[u8]) -> Vec<u8> {
    use md5::{Digest, Md5};
    Md5::digest(bytes).to_vec()
}

fn told(it: &mut Fixture, object: ObjectId) -> Vec<u8> {
    let mut out = [0; MAX_CHECKSUM];
    let length = it.files.checksum(object, &mut out);
    out[..length].to_vec()
}

#[test]
fn files_of_every_size_have_the_checksum_of_their_bytes() {
    let block = usize::try_from(BLOCK_BYTES).unwrap();
    let mut it = summing(4 * block);
    for size in [0, 1, block - 1, block, block + 1, 5 * block + 17] {
        let bytes = content(size);
        let object = it.add("f", &bytes);
        assert_eq!(it.read_all(object, size, 60_000).unwrap(), bytes);
        it.finish(object).unwrap();
        assert_eq!(told(&mut it, object), md5(&bytes), "{size} bytes");
        it.files.release(object);
    }
}

#[test]
fn what_was_passed_over_is_in_the_checksum_too() {
    let block = usize::try_from(BLOCK_BYTES).unwrap();
    let bytes = content(6 * block + 5);
    let mut it = summing(3 * block);
    let object = it.add("f", &bytes);
    for start in [4 * block, 2 * block] {
        let offset = u64::try_from(start).unwrap();
        assert_eq!(
            it.read(object, offset, 100).unwrap(),
            bytes[start..start + 100]
        );
    }
    it.files.hash_behind(object);
    let root = it.root(object).unwrap();
    assert_eq!(root, *blake3::hash(&bytes).as_bytes());
    assert_eq!(told(&mut it, object), md5(&bytes));
}

#[test]
fn a_file_that_is_not_finished_has_no_checksum() {
    let mut it = summing(1 << 20);
    let object = it.add("f", &content(3_000_000));
    it.read(object, 0, 10).unwrap();
    assert!(told(&mut it, object).is_empty());
}
