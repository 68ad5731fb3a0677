//! What fuzz targets call: the readers of text and bytes that come from a user, an administrator or a peer.
//!
//! Built only for fuzzing; each function takes any bytes and must neither panic nor hang.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::cli::environment::Environment;
use crate::configuration::SystemUser;
use crate::control_channel::known_hosts::KnownKeys;

/// No variable is set.
struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<OsString> {
        None
    }

    fn file_exists(&self, _: &Path) -> bool {
        false
    }

    fn user_name(&self) -> Option<String> {
        None
    }

    fn configuration_file(&self) -> Option<PathBuf> {
        None
    }

    fn account(&self) -> Option<SystemUser> {
        None
    }
}

/// A command line of words between NUL bytes: options, rates, operands.
pub fn command_line(bytes: &[u8]) {
    let words = bytes
        .split(|&byte| byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()));
    let _ = crate::cli::parse(words, &Nothing);
}

/// Text as a rate (`-l`, `-m`) and as other numbers of the command line.
pub fn rates(bytes: &[u8]) {
    for option in ["-l", "-m", "-K", "-Z", "-X", "-O", "-P", "--retry-timeout"] {
        let mut attached = option.as_bytes().to_vec();
        attached.push(if option.len() > 2 { b'=' } else { b' ' });
        attached.extend_from_slice(bytes);
        let words = [attached, b"file".to_vec(), b"host:".to_vec()].map(OsString::from_vec);
        let _ = crate::cli::parse(words.into_iter(), &Nothing);
    }
}

/// A slot of a control file.
pub fn control_file(bytes: &[u8]) {
    crate::storage::control_file::fuzzing::slot(bytes);
}

/// A configuration file, and what it says for a user of a group and for one that it does not name.
pub fn aspera_conf(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(configuration) = crate::configuration::Configuration::parse(&text) else {
        return;
    };
    for (user, groups) in [("a", vec!["g".to_owned()]), ("nobody", Vec::new())] {
        let effective = configuration.for_user(user, &groups);
        for element in crate::configuration::elements::SESSION {
            let _ = effective.text(element);
        }
    }
}

/// A token of a client, and its fields behind a right signature.
pub fn token(bytes: &[u8]) {
    crate::token::fuzzing::token(bytes);
}

/// The header of an encrypted file.
pub fn envelope_header(bytes: &[u8]) {
    crate::envelope::fuzzing::header(bytes);
}

/// A `known_hosts` file, read for a host with a name, an address and a port of its own.
pub fn known_hosts(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (host, port) in [("host.example", 22), ("::1", 33_001), ("*", 2_222)] {
        let _ = KnownKeys::parse(&text, host, port);
    }
}

pub use crate::control_channel::ssh::fuzzing::stream as ssh_stream;
