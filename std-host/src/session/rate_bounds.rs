//! How far a running session follows its peer's wish for other rates (RATE).

use fasp_core::control::Rate;
use fasp_core::control::choices::RatePolicy;
use fasp_core::negotiation::bounds::{OutOfRange, rate_within};
use fasp_core::negotiation::responder::RateRules;
use fasp_core::units::BitRate;

/// The bounds of one session.
#[derive(Clone, Debug)]
pub(crate) struct RateBounds {
    /// No higher target rate.
    pub(crate) cap: BitRate,
    /// What else the server says.
    pub(crate) rules: RateRules,
    /// Policies that may be asked for; with another one the session keeps its own.
    pub(crate) policies: Vec<RatePolicy>,
    /// The policy of the agreement.
    pub(crate) policy: RatePolicy,
}

impl RateBounds {
    /// For a client: at most what was agreed, so that a server cannot make it faster than its user wanted.
    pub(crate) fn up_to(agreed: BitRate, policy: RatePolicy) -> Self {
        Self {
            cap: agreed,
            rules: RateRules::FREE,
            policies: RatePolicy::ALL.to_vec(),
            policy,
        }
    }

    /// What is done when the peer asks for `wish`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] for numbers that make no sense.
    pub(crate) fn hold(&self, wish: &Rate) -> Result<Rate, OutOfRange> {
        let mut rate = rate_within(wish, self.cap)?;
        rate.minimum = rate.minimum.min(self.rules.minimum_cap);
        if !self.policies.contains(&rate.policy) {
            rate.policy = self.policy;
        }
        Ok(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(target: u64, minimum: u64, policy: RatePolicy) -> Rate {
        Rate {
            target: BitRate(target),
            minimum: BitRate(minimum),
            policy,
        }
    }

    fn bounds() -> RateBounds {
        RateBounds {
            cap: BitRate(100),
            rules: RateRules::FREE,
            policies: vec![RatePolicy::Fair, RatePolicy::Low],
            policy: RatePolicy::Fair,
        }
    }

    #[test]
    fn rates_are_held_at_the_cap_and_policies_to_those_allowed() {
        let held = bounds().hold(&wish(500, 300, RatePolicy::Fixed)).unwrap();
        assert_eq!(held, wish(100, 100, RatePolicy::Fair));
        let held = bounds().hold(&wish(20, 10, RatePolicy::Low)).unwrap();
        assert_eq!(held, wish(20, 10, RatePolicy::Low));
        assert!(bounds().hold(&wish(0, 0, RatePolicy::Fair)).is_err());
    }

    #[test]
    fn the_minimum_rate_has_a_cap_of_its_own() {
        let mut bounds = bounds();
        bounds.rules.minimum_cap = BitRate(7);
        let held = bounds.hold(&wish(20, 10, RatePolicy::Low)).unwrap();
        assert_eq!(held, wish(20, 7, RatePolicy::Low));
    }

    #[test]
    fn a_client_is_never_made_faster_than_agreed() {
        let bounds = RateBounds::up_to(BitRate(50), RatePolicy::Low);
        let held = bounds.hold(&wish(500, 0, RatePolicy::Fixed)).unwrap();
        assert_eq!(held.target, BitRate(50));
    }
}
