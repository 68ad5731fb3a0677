//! Messages that break the rules: each gives its own error, none a panic.

use super::*;

/// Decodes RATE, the smallest message with three numbers.
fn rate(body: &[u8]) -> Result<Option<ControlMessage<'_>>, DecodeError> {
    ControlMessage::decode(RATE, body)
}

#[test]
fn every_truncated_message_is_an_error() {
    for (name, _) in samples() {
        let bytes = vector(name);
        let (kind, body) = (bytes[4], &bytes[5..]);
        for len in 0..body.len() {
            assert_eq!(
                ControlMessage::decode(kind, &body[..len]),
                Err(DecodeError::Truncated),
                "{name} cut to {len}"
            );
        }
    }
}

#[test]
fn every_message_with_a_byte_too_many_is_an_error() {
    for (name, _) in samples() {
        let mut bytes = vector(name);
        bytes.push(0);
        assert_eq!(
            ControlMessage::decode(bytes[4], &bytes[5..]),
            Err(DecodeError::TrailingBytes),
            "{name}"
        );
    }
}

#[test]
fn a_required_key_that_is_absent_is_named() {
    assert_eq!(
        rate(b"\xA2\x00\x01\x02\x00"),
        Err(DecodeError::MissingKey { key: 1 })
    );
    assert_eq!(rate(b"\xA0"), Err(DecodeError::MissingKey { key: 0 }));
}

#[test]
fn a_repeated_or_misplaced_key_is_refused() {
    assert_eq!(
        rate(b"\xA4\x00\x01\x00\x01\x01\x00\x02\x00"),
        Err(DecodeError::KeyOrder { key: 0 })
    );
    assert_eq!(
        rate(b"\xA3\x01\x00\x00\x01\x02\x00"),
        Err(DecodeError::MissingKey { key: 0 })
    );
    assert_eq!(
        rate(b"\xA4\x00\x01\x01\x00\x02\x00\x02\x00"),
        Err(DecodeError::KeyOrder { key: 2 })
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused() {
    for wrong in [
        &b"\x20"[..],
        b"\x41\x00",
        b"\x61a",
        b"\x80",
        b"\xA0",
        b"\xF5",
        b"\xF6",
    ] {
        let mut body = b"\xA3\x00".to_vec();
        body.extend_from_slice(wrong);
        body.extend_from_slice(b"\x01\x00\x02\x00");
        assert_eq!(
            rate(&body),
            Err(DecodeError::WrongType { key: 0 }),
            "{wrong:?}"
        );
    }
    assert_eq!(
        rate(b"\xA3\x61a\x01\x01\x00\x02\x00"),
        Err(DecodeError::BadKey)
    );
    assert_eq!(
        ControlMessage::decode(CANCEL, b"\xA2\x00\x01\x01\x61\xFF"),
        Err(DecodeError::WrongType { key: 1 }),
        "text that is not UTF-8"
    );
}

#[test]
fn a_number_too_large_for_its_key_is_refused() {
    assert_eq!(
        rate(b"\xA3\x00\x01\x01\x00\x02\x04"),
        Err(DecodeError::OutOfRange { key: 2 })
    );
    assert_eq!(
        ControlMessage::decode(SUMMARY_ACK, b"\xA1\x00\x1A\x00\x01\x00\x00"),
        Err(DecodeError::OutOfRange { key: 0 })
    );
    let mut body = vector("hello")[5..].to_vec();
    let at = body
        .windows(4)
        .position(|four| four == b"\x00\xAB\xCD\xEF")
        .unwrap();
    body[at] = 1;
    assert_eq!(
        ControlMessage::decode(HELLO, &body),
        Err(DecodeError::OutOfRange { key: 4 }),
        "a connection id of 25 bits"
    );
}

#[test]
fn a_longer_form_than_needed_is_refused() {
    for padded in [&b"\x18\x17"[..], b"\x19\x00\xFF", b"\x1A\x00\x00\xFF\xFF"] {
        let mut body = b"\xA3\x00".to_vec();
        body.extend_from_slice(padded);
        body.extend_from_slice(b"\x01\x00\x02\x00");
        assert_eq!(
            rate(&body),
            Err(DecodeError::NotDeterministic { key: 0 }),
            "{padded:?}"
        );
    }
    assert_eq!(
        ControlMessage::decode(CANCEL, b"\xA2\x00\x01\x01\x78\x01a"),
        Err(DecodeError::NotDeterministic { key: 1 })
    );
    assert_eq!(rate(b"\xB8\x00"), Err(DecodeError::NotAMap));
    assert_eq!(rate(b"\xBF\xFF"), Err(DecodeError::NotAMap));
}

#[test]
fn a_body_that_is_not_a_map_is_refused() {
    for body in [&b"\x00"[..], b"\x80", b"\x61a", b"\xF6", b"\xFF"] {
        assert_eq!(rate(body), Err(DecodeError::NotAMap), "{body:?}");
    }
}

#[test]
fn unknown_keys_are_skipped_whatever_they_hold() {
    for value in [
        &b"\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"[..],
        b"\x38\x20",
        b"\x43abc",
        b"\x63abc",
        b"\x82\x01\x82\x01\x80",
        b"\xA1\x61k\xA1\x00\x80",
        b"\xC1\x00",
        b"\xF4",
        b"\xF6",
        b"\xF9\x3C\x00",
        b"\xFB\x00\x00\x00\x00\x00\x00\x00\x00",
    ] {
        let mut body = b"\xA5\x00\x01\x01\x00\x02\x02\x03".to_vec();
        body.extend_from_slice(value);
        body.extend_from_slice(b"\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00");
        let expected = ControlMessage::Rate(Rate {
            target: BitRate(1),
            minimum: BitRate(0),
            policy: RatePolicy::Fair,
        });
        assert_eq!(rate(&body), Ok(Some(expected)), "{value:?}");
    }
}

#[test]
fn an_unknown_key_must_still_hold_a_well_formed_value() {
    for (value, error) in [
        (&b"\x9F\xFF"[..], DecodeError::NotDeterministic { key: 3 }),
        (b"\x81\x9F\xFF", DecodeError::NotDeterministic { key: 3 }),
        (b"\x5F\xFF", DecodeError::NotDeterministic { key: 3 }),
        (b"\xFF", DecodeError::WrongType { key: 3 }),
        (b"\x1C", DecodeError::WrongType { key: 3 }),
        (
            b"\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00",
            DecodeError::Truncated,
        ),
        (b"", DecodeError::Truncated),
    ] {
        let mut body = b"\xA4\x00\x01\x01\x00\x02\x02\x03".to_vec();
        body.extend_from_slice(value);
        assert_eq!(rate(&body), Err(error), "{value:?}");
    }
}

#[test]
fn an_unknown_type_is_ignored_from_128_on_and_fatal_below() {
    for kind in [0x00, 0x07, 0x0C, 0x13, 0x16, 0x7F] {
        assert_eq!(
            ControlMessage::decode(kind, b"\xA0"),
            Err(DecodeError::UnknownMessage(kind))
        );
    }
    for kind in [0x80, 0xFF] {
        assert_eq!(ControlMessage::decode(kind, b"anything"), Ok(None));
    }
}

#[test]
fn a_list_has_at_most_sixteen_entries() {
    let mut body = vec![0xA1, 0x00, 0x91];
    body.extend([1; 17]);
    assert_eq!(
        Hello::peek_versions(&body),
        Err(DecodeError::OutOfRange { key: 0 })
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(kind in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ControlMessage::decode(kind, &body);
    }

    #[test]
    fn a_changed_byte_never_panics_and_never_reads_back_differently(
        index in 0_usize..15,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (name, _) = samples().swap_remove(index);
        let mut bytes = vector(name);
        let at = 5 + at.index(bytes.len() - 5);
        bytes[at] = byte;
        // What is accepted without unknown keys has one spelling only.
        if let Ok(Some(message)) = ControlMessage::decode(bytes[4], &bytes[5..]) {
            let again = encoded(&message);
            if again.len() == bytes.len() {
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
