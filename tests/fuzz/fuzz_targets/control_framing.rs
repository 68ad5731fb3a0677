//! Any byte stream on the control channel, in pieces of any size: framing and messages never panic, and
//! what decodes is encoded to the bytes it came from or fewer.

#![no_main]

use fasp_core::control::framing::{Deframer, HEADER_LEN};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, mut stream)) = bytes.split_first() else {
        return;
    };
    let piece = usize::from(piece) + 1;
    let mut deframer = Box::new(Deframer::<8_192>::new());
    while !stream.is_empty() {
        let taken = deframer.push(&stream[..piece.min(stream.len())]);
        stream = &stream[taken..];
        let mut messages = 0;
        loop {
            match deframer.next_message() {
                Ok(Some(message)) => {
                    messages += 1;
                    let length = message.body.len();
                    if let Ok(Some(typed)) = message.decode() {
                        let mut out = vec![0; HEADER_LEN + length];
                        let encoded = typed.encode(&mut out).expect("no longer than it came");
                        assert!(encoded <= HEADER_LEN + length);
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if taken == 0 && messages == 0 {
            panic!("the deframer takes nothing and gives nothing");
        }
    }
    let _ = deframer.finish();
});
