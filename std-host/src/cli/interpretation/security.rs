//! What the options about encryption at rest and authorization stand for.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use clap::ArgMatches;
use fasp_core::control::MAX_TOKEN;

use super::{text, usage};
use crate::cli::environment::{self, Environment, FILE_PASSPHRASE_VARIABLE, TOKEN_VARIABLE};
use crate::cli::secret::Secret;
use crate::cli::settings::{
    Direction, FileCrypt, OverwriteWishes, SecurityWishes, SelectionWishes,
};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;

/// Bytes of a file that are read for its token.
const MOST_TOKEN_FILE: u64 = 2 * MAX_TOKEN as u64;

/// Destinations that are no files of this computer.
const NO_FILES: [&[u8]; 3] = [b"faux://", b"stdio://", b"stdio-tar://"];

pub(super) fn wishes(
    matches: &ArgMatches,
    environment: &dyn Environment,
    direction: Direction,
) -> Outcome<SecurityWishes> {
    Ok(SecurityWishes {
        file_crypt: file_crypt(matches, environment, direction)?,
        token: token(matches, environment)?,
        prompts: matches.get_flag("allow-password-prompt"),
        ignores_host_key: matches.get_flag("ignore-host-key"),
    })
}

/// The token of `-W`, else that of the environment. It is never repeated in a sentence.
fn token(matches: &ArgMatches, environment: &dyn Environment) -> Outcome<Option<Secret>> {
    let Some(word) = matches.get_one::<OsString>("token") else {
        let token = environment::secret(environment, TOKEN_VARIABLE)?;
        return token
            .map(|token| checked(token, &format!("the environment variable {TOKEN_VARIABLE}")))
            .transpose();
    };
    let token = match word.as_bytes().strip_prefix(b"@") {
        Some(path) => read_token(Path::new(OsStr::from_bytes(path)))?,
        None => {
            let text = word
                .to_str()
                .ok_or_else(|| usage("option -W: the token is not text"))?;
            Secret::new(text.to_owned())
        }
    };
    checked(token, "option -W").map(Some)
}

fn read_token(path: &Path) -> Outcome<Secret> {
    let unreadable = |why: String| {
        let path = redacted(path.as_os_str().as_bytes());
        usage(format!(
            "option -W: cannot read the token in '{path}': {why}"
        ))
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MOST_TOKEN_FILE).read_to_string(&mut text))
        .map_err(|error| unreadable(error.to_string()))?;
    Ok(Secret::new(text))
}

/// A token without blanks around it, if it is one at all.
fn checked(token: Secret, whose: &str) -> Outcome<Secret> {
    let text = token.expose().trim();
    if text.is_empty() || text.len() > MAX_TOKEN || text.contains(char::is_control) {
        return Err(usage(format!(
            "{whose}: a token is one line of 1 to {MAX_TOKEN} bytes"
        )));
    }
    Ok(Secret::new(text.to_owned()))
}

fn file_crypt(
    matches: &ArgMatches,
    environment: &dyn Environment,
    direction: Direction,
) -> Outcome<Option<FileCrypt>> {
    let fails = matches.get_flag("fail-bad-filepass");
    let encrypts = match text(matches, "file-crypt", "--file-crypt")? {
        None => return Ok(None),
        Some("encrypt") => true,
        Some("decrypt") => false,
        Some(other) => {
            return Err(usage(format!(
                "option --file-crypt: '{}' is neither encrypt nor decrypt",
                redacted(other.as_bytes())
            )));
        }
    };
    match (encrypts, direction) {
        (true, Direction::Receive) => {
            return Err(usage(
                "option --file-crypt=encrypt is for what is sent; in a download it is --file-crypt=decrypt",
            ));
        }
        (false, Direction::Send) => {
            return Err(usage(
                "option --file-crypt=decrypt is for what is received; in an upload it is --file-crypt=encrypt",
            ));
        }
        _ => {}
    }
    let passphrase = environment::secret(environment, FILE_PASSPHRASE_VARIABLE)?.ok_or_else(|| {
        usage("option --file-crypt needs the passphrase in the environment variable ASPERA_SCP_FILEPASS")
    })?;
    Ok(Some(if encrypts {
        FileCrypt::Encrypt { passphrase }
    } else {
        FileCrypt::Decrypt { passphrase, fails }
    }))
}

/// What does not go with encryption at rest.
pub(super) fn check_together(
    security: &SecurityWishes,
    selection: &SelectionWishes,
    overwriting: &OverwriteWishes,
    destination: &[u8],
) -> Outcome<()> {
    let Some(crypt) = &security.file_crypt else {
        return Ok(());
    };
    if overwriting.deletes {
        return Err(usage(
            "options --file-crypt and --delete-before-transfer exclude each other: encrypted files have other names",
        ));
    }
    let decrypts = matches!(crypt, FileCrypt::Decrypt { .. });
    if decrypts && selection.part.is_some() {
        return Err(usage(
            "options --file-crypt=decrypt and -@ exclude each other: a part of an encrypted file cannot be opened",
        ));
    }
    if decrypts
        && NO_FILES
            .iter()
            .any(|scheme| destination.starts_with(scheme))
    {
        return Err(usage(
            "option --file-crypt=decrypt needs files as destination, not faux:// or stdio://",
        ));
    }
    Ok(())
}

/// What is without effect, said once.
pub(super) fn notes(matches: &ArgMatches, security: &SecurityWishes) -> Option<String> {
    let decrypts = matches!(security.file_crypt, Some(FileCrypt::Decrypt { .. }));
    (matches.get_flag("fail-bad-filepass") && !decrypts)
        .then(|| "--fail-bad-filepass changes nothing without --file-crypt=decrypt".to_owned())
}
