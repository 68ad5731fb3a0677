//! Is this the host we meant? The rules for a host key, in one place.
//!
//! A fingerprint given by the user decides alone. Without one, a key on record is fine, an
//! unknown host is accepted and recorded, and a host whose key changed is refused. A revoked
//! key is always refused. The user may say that any other key will do; it is not recorded then.
//!
//! Source: `--check-sshfp` is the SHA-1 fingerprint of the server's host key, a mismatch is
//! error 51, an unknown host key is accepted (public manual of `ascp`).

use std::path::PathBuf;

use aws_lc_rs::digest;
use fasp_core::fault::Fault;
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

use super::known_hosts::{self, KnownKeys, Verdict};
use crate::failure::{Failure, Outcome};

/// Kinds of keys we accept from hosts and users, best first; no SHA-1, no DSA.
pub(crate) const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

/// The rules for one host.
#[derive(Clone, Debug)]
pub(crate) struct HostKeyRules {
    host: String,
    port: u16,
    file: PathBuf,
    known: KnownKeys,
    fingerprint: Option<[u8; 20]>,
    /// Without a fingerprint any key will do.
    ignores: bool,
    /// Kinds that turned out not to have the fingerprint.
    excluded: Vec<Algorithm>,
}

impl HostKeyRules {
    /// Reads what is on record for the host.
    pub(crate) fn new(
        host: &str,
        port: u16,
        file: PathBuf,
        fingerprint: Option<[u8; 20]>,
    ) -> Outcome<Self> {
        let known = KnownKeys::read(&file, host, port)
            .map_err(|error| refusal(&format!("cannot read {} ({error})", file.display())))?;
        Ok(Self {
            host: host.to_owned(),
            port,
            file,
            known,
            fingerprint,
            ignores: false,
            excluded: Vec::new(),
        })
    }

    /// The same rules; whether they take any key that is not revoked, where there is no fingerprint.
    pub(crate) fn ignoring(mut self, ignores: bool) -> Self {
        self.ignores = ignores;
        self
    }

    /// The kinds of key to ask the server for: those on record first.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let on_record: Vec<Algorithm> = self.known.algorithms().collect();
        let mut wished: Vec<Algorithm> = ALGORITHMS
            .into_iter()
            .filter(|algorithm| !self.excluded.iter().any(|kind| same_kind(kind, algorithm)))
            .collect();
        // A stable sort: false comes before true.
        wished.sort_by_key(|algorithm| !on_record.iter().any(|kind| same_kind(kind, algorithm)));
        wished
    }

    /// After a mismatch: asks for other kinds of key next time; false when none is left.
    ///
    /// A fingerprint does not say which of a server's keys it belongs to.
    pub(crate) fn try_another_kind(&mut self, presented: &Algorithm) -> bool {
        self.excluded.push(presented.clone());
        !self.algorithms().is_empty()
    }

    /// Whether the user gave a fingerprint.
    pub(crate) fn has_fingerprint(&self) -> bool {
        self.fingerprint.is_some()
    }

    /// Accepts or refuses the key; gives a warning when a new key could not be recorded.
    pub(crate) fn check(&self, presented: &PublicKey) -> Outcome<Option<String>> {
        let (host, file) = (&self.host, self.file.display());
        let verdict = self.known.judge(presented);
        if let Verdict::Revoked { line } = verdict {
            return Err(refusal(&format!(
                "the host key of {host} is revoked ({file} line {line})"
            )));
        }
        if let Some(expected) = self.fingerprint {
            return if sha1_fingerprint(presented)? == expected {
                Ok(None)
            } else {
                Err(refusal(&format!(
                    "no host key of {host} has the fingerprint given with --check-sshfp"
                )))
            };
        }
        match verdict {
            _ if self.ignores => Ok(None),
            Verdict::Unknown => Ok(self.record(presented)),
            Verdict::Changed { line } => Err(refusal(&format!(
                "the host key of {host} has changed (expected key in {file} line {line}); \
                 if this is right, remove that line"
            ))),
            Verdict::Known | Verdict::Revoked { .. } => Ok(None),
        }
    }

    fn record(&self, presented: &PublicKey) -> Option<String> {
        let outcome = known_hosts::record(&self.file, &self.host, self.port, presented);
        outcome.err().map(|error| {
            format!(
                "the host key of {} is new and could not be recorded in {} ({error})",
                self.host,
                self.file.display()
            )
        })
    }
}

fn refusal(why: &str) -> Failure {
    let fault = Fault::InsecureConnection;
    Failure::new(fault, format!("{}: {why}", fault.text()))
}

/// SHA-1 over the key as it travels on the wire.
pub(crate) fn sha1_fingerprint(key: &PublicKey) -> Outcome<[u8; 20]> {
    let blob = key
        .to_bytes()
        .map_err(|error| refusal(&format!("its host key cannot be encoded ({error})")))?;
    let mut fingerprint = [0; 20];
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &blob);
    fingerprint.copy_from_slice(digest.as_ref());
    Ok(fingerprint)
}

fn same_kind(a: &Algorithm, b: &Algorithm) -> bool {
    matches!((a, b), (Algorithm::Rsa { .. }, Algorithm::Rsa { .. })) || a == b
}

#[cfg(test)]
mod tests;
