//! The client's side of opening a session: HELLO out, ACCEPT or REJECT in.
//!
//! The answer is not trusted: it may only narrow what was offered, never widen or replace it.
//!
//! Source: PROTOCOL.md chapter 7.

use super::bounds::{Numbers, OutOfRange, Term};
use super::cipher_choice::CipherWish;
use super::version::{self, VersionMismatch};
use super::{
    Agreement, Capabilities, KeyInputs, OpeningError, OverwriteRule, Preserve, RatePolicy,
    ResumeLevel, Terms, TransferDirection,
};
use crate::control::framing::{HEADER_LEN, RawMessage, SMALLEST_LIMIT};
use crate::control::{
    Accept, ChecksumKind, ControlMessage, DecodeError, FileWishes, Hello, HelloFlags, RecordTerms,
    Secret, SecurityTerms, SuiteList, VersionList,
};
use crate::crypto::{CipherSuite, SessionSecret, Transcript};
use crate::fault::Fault;
use crate::units::{BitRate, ConnectionId};

/// Most bytes of a HELLO, header included: the server's limit is not known yet.
const LARGEST_HELLO: usize = HEADER_LEN + SMALLEST_LIMIT as usize;

/// What the user of the client wants, and what the client can do.
#[derive(Clone, Copy, Debug)]
pub struct ClientWishes<'a> {
    /// Which way the files go.
    pub direction: TransferDirection,
    /// How datagrams may be protected.
    pub cipher: CipherWish,
    /// The id that datagrams towards the client shall carry.
    pub connection: ConnectionId,
    /// Datagram size wished; `None` to search for the best.
    pub fixed_datagram: Option<u16>,
    /// Target rate; zero for the server's default.
    pub target_rate: BitRate,
    /// Minimum rate.
    pub minimum_rate: BitRate,
    /// Rate policy.
    pub policy: RatePolicy,
    /// Resume level.
    pub resume: ResumeLevel,
    /// Overwrite rule.
    pub overwrite: OverwriteRule,
    /// Attributes to preserve.
    pub preserve: Preserve,
    /// UDP port wished at the server.
    pub udp_port: u16,
    /// Destination at the server for an upload; empty for a download.
    pub destination: &'a [u8],
    /// Create the destination folder.
    pub create_destination: bool,
    /// Only measure the path, with packet trains whose mean rate is the target rate.
    pub measures: bool,
    /// This goes on with a session that was lost and in which the destination took the name of the source.
    pub renames_again: bool,
    /// RULES follow.
    pub selects: bool,
    /// A file that is replaced is kept under another name.
    pub saves_old: bool,
    /// What the source folder has not is deleted at the destination first.
    pub deletes: bool,
    /// What is wanted besides the bytes.
    pub files: FileWishes<'a>,
    /// Sources that the user named.
    pub sources: u32,
    /// Checksums, totals and labels.
    pub records: RecordTerms,
    /// Encryption at rest and authorization.
    pub security: SecurityTerms<'a>,
    /// How much the client can take.
    pub capabilities: Capabilities,
    /// Program name and version, for the server's log.
    pub program: &'a str,
}

impl<'a> ClientWishes<'a> {
    fn hello(&self, secret: Secret<'a>) -> Hello<'a> {
        let mut suites = SuiteList::new();
        suites.extend(self.cipher.suites().iter().map(|suite| suite.id()));
        let mut versions = VersionList::new();
        versions.extend(version::SUPPORTED.iter().copied());
        Hello {
            versions,
            direction: self.direction,
            secret,
            suites,
            connection: self.connection,
            max_datagram: self.capabilities.max_datagram,
            fixed_datagram: self.fixed_datagram,
            report_size: self.capabilities.report_size,
            target_rate: self.target_rate,
            minimum_rate: self.minimum_rate,
            policy: self.policy,
            resume: self.resume,
            overwrite: self.overwrite,
            preserve: self.preserve,
            udp_port: self.udp_port,
            destination: self.destination,
            flags: HelloFlags {
                create_destination: self.create_destination,
                measures: self.measures,
                renames_again: self.renames_again,
                selects: self.selects,
                saves_old: self.saves_old,
                deletes: self.deletes,
            },
            files: self.files,
            sources: self.sources,
            object_window: self.capabilities.object_window,
            packet_window: self.capabilities.packet_window,
            max_body: self.capabilities.max_body,
            program: self.program,
            metadata_window: self.capabilities.metadata_window,
            records: self.records,
            security: self.security,
        }
    }
}

/// Why an answer cannot be used. Any of these is [`Fault::Protocol`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum AnswerError {
    /// Neither ACCEPT nor REJECT.
    #[error("the server answered with a message of type {0:#04x}")]
    Unexpected(u8),
    /// The bytes are not a message.
    #[error("the server's answer is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The server chose a version that was not offered.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// The server chose something that the protocol does not allow.
    #[error("the server's answer is impossible: {0}")]
    OutOfRange(#[from] OutOfRange),
    /// The server chose something that was not offered or asked for.
    #[error("the server chose a {0} that was not asked for")]
    NotOffered(Term),
}

/// What the server said.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The session is open.
    Accepted(Opened<'a>),
    /// There is no session.
    Rejected {
        /// Why.
        fault: Fault,
        /// Why, in the server's words.
        text: &'a str,
    },
}

/// An open session, as the client knows it.
#[derive(Debug)]
pub struct Opened<'a> {
    /// What was agreed.
    pub agreement: Agreement,
    /// What the session keys are derived from.
    pub keys: KeyInputs,
    /// UDP port at the server.
    pub udp_port: u16,
    /// UDP address at the server; `None` for the address of the control channel.
    pub udp_address: Option<&'a str>,
    /// The destination takes the name of the single source.
    pub renames: bool,
    /// The server's program name and version, for the log.
    pub program: &'a str,
}

/// A client that has said HELLO and waits for the answer.
#[derive(Debug)]
pub struct Initiator {
    secret: SessionSecret,
    transcript: Transcript,
    direction: TransferDirection,
    cipher: CipherWish,
    connection: ConnectionId,
    fixed_datagram: Option<u16>,
    target_rate: BitRate,
    minimum_rate: BitRate,
    policy: RatePolicy,
    resume: ResumeLevel,
    overwrite: OverwriteRule,
    preserve: Preserve,
    checksum: Option<ChecksumKind>,
    split_from: u64,
    capabilities: Capabilities,
}

impl Initiator {
    /// Writes HELLO, header included, to the start of `out`; gives its length too.
    ///
    /// `secret` must be fresh random bytes.
    ///
    /// # Errors
    ///
    /// [`OpeningError`] if a wish is outside what the protocol allows or `out` is too small; the
    /// latter also if destination and program name make HELLO too long for a small server.
    pub fn open(
        wishes: &ClientWishes<'_>,
        secret: SessionSecret,
        out: &mut [u8],
    ) -> Result<(Self, usize), OpeningError> {
        let mut transcript = Transcript::new();
        let len = {
            let hello = wishes.hello(Secret(secret.as_bytes()));
            Numbers::from(&hello).check()?;
            let most = out.len().min(LARGEST_HELLO);
            let room = out.get_mut(..most).unwrap_or_default();
            ControlMessage::Hello(hello).encode(room)?
        };
        transcript.absorb(out.get(HEADER_LEN..len).unwrap_or_default());
        let initiator = Self {
            secret,
            transcript,
            direction: wishes.direction,
            cipher: wishes.cipher,
            connection: wishes.connection,
            fixed_datagram: wishes.fixed_datagram,
            target_rate: wishes.target_rate,
            minimum_rate: wishes.minimum_rate,
            policy: wishes.policy,
            resume: wishes.resume,
            overwrite: wishes.overwrite,
            preserve: wishes.preserve,
            checksum: wishes.records.checksum,
            split_from: wishes.files.split_from,
            capabilities: wishes.capabilities,
        };
        Ok((initiator, len))
    }

    /// Judges the server's first message.
    ///
    /// # Errors
    ///
    /// [`AnswerError`] if it is not an answer to what was offered.
    pub fn handle_answer(self, message: RawMessage<'_>) -> Result<Answer<'_>, AnswerError> {
        if message.kind == crate::control::ACCEPT {
            let chosen = Accept::peek_version(message.body)?;
            version::choose(&[chosen])?;
        }
        match message.decode()? {
            Some(ControlMessage::Accept(accept)) => {
                self.settle(&accept, message.body).map(Answer::Accepted)
            }
            Some(ControlMessage::Reject { code, text }) => Ok(Answer::Rejected {
                fault: Fault::from_number(code),
                text,
            }),
            _ => Err(AnswerError::Unexpected(message.kind)),
        }
    }

    fn settle<'a>(mut self, accept: &Accept<'a>, body: &[u8]) -> Result<Opened<'a>, AnswerError> {
        Numbers::from(accept).check()?;
        let suite = self.check_offered(accept)?;
        let agreement = Agreement::new(Terms {
            version: accept.version,
            suite,
            sends: self.direction == TransferDirection::Upload,
            own_connection: self.connection,
            peer_connection: accept.connection,
            target_rate: accept.target_rate,
            minimum_rate: accept.minimum_rate,
            policy: accept.policy,
            max_datagram: accept.max_datagram,
            fixed_datagram: accept.fixed_datagram,
            report_size: accept.report_size,
            resume: accept.resume,
            overwrite: accept.overwrite,
            preserve: accept.preserve,
            object_window: accept.object_window,
            packet_window: accept.packet_window,
            metadata_window: accept.metadata_window,
            peer_max_body: accept.max_body,
            lanes: accept.lanes,
            checksum: accept.checksum,
            split_from: accept.split_from,
        })?;
        self.transcript.absorb(body);
        Ok(Opened {
            agreement,
            keys: KeyInputs {
                client_secret: self.secret,
                server_secret: SessionSecret::new(*accept.secret.0),
                transcript_hash: self.transcript.finish(),
            },
            udp_port: accept.udp_port,
            udp_address: accept.udp_address,
            renames: accept.renames,
            program: accept.program,
        })
    }

    /// The suite chosen, if it and all else in `accept` stays within what was offered.
    fn check_offered(&self, accept: &Accept<'_>) -> Result<CipherSuite, AnswerError> {
        let suite = CipherSuite::from_id(accept.suite)
            .filter(|suite| self.cipher.suites().contains(suite))
            .ok_or(AnswerError::NotOffered(Term::CipherSuite))?;
        let can = &self.capabilities;
        let target_is_free = self.target_rate.0 == 0;
        let kept = [
            (
                Term::LargestDatagram,
                accept.max_datagram <= can.max_datagram,
            ),
            (
                Term::DatagramSize,
                match (self.fixed_datagram, accept.fixed_datagram) {
                    (None, None) => true,
                    (Some(wished), Some(size)) => size <= wished,
                    _ => false,
                },
            ),
            (Term::ReportSize, accept.report_size <= can.report_size),
            (
                Term::TargetRate,
                target_is_free || accept.target_rate <= self.target_rate,
            ),
            (Term::MinimumRate, accept.minimum_rate <= self.minimum_rate),
            (Term::RatePolicy, accept.policy == self.policy),
            (Term::ResumeLevel, accept.resume == self.resume),
            (Term::OverwriteRule, accept.overwrite == self.overwrite),
            (
                Term::Preserve,
                accept.preserve.common(self.preserve) == accept.preserve,
            ),
            (
                Term::Checksum,
                self.checksum.is_none() || accept.checksum == self.checksum,
            ),
            // Who does not know of parts would take one for a file.
            (Term::Splitting, accept.split_from == self.split_from),
            (Term::UdpPort, accept.udp_port != 0),
            (
                Term::ObjectWindow,
                accept.object_window <= can.object_window,
            ),
            (
                Term::PacketWindow,
                accept.packet_window <= can.packet_window,
            ),
            (
                Term::MetadataWindow,
                accept.metadata_window <= can.metadata_window,
            ),
        ];
        match kept.into_iter().find(|(_, kept)| !kept) {
            Some((term, _)) => Err(AnswerError::NotOffered(term)),
            None => Ok(suite),
        }
    }
}
