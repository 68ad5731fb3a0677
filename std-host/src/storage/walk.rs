//! Lists what the sources hold, one item at a time, in an order that depends on names alone.
//!
//! Depth first, names of a folder in byte order, a folder before its content. Memory holds the names of the folders
//! that are open, never the whole tree. What cannot be sent comes as a [`SourceProblem`] in its place and the walk goes
//! on; what the [`Choice`] leaves out does not come at all, and a folder that it leaves out is not entered.
//!
//! Source: the last component of a source names it at the destination, with or without a trailing
//! `/` (public behaviour). That `.`, `..` and `/` stand for their content alone is our choice.

mod folder;
mod naming;
mod sealing;

use std::ffi::CStr;
use std::sync::Arc;

use fasp_core::fault::Fault;
use fasp_core::metadata::{MAX_TARGET, ObjectKind};
use fasp_core::selection::links::LinkTreatment;
use fasp_core::selection::{EntryKind, Rule};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::attributes::{accessed_ns, changed_ns, modified_ns, size_of_file};
use super::disk_fault::{named, read_failure, shown};
use super::docroot::Docroot;
use super::faux::{FauxSource, Fill, is_faux};
use super::selection::{self, Choice};
use super::source_list::{NamedSource, SourceNames};
use super::split_file::Splitting;
use super::stored_attributes::OwnedAttributes;
use crate::envelope::Seal;
use crate::failure::Failure;
use folder::Folder;
pub use naming::base_name;
use naming::{below_base, join, open_base};

/// Longest path that the system takes in one call, with its end mark.
const PATH_MAX: usize = 4096;

/// Levels that keep their descriptor; those above are opened again when the walk returns to them.
const OPEN_LEVELS: usize = 32;

/// A file, folder or link to send.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceItem {
    /// Its path below the destination, as the record carries it.
    pub path: Vec<u8>,
    /// How the docroot reaches it.
    pub open_path: Vec<u8>,
    /// File or folder.
    pub kind: ObjectKind,
    /// It is a link, sent as such.
    pub link: Option<LinkToSend>,
    /// Bytes to send of a file; 0 for a folder.
    pub size: u64,
    /// Where in the file they begin.
    pub start: u64,
    /// Bytes of the whole file; 0 for a folder.
    pub file_size: u64,
    /// Modification time, nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// Access time, nanoseconds since the Unix epoch.
    pub accessed_ns: i64,
    /// Permission bits (`0o7777`).
    pub mode: u32,
    /// The file's number in its file system: the same path may lead to another file later.
    pub inode: u64,
    /// The file system.
    pub device: u64,
    /// When anything about it was changed last, nanoseconds since the Unix epoch.
    pub changed_ns: i64,
    /// Number of its owner.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
    /// What is sent of it besides its record.
    pub attributes: Option<Box<OwnedAttributes>>,
    /// Its bytes are made up, and nothing of it is on a disk.
    pub made: Option<Fill>,
    /// It is a part of a file that several sessions send.
    pub splits: bool,
    /// What is sent is its envelope, of `size` bytes.
    pub seal: Option<Arc<Seal>>,
}

/// A link that is sent as a link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinkToSend {
    /// Where it leads to, as it is written there.
    pub target: Vec<u8>,
    /// It takes the place of what has its name at the destination.
    pub replaces: bool,
}

/// Something that was named or found and cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceProblem {
    /// How the docroot would reach it.
    pub path: Vec<u8>,
    /// Why.
    pub fault: Fault,
    /// The sentence for the user; names the path.
    pub text: String,
    /// It is meant to be left out: that is written to the log and is no failure.
    pub only_logged: bool,
}

/// What a place of the walk came to; `None` if it is passed over.
type Found = Result<Option<SourceItem>, Failure>;

/// The walk over all sources of a session.
pub struct SourceWalk<'c> {
    docroot: Arc<Docroot>,
    sources: SourceNames,
    choice: &'c Choice,
    rules: Vec<Rule<'c>>,
    levels: Vec<Folder>,
    path: Vec<u8>,
    open_path: Vec<u8>,
    /// The source's own name, which rules look at, and how much of `path` stands for it where that is another one.
    own_name: Option<(Vec<u8>, usize)>,
    /// The files that the current source makes up.
    made: Option<FauxSource>,
}

impl<'c> SourceWalk<'c> {
    /// A walk over `sources` in the order given, as far as `choice` wants them.
    #[must_use]
    pub fn new(docroot: Arc<Docroot>, sources: SourceNames, choice: &'c Choice) -> Self {
        Self {
            docroot,
            sources,
            choice,
            rules: choice.rules.parsed(),
            levels: Vec::new(),
            path: Vec::new(),
            open_path: Vec::new(),
            own_name: None,
            made: None,
        }
    }

    /// Its path below the destination, empty if it stands for its content alone; `None` if it is outside of the base.
    fn name_of(&self, source: &NamedSource) -> Option<Vec<u8>> {
        match (&source.destination, &self.choice.base) {
            (Some(destination), _) => Some(destination.clone()),
            (None, Some(base)) => below_base(base, &source.path, self.docroot.is_confined()),
            (None, None) => Some(base_name(&source.path).to_vec()),
        }
    }

    /// A source argument, which `name` is to be its path at the destination.
    fn start(&mut self, source: &NamedSource, name: Vec<u8>) -> Found {
        self.path = name;
        let renamed = source.destination.is_some();
        self.own_name = renamed.then(|| (base_name(&source.path).to_vec(), self.path.len()));
        let source = source.path.as_slice();
        self.open_path = source.to_vec();
        let failed = |error| read_failure(source, error);
        if !self.follows_links() {
            let stat = self.docroot.stat_itself(source).map_err(failed)?;
            if is_link(&stat) {
                self.name_by(source);
                return self.link(&stat);
            }
        }
        let stat = self.docroot.stat(source).map_err(failed)?;
        if !is_folder(&stat) {
            self.name_by(source);
            return self.file(&stat);
        }
        if self.choice.part.is_some() {
            let text = format!("option -@ sends a part of one file: {}", shown(source));
            return Err(Failure::new(Fault::IsADirectory, text));
        }
        self.open_path = open_base(source, self.docroot.is_confined());
        if !self.path.is_empty() && self.is_excluded(EntryKind::Directory) {
            return Ok(None);
        }
        let item = (!self.path.is_empty()).then(|| self.item(&stat, ObjectKind::Directory));
        self.enter(&stat)?;
        Ok(item)
    }

    /// What is no folder cannot stand for its content: a base that is the source itself leaves it its last name.
    fn name_by(&mut self, source: &[u8]) {
        if self.path.is_empty() {
            self.path = base_name(source).to_vec();
        }
    }

    /// The next name of the innermost folder; `None` if it has no more.
    fn step(&mut self) -> Option<Found> {
        let level = self.levels.last_mut()?;
        if !level.advance() {
            self.levels.pop();
            return None;
        }
        let name = level.current().map(CStr::to_bytes).unwrap_or_default();
        join(&mut self.path, level.path_len, name);
        join(&mut self.open_path, level.open_path_len, name);
        let examined = level.examine_current(&self.docroot, &self.open_path);
        if let Ok(stat) = &examined
            && !level.admits_current(&self.docroot, is_folder(stat))
        {
            return Some(Ok(None));
        }
        Some(match examined {
            Ok(stat) if !is_link(&stat) => self.entry(&stat),
            Ok(stat) if !self.follows_links() => self.link(&stat),
            Ok(_) => match self.docroot.stat(&self.open_path) {
                Ok(stat) => self.entry(&stat),
                Err(_) if self.is_left_out() => Ok(None),
                Err(error) => Err(read_failure(&self.open_path, error)),
            },
            // Another session has sent it, and moved or removed it as it was told to.
            Err(Errno::NOENT) if !self.is_held() => Ok(None),
            Err(error) => Err(read_failure(&self.open_path, error)),
        })
    }

    /// What was found in a folder, links followed.
    fn entry(&mut self, stat: &Stat) -> Found {
        if self.open_path.len() >= PATH_MAX {
            return Err(named(&self.open_path, Fault::FilePathTooLong));
        }
        if !is_folder(stat) {
            return self.file(stat);
        }
        if self.is_excluded(EntryKind::Directory) {
            return Ok(None);
        }
        let item = self.item(stat, ObjectKind::Directory);
        let depth = self.levels.len();
        self.enter(stat)?;
        if let Some(far) = depth
            .checked_sub(OPEN_LEVELS)
            .and_then(|far| self.levels.get_mut(far))
        {
            far.close();
        }
        Ok(Some(item))
    }

    fn file(&self, stat: &Stat) -> Found {
        let splitting = Splitting {
            share: self.choice.share,
            from: self.choice.split_from,
        };
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let part = splitting.part_of(size_of_file(stat)).filter(|_| is_regular);
        let is_held = part.map_or_else(|| self.is_held(), |own| own.is_some());
        if !is_held || self.is_excluded(EntryKind::File) {
            return Ok(None);
        }
        if !is_regular {
            return if self.choice.skip_special {
                Ok(None)
            } else {
                Err(named(&self.open_path, Fault::NotRegular))
            };
        }
        if self.choice.excludes_time(modified_ns(stat)) {
            return Ok(None);
        }
        let readable = match self.levels.last() {
            Some(level) => level.current_is_readable(&self.docroot, &self.open_path),
            None => self.docroot.open_to_read(&self.open_path).map(drop),
        };
        readable.map_err(|error| read_failure(&self.open_path, error))?;
        let mut item = self.item(stat, ObjectKind::File);
        if let Some(part) = self.choice.part {
            if part.start >= item.file_size {
                let (path, size) = (shown(&self.open_path), item.file_size);
                let text = format!("option -@ begins behind the end: {path} has {size} bytes");
                return Err(Failure::new(Fault::Usage, text));
            }
            let end = part.end.unwrap_or(item.file_size).min(item.file_size);
            (item.start, item.size) = (part.start, end - part.start);
        }
        if let Some(own) = part.flatten() {
            (item.start, item.size) = (own.start, own.end - own.start);
            item.splits = true;
        }
        self.seal(&mut item);
        Ok(Some(item))
    }

    /// A link that is not followed.
    fn link(&self, stat: &Stat) -> Found {
        let replaces = self.choice.links == LinkTreatment::CopyForce;
        if self.choice.links == LinkTreatment::Skip || self.is_left_out() {
            return Ok(None);
        }
        let target = match self.levels.last() {
            Some(level) => level.read_current_link(),
            None => self.docroot.read_link(&self.open_path),
        };
        let target = target.map_err(|error| read_failure(&self.open_path, error))?;
        if target.len() > MAX_TARGET {
            return Err(named(&self.open_path, Fault::FilePathTooLong));
        }
        let mut item = self.item(stat, ObjectKind::File);
        (item.size, item.file_size) = (0, 0);
        item.link = Some(LinkToSend { target, replaces });
        Ok(Some(item))
    }

    const fn follows_links(&self) -> bool {
        matches!(
            self.choice.links,
            LinkTreatment::Follow | LinkTreatment::FollowAnywhere
        )
    }

    /// Whether no file or link at the current path is sent.
    fn is_left_out(&self) -> bool {
        !self.is_held() || self.is_excluded(EntryKind::File)
    }

    /// Whether it is this session of several that sends a file or link at the current path.
    fn is_held(&self) -> bool {
        self.choice.share.holds(&self.path)
    }

    /// Whether the rules leave out what stands at the current path.
    fn is_excluded(&self, kind: EntryKind) -> bool {
        match &self.own_name {
            Some((name, length)) if !self.rules.is_empty() => {
                let below = self.path.get(*length..).unwrap_or_default();
                let path = [name.as_slice(), below].concat();
                // What stands for its content alone has no name of its own to begin with.
                let path = path.strip_prefix(b"/").unwrap_or(&path);
                !path.is_empty() && selection::excludes(&self.rules, path, kind)
            }
            _ => selection::excludes(&self.rules, &self.path, kind),
        }
    }

    /// Goes into the folder at the current path.
    fn enter(&mut self, stat: &Stat) -> Result<(), Failure> {
        let identity = (stat.st_dev, stat.st_ino);
        if self.levels.iter().any(|level| level.identity == identity) {
            return Err(named(&self.open_path, Fault::LinkLoop));
        }
        let folder = Folder::read(
            &self.docroot,
            &self.open_path,
            (self.path.len(), self.open_path.len()),
            identity,
        )
        .map_err(|error| read_failure(&self.open_path, error))?;
        self.levels.push(folder);
        Ok(())
    }

    fn item(&self, stat: &Stat, kind: ObjectKind) -> SourceItem {
        let size = match kind {
            ObjectKind::File => size_of_file(stat),
            _ => 0,
        };
        SourceItem {
            path: self.path.clone(),
            open_path: self.open_path.clone(),
            kind,
            link: None,
            size,
            start: 0,
            file_size: size,
            modified_ns: modified_ns(stat),
            accessed_ns: accessed_ns(stat),
            mode: stat.st_mode & 0o7777,
            inode: stat.st_ino,
            device: stat.st_dev,
            changed_ns: changed_ns(stat),
            uid: stat.st_uid,
            gid: stat.st_gid,
            attributes: None,
            made: None,
            splits: false,
            seal: None,
        }
    }

    /// Where files are encrypted: what is sent of `item`, a file, is its envelope.
    fn seal(&self, item: &mut SourceItem) {
        if let Some(sealer) = self
            .choice
            .sealer
            .as_ref()
            .filter(|_| item.kind == ObjectKind::File)
        {
            sealing::seal(item, sealer);
        }
    }

    /// The next source of the list, until there is something to tell of it.
    fn next_source(&mut self) -> Option<Result<Option<SourceItem>, SourceProblem>> {
        let source = match self.sources.next()? {
            Ok(source) => source,
            Err(failure) => return Some(Err(problem(b"", failure))),
        };
        if is_faux(&source.path) {
            let made = FauxSource::parse(&source.path);
            return Some(match made {
                Ok(made) => {
                    self.made = Some(made);
                    Ok(None)
                }
                Err(failure) => Err(problem(&source.path, failure)),
            });
        }
        let Some(name) = self.name_of(&source) else {
            let text = format!("{}: outside of the source base", shown(&source.path));
            let failure = Failure::new(Fault::NothingToTransfer, text);
            return Some(Err(SourceProblem {
                only_logged: true,
                ..problem(&source.path, failure)
            }));
        };
        let found = self.start(&source, name);
        Some(found.map_err(|failure| problem(&source.path, failure)))
    }
}

impl std::fmt::Debug for SourceWalk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceWalk")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Iterator for SourceWalk<'_> {
    type Item = Result<SourceItem, SourceProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(mut item) = self.made.as_mut().and_then(Iterator::next) {
                if item.kind == ObjectKind::File && !self.choice.share.holds(&item.path) {
                    continue;
                }
                self.seal(&mut item);
                return Some(Ok(item));
            }
            let found = if self.levels.is_empty() {
                self.next_source()?
            } else {
                match self.step() {
                    Some(found) => found.map_err(|failure| problem(&self.open_path, failure)),
                    None => continue,
                }
            };
            if let Some(found) = found.transpose() {
                return Some(found);
            }
        }
    }
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

fn problem(path: &[u8], failure: Failure) -> SourceProblem {
    SourceProblem {
        path: path.to_vec(),
        fault: failure.fault,
        text: failure.text,
        only_logged: false,
    }
}

#[cfg(test)]
mod tests;
