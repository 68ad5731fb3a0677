//! Burstiness of losses: how much more than alone they come in runs.
//!
//! Losses in runs of length L vary more than single ones; the variance of a count grows by the factor
//! E[L²] ÷ E[L], which is 1 for single losses. Tests on losses must allow for it.

/// One, in the unit of the factor.
pub(super) const ONE: u64 = 1_000;
/// Longest run that counts: a longer one is an outage or an overflow.
const LONGEST_RUN: u64 = 512;

/// Running means of run lengths and their squares.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossRuns {
    run: u64,
    last: Option<u64>,
    /// Means over about 64 runs, in thousandths.
    mean: u64,
    mean_square: u64,
}

impl LossRuns {
    /// Packet `number` is lost; numbers come in growing order but for a few.
    pub(super) fn on_lost(&mut self, number: u64) {
        if self.last == number.checked_sub(1) && self.last.is_some() {
            self.run = (self.run + 1).min(LONGEST_RUN);
        } else {
            self.end_run();
            self.run = 1;
        }
        self.last = Some(number);
    }

    fn end_run(&mut self) {
        if self.run == 0 {
            return;
        }
        let (length, square) = (self.run * ONE, self.run * self.run * ONE);
        if self.mean == 0 {
            (self.mean, self.mean_square) = (length, square);
        } else {
            self.mean = (self.mean * 63 + length) / 64;
            self.mean_square = (self.mean_square * 63 + square) / 64;
        }
    }

    /// The factor, in thousandths: 1,000 while losses come alone.
    pub(super) fn factor(&self) -> u64 {
        (self.mean_square * ONE)
            .checked_div(self.mean)
            .unwrap_or(ONE)
            .max(ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_losses_have_a_factor_of_one() {
        let mut runs = LossRuns::default();
        for number in 0..100 {
            runs.on_lost(number * 10);
        }
        assert_eq!(runs.factor(), ONE);
    }

    #[test]
    fn runs_of_eight_have_a_factor_of_eight() {
        let mut runs = LossRuns::default();
        for run in 0..100 {
            for number in 0..8 {
                runs.on_lost(run * 100 + number);
            }
        }
        assert!((7_900..8_100).contains(&runs.factor()), "{}", runs.factor());
    }
}
