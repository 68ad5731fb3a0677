//! Any bytes as a slot of an `.aspx` file, its checksum made right. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::control_file(bytes));
