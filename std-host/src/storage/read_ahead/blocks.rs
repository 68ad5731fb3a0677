//! Blocks in memory: unread ones wait for the sender, taken ones for a retransmission or for eviction.
//!
//! Only keeps the books; which block is worth reading is decided in `plan`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::plan::{BLOCK_BYTES, Key};

/// What a block costs beyond its bytes.
const BLOCK_OVERHEAD: usize = 192;

/// Whole-block buffers kept for the next block.
const MOST_SPARE: usize = 8;

#[derive(Debug)]
struct Ready {
    bytes: Arc<Vec<u8>>,
    unread: bool,
}

/// All blocks of a session that are in memory.
#[derive(Debug)]
pub(super) struct Blocks {
    ready: BTreeMap<Key, Ready>,
    /// Blocks that may be dropped, in this order; some may be gone already.
    taken: VecDeque<Key>,
    memory: usize,
    held: usize,
    unread: usize,
    spare: Vec<Vec<u8>>,
}

impl Blocks {
    pub(super) const fn new(memory: usize) -> Self {
        Self {
            ready: BTreeMap::new(),
            taken: VecDeque::new(),
            memory,
            held: 0,
            unread: 0,
            spare: Vec::new(),
        }
    }

    /// Whether another block may be read ahead.
    pub(super) const fn have_room(&self) -> bool {
        self.unread < self.memory / 4 * 3
    }

    /// Whether it is time to read ahead again after there was no room.
    pub(super) const fn run_low(&self) -> bool {
        self.unread < self.memory / 2
    }

    pub(super) fn contain(&self, key: Key) -> bool {
        self.ready.contains_key(&key)
    }

    /// The block `key` for the sender. It and unread ones before it in its file become droppable.
    pub(super) fn take(&mut self, key: Key) -> Option<Arc<Vec<u8>>> {
        let bytes = Arc::clone(&self.ready.get(&key)?.bytes);
        let mut freed = 0;
        for (key, ready) in self.ready.range_mut((key.0, 0)..=key) {
            if std::mem::take(&mut ready.unread) {
                freed += cost(&ready.bytes);
                self.taken.push_back(*key);
            }
        }
        self.unread = self.unread.saturating_sub(freed);
        Some(bytes)
    }

    /// Keeps a block and drops taken ones until the memory suffices.
    pub(super) fn keep(&mut self, key: Key, bytes: Vec<u8>, unread: bool) {
        let cost = cost(&bytes);
        self.held += cost;
        if unread {
            self.unread += cost;
        } else {
            self.taken.push_back(key);
        }
        let bytes = Arc::new(bytes);
        self.ready.insert(key, Ready { bytes, unread });
        while self.held > self.memory
            && let Some(oldest) = self.taken.pop_front()
        {
            if oldest == key {
                self.taken.push_front(oldest);
                break;
            }
            self.drop_one(oldest);
        }
    }

    /// Drops every block of `object`.
    pub(super) fn drop_all_of(&mut self, object: u32) {
        while let Some((key, _)) = self.ready.range((object, 0)..=(object, u64::MAX)).next() {
            let key = *key;
            self.drop_one(key);
        }
        if self.taken.len() > 2 * self.ready.len() + 64 {
            let ready = &self.ready;
            self.taken.retain(|key| ready.contains_key(key));
        }
    }

    /// The sender stands in `object`: unread blocks of files before it, and of those farthest behind
    /// it, become droppable as far as reading ahead here needs the room. Returns them.
    pub(super) fn make_way_for(&mut self, object: u32) -> Vec<Key> {
        let mut given_up = Vec::new();
        if self.run_low() {
            return given_up;
        }
        let (before, behind): (Vec<Key>, Vec<Key>) = self
            .ready
            .iter()
            .filter(|(key, ready)| ready.unread && key.0 != object)
            .map(|(key, _)| *key)
            .partition(|key| key.0 < object);
        for key in before.into_iter().chain(behind.into_iter().rev()) {
            if self.run_low() {
                break;
            }
            if let Some(ready) = self.ready.get_mut(&key) {
                ready.unread = false;
                self.unread = self.unread.saturating_sub(cost(&ready.bytes));
                self.taken.push_back(key);
                given_up.push(key);
            }
        }
        given_up
    }

    /// An empty buffer with room for `wanted` bytes.
    pub(super) fn buffer(&mut self, wanted: usize) -> Vec<u8> {
        if wanted == block_bytes()
            && let Some(buffer) = self.spare.pop()
        {
            return buffer;
        }
        Vec::with_capacity(wanted)
    }

    /// Takes a buffer back.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() >= block_bytes() && self.spare.len() < MOST_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn drop_one(&mut self, key: Key) {
        if let Some(ready) = self.ready.remove(&key) {
            let cost = cost(&ready.bytes);
            self.held = self.held.saturating_sub(cost);
            if ready.unread {
                self.unread = self.unread.saturating_sub(cost);
            }
            if let Some(buffer) = Arc::into_inner(ready.bytes) {
                self.recycle(buffer);
            }
        }
    }
}

fn block_bytes() -> usize {
    usize::try_from(BLOCK_BYTES).unwrap_or(0)
}

fn cost(bytes: &Vec<u8>) -> usize {
    bytes.capacity() + BLOCK_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(fill: u8) -> Vec<u8> {
        vec![fill; 1_000]
    }

    #[test]
    fn memory_is_bounded_by_dropping_what_was_taken_first() {
        let mut blocks = Blocks::new(5_000);
        for at in 0..20 {
            blocks.keep((1, at), block(1), true);
            assert!(blocks.take((1, at)).is_some());
            assert!(blocks.held <= 5_000, "{} held", blocks.held);
        }
        assert!(!blocks.contain((1, 0)));
        assert!(blocks.contain((1, 19)));
        assert_eq!(blocks.unread, 0);
    }

    #[test]
    fn unread_blocks_stop_the_reader_and_are_not_dropped() {
        let mut blocks = Blocks::new(5_000);
        let mut kept = 0;
        while blocks.have_room() {
            blocks.keep((1, kept), block(1), true);
            kept += 1;
        }
        assert!((2..=5).contains(&kept));
        assert!((0..kept).all(|at| blocks.contain((1, at))));
        assert!(blocks.take((1, kept - 1)).is_some());
        assert_eq!(blocks.unread, 0, "what was jumped over is not unread");
    }

    #[test]
    fn a_sender_elsewhere_gets_room_and_a_demanded_block_survives() {
        let mut blocks = Blocks::new(5_000);
        for at in 0..4 {
            blocks.keep((9, at), block(9), true);
        }
        assert!(!blocks.have_room());
        let given_up = blocks.make_way_for(2);
        assert_eq!(given_up.first(), Some(&(9, 3)), "the farthest goes first");
        assert!(blocks.have_room());
        blocks.keep((2, 0), block(2), false);
        blocks.keep((2, 1), block(2), true);
        assert!(blocks.contain((2, 0)) && blocks.contain((2, 1)));
    }

    #[test]
    fn a_released_file_leaves_no_trace() {
        let mut blocks = Blocks::new(1_000_000);
        for object in 1..=1_000 {
            blocks.keep((object, 0), block(1), true);
            assert!(blocks.take((object, 0)).is_some());
            blocks.drop_all_of(object);
        }
        assert_eq!((blocks.held, blocks.unread, blocks.ready.len()), (0, 0, 0));
        assert!(blocks.taken.len() <= 65, "{} keys", blocks.taken.len());
    }
}
