//! Fills a FRAMES body, frame by frame.
//!
//! Each push writes a whole frame or nothing. The `_with` forms lend the frame's place in the
//! datagram to a function, so that file bytes go from disk to datagram in one copy.
//!
//! Source: PROTOCOL.md §3.3.

use super::cursor::Writer;
use super::data_block::{DataBlock, Payload, ZERO_RUN_BYTES};
use super::error::{FillError, Full};
use super::frame::{Frame, MAX_CLOSE_TEXT_BYTES, MAX_FRAMES, MAX_STREAM_BYTES, id};
use super::loss_map::LossMapEncoder;
use super::report::{self, ReportFields};
use crate::units::ObjectId;

const MAX_U24: u32 = 0x00FF_FFFF;

/// Writes frames into the body of one datagram.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    out: Writer<'a>,
    frames: usize,
    padded: bool,
}

impl<'a> FrameWriter<'a> {
    /// Starts an empty body in `body`: the datagram's buffer without header and tag.
    #[must_use]
    pub const fn new(body: &'a mut [u8]) -> Self {
        Self {
            out: Writer::new(body),
            frames: 0,
            padded: false,
        }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.position()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that still fit; 0 once no frame may follow, be it the 65th or behind padding.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        if self.is_closed() {
            0
        } else {
            self.out.remaining()
        }
    }

    const fn is_closed(&self) -> bool {
        self.padded || self.frames >= MAX_FRAMES
    }

    /// Writes `frame`.
    ///
    /// # Errors
    ///
    /// [`Full`] if it does not fit or no frame may follow; nothing is written then.
    ///
    /// # Panics
    ///
    /// If an object id is 0, or an offset does not fit its field: META and DECIDE have 48 bits,
    /// CHUNK has 56.
    pub fn push(&mut self, frame: &Frame<'_>) -> Result<(), Full> {
        self.frame(|out| put(out, frame))
    }

    /// Writes a CHUNK of `len` bytes that `fill` supplies.
    ///
    /// # Errors
    ///
    /// [`FillError`]; nothing is written then.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn push_chunk_with<E>(
        &mut self,
        object: ObjectId,
        offset: u64,
        fin: bool,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), FillError<E>> {
        self.frame(|out| {
            out.u8(id::CHUNK)?;
            out.bytes(&DataBlock::encode_prefix(object, offset, fin, false))?;
            out.length(len)?;
            fill(out.reserve(len)?).map_err(FillError::Fill)
        })
    }

    /// Writes a WHOLE whose record of `record_len` and data of `data_len` bytes `fill` supplies.
    ///
    /// # Errors
    ///
    /// [`FillError`]; nothing is written then.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn push_whole_with<E>(
        &mut self,
        object: ObjectId,
        record_len: usize,
        data_len: usize,
        fill: impl FnOnce(&mut [u8], &mut [u8]) -> Result<(), E>,
    ) -> Result<(), FillError<E>> {
        self.frame(|out| {
            put_whole_head(out, object, record_len, data_len)?;
            let both = out.reserve(record_len.saturating_add(data_len))?;
            let (record, data) = both.split_at_mut_checked(record_len).ok_or(Full)?;
            fill(record, data).map_err(FillError::Fill)
        })
    }

    /// Writes a META of `len` bytes that `fill` supplies.
    ///
    /// # Errors
    ///
    /// [`FillError`]; nothing is written then.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn push_meta_with<E>(
        &mut self,
        offset: u64,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), FillError<E>> {
        self.frame(|out| {
            put_stream_head(out, id::META, offset, len)?;
            fill(out.reserve(len)?).map_err(FillError::Fill)
        })
    }

    /// Writes a DECIDE of `len` bytes that `fill` supplies.
    ///
    /// # Errors
    ///
    /// [`FillError`]; nothing is written then.
    ///
    /// # Panics
    ///
    /// As [`push`](Self::push).
    pub fn push_decide_with<E>(
        &mut self,
        offset: u64,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), FillError<E>> {
        self.frame(|out| {
            put_stream_head(out, id::DECIDE, offset, len)?;
            fill(out.reserve(len)?).map_err(FillError::Fill)
        })
    }

    /// Writes a REPORT with the loss map that `fill` describes from the packet number `base` on,
    /// and returns how many numbers it describes.
    ///
    /// The body stays within `body_limit` bytes: the largest report datagram without header and
    /// tag. `fill` should go on until the encoder is full. Where there is no room for any block,
    /// or none was pushed, the report has no loss map and 0 is returned.
    ///
    /// # Errors
    ///
    /// [`Full`] if not even the report without a loss map fits; nothing is written then.
    pub fn push_report_with(
        &mut self,
        fields: &ReportFields,
        base: u32,
        body_limit: usize,
        fill: impl FnOnce(&mut LossMapEncoder<'_>),
    ) -> Result<u32, Full> {
        let room = body_limit.saturating_sub(self.len()).min(self.remaining());
        let mut described = 0;
        self.frame(|out| {
            described = report::put_with_loss_map(out, fields, base, room, fill)?;
            Ok::<(), Full>(())
        })?;
        Ok(described)
    }

    /// Fills the body with zero bytes up to `len` bytes; no frame may follow. Does nothing if
    /// the body is that long already.
    ///
    /// # Errors
    ///
    /// [`Full`] if the buffer is shorter than `len`; nothing is written then.
    pub fn pad_to(&mut self, len: usize) -> Result<(), Full> {
        let missing = len.saturating_sub(self.len());
        if missing > 0 {
            self.out.reserve(missing)?.fill(0);
            self.padded = true;
        }
        Ok(())
    }

    /// Lets `write` write one frame behind the others, and counts it if that succeeds.
    fn frame<E: From<Full>>(
        &mut self,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_closed() {
            return Err(E::from(Full));
        }
        let mut frame = Writer::new(self.out.unused());
        write(&mut frame)?;
        let len = frame.position();
        self.out.reserve(len)?;
        self.frames += 1;
        Ok(())
    }
}

fn put(out: &mut Writer<'_>, frame: &Frame<'_>) -> Result<(), Full> {
    match *frame {
        Frame::Ping { id } => {
            out.u8(id::PING)?;
            out.u32(id)
        }
        Frame::Pong { id, held_us } => {
            out.u8(id::PONG)?;
            out.u32(id)?;
            out.u32(held_us)
        }
        Frame::PathChallenge(bits) => put_path(out, id::PATH_CHALLENGE, bits),
        Frame::PathResponse(bits) => put_path(out, id::PATH_RESPONSE, bits),
        Frame::Train {
            train,
            index,
            count,
        } => out.bytes(&[id::TRAIN, train, index, count, 0]),
        Frame::TrainResult {
            train,
            received,
            instants,
            first_arrival,
            last_arrival,
            bytes,
        } => {
            out.bytes(&[id::TRAIN_RESULT, train, received, instants, 0])?;
            out.u32(first_arrival)?;
            out.u32(last_arrival)?;
            out.u32(bytes)
        }
        Frame::Report(ref report) => report.put(out),
        Frame::Sack { largest, earlier } => {
            out.u8(id::SACK)?;
            out.u32(largest)?;
            out.u64(earlier)
        }
        Frame::SenderState {
            floor,
            next,
            phase,
            queued_kib,
            round_trip_us,
        } => {
            out.u8(id::SENDER_STATE)?;
            out.u32(floor)?;
            out.u32(next)?;
            out.u8(phase as u8)?;
            out.u24(queued_kib.min(MAX_U24))?;
            out.u32(round_trip_us)
        }
        Frame::Meta { offset, bytes } => put_stream(out, id::META, offset, bytes),
        Frame::Decide { offset, bytes } => put_stream(out, id::DECIDE, offset, bytes),
        Frame::Chunk(ref block) => put_chunk(out, block),
        Frame::Whole {
            object,
            record,
            data,
        } => put_whole(out, object, record, data),
        Frame::Close { code, text } => put_closing(out, id::CLOSE, code, text),
        Frame::CloseAck { code, text } => put_closing(out, id::CLOSE_ACK, code, text),
    }
}

fn put_path(out: &mut Writer<'_>, id: u8, bits: u64) -> Result<(), Full> {
    out.u8(id)?;
    out.u64(bits)
}

fn put_stream_head(out: &mut Writer<'_>, id: u8, offset: u64, len: usize) -> Result<(), Full> {
    assert!(
        offset.saturating_add(len as u64) <= MAX_STREAM_BYTES,
        "a stream ends before 2^48"
    );
    out.u8(id)?;
    out.u48(offset)?;
    out.length(len)
}

fn put_stream(out: &mut Writer<'_>, id: u8, offset: u64, bytes: &[u8]) -> Result<(), Full> {
    put_stream_head(out, id, offset, bytes.len())?;
    out.bytes(bytes)
}

fn put_chunk(out: &mut Writer<'_>, block: &DataBlock<'_>) -> Result<(), Full> {
    out.u8(id::CHUNK)?;
    out.bytes(&block.prefix())?;
    match block.payload {
        Payload::Bytes(bytes) => {
            out.length(bytes.len())?;
            out.bytes(bytes)
        }
        Payload::Zeros(count) => {
            out.length(ZERO_RUN_BYTES)?;
            out.u64(count)
        }
    }
}

fn put_whole_head(
    out: &mut Writer<'_>,
    object: ObjectId,
    record_len: usize,
    data_len: usize,
) -> Result<(), Full> {
    assert!(object.0 != 0, "object ids count from 1");
    out.u8(id::WHOLE)?;
    out.u32(object.0)?;
    out.length(record_len)?;
    out.length(data_len)
}

fn put_whole(
    out: &mut Writer<'_>,
    object: ObjectId,
    record: &[u8],
    data: &[u8],
) -> Result<(), Full> {
    put_whole_head(out, object, record.len(), data.len())?;
    out.bytes(record)?;
    out.bytes(data)
}

fn put_closing(out: &mut Writer<'_>, id: u8, code: u16, text: &str) -> Result<(), Full> {
    let cut = text.floor_char_boundary(MAX_CLOSE_TEXT_BYTES);
    let text = text.get(..cut).unwrap_or_default();
    out.u8(id)?;
    out.u16(code)?;
    out.u8(u8::try_from(text.len()).map_err(|_| Full)?)?;
    out.bytes(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{CHUNK_OVERHEAD, Frames, META_OVERHEAD, PING_BYTES, WHOLE_OVERHEAD};

    const PING: Frame<'static> = Frame::Ping { id: 7 };

    #[test]
    fn a_fill_that_fails_leaves_the_datagram_as_it_was() {
        let mut body = [0xEE; 100];
        let mut writer = FrameWriter::new(&mut body);
        writer.push(&PING).unwrap();
        let failed = writer.push_chunk_with(ObjectId(1), 0, true, 10, |bytes| {
            bytes.fill(1);
            Err("the disk is gone")
        });
        assert_eq!(failed, Err(FillError::Fill("the disk is gone")));
        let failed = writer.push_whole_with(ObjectId(1), 3, 4, |_, _| Err(()));
        assert_eq!(failed, Err(FillError::Fill(())));
        let failed = writer.push_meta_with(0, 3, |_| Err(()));
        assert_eq!(failed, Err(FillError::Fill(())));
        assert_eq!(writer.len(), PING_BYTES);
        writer.pad_to(100).unwrap();
        let mut frames = Frames::new(&body);
        assert_eq!(frames.next(), Some(Ok(PING)));
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn what_does_not_fit_is_not_asked_for() {
        let mut body = [0; CHUNK_OVERHEAD + 9];
        let mut writer = FrameWriter::new(&mut body);
        let unasked = |_: &mut [u8]| -> Result<(), ()> { panic!("asked for bytes") };
        let too_long = writer.push_chunk_with(ObjectId(1), 0, false, 10, unasked);
        assert_eq!(too_long, Err(FillError::Full));
        let too_long = writer.push_meta_with(0, 65_536, unasked);
        assert_eq!(too_long, Err(FillError::Full));
        let too_long = writer.push_whole_with(ObjectId(1), 8, 8, |_, _| -> Result<(), ()> {
            panic!("asked for bytes")
        });
        assert_eq!(too_long, Err(FillError::Full));
        assert!(writer.is_empty());
    }

    #[test]
    fn filled_in_place_and_copied_in_are_the_same_bytes() {
        let (mut filled, mut copied) = ([0xEE; 100], [0; 100]);
        let mut writer = FrameWriter::new(&mut filled);
        let copy_to = |bytes: &mut [u8]| -> Result<(), ()> {
            bytes.copy_from_slice(b"data");
            Ok(())
        };
        writer
            .push_chunk_with(ObjectId(5), 6, true, 4, copy_to)
            .unwrap();
        writer.push_meta_with(7, 4, copy_to).unwrap();
        writer.push_decide_with(8, 4, copy_to).unwrap();
        writer
            .push_whole_with(ObjectId(9), 3, 4, |record, data| {
                record.copy_from_slice(b"rec");
                copy_to(data)
            })
            .unwrap();
        let filled_len = writer.len();

        let mut writer = FrameWriter::new(&mut copied);
        let bytes: &[u8] = b"data";
        for frame in [
            Frame::Chunk(DataBlock {
                object: ObjectId(5),
                offset: 6,
                fin: true,
                payload: Payload::Bytes(bytes),
            }),
            Frame::Meta { offset: 7, bytes },
            Frame::Decide { offset: 8, bytes },
            Frame::Whole {
                object: ObjectId(9),
                record: b"rec",
                data: bytes,
            },
        ] {
            writer.push(&frame).unwrap();
        }
        let copied_len = writer.len();
        assert_eq!(
            copied_len,
            CHUNK_OVERHEAD + 2 * META_OVERHEAD + WHOLE_OVERHEAD + 19
        );
        assert_eq!(filled[..filled_len], copied[..copied_len]);
    }

    #[test]
    fn the_65th_frame_is_refused_and_the_64th_is_not() {
        let mut body = [0; 65 * PING_BYTES];
        let mut writer = FrameWriter::new(&mut body);
        for _ in 0..MAX_FRAMES {
            writer.push(&PING).unwrap();
        }
        assert_eq!(writer.push(&PING), Err(Full));
        assert_eq!(writer.remaining(), 0);
        assert_eq!(Frames::new(&body[..64 * PING_BYTES]).count(), 64);
    }

    #[test]
    fn nothing_follows_padding_and_padding_overwrites_what_was_there() {
        let mut body = [0xEE; 40];
        let mut writer = FrameWriter::new(&mut body);
        assert_eq!(writer.pad_to(41), Err(Full));
        writer.push(&PING).unwrap();
        writer.pad_to(PING_BYTES).unwrap();
        writer.push(&PING).unwrap();
        writer.pad_to(30).unwrap();
        assert_eq!((writer.len(), writer.remaining()), (30, 0));
        assert_eq!(writer.push(&PING), Err(Full));
        assert!(body[10..30].iter().all(|&byte| byte == 0));
        assert_eq!(body[30], 0xEE);
    }

    #[test]
    fn a_long_closing_text_is_cut_between_characters() {
        let mut long = std::string::String::from("x");
        long.extend(core::iter::repeat_n('ö', 200));
        let mut body = [0; 300];
        let mut writer = FrameWriter::new(&mut body);
        writer
            .push(&Frame::Close {
                code: 10,
                text: &long,
            })
            .unwrap();
        let len = writer.len();
        let text = match Frames::new(&body[..len]).next() {
            Some(Ok(Frame::Close { code: 10, text })) => text,
            other => panic!("not a CLOSE: {other:?}"),
        };
        assert_eq!(text.len(), 255);
        assert!(long.starts_with(text));
    }
}
