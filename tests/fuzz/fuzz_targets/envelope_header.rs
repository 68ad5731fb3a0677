//! Any bytes as the header of an envelope (`--file-crypt`). See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::envelope_header(bytes));
