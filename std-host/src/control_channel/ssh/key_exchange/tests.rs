//! Key exchange against published and made-up peers.

use russh::keys::key::safe_rng;
use russh::keys::signature::Signer;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::{HashAlg, PrivateKey};

use super::*;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// A server's proposal with these methods, host keys and ciphers.
fn theirs(methods: &[&str], host_keys: &[&str], ciphers: &[&str], follows: bool) -> Vec<u8> {
    let mut message = Message::new(number::KEXINIT)
        .raw(&[0; COOKIE_SIZE])
        .names(methods)
        .names(host_keys)
        .names(ciphers)
        .names(ciphers);
    for list in ["", "", "zlib,none", "none", "", ""] {
        message = message.string(list);
    }
    message.flag(follows).number(0).bytes().to_vec()
}

#[test]
fn our_order_decides_among_what_both_have() {
    let ours = names(&["ssh-ed25519", "rsa-sha2-512"]);
    let theirs = theirs(
        &["ecdh-sha2-nistp256", "curve25519-sha256"],
        &["rsa-sha2-512", "ssh-ed25519"],
        &["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"],
        false,
    );
    let agreed = agree(&ours, &theirs, None).unwrap();
    assert_eq!(agreed.method, Method::X25519);
    assert_eq!(agreed.host_key, "ssh-ed25519");
    assert_eq!(agreed.outgoing, Cipher::Aes128Gcm);
    assert!(!agreed.strict && !agreed.guess_holds && !agreed.skip_one);
}

#[test]
fn a_guess_holds_only_when_both_sides_put_the_same_first() {
    let (exchange, cipher) = ("mlkem768x25519-sha256", ["aes256-gcm@openssh.com"]);
    let ours = names(&["ssh-ed25519"]);
    for (methods, host_keys, holds) in [
        (vec![exchange, STRICT_SERVER], vec!["ssh-ed25519"], true),
        (vec![exchange], vec!["rsa-sha2-512", "ssh-ed25519"], false),
        (
            vec!["curve25519-sha256", exchange],
            vec!["ssh-ed25519"],
            false,
        ),
    ] {
        let theirs = theirs(&methods, &host_keys, &cipher, true);
        let agreed = agree(&ours, &theirs, None).unwrap();
        assert_eq!(agreed.guess_holds, holds, "{methods:?} {host_keys:?}");
        assert_eq!(agreed.skip_one, !holds, "{methods:?} {host_keys:?}");
        assert_eq!(agreed.strict, methods.contains(&STRICT_SERVER));
    }
}

#[test]
fn nothing_in_common_names_what_the_server_has() {
    let ours = names(&["ssh-ed25519"]);
    let cipher = ["aes256-gcm@openssh.com"];
    let server = theirs(
        &["diffie-hellman-group1-sha1"],
        &["ssh-ed25519"],
        &cipher,
        false,
    );
    let Err(error) = agree(&ours, &server, None) else {
        panic!("an outdated key exchange was accepted");
    };
    assert!(
        error.to_string().contains("diffie-hellman-group1-sha1"),
        "{error}"
    );
    let server = theirs(&["curve25519-sha256"], &["ssh-dss"], &cipher, false);
    assert!(agree(&ours, &server, None).is_err());
    let without_plain = Message::new(number::KEXINIT)
        .raw(&[0; COOKIE_SIZE])
        .names(&["curve25519-sha256"])
        .names(&["ssh-ed25519"])
        .names(&cipher)
        .names(&cipher)
        .raw(&[0; 8])
        .names(&["zlib"])
        .names(&["zlib"])
        .raw(&[0; 8])
        .flag(false)
        .number(0);
    let Err(error) = agree(&ours, without_plain.bytes(), None) else {
        panic!("a server that compresses always was accepted");
    };
    assert!(error.to_string().contains("no compression"), "{error}");
}

#[test]
fn the_servers_lists_cannot_steer_the_terminal_or_flood_it() {
    let cipher = ["aes256-gcm@openssh.com"];
    let hostile = format!("\x1b]0;owned\x07{}", "x".repeat(30_000));
    let server = theirs(&[&hostile], &["ssh-ed25519"], &cipher, false);
    let Err(error) = agree(&names(&["ssh-ed25519"]), &server, None) else {
        panic!("an unknown key exchange was accepted");
    };
    let text = error.to_string();
    assert!(
        !text.contains(char::is_control) && text.len() < 1000,
        "{text:?}"
    );
}

#[test]
fn a_cipher_that_counts_with_the_connection_needs_strict_key_exchange() {
    let ours = names(&["ssh-ed25519"]);
    let chacha = ["chacha20-poly1305@openssh.com"];
    let lax = theirs(&["curve25519-sha256"], &["ssh-ed25519"], &chacha, false);
    assert!(agree(&ours, &lax, None).is_err());
    let methods = ["curve25519-sha256", STRICT_SERVER];
    let strict = theirs(&methods, &["ssh-ed25519"], &chacha, false);
    assert!(agree(&ours, &strict, None).is_ok());
    // When keys are renewed, what counts is what the first exchange said.
    assert!(agree(&ours, &lax, Some(true)).is_ok());
    assert!(agree(&ours, &strict, Some(false)).is_err());
}

#[test]
fn a_cut_proposal_is_an_error_at_every_length() {
    let ours = names(&["ssh-ed25519"]);
    let cipher = ["aes256-gcm@openssh.com"];
    let whole = theirs(&["curve25519-sha256"], &["ssh-ed25519"], &cipher, false);
    assert!(agree(&ours, &whole, None).is_ok());
    for length in 0..whole.len() {
        assert!(
            agree(&ours, whole.get(..length).unwrap(), None).is_err(),
            "{length}"
        );
    }
}

#[test]
fn numbers_are_encoded_without_leading_zeros_and_never_negative() {
    // The examples of RFC 4251 section 5.
    for (bytes, expected) in [
        (&[0, 0][..], &[0, 0, 0, 0][..]),
        (&[0x80], &[0, 0, 0, 2, 0, 0x80]),
        (&[0, 0x7f, 1], &[0, 0, 0, 2, 0x7f, 1]),
    ] {
        assert_eq!(positive_integer(bytes).as_slice(), expected);
    }
}

#[test]
fn a_key_of_the_server_that_is_no_point_is_refused() {
    let share = Share::generate(Method::X25519).unwrap();
    // The point of order one would make the secret known to everybody.
    assert!(share.agree(&[0; 32]).is_err());
    for method in [Method::MlKem768X25519, Method::X25519, Method::P256] {
        let share = Share::generate(method).unwrap();
        assert!(share.agree(&[4; 31]).is_err(), "{method:?}");
    }
}

/// A server's reply to `share` by X25519 with this host key and label of the signature.
fn reply_with(share: &Share, blob: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let server = Share::generate(Method::X25519).unwrap();
    let public = server.public.clone();
    let covered = Message::fields()
        .string("client")
        .string("server")
        .string("ours")
        .string("theirs")
        .string(blob)
        .string(&share.public)
        .string(&public);
    let secret = server.agree(&share.public).unwrap();
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(covered.bytes());
    hash.update(&secret);
    let reply = Message::new(number::KEX_ECDH_REPLY)
        .string(blob)
        .string(&public)
        .string(sign(hash.finish().as_ref()));
    reply.bytes().to_vec()
}

fn finish_with(host_key: &str, share: Share, reply: &[u8]) -> Result<Exchanged, SshError> {
    let ours = names(&[host_key]);
    let gcm = ["aes256-gcm@openssh.com"];
    let agreed = agree(
        &ours,
        &theirs(&["curve25519-sha256"], &[host_key], &gcm, false),
        None,
    );
    let transcript = Transcript {
        client_id: "client",
        server_id: "server",
        our_proposal: b"ours",
        their_proposal: b"theirs",
    };
    finish(share, &agreed.unwrap(), &transcript, reply)
}

fn ed25519() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), russh::keys::Algorithm::Ed25519).unwrap()
}

fn signature(key: &PrivateKey, bytes: &[u8]) -> Vec<u8> {
    let signature: Signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, Some(HashAlg::Sha256)).try_sign(bytes),
        pair => pair.try_sign(bytes),
    }
    .unwrap();
    Vec::try_from(signature).unwrap()
}

#[test]
fn a_host_key_of_another_kind_than_agreed_is_refused() {
    let key = ed25519();
    let blob = key.public_key().to_bytes().unwrap();
    for (agreed, accepted) in [("ssh-ed25519", true), ("rsa-sha2-256", false)] {
        let share = Share::generate(Method::X25519).unwrap();
        let reply = reply_with(&share, &blob, |hash| {
            // Labelled as agreed, whatever it is.
            let honest = signature(&key, hash);
            let mut fields = Fields::bare(&honest);
            fields.string().unwrap();
            let raw = fields.string().unwrap();
            Message::fields()
                .string(agreed)
                .string(raw)
                .bytes()
                .to_vec()
        });
        assert_eq!(
            finish_with(agreed, share, &reply).is_ok(),
            accepted,
            "{agreed}"
        );
    }
}

#[test]
fn an_rsa_host_key_is_long_enough_and_signs_as_agreed() {
    for (bits, agreed, accepted) in [
        (2048, "rsa-sha2-256", true),
        (2048, "rsa-sha2-512", false),
        (1024, "rsa-sha2-256", false),
    ] {
        let pair = RsaKeypair::random(&mut safe_rng(), bits).unwrap();
        let key = PrivateKey::from(pair);
        let blob = key.public_key().to_bytes().unwrap();
        let share = Share::generate(Method::X25519).unwrap();
        let reply = reply_with(&share, &blob, |hash| signature(&key, hash));
        let outcome = finish_with(agreed, share, &reply);
        assert_eq!(outcome.is_ok(), accepted, "{bits} {agreed}");
    }
}

#[test]
fn bytes_behind_the_reply_are_refused() {
    let key = ed25519();
    let blob = key.public_key().to_bytes().unwrap();
    let share = Share::generate(Method::X25519).unwrap();
    let mut reply = reply_with(&share, &blob, |hash| signature(&key, hash));
    reply.push(0);
    assert!(finish_with("ssh-ed25519", share, &reply).is_err());
}

#[test]
fn absurd_rsa_keys_end_the_exchange_and_not_the_process() {
    let big = [0xff; 8192];
    let even = [0x80; 256];
    for (e, n) in [
        (&[3][..], &[][..]),
        (&[3], &[1]),
        (&[3], &even),
        (&[], &even),
        (&big, &big),
        (&[1, 0, 1], &big),
    ] {
        let blob = Message::fields()
            .string("ssh-rsa")
            .raw(&positive_integer(e))
            .raw(&positive_integer(n));
        let share = Share::generate(Method::X25519).unwrap();
        let reply = reply_with(&share, blob.bytes(), |_| {
            let signed = Message::fields().string("rsa-sha2-512").string([7; 256]);
            signed.bytes().to_vec()
        });
        assert!(finish_with("rsa-sha2-512", share, &reply).is_err());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn a_reply_of_any_bytes_is_refused_without_a_panic(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        kind in 0..2,
    ) {
        let mut reply = vec![number::KEX_ECDH_REPLY];
        if kind == 1 {
            reply.extend([0, 0, 0, 11]);
            reply.extend(b"ssh-ed25519");
        }
        reply.extend(&bytes);
        let share = Share::generate(Method::X25519).unwrap();
        proptest::prop_assert!(finish_with("ssh-ed25519", share, &reply).is_err());
        proptest::prop_assert!(agree(&names(&["ssh-ed25519"]), &bytes, None).is_err());
    }
}
