//! Lists of operations of a hostile peer against a sender: see `core/tests/hostile`.

#![no_main]

#[path = "../../../core/tests/hostile/choices.rs"]
mod choices;
#[path = "../../../core/tests/hostile/sender_ops.rs"]
mod sender_ops;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sender_ops::run(bytes));
