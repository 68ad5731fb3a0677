//! Private keys of every kind and form.

use std::process::{Command, Stdio};

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;

use super::*;

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".ssh")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn new_key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

fn text_of(key: &PrivateKey) -> String {
    key.to_openssh(LineEnding::LF).unwrap().to_string()
}

fn problem_of(text: &str, passphrase: Option<&str>) -> String {
    match open(text, passphrase) {
        Ok(_) => panic!("the key was opened"),
        Err(problem) => problem.sentence("KEY"),
    }
}

#[test]
fn keys_keep_the_order_in_which_they_were_named() {
    let (first, second, third) = (new_key(), new_key(), new_key());
    let home = folder_with(&[
        ("b", &text_of(&first)),
        ("a", &text_of(&second)),
        (".ssh/id_rsa", &text_of(&new_key())),
    ]);
    let files = [home.path().join("b"), home.path().join("a")];
    let found = Identities::load(&Sources {
        files: &files,
        text: Some(&text_of(&third)),
        passphrase: Some("not needed"),
        home: Some(home.path()),
    });
    let order: Vec<_> = found.keys.iter().map(|id| id.key.public_key()).collect();
    let expected = [first.public_key(), second.public_key(), third.public_key()];
    assert_eq!(order, expected);
    assert!(found.problems.is_empty());
}

#[test]
fn default_keys_are_used_only_when_none_is_named() {
    let home = folder_with(&[
        (".ssh/id_rsa", &text_of(&new_key())),
        (".ssh/id_ed25519", &text_of(&new_key())),
        (".ssh/id_other", &text_of(&new_key())),
    ]);
    let found = Identities::load(&Sources {
        files: &[],
        text: None,
        passphrase: None,
        home: Some(home.path()),
    });
    let names: Vec<_> = found.keys.iter().map(|id| id.name.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.first().unwrap().ends_with("id_ed25519"), "{names:?}");
}

#[test]
fn a_bare_name_is_looked_up_in_the_ssh_folder() {
    let home = folder_with(&[(".ssh/asp.key", &text_of(&new_key()))]);
    let found = Identities::load(&Sources {
        files: &[PathBuf::from("asp.key")],
        text: None,
        passphrase: None,
        home: Some(home.path()),
    });
    assert_eq!(found.keys.len(), 1, "{:?}", found.problems);
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let locked = new_key().encrypt(&mut safe_rng(), "right").unwrap();
    let text = text_of(&locked);
    assert!(open(&text, Some("right")).is_ok());
    assert!(problem_of(&text, None).contains("put its passphrase into ASPERA_SCP_PASS"));
    let wrong = problem_of(&text, Some("secret word"));
    assert!(wrong.contains("does not open KEY"), "{wrong}");
    assert!(!wrong.contains("secret word"), "{wrong}");
}

#[test]
fn other_files_are_told_apart() {
    let public = new_key().public_key().to_openssh().unwrap();
    assert!(problem_of(&public, None).contains("is a public key"));
    assert!(problem_of("hello\n", None).contains("not an OpenSSH or PEM"));
    let dsa = "-----BEGIN DSA PRIVATE KEY-----\nMIIBuwIBAAKBgQ==\n-----END DSA PRIVATE KEY-----\n";
    assert!(problem_of(dsa, None).contains("is a DSA key"));
    let cut = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n";
    assert!(problem_of(cut, None).contains("not an OpenSSH or PEM"));
}

#[test]
fn a_dsa_key_in_the_new_form_is_recognised_too() {
    let mut blob = b"openssh-key-v1\0".to_vec();
    let mut public = Vec::new();
    for part in [&b"ssh-dss"[..], b"p", b"q", b"g", b"y"] {
        put(&mut public, part);
    }
    for part in [&b"none"[..], b"none", b""] {
        put(&mut blob, part);
    }
    blob.extend(1_u32.to_be_bytes());
    put(&mut blob, &public);
    put(&mut blob, &[0; 16]);
    let encoded = base64(&blob);
    let text = format!(
        "-----BEGIN OPENSSH PRIVATE KEY-----\n{encoded}\n-----END OPENSSH PRIVATE KEY-----\n"
    );
    assert!(problem_of(&text, None).contains("is a DSA key"));
}

fn put(out: &mut Vec<u8>, part: &[u8]) {
    out.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
    out.extend_from_slice(part);
}

fn base64(bytes: &[u8]) -> String {
    use russh::keys::ssh_encoding::base64::{Base64, Encoding};
    let text = Base64::encode_string(bytes);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(70)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\n")
}

#[test]
fn every_encrypted_form_of_ssh_keygen_opens() {
    let folder = tempfile::tempdir().unwrap();
    let forms: [&[&str]; 4] = [
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        &["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
        &["-t", "ecdsa", "-m", "PKCS8"],
        &["-t", "rsa", "-b", "2048"],
    ];
    for (number, form) in forms.iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "open sesame", "-f"])
            .arg(&path)
            .args(*form)
            .stdin(Stdio::null())
            .status();
        let Ok(status) = made else {
            crate::control_channel::tests::skipped("no ssh-keygen on this machine");
            return;
        };
        assert!(status.success());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(open(&text, Some("open sesame")).is_ok(), "{form:?}");
        assert!(open(&text, Some("shut")).is_err(), "{form:?}");
        assert!(open(&text, None).is_err(), "{form:?}");
    }
}
