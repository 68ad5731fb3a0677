//! `-f` and the client's part of `aspera.conf`: defaults that the command line overrides, and limits that it does not.
//!
//! Source: which elements a client takes stands in `configuration::client_elements`.

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use fasp_core::fault::Fault;

use super::usage;
use crate::cli::environment::Environment;
use crate::cli::settings::{CipherWish, Direction};
use crate::configuration::{Audience, Configuration, Effective, Setting};
use crate::failure::{Failure, Outcome};
use crate::server::docroots::docroot_path;
use crate::server::file_system_rules::FileSystemRules;
use crate::storage::selection::RuleList;

/// What the configuration says to this user.
#[derive(Debug, Default)]
pub(super) struct Configured {
    /// Where it was read.
    pub(super) path: Option<PathBuf>,
    pub(super) cipher: Option<CipherWish>,
    pub(super) key: Option<PathBuf>,
    pub(super) docroot: Option<PathBuf>,
    pub(super) filters: RuleList,
    pub(super) partial_suffix: Option<Vec<u8>>,
    pub(super) resume_suffix: Option<Vec<u8>>,
    read_block: Option<u32>,
    write_block: Option<u32>,
    /// Target and minimum rate of downloads, and of uploads.
    caps: [[Option<u64>; 2]; 2],
    /// For the terminal: the user named the file.
    pub(super) notes: Vec<String>,
    /// For the log: the file is there, whoever wrote it.
    pub(super) log_lines: Vec<String>,
}

impl Configured {
    /// Reads the file of `-f`, else that of this computer.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] with the file, and the line and the element if one is wrong.
    pub(super) fn read(matches: &ArgMatches, environment: &dyn Environment) -> Outcome<Self> {
        if let Some(word) = matches.get_one::<OsString>("config") {
            if word.is_empty() {
                return Err(usage("option -f needs the name of a configuration file"));
            }
            let path = Path::new(word);
            let (configuration, mut read) =
                Self::from_file(path, environment).map_err(|failure| {
                    Failure::new(failure.fault, format!("option -f: {}", failure.text))
                })?;
            read.notes = configuration.warnings;
            return Ok(read);
        }
        let Some(path) = environment.configuration_file() else {
            return Ok(Self::default());
        };
        // It may be the server's, with secrets of the server in it.
        if File::open(&path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
            let line = format!(
                "{} may not be read by this user and is passed over",
                path.display()
            );
            return Ok(Self {
                log_lines: vec![line],
                ..Self::default()
            });
        }
        let (configuration, mut read) = Self::from_file(&path, environment)?;
        read.log_lines = configuration.warnings;
        Ok(read)
    }

    fn from_file(path: &Path, environment: &dyn Environment) -> Outcome<(Configuration, Self)> {
        let configuration = Configuration::read_for(path, Audience::Client)?;
        let account = environment.account().unwrap_or_default();
        let settings = configuration.for_user(&account.name, &account.groups);
        let read =
            Self::of(&configuration, &settings, account.home.as_deref()).map_err(|failure| {
                let text = format!("{}, {}", path.display(), failure.text);
                Failure::new(failure.fault, text)
            })?;
        Ok((
            configuration,
            Self {
                path: Some(path.to_owned()),
                ..read
            },
        ))
    }

    fn of(
        configuration: &Configuration,
        settings: &Effective<'_>,
        home: Option<&str>,
    ) -> Outcome<Self> {
        let files = FileSystemRules::new(settings)?;
        let docroot = settings.said("file_system/access/paths/path/absolute");
        let docroot = docroot.map(|text| docroot_path(text, settings.user(), home));
        let cap = |way: &str, kind: &str| {
            let path = format!("transfer/{way}/bandwidth/flow/{kind}/cap");
            let said = settings.said(&path).and_then(|_| settings.rate(&path));
            said.filter(|rate| *rate != u64::MAX)
        };
        let caps = ["in", "out"].map(|way| ["target_rate", "min_rate"].map(|kind| cap(way, kind)));
        Ok(Self {
            cipher: configuration
                .client
                .value("encryption_cipher")
                .and_then(cipher),
            key: configuration
                .client
                .value("default_ssh_key")
                .map(key)
                .transpose()?,
            docroot: docroot.transpose()?,
            filters: files.filters,
            partial_suffix: files.partial_suffix,
            resume_suffix: files.resume_suffix,
            read_block: files.read_block,
            write_block: files.write_block,
            caps,
            ..Self::default()
        })
    }

    /// Bytes at a time of this computer's side.
    pub(super) const fn block_size(&self, direction: Direction) -> Option<u32> {
        match direction {
            Direction::Send => self.read_block,
            Direction::Receive => self.write_block,
        }
    }

    /// Highest target and minimum rate, in bit/s.
    pub(super) const fn caps(&self, direction: Direction) -> [Option<u64>; 2] {
        let [incoming, outgoing] = self.caps;
        match direction {
            Direction::Send => outgoing,
            Direction::Receive => incoming,
        }
    }
}

/// A cipher whose spelling was checked; `any` leaves it to the usual one.
fn cipher(setting: &Setting) -> Option<CipherWish> {
    super::cipher_named(&setting.text)
}

fn key(setting: &Setting) -> Outcome<PathBuf> {
    let path = PathBuf::from(&setting.text);
    if path.is_absolute() {
        return Ok(path);
    }
    let text = format!(
        "line {}: <default_ssh_key>: \"{}\" is not an absolute path",
        setting.line, setting.text
    );
    Err(Failure::new(Fault::BadConfiguration, text))
}
