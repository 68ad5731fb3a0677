//! The BLAKE3 tree of a file, grown from pieces that come in any order, each byte once.
//!
//! BLAKE3 hashes leaves of 1,024 bytes and joins them in pairs; so any aligned group of leaves that is at hand
//! becomes 32 bytes, and two neighbours become one. Bytes that fill no whole leaf wait in a fragment. Both are
//! bounded: what finds no place is left out, and [`HashTree::first_hole`] tells what must be read again.
//!
//! Source: the BLAKE3 paper §2.1, §2.4; the functions are those of the crate's `hazmat` module.

use std::collections::BTreeMap;

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root,
};
use fasp_core::metadata::ByteRange;

/// Bytes of a leaf.
pub(super) const LEAF_BYTES: u64 = 1_024;
/// Subtrees side by side that one tree remembers, those of its chunks not counted.
const MOST_NODES: usize = 32_768;
/// Leaves of which a part is missing that one tree remembers.
const MOST_FRAGMENTS: usize = 4_096;

/// A group of leaves whose bytes are all known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Node {
    /// It has the place of 2^level leaves; at the end of the file it may hold fewer.
    level: u32,
    value: ChainingValue,
}

/// A leaf of which some bytes are known.
#[derive(Clone, Debug)]
struct Fragment {
    bytes: Vec<u8>,
    known: Vec<(usize, usize)>,
}

/// What is known of a file's hash.
#[derive(Clone, Debug)]
pub(super) struct HashTree {
    size: u64,
    leaves: u64,
    /// Nodes grow to this level and no further, so that chunks stay apart.
    top: u32,
    /// There is more than one chunk, and `top` is their level.
    has_chunks: bool,
    /// By the first leaf of each node.
    nodes: BTreeMap<u64, Node>,
    /// Nodes below `top`.
    loose: usize,
    fragments: BTreeMap<u64, Fragment>,
}

impl HashTree {
    /// Nothing is known of a file of `size` bytes; chunks of 2^`chunk_log2` bytes (at least a leaf) keep their own values.
    pub(super) fn new(size: u64, chunk_log2: u32) -> Self {
        let leaves = size.div_ceil(LEAF_BYTES).max(1);
        // The two halves of the file are joined last, in another way than all others.
        let half = leaves
            .next_power_of_two()
            .trailing_zeros()
            .saturating_sub(1);
        Self {
            size,
            leaves,
            top: chunk_log2
                .saturating_sub(LEAF_BYTES.trailing_zeros())
                .min(half),
            has_chunks: size > 1_u64.checked_shl(chunk_log2).unwrap_or(u64::MAX),
            nodes: BTreeMap::new(),
            loose: 0,
            fragments: BTreeMap::new(),
        }
    }

    /// Takes bytes that were not taken before; they lie within the file.
    pub(super) fn add(&mut self, offset: u64, bytes: &[u8]) {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let leaf = at / LEAF_BYTES;
            let whole_leaves = self.whole_leaves(at, rest.len());
            let taken = if whole_leaves == 0 {
                self.add_fragment(leaf, at % LEAF_BYTES, rest)
            } else {
                self.add_subtree(leaf, whole_leaves, rest)
            };
            at += u64::try_from(taken).unwrap_or(0);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Takes a group of leaves whose value is [`group_value`]; it starts at a multiple of its 2^`bytes_log2` bytes.
    pub(super) fn add_group(&mut self, offset: u64, bytes_log2: u32, value: ChainingValue) {
        let level = bytes_log2 - LEAF_BYTES.trailing_zeros();
        self.insert(offset / LEAF_BYTES, Node { level, value });
    }

    /// The chunks whose bytes are all known, and their values; none in a file of one chunk.
    pub(super) fn chunks(&self) -> BTreeMap<u64, ChainingValue> {
        let whole = |(_, node): &(&u64, &Node)| self.has_chunks && node.level == self.top;
        let nodes = self.nodes.iter().filter(whole);
        nodes
            .map(|(leaf, node)| (leaf >> self.top, node.value))
            .collect()
    }

    /// Takes over a chunk that is known from before.
    pub(super) fn set_chunk(&mut self, index: u64, value: ChainingValue) {
        let level = self.top;
        self.nodes.insert(index << level, Node { level, value });
    }

    /// Forgets everything about the chunks that `range` touches.
    pub(super) fn forget(&mut self, range: ByteRange) {
        let span = LEAF_BYTES << self.top;
        let first = (range.start / span) << self.top;
        let last = range.end.div_ceil(span) << self.top;
        let gone: Vec<u64> = self
            .nodes
            .range(first..last)
            .map(|(leaf, _)| *leaf)
            .collect();
        for leaf in gone {
            let node = self.nodes.remove(&leaf);
            let was_loose = node.is_some_and(|node| node.level < self.top);
            self.loose = self.loose.saturating_sub(usize::from(was_loose));
        }
        self.fragments
            .retain(|leaf, _| *leaf < first || *leaf >= last);
    }

    /// Whether the leaf at `offset` is known.
    pub(super) fn knows(&self, offset: u64) -> bool {
        let leaf = offset / LEAF_BYTES;
        let before = self.nodes.range(..=leaf).next_back();
        before.is_some_and(|(first, node)| leaf < first + (1 << node.level))
    }

    /// The first bytes at or after `from` of which no whole leaf is known; `None` if there are none.
    pub(super) fn first_hole(&self, from: u64) -> Option<ByteRange> {
        let mut leaf = from / LEAF_BYTES;
        if let Some((first, node)) = self.nodes.range(..=leaf).next_back() {
            leaf = leaf.max(first + (1 << node.level));
        }
        for (first, node) in self.nodes.range(leaf..) {
            if *first > leaf {
                break;
            }
            leaf = first + (1 << node.level);
        }
        if leaf >= self.leaves || self.is_one_known_leaf() {
            return None;
        }
        let end = self.nodes.range(leaf..).next();
        let end = end.map_or(self.size, |(first, _)| first * LEAF_BYTES);
        let start = leaf * LEAF_BYTES;
        (start < end).then_some(ByteRange { start, end })
    }

    /// Forgets the fragments within `range`: it will be read again from its start.
    pub(super) fn forget_fragments(&mut self, range: ByteRange) {
        let (first, last) = (range.start / LEAF_BYTES, range.end.div_ceil(LEAF_BYTES));
        self.fragments
            .retain(|leaf, _| *leaf < first || *leaf >= last);
    }

    /// The hash of the file; `None` while something is missing.
    pub(super) fn root(&self) -> Option<[u8; 32]> {
        if self.size == 0 {
            return Some(*blake3::hash(b"").as_bytes());
        }
        if self.leaves == 1 {
            let fragment = self
                .fragments
                .get(&0)
                .filter(|_| self.is_one_known_leaf())?;
            return Some(*blake3::hash(&fragment.bytes).as_bytes());
        }
        let mut values = Vec::new();
        let mut leaf = 0;
        for (first, node) in &self.nodes {
            if *first != leaf || node.level != self.top {
                return None;
            }
            values.push(node.value);
            leaf += 1 << self.top;
        }
        if leaf < self.leaves {
            return None;
        }
        let (left, right) = values.split_at_checked(left_count(values.len()))?;
        Some(*merge_subtrees_root(&joined(left)?, &joined(right)?, Mode::Hash).as_bytes())
    }

    /// Leaves that `length` bytes from `at` fill from their start to their end.
    fn whole_leaves(&self, at: u64, length: usize) -> u64 {
        if !at.is_multiple_of(LEAF_BYTES) || self.leaves == 1 {
            return 0;
        }
        let length = u64::try_from(length).unwrap_or(0);
        if at + length >= self.size {
            length.div_ceil(LEAF_BYTES)
        } else {
            length / LEAF_BYTES
        }
    }

    /// Hashes the largest group of leaves that starts at `leaf`; returns the bytes it took.
    fn add_subtree(&mut self, leaf: u64, whole_leaves: u64, bytes: &[u8]) -> usize {
        let level = leaf
            .trailing_zeros()
            .min(whole_leaves.ilog2())
            .min(self.top);
        let span = usize::try_from(LEAF_BYTES << level).unwrap_or(usize::MAX);
        let group = bytes.get(..span).unwrap_or(bytes);
        let value = group_value(leaf * LEAF_BYTES, group);
        self.insert(leaf, Node { level, value });
        group.len()
    }

    /// Keeps the bytes of one leaf until it is whole; returns how many it took.
    fn add_fragment(&mut self, leaf: u64, within: u64, bytes: &[u8]) -> usize {
        let room = self.leaf_bytes(leaf);
        let within = usize::try_from(within).unwrap_or(0);
        let piece = bytes.get(..room.saturating_sub(within)).unwrap_or(bytes);
        if self.fragments.len() >= MOST_FRAGMENTS && !self.fragments.contains_key(&leaf) {
            return piece.len().max(1);
        }
        let fragment = self.fragments.entry(leaf).or_insert_with(|| Fragment {
            bytes: vec![0; room],
            known: Vec::new(),
        });
        let end = within + piece.len();
        if let Some(place) = fragment.bytes.get_mut(within..end) {
            place.copy_from_slice(piece);
        }
        fragment.learn(within, end);
        if fragment.is_whole() && self.leaves > 1 {
            let value = group_value(leaf * LEAF_BYTES, &fragment.bytes);
            self.fragments.remove(&leaf);
            self.insert(leaf, Node { level: 0, value });
        }
        piece.len().max(1)
    }

    /// Enters a node, joined with its neighbours as far as they are known.
    fn insert(&mut self, mut leaf: u64, mut node: Node) {
        while node.level < self.top {
            let span = 1_u64 << node.level;
            let is_left = (leaf >> node.level).is_multiple_of(2);
            let other = if is_left { leaf + span } else { leaf - span };
            // A left group without a right one rises as it is.
            if other < self.leaves {
                let same_level = |other: &Node| other.level == node.level;
                let Some(known) = self.nodes.get(&other).copied().filter(same_level) else {
                    break;
                };
                self.nodes.remove(&other);
                self.loose = self.loose.saturating_sub(1);
                let (left, right) = if is_left {
                    (node, known)
                } else {
                    (known, node)
                };
                node.value = merge_subtrees_non_root(&left.value, &right.value, Mode::Hash);
                leaf = leaf.min(other);
            }
            node.level += 1;
        }
        if node.level == self.top {
            self.nodes.insert(leaf, node);
        } else if self.loose < MOST_NODES {
            self.loose += 1;
            self.nodes.insert(leaf, node);
        }
    }

    fn leaf_bytes(&self, leaf: u64) -> usize {
        let rest = self.size.saturating_sub(leaf * LEAF_BYTES);
        usize::try_from(rest.min(LEAF_BYTES)).unwrap_or(0)
    }

    fn is_one_known_leaf(&self) -> bool {
        self.leaves == 1
            && (self.size == 0 || self.fragments.get(&0).is_some_and(Fragment::is_whole))
    }
}

impl Fragment {
    fn learn(&mut self, start: usize, end: usize) {
        let (mut start, mut end) = (start, end);
        self.known.retain(|&(known_start, known_end)| {
            let apart = known_end < start || end < known_start;
            if !apart {
                start = start.min(known_start);
                end = end.max(known_end);
            }
            apart
        });
        self.known.push((start, end));
    }

    fn is_whole(&self) -> bool {
        self.known.as_slice() == [(0, self.bytes.len())]
    }
}

/// The value of the leaves that start at `offset`: a power of two of them, or those up to the end of the file.
pub(super) fn group_value(offset: u64, bytes: &[u8]) -> ChainingValue {
    Hasher::new()
        .set_input_offset(offset)
        .update(bytes)
        .finalize_non_root()
}

/// How many of `count` groups, all full but the last, lie left of the top of their tree.
fn left_count(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// The value of neighbouring groups below the root.
fn joined(values: &[ChainingValue]) -> Option<ChainingValue> {
    match values {
        [] => None,
        [one] => Some(*one),
        many => {
            let (left, right) = many.split_at_checked(left_count(many.len()))?;
            Some(merge_subtrees_non_root(
                &joined(left)?,
                &joined(right)?,
                Mode::Hash,
            ))
        }
    }
}

#[cfg(test)]
mod tests;
