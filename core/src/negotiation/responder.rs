//! The server's side of opening a session: HELLO in, ACCEPT or a refusal out.
//!
//! Two steps, because the host must look at the wishes (who, where, which port) before it can
//! accept: [`read_hello`] settles the numbers, [`Proposal::accept`] writes the answer.
//!
//! Source: PROTOCOL.md chapter 7.

use core::fmt::Write;

use super::bounds::{self, MAX_RATE, Numbers, OutOfRange, Term};
use super::cipher_choice;
use super::version::{self, VersionMismatch};
use super::{
    Agreement, Capabilities, KeyInputs, OpeningError, Preserve, RatePolicy, ResumeLevel, Terms,
    TransferDirection,
};
use crate::control::framing::{HEADER_LEN, RawMessage};
use crate::control::{Accept, ChecksumKind, ControlMessage, DecodeError, Full, Hello, Secret};
use crate::crypto::{CipherSuite, SessionSecret, Transcript};
use crate::fault::Fault;
use crate::units::{BitRate, ConnectionId};

/// Most bytes of the sentence in a refusal.
const MAX_SENTENCE: usize = 200;
/// UDP flows of a session.
const LANES: u8 = 1;

/// What a server says about rates besides the target rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RateRules {
    /// No session gets a higher minimum rate.
    pub minimum_cap: BitRate,
}

impl RateRules {
    /// Clients decide.
    pub const FREE: Self = Self {
        minimum_cap: MAX_RATE,
    };
}

/// What the server allows.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits<'a> {
    /// Cipher suites; the client's order decides.
    pub suites: &'a [CipherSuite],
    /// Rate policies.
    pub policies: &'a [RatePolicy],
    /// No session gets a higher target rate.
    pub target_rate_cap: BitRate,
    /// Target rate of a client that names none.
    pub default_target_rate: BitRate,
    /// What else the server says about rates.
    pub rate_rules: RateRules,
    /// Highest resume level.
    pub max_resume: ResumeLevel,
    /// Attributes that can be preserved; others are left out of the agreement.
    pub preserve: Preserve,
    /// Whether checksums of files can be computed and compared.
    pub checksums: bool,
    /// The checksum that is computed where the client asks for none.
    pub default_checksum: Option<ChecksumKind>,
    /// How much the server can take.
    pub capabilities: Capabilities,
}

/// Why there is no session with this client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refusal {
    /// The first message is not HELLO.
    #[error("the client began with a message of type {0:#04x} instead of HELLO")]
    NotHello(u8),
    /// The bytes are not a HELLO.
    #[error("the client's HELLO is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// No version in common.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// A wish that the protocol does not allow.
    #[error("the client's HELLO is impossible: {0}")]
    OutOfRange(#[from] OutOfRange),
    /// No cipher suite in common.
    #[error("the server allows none of the ciphers asked for; choose another one with -c")]
    NoCommonCipher,
    /// A rate policy that the server does not allow.
    #[error("the server does not allow the rate policy {name}; choose another one with --policy", name = .0.name())]
    Policy(RatePolicy),
    /// A resume level that the server does not offer.
    #[error("the server does not offer resume level {level}; choose a lower one with -k", level = .0.number())]
    Resume(ResumeLevel),
    /// Checksums of files, which the server cannot compute.
    #[error("the server does not compute checksums of files; leave out --file-checksum")]
    Checksum,
}

impl Refusal {
    /// The fault that the client is told.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::NotHello(_) | Self::Malformed(_) | Self::Version(_) | Self::OutOfRange(_) => {
                Fault::Protocol
            }
            Self::NoCommonCipher | Self::Resume(_) | Self::Checksum => Fault::BadConfiguration,
            Self::Policy(_) => Fault::Unauthorized,
        }
    }

    /// Writes the REJECT message, header included, to the start of `out`; gives its length.
    ///
    /// # Errors
    ///
    /// [`Full`] if `out` is too small; 256 bytes are enough.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, Full> {
        let mut text = heapless::String::<MAX_SENTENCE>::new();
        write!(text, "{self}").map_err(|_| Full)?;
        let message = ControlMessage::Reject {
            code: self.fault().number(),
            text: &text,
        };
        message.encode(out)
    }
}

/// Judges the client's first message against `limits`.
///
/// # Errors
///
/// [`Refusal`], to be sent to the client.
pub fn read_hello<'a>(
    message: RawMessage<'a>,
    limits: &ServerLimits<'_>,
) -> Result<Proposal<'a>, Refusal> {
    if message.kind != crate::control::HELLO {
        return Err(Refusal::NotHello(message.kind));
    }
    let version = version::choose(&Hello::peek_versions(message.body)?)?;
    let Some(ControlMessage::Hello(hello)) = message.decode()? else {
        return Err(Refusal::NotHello(message.kind));
    };
    Numbers::from(&hello).check()?;
    let suite =
        cipher_choice::choose(&hello.suites, limits.suites).ok_or(Refusal::NoCommonCipher)?;
    if !limits.policies.contains(&hello.policy) {
        return Err(Refusal::Policy(hello.policy));
    }
    if hello.resume > limits.max_resume {
        return Err(Refusal::Resume(hello.resume));
    }
    if hello.records.checksum.is_some() && !limits.checksums {
        return Err(Refusal::Checksum);
    }
    let mut transcript = Transcript::new();
    transcript.absorb(message.body);
    let terms = settle(&hello, version, suite, limits);
    Ok(Proposal {
        hello,
        terms,
        max_body: limits.capabilities.max_body,
        transcript,
    })
}

/// The server's terms for `hello`; its own connection id is still missing.
fn settle(hello: &Hello<'_>, version: u16, suite: CipherSuite, limits: &ServerLimits<'_>) -> Terms {
    let can = &limits.capabilities;
    let wished = match hello.target_rate {
        BitRate(0) => limits.default_target_rate,
        rate => rate,
    };
    let target_rate = wished.min(limits.target_rate_cap);
    let minimum_rate = hello.minimum_rate.min(limits.rate_rules.minimum_cap);
    let max_datagram = hello.max_datagram.min(can.max_datagram);
    let report_size = hello.report_size.min(can.report_size).min(max_datagram);
    Terms {
        version,
        suite,
        sends: hello.direction == TransferDirection::Download,
        own_connection: ConnectionId::default(),
        peer_connection: hello.connection,
        target_rate,
        minimum_rate: minimum_rate.min(target_rate),
        policy: hello.policy,
        max_datagram,
        fixed_datagram: hello.fixed_datagram.map(|size| size.min(max_datagram)),
        report_size,
        resume: hello.resume,
        overwrite: hello.overwrite,
        preserve: hello.preserve.common(limits.preserve),
        object_window: hello.object_window.min(can.object_window),
        packet_window: hello.packet_window.min(can.packet_window),
        metadata_window: hello.metadata_window.min(can.metadata_window),
        peer_max_body: hello.max_body,
        lanes: LANES,
        checksum: hello.records.checksum.or(limits.default_checksum),
        split_from: hello.files.split_from,
    }
}

/// What the host adds to an ACCEPT.
#[derive(Debug)]
pub struct ServerSide<'a> {
    /// Fresh random bytes.
    pub secret: SessionSecret,
    /// The id that datagrams towards the server shall carry.
    pub connection: ConnectionId,
    /// UDP port bound.
    pub udp_port: u16,
    /// Where the client sends datagrams; `None` for the address of the control channel.
    pub udp_address: Option<&'a str>,
    /// Program name and version, for the client's log.
    pub program: &'a str,
    /// The destination takes the name of the single source.
    pub renames: bool,
}

/// A HELLO that the server's limits allow, waiting for the host's consent.
#[derive(Debug)]
pub struct Proposal<'a> {
    hello: Hello<'a>,
    terms: Terms,
    max_body: u32,
    transcript: Transcript,
}

impl<'a> Proposal<'a> {
    /// What the client wants: destination, sources, port.
    #[must_use]
    pub const fn hello(&self) -> &Hello<'a> {
        &self.hello
    }

    /// What would be agreed.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Writes ACCEPT, header included, to the start of `out`.
    ///
    /// # Errors
    ///
    /// [`OpeningError`] if the server's own values are impossible or `out` is too small.
    pub fn accept(
        mut self,
        server: ServerSide<'_>,
        out: &mut [u8],
    ) -> Result<Accepted, OpeningError> {
        let port = server.udp_port.into();
        bounds::check(Term::UdpPort, port, &(1..=u64::from(u16::MAX)))?;
        let max_body = self.max_body.into();
        bounds::check(Term::MessageLimit, max_body, &bounds::BODY_LIMITS)?;
        let terms = Terms {
            own_connection: server.connection,
            ..self.terms
        };
        let agreement = Agreement::new(terms)?;
        let accept = Accept {
            version: terms.version,
            secret: Secret(server.secret.as_bytes()),
            suite: terms.suite.id(),
            connection: terms.own_connection,
            max_datagram: terms.max_datagram,
            fixed_datagram: terms.fixed_datagram,
            report_size: terms.report_size,
            target_rate: terms.target_rate,
            minimum_rate: terms.minimum_rate,
            policy: terms.policy,
            resume: terms.resume,
            overwrite: terms.overwrite,
            preserve: terms.preserve,
            udp_port: server.udp_port,
            object_window: terms.object_window,
            packet_window: terms.packet_window,
            max_body: self.max_body,
            program: server.program,
            metadata_window: terms.metadata_window,
            lanes: terms.lanes,
            udp_address: server.udp_address,
            renames: server.renames,
            checksum: terms.checksum,
            split_from: terms.split_from,
        };
        let len = ControlMessage::Accept(accept).encode(out)?;
        self.transcript
            .absorb(out.get(HEADER_LEN..len).unwrap_or_default());
        Ok(Accepted {
            agreement,
            keys: KeyInputs {
                client_secret: SessionSecret::new(*self.hello.secret.0),
                server_secret: server.secret,
                transcript_hash: self.transcript.finish(),
            },
            len,
        })
    }
}

/// An open session, as the server knows it.
#[derive(Debug)]
pub struct Accepted {
    /// What was agreed.
    pub agreement: Agreement,
    /// What the session keys are derived from.
    pub keys: KeyInputs,
    /// Bytes of the ACCEPT message.
    pub len: usize,
}
