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
    /// File bytes that had arrived for the first time.
    pub(crate) received: u64,
    /// The sender's rate, bit/s.
    pub(crate) rate_bps: u64,
    /// Standing queueing delay as the sender sees it, µs.
    pub(crate) seen_queue_us: u64,
    /// Packets sent and packets reported lost.
    pub(crate) sent: u64,
    pub(crate) lost: u64,
}

/// The state of everything at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at_us: u64,
    /// Delay of the bottleneck's queue, µs.
    pub(crate) queue_us: u64,
    pub(crate) flows: Vec<FlowSample>,
    /// Payload bytes of each flow of others that had arrived.
    pub(crate) cross: Vec<u64>,
}

/// The first time at which `flow` received at `wanted_bps` over `window_us`, counted from `start_us`.
pub(crate) fn time_to_rate(
    samples: &[Sample],
    flow: usize,
    start_us: u64,
    window_us: u64,
    wanted_bps: f64,
) -> Option<u64> {
    let of = |sample: &Sample| sample.flows.get(flow).map_or(0, |flow| flow.received);
    let mut first = 0;
    for sample in samples {
        // The latest sample that is a whole window older.
        while samples
            .get(first + 1)
            .is_some_and(|next| next.at_us + window_us <= sample.at_us)
        {
            first += 1;
        }
        let before = &samples[first];
        let span = sample.at_us.saturating_sub(before.at_us);
        let bits = (of(sample) - of(before)) as f64 * 8.0;
        if span >= window_us && bits * 1e6 / span as f64 >= wanted_bps {
            return Some(sample.at_us.saturating_sub(start_us));
        }
    }
    None
}

/// Mean rate in bit/s at which `flow` received file bytes from `from_us` to `to_us`.
pub(crate) fn goodput(samples: &[Sample], flow: usize, from_us: u64, to_us: u64) -> f64 {
    let mut inside = samples
        .iter()
        .filter(|sample| (from_us..=to_us).contains(&sample.at_us));
    let (Some(first), Some(last)) = (inside.next(), inside.next_back()) else {
        return 0.0;
    };
    let of = |sample: &Sample| sample.flows.get(flow).map_or(0, |flow| flow.received);
    let span = (last.at_us - first.at_us).max(1);
    (of(last) - of(first)) as f64 * 8e6 / span as f64
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

    #[test]
    fn the_time_to_a_rate_is_found_whatever_the_distance_of_samples() {
        for step_us in [3_000, 20_000, 33_000] {
            let samples: Vec<Sample> = (0..200_u64)
                .map(|index| {
                    let at_us = index * step_us;
                    // Nothing for half a second, then 8 Mbit/s.
                    let received = at_us.saturating_sub(500_000);
                    let flow = FlowSample {
                        received,
                        ..FlowSample::default()
                    };
                    Sample {
                        at_us,
                        queue_us: 0,
                        flows: vec![flow],
                        cross: Vec::new(),
                    }
                })
                .collect();
            let found = time_to_rate(&samples, 0, 0, 75_000, 7.9e6).expect("it is reached");
            assert!((575_000..690_000).contains(&found), "{step_us}: {found}");
            assert_eq!(time_to_rate(&samples, 0, 0, 75_000, 8.1e6), None);
        }
    }

    #[test]
    fn equal_shares_are_fair_and_a_monopoly_is_not() {
        assert!((jain_index(&[3.0, 3.0, 3.0]) - 1.0).abs() < 1e-9);
        assert!((jain_index(&[0.0, 5.0]) - 0.5).abs() < 1e-9);
    }
}
