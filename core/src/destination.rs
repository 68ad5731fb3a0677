//! Where received items land: new name or inside the folder, and which record paths are allowed.
//!
//! Pure decisions on facts that the host found out; no file system here. That a path stays below
//! the document root on disk (symbolic links) is the host's work on top of this.
//!
//! Source: the destination table in the public `ascp` documentation; limits of PROTOCOL.md §6.1.

use crate::fault::Fault;

/// Most bytes of a record path.
pub const MAX_PATH: usize = 4_096;
/// Most bytes of one component of a record path.
pub const MAX_COMPONENT: usize = 255;

/// What is known about a session's sources and destination.
///
/// The destination is meant without its trailing slashes and without a last component `.`:
/// `d/f/`, `d/f/.` and `d/f` all ask about `d/f`. An empty remainder (`.`, `/`) is the folder
/// itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Facts {
    /// Sources that the user named.
    pub sources: u32,
    /// `-d`: create the destination folder.
    pub create: bool,
    /// The destination exists and is a folder, or a symbolic link to one.
    pub destination_is_dir: bool,
    /// The destination exists.
    pub destination_exists: bool,
    /// The folder that holds the destination exists.
    pub parent_exists: bool,
    /// The destination as written ends in `/.`: it can only mean a folder.
    pub ends_with_dot: bool,
}

/// How record paths turn into paths at the destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Placement {
    /// Record paths go below the destination as they are.
    Into,
    /// The destination itself takes the place of the first component of record paths.
    Rename,
}

/// What is to be done with the destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plan {
    /// How record paths turn into paths at the destination.
    pub placement: Placement,
    /// The destination folder, with the folders above it, must be created first.
    pub creates_destination: bool,
}

/// Decides whether the items get a new name or go inside a folder.
///
/// An existing folder always takes the items inside. Otherwise `-d` makes one; otherwise a single
/// source is renamed, if the folder above exists, and replaces a file of that name.
///
/// # Errors
///
/// * [`Fault::NotADirectory`]: several sources, `-d` or `/.` need a folder and the destination
///   exists as something else; or several sources and it does not exist.
/// * [`Fault::NoSuchFile`]: the folder that would hold the new name does not exist.
pub const fn plan(facts: Facts) -> Result<Plan, Fault> {
    if facts.destination_is_dir {
        return Ok(Plan {
            placement: Placement::Into,
            creates_destination: false,
        });
    }
    if facts.destination_exists {
        if facts.sources > 1 || facts.create || facts.ends_with_dot {
            return Err(Fault::NotADirectory);
        }
        return Ok(Plan {
            placement: Placement::Rename,
            creates_destination: false,
        });
    }
    if facts.create {
        return Ok(Plan {
            placement: Placement::Into,
            creates_destination: true,
        });
    }
    if facts.sources > 1 {
        return Err(Fault::NotADirectory);
    }
    if !facts.parent_exists {
        return Err(Fault::NoSuchFile);
    }
    Ok(Plan {
        placement: Placement::Rename,
        creates_destination: false,
    })
}

/// Why bytes are not a path that a record may carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum PathError {
    /// No byte at all.
    #[error("the path is empty")]
    Empty,
    /// More than [`MAX_PATH`] bytes.
    #[error("the path is longer than 4096 bytes")]
    TooLong,
    /// It starts with `/`.
    #[error("the path starts with a slash")]
    Absolute,
    /// Two slashes in a row, or one at the end.
    #[error("the path has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("the path has a component . or ..")]
    DotComponent,
    /// A component has more than [`MAX_COMPONENT`] bytes.
    #[error("the path has a component of more than 255 bytes")]
    ComponentTooLong,
    /// A byte is NUL.
    #[error("the path holds a zero byte")]
    Nul,
}

/// Checks a record path and cuts it into its components.
///
/// # Errors
///
/// [`PathError`] if the path could mean anything but a name below the destination.
pub fn split_relative(path: &[u8]) -> Result<Components<'_>, PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.len() > MAX_PATH {
        return Err(PathError::TooLong);
    }
    if path.starts_with(b"/") {
        return Err(PathError::Absolute);
    }
    if path.contains(&0) {
        return Err(PathError::Nul);
    }
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" => return Err(PathError::EmptyComponent),
            b"." | b".." => return Err(PathError::DotComponent),
            long if long.len() > MAX_COMPONENT => return Err(PathError::ComponentTooLong),
            _ => {}
        }
    }
    Ok(Components { rest: Some(path) })
}

/// Components of a checked record path, first to last; there is at least one.
#[derive(Clone, Debug)]
pub struct Components<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Components<'a> {
    /// What is left as one path: everything at first, `None` after the last component.
    #[must_use]
    pub const fn as_path(&self) -> Option<&'a [u8]> {
        self.rest
    }
}

impl<'a> Iterator for Components<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.rest.take()?;
        let mut parts = path.splitn(2, |byte| *byte == b'/');
        let component = parts.next()?;
        self.rest = parts.next();
        Some(component)
    }
}

#[cfg(test)]
mod tests;
