//! The daemon's own key: read from its file, made on first start.

use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use fasp_core::fault::Fault;
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey, decode_secret_key};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

/// Permission bits nobody but the owner may have on a private key.
const FOREIGN_BITS: u32 = 0o077;

/// Reads the key; makes an ed25519 key that only its owner can read when there is no file.
pub(super) fn load_or_create(path: &Path) -> Outcome<PrivateKey> {
    match std::fs::metadata(path) {
        Ok(metadata) => load(path, metadata.permissions().mode()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

fn load(path: &Path, mode: u32) -> Outcome<PrivateKey> {
    if mode & FOREIGN_BITS != 0 {
        return Err(unusable(
            path,
            &format!("others can read this key; run chmod 600 {}", path.display()),
        ));
    }
    let text = Zeroizing::new(
        std::fs::read_to_string(path).map_err(|error| unusable(path, &error.to_string()))?,
    );
    let key = decode_secret_key(&text, None)
        .map_err(|_| unusable(path, "not an unencrypted OpenSSH or PEM private key"))?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => Ok(key),
        _ => Err(unusable(path, "use an ed25519, ECDSA or RSA key")),
    }
}

fn create(path: &Path) -> Outcome<PrivateKey> {
    let failed = |why: &dyn std::fmt::Display| unusable(path, &format!("cannot be made ({why})"));
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(|e| failed(&e))?;
    let text = key.to_openssh(LineEnding::LF).map_err(|e| failed(&e))?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| failed(&e))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| failed(&e))?;
    Ok(key)
}

fn unusable(path: &Path, why: &str) -> Failure {
    Failure::new(
        Fault::BadConfiguration,
        format!("--host-key {}: {why}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_made_at_first_start_is_private_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_key");
        let made = load_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = load_or_create(&path).unwrap();
        assert_eq!(made.public_key().key_data(), read.public_key().key_data());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_key");
        load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let failure = load_or_create(&path).unwrap_err();
        assert!(failure.text.contains("chmod 600"), "{failure}");
    }
}
