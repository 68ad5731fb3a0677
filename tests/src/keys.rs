//! Throw-away SSH keys, made without any installed tool.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

/// Makes an ed25519 key: the private half at `path` (mode 0600), the public half at `path.pub`.
/// Returns the line for `authorized_keys`.
///
/// # Panics
///
/// When the files cannot be written.
pub fn generate(path: &Path) -> String {
    let mut seed = [0_u8; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut seed))
        .expect("random bytes from /dev/urandom");
    let pair = KeypairData::from(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, "throw-away test key").expect("an ed25519 key");
    let private = key
        .to_openssh(LineEnding::LF)
        .expect("the key in OpenSSH form");
    write_private(path, private.as_bytes());
    let public = key.public_key().to_openssh().expect("the public half");
    fs::write(path.with_extension("pub"), format!("{public}\n")).expect("the public key file");
    public
}

fn write_private(path: &Path, text: &[u8]) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text))
        .unwrap_or_else(|error| panic!("cannot write the key {}: {error}", path.display()));
}
