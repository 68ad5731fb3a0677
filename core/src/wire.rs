//! Datagrams and frames, to and from bytes: what both machines say to each other over UDP.
//!
//! Pure translation between byte slices and plain values: no keys, no state of a session, no
//! allocation. A value that decodes is well formed, which does not make it true: packet numbers,
//! offsets and counts are still a peer's claim. Every decoder takes any bytes without a panic.
//!
//! A datagram is a [`Header`], a body and a tag of [`TAG_BYTES`]; the body is opened by the
//! cipher in between and then given to [`Datagram::decode`].
//!
//! Source: PROTOCOL.md chapter 3.

mod cursor;
mod data_block;
mod error;
mod frame;
mod frame_writer;
mod header;
mod loss_map;
mod report;
#[cfg(test)]
mod tests;

pub use cursor::{Reader, Writer};
pub use data_block::{DATA_PREFIX_BYTES, DataBlock, MAX_OBJECT_BYTES, Payload, ZERO_RUN_BYTES};
pub use error::{FillError, Full, WireError};
pub use frame::{
    CHUNK_OVERHEAD, CLOSE_OVERHEAD, DECIDE_OVERHEAD, Frame, Frames, MAX_CLOSE_TEXT_BYTES,
    MAX_FRAMES, MAX_STREAM_BYTES, META_OVERHEAD, PATH_BYTES, PING_BYTES, PONG_BYTES, SACK_BYTES,
    SENDER_STATE_BYTES, SendPhase, TRAIN_BYTES, TRAIN_RESULT_BYTES, WHOLE_OVERHEAD,
};
pub use frame_writer::FrameWriter;
pub use header::{HEADER_BYTES, Header, PacketKind, TAG_BYTES};
pub use loss_map::{
    BLOCK_NUMBERS, Fate, LossMap, LossMapEncoder, MAX_BLOCK_BYTES, MAX_DESCRIBED, Run, Runs,
};
pub use report::{LOSS_MAP_FIXED_BYTES, REPORT_FIXED_BYTES, REPORT_OVERHEAD, Report, ReportFields};

/// What a body holds, as the kind in the header says.
#[derive(Clone, Debug)]
pub enum Datagram<'a> {
    /// A piece of one file.
    Data(DataBlock<'a>),
    /// A list of frames, decoded one by one as it is walked.
    Frames(Frames<'a>),
}

impl<'a> Datagram<'a> {
    /// Reads `body`: the opened bytes between header and tag.
    ///
    /// # Errors
    ///
    /// [`WireError`] if a DATA body breaks a rule. Frames report their errors while they are
    /// walked, so that the frames before a broken one still count.
    #[inline]
    pub fn decode(kind: PacketKind, body: &'a [u8]) -> Result<Self, WireError> {
        match kind {
            PacketKind::Data => DataBlock::decode(body).map(Self::Data),
            PacketKind::Frames => Ok(Self::Frames(Frames::new(body))),
        }
    }
}
