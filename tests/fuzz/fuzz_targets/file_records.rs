//! Any bytes as the META and DECIDE streams: reading never panics, and what is read is written back as it was.

#![no_main]

use fasp_core::metadata::record::{
    decode_decide, decode_meta, decode_open, encode_decide, encode_meta, encode_open, next_record,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut stream = bytes;
    while let Ok(Some((record, taken))) = next_record(stream) {
        let mut out = [0; 8_192];
        if let Ok(meta) = decode_meta(record) {
            let length = encode_meta(&meta, &mut out).expect("what was read can be written");
            assert_eq!(next_record(&out[..length]), Ok(Some((record, length))));
        }
        if let Ok(decide) = decode_decide(record) {
            let length = encode_decide(&decide, &mut out).expect("what was read can be written");
            assert_eq!(next_record(&out[..length]), Ok(Some((record, length))));
        }
        if let Ok(open) = decode_open(record) {
            let length = encode_open(&open, &mut out).expect("what was read can be written");
            assert_eq!(&out[..length], record);
        }
        stream = &stream[taken..];
    }
});
