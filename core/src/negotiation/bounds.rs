//! Limits of what may be negotiated, the same for wishes and answers.
//!
//! A malicious peer must not make this side reserve without bound or divide by nothing.
//! Source: PROTOCOL.md §7.2.

use core::fmt;
use core::ops::RangeInclusive;

use crate::control::framing::SMALLEST_LIMIT;
use crate::control::{Accept, Hello, Rate};
use crate::metadata::record::{MAX_RECORD, PREFIX_LEN};
use crate::units::BitRate;

/// Datagram sizes, bytes of UDP payload.
pub const DATAGRAM_SIZES: RangeInclusive<u64> = 296..=65_507;
/// Report datagram sizes, bytes of UDP payload.
pub const REPORT_SIZES: RangeInclusive<u64> = 128..=1_440;
/// Object and packet windows.
pub const WINDOWS: RangeInclusive<u64> = 16..=1 << 22;
/// Metadata windows, bytes: at least one record of the largest size.
pub const METADATA_WINDOWS: RangeInclusive<u64> = (PREFIX_LEN + MAX_RECORD) as u64..=1 << 24;
/// Control message limits, bytes of body.
pub const BODY_LIMITS: RangeInclusive<u64> = SMALLEST_LIMIT as u64..=1 << 24;
/// Highest rate that may be named.
pub const MAX_RATE: BitRate = BitRate(1 << 50);

/// One thing that is negotiated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Term {
    /// Protocol version.
    Version,
    /// Cipher suite.
    CipherSuite,
    /// Largest datagram.
    LargestDatagram,
    /// Fixed datagram size.
    DatagramSize,
    /// Report size.
    ReportSize,
    /// Target rate.
    TargetRate,
    /// Minimum rate.
    MinimumRate,
    /// Rate policy.
    RatePolicy,
    /// Resume level.
    ResumeLevel,
    /// Overwrite rule.
    OverwriteRule,
    /// Attributes to preserve.
    Preserve,
    /// UDP port.
    UdpPort,
    /// Object window.
    ObjectWindow,
    /// Packet window.
    PacketWindow,
    /// Metadata window.
    MetadataWindow,
    /// Largest control message.
    MessageLimit,
    /// Number of UDP flows.
    Lanes,
    /// Checksum of files.
    Checksum,
    /// Size from which on files are split.
    Splitting,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "protocol version",
            Self::CipherSuite => "cipher",
            Self::LargestDatagram => "largest datagram",
            Self::DatagramSize => "datagram size",
            Self::ReportSize => "report size",
            Self::TargetRate => "target rate",
            Self::MinimumRate => "minimum rate",
            Self::RatePolicy => "rate policy",
            Self::ResumeLevel => "resume level",
            Self::OverwriteRule => "overwrite rule",
            Self::Preserve => "set of preserved attributes",
            Self::UdpPort => "UDP port",
            Self::ObjectWindow => "object window",
            Self::PacketWindow => "packet window",
            Self::MetadataWindow => "metadata window",
            Self::MessageLimit => "control message limit",
            Self::Lanes => "number of UDP flows",
            Self::Checksum => "kind of checksum",
            Self::Splitting => {
                "size of files to split between sessions (--multi-session-threshold)"
            }
        })
    }
}

/// A value that the protocol does not allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[error("a {term} of {value} is not possible; it must be {least} to {most}")]
pub struct OutOfRange {
    /// Of what.
    pub term: Term,
    /// The value.
    pub value: u64,
    /// Smallest allowed.
    pub least: u64,
    /// Largest allowed.
    pub most: u64,
}

/// `Ok` if `value` lies in `allowed`.
pub(super) const fn check(
    term: Term,
    value: u64,
    allowed: &RangeInclusive<u64>,
) -> Result<(), OutOfRange> {
    let (least, most) = (*allowed.start(), *allowed.end());
    if value < least || value > most {
        return Err(OutOfRange {
            term,
            value,
            least,
            most,
        });
    }
    Ok(())
}

/// The rates of a RATE message, held at or below `cap`.
///
/// For a server `cap` is what it allows any session, so that a client may raise its rate; for a client it is
/// the rate agreed, so that a server cannot make it faster than its user wanted.
///
/// # Errors
///
/// [`OutOfRange`] if the target rate is 0 or beyond [`MAX_RATE`], or the minimum rate above it.
pub fn rate_within(rate: &Rate, cap: BitRate) -> Result<Rate, OutOfRange> {
    check(Term::TargetRate, rate.target.0, &(1..=MAX_RATE.0))?;
    check(Term::MinimumRate, rate.minimum.0, &(0..=rate.target.0))?;
    let target = rate.target.min(cap);
    Ok(Rate {
        target,
        minimum: rate.minimum.min(target),
        ..*rate
    })
}

/// The numbers of an opening message that have bounds.
pub(super) struct Numbers {
    max_datagram: u16,
    fixed_datagram: Option<u16>,
    report_size: u16,
    target_rate: BitRate,
    minimum_rate: BitRate,
    object_window: u32,
    packet_window: u32,
    metadata_window: u32,
    max_body: u32,
}

impl Numbers {
    /// `Ok` if each number lies within its bounds; a target rate may be zero here.
    pub(super) fn check(&self) -> Result<(), OutOfRange> {
        let largest = self.max_datagram.into();
        check(Term::LargestDatagram, largest, &DATAGRAM_SIZES)?;
        if let Some(size) = self.fixed_datagram {
            check(Term::DatagramSize, size.into(), &DATAGRAM_SIZES)?;
        }
        check(Term::ReportSize, self.report_size.into(), &REPORT_SIZES)?;
        let rates = 0..=MAX_RATE.0;
        check(Term::TargetRate, self.target_rate.0, &rates)?;
        check(Term::MinimumRate, self.minimum_rate.0, &rates)?;
        check(Term::ObjectWindow, self.object_window.into(), &WINDOWS)?;
        check(Term::PacketWindow, self.packet_window.into(), &WINDOWS)?;
        let metadata = self.metadata_window.into();
        check(Term::MetadataWindow, metadata, &METADATA_WINDOWS)?;
        check(Term::MessageLimit, self.max_body.into(), &BODY_LIMITS)
    }
}

impl From<&Hello<'_>> for Numbers {
    fn from(hello: &Hello<'_>) -> Self {
        Self {
            max_datagram: hello.max_datagram,
            fixed_datagram: hello.fixed_datagram,
            report_size: hello.report_size,
            target_rate: hello.target_rate,
            minimum_rate: hello.minimum_rate,
            object_window: hello.object_window,
            packet_window: hello.packet_window,
            metadata_window: hello.metadata_window,
            max_body: hello.max_body,
        }
    }
}

impl From<&Accept<'_>> for Numbers {
    fn from(accept: &Accept<'_>) -> Self {
        Self {
            max_datagram: accept.max_datagram,
            fixed_datagram: accept.fixed_datagram,
            report_size: accept.report_size,
            target_rate: accept.target_rate,
            minimum_rate: accept.minimum_rate,
            object_window: accept.object_window,
            packet_window: accept.packet_window,
            metadata_window: accept.metadata_window,
            max_body: accept.max_body,
        }
    }
}
