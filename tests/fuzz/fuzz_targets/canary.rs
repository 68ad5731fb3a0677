//! Must crash within seconds: proof that a fuzz run here finds what there is to find.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [b'O', b'F', version, ..] = bytes
        && *version > 0x80
    {
        panic!("the canary sings, as it should");
    }
});
