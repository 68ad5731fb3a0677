//! Key exchange against published and made-up peers.

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
    for _ in 0..6 {
        message = message.names(&[]);
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
    let agreed = agree(&ours, &theirs).unwrap();
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
        let agreed = agree(&ours, &theirs(&methods, &host_keys, &cipher, true)).unwrap();
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
    let Err(error) = agree(&ours, &server) else {
        panic!("an outdated key exchange was accepted");
    };
    assert!(
        error.to_string().contains("diffie-hellman-group1-sha1"),
        "{error}"
    );
    let server = theirs(&["curve25519-sha256"], &["ssh-dss"], &cipher, false);
    assert!(agree(&ours, &server).is_err());
}

#[test]
fn a_cut_proposal_is_an_error_at_every_length() {
    let ours = names(&["ssh-ed25519"]);
    let cipher = ["aes256-gcm@openssh.com"];
    let whole = theirs(&["curve25519-sha256"], &["ssh-ed25519"], &cipher, false);
    assert!(agree(&ours, &whole).is_ok());
    for length in 0..whole.len() - 4 {
        assert!(
            agree(&ours, whole.get(..length).unwrap()).is_err(),
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
