//! Which private keys the user offers, and opening them.
//!
//! Reads OpenSSH and PEM files (PKCS#1, PKCS#8, SEC1), plain or encrypted. Never asks anyone:
//! the one passphrase it tries comes from the caller. A key that cannot be used is a sentence
//! for the user, not an end: another key may do.
//!
//! Source: `-i` may be repeated and is tried in order, a bare file name is looked up in `~/.ssh`,
//! `ASPERA_SCP_PASS` holds the password or the passphrase (public manual of `ascp`).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::ssh_encoding::base64::{Base64, Encoding};
use russh::keys::{Algorithm, PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

/// No private key file is larger than this.
const KEY_FILE_LIMIT: u64 = 64 * 1024;

/// The header line of PEM files encrypted the old way (RFC 1421).
const OLD_ENCRYPTION: &str = "DEK-Info: ";

/// The name of DSA keys on the wire.
const DSA: &[u8] = b"ssh-dss";

/// The key files OpenSSH makes, in the order in which they are offered.
const DEFAULT_KEY_FILES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// A usable private key.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Where it came from, for messages.
    pub(crate) name: String,
    pub(crate) key: Arc<PrivateKey>,
}

/// What could be opened, and why the rest could not.
#[derive(Default)]
pub(crate) struct Identities {
    pub(crate) keys: Vec<Identity>,
    pub(crate) problems: Vec<String>,
    /// The first key that the passphrase opened: so it is a passphrase and no password.
    pub(crate) opened_by_passphrase: Option<String>,
}

/// Where keys come from.
pub(crate) struct Sources<'a> {
    pub(crate) files: &'a [PathBuf],
    pub(crate) text: Option<&'a str>,
    pub(crate) passphrase: Option<&'a str>,
    pub(crate) home: Option<&'a Path>,
}

impl Identities {
    /// Opens the named files, then the key text; without either, the user's default keys.
    pub(crate) fn load(sources: &Sources<'_>) -> Self {
        let mut found = Self::default();
        for file in sources.files {
            let path = locate(file, sources.home);
            found.add_file(&path, sources.passphrase);
        }
        if let Some(text) = sources.text {
            let name = "the key in ASPERA_SCP_KEY".to_owned();
            found.add(name, open(text, sources.passphrase));
        }
        if sources.files.is_empty() && sources.text.is_none() {
            let folder = sources.home.map(|home| home.join(".ssh"));
            for file in DEFAULT_KEY_FILES {
                let path = folder.as_ref().map(|folder| folder.join(file));
                if let Some(path) = path.filter(|path| path.is_file()) {
                    found.add_file(&path, sources.passphrase);
                }
            }
        }
        found
    }

    fn add_file(&mut self, path: &Path, passphrase: Option<&str>) {
        let name = path.display().to_string();
        let key = match read_limited(path) {
            Ok(text) => open(&text, passphrase),
            Err(error) => Err(KeyProblem::Unreadable(error)),
        };
        self.add(name, key);
    }

    fn add(&mut self, name: String, key: Result<Opened, KeyProblem>) {
        match key {
            Ok(Opened { key, was_locked }) => {
                if was_locked && self.opened_by_passphrase.is_none() {
                    self.opened_by_passphrase = Some(name.clone());
                }
                self.keys.push(Identity {
                    name,
                    key: Arc::new(key),
                });
            }
            Err(problem) => self.problems.push(problem.sentence(&name)),
        }
    }
}

/// A bare file name that is not here is looked up in `~/.ssh`.
fn locate(file: &Path, home: Option<&Path>) -> PathBuf {
    let is_bare = file.components().count() == 1 && file.is_relative();
    match home {
        Some(home) if is_bare && !file.exists() => home.join(".ssh").join(file),
        _ => file.to_owned(),
    }
}

fn read_limited(path: &Path) -> io::Result<Zeroizing<String>> {
    // All the room at once: growing would leave copies behind.
    let room = usize::try_from(KEY_FILE_LIMIT).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room));
    std::fs::File::open(path)?
        .take(KEY_FILE_LIMIT)
        .read_to_string(&mut text)?;
    Ok(text)
}

/// Why a key cannot be offered.
#[derive(Debug)]
enum KeyProblem {
    Unreadable(io::Error),
    IsPublic,
    IsDsa,
    NeedsPassphrase,
    WrongPassphrase,
    OldEncryption,
    UnknownFormat,
}

impl KeyProblem {
    fn sentence(&self, name: &str) -> String {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::UnknownFormat.sentence(name)
            }
            Self::Unreadable(error) => {
                format!("cannot read private key file {name} ({})", reason(error))
            }
            Self::IsPublic => format!("{name} is a public key; give the private key"),
            Self::IsDsa => format!(
                "{name} is a DSA key, which SSH no longer accepts; \
                 use an ed25519, ECDSA or RSA key"
            ),
            Self::NeedsPassphrase => {
                format!("{name} is encrypted; put its passphrase into ASPERA_SCP_PASS")
            }
            Self::WrongPassphrase => {
                format!("the passphrase in ASPERA_SCP_PASS does not open {name}")
            }
            Self::OldEncryption => format!(
                "{name} is encrypted in an outdated way; convert it with ssh-keygen -p -f {name}"
            ),
            Self::UnknownFormat => format!("{name} is not an OpenSSH or PEM private key"),
        }
    }
}

/// The operating system's words without the number behind them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// A key, and whether it took the passphrase to open it.
struct Opened {
    key: PrivateKey,
    was_locked: bool,
}

fn open(text: &str, passphrase: Option<&str>) -> Result<Opened, KeyProblem> {
    recognise(text)?;
    let mut was_locked = false;
    let key = match decode_secret_key(text, None) {
        Ok(key) => key,
        Err(_) if is_encrypted(text) => {
            let passphrase = passphrase.ok_or(KeyProblem::NeedsPassphrase)?;
            was_locked = true;
            decode_secret_key(text, Some(passphrase)).map_err(|_| KeyProblem::WrongPassphrase)?
        }
        Err(_) => return Err(KeyProblem::UnknownFormat),
    };
    if matches!(key.algorithm(), Algorithm::Dsa) {
        return Err(KeyProblem::IsDsa);
    }
    Ok(Opened { key, was_locked })
}

/// Whether a passphrase could help.
fn is_encrypted(text: &str) -> bool {
    let openssh = |text| PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted());
    text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || text.contains(OLD_ENCRYPTION)
        || openssh(text.trim())
}

/// Tells apart what is not worth decoding.
fn recognise(text: &str) -> Result<(), KeyProblem> {
    let Some(begin) = text.lines().find(|line| line.starts_with("-----BEGIN ")) else {
        let is_public = ["ssh-", "ecdsa-"].iter().any(|kind| text.starts_with(kind));
        return Err(if is_public {
            KeyProblem::IsPublic
        } else {
            KeyProblem::UnknownFormat
        });
    };
    if begin.contains("PUBLIC KEY") {
        return Err(KeyProblem::IsPublic);
    }
    if begin.contains("DSA PRIVATE KEY") || (begin.contains("OPENSSH") && names_dsa(text)) {
        return Err(KeyProblem::IsDsa);
    }
    let method = text
        .lines()
        .find_map(|line| line.strip_prefix(OLD_ENCRYPTION));
    match method {
        Some(method) if !(begin.contains("RSA") && method.starts_with("AES-128-CBC")) => {
            Err(KeyProblem::OldEncryption)
        }
        _ => Ok(()),
    }
}

/// Whether the public half, which is never encrypted, is a DSA key.
fn names_dsa(text: &str) -> bool {
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let decoded = Zeroizing::new(Base64::decode_vec(&body).unwrap_or_default());
    decoded.windows(DSA.len()).any(|window| window == DSA)
}

#[cfg(test)]
mod tests;
