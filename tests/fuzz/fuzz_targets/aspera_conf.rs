//! Any bytes as an `aspera.conf`. See `fasp_host::fuzzing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fasp_host::fuzzing::aspera_conf(bytes));
