//! Messages of a running session: live rates, failed files, the summary, more sources.
//!
//! Source: PROTOCOL.md §2.2.

use super::cbor::{ByteStrings, DecodeError, Full, MapReader, MapWriter};
use super::choices::RatePolicy;
use super::opening::{choice, switch};
use crate::units::{BitRate, ObjectId};

/// RATE: new rates for the running session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rate {
    /// Target rate.
    pub target: BitRate,
    /// Minimum rate.
    pub minimum: BitRate,
    /// Rate policy.
    pub policy: RatePolicy,
}

impl Rate {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.target.0)?;
        map.uint(1, self.minimum.0)?;
        map.uint(2, self.policy.number().into())
    }

    pub(super) fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let rate = Self {
            target: BitRate(map.number(0)?),
            minimum: BitRate(map.number(1)?),
            policy: choice(&mut map, 2, RatePolicy::from_number)?,
        };
        map.finish()?;
        Ok(rate)
    }
}

/// FILE_ERR: a file or a source failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileError<'a> {
    /// Which object; `None` for a source that never became one.
    pub object: Option<ObjectId>,
    /// Number of the fault.
    pub code: u16,
    /// What happened, for the user.
    pub text: &'a str,
    /// The path as the side that reports it names it; may be empty.
    pub path: &'a [u8],
    /// The file is delivered: what failed came afterwards, such as the removal of its source.
    pub delivered: bool,
}

impl<'a> FileError<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.object.map_or(0, |object| object.0).into())?;
        map.uint(1, self.code.into())?;
        map.text(2, self.text)?;
        map.bytes(3, self.path)?;
        if self.delivered {
            map.uint(4, 1)?;
        }
        Ok(())
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let failed = Self {
            object: Some(ObjectId(map.number(0)?)).filter(|object| object.0 != 0),
            code: map.number(1)?,
            text: map.text(2)?,
            path: map.bytes(3)?,
            delivered: switch(&mut map, 4)?,
        };
        map.finish()?;
        Ok(failed)
    }
}

/// SUMMARY, receiver to sender: what was delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary<'a> {
    /// Number of the fault that ended the session; of [`Fault::SomeFilesFailed`] if files failed.
    ///
    /// 0 if all went well.
    ///
    /// [`Fault::SomeFilesFailed`]: crate::fault::Fault::SomeFilesFailed
    pub code: u16,
    /// What happened, for the user; may be empty.
    pub text: &'a str,
    /// Files delivered under their final names.
    pub delivered: u32,
    /// Files that failed.
    pub failed: u32,
    /// Files that were already there.
    pub skipped: u32,
    /// File bytes received, each byte once.
    pub bytes: u64,
}

impl<'a> Summary<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.code.into())?;
        map.text(1, self.text)?;
        map.uint(2, self.delivered.into())?;
        map.uint(3, self.failed.into())?;
        map.uint(4, self.skipped.into())?;
        map.uint(5, self.bytes)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let summary = Self {
            code: map.number(0)?,
            text: map.text(1)?,
            delivered: map.number(2)?,
            failed: map.number(3)?,
            skipped: map.number(4)?,
            bytes: map.number(5)?,
        };
        map.finish()?;
        Ok(summary)
    }
}

/// NAMES, sender to receiver: what the source folder holds, the folder itself first, in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Names<'a> {
    /// Paths as OPEN records would have them.
    pub paths: SourcePaths<'a>,
    /// Another NAMES message follows.
    pub more: bool,
    /// Not everything could be looked at: nothing may be deleted.
    pub incomplete: bool,
}

impl<'a> Names<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.byte_strings(0, self.paths.len(), self.paths.iter())?;
        map.bool(1, self.more)?;
        map.bool(2, self.incomplete)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let (count, items) = map.byte_strings(0)?;
        let names = Self {
            paths: SourcePaths(Paths::Encoded { count, items }),
            more: map.bool(1)?,
            incomplete: map.bool(2)?,
        };
        map.finish()?;
        Ok(names)
    }
}

/// DELETED, receiver to sender: the destination has nothing more that the source has not, or why it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deleted<'a> {
    /// Files and folders deleted.
    pub count: u32,
    /// Number of the fault of the first that could not be deleted; 0 if there is none.
    pub code: u16,
    /// What happened, for the user; may be empty.
    pub text: &'a str,
}

impl<'a> Deleted<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.uint(0, self.count.into())?;
        map.uint(1, self.code.into())?;
        map.text(2, self.text)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let deleted = Self {
            count: map.number(0)?,
            code: map.number(1)?,
            text: map.text(2)?,
        };
        map.finish()?;
        Ok(deleted)
    }
}

/// Paths of a SOURCES message: a list to be sent, or the checked bytes of one that came.
#[derive(Clone, Copy, Debug)]
pub struct SourcePaths<'a>(Paths<'a>);

#[derive(Clone, Copy, Debug)]
enum Paths<'a> {
    Listed(&'a [&'a [u8]]),
    Encoded { count: usize, items: &'a [u8] },
}

impl<'a> SourcePaths<'a> {
    /// Paths to be sent.
    #[must_use]
    pub const fn new(paths: &'a [&'a [u8]]) -> Self {
        Self(Paths::Listed(paths))
    }

    pub(super) const fn encoded(count: usize, items: &'a [u8]) -> Self {
        Self(Paths::Encoded { count, items })
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Paths::Listed(paths) => paths.len(),
            Paths::Encoded { count, .. } => count,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each path in turn; nothing is copied.
    #[must_use]
    pub fn iter(&self) -> SourcePathIter<'a> {
        SourcePathIter(match self.0 {
            Paths::Listed(paths) => Walk::Listed(paths.iter()),
            Paths::Encoded { items, .. } => Walk::Encoded(ByteStrings::new(items)),
        })
    }

    pub(super) fn write(&self, more: bool, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.byte_strings(0, self.len(), self.iter())?;
        map.bool(1, more)
    }

    pub(super) fn read(body: &'a [u8]) -> Result<(Self, bool), DecodeError> {
        let mut map = MapReader::new(body)?;
        let (count, items) = map.byte_strings(0)?;
        let more = map.bool(1)?;
        map.finish()?;
        Ok((Self::encoded(count, items), more))
    }
}

impl PartialEq for SourcePaths<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SourcePaths<'_> {}

impl<'a> IntoIterator for SourcePaths<'a> {
    type Item = &'a [u8];
    type IntoIter = SourcePathIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &SourcePaths<'a> {
    type Item = &'a [u8];
    type IntoIter = SourcePathIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Paths of a SOURCES message, one after the other.
#[derive(Clone, Debug)]
pub struct SourcePathIter<'a>(Walk<'a>);

#[derive(Clone, Debug)]
enum Walk<'a> {
    Listed(core::slice::Iter<'a, &'a [u8]>),
    Encoded(ByteStrings<'a>),
}

impl<'a> Iterator for SourcePathIter<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Listed(paths) => paths.next().copied(),
            Walk::Encoded(items) => items.next(),
        }
    }
}
