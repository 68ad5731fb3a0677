//! Extended attributes and access lists of files: in the file system (`native`), beside the file (`metafile`), and on
//! the way between both.
//!
//! Whoever receives them decides: of what a peer sends, names of other spaces than the user's are passed over, unless
//! this is root outside of a docroot, and then `trusted.` alone is added. `security.` would give files capabilities
//! and labels, which is as far from bytes as a setuid bit, and is never sent nor taken.
//!
//! Source: PROTOCOL.md §10.4; on Linux an access list is the attribute `system.posix_acl_access`.

mod metafile;
mod native;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fasp_core::control::{Store, StoredAttributes, Stores};
use fasp_core::fault::Fault;
use fasp_core::metadata::ObjectKind;
use fasp_core::metadata::attributes::{AttributesRecord, MAX_STORED, PartOf};

use super::disk_fault::shown;
use super::docroot::Docroot;
use super::walk::{SourceItem, SourceProblem};
use crate::failure::{Failure, Outcome};

/// What one attribute is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Sort {
    /// An extended attribute.
    Xattr,
    /// An access list.
    Acl,
}

/// One attribute.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Stored {
    pub(super) sort: Sort,
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// Attributes that an object's record has no place for, as they travel.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnedAttributes {
    /// Number of the owner.
    pub uid: Option<u32>,
    /// Number of the group.
    pub gid: Option<u32>,
    /// Extended attributes and access lists, encoded.
    pub stored: Vec<u8>,
    /// It is a part of this.
    pub part_of: Option<PartOf>,
}

impl From<AttributesRecord<'_>> for OwnedAttributes {
    fn from(record: AttributesRecord<'_>) -> Self {
        Self {
            uid: record.owner_uid,
            gid: record.owner_gid,
            stored: record.stored.to_vec(),
            part_of: record.part_of,
        }
    }
}

/// What of sources is sent besides their records.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SentAttributes {
    /// Owners.
    pub uids: bool,
    /// Groups.
    pub gids: bool,
    /// Extended attributes and access lists.
    pub stored: StoredAttributes,
}

impl SentAttributes {
    /// Whether anything is.
    #[must_use]
    pub fn any(self) -> bool {
        self.uids || self.gids || self.stored.any()
    }

    /// The attributes of `item`; `None` if it is a file of attributes itself, which does not travel.
    ///
    /// # Errors
    ///
    /// Why they cannot be had, or that they are more than one record takes; the item is not sent then.
    pub fn read(
        self,
        docroot: &Arc<Docroot>,
        item: &SourceItem,
    ) -> Result<Option<OwnedAttributes>, SourceProblem> {
        if self.is_metafile(docroot, item) {
            return Ok(None);
        }
        let mut attributes = OwnedAttributes {
            uid: self.uids.then_some(item.uid),
            gid: self.gids.then_some(item.gid),
            stored: Vec::new(),
            part_of: item.splits.then_some(PartOf {
                size: item.file_size,
                changed_ns: item.changed_ns,
            }),
        };
        let is_file = item.kind == ObjectKind::File && item.link.is_none() && item.made.is_none();
        if is_file && self.stored.any() {
            let stored = self
                .stored_of(docroot, item)
                .map_err(|failure| SourceProblem {
                    path: item.open_path.clone(),
                    fault: failure.fault,
                    text: failure.text,
                    only_logged: false,
                })?;
            attributes.stored = stored;
        }
        Ok(Some(attributes))
    }

    fn stored_of(self, docroot: &Arc<Docroot>, item: &SourceItem) -> Outcome<Vec<u8>> {
        let path = &item.open_path;
        let StoredAttributes { xattrs, acls } = self.stored;
        let is_from = |stores: Stores, store| stores.any() && stores.from == store;
        let mut found = Vec::new();
        if is_from(xattrs, Store::Native) || is_from(acls, Store::Native) {
            let file = docroot
                .open_to_read(path)
                .map_err(|error| cannot(path, &error))?;
            if is_from(xattrs, Store::Native) {
                native::read_xattrs(&file, &mut found).map_err(|error| cannot(path, &error))?;
            }
            if is_from(acls, Store::Native) {
                native::read_acl(&file, &mut found).map_err(|error| cannot(path, &error))?;
            }
        }
        if is_from(xattrs, Store::Metafile) || is_from(acls, Store::Metafile) {
            let mut noted = metafile::read(docroot, path)?;
            noted.retain(|stored| match stored.sort {
                Sort::Xattr => is_from(xattrs, Store::Metafile),
                Sort::Acl => is_from(acls, Store::Metafile),
            });
            found.append(&mut noted);
        }
        found.sort_unstable();
        encode(&found).ok_or_else(|| {
            let text = format!(
                "{}: its extended attributes and access lists are more than the {MAX_STORED} bytes that can be sent",
                shown(path)
            );
            Failure::new(Fault::FileTooBig, text)
        })
    }

    /// Whether `item` accompanies another source and holds the attributes of that.
    fn is_metafile(self, docroot: &Docroot, item: &SourceItem) -> bool {
        let StoredAttributes { xattrs, acls } = self.stored;
        let from_files = [xattrs, acls]
            .into_iter()
            .any(|stores| stores.any() && stores.from == Store::Metafile);
        from_files
            && item.kind == ObjectKind::File
            && item
                .open_path
                .strip_suffix(metafile::SUFFIX)
                .is_some_and(|file| !file.is_empty() && docroot.stat(file).is_ok())
    }
}

/// What of the attributes that come is kept, and where.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeptAttributes {
    /// Where extended attributes go.
    pub xattrs: Store,
    /// Where access lists go.
    pub acls: Store,
}

impl KeptAttributes {
    /// The receiver's part of what was agreed.
    #[must_use]
    pub fn of(stored: StoredAttributes) -> Self {
        let to = |stores: Stores| if stores.any() { stores.to } else { Store::None };
        Self {
            xattrs: to(stored.xattrs),
            acls: to(stored.acls),
        }
    }

    fn store_of(self, sort: Sort) -> Store {
        match sort {
            Sort::Xattr => self.xattrs,
            Sort::Acl => self.acls,
        }
    }

    /// Gives `file`, which will be `name` in `folder`, the attributes `stored`.
    ///
    /// # Errors
    ///
    /// Why not all could be kept.
    pub(super) fn apply(
        self,
        stored: &[u8],
        file: &OwnedFd,
        place: (&OwnedFd, &[u8], &[u8]),
        is_confined: bool,
    ) -> Outcome<()> {
        let (folder, name, path) = place;
        let takes_trusted = !is_confined && rustix::process::geteuid().is_root();
        let all = decode(stored).ok_or_else(|| {
            Failure::new(
                Fault::Protocol,
                format!("{}: the peer sent attributes that cannot be", shown(path)),
            )
        })?;
        let (mut own, mut beside) = (Vec::new(), Vec::new());
        for one in all {
            match self.store_of(one.sort) {
                Store::Native => own.push(one),
                Store::Metafile => beside.push(one),
                Store::None => {}
            }
        }
        for one in own.iter().filter(|one| is_taken(one, takes_trusted)) {
            native::write(file, one).map_err(|error| cannot(path, &error))?;
        }
        if [self.xattrs, self.acls].contains(&Store::Metafile) {
            metafile::write(folder, name, path, &beside)?;
        }
        Ok(())
    }
}

/// Whether an attribute that came is taken over into the file system.
fn is_taken(stored: &Stored, takes_trusted: bool) -> bool {
    match stored.sort {
        Sort::Acl => stored.name == native::ACCESS,
        Sort::Xattr => {
            stored.name.starts_with(b"user.")
                || (takes_trusted && stored.name.starts_with(b"trusted."))
        }
    }
}

fn cannot(path: &[u8], error: &rustix::io::Errno) -> Failure {
    let text = format!("{}: its attributes cannot be kept ({error})", shown(path));
    Failure::new(Fault::DiskWrite, text)
}

/// `None` if it is more than a record takes.
fn encode(all: &[Stored]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for stored in all {
        bytes.push(match stored.sort {
            Sort::Xattr => 1,
            Sort::Acl => 2,
        });
        bytes.push(u8::try_from(stored.name.len()).ok()?);
        bytes.extend_from_slice(&stored.name);
        bytes.extend_from_slice(&u16::try_from(stored.value.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(&stored.value);
    }
    (bytes.len() <= MAX_STORED).then_some(bytes)
}

/// `None` if the bytes are not what [`encode`] makes.
fn decode(mut bytes: &[u8]) -> Option<Vec<Stored>> {
    let mut all = Vec::new();
    while let Some((sort, rest)) = bytes.split_first() {
        let sort = match sort {
            1 => Sort::Xattr,
            2 => Sort::Acl,
            _ => return None,
        };
        let (length, rest) = rest.split_first()?;
        let (name, rest) = rest.split_at_checked((*length).into())?;
        let (length, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        if name.is_empty() || name.contains(&0) {
            return None;
        }
        all.push(Stored {
            sort,
            name: name.to_vec(),
            value: value.to_vec(),
        });
        bytes = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests;
