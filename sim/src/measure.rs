//! What a run is measured by: distributions, samples over time, fairness.

/// Buckets for each power of two.
const FINE: u32 = 32;

/// Whole numbers, to about three hundredths of their value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: u128,
}

fn bucket_of(value: u64) -> usize {
    if value < u64::from(FINE) {
        return value as usize;
    }
    let power = value.ilog2() - FINE.ilog2();
    ((power * FINE) as u64 + (value >> power)) as usize
}

fn least_of(bucket: usize) -> u64 {
    let fine = FINE as usize;
    if bucket < 2 * fine {
        return bucket as u64;
    }
    let power = bucket / fine - 1;
    ((bucket - power * fine) as u64) << power
}

impl Histogram {
    pub(crate) fn add(&mut self, value: u64) {
        let bucket = bucket_of(value);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += u128::from(value);
    }

    /// 0 while there is no value.
    pub(crate) fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// The value that `per_mille` of all values do not exceed.
    pub(crate) fn quantile(&self, per_mille: u64) -> u64 {
        let wanted = self.count * per_mille / 1_000;
        let mut seen = 0;
        for (bucket, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen > wanted {
                return least_of(bucket);
            }
        }
        0
    }
}

/// How evenly `shares` are: 1 if all are equal, 1/n if one has everything.
pub(crate) fn jain_index(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares == 0.0 {
        return 0.0;
    }
    sum * sum / (shares.len() as f64 * squares)
}

/// The state of one flow at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlowSample {
    /// File bytes that had arrived for the first time, and that came although they were there.
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    /// The sender's rate, bit/s.
    pub(crate) rate_bps: u64,
    /// Standing queueing delay as the sender sees it, µs.
    pub(crate) seen_queue_us: u64,
    /// Packets sent and packets reported lost.
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// File bytes sent for the first time and again.
    pub(crate) file_bytes_sent: u64,
    pub(crate) file_bytes_repeated: u64,
}

/// The state of everything at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) at_us: u64,
    /// Delay of the bottleneck's queue, µs.
    pub(crate) queue_us: u64,
    /// Datagrams that had entered the forward direction, that it had lost, and of these at the bottleneck.
    pub(crate) entered: u64,
    pub(crate) lost: u64,
    pub(crate) dropped: u64,
    pub(crate) flows: Vec<FlowSample>,
    /// Payload bytes of each flow of others that had arrived.
    pub(crate) cross: Vec<u64>,
}

/// How many bytes had arrived at a moment, by known points with straight lines between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrived {
    /// Time in µs and bytes, both growing.
    points: Vec<(u64, u64)>,
}

impl Arrived {
    pub(crate) fn push(&mut self, at_us: u64, bytes: u64) {
        if self.points.last().is_none_or(|last| last.0 < at_us) {
            self.points.push((at_us, bytes));
        }
    }

    fn at(&self, at_us: u64) -> f64 {
        let next = self.points.partition_point(|point| point.0 < at_us);
        let Some(&(after_us, after)) = self.points.get(next) else {
            return self.points.last().map_or(0.0, |point| point.1 as f64);
        };
        let (before_us, before) = next.checked_sub(1).map_or((0, 0), |last| self.points[last]);
        let share = (at_us - before_us) as f64 / (after_us - before_us).max(1) as f64;
        before as f64 + share * (after - before) as f64
    }

    /// Mean rate in bit/s from `from_us` to `to_us`.
    pub(crate) fn rate_bps(&self, from_us: u64, to_us: u64) -> f64 {
        (self.at(to_us) - self.at(from_us)) * 8e6 / (to_us.saturating_sub(from_us)).max(1) as f64
    }

    /// The first moment from `start_us` on that has at least `wanted_bps` both in the `before_us` that end there
    /// and in the `after_us` that begin there, less `start_us`.
    pub(crate) fn time_to_rate(
        &self,
        start_us: u64,
        before_us: u64,
        after_us: u64,
        wanted_bps: f64,
    ) -> Option<u64> {
        let end_us = self.points.last()?.0;
        let moments = self.points.iter().map(|point| point.0);
        moments
            .filter(|&at_us| at_us >= start_us + before_us && at_us + after_us <= end_us)
            .find(|&at_us| {
                self.rate_bps(at_us - before_us, at_us) >= wanted_bps
                    && self.rate_bps(at_us, at_us + after_us) >= wanted_bps
            })
            .map(|at_us| at_us - start_us)
    }
}

fn rate_between(
    samples: &[Sample],
    from_us: u64,
    to_us: u64,
    bytes: impl Fn(&Sample) -> u64,
) -> f64 {
    let mut inside = samples
        .iter()
        .filter(|sample| (from_us..=to_us).contains(&sample.at_us));
    let (Some(first), Some(last)) = (inside.next(), inside.next_back()) else {
        return 0.0;
    };
    let span = (last.at_us - first.at_us).max(1);
    (bytes(last) - bytes(first)) as f64 * 8e6 / span as f64
}

/// Mean rate in bit/s at which `flow` received file bytes from `from_us` to `to_us`.
pub(crate) fn goodput(samples: &[Sample], flow: usize, from_us: u64, to_us: u64) -> f64 {
    rate_between(samples, from_us, to_us, |sample| {
        sample.flows.get(flow).map_or(0, |flow| flow.received)
    })
}

/// Mean rate in bit/s at which flow `flow` of others delivered payload from `from_us` to `to_us`.
pub(crate) fn other_goodput(samples: &[Sample], flow: usize, from_us: u64, to_us: u64) -> f64 {
    rate_between(samples, from_us, to_us, |sample| {
        sample.cross.get(flow).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_few_hundredths() {
        let mut histogram = Histogram::default();
        (0..100_000).for_each(|value| histogram.add(value));
        assert!((histogram.mean() - 49_999.5).abs() < 0.01);
        for (per_mille, value) in [(500, 50_000_u64), (950, 95_000), (10, 1_000)] {
            let found = histogram.quantile(per_mille);
            assert!(
                found.abs_diff(value) * 100 <= value * 4,
                "{per_mille}: {found}"
            );
        }
    }

    #[test]
    fn small_values_are_exact_and_buckets_grow_with_values() {
        for value in 0..1_000_000 {
            let bucket = bucket_of(value);
            assert!(
                least_of(bucket) <= value && value < least_of(bucket + 1),
                "{value}"
            );
        }
    }

    /// Nothing for half a second, 8 Mbit/s for 40 ms, nothing again, and 8 Mbit/s from 0.7 s on.
    fn arrived(step_us: u64) -> Arrived {
        let mut arrived = Arrived::default();
        for at_us in (0..2_000_000_u64).step_by(step_us as usize) {
            let early = at_us.saturating_sub(500_000).min(40_000);
            arrived.push(at_us, early + at_us.saturating_sub(700_000));
        }
        arrived
    }

    #[test]
    fn the_time_to_a_rate_is_found_whatever_the_distance_of_samples() {
        for step_us in [100, 3_000, 20_000] {
            let arrived = arrived(step_us);
            let found = arrived.time_to_rate(0, 10_000, 100_000, 7.9e6);
            let found = found.expect("it is reached");
            assert!((709_000..730_000).contains(&found), "{step_us}: {found}");
            assert_eq!(arrived.time_to_rate(0, 10_000, 100_000, 8.1e6), None);
        }
    }

    #[test]
    fn a_rate_counts_once_it_lasts() {
        let arrived = arrived(1_000);
        let short = arrived.time_to_rate(0, 10_000, 20_000, 7.9e6);
        assert!(short.expect("it is reached") < 530_000);
        let long = arrived.time_to_rate(0, 10_000, 50_000, 7.9e6);
        assert!(long.expect("it is reached") > 700_000);
    }

    #[test]
    fn equal_shares_are_fair_and_a_monopoly_is_not() {
        assert!((jain_index(&[3.0, 3.0, 3.0]) - 1.0).abs() < 1e-9);
        assert!((jain_index(&[0.0, 5.0]) - 0.5).abs() < 1e-9);
    }
}
