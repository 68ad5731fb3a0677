//! Peers that hold the session's keys and break every rule, from random bytes.

#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "a test harness may panic; it is shared with the fuzz targets"
)]

mod choices;
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
}

#[test]
fn runs_of_zeros_that_add_up_to_more_than_any_number_are_only_counted() {
    receiver_ops::repeat_a_run_of_zeros(300);
}
