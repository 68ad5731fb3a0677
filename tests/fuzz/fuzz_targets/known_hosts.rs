//! Any bytes as a `known_hosts` file. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::known_hosts(bytes));
