//! HELLO and ACCEPT: the two messages that open a session.
//!
//! Bytes to typed fields and back; whether the values make sense together is decided in
//! `negotiation`. Source: PROTOCOL.md §2.2.

use core::fmt;

use super::cbor::{DecodeError, Full, MAX_LIST, MapReader, MapWriter};
use super::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel, TransferDirection};
use super::file_wishes::FileWishes;
use super::parallel::{self, Share};
use super::record_terms::{ChecksumKind, RecordTerms, read_checksum, write_checksum};
use super::security_terms::SecurityTerms;
use crate::units::{BitRate, ConnectionId};

/// Protocol versions, best first.
pub type VersionList = heapless::Vec<u16, MAX_LIST>;
/// Cipher suite numbers, best first.
pub type SuiteList = heapless::Vec<u8, MAX_LIST>;

/// Bytes of a session secret.
pub const SECRET_LEN: usize = 32;

/// A session secret inside a message; never printed.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Secret<'a>(pub &'a [u8; SECRET_LEN]);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Wishes of a HELLO that are on or off.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct HelloFlags {
    /// Create the destination folder.
    pub create_destination: bool,
    /// The session carries no files: it measures the path with packet trains at the target rate.
    pub measures: bool,
    /// The session goes on with one that was lost and in which the destination took the name of the source: it
    /// does so again, although it may be a folder by now.
    pub renames_again: bool,
    /// RULES follow, and say more about the sources of a download.
    pub selects: bool,
    /// A file that is replaced is kept under another name.
    pub saves_old: bool,
    /// What the source has not is deleted at the destination first; sources and destination are told with NAMES.
    pub deletes: bool,
}

impl HelloFlags {
    /// Every bit with a meaning.
    const KNOWN: u8 = 0b11_1111;

    const fn number(self) -> u8 {
        self.create_destination as u8
            | (self.measures as u8) << 1
            | (self.renames_again as u8) << 2
            | (self.selects as u8) << 3
            | (self.saves_old as u8) << 4
            | (self.deletes as u8) << 5
    }

    const fn from_number(number: u8) -> Option<Self> {
        if number & !Self::KNOWN != 0 {
            return None;
        }
        Some(Self {
            create_destination: number & 1 != 0,
            measures: number & 2 != 0,
            renames_again: number & 4 != 0,
            selects: number & 8 != 0,
            saves_old: number & 16 != 0,
            deletes: number & 32 != 0,
        })
    }
}

/// HELLO, client to server: what the client can do and wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello<'a> {
    /// Versions the client speaks, best first.
    pub versions: VersionList,
    /// Which way the files go.
    pub direction: TransferDirection,
    /// The client's share of the session keys.
    pub secret: Secret<'a>,
    /// Cipher suites the client accepts, best first.
    pub suites: SuiteList,
    /// The id that datagrams towards the client carry.
    pub connection: ConnectionId,
    /// Largest datagram the client sends and receives, bytes of UDP payload.
    pub max_datagram: u16,
    /// Datagram size wished; `None` to search for the best.
    pub fixed_datagram: Option<u16>,
    /// Largest report datagram, bytes of UDP payload.
    pub report_size: u16,
    /// Target rate wished; zero for the server's default.
    pub target_rate: BitRate,
    /// Minimum rate wished.
    pub minimum_rate: BitRate,
    /// Rate policy wished.
    pub policy: RatePolicy,
    /// Resume level wished.
    pub resume: ResumeLevel,
    /// Overwrite rule wished.
    pub overwrite: OverwriteRule,
    /// Attributes to preserve.
    pub preserve: Preserve,
    /// UDP port wished at the server.
    pub udp_port: u16,
    /// Destination path at the server for an upload; empty for a download.
    pub destination: &'a [u8],
    /// What else is wished.
    pub flags: HelloFlags,
    /// Sources that the user named.
    pub sources: u32,
    /// Objects the client can keep unfinished.
    pub object_window: u32,
    /// Packet numbers the client can keep unresolved.
    pub packet_window: u32,
    /// Largest control message body the client reads, bytes.
    pub max_body: u32,
    /// Program name and version, for logs.
    pub program: &'a str,
    /// Bytes of the META or DECIDE stream the client can hold.
    pub metadata_window: u32,
    /// What is wanted besides the bytes.
    pub files: FileWishes<'a>,
    /// Checksums, totals and labels.
    pub records: RecordTerms,
    /// Encryption at rest and authorization.
    pub security: SecurityTerms<'a>,
}

impl<'a> Hello<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        let versions = self.versions.iter().copied().map(u64::from);
        map.uints(0, self.versions.len(), versions)?;
        map.uint(1, self.direction.number().into())?;
        map.bytes(2, self.secret.0)?;
        let suites = self.suites.iter().copied().map(u64::from);
        map.uints(3, self.suites.len(), suites)?;
        map.uint(4, self.connection.bits().into())?;
        map.uint(5, self.max_datagram.into())?;
        map.uint(6, self.fixed_datagram.unwrap_or(0).into())?;
        map.uint(7, self.report_size.into())?;
        map.uint(8, self.target_rate.0)?;
        map.uint(9, self.minimum_rate.0)?;
        map.uint(10, self.policy.number().into())?;
        map.uint(11, self.resume.number().into())?;
        map.uint(12, self.overwrite.number().into())?;
        map.uint(13, self.preserve.number().into())?;
        map.uint(14, self.udp_port.into())?;
        map.bytes(15, self.destination)?;
        map.uint(16, self.flags.number().into())?;
        map.uint(17, self.sources.into())?;
        map.uint(18, self.object_window.into())?;
        map.uint(19, self.packet_window.into())?;
        map.uint(20, self.max_body.into())?;
        map.text(21, self.program)?;
        map.uint(22, self.metadata_window.into())?;
        self.files.write(map)?;
        self.records.write(map)?;
        self.security.write(map)?;
        self.files.share.write(map)?;
        parallel::write_threshold(self.files.split_from, map)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let mut hello = Self {
            versions: map.list(0)?,
            direction: choice(&mut map, 1, TransferDirection::from_number)?,
            secret: secret(&mut map, 2)?,
            suites: map.list(3)?,
            connection: connection(&mut map, 4)?,
            max_datagram: map.number(5)?,
            fixed_datagram: Some(map.number(6)?).filter(|size| *size != 0),
            report_size: map.number(7)?,
            target_rate: BitRate(map.number(8)?),
            minimum_rate: BitRate(map.number(9)?),
            policy: choice(&mut map, 10, RatePolicy::from_number)?,
            resume: choice(&mut map, 11, ResumeLevel::from_number)?,
            overwrite: choice(&mut map, 12, OverwriteRule::from_number)?,
            preserve: choice(&mut map, 13, Preserve::from_number)?,
            udp_port: map.number(14)?,
            destination: map.bytes(15)?,
            flags: choice(&mut map, 16, HelloFlags::from_number)?,
            sources: map.number(17)?,
            object_window: map.number(18)?,
            packet_window: map.number(19)?,
            max_body: map.number(20)?,
            program: map.optional_text(21)?.unwrap_or(""),
            metadata_window: map.number(22)?,
            files: FileWishes::read(&mut map)?,
            records: RecordTerms::read(&mut map)?,
            security: SecurityTerms::read(&mut map)?,
        };
        hello.files.share = Share::read(&mut map)?;
        hello.files.split_from = parallel::read_threshold(hello.files.share, &mut map)?;
        map.finish()?;
        Ok(hello)
    }

    /// The versions that a HELLO body offers, even if the rest of it is of another version.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is not a map that starts with a list of versions.
    pub fn peek_versions(body: &[u8]) -> Result<VersionList, DecodeError> {
        MapReader::new(body)?.list(0)
    }
}

/// ACCEPT, server to client: what the session is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accept<'a> {
    /// The version chosen.
    pub version: u16,
    /// The server's share of the session keys.
    pub secret: Secret<'a>,
    /// The cipher suite chosen, by number.
    pub suite: u8,
    /// The id that datagrams towards the server carry.
    pub connection: ConnectionId,
    /// Largest datagram of the session, bytes of UDP payload.
    pub max_datagram: u16,
    /// Datagram size; `None` to search for the best.
    pub fixed_datagram: Option<u16>,
    /// Largest report datagram, bytes of UDP payload.
    pub report_size: u16,
    /// Target rate.
    pub target_rate: BitRate,
    /// Minimum rate.
    pub minimum_rate: BitRate,
    /// Rate policy.
    pub policy: RatePolicy,
    /// Resume level.
    pub resume: ResumeLevel,
    /// Overwrite rule.
    pub overwrite: OverwriteRule,
    /// Attributes preserved.
    pub preserve: Preserve,
    /// UDP port that the server listens on.
    pub udp_port: u16,
    /// Objects either side keeps unfinished.
    pub object_window: u32,
    /// Packet numbers either side keeps unresolved.
    pub packet_window: u32,
    /// Largest control message body the server reads, bytes.
    pub max_body: u32,
    /// Program name and version, for logs.
    pub program: &'a str,
    /// Bytes of the META or DECIDE stream either side holds.
    pub metadata_window: u32,
    /// UDP flows of the session.
    pub lanes: u8,
    /// Where to send datagrams; `None` for the address of the control channel.
    pub udp_address: Option<&'a str>,
    /// The destination takes the name of the single source.
    pub renames: bool,
    /// The checksum that is computed of every file.
    pub checksum: Option<ChecksumKind>,
    /// Files of at least so many bytes are split between sessions, as the client asked; 0 for none.
    pub split_from: u64,
}

impl<'a> Accept<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.version.into())?;
        map.bytes(2, self.secret.0)?;
        map.uint(3, self.suite.into())?;
        map.uint(4, self.connection.bits().into())?;
        map.uint(5, self.max_datagram.into())?;
        map.uint(6, self.fixed_datagram.unwrap_or(0).into())?;
        map.uint(7, self.report_size.into())?;
        map.uint(8, self.target_rate.0)?;
        map.uint(9, self.minimum_rate.0)?;
        map.uint(10, self.policy.number().into())?;
        map.uint(11, self.resume.number().into())?;
        map.uint(12, self.overwrite.number().into())?;
        map.uint(13, self.preserve.number().into())?;
        map.uint(14, self.udp_port.into())?;
        map.uint(18, self.object_window.into())?;
        map.uint(19, self.packet_window.into())?;
        map.uint(20, self.max_body.into())?;
        map.text(21, self.program)?;
        map.uint(22, self.metadata_window.into())?;
        map.uint(23, self.lanes.into())?;
        if let Some(address) = self.udp_address {
            map.text(24, address)?;
        }
        if self.renames {
            map.uint(25, 1)?;
        }
        write_checksum(self.checksum, map)?;
        parallel::write_threshold(self.split_from, map)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let accept = Self {
            version: map.number(0)?,
            secret: secret(&mut map, 2)?,
            suite: map.number(3)?,
            connection: connection(&mut map, 4)?,
            max_datagram: map.number(5)?,
            fixed_datagram: Some(map.number(6)?).filter(|size| *size != 0),
            report_size: map.number(7)?,
            target_rate: BitRate(map.number(8)?),
            minimum_rate: BitRate(map.number(9)?),
            policy: choice(&mut map, 10, RatePolicy::from_number)?,
            resume: choice(&mut map, 11, ResumeLevel::from_number)?,
            overwrite: choice(&mut map, 12, OverwriteRule::from_number)?,
            preserve: choice(&mut map, 13, Preserve::from_number)?,
            udp_port: map.number(14)?,
            object_window: map.number(18)?,
            packet_window: map.number(19)?,
            max_body: map.number(20)?,
            program: map.optional_text(21)?.unwrap_or(""),
            metadata_window: map.number(22)?,
            lanes: map.number(23)?,
            udp_address: map.optional_text(24)?,
            renames: switch(&mut map, 25)?,
            checksum: read_checksum(&mut map)?,
            split_from: map.optional_number(52)?.unwrap_or(0),
        };
        map.finish()?;
        Ok(accept)
    }

    /// The version that an ACCEPT body chose, even if the rest of it is of another version.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is not a map that starts with a version.
    pub fn peek_version(body: &[u8]) -> Result<u16, DecodeError> {
        MapReader::new(body)?.number(0)
    }
}

/// A required number of which `from_number` knows the meaning.
pub(super) fn choice<T>(
    map: &mut MapReader<'_>,
    key: u64,
    from_number: impl Fn(u8) -> Option<T>,
) -> Result<T, DecodeError> {
    from_number(map.number(key)?).ok_or(DecodeError::OutOfRange { key })
}

fn secret<'a>(map: &mut MapReader<'a>, key: u64) -> Result<Secret<'a>, DecodeError> {
    let bytes = map.bytes(key)?;
    bytes
        .try_into()
        .map(Secret)
        .map_err(|_| DecodeError::OutOfRange { key })
}

/// A key that is there with the value 1, or not at all.
pub(super) fn switch(map: &mut MapReader<'_>, key: u64) -> Result<bool, DecodeError> {
    match map.optional_number::<u8>(key)? {
        None => Ok(false),
        Some(1) => Ok(true),
        Some(_) => Err(DecodeError::OutOfRange { key }),
    }
}

fn connection(map: &mut MapReader<'_>, key: u64) -> Result<ConnectionId, DecodeError> {
    let bits: u32 = map.number(key)?;
    let connection = ConnectionId::new(bits);
    if connection.bits() == bits {
        Ok(connection)
    } else {
        Err(DecodeError::OutOfRange { key })
    }
}
