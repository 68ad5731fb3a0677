//! Any body of a datagram: decoding never panics, and frames that decode are written back as they were.

#![no_main]

use fasp_core::wire::{Datagram, Frame, FrameWriter, Frames, Header, PacketKind};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Header::decode(bytes);
    let _ = Datagram::decode(PacketKind::Data, bytes);
    for frame in Frames::new(bytes) {
        let Ok(frame) = frame else { break };
        if let Frame::Report(report) = &frame
            && let Some(map) = &report.loss_map
        {
            let described: u32 = map.runs().map(|run| run.len).sum();
            assert_eq!(described, map.described());
        }
        let mut body = vec![0; 70_000];
        let mut writer = FrameWriter::new(&mut body);
        writer.push(&frame).expect("what was read can be written");
        let length = writer.len();
        assert_eq!(Frames::new(&body[..length]).next(), Some(Ok(frame)));
    }
});
