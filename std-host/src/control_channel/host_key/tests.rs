//! Which host keys are trusted.

use russh::keys::PrivateKey;
use russh::keys::key::safe_rng;

use super::*;

fn new_key(algorithm: Algorithm) -> PublicKey {
    let key = PrivateKey::random(&mut safe_rng(), algorithm).unwrap();
    key.public_key().clone()
}

fn p256() -> Algorithm {
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    }
}

fn rules(text: &str, fingerprint: Option<[u8; 20]>) -> (tempfile::TempDir, HostKeyRules) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    std::fs::write(&file, text).unwrap();
    let rules = HostKeyRules::new("h", 22, file, fingerprint).unwrap();
    (folder, rules)
}

#[test]
fn the_kinds_on_record_are_asked_for_first_and_the_others_too() {
    let key = new_key(p256());
    let (_folder, rules) = rules(&format!("h {}\n", key.to_openssh().unwrap()), None);
    let asked = rules.algorithms();
    assert_eq!(asked.first(), Some(&p256()));
    assert_eq!(asked.len(), ALGORITHMS.len());
}

#[test]
fn an_rsa_key_on_record_asks_for_both_rsa_signatures_first() {
    let key = russh::keys::ssh_key::private::RsaKeypair::random(&mut safe_rng(), 2048).unwrap();
    let key = PrivateKey::from(key);
    let line = format!("h {}\n", key.public_key().to_openssh().unwrap());
    let (_folder, rules) = rules(&line, None);
    let first: Vec<String> = rules
        .algorithms()
        .iter()
        .take(2)
        .map(ToString::to_string)
        .collect();
    assert_eq!(first, ["rsa-sha2-512", "rsa-sha2-256"]);
}

#[test]
fn a_known_host_with_a_key_of_another_kind_is_refused() {
    let key = new_key(Algorithm::Ed25519);
    let (_folder, rules) = rules(&format!("h {}\n", key.to_openssh().unwrap()), None);
    assert_eq!(rules.check(&key), Ok(None));
    let failure = rules.check(&new_key(p256())).unwrap_err();
    assert_eq!(failure.fault, Fault::InsecureConnection);
    assert!(
        failure.text.contains("the host key of h has changed"),
        "{failure}"
    );
    assert!(failure.text.contains("line 1"), "{failure}");
}

#[test]
fn a_revoked_key_is_refused_even_with_the_right_fingerprint() {
    let key = new_key(Algorithm::Ed25519);
    let line = format!("@revoked h {}\n", key.to_openssh().unwrap());
    let (_folder, rules) = rules(&line, Some(sha1_fingerprint(&key).unwrap()));
    let failure = rules.check(&key).unwrap_err();
    assert!(failure.text.contains("is revoked"), "{failure}");
}

#[test]
fn the_right_fingerprint_overrules_an_outdated_record() {
    let (old, new) = (new_key(Algorithm::Ed25519), new_key(Algorithm::Ed25519));
    let line = format!("h {}\n", old.to_openssh().unwrap());
    let (_folder, rules) = rules(&line, Some(sha1_fingerprint(&new).unwrap()));
    assert_eq!(rules.check(&new), Ok(None));
    assert!(rules.check(&old).is_err());
}

#[test]
fn a_key_that_cannot_be_recorded_is_a_warning() {
    let file = PathBuf::from("/dev/null/known_hosts");
    let rules = HostKeyRules::new("h", 22, file, None).unwrap();
    let warning = rules.check(&new_key(Algorithm::Ed25519)).unwrap().unwrap();
    assert!(
        warning.contains("could not be recorded in /dev/null"),
        "{warning}"
    );
}

#[test]
fn after_all_kinds_of_key_there_is_nothing_left_to_try() {
    let (_folder, mut rules) = rules("", Some([0; 20]));
    assert!(rules.try_another_kind(&Algorithm::Ed25519));
    assert!(!rules.algorithms().contains(&Algorithm::Ed25519));
    assert!(rules.try_another_kind(&Algorithm::Rsa { hash: None }));
    for curve in [EcdsaCurve::NistP256, EcdsaCurve::NistP384] {
        assert!(rules.try_another_kind(&Algorithm::Ecdsa { curve }));
    }
    let curve = EcdsaCurve::NistP521;
    assert!(!rules.try_another_kind(&Algorithm::Ecdsa { curve }));
}
