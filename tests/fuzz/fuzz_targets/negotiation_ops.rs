//! Any wishes against any limits, with the messages changed on the way: see `core/tests/hostile`.

#![no_main]

#[path = "../../../core/tests/hostile/choices.rs"]
mod choices;
#[path = "../../../core/tests/hostile/negotiation_ops.rs"]
mod negotiation_ops;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    negotiation_ops::run(bytes);
});
