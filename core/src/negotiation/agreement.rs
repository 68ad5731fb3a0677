//! The settled terms of one session, as one side sees them; immutable.
//!
//! Source: PROTOCOL.md §7.3.

use super::bounds::{self, MAX_RATE, OutOfRange, Term};
use super::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use crate::control::ChecksumKind;
use crate::crypto::CipherSuite;
use crate::units::{BitRate, ConnectionId};

/// What an [`Agreement`] is made of; plain data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Terms {
    /// Protocol version.
    pub version: u16,
    /// How datagrams are protected.
    pub suite: CipherSuite,
    /// Whether this side sends the files.
    pub sends: bool,
    /// The id that datagrams towards this side carry.
    pub own_connection: ConnectionId,
    /// The id that datagrams towards the peer carry.
    pub peer_connection: ConnectionId,
    /// Target rate, not zero.
    pub target_rate: BitRate,
    /// Minimum rate, at most the target rate.
    pub minimum_rate: BitRate,
    /// Rate policy.
    pub policy: RatePolicy,
    /// Largest datagram, bytes of UDP payload.
    pub max_datagram: u16,
    /// Datagram size, at most the largest; `None` to search for the best.
    pub fixed_datagram: Option<u16>,
    /// Largest report datagram, at most the largest datagram.
    pub report_size: u16,
    /// Resume level.
    pub resume: ResumeLevel,
    /// Overwrite rule.
    pub overwrite: OverwriteRule,
    /// Attributes preserved.
    pub preserve: Preserve,
    /// Objects that may be unfinished at a time.
    pub object_window: u32,
    /// Packet numbers that may be unresolved at a time.
    pub packet_window: u32,
    /// Bytes of the META or DECIDE stream that may be held at a time.
    pub metadata_window: u32,
    /// Largest control message body the peer reads, bytes.
    pub peer_max_body: u32,
    /// UDP flows; 1.
    pub lanes: u8,
    /// The checksum that is computed of every file.
    pub checksum: Option<ChecksumKind>,
    /// Files of at least so many bytes are split between sessions; 0 for none.
    pub split_from: u64,
}

/// The settled terms of one session, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Agreement(Terms);

impl Agreement {
    /// The agreement on `terms`: what negotiation ends with, and what a simulation starts from.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if a term is outside the bounds of the protocol or contradicts another.
    pub fn new(terms: Terms) -> Result<Self, OutOfRange> {
        use bounds::{BODY_LIMITS, DATAGRAM_SIZES, METADATA_WINDOWS, REPORT_SIZES, WINDOWS, check};
        let largest = u64::from(terms.max_datagram);
        check(Term::LargestDatagram, largest, &DATAGRAM_SIZES)?;
        if let Some(size) = terms.fixed_datagram {
            let sizes = *DATAGRAM_SIZES.start()..=largest;
            check(Term::DatagramSize, size.into(), &sizes)?;
        }
        let reports = *REPORT_SIZES.start()..=largest.min(*REPORT_SIZES.end());
        check(Term::ReportSize, terms.report_size.into(), &reports)?;
        check(Term::TargetRate, terms.target_rate.0, &(1..=MAX_RATE.0))?;
        let minimum = terms.minimum_rate.0;
        check(Term::MinimumRate, minimum, &(0..=terms.target_rate.0))?;
        check(Term::ObjectWindow, terms.object_window.into(), &WINDOWS)?;
        check(Term::PacketWindow, terms.packet_window.into(), &WINDOWS)?;
        let metadata = terms.metadata_window.into();
        check(Term::MetadataWindow, metadata, &METADATA_WINDOWS)?;
        let body = terms.peer_max_body.into();
        check(Term::MessageLimit, body, &BODY_LIMITS)?;
        check(Term::Lanes, terms.lanes.into(), &(1..=1))?;
        Ok(Self(terms))
    }

    /// All terms at once.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.0
    }

    /// The checksum that is computed of every file.
    #[must_use]
    pub const fn checksum(&self) -> Option<ChecksumKind> {
        self.0.checksum
    }

    /// Files of at least so many bytes are split between sessions; 0 for none.
    #[must_use]
    pub const fn split_from(&self) -> u64 {
        self.0.split_from
    }

    /// Protocol version.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.0.version
    }

    /// How datagrams are protected.
    #[must_use]
    pub const fn suite(&self) -> CipherSuite {
        self.0.suite
    }

    /// Whether this side sends the files.
    #[must_use]
    pub const fn is_sender(&self) -> bool {
        self.0.sends
    }

    /// The id that datagrams towards this side carry.
    #[must_use]
    pub const fn own_connection(&self) -> ConnectionId {
        self.0.own_connection
    }

    /// The id that datagrams towards the peer carry.
    #[must_use]
    pub const fn peer_connection(&self) -> ConnectionId {
        self.0.peer_connection
    }

    /// Target rate at the start; RATE messages may change it. Never zero.
    #[must_use]
    pub const fn target_rate(&self) -> BitRate {
        self.0.target_rate
    }

    /// Minimum rate at the start, at most the target rate.
    #[must_use]
    pub const fn minimum_rate(&self) -> BitRate {
        self.0.minimum_rate
    }

    /// Rate policy at the start.
    #[must_use]
    pub const fn policy(&self) -> RatePolicy {
        self.0.policy
    }

    /// Largest datagram, bytes of UDP payload.
    #[must_use]
    pub const fn max_datagram(&self) -> u16 {
        self.0.max_datagram
    }

    /// Datagram size in bytes of UDP payload; `None` to search for the best.
    #[must_use]
    pub const fn fixed_datagram(&self) -> Option<u16> {
        self.0.fixed_datagram
    }

    /// Largest report datagram, bytes of UDP payload.
    #[must_use]
    pub const fn report_size(&self) -> u16 {
        self.0.report_size
    }

    /// Resume level.
    #[must_use]
    pub const fn resume(&self) -> ResumeLevel {
        self.0.resume
    }

    /// Overwrite rule.
    #[must_use]
    pub const fn overwrite(&self) -> OverwriteRule {
        self.0.overwrite
    }

    /// Whether the receiver looks at each object before it is sent; else everything offered is wanted.
    #[must_use]
    pub fn decides_each_object(&self) -> bool {
        let always_different = self.0.resume == ResumeLevel::Restart;
        match self.0.overwrite {
            OverwriteRule::Always | OverwriteRule::Diff => !always_different,
            _ => true,
        }
    }

    /// Attributes preserved.
    #[must_use]
    pub const fn preserve(&self) -> Preserve {
        self.0.preserve
    }

    /// Objects that may be unfinished at a time.
    #[must_use]
    pub const fn object_window(&self) -> u32 {
        self.0.object_window
    }

    /// Packet numbers that may be unresolved at a time.
    #[must_use]
    pub const fn packet_window(&self) -> u32 {
        self.0.packet_window
    }

    /// Bytes of the META or DECIDE stream that may be held at a time.
    #[must_use]
    pub const fn metadata_window(&self) -> u32 {
        self.0.metadata_window
    }

    /// Largest control message body the peer reads, bytes.
    #[must_use]
    pub const fn peer_max_body(&self) -> u32 {
        self.0.peer_max_body
    }

    /// UDP flows of the session; 1.
    #[must_use]
    pub const fn lanes(&self) -> u8 {
        self.0.lanes
    }
}
