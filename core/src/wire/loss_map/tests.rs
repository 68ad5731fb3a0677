//! Loss maps against a plain list of fates, and the size of what the encoder writes.

use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::Full;
use crate::wire::tests::config;

const ALL: [u64; 8] = [u64::MAX; 8];
const NONE: [u64; 8] = [0; 8];
const EVERY_OTHER: [u64; 8] = [0x5555_5555_5555_5555; 8];

fn encoded(blocks: &[([u64; 8], u16)]) -> (u32, Vec<u8>) {
    let mut buffer = std::vec![0xEE; blocks.len() * MAX_BLOCK_BYTES];
    let mut encoder = LossMapEncoder::new(&mut buffer);
    for (missing, valid) in blocks {
        encoder.push_block(missing, *valid).unwrap();
    }
    let (described, len) = encoder.finish();
    buffer.truncate(len);
    (described, buffer)
}

fn fates(map: &LossMap<'_>) -> Vec<bool> {
    let mut missing = Vec::new();
    let mut before = None;
    for run in map.runs() {
        assert_eq!(run.start as usize, missing.len(), "runs follow each other");
        assert!(run.len > 0, "no run is empty");
        assert_ne!(before, Some(run.fate), "equal neighbours are one run");
        before = Some(run.fate);
        missing.resize(missing.len() + run.len as usize, run.fate == Fate::Missing);
    }
    missing
}

fn expected_fates(blocks: &[([u64; 8], u16)]) -> Vec<bool> {
    let mut missing = Vec::new();
    for (words, valid) in blocks {
        missing.extend((0..usize::from(*valid)).map(|i| words[i / 64] >> (i % 64) & 1 == 1));
    }
    missing
}

/// Words of every density, since sparse, bitmap and uniform blocks each need their own.
fn block_words() -> impl Strategy<Value = [u64; 8]> {
    let and = |a: [u64; 8], b: [u64; 8]| core::array::from_fn(|i| a[i] & b[i]);
    let any_words = any::<[u64; 8]>;
    prop_oneof![
        2 => Just(NONE),
        2 => Just(ALL),
        2 => any_words(),
        1 => (0_usize..512).prop_map(|i| core::array::from_fn(|w| u64::from(w == i / 64) << (i % 64))),
        1 => (0_usize..512, 1_usize..300).prop_map(|(first, len)| {
            let mut words = NONE;
            (first..(first + len).min(512)).for_each(|i| words[i / 64] |= 1 << (i % 64));
            words
        }),
        2 => (any_words(), any_words(), any_words(), any_words(), any_words())
            .prop_map(move |(a, b, c, d, e)| and(and(and(a, b), and(c, d)), e)),
    ]
}

fn maps() -> impl Strategy<Value = Vec<([u64; 8], u16)>> {
    (vec(block_words(), 1..12), 1_u16..=512).prop_map(|(words, last)| {
        let mut blocks: Vec<_> = words.into_iter().map(|words| (words, 512)).collect();
        blocks.last_mut().unwrap().1 = last;
        blocks
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_missing_is_missing_on_the_other_side(blocks in maps(), base: u32) {
        let (described, bytes) = encoded(&blocks);
        let map = LossMap::new(base, described, &bytes).unwrap();
        prop_assert_eq!(fates(&map), expected_fates(&blocks));
        prop_assert!(bytes.len() <= blocks.len() * MAX_BLOCK_BYTES);
    }

    #[test]
    fn a_buffer_that_ends_early_keeps_the_blocks_before_its_end(
        blocks in maps(), room in 0_usize..400,
    ) {
        let mut buffer = std::vec![0xEE; room];
        let mut encoder = LossMapEncoder::new(&mut buffer);
        let fitting = blocks
            .iter()
            .take_while(|(missing, valid)| encoder.push_block(missing, *valid).is_ok())
            .count();
        let (described, len) = encoder.finish();
        prop_assert!(len <= room);
        let kept = expected_fates(&blocks[..fitting]);
        prop_assert_eq!(described as usize, kept.len());
        if described > 0 {
            let map = LossMap::new(0, described, &buffer[..len]).unwrap();
            prop_assert_eq!(fates(&map), kept);
        }
    }

    #[test]
    fn any_blocks_are_refused_or_cover_exactly_what_they_describe(
        described in 0_u32..3_000, bytes in vec(any::<u8>(), 0..8),
    ) {
        if let Ok(map) = LossMap::new(0, described, &bytes) {
            prop_assert_eq!(fates(&map).len(), described as usize);
        }
    }
}

#[test]
fn a_fully_received_map_is_one_run_and_one_byte_for_64_blocks() {
    let (described, bytes) = encoded(&[(NONE, 512); 65]);
    assert_eq!(bytes, [0x3F, 0x00]);
    let map = LossMap::new(9, described, &bytes).unwrap();
    let whole = Run {
        start: 0,
        len: 65 * 512,
        fate: Fate::Received,
    };
    assert_eq!(map.runs().collect::<Vec<_>>(), [whole]);
}

#[test]
fn a_short_last_block_joins_the_head_before_it() {
    let (described, bytes) = encoded(&[(ALL, 512), (ALL, 512), (ALL, 3)]);
    assert_eq!((described, bytes.as_slice()), (1_027, [0x42].as_slice()));
    let map = LossMap::new(0, described, &bytes).unwrap();
    assert_eq!(map.runs().count(), 1);
}

#[test]
fn the_form_with_the_fewest_bytes_is_chosen() {
    let runs_of = |count: u32| {
        let mut words = NONE;
        (0..count).for_each(|run| words[run as usize / 8] |= 1 << (run % 8 * 8));
        words
    };
    assert_eq!(encoded(&[(runs_of(1), 512)]).1.len(), 3);
    assert_eq!(encoded(&[(runs_of(31), 512)]).1.len(), 63);
    assert_eq!(encoded(&[(runs_of(32), 512)]).1.len(), 65);
    assert_eq!(encoded(&[(EVERY_OTHER, 512)]).1.len(), MAX_BLOCK_BYTES);
    // 511 missing numbers are four entries: 128 + 128 + 128 + 127.
    let mut words = ALL;
    words[7] >>= 1;
    assert_eq!(encoded(&[(words, 512)]).1.len(), 9);
}

#[test]
fn no_block_takes_more_than_65_bytes_and_a_full_map_is_refused_more() {
    let blocks = MAX_DESCRIBED / BLOCK_NUMBERS;
    let mut buffer = std::vec![0; blocks as usize * MAX_BLOCK_BYTES + 100];
    let mut encoder = LossMapEncoder::new(&mut buffer);
    for _ in 0..blocks {
        encoder.push_block(&EVERY_OTHER, 512).unwrap();
    }
    assert_eq!(encoder.push_block(&NONE, 1), Err(Full));
    assert_eq!(encoder.described(), MAX_DESCRIBED);
    let (described, len) = encoder.finish();
    assert_eq!(len, blocks as usize * MAX_BLOCK_BYTES);
    let map = LossMap::new(0, described, &buffer[..len]).unwrap();
    assert_eq!(map.runs().count(), MAX_DESCRIBED as usize);
}

#[test]
fn nothing_follows_a_short_block() {
    let mut buffer = [0; 100];
    let mut encoder = LossMapEncoder::new(&mut buffer);
    encoder.push_block(&NONE, 511).unwrap();
    assert_eq!(encoder.push_block(&NONE, 512), Err(Full));
    assert_eq!(encoder.finish(), (511, 1));
}

#[test]
fn a_map_that_breaks_a_rule_is_refused_by_its_name() {
    let mut bitmap = std::vec![0xC0];
    bitmap.extend([0; 64]);
    let mut beyond = bitmap.clone();
    beyond[1] = 0b0000_1000;
    assert!(LossMap::new(0, 512, &bitmap).is_ok());
    assert!(LossMap::new(0, 5, &beyond).is_ok());
    for (described, blocks, error) in [
        (0, &[][..], WireError::LossMapSize(0)),
        (
            MAX_DESCRIBED + 1,
            &[0],
            WireError::LossMapSize(MAX_DESCRIBED + 1),
        ),
        // Sparse without entries, bitmap with a count.
        (512, &[0x80], WireError::LossMapHead(0x80)),
        (512, &[0xC1], WireError::LossMapHead(0xC1)),
        // Entries: outside what is described, across its end, overlapping, out of order.
        (5, &[0x81, 0x02, 0x80], WireError::LossMapEntry),
        (5, &[0x81, 0x02, 0x01], WireError::LossMapEntry),
        (512, &[0x81, 0xFF, 0x81], WireError::LossMapEntry),
        (
            512,
            &[0x82, 0x00, 0x81, 0x00, 0x80],
            WireError::LossMapEntry,
        ),
        (
            512,
            &[0x82, 0x01, 0x00, 0x00, 0x80],
            WireError::LossMapEntry,
        ),
        // Bitmap with a bit beyond the fourth number.
        (4, &beyond, WireError::LossMapEntry),
        // Too few blocks, too many in a head, bytes behind the last one, cut ones.
        (513, &[0x00], WireError::LossMapCoverage),
        (512, &[0x01], WireError::LossMapCoverage),
        (512, &[0x00, 0x00], WireError::LossMapCoverage),
        (512, &[], WireError::LossMapCoverage),
        (512, &[0x82, 0x00, 0x80, 0x00], WireError::LossMapCoverage),
        (512, &bitmap[..64], WireError::LossMapCoverage),
    ] {
        assert_eq!(LossMap::new(0, described, blocks), Err(error), "{blocks:?}");
    }
}

#[test]
fn entries_may_touch_each_other_and_the_end() {
    // 0 to 127 and 128 to 129 missing; of the second block, only its last number.
    let blocks = [0x82, 0x00, 0x7F, 0x40, 0x01, 0x81, 0xFF, 0x80];
    let map = LossMap::new(0, 1_024, &blocks).unwrap();
    let runs: Vec<_> = map.runs().map(|run| (run.start, run.len)).collect();
    assert_eq!(runs, [(0, 130), (130, 893), (1_023, 1)]);
}
