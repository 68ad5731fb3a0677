//! Records about files inside the session: what is offered (META) and what becomes of it (DECIDE).
//!
//! Plain data here; bytes in `metadata::record`. No round trip belongs to any single file.
//! Source: PROTOCOL.md chapter 6.

pub mod attributes;
pub mod check;
pub mod record;

use attributes::AttributesRecord;

use crate::fault::Fault;
use crate::units::ObjectId;

/// What an object is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ObjectKind {
    /// A regular file.
    File,
    /// A folder; it has no bytes.
    Directory,
}

/// One object offered by the sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OpenRecord<'a> {
    /// Its id, consecutive from 1 in the order of offering.
    pub object: ObjectId,
    /// Its path below the destination, `/` between components, no leading `/`, never empty;
    /// raw bytes as the source names it.
    pub path: &'a [u8],
    /// File or folder.
    pub kind: ObjectKind,
    /// Bytes of a file at the time of offering; 0 for a folder.
    pub size: u64,
    /// Modification time, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// Access time, nanoseconds since the Unix epoch.
    pub accessed_ns: i64,
    /// Permission bits (`0o7777`).
    pub mode: u32,
}

/// A symbolic link offered by the sender. As a folder it is an object without bytes, a decision or a CLOSE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct LinkRecord<'a> {
    /// Its id, counted with those of files and folders.
    pub object: ObjectId,
    /// Its path, as in [`OpenRecord`].
    pub path: &'a [u8],
    /// What it leads to, as the source has it: 1 to [`MAX_TARGET`] bytes, no NUL.
    pub target: &'a [u8],
    /// It takes the place of what has its name; otherwise that stays and the link is skipped.
    pub replaces: bool,
}

/// Most bytes of the target of a link.
pub const MAX_TARGET: usize = 4_095;

/// The BLAKE3 hash of an object.
pub type RootHash<'a> = &'a [u8; 32];

/// Most bytes of a checksum.
pub const MAX_CHECKSUM: usize = 64;

/// A record of the META stream, sender to receiver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum MetaRecord<'a> {
    /// An object is offered.
    Open(OpenRecord<'a>),
    /// All bytes of an object were sent once and are what was offered, or it failed at the source.
    Close {
        /// Which object.
        object: ObjectId,
        /// Why it must not be delivered, if so.
        fault: Option<Fault>,
        /// BLAKE3 hash of all bytes that its sender read; a sender that cannot hash tells none.
        root: Option<RootHash<'a>>,
        /// Checksum of all bytes, of the kind that was agreed; 16 to 64 bytes, or none.
        checksum: Option<&'a [u8]>,
    },
    /// Nothing more will be offered.
    End {
        /// Objects offered in the session.
        objects: u32,
        /// Sum of their sizes.
        bytes: u64,
    },
    /// The receiver's checks of an object were compared: these ranges will be sent and no others.
    Sending {
        /// Which object.
        object: ObjectId,
        /// Sorted, disjoint, within its size; possibly none.
        ranges: Ranges<'a>,
    },
    /// Some check of an object was wrong and the checks did not cover all that its receiver has: check all of it.
    Recheck(ObjectId),
    /// A symbolic link is offered.
    Link(LinkRecord<'a>),
    /// Owners and stored attributes of the object that the next OPEN record offers.
    Attributes(AttributesRecord<'a>),
}

/// A half-open range of byte offsets of one object.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Ranges of a record that was checked: sorted, disjoint, not empty, at most [`MAX_RESUME_RANGES`].
#[derive(Clone, Copy)]
pub struct Ranges<'a> {
    held: Held<'a>,
}

#[derive(Clone, Copy)]
enum Held<'a> {
    /// In a record: how many edges, and their encoding.
    Encoded(usize, &'a [u8]),
    /// In memory.
    Plain(&'a [ByteRange]),
}

impl<'a> Ranges<'a> {
    /// The first [`MAX_RESUME_RANGES`] of `ranges`, which must be sorted, disjoint and not empty.
    #[must_use]
    pub fn new(ranges: &'a [ByteRange]) -> Self {
        let most = ranges.len().min(MAX_RESUME_RANGES);
        Self {
            held: Held::Plain(ranges.get(..most).unwrap_or_default()),
        }
    }

    pub(crate) const fn encoded(edges: usize, bytes: &'a [u8]) -> Self {
        Self {
            held: Held::Encoded(edges, bytes),
        }
    }

    /// One after another.
    pub fn iter(&self) -> impl Iterator<Item = ByteRange> + 'a {
        let (count, bytes, plain) = match self.held {
            Held::Encoded(edges, bytes) => (edges / 2, bytes, &[][..]),
            Held::Plain(ranges) => (0, &[][..], ranges),
        };
        let mut edges = crate::control::cbor::Uints::new(bytes);
        let encoded = (0..count).map_while(move |_| {
            let (start, end) = (edges.next()?, edges.next()?);
            Some(ByteRange { start, end })
        });
        encoded.chain(plain.iter().copied())
    }
}

impl PartialEq for Ranges<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Ranges<'_> {}

impl core::fmt::Debug for Ranges<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Ranges<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        for range in self.iter() {
            defmt::write!(f, "{} ", range);
        }
    }
}

/// Most missing ranges that one RESUME record carries; a receiver merges beyond that.
pub const MAX_RESUME_RANGES: usize = 64;

/// A record of the DECIDE stream, receiver to sender.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator there is nothing to box; one record is held at a time"
)]
pub enum DecideRecord {
    /// Objects `first..=last`: send all bytes.
    Go {
        /// First object.
        first: ObjectId,
        /// Last object.
        last: ObjectId,
    },
    /// Objects `first..=last` are already there: send nothing. Final, no RESULT follows.
    Skip {
        /// First object.
        first: ObjectId,
        /// Last object.
        last: ObjectId,
    },
    /// Only these ranges of an object are missing; sorted, disjoint, not empty ranges.
    Resume {
        /// Which object.
        object: ObjectId,
        /// What is missing.
        missing: heapless::Vec<ByteRange, MAX_RESUME_RANGES>,
    },
    /// Everything there is of an object was checked: if every check is right nothing is to be sent, else all bytes.
    Compare(ObjectId),
    /// Objects `first..=last` are delivered under their final names, or failed.
    Result {
        /// First object.
        first: ObjectId,
        /// Last object.
        last: ObjectId,
        /// Why they failed; `None` if they are delivered.
        fault: Option<Fault>,
    },
}
