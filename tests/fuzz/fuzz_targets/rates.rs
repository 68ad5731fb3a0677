//! Any text as a rate, a size, a port of the command line. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::rates(bytes));
