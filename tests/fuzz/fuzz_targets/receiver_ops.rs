//! Lists of operations of a hostile peer against a receiver: see `core/tests/hostile`.

#![no_main]

#[path = "../../../core/tests/hostile/choices.rs"]
mod choices;
#[path = "../../../core/tests/hostile/receiver_ops.rs"]
mod receiver_ops;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| receiver_ops::run(bytes));
