//! Why bytes are no datagram, and why a datagram cannot take more.

/// Why received bytes were refused. Every one is something a peer can cause.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WireError {
    /// A field or length reaches beyond the last byte.
    #[error("The datagram ends in the middle of a field.")]
    Truncated,
    /// The first two bits are not `01`.
    #[error("The datagram is of wire version {0}; only version 1 is understood.")]
    Version(u8),
    /// The kind is neither DATA nor FRAMES.
    #[error("The datagram is of the unknown kind {0}.")]
    UnknownKind(u8),
    /// An object id of 0.
    #[error("The object id is 0, but object ids count from 1.")]
    ObjectZero,
    /// A flag that no rule describes.
    #[error("The flags {0:#04x} contain one that is not defined.")]
    UnknownFlags(u8),
    /// The ZERO flag with a payload that is not one u64.
    #[error("The length of a run of zero bytes is not given in exactly 8 bytes.")]
    ZeroRun,
    /// Offset and length of a block go past 2^56 − 1.
    #[error("The block reaches beyond the largest size of an object, 2^56 - 1 bytes.")]
    BeyondObject,
    /// Offset and length of a META or DECIDE go past 2^48 − 1.
    #[error("The bytes reach beyond the largest length of a stream, 2^48 - 1 bytes.")]
    BeyondStream,
    /// A FRAMES body of no byte.
    #[error("The datagram should hold frames and is empty.")]
    NoFrames,
    /// More than [`MAX_FRAMES`](super::MAX_FRAMES).
    #[error("The datagram holds more than 64 frames.")]
    TooManyFrames,
    /// An id that no rule describes; where the next frame starts is unknown.
    #[error("The frame id {0:#04x} is not defined.")]
    UnknownFrame(u8),
    /// Something hides in the padding.
    #[error("The padding of the datagram is not all zero.")]
    PaddingNotZero,
    /// A reserved field is in use.
    #[error("A reserved field is not zero.")]
    ReservedNotZero,
    /// A phase other than running, tail and done.
    #[error("The phase {0} of the sender is not defined.")]
    UnknownPhase(u8),
    /// The text of CLOSE or CLOSE_ACK.
    #[error("The closing text is not UTF-8.")]
    TextNotUtf8,
    /// The length of a REPORT does not fit its flags.
    #[error("The report has {0} bytes, which does not fit its flags.")]
    ReportLength(u16),
    /// A loss map of nothing, or of more than
    /// [`MAX_DESCRIBED`](super::MAX_DESCRIBED) numbers.
    #[error("The loss map describes {0} packet numbers; allowed are 1 to 2^20.")]
    LossMapSize(u32),
    /// A block head with a count that its kind excludes.
    #[error("The loss map has the invalid block head {0:#04x}.")]
    LossMapHead(u8),
    /// A loss entry out of order, overlapping, or outside what its block describes.
    #[error("A loss map block names numbers out of order or outside the block.")]
    LossMapEntry,
    /// The blocks end early or late.
    #[error("The blocks of the loss map do not cover exactly what it describes.")]
    LossMapCoverage,
}

/// The buffer, or a limit of the format, has no room for this; nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("The datagram has no room left for this.")]
pub struct Full;

/// Why a frame that is filled in place was not written; the datagram is as it was before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FillError<E> {
    /// There is no room; the filling function was not called.
    #[error("The datagram has no room left for this.")]
    Full,
    /// The filling function failed.
    #[error("The content of a frame could not be supplied.")]
    Fill(E),
}

impl<E> From<Full> for FillError<E> {
    fn from(_: Full) -> Self {
        Self::Full
    }
}
