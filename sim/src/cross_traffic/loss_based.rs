//! Reno (RFC 5681) and Cubic (RFC 9438): slow start until the first loss, then growth and cuts.
//!
//! As kernels without HyStart: slow start ends with the queue overflowing.

use super::congestion_control::{AckSample, INITIAL_WINDOW};

const LEAST_WINDOW: f64 = 2.0;
/// Of Cubic: steepness, what a cut leaves, growth while it is friendly to Reno.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
const FRIENDLY: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// What a cut of Reno leaves.
const HALF: f64 = 0.5;

/// Growth since a cut.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    start_us: u64,
    /// Seconds from the start until the window is `plateau`.
    k: f64,
    plateau: f64,
    /// What Reno would have with the same losses.
    reno: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct CubicState {
    /// Window before the latest cut, lowered when flows make room for new ones.
    most: f64,
    /// Window before the latest cut.
    before: f64,
    epoch: Option<Epoch>,
}

#[derive(Debug)]
pub(super) struct LossBased {
    window: f64,
    /// Slow start ends here.
    threshold: f64,
    cubic: Option<CubicState>,
}

impl LossBased {
    pub(super) const fn reno() -> Self {
        Self {
            window: INITIAL_WINDOW,
            threshold: f64::INFINITY,
            cubic: None,
        }
    }

    pub(super) fn cubic() -> Self {
        Self {
            cubic: Some(CubicState::default()),
            ..Self::reno()
        }
    }

    pub(super) const fn window(&self) -> f64 {
        self.window
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample) {
        if sample.in_recovery {
            return;
        }
        let acked = sample.acked as f64;
        if self.window < self.threshold {
            self.window = (self.window + acked).min(self.threshold.max(self.window));
            return;
        }
        match &mut self.cubic {
            None => self.window += acked / self.window,
            Some(cubic) => self.window = cubic.grow(self.window, acked, sample),
        }
    }

    fn cut(&mut self) {
        let kept = match &mut self.cubic {
            None => HALF,
            Some(cubic) => {
                cubic.on_cut(self.window);
                BETA
            }
        };
        self.threshold = (self.window * kept).max(LEAST_WINDOW);
    }

    pub(super) fn on_loss(&mut self) {
        self.cut();
        self.window = self.threshold;
    }

    pub(super) fn on_timeout(&mut self) {
        self.cut();
        self.window = 1.0;
    }
}

impl CubicState {
    fn on_cut(&mut self, window: f64) {
        // Fast convergence (§4.7): a flow that gets less than last time leaves more to others.
        self.most = if window < self.most {
            window * (1.0 + BETA) / 2.0
        } else {
            window
        };
        self.before = window;
        self.epoch = None;
    }

    fn grow(&mut self, window: f64, acked: f64, sample: &AckSample) -> f64 {
        let epoch = self.epoch.get_or_insert_with(|| {
            let plateau = self.most.max(window);
            Epoch {
                start_us: sample.now_us,
                k: ((plateau - window) / C).cbrt(),
                plateau,
                reno: window,
            }
        });
        let friendly = if epoch.reno < self.before {
            FRIENDLY
        } else {
            1.0
        };
        epoch.reno += friendly * acked / window;
        let seconds = (sample.now_us - epoch.start_us) as f64 / 1e6;
        let at = |seconds: f64| C * (seconds - epoch.k).powi(3) + epoch.plateau;
        if at(seconds) < epoch.reno {
            return epoch.reno.max(window);
        }
        // What the curve says one round trip from now, at most half as much again (§4.2).
        let target = at(seconds + sample.smoothed_us / 1e6).clamp(window, 1.5 * window);
        window + (target - window) / window * acked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(now_us: u64) -> AckSample {
        AckSample {
            now_us,
            acked: 1,
            in_flight: 0,
            delivered: 0,
            delivered_before: 0,
            rate: None,
            round_trip_us: None,
            smoothed_us: 50_000.0,
            in_recovery: false,
        }
    }

    #[test]
    fn reno_grows_by_one_in_a_round_trip_and_halves() {
        let mut reno = LossBased::reno();
        (0..90).for_each(|_| reno.on_ack(&sample(0)));
        assert!((reno.window() - 100.0).abs() < 1e-9);
        reno.on_loss();
        assert!((reno.window() - 50.0).abs() < 1e-9);
        (0..50).for_each(|_| reno.on_ack(&sample(0)));
        assert!((reno.window() - 51.0).abs() < 0.02, "{}", reno.window());
    }

    #[test]
    fn cubic_is_back_at_its_plateau_after_k_seconds() {
        let mut cubic = LossBased::cubic();
        (0..990).for_each(|_| cubic.on_ack(&sample(0)));
        // So few acknowledgements that the friendly region is far below.
        cubic.on_loss();
        assert!((cubic.window() - 700.0).abs() < 1e-6);
        // K = cbrt(300 / 0.4) = 9.086 s.
        let mut halfway = 0.0;
        for now_ms in 0..9_086 {
            let ten = AckSample {
                acked: 10,
                ..sample(now_ms * 1_000)
            };
            cubic.on_ack(&ten);
            if now_ms == 4_543 {
                halfway = cubic.window();
            }
        }
        assert!((cubic.window() - 1_000.0).abs() < 2.0, "{}", cubic.window());
        assert!((halfway - 962.5).abs() < 4.0, "{halfway}");
    }

    #[test]
    fn a_second_cut_below_the_first_leaves_room() {
        let mut cubic = LossBased::cubic();
        (0..90).for_each(|_| cubic.on_ack(&sample(0)));
        cubic.on_loss();
        cubic.on_loss();
        let most = cubic.cubic.map_or(0.0, |cubic| cubic.most);
        assert!((most - 70.0 * 0.85).abs() < 1e-9, "{most}");
    }

    #[test]
    fn a_timeout_begins_again_with_one_segment() {
        let mut cubic = LossBased::cubic();
        (0..90).for_each(|_| cubic.on_ack(&sample(0)));
        cubic.on_timeout();
        assert!((cubic.window() - 1.0).abs() < 1e-9);
        (0..100).for_each(|_| cubic.on_ack(&sample(1)));
        assert!((70.0..80.0).contains(&cubic.window()), "{}", cubic.window());
    }
}
