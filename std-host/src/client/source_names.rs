//! The client's sources: the operands, or a list that is opened before anybody is called.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use fasp_core::fault::Fault;

use crate::cli::settings::{ListPlace, ListWish, TransferSettings};
use crate::failure::{Failure, Outcome};
use crate::storage::disk_fault::shown;
use crate::storage::source_list::{SourceList, SourceNames};

/// A list, of which the first source was read.
#[derive(Debug)]
pub(super) struct OpenList {
    wish: ListWish,
    prefix: Option<Vec<u8>>,
    /// Not given to a session yet.
    names: Option<SourceNames>,
}

impl OpenList {
    /// Opens the list that `settings` ask for, if they do.
    ///
    /// # Errors
    ///
    /// The fault of opening or reading it, [`Fault::NothingToTransfer`] if it is empty, and [`Fault::Usage`] if it cannot
    /// be read again for a session that goes on.
    pub(super) fn open(settings: &TransferSettings) -> Outcome<Option<Self>> {
        let Some(wish) = settings.selection.list.clone() else {
            return Ok(None);
        };
        if !settings.retry_timeout.is_zero() && !is_regular(&wish.place) {
            let text = format!(
                "option --retry-timeout needs a list that can be read again: {} is no regular file",
                name_of(&wish)
            );
            return Err(Failure::new(Fault::Usage, text));
        }
        let prefix = settings.selection.prefix.clone();
        let names = Some(read(&wish, prefix.clone())?);
        Ok(Some(Self {
            wish,
            prefix,
            names,
        }))
    }

    /// All its sources, from the first on.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], when it is read again.
    pub(super) fn names(&mut self) -> Outcome<SourceNames> {
        match self.names.take() {
            Some(names) => Ok(names),
            None => read(&self.wish, self.prefix.clone()),
        }
    }
}

/// What a list is called in messages and logs.
pub(super) fn name_of(wish: &ListWish) -> String {
    match &wish.place {
        ListPlace::StandardInput => "standard input".to_owned(),
        ListPlace::File(path) => shown(path.as_os_str().as_bytes()),
    }
}

fn is_regular(place: &ListPlace) -> bool {
    match place {
        ListPlace::StandardInput => false,
        ListPlace::File(path) => path.metadata().is_ok_and(|metadata| metadata.is_file()),
    }
}

fn read(wish: &ListWish, prefix: Option<Vec<u8>>) -> Outcome<SourceNames> {
    let name = name_of(wish);
    let reader: Box<dyn BufRead + Send> = match &wish.place {
        ListPlace::StandardInput => Box::new(BufReader::new(std::io::stdin())),
        ListPlace::File(path) => Box::new(BufReader::new(open(path)?)),
    };
    let mut list = SourceList::new(reader, name.clone(), wish.pairs, prefix);
    // An error may be about this one alone; the others follow.
    let Some(first) = list.next() else {
        let text = format!(
            "{}: the list {name} is empty",
            Fault::NothingToTransfer.text()
        );
        return Err(Failure::new(Fault::NothingToTransfer, text));
    };
    if let Err(failure) = &first
        && list.has_ended()
    {
        return Err(failure.clone());
    }
    Ok(SourceNames::new(std::iter::once(first).chain(list)))
}

fn open(path: &Path) -> Outcome<File> {
    File::open(path).map_err(|error| {
        let fault = match error.kind() {
            std::io::ErrorKind::NotFound => Fault::NoSuchFile,
            std::io::ErrorKind::PermissionDenied => Fault::NoPermissions,
            _ => Fault::DiskRead,
        };
        let text = format!(
            "{}: the list {}",
            fault.text(),
            shown(path.as_os_str().as_bytes())
        );
        Failure::new(fault, text)
    })
}
