//! Dividing a capacity by weight among those who can use it.

/// What one session says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Claim {
    /// Its part beside others, at least 1.
    pub(super) weight: u32,
    /// It can use no more than this, bit/s.
    pub(super) most_bps: u64,
}

/// The shares of `claims`, in their order, bit/s; together at most `capacity`.
///
/// Nobody gets less than its weight says, unless it cannot use that. What is left when everybody has enough is given by
/// weight too: who can use more all at once need not wait for the next time.
pub(super) fn divide(capacity: u64, claims: &[Claim]) -> Vec<u64> {
    let mut order: Vec<usize> = (0..claims.len()).collect();
    let weight_of = |at: &usize| {
        claims
            .get(*at)
            .map_or(1, |claim| u128::from(claim.weight.max(1)))
    };
    let most_of = |at: &usize| {
        claims
            .get(*at)
            .map_or(0, |claim| u128::from(claim.most_bps))
    };
    // Who is satisfied with the least for its weight comes first.
    order.sort_by(|a, b| (most_of(a) * weight_of(b)).cmp(&(most_of(b) * weight_of(a))));
    let mut left = u128::from(capacity);
    let mut weights: u128 = order.iter().map(weight_of).sum();
    let mut shares = vec![0; claims.len()];
    for at in &order {
        let weight = weight_of(at);
        let share = most_of(at).min(left * weight / weights.max(1));
        left -= share;
        weights -= weight;
        if let Some(place) = shares.get_mut(*at) {
            *place = share;
        }
    }
    let weights: u128 = order.iter().map(weight_of).sum();
    let extra = |at: usize| left * weight_of(&at) / weights.max(1);
    let whole = |(at, share): (usize, u128)| u64::try_from(share + extra(at)).unwrap_or(u64::MAX);
    shares.into_iter().enumerate().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims(list: &[(u32, u64)]) -> Vec<Claim> {
        let claim = |(weight, most_bps): &(u32, u64)| Claim {
            weight: *weight,
            most_bps: *most_bps,
        };
        list.iter().map(claim).collect()
    }

    #[test]
    fn equal_ones_share_equally_and_heavier_ones_get_more() {
        assert_eq!(
            divide(90, &claims(&[(1, 900), (1, 900), (1, 900)])),
            [30, 30, 30]
        );
        assert_eq!(divide(90, &claims(&[(2, 900), (1, 900)])), [60, 30]);
    }

    #[test]
    fn what_one_cannot_use_goes_to_the_others() {
        assert_eq!(divide(100, &claims(&[(1, 10), (1, 900)])), [10, 90]);
        // And what nobody needs is there for whoever wants more.
        assert_eq!(divide(100, &claims(&[(1, 10), (1, 30)])), [40, 60]);
    }

    #[test]
    fn nobody_has_nothing_to_divide() {
        assert_eq!(divide(100, &[]), [0; 0]);
    }

    proptest! {
        #[test]
        fn shares_never_exceed_the_capacity(
            capacity in any::<u64>(),
            list in proptest::collection::vec((1..100_u32, any::<u64>()), 0..50),
        ) {
            let shares = divide(capacity, &claims(&list));
            let sum: u128 = shares.iter().map(|share| u128::from(*share)).sum();
            prop_assert!(sum <= u128::from(capacity));
        }
    }
}
