//! From two wishes to one [`Agreement`] that both machines start from.
//!
//! The client builds HELLO and judges the answer ([`initiator`]); the server judges HELLO against
//! its limits and builds ACCEPT or a refusal ([`responder`]). Nothing here authorises anybody,
//! opens a socket or makes random bytes: the host supplies secrets, ids and the bound port.
//!
//! Source: PROTOCOL.md chapter 7.

pub mod agreement;
pub mod bounds;
pub mod cipher_choice;
pub mod initiator;
pub mod responder;
pub mod version;

#[cfg(test)]
mod tests;

use crate::control::Full;
use crate::crypto::SessionSecret;
use crate::units::BitRate;
use bounds::OutOfRange;

pub use crate::control::choices::{
    OverwriteRule, Preserve, RatePolicy, ResumeLevel, TransferDirection,
};
pub use agreement::{Agreement, Terms};

/// Target rate of a session whose client names none: the public default of `ascp`.
pub const DEFAULT_TARGET_RATE: BitRate = BitRate::from_kbps(10_000);

/// How much one side can take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Capabilities {
    /// Largest datagram it sends and receives, bytes of UDP payload.
    pub max_datagram: u16,
    /// Largest report datagram it wants, bytes of UDP payload.
    pub report_size: u16,
    /// Objects it keeps unfinished.
    pub object_window: u32,
    /// Packet numbers it keeps unresolved.
    pub packet_window: u32,
    /// Bytes of the META or DECIDE stream it holds.
    pub metadata_window: u32,
    /// Largest control message body it reads, bytes.
    pub max_body: u32,
}

/// What the session keys are derived from, besides the suite.
#[derive(Debug)]
pub struct KeyInputs {
    /// The client's share.
    pub client_secret: SessionSecret,
    /// The server's share.
    pub server_secret: SessionSecret,
    /// Hash over the bodies of HELLO and ACCEPT.
    pub transcript_hash: [u8; 32],
}

/// Why an opening message cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OpeningError {
    /// The output buffer is too small.
    #[error(transparent)]
    Full(#[from] Full),
    /// A value of this side's own is outside what the protocol allows.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}
