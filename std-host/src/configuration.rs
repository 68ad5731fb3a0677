//! `aspera.conf`: what an administrator decides, for everybody, for a group, for one user.
//!
//! [`elements`] is the table of every element that is known and of what is done with it; [`Configuration`] is one file,
//! read and checked; [`Effective`] is what of it holds for one user. A file that is wrong stops the program with the
//! line; an element that nobody knows is a warning with the line.
//!
//! Source: names, values, defaults and precedence of the elements are public facts.

pub mod client_elements;
mod document;
mod effective;
pub mod elements;
mod example;
mod place;
mod reference;
mod section;
mod system_users;
#[cfg(test)]
mod tests;
mod trunks;
mod value;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use fasp_core::fault::Fault;

pub use self::effective::{DocrootSettings, Effective, Origin};
pub use self::example::example_file;
pub use self::place::find;
pub use self::reference::reference_table;
pub use self::section::{Section, Setting};
pub use self::system_users::SystemUser;
pub use self::trunks::{DEFAULT_RUN_DIRECTORY, Trunk};
pub use self::value::Kind;
use crate::failure::{Failure, Outcome};

/// Most bytes of a configuration file.
const MOST_BYTES: u64 = 4 << 20;

/// A user or a group with settings of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// Login name, or the system's name of the group.
    pub name: String,
    /// Which of several groups goes first: the lowest.
    pub precedence: u64,
    /// What it changes.
    pub section: Section,
}

/// Whose settings are looked for in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Audience {
    /// Those of a server: every element is checked.
    Server,
    /// Those of a client: what only servers use is passed over, right or wrong.
    Client,
}

/// One file, read and checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Configuration {
    /// Where it was read from; nowhere for the built-in one.
    pub path: Option<PathBuf>,
    /// `<default>`.
    pub default: Section,
    /// `<client>`.
    pub client: Section,
    /// `<server>`.
    pub server: Section,
    /// Users in the order of the file.
    pub users: Vec<Party>,
    /// Groups in the order of the file.
    pub groups: Vec<Party>,
    /// Virtual links.
    pub trunks: Vec<Trunk>,
    /// Where processes on one trunk find one another.
    pub trunk_directory: Option<PathBuf>,
    /// Sentences about what is unknown or not used here, each with its line.
    pub warnings: Vec<String>,
}

impl Configuration {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`]: the file cannot be read, is no XML, or a value is wrong; the sentence names the
    /// file, the line and the element.
    pub fn read(path: &Path) -> Outcome<Self> {
        Self::read_for(path, Audience::Server)
    }

    /// Reads the file at `path` and checks what concerns `audience`.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_for(path: &Path, audience: Audience) -> Outcome<Self> {
        let text =
            read_text(path).map_err(|why| bad(format!("cannot read {}: {why}", path.display())))?;
        let mut configuration = document::read(&text, audience)
            .map_err(|why| bad(format!("{}, {why}", path.display())))?;
        for warning in &mut configuration.warnings {
            *warning = format!("{}, {warning}", path.display());
        }
        configuration.path = Some(path.to_owned());
        Ok(configuration)
    }

    /// Reads and checks the text of a file.
    ///
    /// # Errors
    ///
    /// `line N: ...`, one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        document::read(text, Audience::Server)
    }

    /// What holds for `user`, who belongs to `groups`.
    #[must_use]
    pub fn for_user(&self, user: &str, groups: &[String]) -> Effective<'_> {
        Effective::new(self, user, groups)
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    // Bounded while it is read: a pipe or a device does not say how much will come.
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(format!("it has more than {MOST_BYTES} bytes"));
    }
    Ok(text)
}

fn bad(text: String) -> Failure {
    Failure::new(Fault::BadConfiguration, text)
}
