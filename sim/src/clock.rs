//! The clock of one host: it need not agree with that of the world or of the other host.
//!
//! Hosts have monotonic clocks, so it never goes back; it may run fast or slow, begin anywhere, jump forward
//! (a machine that slept) and show only every so many microseconds.

/// Parts per million.
const MILLION: i128 = 1_000_000;

/// How a host's clock follows from the world's.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// What it shows at the beginning, µs.
    pub(crate) offset_us: u64,
    /// How much too fast it runs.
    pub(crate) fast_ppm: i32,
    /// It shows multiples of this, µs.
    pub(crate) granularity_us: u64,
    /// World time of a jump and its length, µs.
    pub(crate) jump_us: Option<(u64, u64)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            offset_us: 0,
            fast_ppm: 0,
            granularity_us: 1,
            jump_us: None,
        }
    }
}

impl Clock {
    /// What it shows at `world_us`.
    pub(crate) fn local(&self, world_us: u64) -> u64 {
        let gained = i128::from(world_us) * i128::from(self.fast_ppm) / MILLION;
        let jumped = self.jump_us.filter(|jump| jump.0 <= world_us);
        let local = i128::from(world_us) + gained + i128::from(self.offset_us);
        let local = local.max(0) as u64 + jumped.map_or(0, |jump| jump.1);
        local - local % self.granularity_us.max(1)
    }

    /// The first time of the world at which it shows `local_us` or more.
    pub(crate) fn world(&self, local_us: u64) -> u64 {
        if self.fast_ppm == 0 && self.granularity_us <= 1 && self.jump_us.is_none() {
            return local_us.saturating_sub(self.offset_us);
        }
        // No clock runs so slow that twice the time would not be enough.
        let (mut before, mut enough) = (0, 2 * local_us + self.granularity_us);
        while before < enough {
            let middle = before + (enough - before) / 2;
            if self.local(middle) >= local_us {
                enough = middle;
            } else {
                before = middle + 1;
            }
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_that_shows_a_value_shows_it_and_the_one_before_does_not() {
        let clocks = [
            Clock::default(),
            Clock {
                offset_us: (1 << 32) - 77,
                fast_ppm: -500,
                ..Clock::default()
            },
            Clock {
                fast_ppm: 500,
                granularity_us: 1_000,
                ..Clock::default()
            },
            Clock {
                jump_us: Some((20_000, 1_000_000)),
                ..Clock::default()
            },
        ];
        for clock in clocks {
            for target in [1, 5_300, 19_999, 40_000, 1_020_000, 1_020_001, 5_000_000] {
                let local = clock.offset_us + target;
                let world = clock.world(local);
                assert!(clock.local(world) >= local, "{clock:?} {target}");
                assert!(
                    world == 0 || clock.local(world - 1) < local,
                    "{clock:?} {target}"
                );
            }
        }
    }

    #[test]
    fn a_fast_clock_gains_half_a_millisecond_each_second() {
        let clock = Clock {
            fast_ppm: 500,
            ..Clock::default()
        };
        assert_eq!(clock.local(2_000_000), 2_001_000);
    }
}
