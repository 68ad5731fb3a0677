//! Messages of the control channel: types, bytes and framing.
//!
//! A handful of messages a session, over the authenticated byte stream that SSH gives; nothing
//! bulk. Every field borrows from the bytes it came from. What the values mean together is
//! decided in `negotiation`.
//!
//! Source: PROTOCOL.md chapter 2.

pub(crate) mod cbor;
pub mod choices;
mod file_wishes;
pub mod framing;
mod opening;
mod parallel;
mod record_terms;
mod running;
mod security_terms;
mod selecting;

#[cfg(test)]
pub(crate) mod tests;

use cbor::{MapReader, MapWriter};
use framing::HEADER_LEN;

pub use cbor::{DecodeError, Full};
pub use file_wishes::{AfterTransfer, FileWishes, Store, StoredAttributes, Stores};
pub use opening::{Accept, Hello, HelloFlags, SECRET_LEN, Secret, SuiteList, VersionList};
pub use parallel::{CUT, MOST_NODES, Share};
pub use record_terms::{
    ChecksumKind, JobSize, Label, LabelKind, MAX_LABEL, MOST_LABELS, RecordTerms,
};
pub use running::{Deleted, FileError, Names, Rate, SourcePathIter, SourcePaths, Summary};
pub use security_terms::{MAX_SUFFIX, MAX_TOKEN, SecurityTerms};
pub use selecting::{LONGEST_RULE, MOST_RULE_BYTES, MOST_RULES, Rules, WantedBytes};

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const ACCEPT: u8 = 0x02;
const REJECT: u8 = 0x03;
const UDP_OK: u8 = 0x04;
const UDP_FAIL: u8 = 0x05;
const RATE: u8 = 0x06;
const FILE_ERR: u8 = 0x08;
const CANCEL: u8 = 0x09;
const SUMMARY: u8 = 0x0A;
const SUMMARY_ACK: u8 = 0x0B;
const KEEPALIVE: u8 = 0x0D;
const SOURCES: u8 = 0x0E;
const RULES: u8 = 0x0F;
const SOURCES_WANTED: u8 = 0x10;
const NAMES: u8 = 0x14;
const DELETED: u8 = 0x15;
const LABEL: u8 = 0x11;
const JOB_SIZE: u8 = 0x12;
/// An unknown type from here on is ignored; below, it ends the session.
const FIRST_IGNORABLE: u8 = 0x80;

/// One message of the control channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ControlMessage<'a> {
    /// What the client can do and wants.
    Hello(Hello<'a>),
    /// What the session is.
    Accept(Accept<'a>),
    /// No session.
    Reject {
        /// Number of the fault.
        code: u16,
        /// Why, for the user.
        text: &'a str,
    },
    /// The first authenticated datagram has been seen.
    UdpOk,
    /// No authenticated datagram came in time.
    UdpFail,
    /// New rates for the running session.
    Rate(Rate),
    /// A file or a source failed.
    FileError(FileError<'a>),
    /// The session ends now.
    Cancel {
        /// Number of the fault.
        code: u16,
        /// Why, for the user.
        text: &'a str,
    },
    /// What was delivered.
    Summary(Summary<'a>),
    /// The last message of a session.
    SummaryAck {
        /// Number of the fault, 0 if the summary matches what was sent.
        code: u16,
    },
    /// Still here.
    KeepAlive,
    /// What the client wants to receive.
    Sources {
        /// Paths at the server.
        paths: SourcePaths<'a>,
        /// Another SOURCES message follows.
        more: bool,
    },
    /// Which of them, and how.
    Rules(Rules<'a>),
    /// The server has room for more SOURCES.
    SourcesWanted {
        /// So many messages more.
        messages: u16,
    },
    /// What a source folder holds, before anything is deleted.
    Names(Names<'a>),
    /// What was deleted.
    Deleted(Deleted<'a>),
    /// Words for the log.
    Label(Label<'a>),
    /// How much there is to do.
    JobSize(JobSize),
}

impl<'a> ControlMessage<'a> {
    /// The message type that goes before the body.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello(_) => HELLO,
            Self::Accept(_) => ACCEPT,
            Self::Reject { .. } => REJECT,
            Self::UdpOk => UDP_OK,
            Self::UdpFail => UDP_FAIL,
            Self::Rate(_) => RATE,
            Self::FileError(_) => FILE_ERR,
            Self::Cancel { .. } => CANCEL,
            Self::Summary(_) => SUMMARY,
            Self::SummaryAck { .. } => SUMMARY_ACK,
            Self::KeepAlive => KEEPALIVE,
            Self::Sources { .. } => SOURCES,
            Self::Rules(_) => RULES,
            Self::SourcesWanted { .. } => SOURCES_WANTED,
            Self::Names(_) => NAMES,
            Self::Deleted(_) => DELETED,
            Self::Label(_) => LABEL,
            Self::JobSize(_) => JOB_SIZE,
        }
    }

    /// Writes the whole message, header and body, to the start of `out`; gives its length.
    ///
    /// To respect the size limit of the peer, lend no more than that limit plus
    /// [`HEADER_LEN`].
    ///
    /// # Errors
    ///
    /// [`Full`] if `out` is too small.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Full> {
        let mut map = MapWriter::new(out, HEADER_LEN)?;
        match self {
            Self::Hello(hello) => hello.write(&mut map)?,
            Self::Accept(accept) => accept.write(&mut map)?,
            Self::Reject { code, text } | Self::Cancel { code, text } => {
                map.uint(0, (*code).into())?;
                map.text(1, text)?;
            }
            Self::UdpOk | Self::UdpFail | Self::KeepAlive => {}
            Self::Rate(rate) => rate.write(&mut map)?,
            Self::FileError(failed) => failed.write(&mut map)?,
            Self::Summary(summary) => summary.write(&mut map)?,
            Self::SummaryAck { code } => map.uint(0, (*code).into())?,
            Self::Sources { paths, more } => paths.write(*more, &mut map)?,
            Self::Rules(rules) => rules.write(&mut map)?,
            Self::SourcesWanted { messages } => map.uint(0, (*messages).into())?,
            Self::Names(names) => names.write(&mut map)?,
            Self::Deleted(deleted) => deleted.write(&mut map)?,
            Self::Label(label) => label.write(&mut map)?,
            Self::JobSize(size) => size.write(&mut map)?,
        }
        let end = map.finish()?;
        let header = framing::header(self.kind(), end - HEADER_LEN).ok_or(Full)?;
        *out.first_chunk_mut().ok_or(Full)? = header;
        Ok(end)
    }

    /// The message of type `kind` with this body; `None` if the type is unknown and to be ignored.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body breaks the rules of its type, or the type is unknown and may
    /// not be ignored. Either ends the session with [`Fault::Protocol`].
    ///
    /// [`Fault::Protocol`]: crate::fault::Fault::Protocol
    pub fn decode(kind: u8, body: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            HELLO => Self::Hello(Hello::read(body)?),
            ACCEPT => Self::Accept(Accept::read(body)?),
            REJECT => {
                let (code, text) = read_reason(body)?;
                Self::Reject { code, text }
            }
            UDP_OK => read_empty(body, Self::UdpOk)?,
            UDP_FAIL => read_empty(body, Self::UdpFail)?,
            RATE => Self::Rate(Rate::read(body)?),
            FILE_ERR => Self::FileError(FileError::read(body)?),
            CANCEL => {
                let (code, text) = read_reason(body)?;
                Self::Cancel { code, text }
            }
            SUMMARY => Self::Summary(Summary::read(body)?),
            SUMMARY_ACK => Self::SummaryAck {
                code: read_code(body)?,
            },
            KEEPALIVE => read_empty(body, Self::KeepAlive)?,
            SOURCES => {
                let (paths, more) = SourcePaths::read(body)?;
                Self::Sources { paths, more }
            }
            RULES => Self::Rules(Rules::read(body)?),
            SOURCES_WANTED => Self::SourcesWanted {
                messages: read_code(body)?,
            },
            NAMES => Self::Names(Names::read(body)?),
            DELETED => Self::Deleted(Deleted::read(body)?),
            LABEL => Self::Label(Label::read(body)?),
            JOB_SIZE => Self::JobSize(JobSize::read(body)?),
            FIRST_IGNORABLE.. => return Ok(None),
            _ => return Err(DecodeError::UnknownMessage(kind)),
        }))
    }
}

fn read_reason(body: &[u8]) -> Result<(u16, &str), DecodeError> {
    let mut map = MapReader::new(body)?;
    let reason = (map.number(0)?, map.text(1)?);
    map.finish()?;
    Ok(reason)
}

fn read_code(body: &[u8]) -> Result<u16, DecodeError> {
    let mut map = MapReader::new(body)?;
    let code = map.number(0)?;
    map.finish()?;
    Ok(code)
}

fn read_empty<'a>(
    body: &[u8],
    message: ControlMessage<'a>,
) -> Result<ControlMessage<'a>, DecodeError> {
    MapReader::new(body)?.finish()?;
    Ok(message)
}
