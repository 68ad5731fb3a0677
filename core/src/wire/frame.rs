//! Frames: the small messages that share a datagram, and the walk over them.
//!
//! Only their form: what a frame means to a session is the business of the machines. Written by
//! [`FrameWriter`](super::FrameWriter).
//!
//! Source: PROTOCOL.md §3.3.

use core::iter::FusedIterator;

use super::cursor::Reader;
use super::data_block::{DATA_PREFIX_BYTES, DataBlock};
use super::error::WireError;
use super::report::Report;
use crate::units::ObjectId;

/// Frames that one datagram may hold; padding is not counted.
pub const MAX_FRAMES: usize = 64;
/// The largest length of the META or DECIDE stream.
pub const MAX_STREAM_BYTES: u64 = (1 << 48) - 1;
/// Bytes of text that CLOSE and CLOSE_ACK carry.
pub const MAX_CLOSE_TEXT_BYTES: usize = 255;

/// Bytes of a PING.
pub const PING_BYTES: usize = 5;
/// Bytes of a PONG.
pub const PONG_BYTES: usize = 9;
/// Bytes of a PATH_CHALLENGE or PATH_RESPONSE.
pub const PATH_BYTES: usize = 9;
/// Bytes of a TRAIN.
pub const TRAIN_BYTES: usize = 5;
/// Bytes of a TRAIN_RESULT.
pub const TRAIN_RESULT_BYTES: usize = 17;
/// Bytes of a SACK.
pub const SACK_BYTES: usize = 13;
/// Bytes of a SENDER_STATE.
pub const SENDER_STATE_BYTES: usize = 17;
/// Bytes of a META beside the stream's bytes.
pub const META_OVERHEAD: usize = 9;
/// Bytes of a DECIDE beside the stream's bytes.
pub const DECIDE_OVERHEAD: usize = 9;
/// Bytes of a CHUNK beside the file bytes.
pub const CHUNK_OVERHEAD: usize = 1 + DATA_PREFIX_BYTES + 2;
/// Bytes of a WHOLE beside record and data.
pub const WHOLE_OVERHEAD: usize = 9;
/// Bytes of a CLOSE or CLOSE_ACK beside the text.
pub const CLOSE_OVERHEAD: usize = 4;

/// The first byte of each frame.
pub(super) mod id {
    pub(in crate::wire) const PAD: u8 = 0x00;
    pub(in crate::wire) const PING: u8 = 0x01;
    pub(in crate::wire) const PONG: u8 = 0x02;
    pub(in crate::wire) const PATH_CHALLENGE: u8 = 0x03;
    pub(in crate::wire) const PATH_RESPONSE: u8 = 0x04;
    pub(in crate::wire) const TRAIN: u8 = 0x05;
    pub(in crate::wire) const TRAIN_RESULT: u8 = 0x06;
    pub(in crate::wire) const REPORT: u8 = 0x10;
    pub(in crate::wire) const SACK: u8 = 0x11;
    pub(in crate::wire) const SENDER_STATE: u8 = 0x12;
    pub(in crate::wire) const META: u8 = 0x20;
    pub(in crate::wire) const DECIDE: u8 = 0x21;
    pub(in crate::wire) const CHUNK: u8 = 0x22;
    pub(in crate::wire) const WHOLE: u8 = 0x23;
    pub(in crate::wire) const CLOSE: u8 = 0x30;
    pub(in crate::wire) const CLOSE_ACK: u8 = 0x31;
}

/// How far a sender is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum SendPhase {
    /// There is new content to send.
    #[default]
    Running = 0,
    /// Everything was sent once; what is missing is repeated.
    Tail = 1,
    /// Everything sent has arrived.
    Done = 2,
}

/// One message inside a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Frame<'a> {
    /// Asks for a PONG.
    Ping {
        /// Returned by the PONG.
        id: u32,
    },
    /// Answers a PING.
    Pong {
        /// The id of the PING.
        id: u32,
        /// Time between the arrival of the PING and this answer, µs.
        held_us: u32,
    },
    /// Asks for the same bits back, from the same address.
    PathChallenge(u64),
    /// The bits of a PATH_CHALLENGE.
    PathResponse(u64),
    /// Marks one datagram of a measuring train.
    Train {
        /// Which train.
        train: u8,
        /// Place of this datagram in it, from 0.
        index: u8,
        /// Datagrams of the train.
        count: u8,
    },
    /// What arrived of a train.
    TrainResult {
        /// Which train.
        train: u8,
        /// Datagrams that arrived.
        received: u8,
        /// Different instants at which they did: few if the receiver's network card collects them.
        instants: u8,
        /// The receiver's clock at the first arrival, µs modulo 2^32.
        first_arrival: u32,
        /// The receiver's clock at the last arrival, µs modulo 2^32.
        last_arrival: u32,
        /// UDP payload bytes that arrived later than the first instant.
        bytes: u32,
    },
    /// What the receiver measured, received and misses.
    Report(Report<'a>),
    /// Which datagrams of the receiver arrived at the sender.
    Sack {
        /// Low 32 bits of the largest packet number that arrived.
        largest: u32,
        /// Bit `i` (1 << i): number `largest` − 1 − i arrived.
        earlier: u64,
    },
    /// Where the sender stands.
    SenderState {
        /// Low 32 bits of the packet number below which everything is settled.
        floor: u32,
        /// Low 32 bits of the packet number that comes next.
        next: u32,
        /// How far it is.
        phase: SendPhase,
        /// Content that waits to be sent, KiB; 24 bits, saturating.
        queued_kib: u32,
        /// Smoothed round trip, µs.
        round_trip_us: u32,
    },
    /// A piece of the stream of file records.
    Meta {
        /// Place in the stream.
        offset: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// A piece of the stream of decisions on files.
    Decide {
        /// Place in the stream.
        offset: u64,
        /// The piece.
        bytes: &'a [u8],
    },
    /// A piece of a file that shares its datagram with other frames.
    Chunk(DataBlock<'a>),
    /// A whole file with its record.
    Whole {
        /// The file; never 0.
        object: ObjectId,
        /// Its OPEN record.
        record: &'a [u8],
        /// All of its bytes.
        data: &'a [u8],
    },
    /// The session ends.
    Close {
        /// Why, as a public error number.
        code: u16,
        /// Why, in words; cut to [`MAX_CLOSE_TEXT_BYTES`] when written.
        text: &'a str,
    },
    /// Answers a CLOSE.
    CloseAck {
        /// The outcome seen from this side.
        code: u16,
        /// The same in words; cut to [`MAX_CLOSE_TEXT_BYTES`] when written.
        text: &'a str,
    },
}

impl<'a> Frame<'a> {
    /// Reads the body of the frame `id`.
    fn decode(id: u8, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        match id {
            id::PING => Ok(Self::Ping { id: reader.u32()? }),
            id::PONG => Ok(Self::Pong {
                id: reader.u32()?,
                held_us: reader.u32()?,
            }),
            id::PATH_CHALLENGE => reader.u64().map(Self::PathChallenge),
            id::PATH_RESPONSE => reader.u64().map(Self::PathResponse),
            id::TRAIN => decode_train(reader),
            id::TRAIN_RESULT => decode_train_result(reader),
            id::REPORT => {
                let length = reader.u16()?;
                Report::decode(reader.bytes(usize::from(length))?).map(Self::Report)
            }
            id::SACK => Ok(Self::Sack {
                largest: reader.u32()?,
                earlier: reader.u64()?,
            }),
            id::SENDER_STATE => decode_sender_state(reader),
            id::META => decode_stream(reader).map(|(offset, bytes)| Self::Meta { offset, bytes }),
            id::DECIDE => {
                decode_stream(reader).map(|(offset, bytes)| Self::Decide { offset, bytes })
            }
            id::CHUNK => decode_chunk(reader).map(Self::Chunk),
            id::WHOLE => decode_whole(reader),
            id::CLOSE => decode_closing(reader).map(|(code, text)| Self::Close { code, text }),
            id::CLOSE_ACK => {
                decode_closing(reader).map(|(code, text)| Self::CloseAck { code, text })
            }
            unknown => Err(WireError::UnknownFrame(unknown)),
        }
    }
}

fn decode_train<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, WireError> {
    let frame = Frame::Train {
        train: reader.u8()?,
        index: reader.u8()?,
        count: reader.u8()?,
    };
    match reader.u8()? {
        0 => Ok(frame),
        _ => Err(WireError::ReservedNotZero),
    }
}

fn decode_train_result<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, WireError> {
    let train = reader.u8()?;
    let received = reader.u8()?;
    let instants = reader.u8()?;
    if reader.u8()? != 0 {
        return Err(WireError::ReservedNotZero);
    }
    Ok(Frame::TrainResult {
        train,
        received,
        instants,
        first_arrival: reader.u32()?,
        last_arrival: reader.u32()?,
        bytes: reader.u32()?,
    })
}

fn decode_sender_state<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, WireError> {
    Ok(Frame::SenderState {
        floor: reader.u32()?,
        next: reader.u32()?,
        phase: match reader.u8()? {
            0 => SendPhase::Running,
            1 => SendPhase::Tail,
            2 => SendPhase::Done,
            unknown => return Err(WireError::UnknownPhase(unknown)),
        },
        queued_kib: reader.u24()?,
        round_trip_us: reader.u32()?,
    })
}

fn decode_stream<'a>(reader: &mut Reader<'a>) -> Result<(u64, &'a [u8]), WireError> {
    let offset = reader.u48()?;
    let length = reader.u16()?;
    let bytes = reader.bytes(usize::from(length))?;
    if offset.saturating_add(u64::from(length)) > MAX_STREAM_BYTES {
        return Err(WireError::BeyondStream);
    }
    Ok((offset, bytes))
}

fn decode_chunk<'a>(reader: &mut Reader<'a>) -> Result<DataBlock<'a>, WireError> {
    let object = reader.u32()?;
    let flags = reader.u8()?;
    let offset = reader.u56()?;
    let length = reader.u16()?;
    let bytes = reader.bytes(usize::from(length))?;
    DataBlock::from_fields(object, flags, offset, bytes)
}

fn decode_whole<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, WireError> {
    let object = reader.u32()?;
    let record = reader.u16()?;
    let data = reader.u16()?;
    if object == 0 {
        return Err(WireError::ObjectZero);
    }
    Ok(Frame::Whole {
        object: ObjectId(object),
        record: reader.bytes(usize::from(record))?,
        data: reader.bytes(usize::from(data))?,
    })
}

fn decode_closing<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a str), WireError> {
    let code = reader.u16()?;
    let length = reader.u8()?;
    let bytes = reader.bytes(usize::from(length))?;
    let text = core::str::from_utf8(bytes).map_err(|_| WireError::TextNotUtf8)?;
    Ok((code, text))
}

/// Walks over the frames of a FRAMES body.
///
/// Ends at the end of the body, at padding, or after the first error: what follows a broken
/// frame cannot be found. The frames before it stand.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    reader: Reader<'a>,
    seen: usize,
    ended: bool,
}

impl<'a> Frames<'a> {
    /// Starts at the first frame of `body`.
    #[must_use]
    #[inline]
    pub const fn new(body: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(body),
            seen: 0,
            ended: false,
        }
    }

    fn advance(&mut self) -> Result<Option<Frame<'a>>, WireError> {
        if self.reader.is_empty() {
            return match self.seen {
                0 => Err(WireError::NoFrames),
                _ => Ok(None),
            };
        }
        let id = self.reader.u8()?;
        if id == id::PAD {
            return match self.reader.rest().iter().all(|&byte| byte == 0) {
                true => Ok(None),
                false => Err(WireError::PaddingNotZero),
            };
        }
        if self.seen == MAX_FRAMES {
            return Err(WireError::TooManyFrames);
        }
        self.seen += 1;
        Frame::decode(id, &mut self.reader).map(Some)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let outcome = self.advance().transpose();
        self.ended = !matches!(outcome, Some(Ok(_)));
        outcome
    }
}

impl FusedIterator for Frames<'_> {}
