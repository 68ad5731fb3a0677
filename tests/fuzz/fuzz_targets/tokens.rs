//! Any bytes as a token and as the signed fields of one. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::token(bytes));
