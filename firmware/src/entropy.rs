//! Randomness for a board without a source of its own: a seed that is kept from start to start.
//!
//! The seed comes to the device once, when it is set up. At every start a new seed is derived and stored before the
//! first byte is given out, so that no start repeats another, whenever the power is cut. What the board can tell
//! about time and traffic is stirred in besides. The generator forgets: what it gave out cannot be found from what it
//! holds later.
//!
//! Source: the seed file of Fortuna (Ferguson, Schneier and Kohno, Cryptography Engineering, 9.6) and fast key
//! erasure, built on HMAC-SHA-256.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a seed.
pub const SEED_BYTES: usize = 32;

type Block = Zeroizing<[u8; SEED_BYTES]>;

/// A generator of unpredictable bytes.
pub struct Entropy {
    key: Block,
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// What a use of the key is for: no two give the same bytes.
#[derive(Clone, Copy)]
enum Purpose {
    NextKey = 0,
    Output = 1,
    NextSeed = 2,
    Stir = 3,
}

impl Entropy {
    /// A generator from the seed that was stored, and the seed that must be stored in its place before the
    /// generator is used. `circumstances` need not be secret: time, addresses, counters.
    #[must_use]
    pub fn start(seed: &[u8; SEED_BYTES], circumstances: &[u8]) -> (Self, Block) {
        let this = Self {
            key: Zeroizing::new(*seed),
        };
        let key = this.derive(Purpose::Stir, circumstances);
        let next_seed = this.derive(Purpose::NextSeed, circumstances);
        (Self { key }, next_seed)
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        for (chunk, number) in out.chunks_mut(SEED_BYTES).zip(0_u32..) {
            let block = self.derive(Purpose::Output, &number.to_le_bytes());
            for (to, from) in chunk.iter_mut().zip(block.iter()) {
                *to = *from;
            }
        }
        self.key = self.derive(Purpose::NextKey, &[]);
    }

    /// Takes in what an observer may know or not, for example when a frame came.
    pub fn stir(&mut self, event: u64) {
        self.key = self.derive(Purpose::Stir, &event.to_le_bytes());
    }

    fn derive(&self, purpose: Purpose, input: &[u8]) -> Block {
        let mut block = Block::default();
        // HMAC takes keys of every length: this cannot fail.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key[..]) {
            mac.update(&[purpose as u8]);
            mac.update(input);
            let digest = mac.finalize().into_bytes();
            for (to, from) in block.iter_mut().zip(digest.iter()) {
                *to = *from;
            }
        }
        block
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(entropy: &mut Entropy) -> [u8; 80] {
        let mut out = [0; 80];
        entropy.fill(&mut out);
        out
    }

    #[test]
    fn nothing_repeats_within_a_start_or_between_starts() {
        let (mut first, seed) = Entropy::start(&[5; SEED_BYTES], b"the same");
        let (mut second, next) = Entropy::start(&seed, b"the same");
        let mut seen = [
            bytes(&mut first),
            bytes(&mut first),
            bytes(&mut second),
            bytes(&mut second),
        ];
        assert_ne!(*seed, [5; SEED_BYTES]);
        assert_ne!(*seed, *next);
        seen.sort_unstable();
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]));
        for out in seen {
            assert_ne!(out[..32], out[32..64], "blocks of one output differ");
            assert_ne!(out[64..], [0; 16], "the last bytes are filled too");
        }
    }

    #[test]
    fn the_same_seed_and_circumstances_give_the_same_and_others_do_not() {
        let start = |circumstances: &[u8]| Entropy::start(&[9; SEED_BYTES], circumstances).0;
        assert_eq!(bytes(&mut start(b"a")), bytes(&mut start(b"a")));
        assert_ne!(bytes(&mut start(b"a")), bytes(&mut start(b"b")));
        let mut stirred = start(b"a");
        stirred.stir(1);
        assert_ne!(bytes(&mut stirred), bytes(&mut start(b"a")));
    }
}
