//! Which packet numbers arrived: refuses replays and tells the receiver what is missing.
//!
//! A ring of 64-bit words, one bit a number, that moves forward with the largest number seen.
//! Check with [`ReplayWindow::admits`] before a datagram is opened, [`ReplayWindow::mark`] after:
//! a forged number must not move the window.
//!
//! Source: the ring of words is the idea of RFC 6479; the reports it serves are PROTOCOL.md §3.4.

use crate::units::PacketNumber;

/// Numbers one word stands for.
const WORD_BITS: u64 = u64::BITS as u64;

/// The arrival record of the newest `WORDS × 64` packet numbers.
///
/// It moves by whole words: between `(WORDS − 1) × 64 + 1` and `WORDS × 64` numbers back from the
/// largest are remembered.
#[derive(Clone, Debug)]
pub struct ReplayWindow<const WORDS: usize> {
    /// Word `w` of the number space is at index `w % WORDS`; a set bit means arrived.
    words: [u64; WORDS],
    largest: Option<PacketNumber>,
}

impl<const WORDS: usize> Default for ReplayWindow<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    /// A window in which nothing arrived yet.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(WORDS > 0, "a window needs at least one word") };
        Self {
            words: [0; WORDS],
            largest: None,
        }
    }

    /// The largest number marked.
    #[must_use]
    pub const fn largest(&self) -> Option<PacketNumber> {
        self.largest
    }

    /// Whether `number` may still be taken: false if it was marked or is too old to know.
    #[must_use]
    pub fn admits(&self, number: PacketNumber) -> bool {
        let word = number.0 / WORD_BITS;
        match self.top_word() {
            Some(top) if Self::has_left(word, top) => false,
            _ => !self.is_marked(number),
        }
    }

    /// Records that `number` arrived and was authentic; a number too old to know is ignored.
    pub fn mark(&mut self, number: PacketNumber) {
        let word = number.0 / WORD_BITS;
        if let Some(top) = self.top_word() {
            if Self::has_left(word, top) {
                return;
            }
            self.forget_between(top, word);
        }
        if let Some(bits) = self.words.get_mut(Self::index(word)) {
            *bits |= bit_of(number);
        }
        self.largest = self.largest.max(Some(number));
    }

    /// Whether `number` is known to have arrived; false for one too old to know.
    #[must_use]
    pub fn is_marked(&self, number: PacketNumber) -> bool {
        self.arrived(number.0 / WORD_BITS) & bit_of(number) != 0
    }

    /// The numbers `base` to `base + 63` that did not arrive: bit `i`, from the lowest, stands for
    /// `base + i`. `base` is rounded down to a multiple of 64.
    ///
    /// Numbers too old to know count as missing: to ask twice costs a datagram, not to ask loses
    /// data.
    #[must_use]
    pub fn missing_word(&self, base: u64) -> u64 {
        !self.arrived(base / WORD_BITS)
    }

    fn top_word(&self) -> Option<u64> {
        self.largest.map(|number| number.0 / WORD_BITS)
    }

    /// Whether `word` is so far below `top` that its place in the ring belongs to another.
    const fn has_left(word: u64, top: u64) -> bool {
        top.saturating_sub(word) >= WORDS as u64
    }

    /// The bits of `word`; zero if it is outside of the window on either side.
    fn arrived(&self, word: u64) -> u64 {
        match self.top_word() {
            Some(top) if word <= top && !Self::has_left(word, top) => self
                .words
                .get(Self::index(word))
                .copied()
                .unwrap_or_default(),
            _ => 0,
        }
    }

    /// Clears the words that enter the window when its top moves from `top` to `word`.
    fn forget_between(&mut self, top: u64, word: u64) {
        let entering = word.saturating_sub(top);
        if entering >= WORDS as u64 {
            self.words.fill(0);
            return;
        }
        for step in 1..=entering {
            if let Some(bits) = self.words.get_mut(Self::index(top + step)) {
                *bits = 0;
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the remainder is below WORDS, which is a usize"
    )]
    const fn index(word: u64) -> usize {
        (word % WORDS as u64) as usize
    }
}

/// The bit of `number` in its word.
const fn bit_of(number: PacketNumber) -> u64 {
    1 << (number.0 % WORD_BITS)
}

#[cfg(test)]
mod tests;
