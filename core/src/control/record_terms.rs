//! What a session keeps about its files: checksums, totals, and the words that come with it.
//!
//! All of it is optional on the wire and absent by default, so that a small device need not know it.
//!
//! Source: PROTOCOL.md §2.2 and §6.6.

use super::cbor::{DecodeError, Full, MapReader, MapWriter};

/// Most bytes of the text of a LABEL message.
pub const MAX_LABEL: usize = 4_096;
/// LABEL messages that may follow a HELLO: one of each kind.
pub const MOST_LABELS: u8 = 4;

/// The checksum that is computed of every file while it is sent (`--file-checksum`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum ChecksumKind {
    /// MD5, 16 bytes. Finds accidents, not attacks.
    Md5,
    /// SHA-1, 20 bytes. Finds accidents, not attacks.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl ChecksumKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// Its number in HELLO and ACCEPT.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha256 => 3,
            Self::Sha384 => 4,
            Self::Sha512 => 5,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its name, as `--file-checksum` takes it and logs show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

/// The wishes of a HELLO about records of the session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RecordTerms {
    /// A checksum of every file.
    pub checksum: Option<ChecksumKind>,
    /// LABEL messages that follow HELLO.
    pub labels: u8,
    /// The server that sends counts all files and bytes of the job beside the transfer.
    pub job_size: bool,
    /// Bytes that the server moves to or from its disk at a time, 0 = as it likes.
    pub block_size: u32,
    /// A LABEL names a folder for the server's log.
    pub log_folder: bool,
}

impl RecordTerms {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        write_checksum(self.checksum, map)?;
        for (key, number) in [
            (41, u32::from(self.labels)),
            (42, u32::from(self.job_size)),
            (43, self.block_size),
            (44, u32::from(self.log_folder)),
        ] {
            if number != 0 {
                map.uint(key, number.into())?;
            }
        }
        Ok(())
    }

    pub(super) fn read(map: &mut MapReader<'_>) -> Result<Self, DecodeError> {
        let checksum = read_checksum(map)?;
        let labels = map.optional_number(41)?.unwrap_or(0);
        if labels > MOST_LABELS {
            return Err(DecodeError::OutOfRange { key: 41 });
        }
        Ok(Self {
            checksum,
            labels,
            job_size: read_mark(map, 42)?,
            block_size: map.optional_number(43)?.unwrap_or(0),
            log_folder: read_mark(map, 44)?,
        })
    }
}

/// Whether the optional `key` is there; its value must be 1.
fn read_mark(map: &mut MapReader<'_>, key: u64) -> Result<bool, DecodeError> {
    match map.optional_number::<u8>(key)? {
        None => Ok(false),
        Some(1) => Ok(true),
        Some(_) => Err(DecodeError::OutOfRange { key }),
    }
}

pub(super) fn write_checksum(
    checksum: Option<ChecksumKind>,
    map: &mut MapWriter<'_>,
) -> Result<(), Full> {
    match checksum {
        Some(kind) => map.uint(40, kind.number().into()),
        None => Ok(()),
    }
}

pub(super) fn read_checksum(map: &mut MapReader<'_>) -> Result<Option<ChecksumKind>, DecodeError> {
    match map.optional_number(40)? {
        None => Ok(None),
        Some(number) => ChecksumKind::from_number(number)
            .map(Some)
            .ok_or(DecodeError::OutOfRange { key: 40 }),
    }
}

/// What a LABEL says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum LabelKind {
    /// What the user's system knows the session by (`ASPERA_SCP_COOKIE`).
    Cookie,
    /// Words of the user (`-u`).
    UserString,
    /// Metadata in JSON (`--tags`).
    Tags,
    /// The folder at the server for its log of this session (`-R`).
    LogFolder,
}

impl LabelKind {
    const ALL: [Self; MOST_LABELS as usize] =
        [Self::Cookie, Self::UserString, Self::Tags, Self::LogFolder];

    const fn number(self) -> u8 {
        match self {
            Self::Cookie => 0,
            Self::UserString => 1,
            Self::Tags => 2,
            Self::LogFolder => 3,
        }
    }
}

/// LABEL, client to server: words that go to the log and mean nothing to the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Label<'a> {
    /// What they are.
    pub kind: LabelKind,
    /// The words, at most [`MAX_LABEL`] bytes.
    pub words: &'a [u8],
}

impl<'a> Label<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.kind.number().into())?;
        map.bytes(1, self.words)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let number: u8 = map.number(0)?;
        let kind = LabelKind::ALL
            .into_iter()
            .find(|kind| kind.number() == number)
            .ok_or(DecodeError::OutOfRange { key: 0 })?;
        let words = map.bytes(1)?;
        if words.len() > MAX_LABEL {
            return Err(DecodeError::OutOfRange { key: 1 });
        }
        map.finish()?;
        Ok(Self { kind, words })
    }
}

/// JOB_SIZE, sender to receiver: what all sources hold, counted beside the transfer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct JobSize {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl JobSize {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.files)?;
        map.uint(1, self.bytes)
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let size = Self {
            files: map.number(0)?,
            bytes: map.number(1)?,
        };
        map.finish()?;
        Ok(size)
    }
}
