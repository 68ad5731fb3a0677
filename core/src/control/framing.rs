//! Messages in a byte stream: the preamble, headers, and a fixed buffer for small machines.
//!
//! What comes on the channel need not be ours: a shell may greet or complain before, or instead
//! of, the transfer program. The first bytes are kept so that the user can be shown them.
//!
//! Source: PROTOCOL.md §2.1.

use core::fmt;

use zeroize::Zeroize;

use super::{ControlMessage, DecodeError};

/// What each side writes first: `OFASP`, the framing version, CR LF.
pub const PREAMBLE: [u8; 8] = *b"OFASP\x01\r\n";
/// The framing version in the preamble.
const FRAMING_VERSION: u8 = 1;
/// Bytes before a body: u32 length of the body, u8 type.
pub const HEADER_LEN: usize = 5;
/// Largest body, unless the side that reads announced another limit.
pub const MAX_BODY: u32 = 1 << 20;
/// Most bytes kept of what was not ours.
pub const MAX_GARBAGE: usize = 64;

/// The first bytes of something that is not our protocol.
#[derive(Clone, Copy, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Garbage {
    bytes: [u8; MAX_GARBAGE],
    len: usize,
}

impl Garbage {
    /// Keeps the first [`MAX_GARBAGE`] bytes of `came`.
    #[must_use]
    pub fn new(came: &[u8]) -> Self {
        let mut bytes = [0; MAX_GARBAGE];
        let len = came.len().min(MAX_GARBAGE);
        for (kept, byte) in bytes.iter_mut().zip(came) {
            *kept = *byte;
        }
        Self { bytes, len }
    }

    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().trim_ascii().escape_ascii())
    }
}

impl fmt::Debug for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Garbage(\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// Why a byte stream is not a sequence of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FramingError {
    /// The stream does not start with the preamble.
    #[error("the far side did not answer as a transfer program; it said \"{0}\"")]
    NotOurs(Garbage),
    /// The stream starts with the preamble of another framing version.
    #[error("the peer speaks protocol version {theirs}, this program speaks 1")]
    OtherVersion {
        /// The version in the preamble.
        theirs: u8,
    },
    /// A message is larger than this side reads.
    #[error("the peer sent a control message of {len} bytes; at most {limit} are read")]
    TooLong {
        /// Bytes of the body announced.
        len: u32,
        /// Bytes allowed.
        limit: u32,
    },
    /// The stream ended before the preamble was complete, with nothing wrong up to there.
    #[error("the far side closed the connection without a word of the protocol")]
    ClosedEarly,
    /// The stream ended inside a message.
    #[error("the far side closed the connection in the middle of a message")]
    Truncated,
}

/// Judges the first bytes of a stream: `Ok(true)` if `came` starts with the whole preamble,
/// `Ok(false)` if more bytes are needed.
///
/// Bytes that are not ours are an error at once; a host that wants to show more of them reads on
/// and builds a [`Garbage`] itself.
///
/// # Errors
///
/// [`FramingError::NotOurs`] or [`FramingError::OtherVersion`].
pub fn check_preamble(came: &[u8]) -> Result<bool, FramingError> {
    if came.starts_with(&PREAMBLE) {
        return Ok(true);
    }
    if PREAMBLE.starts_with(came) {
        return Ok(false);
    }
    match came.first_chunk() {
        Some([b'O', b'F', b'A', b'S', b'P', theirs, b'\r', b'\n'])
            if *theirs != FRAMING_VERSION =>
        {
            Err(FramingError::OtherVersion { theirs: *theirs })
        }
        None if came.starts_with(b"OFASP") && is_start_of_other_version(came) => Ok(false),
        _ => Err(FramingError::NotOurs(Garbage::new(came))),
    }
}

/// Whether fewer than eight bytes may still become the preamble of another version.
fn is_start_of_other_version(came: &[u8]) -> bool {
    let after_version = came.get(6..).unwrap_or(&[]);
    b"\r\n".starts_with(after_version)
}

/// Type and body length that a header announces.
///
/// # Errors
///
/// [`FramingError::TooLong`] if the body is longer than `limit`.
pub const fn parse_header(
    header: &[u8; HEADER_LEN],
    limit: u32,
) -> Result<(u8, u32), FramingError> {
    let [a, b, c, d, kind] = *header;
    let len = u32::from_be_bytes([a, b, c, d]);
    if len > limit {
        return Err(FramingError::TooLong { len, limit });
    }
    Ok((kind, len))
}

/// The header of a message; `None` if the body is longer than any can be.
#[must_use]
pub fn header(kind: u8, body_len: usize) -> Option<[u8; HEADER_LEN]> {
    let [a, b, c, d] = u32::try_from(body_len).ok()?.to_be_bytes();
    Some([a, b, c, d, kind])
}

/// One message as it came: type and body.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct RawMessage<'a> {
    /// The message type.
    pub kind: u8,
    /// The bytes of the map.
    pub body: &'a [u8],
}

impl<'a> RawMessage<'a> {
    /// The typed message; `None` if its type is to be ignored.
    ///
    /// # Errors
    ///
    /// As [`ControlMessage::decode`].
    pub fn decode(self) -> Result<Option<ControlMessage<'a>>, DecodeError> {
        ControlMessage::decode(self.kind, self.body)
    }
}

impl fmt::Debug for RawMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RawMessage(type {:#04x}, {} bytes)",
            self.kind,
            self.body.len()
        )
    }
}

/// Cuts a byte stream into messages in a buffer of `N` bytes; a body may have `N - 5`.
///
/// Bodies carry secrets: what has been handed out is wiped.
pub struct Deframer<const N: usize> {
    buffer: [u8; N],
    filled: usize,
    /// Bytes at the front that were handed out and are wiped at the next call.
    spent: usize,
    past_preamble: bool,
}

impl<const N: usize> Deframer<N> {
    /// Largest body that fits, to be announced to the peer.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "compile-time: a larger buffer does not exist on any target"
    )]
    pub const MAX_BODY: u32 = {
        assert!(N >= MAX_GARBAGE + HEADER_LEN, "the buffer is too small");
        assert!(N <= 1 << 30, "the buffer is too large");
        (N - HEADER_LEN) as u32
    };

    /// A deframer at the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: [0; N],
            filled: 0,
            spent: 0,
            past_preamble: false,
        }
    }

    /// Takes bytes of the stream, as many as there is room for, and says how many.
    ///
    /// 0 means that messages must be taken out first.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        self.drop_spent();
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        for (place, byte) in room.iter_mut().zip(bytes) {
            *place = *byte;
        }
        self.filled += taken;
        taken
    }

    /// The next whole message, if it has come.
    ///
    /// Bytes that are not ours are reported once a line or [`MAX_GARBAGE`] bytes of them have
    /// come; [`Deframer::finish`] reports fewer.
    ///
    /// # Errors
    ///
    /// [`FramingError`]; it does not go away by calling again.
    pub fn next_message(&mut self) -> Result<Option<RawMessage<'_>>, FramingError> {
        self.drop_spent();
        if !self.past_preamble {
            match check_preamble(self.waiting()) {
                Ok(true) => {
                    self.past_preamble = true;
                    self.spent = PREAMBLE.len();
                    self.drop_spent();
                }
                Ok(false) => return Ok(None),
                Err(FramingError::NotOurs(_)) if self.may_show_more() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let waiting = self.buffer.get(..self.filled).unwrap_or_default();
        let Some((header, rest)) = waiting.split_first_chunk() else {
            return Ok(None);
        };
        let (kind, len) = parse_header(header, Self::MAX_BODY)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let Some(body) = rest.get(..len) else {
            return Ok(None);
        };
        self.spent = HEADER_LEN + len;
        Ok(Some(RawMessage { kind, body }))
    }

    /// Judges the end of the stream (or of the host's patience with it).
    ///
    /// # Errors
    ///
    /// [`FramingError`] if it ended before the preamble, inside a message, or was not ours.
    pub fn finish(&self) -> Result<(), FramingError> {
        if !self.past_preamble {
            return match check_preamble(self.waiting()) {
                Ok(true) => Ok(()),
                Ok(false) if self.filled == 0 => Err(FramingError::ClosedEarly),
                Ok(false) => Err(FramingError::NotOurs(Garbage::new(self.waiting()))),
                Err(error) => Err(error),
            };
        }
        if self.filled == self.spent {
            Ok(())
        } else {
            Err(FramingError::Truncated)
        }
    }

    fn waiting(&self) -> &[u8] {
        self.buffer.get(self.spent..self.filled).unwrap_or_default()
    }

    fn may_show_more(&self) -> bool {
        self.filled < MAX_GARBAGE && !self.waiting().contains(&b'\n')
    }

    fn drop_spent(&mut self) {
        if self.spent == 0 {
            return;
        }
        self.buffer.copy_within(self.spent..self.filled, 0);
        let left = self.filled - self.spent;
        if let Some(wiped) = self.buffer.get_mut(left..self.filled) {
            wiped.zeroize();
        }
        self.filled = left;
        self.spent = 0;
    }
}

impl<const N: usize> Default for Deframer<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Drop for Deframer<N> {
    fn drop(&mut self) {
        self.buffer.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Deframer<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deframer({} of {N} bytes)", self.filled - self.spent)
    }
}
