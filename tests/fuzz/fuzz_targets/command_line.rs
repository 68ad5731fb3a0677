//! Any words as a command line of `ascp`: options, rates, operands. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::command_line(bytes));
