//! What a client wants besides the bytes: sources afterwards, and attributes that are stored beside or in files.
//!
//! Source: PROTOCOL.md §2.2, keys 34 to 36 of HELLO; the wishes are public options of `ascp`
//! (`--remove-after-transfer` and its companions, `--move-after-transfer`, `--preserve-xattrs`, `--preserve-acls`).

use super::cbor::{DecodeError, Full, MapReader, MapWriter};
use super::parallel::Share;

/// What the sender does to its sources when they are delivered. Nothing by default.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AfterTransfer {
    /// Remove the files that were delivered.
    pub remove_files: bool,
    /// Remove also those that were there already; needs `remove_files`.
    pub remove_skipped: bool,
    /// Remove folders below the sources that are empty at the end.
    pub remove_empty_folders: bool,
    /// And the sources themselves; needs `remove_empty_folders`.
    pub remove_source_folder: bool,
}

impl AfterTransfer {
    /// Its bits in HELLO.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.remove_files as u8
            | (self.remove_skipped as u8) << 1
            | (self.remove_empty_folders as u8) << 2
            | (self.remove_source_folder as u8) << 3
    }

    /// The wishes with these bits; `None` if another bit is set or they contradict each other.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        let wishes = Self {
            remove_files: number & 1 != 0,
            remove_skipped: number & 2 != 0,
            remove_empty_folders: number & 4 != 0,
            remove_source_folder: number & 8 != 0,
        };
        let skipped_alone = wishes.remove_skipped && !wishes.remove_files;
        let source_alone = wishes.remove_source_folder && !wishes.remove_empty_folders;
        if number > 15 || skipped_alone || source_alone {
            return None;
        }
        Some(wishes)
    }
}

/// Where one side has attributes that are no times, modes or owners.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Store {
    /// Nowhere: they are not kept.
    #[default]
    None,
    /// In its file system.
    Native,
    /// In a file beside each file.
    Metafile,
}

impl Store {
    const fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Native => 1,
            Self::Metafile => 2,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Native),
            2 => Some(Self::Metafile),
            _ => None,
        }
    }
}

/// Where the sender has one sort of attributes, and where the receiver puts them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Stores {
    /// At the sender.
    pub from: Store,
    /// At the receiver.
    pub to: Store,
}

impl Stores {
    /// Whether anything travels.
    #[must_use]
    pub fn any(self) -> bool {
        self.from != Store::None && self.to != Store::None
    }

    const fn number(self) -> u8 {
        self.from.number() | self.to.number() << 2
    }

    const fn from_number(number: u8) -> Option<Self> {
        match (
            Store::from_number(number & 3),
            Store::from_number(number >> 2),
        ) {
            (Some(from), Some(to)) => Some(Self { from, to }),
            _ => None,
        }
    }
}

/// Attributes that are kept besides times, modes and owners.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StoredAttributes {
    /// Extended attributes.
    pub xattrs: Stores,
    /// Access lists.
    pub acls: Stores,
}

impl StoredAttributes {
    /// Whether any travel.
    #[must_use]
    pub fn any(self) -> bool {
        self.xattrs.any() || self.acls.any()
    }

    /// Its bits in HELLO.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.xattrs.number() | self.acls.number() << 4
    }

    /// The wish with these bits; `None` for a store that is not known.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match (
            Stores::from_number(number & 15),
            Stores::from_number(number >> 4),
        ) {
            (Some(xattrs), Some(acls)) => Some(Self { xattrs, acls }),
            _ => None,
        }
    }
}

/// Wishes of a HELLO about files that are neither bytes, names, times nor modes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct FileWishes<'a> {
    /// What the server does to its sources; only in a download.
    pub afterwards: AfterTransfer,
    /// The folder to which the server moves its sources; only in a download, and not with files to be removed.
    pub archive: Option<&'a [u8]>,
    /// Extended attributes and access lists.
    pub stored: StoredAttributes,
    /// Other sessions send the rest.
    pub share: Share,
    /// Files of at least so many bytes are split between them; 0 for none.
    pub split_from: u64,
}

impl<'a> FileWishes<'a> {
    /// Whether sources change when they are delivered.
    #[must_use]
    pub fn changes_sources(&self) -> bool {
        self.archive.is_some() || self.afterwards != AfterTransfer::default()
    }

    /// All but the share and what is split, whose keys come later.
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        if self.afterwards != AfterTransfer::default() {
            map.uint(34, self.afterwards.number().into())?;
        }
        if let Some(archive) = self.archive {
            map.bytes(35, archive)?;
        }
        if self.stored != StoredAttributes::default() {
            map.uint(36, self.stored.number().into())?;
        }
        Ok(())
    }

    /// All but the share and what is split, whose keys come later.
    pub(super) fn read(map: &mut MapReader<'a>) -> Result<Self, DecodeError> {
        let bits = map.optional_number(34)?.unwrap_or(0);
        let afterwards =
            AfterTransfer::from_number(bits).ok_or(DecodeError::OutOfRange { key: 34 })?;
        let archive = map.optional_bytes(35)?;
        if archive.is_some_and(<[u8]>::is_empty) || (archive.is_some() && afterwards.remove_files) {
            return Err(DecodeError::OutOfRange { key: 35 });
        }
        let bits = map.optional_number(36)?.unwrap_or(0);
        let stored =
            StoredAttributes::from_number(bits).ok_or(DecodeError::OutOfRange { key: 36 })?;
        Ok(Self {
            afterwards,
            archive,
            stored,
            share: Share::ALL,
            split_from: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_one_wish_or_none() {
        for number in 0..=u8::MAX {
            if let Some(wish) = AfterTransfer::from_number(number) {
                assert_eq!(wish.number(), number);
            }
            if let Some(stored) = StoredAttributes::from_number(number) {
                assert_eq!(stored.number(), number);
            }
        }
        assert_eq!(AfterTransfer::from_number(2), None);
        assert_eq!(AfterTransfer::from_number(8), None);
        assert_eq!(AfterTransfer::from_number(16), None);
        assert_eq!(StoredAttributes::from_number(3), None);
        assert_eq!(StoredAttributes::from_number(0x30), None);
    }

    #[test]
    fn attributes_travel_only_from_somewhere_to_somewhere() {
        let stores = |from, to| Stores { from, to };
        assert!(stores(Store::Native, Store::Metafile).any());
        assert!(!stores(Store::Native, Store::None).any());
        assert!(!stores(Store::None, Store::Native).any());
    }
}
