//! Every fact the command line takes from outside its arguments, named once.
//!
//! Reads; decides nothing. Tests give their own [`Environment`], so no test changes the
//! process's variables.
//!
//! Source: the names and what they are for are public ([`VARIABLES`]). Other `ASPERA_*` variables are not read, as public
//! callers expect.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use fasp_core::fault::Fault;

use super::secret::Secret;
use crate::configuration::{self, SystemUser};
use crate::failure::{Failure, Outcome};

/// The login password, or the passphrase of the private key.
pub const PASSWORD_VARIABLE: &str = "ASPERA_SCP_PASS";

/// The text of a private key, instead of a key file.
pub const KEY_VARIABLE: &str = "ASPERA_SCP_KEY";

/// Words for the logs of both sides.
pub const COOKIE_VARIABLE: &str = "ASPERA_SCP_COOKIE";

/// The passphrase of files that are encrypted at rest.
pub const FILE_PASSPHRASE_VARIABLE: &str = "ASPERA_SCP_FILEPASS";

/// What authorizes the transfer; `-W` goes first.
pub const TOKEN_VARIABLE: &str = "ASPERA_SCP_TOKEN";

/// The folder that local paths cannot leave; the docroot of the configuration goes first where it is asked for.
pub const DOCROOT_VARIABLE: &str = "ASPERA_SCP_DOCROOT";

/// What is done with a variable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    /// It says this.
    Read(&'static str),
    /// It belongs to something that this version refuses by name; alone it changes nothing.
    WithRefused(&'static str),
}

/// Every variable of the public reference.
pub const VARIABLES: &[(&str, Use)] = &[
    (
        "ASPERA_DST_PASS",
        Use::WithRefused("object storage as destination"),
    ),
    (
        "ASPERA_LOCAL_TOKEN",
        Use::WithRefused("logging in without SSH"),
    ),
    ("ASPERA_PROXY_PASS", Use::WithRefused("--proxy")),
    (
        COOKIE_VARIABLE,
        Use::Read("words for the logs of both sides"),
    ),
    (
        DOCROOT_VARIABLE,
        Use::Read("folder that local paths cannot leave"),
    ),
    (
        FILE_PASSPHRASE_VARIABLE,
        Use::Read("passphrase of --file-crypt"),
    ),
    (
        KEY_VARIABLE,
        Use::Read("text of a private key, instead of -i"),
    ),
    (
        PASSWORD_VARIABLE,
        Use::Read("password, or passphrase of the private key"),
    ),
    (
        TOKEN_VARIABLE,
        Use::Read("token that authorizes the transfer, instead of -W"),
    ),
    (
        "ASPERA_SRC_PASS",
        Use::WithRefused("object storage as source"),
    ),
];

/// What surrounds one run of the program.
pub trait Environment {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<OsString>;

    /// Whether something exists at `path`, seen from the working folder.
    fn file_exists(&self, path: &Path) -> bool;

    /// The name of the local user, the default login name.
    fn user_name(&self) -> Option<String>;

    /// The configuration file of this computer, if it has one.
    fn configuration_file(&self) -> Option<PathBuf>;

    /// The account that runs the program, if the system knows it.
    fn account(&self) -> Option<SystemUser>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn file_exists(&self, path: &Path) -> bool {
        path.exists()
    }

    /// The account that owns the process, as `/etc/passwd` names it; `LOGNAME` and `USER` only
    /// help where that file does not know the account, because they survive a change of user.
    fn user_name(&self) -> Option<String> {
        let account = rustix::process::getuid().as_raw();
        fs::read("/etc/passwd")
            .ok()
            .and_then(|table| account_name(&table, account))
            .or_else(|| named_by(self, "LOGNAME"))
            .or_else(|| named_by(self, "USER"))
    }

    fn configuration_file(&self) -> Option<PathBuf> {
        configuration::find()
    }

    fn account(&self) -> Option<SystemUser> {
        SystemUser::own()
    }
}

/// The folder that `~` stands for.
pub fn home_folder(environment: &dyn Environment) -> Option<PathBuf> {
    environment
        .variable("HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
}

/// The secret in the variable `name`; an empty variable counts as unset.
///
/// # Errors
///
/// [`Fault::Usage`] if the value is not UTF-8 text; the value itself is not repeated.
pub fn secret(environment: &dyn Environment, name: &str) -> Outcome<Option<Secret>> {
    let Some(value) = environment.variable(name) else {
        return Ok(None);
    };
    match value.into_string() {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(_) => Err(Failure::new(
            Fault::Usage,
            format!("the environment variable {name} is not valid UTF-8 text"),
        )),
    }
}

fn named_by(environment: &dyn Environment, variable: &str) -> Option<String> {
    environment
        .variable(variable)
        .and_then(|value| value.into_string().ok())
        .filter(|name| !name.is_empty())
}

fn account_name(table: &[u8], account: u32) -> Option<String> {
    table.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = std::str::from_utf8(fields.next()?).ok()?;
        let number = std::str::from_utf8(fields.nth(1)?).ok()?;
        (number.parse() == Ok(account) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    /// An environment that a test fills in.
    #[derive(Debug, Default)]
    pub(crate) struct FixedEnvironment {
        pub(crate) variables: Vec<(&'static str, OsString)>,
        pub(crate) files: Vec<&'static str>,
        pub(crate) configuration: Option<PathBuf>,
    }

    impl Environment for FixedEnvironment {
        fn variable(&self, name: &str) -> Option<OsString> {
            self.variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.clone())
        }

        fn file_exists(&self, path: &Path) -> bool {
            self.files.iter().any(|known| Path::new(known) == path)
        }

        fn user_name(&self) -> Option<String> {
            Some("local".to_owned())
        }

        fn configuration_file(&self) -> Option<PathBuf> {
            self.configuration.clone()
        }

        fn account(&self) -> Option<SystemUser> {
            Some(SystemUser {
                name: "local".to_owned(),
                home: Some("/home/local".to_owned()),
                groups: vec!["staff".to_owned()],
            })
        }
    }

    #[test]
    fn the_account_table_names_the_owner_of_the_process() {
        let table = b"root:x:0:0::/root:/bin/sh\nbroken line\nann:x:1000:1000::/h:/bin/sh\n";
        assert_eq!(account_name(table, 1000).as_deref(), Some("ann"));
        assert_eq!(account_name(table, 0).as_deref(), Some("root"));
        assert_eq!(account_name(table, 7), None);
    }

    #[test]
    fn an_empty_password_variable_counts_as_unset() {
        let environment = FixedEnvironment {
            variables: vec![(PASSWORD_VARIABLE, OsString::new())],
            ..FixedEnvironment::default()
        };
        assert!(secret(&environment, PASSWORD_VARIABLE).unwrap().is_none());
    }

    #[test]
    fn a_password_that_is_not_text_is_named_but_not_shown() {
        let environment = FixedEnvironment {
            variables: vec![(PASSWORD_VARIABLE, OsString::from_vec(b"pw\xff".to_vec()))],
            ..FixedEnvironment::default()
        };
        let failure = secret(&environment, PASSWORD_VARIABLE).unwrap_err();
        assert!(failure.text.contains("ASPERA_SCP_PASS"));
        assert!(!failure.text.contains("pw"));
    }
}
