//! The blocks of one datagram, lent to the host.

use crate::metadata::{OpenRecord, record};
use crate::units::ObjectId;
use crate::wire::{DataBlock, Frame, Frames, Payload};

/// File bytes to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Block<'b> {
    /// Bytes at an offset.
    Bytes {
        /// Which object.
        object: ObjectId,
        /// Where.
        offset: u64,
        /// What.
        bytes: &'b [u8],
    },
    /// A run of zero bytes.
    Zeros {
        /// Which object.
        object: ObjectId,
        /// Where.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// A file with its record, to be created, written and put under its name at once.
    Whole {
        /// Its record.
        record: OpenRecord<'b>,
        /// All its bytes.
        bytes: &'b [u8],
    },
}

/// What a datagram that was taken holds for the host.
#[derive(Clone, Debug)]
pub struct Arrival<'b> {
    content: Content<'b>,
}

#[derive(Clone, Debug)]
enum Content<'b> {
    Nothing,
    Data(DataBlock<'b>),
    /// Bit `i` of the mask: the block of frame `i` is wanted.
    Frames(&'b [u8], u64),
}

impl<'b> Arrival<'b> {
    pub(super) const fn nothing() -> Self {
        Self {
            content: Content::Nothing,
        }
    }

    pub(super) const fn data(block: DataBlock<'b>) -> Self {
        Self {
            content: Content::Data(block),
        }
    }

    pub(super) const fn frames(body: &'b [u8], wanted: u64) -> Self {
        Self {
            content: Content::Frames(body, wanted),
        }
    }

    /// The blocks to write, in the order in which they stand in the datagram.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'b>> + 'b {
        let (data, body, wanted) = match self.content {
            Content::Nothing => (None, &[][..], 0),
            Content::Data(block) => (Some(block), &[][..], 0),
            Content::Frames(body, wanted) => (None, body, wanted),
        };
        let frames = (wanted != 0)
            .then(|| Frames::new(body))
            .into_iter()
            .flatten();
        let framed = frames
            .enumerate()
            .filter(move |(index, _)| wanted >> index & 1 == 1)
            .filter_map(|(_, frame)| block_of(&frame.ok()?));
        data.map(|block| plain(&block)).into_iter().chain(framed)
    }
}

const fn plain<'b>(block: &DataBlock<'b>) -> Block<'b> {
    let (object, offset) = (block.object, block.offset);
    match block.payload {
        Payload::Bytes(bytes) => Block::Bytes {
            object,
            offset,
            bytes,
        },
        Payload::Zeros(length) => Block::Zeros {
            object,
            offset,
            length,
        },
    }
}

fn block_of<'b>(frame: &Frame<'b>) -> Option<Block<'b>> {
    match *frame {
        Frame::Chunk(ref block) => Some(plain(block)),
        Frame::Whole { record, data, .. } => Some(Block::Whole {
            record: record::decode_open(record).ok()?,
            bytes: data,
        }),
        _ => None,
    }
}
