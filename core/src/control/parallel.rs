//! A session as one of several that transfer the same sources side by side (`-C`).
//!
//! Sessions do not talk to one another: which of them sends an object follows from its path alone.
//!
//! Source: PROTOCOL.md §2.2, keys 50 to 52 of HELLO, and §6.12; the numbers are those of the public options.

use super::cbor::{DecodeError, Full, MapReader, MapWriter};

/// Most sessions that share a transfer.
pub const MOST_NODES: u8 = 128;

/// Files are cut at multiples of this, bytes.
pub const CUT: u64 = 1 << 20;

/// Which share of the objects a session sends. All of them by default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Share {
    node: u8,
    count: u8,
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

impl Share {
    /// The only session.
    pub const ALL: Self = Self { node: 1, count: 1 };

    /// Session `node` of `count`; `None` unless both are from 1 to [`MOST_NODES`] and `node` is not above `count`.
    #[must_use]
    pub const fn new(node: u8, count: u8) -> Option<Self> {
        if node == 0 || node > count || count > MOST_NODES {
            return None;
        }
        Some(Self { node, count })
    }

    /// Which one it is, from 1.
    #[must_use]
    pub const fn node(self) -> u8 {
        self.node
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.count
    }

    /// Whether everything is sent.
    #[must_use]
    pub const fn is_all(self) -> bool {
        self.count == 1
    }

    /// Whether this session sends the file or link with this path below the destination. Folders are sent by all.
    #[must_use]
    pub fn holds(self, path: &[u8]) -> bool {
        self.is_all() || fnv_1a(path) % u64::from(self.count) == u64::from(self.node - 1)
    }

    /// The bytes that this session sends of a file of `size` bytes that is split; `None` if there are fewer pieces
    /// than sessions and it gets none.
    #[must_use]
    pub fn part_of(self, size: u64) -> Option<core::ops::Range<u64>> {
        let cut_before = |node: u8| {
            let pieces = size.div_ceil(CUT) * u64::from(node) / u64::from(self.count);
            pieces.saturating_mul(CUT).min(size)
        };
        let (start, end) = (cut_before(self.node - 1), cut_before(self.node));
        (start < end).then_some(start..end)
    }

    /// All sessions of the transfer.
    pub fn sessions(self) -> impl Iterator<Item = Self> {
        let count = self.count;
        (1..=count).map(move |node| Self { node, count })
    }

    pub(super) fn write(self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        if self.is_all() {
            return Ok(());
        }
        map.uint(50, self.node.into())?;
        map.uint(51, self.count.into())
    }

    pub(super) fn read(map: &mut MapReader<'_>) -> Result<Self, DecodeError> {
        let node = map.optional_number(50)?;
        let count = map.optional_number(51)?;
        match (node, count) {
            (None, None) => Ok(Self::ALL),
            (Some(node), Some(count)) if count > 1 => {
                Self::new(node, count).ok_or(DecodeError::OutOfRange { key: 50 })
            }
            _ => Err(DecodeError::OutOfRange { key: 51 }),
        }
    }
}

/// The size from which on files are split between sessions (key 52); 0 for never.
pub(super) fn read_threshold(share: Share, map: &mut MapReader<'_>) -> Result<u64, DecodeError> {
    match map.optional_number(52)? {
        None => Ok(0),
        Some(threshold) if threshold > 0 && !share.is_all() => Ok(threshold),
        Some(_) => Err(DecodeError::OutOfRange { key: 52 }),
    }
}

/// Key 52, unless it is 0.
pub(super) fn write_threshold(threshold: u64, map: &mut MapWriter<'_>) -> Result<(), Full> {
    if threshold == 0 {
        return Ok(());
    }
    map.uint(52, threshold)
}

/// FNV-1a of 64 bits, its halves folded so that the low bits depend on all of it.
fn fnv_1a(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one_folded() {
        // Of the published test values of FNV-1a.
        for (text, hash) in [
            ("", 0xCBF2_9CE4_8422_2325_u64),
            ("a", 0xAF63_DC4C_8601_EC8C),
            ("foobar", 0x8594_4171_F739_67E8),
        ] {
            assert_eq!(fnv_1a(text.as_bytes()), hash ^ (hash >> 32), "{text}");
        }
    }

    #[test]
    fn every_path_belongs_to_exactly_one_session_and_the_shares_are_even() {
        for count in [1, 2, 3, 7, 16, MOST_NODES] {
            let mut held = [0_u32; MOST_NODES as usize];
            for number in 0..20_000_u32 {
                let path = std::format!("d{}/file{number}.bin", number % 40);
                let holders = (1..=count).filter(|node| {
                    let share = Share::new(*node, count).unwrap();
                    share.holds(path.as_bytes())
                });
                let holders: std::vec::Vec<u8> = holders.collect();
                assert_eq!(holders.len(), 1, "{path} of {count}");
                held[usize::from(holders[0] - 1)] += 1;
            }
            let even = 20_000 / u32::from(count);
            for node in held.iter().take(usize::from(count)) {
                assert!(node.abs_diff(even) < even / 2 + 30, "{count}: {node}");
            }
        }
    }

    #[test]
    fn the_parts_of_a_file_are_all_of_it_once_and_cut_at_pieces() {
        for size in [
            1,
            CUT - 1,
            CUT,
            CUT + 1,
            5 * CUT + 7,
            300 * CUT,
            (1 << 40) + 9,
            (1 << 56) - 1,
        ] {
            for count in [2, 3, 7, MOST_NODES] {
                let mut at = 0;
                let pieces = size.div_ceil(CUT);
                for share in Share::new(1, count).unwrap().sessions() {
                    let Some(part) = share.part_of(size) else {
                        assert!(pieces < u64::from(count));
                        continue;
                    };
                    assert_eq!(part.start, at, "{size} {share:?}");
                    assert!(part.start.is_multiple_of(CUT));
                    let even = pieces / u64::from(count);
                    let own = (part.end - part.start).div_ceil(CUT);
                    assert!(own.abs_diff(even) <= 1, "{size} {share:?}: {own}");
                    at = part.end;
                }
                assert_eq!(at, size);
            }
        }
        assert_eq!(Share::new(1, 2).unwrap().part_of(0), None);
    }

    #[test]
    fn a_share_that_cannot_be_is_none() {
        for (node, count) in [(0, 1), (2, 1), (1, 129), (129, 129), (0, 0)] {
            assert_eq!(Share::new(node, count), None);
        }
        assert_eq!(Share::new(1, 1), Some(Share::ALL));
        assert!(Share::new(128, 128).is_some());
    }
}
