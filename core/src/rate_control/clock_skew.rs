//! Clocks that run at different speeds: the drift that it puts into one-way delays, measured and removed.
//!
//! The way back is used by reports alone, so its least delay stays the same while clocks agree. If the
//! receiver's clock is fast by s, the delay of reports falls by s·t and that of data grows by as much. The
//! slope of the least report delays is believed only while they lie on a line.

use crate::time::{Duration, Instant};

/// One least delay is kept for so long.
const SPAN: Duration = Duration::from_millis(1_500);
const POINTS: usize = 12;
/// So many points make a line.
const LEAST_POINTS: usize = 5;
/// No two clocks of working computers differ by more, parts per million.
const MOST_PPM: i64 = 1_000;
/// Points of a line lie this close to it, µs.
const TOLERANCE_US: i64 = 150;

/// Least report delays over time, and the drift they show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClockSkew {
    points: [(i64, i64); POINTS],
    count: usize,
    span_started: Option<Instant>,
    least: Option<(i64, i64)>,
    ppm: i64,
    /// Correction reached when `ppm` last changed, µs, and when that was.
    corrected_us: i64,
    since: Instant,
}

impl ClockSkew {
    /// Takes the one-way delay of one report.
    pub(super) fn on_report(&mut self, now: Instant, report_delay_us: i64) {
        let started = *self.span_started.get_or_insert(now);
        let at = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        if self.least.is_none_or(|(_, least)| report_delay_us < least) {
            self.least = Some((at, report_delay_us));
        }
        if now.since(started) < SPAN {
            return;
        }
        if let Some(point) = self.least.take() {
            self.points.rotate_left(1);
            if let Some(last) = self.points.last_mut() {
                *last = point;
            }
            self.count = (self.count + 1).min(POINTS);
        }
        self.span_started = Some(now);
        self.fit(now);
    }

    /// What to add to one-way delays of data at `now`, µs.
    pub(super) fn correction_us(&self, now: Instant) -> i64 {
        let span_us = i64::try_from(now.since(self.since).as_micros()).unwrap_or(i64::MAX);
        self.corrected_us + span_us.saturating_mul(self.ppm) / 1_000_000
    }

    fn fit(&mut self, now: Instant) {
        let Some(points) = self.points.get(POINTS - self.count..) else {
            return;
        };
        let half = points.len() / 2;
        if points.len() < LEAST_POINTS {
            return;
        }
        // The median slope of points half the span apart.
        let mut slopes = [0_i64; POINTS];
        let mut found = 0;
        for (early, late) in points.iter().zip(points.get(half..).unwrap_or_default()) {
            let span = (late.0 - early.0).max(1);
            if let Some(slot) = slopes.get_mut(found) {
                *slot = (late.1 - early.1).saturating_mul(1_000_000) / span;
                found += 1;
            }
        }
        let slopes = slopes.get_mut(..found).unwrap_or_default();
        slopes.sort_unstable();
        let slope = slopes.get(found / 2).copied().unwrap_or(0);
        let ppm = if slope.abs() <= MOST_PPM && lies_on_line(points, slope) {
            slope
        } else {
            // Something else moves the delay of reports: what was believed stays.
            self.ppm
        };
        self.corrected_us = self.correction_us(now);
        self.since = now;
        self.ppm = ppm;
    }
}

fn lies_on_line(points: &[(i64, i64)], slope: i64) -> bool {
    let Some(&(first_at, _)) = points.first() else {
        return false;
    };
    let rest =
        |&(at, delay): &(i64, i64)| delay - (at - first_at).saturating_mul(slope) / 1_000_000;
    let least = points.iter().map(rest).min().unwrap_or(0);
    let most = points.iter().map(rest).max().unwrap_or(0);
    most - least <= 2 * TOLERANCE_US
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(delay_us: impl Fn(i64) -> i64) -> i64 {
        let mut skew = ClockSkew::default();
        for step in 0..6_000 {
            let at_us = step * 10_000;
            let now = Instant::from_micros(u64::try_from(at_us).unwrap());
            skew.on_report(now, delay_us(at_us));
        }
        skew.correction_us(Instant::from_micros(60_000_000))
            - skew.correction_us(Instant::from_micros(59_000_000))
    }

    #[test]
    fn a_steady_drift_is_found_and_removed() {
        // The receiver's clock gains 200 µs a second: reports seem faster, data slower.
        let found = run(|at_us| 7_000 - at_us / 5_000 + (at_us / 10_000) % 7 * 20);
        assert!((-205..=-195).contains(&found), "{found}");
    }

    #[test]
    fn equal_clocks_are_left_alone() {
        assert_eq!(run(|at_us| 3_000 + (at_us / 10_000) % 5 * 100), 0);
    }

    #[test]
    fn a_queue_on_the_way_back_is_not_a_drift() {
        let wave = |at_us: i64| (at_us / 1_000_000 % 8 - 4).abs() * 5_000;
        let found = run(|at_us| 3_000 + wave(at_us));
        assert_eq!(found, 0);
    }
}
