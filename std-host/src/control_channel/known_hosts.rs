//! The user's `known_hosts` file: which keys are on record for a host, and adding one.
//!
//! Reads the whole file for one host and port; decides nothing (that is `host_key`). Lines that
//! cannot be read are passed over, as OpenSSH does. Certificate authorities are not used: a host
//! that only they vouch for is a new host. The system's own `/etc/ssh/ssh_known_hosts` and
//! `HostKeyAlias` are not read.
//!
//! Source: sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT: comma-separated patterns with `*`, `?`
//! and a leading `!`, `[host]:port` for other ports than 22, hashed names as
//! `|1|salt|HMAC-SHA1(salt, name)`, markers `@revoked` and `@cert-authority`.

use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::hmac;
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use russh::keys::{Algorithm, PublicKey};

const DEFAULT_PORT: u16 = 22;

/// One key on record for the host in question.
#[derive(Clone, Debug)]
struct Record {
    line: usize,
    key: PublicKey,
    revoked: bool,
    /// The line names the host with this port, not just the host.
    exact: bool,
}

/// Everything on record for one host and port.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownKeys {
    records: Vec<Record>,
}

/// What the file says about a key that a host presents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// On record for this host.
    Known,
    /// The host has no key on record.
    Unknown,
    /// The host has other keys on record, the first of them in this line.
    Changed {
        /// Counted from 1.
        line: usize,
    },
    /// The key is marked as revoked in this line.
    Revoked {
        /// Counted from 1.
        line: usize,
    },
}

impl KnownKeys {
    /// Reads what `path` has on record for `host` and `port`; a missing file is an empty one.
    pub(crate) fn read(path: &Path, host: &str, port: u16) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(&String::from_utf8_lossy(&bytes), host, port)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn parse(text: &str, host: &str, port: u16) -> Self {
        let exact_name = name_on_record(host, port);
        let bare_name = host.to_lowercase();
        let mut records = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some((marker, patterns, key)) = parse_line(line) else {
                continue;
            };
            let exact = matches(&patterns, &exact_name);
            if marker == Some(Marker::CertAuthority) || !(exact || matches(&patterns, &bare_name)) {
                continue;
            }
            records.push(Record {
                line: index.saturating_add(1),
                key,
                revoked: marker == Some(Marker::Revoked),
                exact,
            });
        }
        Self { records }
    }

    /// The algorithms of the keys on record, which the server should be asked for first.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.records
            .iter()
            .filter(|record| !record.revoked)
            .map(|record| record.key.algorithm())
    }

    /// Judges the key the host presents.
    ///
    /// A key on record for the host without its port is good for every port; a different one
    /// there says nothing about another port.
    pub(crate) fn judge(&self, presented: &PublicKey) -> Verdict {
        let same = |record: &&Record| record.key.key_data() == presented.key_data();
        if let Some(record) = self.records.iter().filter(same).find(|r| r.revoked) {
            return Verdict::Revoked { line: record.line };
        }
        if self.records.iter().any(|record| same(&record)) {
            return Verdict::Known;
        }
        self.records
            .iter()
            .find(|record| record.exact && !record.revoked)
            .map_or(Verdict::Unknown, |record| Verdict::Changed {
                line: record.line,
            })
    }
}

/// Whether the name means just itself when it is written to the file: no pattern, no list, no
/// second line, no marker.
pub(crate) fn can_be_recorded(host: &str) -> bool {
    !host.is_empty()
        && host
            .chars()
            .all(|c| !c.is_control() && !c.is_whitespace() && !"*?!,#@|[]\"'\\".contains(c))
}

/// Appends the key of a host seen for the first time; makes the folder and the file private.
pub(crate) fn record(path: &Path, host: &str, port: u16, key: &PublicKey) -> io::Result<()> {
    if !can_be_recorded(host) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut line = String::new();
    if std::fs::read(path).is_ok_and(|text| !text.is_empty() && !text.ends_with(b"\n")) {
        line.push('\n');
    }
    let key = PublicKey::from(key.key_data().clone());
    let encoded = key.to_openssh().map_err(io::Error::other)?;
    line.push_str(&name_on_record(host, port));
    line.push(' ');
    line.push_str(encoded.trim());
    line.push('\n');
    // One write in append mode: two clients that learn keys at once do not mix their lines.
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?
        .write_all(line.as_bytes())
}

fn name_on_record(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == DEFAULT_PORT {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

fn parse_line(line: &str) -> Option<(Option<Marker>, HostPatterns, PublicKey)> {
    let mut fields = line.split_whitespace();
    let mut first = fields.next().filter(|field| !field.starts_with('#'))?;
    let mut marker = None;
    if first.starts_with('@') {
        marker = Some(first.parse().ok()?);
        first = fields.next()?;
    }
    let patterns = first.parse().ok()?;
    let (algorithm, encoded) = (fields.next()?, fields.next()?);
    let key = PublicKey::from_openssh(&format!("{algorithm} {encoded}")).ok()?;
    Some((marker, patterns, key))
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(list) => {
            let mut matched = false;
            for pattern in list {
                let pattern = pattern.to_lowercase();
                match pattern.strip_prefix('!') {
                    Some(excluded) if glob(excluded.as_bytes(), name.as_bytes()) => return false,
                    Some(_) => {}
                    None => matched |= glob(pattern.as_bytes(), name.as_bytes()),
                }
            }
            matched
        }
    }
}

/// `*` stands for any run of characters, `?` for one; linear in memory, quadratic in time.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
                continue;
            }
            Some(byte) if name.get(n) == Some(byte) => {
                p += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = retry else {
            return false;
        };
        retry = Some((star, from + 1));
        p = star + 1;
        n = from + 1;
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
