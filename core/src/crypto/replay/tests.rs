//! The window against a plain set of numbers that never forgets.

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Everything ever marked, and the rule for what a window of `words` words still knows.
#[derive(Default)]
struct Model {
    marked: BTreeSet<u64>,
    words: u64,
}

impl Model {
    fn new(words: usize) -> Self {
        Self {
            words: words as u64,
            ..Self::default()
        }
    }

    fn too_old(&self, number: u64) -> bool {
        let Some(largest) = self.marked.last() else {
            return false;
        };
        number / 64 + self.words <= largest / 64
    }

    fn mark(&mut self, number: u64) {
        if !self.too_old(number) {
            self.marked.insert(number);
        }
    }

    fn knows(&self, number: u64) -> bool {
        !self.too_old(number) && self.marked.contains(&number)
    }
}

/// Steps that walk, jump a little, jump past the window, and come back.
fn steps() -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![
        6 => -3..8_i64,
        3 => -200..300_i64,
        1 => -2000..3000_i64,
        1 => prop::sample::select([-(1_i64 << 40), 1 << 40, 1 << 32, -(1 << 32), 64, -64].to_vec()),
    ];
    prop::collection::vec(step, 1..120)
}

fn agrees_with_the_model<const WORDS: usize>(start: u64, steps: &[i64]) {
    let mut window = ReplayWindow::<WORDS>::new();
    let mut model = Model::new(WORDS);
    let mut number = start;
    for step in steps {
        number = number.saturating_add_signed(*step).min((1 << 62) - 1);
        assert_eq!(
            window.admits(PacketNumber(number)),
            !model.too_old(number) && !model.knows(number)
        );
        window.mark(PacketNumber(number));
        model.mark(number);
        let largest = *model.marked.last().unwrap();
        assert_eq!(window.largest(), Some(PacketNumber(largest)));
        let first = (largest / 64).saturating_sub(WORDS as u64 + 1);
        for word in first..=largest / 64 + 1 {
            let missing = window.missing_word(word * 64);
            for bit in 0..64 {
                let number = word * 64 + bit;
                assert_eq!(missing >> bit & 1 == 0, model.knows(number), "{number}");
                assert_eq!(window.is_marked(PacketNumber(number)), model.knows(number));
            }
        }
    }
}

proptest! {
    #[test]
    fn the_window_agrees_with_a_set_that_never_forgets(start in 0..1_u64 << 45, steps in steps()) {
        agrees_with_the_model::<1>(start, &steps);
        agrees_with_the_model::<2>(start, &steps);
        agrees_with_the_model::<3>(start, &steps);
        agrees_with_the_model::<16>(start, &steps);
    }
}

#[test]
fn a_new_window_admits_everything_and_misses_everything() {
    let window = ReplayWindow::<4>::default();
    assert_eq!(window.largest(), None);
    for number in [0, 1, 255, 256, 1 << 61] {
        assert!(window.admits(PacketNumber(number)));
        assert!(!window.is_marked(PacketNumber(number)));
    }
    assert_eq!(window.missing_word(0), u64::MAX);
}

#[test]
fn a_number_is_admitted_once() {
    let mut window = ReplayWindow::<4>::new();
    window.mark(PacketNumber(7));
    assert!(!window.admits(PacketNumber(7)));
    assert!(window.admits(PacketNumber(6)));
    assert_eq!(window.missing_word(0), !(1 << 7));
}

#[test]
fn a_jump_past_the_window_leaves_no_old_bit_behind() {
    let mut window = ReplayWindow::<4>::new();
    for number in 0..256 {
        window.mark(PacketNumber(number));
    }
    window.mark(PacketNumber(256 * 1_000 + 3));
    for word in 0..4 {
        let base = 256 * 1_000 - 192 + word * 64;
        let expected = if word == 3 { !(1 << 3) } else { u64::MAX };
        assert_eq!(window.missing_word(base), expected);
    }
    assert!(!window.admits(PacketNumber(100)), "too old to know");
}

#[test]
fn a_number_below_the_window_is_refused_and_does_not_disturb_it() {
    let mut window = ReplayWindow::<2>::new();
    window.mark(PacketNumber(128));
    window.mark(PacketNumber(0));
    assert!(!window.admits(PacketNumber(63)));
    assert!(window.admits(PacketNumber(64)));
    assert_eq!(window.missing_word(128), !1);
    assert_eq!(window.missing_word(0), u64::MAX);
}
