//! Lines of `known_hosts`, read and written.

use std::os::unix::fs::PermissionsExt;

use russh::keys::PrivateKey;
use russh::keys::key::safe_rng;
use russh::keys::ssh_encoding::base64::{Base64, Encoding};

use super::*;

fn new_key() -> PublicKey {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    key.public_key().clone()
}

fn encoded(key: &PublicKey) -> String {
    key.to_openssh().unwrap()
}

fn hashed(name: &str) -> String {
    let salt = [9; 20];
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    let hash = hmac::sign(&key, name.as_bytes());
    format!(
        "|1|{}|{}",
        Base64::encode_string(&salt),
        Base64::encode_string(hash.as_ref())
    )
}

#[test]
fn plain_hashed_and_bracketed_names_are_found() {
    let key = new_key();
    for (names, host, port) in [
        ("files.example,192.0.2.1".to_owned(), "files.example", 22),
        ("files.example,192.0.2.1".to_owned(), "192.0.2.1", 22),
        ("[files.example]:33001".to_owned(), "Files.Example", 33001),
        ("*.example".to_owned(), "files.example", 22),
        ("fi?es.*".to_owned(), "files.example", 22),
        (hashed("files.example"), "files.example", 22),
        (hashed("[files.example]:33001"), "files.example", 33001),
        ("files.example".to_owned(), "files.example", 33001),
    ] {
        let text = format!("# comment\n\n{names} {} someone\n", encoded(&key));
        let known = KnownKeys::parse(&text, host, port);
        assert_eq!(known.judge(&key), Verdict::Known, "{names} {host} {port}");
    }
}

#[test]
fn other_hosts_ports_and_excluded_names_are_not_found() {
    let key = new_key();
    for (names, host, port) in [
        ("files.example".to_owned(), "example", 22),
        ("[files.example]:33001".to_owned(), "files.example", 22),
        ("*.example,!files.example".to_owned(), "files.example", 22),
        (hashed("other.example"), "files.example", 22),
        (
            "@cert-authority files.example".to_owned(),
            "files.example",
            22,
        ),
    ] {
        let text = format!("{names} {}\n", encoded(&key));
        let known = KnownKeys::parse(&text, host, port);
        assert_eq!(known.judge(&key), Verdict::Unknown, "{names} {host} {port}");
    }
}

#[test]
fn one_of_several_keys_is_enough_and_none_of_them_is_a_change() {
    let (first, second) = (new_key(), new_key());
    let text = format!("h {}\nnonsense\nh {}\n", encoded(&first), encoded(&second));
    let known = KnownKeys::parse(&text, "h", 22);
    assert_eq!(known.judge(&second), Verdict::Known);
    assert_eq!(known.judge(&new_key()), Verdict::Changed { line: 1 });
    // Another port of that host is another service.
    let known = KnownKeys::parse(&text, "h", 2222);
    assert_eq!(known.judge(&new_key()), Verdict::Unknown);
}

#[test]
fn a_revoked_key_stays_revoked_though_it_is_also_listed() {
    let key = new_key();
    let text = format!("h {0}\n@revoked * {0}\n", encoded(&key));
    let known = KnownKeys::parse(&text, "h", 22);
    assert_eq!(known.judge(&key), Verdict::Revoked { line: 2 });
    assert_eq!(known.algorithms().count(), 1);
}

#[test]
fn recording_makes_a_private_folder_and_file_and_only_appends() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".ssh/known_hosts");
    let (first, second) = (new_key(), new_key());
    record(&path, "Files.Example", 22, &first).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.trim_end()).unwrap();
    record(&path, "h", 33001, &second).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.lines()
            .nth(1)
            .unwrap()
            .starts_with("[h]:33001 ssh-ed25519 ")
    );
    let known = KnownKeys::read(&path, "files.example", 22).unwrap();
    assert_eq!(known.judge(&first), Verdict::Known);
}

#[test]
fn a_missing_file_knows_nobody() {
    let known = KnownKeys::read(Path::new("/nonexistent/known_hosts"), "h", 22).unwrap();
    assert_eq!(known.judge(&new_key()), Verdict::Unknown);
}

#[test]
fn stars_match_any_run_and_nothing_else() {
    for (pattern, name, expected) in [
        ("*", "", true),
        ("a*c", "abcbc", true),
        ("a*c", "abcb", false),
        ("**b", "aab", true),
        ("?", "", false),
        ("a", "ab", false),
    ] {
        let matched = glob(pattern.as_bytes(), name.as_bytes());
        assert_eq!(matched, expected, "{pattern} {name}");
    }
}

#[test]
fn a_name_that_would_stand_for_others_is_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    for host in [
        "",
        "*.example",
        "a,b",
        "!a",
        "h?st",
        "#h",
        "@revoked",
        "|1|x|y",
        "h\nevil ssh-ed25519 AAAA",
        "h evil",
        "h\u{2028}x",
        "[h]:22",
    ] {
        assert!(record(&path, host, 22, &new_key()).is_err(), "{host:?}");
    }
    assert!(!path.exists());
    for host in [
        "files.example",
        "2001:db8::1",
        "fe80::1%eth0",
        "b\u{fc}cher.example",
        "a_b-c",
    ] {
        assert!(can_be_recorded(host), "{host}");
    }
}

#[test]
fn revocation_reaches_every_port_and_every_pattern() {
    let key = new_key();
    for names in ["h", "*", "[h]:2222", "x,h*", &hashed("h")] {
        let text = format!("[h]:2222 {0}\n@revoked {names} {0}\n", encoded(&key));
        let known = KnownKeys::parse(&text, "h", 2222);
        assert_eq!(known.judge(&key), Verdict::Revoked { line: 2 }, "{names}");
    }
}

proptest::proptest! {
    #[test]
    fn a_file_of_any_text_is_read_without_a_panic(
        text in "[@|#*?!,\\[\\]:1=+/a-z \\n]{0,200}",
        pattern in "[*?a]{0,12}",
        name in "[a]{0,12}",
    ) {
        proptest::prop_assert_eq!(KnownKeys::parse(&text, "h", 22).judge(&new_key()), Verdict::Unknown);
        glob(pattern.as_bytes(), name.as_bytes());
    }
}
