//! Every order of pieces gives the hash that the whole gives.

use super::*;

fn bytes_of(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

fn random(seed: &mut u64, bound: usize) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    usize::try_from(*seed >> 33).unwrap() % bound.max(1)
}

/// Cuts `0..size` at random places and shuffles the pieces.
fn pieces(seed: &mut u64, size: usize, longest: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < size {
        let end = (at + 1 + random(seed, longest)).min(size);
        pieces.push((at, end));
        at = end;
    }
    for at in (1..pieces.len()).rev() {
        pieces.swap(at, random(seed, at + 1));
    }
    pieces
}

#[test]
fn pieces_in_any_order_give_the_hash_of_the_whole() {
    let mut seed = 7;
    let sizes = [
        0, 1, 1_023, 1_024, 1_025, 2_048, 2_049, 3_072, 5_000, 65_536, 70_001, 300_000,
    ];
    for size in sizes {
        let bytes = bytes_of(size);
        let expected = *blake3::hash(&bytes).as_bytes();
        for (chunk_log2, longest) in [
            (10, 700),
            (12, 1_432),
            (14, 9_000),
            (20, 300_000),
            (63, 4_000),
        ] {
            let mut tree = HashTree::new(u64::try_from(size).unwrap(), chunk_log2);
            for (start, end) in pieces(&mut seed, size, longest) {
                tree.add(u64::try_from(start).unwrap(), &bytes[start..end]);
            }
            assert_eq!(tree.first_hole(0), None, "{size} {chunk_log2}");
            assert_eq!(tree.root(), Some(expected), "{size} {chunk_log2}");
        }
    }
}

#[test]
fn a_file_in_order_costs_a_handful_of_nodes() {
    let mut tree = HashTree::new(1 << 22, 63);
    let block = [9; 1_432];
    let mut at = 0;
    while at < 1 << 22 {
        let length = usize::try_from((1 << 22) - at).unwrap().min(block.len());
        tree.add(at, &block[..length]);
        at += 1_432;
        assert!(tree.nodes.len() <= 24 && tree.fragments.len() <= 1);
    }
    assert!(tree.root().is_some());
}

#[test]
fn chunks_are_known_as_they_fill_and_can_be_taken_over() {
    let bytes = bytes_of(10_000);
    let mut tree = HashTree::new(10_000, 12);
    tree.add(4_096, &bytes[4_096..8_192]);
    tree.add(8_192, &bytes[8_192..]);
    let known = tree.chunks();
    assert_eq!(known.keys().copied().collect::<Vec<_>>(), [1, 2]);
    let mut later = HashTree::new(10_000, 12);
    for (index, value) in known {
        later.set_chunk(index, value);
    }
    assert_eq!(
        later.first_hole(0),
        Some(ByteRange {
            start: 0,
            end: 4_096
        })
    );
    later.add(0, &bytes[..4_096]);
    assert_eq!(later.root(), Some(*blake3::hash(&bytes).as_bytes()));
}

#[test]
fn a_file_of_one_chunk_has_no_chunks_to_keep() {
    let mut tree = HashTree::new(4_096, 12);
    tree.add(0, &bytes_of(4_096));
    assert!(tree.chunks().is_empty());
    assert!(tree.root().is_some());
}

#[test]
fn a_forgotten_chunk_is_a_hole_again() {
    let bytes = bytes_of(20_000);
    let mut tree = HashTree::new(20_000, 12);
    tree.add(0, &bytes);
    tree.forget(ByteRange {
        start: 5_000,
        end: 5_001,
    });
    let hole = ByteRange {
        start: 4_096,
        end: 8_192,
    };
    assert_eq!(tree.first_hole(0), Some(hole));
    assert_eq!(tree.first_hole(8_192), None);
    assert_eq!(tree.root(), None);
    tree.add(4_096, &bytes[4_096..8_192]);
    assert_eq!(tree.root(), Some(*blake3::hash(&bytes).as_bytes()));
}

#[test]
fn holes_are_found_one_after_another() {
    let bytes = bytes_of(50_000);
    let mut tree = HashTree::new(50_000, 14);
    tree.add(3_000, &bytes[3_000..9_000]);
    tree.add(20_000, &bytes[20_000..45_000]);
    let mut at = 0;
    while let Some(hole) = tree.first_hole(at) {
        tree.forget_fragments(hole);
        let (start, end) = (
            usize::try_from(hole.start).unwrap(),
            usize::try_from(hole.end).unwrap(),
        );
        tree.add(hole.start, &bytes[start..end]);
        at = hole.end;
    }
    assert_eq!(tree.root(), Some(*blake3::hash(&bytes).as_bytes()));
}

#[test]
fn one_wrong_byte_changes_the_hash() {
    let mut bytes = bytes_of(9_000);
    let right = *blake3::hash(&bytes).as_bytes();
    bytes[4_500] ^= 1;
    let mut tree = HashTree::new(9_000, 12);
    tree.add(0, &bytes);
    assert_ne!(tree.root(), Some(right));
}

#[test]
fn more_scattered_pieces_than_are_remembered_leave_holes_not_errors() {
    let size = 12_000 * LEAF_BYTES;
    let mut tree = HashTree::new(size, 20);
    for leaf in 0..12_000 {
        tree.add(leaf * LEAF_BYTES + 1, &[1; 2]);
    }
    assert_eq!(tree.fragments.len(), MOST_FRAGMENTS);
    let hole = tree.first_hole(0).unwrap();
    assert_eq!(
        hole,
        ByteRange {
            start: 0,
            end: size
        }
    );
}

#[test]
#[ignore = "measures speed"]
fn speed_of_hashing() {
    let run = vec![7_u8; 262_144 + 1_000];
    for (what, step, shift) in [
        ("aligned runs", 262_144, 0),
        ("shifted runs", 262_144, 500),
        ("datagrams", 1_432, 0),
    ] {
        let size = 1_u64 << 30;
        let mut tree = HashTree::new(size, 20);
        let begin = std::time::Instant::now();
        let mut at = 0;
        if shift > 0 {
            tree.add(0, &run[..shift]);
            at = u64::try_from(shift).unwrap();
        }
        while at < size {
            let length = usize::try_from(size - at).unwrap().min(step);
            tree.add(at, &run[..length]);
            at += u64::try_from(length).unwrap();
        }
        assert!(tree.root().is_some());
        println!("{what}: {:.2} GB/s", 1.073 / begin.elapsed().as_secs_f64());
    }
}
