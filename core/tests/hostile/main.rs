//! Peers that hold the session's keys and break every rule, from random bytes.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "a test harness may panic; it is shared with the fuzz targets"
)]

mod choices;
mod negotiation_ops;
mod receiver_ops;
mod sender_ops;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_receiver_survives_any_sender(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        receiver_ops::run(&bytes);
    }

    #[test]
    fn a_sender_survives_any_receiver(bytes in prop::collection::vec(any::<u8>(), 0..1_500)) {
        sender_ops::run(&bytes);
    }

    #[test]
    fn an_opening_agrees_within_both_sides_limits_or_is_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        negotiation_ops::run(&bytes);
    }
}

#[test]
fn random_openings_end_in_every_way_there_is() {
    use negotiation_ops::Ending;
    let mut random = proptest::test_runner::TestRng::deterministic_rng(
        proptest::test_runner::RngAlgorithm::ChaCha,
    );
    let endings: std::collections::BTreeSet<Ending> = (0..5_000)
        .map(|_| {
            let mut bytes = [0; 300];
            random.fill_bytes(&mut bytes);
            negotiation_ops::run(&bytes)
        })
        .collect();
    assert_eq!(endings.len(), 5, "{endings:?}");
}

#[test]
fn runs_of_zeros_that_add_up_to_more_than_any_number_are_only_counted() {
    receiver_ops::repeat_a_run_of_zeros(300);
}
