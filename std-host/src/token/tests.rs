//! Tokens: what they allow, what is refused, and that no bytes can do harm.

use proptest::prelude::*;

use super::*;

const OLD: &str = "an-old-key-of-the-server";
const NEW: &str = "a-new-key-of-the-server";

fn keys(text: &str) -> Keys {
    Keys::parse(text).unwrap()
}

fn grant() -> Grant {
    Grant {
        direction: TransferDirection::Upload,
        user: "ann".to_owned(),
        expires: 1_000,
        paths: vec![b"/in".to_vec(), b"other/a b".to_vec()],
    }
}

#[test]
fn a_token_says_what_was_signed_and_fits_on_a_line() {
    let token = keys(NEW).sign(&grant()).unwrap();
    assert!(token.is_ascii() && !token.contains([' ', '/', '+', '=']));
    assert_eq!(keys(NEW).read(token.as_bytes()), Ok(grant()));
}

#[test]
fn two_keys_are_valid_while_they_change() {
    let old_token = keys(OLD).sign(&grant()).unwrap();
    let both = keys(&format!("{NEW}\n{OLD}\n"));
    assert!(both.read(old_token.as_bytes()).is_ok());
    let new_token = both.sign(&grant()).unwrap();
    assert!(
        keys(NEW).read(new_token.as_bytes()).is_ok(),
        "the first key signs"
    );
    assert_eq!(
        keys(NEW).read(old_token.as_bytes()),
        Err(Refusal::WrongSignature)
    );
}

#[test]
fn keys_that_are_none_are_refused_without_being_shown() {
    let many = [OLD; 9].join(" ");
    for (text, why) in [
        ("", "there is no key"),
        (" \n", "there is no key"),
        ("short", "a key has fewer than 16 characters"),
        (many.as_str(), "there are more than 8 keys"),
    ] {
        assert_eq!(Keys::parse(text).err(), Some(why));
    }
    assert_eq!(format!("{:?}", keys(OLD)), "Keys(1)");
}

#[test]
fn a_session_is_checked_in_every_respect() {
    let (up, down) = (TransferDirection::Upload, TransferDirection::Download);
    for (user, direction, now, expected) in [
        ("ann", up, 999, Ok(())),
        ("ann", up, 1_000, Err(Refusal::Expired(0))),
        ("ann", up, 1_060, Err(Refusal::Expired(60))),
        ("bob", up, 0, Err(Refusal::OtherUser("ann".to_owned()))),
        ("ann", down, 0, Err(Refusal::OtherDirection)),
    ] {
        assert_eq!(grant().check(user, direction, now), expected);
    }
}

#[test]
fn paths_are_compared_by_components() {
    for (path, confined, unconfined) in [
        ("/in", true, true),
        ("in", true, false),
        ("/in/", true, true),
        ("//in/./x", true, true),
        ("./in/x/y", true, false),
        ("/inside", false, false),
        ("/in/../etc", false, false),
        ("/in/..", false, false),
        ("..", false, false),
        ("/", false, false),
        ("", false, false),
        ("other/a b/c", true, true),
        ("/other/a b", true, false),
        ("other/a", false, false),
    ] {
        let covers = |confined| grant().check_path(path.as_bytes(), confined).is_ok();
        assert_eq!(covers(true), confined, "{path} in a docroot");
        assert_eq!(covers(false), unconfined, "{path} without one");
    }
    let all = Grant {
        paths: vec![b"/".to_vec()],
        ..grant()
    };
    assert!(all.check_path(b"anything/else", true).is_ok());
    assert!(all.check_path(b"../else", true).is_err());
    assert!(all.check_path(b"a", false).is_err());
}

#[test]
fn a_changed_character_is_noticed_wherever_it_is() {
    let token = keys(NEW).sign(&grant()).unwrap();
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut bad = token.clone().into_bytes();
            bad[at] ^= 1 << bit;
            let outcome = keys(NEW).read(&bad);
            assert!(
                matches!(outcome, Err(Refusal::Malformed | Refusal::WrongSignature)),
                "byte {at} bit {bit}: {outcome:?}"
            );
        }
    }
}

#[test]
fn what_no_token_can_carry_is_refused() {
    let mut bad = Vec::new();
    for paths in [
        vec![],
        vec![b"a".to_vec(); 65],
        vec![vec![b'a'; 4_000]],
        vec![b"a/../b".to_vec()],
        vec![b"a\0".to_vec()],
        vec![Vec::new()],
    ] {
        bad.push(Grant { paths, ..grant() });
    }
    for user in [String::new(), "u".repeat(256)] {
        bad.push(Grant { user, ..grant() });
    }
    for grant in bad {
        assert!(keys(NEW).sign(&grant).is_err(), "{grant:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_refusal(bytes in proptest::collection::vec(any::<u8>(), 0..5_000)) {
        prop_assert!(keys(NEW).read(&bytes).is_err());
        let marked = [MARK.as_bytes(), &bytes].concat();
        prop_assert!(keys(NEW).read(&marked).is_err());
    }

    #[test]
    fn signed_fields_of_any_sort_are_a_grant_or_a_refusal(
        fields in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        if let Some(grant) = Grant::decoded(&fields) {
            prop_assert!(grant.paths.len() <= MOST_PATHS && !grant.user.is_empty());
        }
    }
}
