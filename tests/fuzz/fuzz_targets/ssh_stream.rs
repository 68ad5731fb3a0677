//! Any bytes as what an SSH server writes before the keys are set. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::ssh_stream(bytes));
