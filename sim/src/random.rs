//! Random numbers that a run can be repeated with: one seed, split by name.
//!
//! Parts draw from streams of their own, so that adding a draw in one changes nothing in the others.
//! Source: splitmix64 and xoshiro256** by Blackman and Vigna, public domain.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: [u64; 4],
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Random {
    /// The stream called `name` of `seed`.
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        let mut mixed = name
            .bytes()
            .fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
            });
        Self {
            state: [(); 4].map(|()| splitmix(&mut mixed)),
        }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number below `end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// One of `choices`, which are not none.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Between `least` and `most`, each doubling as likely as another.
    pub(crate) fn spread(&mut self, least: u64, most: u64) -> u64 {
        let share = self.below(1_000_001) as f64 / 1e6;
        (least as f64 * (most as f64 / least as f64).powf(share)) as u64
    }

    /// True in `ppm` of a million cases.
    pub(crate) fn chance(&mut self, ppm: u64) -> bool {
        ppm > 0 && self.below(1_000_000) < ppm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_seed_always_give_the_same_numbers_and_others_do_not() {
        let draw = |seed, name: &str| {
            let mut random = Random::named(seed, name);
            [(); 4].map(|()| random.next())
        };
        assert_eq!(draw(7, "loss"), draw(7, "loss"));
        assert_ne!(draw(7, "loss"), draw(8, "loss"));
        assert_ne!(draw(7, "loss"), draw(7, "jitter"));
    }

    #[test]
    fn spread_values_stay_within_their_bounds() {
        let mut random = Random::named(1, "spread");
        for _ in 0..1_000 {
            assert!((10..=1_000).contains(&random.spread(10, 1_000)));
        }
    }

    #[test]
    fn a_chance_of_one_in_ten_comes_true_one_time_in_ten() {
        let mut random = Random::named(3, "chance");
        let hits = (0..100_000).filter(|_| random.chance(100_000)).count();
        assert!((9_700..10_300).contains(&hits), "{hits}");
    }
}
