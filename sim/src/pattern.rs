//! File bytes that need no memory: every byte follows from its object and offset.
//!
//! Blocks of 64 KiB are windows into one random table at a place that depends on object and block,
//! so a piece at a wrong offset or of a wrong object differs, and comparing is as fast as memory.

use std::sync::OnceLock;

use crate::random::Random;

const BLOCK: u64 = 1 << 16;

fn table() -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut random = Random::named(1, "pattern");
        let words = (2 * BLOCK) as usize / 8;
        (0..words)
            .flat_map(|_| random.next().to_le_bytes())
            .collect()
    })
}

/// The bytes of `object` from `offset` up to `length` of them, or to the end of the block.
fn piece(object: u32, offset: u64, length: usize) -> &'static [u8] {
    let block = offset / BLOCK;
    let mixed = (block ^ u64::from(object) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let start = ((mixed >> 48) + offset % BLOCK) as usize;
    let most = length.min((BLOCK - offset % BLOCK) as usize);
    &table()[start..start + most]
}

/// Fills `buffer` with the bytes of `object` from `offset`.
pub(crate) fn fill(object: u32, mut offset: u64, mut buffer: &mut [u8]) {
    while !buffer.is_empty() {
        let bytes = piece(object, offset, buffer.len());
        let (now, rest) = buffer.split_at_mut(bytes.len());
        now.copy_from_slice(bytes);
        offset += bytes.len() as u64;
        buffer = rest;
    }
}

/// Whether `bytes` are those of `object` at `offset`.
pub(crate) fn matches(object: u32, mut offset: u64, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let expected = piece(object, offset, bytes.len());
        let (now, rest) = bytes.split_at(expected.len());
        if now != expected {
            return false;
        }
        offset += now.len() as u64;
        bytes = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_match_their_own_place_and_no_other() {
        let mut bytes = [0; 3_000];
        fill(2, BLOCK - 1_000, &mut bytes);
        assert!(matches(2, BLOCK - 1_000, &bytes));
        assert!(matches(2, BLOCK, &bytes[1_000..]));
        for (object, offset) in [
            (2, 0),
            (3, BLOCK - 1_000),
            (2, BLOCK - 999),
            (2, 3 * BLOCK - 1_000),
        ] {
            assert!(!matches(object, offset, &bytes), "{object} {offset}");
        }
    }
}
