//! The byte stream: whole, in single bytes, cut short, too long, and not ours at all.

use std::string::ToString;

use super::*;
use crate::control::framing::*;

fn stream() -> Vec<u8> {
    let mut bytes = PREAMBLE.to_vec();
    for (name, _) in samples() {
        bytes.extend(vector(name));
    }
    bytes
}

#[test]
fn a_stream_fed_byte_by_byte_gives_every_message() {
    let mut deframer = Deframer::<512>::new();
    let mut expected = samples().into_iter();
    for byte in stream() {
        assert_eq!(deframer.push(&[byte]), 1);
        if let Some(message) = deframer.next_message().unwrap() {
            let (name, sample) = expected.next().unwrap();
            assert_eq!(message.decode(), Ok(Some(sample)), "{name}");
        }
    }
    assert_eq!(expected.next(), None);
    assert_eq!(deframer.finish(), Ok(()));
}

#[test]
fn a_stream_longer_than_the_buffer_is_taken_as_room_appears() {
    let stream = stream();
    let mut deframer = Deframer::<300>::new();
    let mut rest = &stream[..];
    let mut messages = 0;
    while !rest.is_empty() {
        let taken = deframer.push(rest);
        rest = &rest[taken..];
        while deframer.next_message().unwrap().is_some() {
            messages += 1;
        }
    }
    assert_eq!(messages, samples().len());
}

#[test]
fn a_full_buffer_takes_nothing_until_a_message_is_taken_out() {
    let mut deframer = Deframer::<100>::new();
    assert_eq!(deframer.push(&PREAMBLE), 8);
    let mut message = header(0x80, 95).unwrap().to_vec();
    message.extend([7; 95]);
    assert_eq!(deframer.push(&message), 92);
    assert_eq!(deframer.next_message(), Ok(None));
    assert_eq!(deframer.push(&message[92..]), 8);
    assert_eq!(deframer.push(b"x"), 0);
    assert_eq!(deframer.next_message().unwrap().unwrap().body.len(), 95);
    assert_eq!(deframer.push(b"x"), 1);
}

#[test]
fn a_message_larger_than_the_buffer_is_refused() {
    let mut deframer = Deframer::<100>::new();
    deframer.push(&PREAMBLE);
    deframer.push(&header(0x01, 96).unwrap());
    let error = FramingError::TooLong { len: 96, limit: 95 };
    assert_eq!(deframer.next_message(), Err(error));
    assert_eq!(deframer.next_message(), Err(error), "it does not go away");
}

#[test]
fn a_header_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let at = header(0x0E, 1 << 20).unwrap();
    assert_eq!(parse_header(&at, MAX_BODY), Ok((0x0E, MAX_BODY)));
    let over = header(0x0E, (1 << 20) + 1).unwrap();
    assert_eq!(
        parse_header(&over, MAX_BODY),
        Err(FramingError::TooLong {
            len: MAX_BODY + 1,
            limit: MAX_BODY
        })
    );
}

#[test]
fn what_a_shell_says_instead_is_kept_for_the_user() {
    let said = b"bash: ascp: command not found\n";
    let mut deframer = Deframer::<4096>::new();
    for byte in said {
        assert_eq!(deframer.next_message(), Ok(None));
        deframer.push(&[*byte]);
    }
    let error = deframer.next_message().unwrap_err();
    assert_eq!(error, FramingError::NotOurs(Garbage::new(said)));
    assert_eq!(
        error.to_string(),
        "the far side did not answer as a transfer program; \
         it said \"bash: ascp: command not found\""
    );
}

#[test]
fn a_long_banner_is_cut_to_64_bytes_and_made_harmless() {
    let banner =
        b"\x1B[2J*** Welcome to the machine, authorised use only, all is logged, and so on ***";
    let mut deframer = Deframer::<4096>::new();
    deframer.push(banner);
    let Err(FramingError::NotOurs(garbage)) = deframer.next_message() else {
        panic!("a banner is not ours");
    };
    assert_eq!(garbage.as_bytes(), &banner[..64]);
    assert!(garbage.to_string().starts_with("\\x1b[2J***"));
}

#[test]
fn few_bytes_of_garbage_are_reported_at_the_end_of_the_stream() {
    let mut deframer = Deframer::<128>::new();
    assert_eq!(deframer.finish(), Err(FramingError::ClosedEarly));
    deframer.push(b"no");
    assert_eq!(deframer.next_message(), Ok(None));
    let error = Err(FramingError::NotOurs(Garbage::new(b"no")));
    assert_eq!(deframer.finish(), error);
}

#[test]
fn a_greeting_before_the_preamble_is_not_skipped() {
    let mut deframer = Deframer::<128>::new();
    deframer.push(b"hello\nOFASP\x01\r\n");
    assert!(matches!(
        deframer.next_message(),
        Err(FramingError::NotOurs(_))
    ));
}

#[test]
fn another_framing_version_is_told_from_garbage() {
    let mut deframer = Deframer::<128>::new();
    for byte in b"OFASP\x02\r" {
        deframer.push(&[*byte]);
        assert_eq!(deframer.next_message(), Ok(None));
    }
    deframer.push(b"\n");
    let error = FramingError::OtherVersion { theirs: 2 };
    assert_eq!(deframer.next_message(), Err(error));
    assert_eq!(
        error.to_string(),
        "the peer speaks protocol version 2, this program speaks 1"
    );
}

#[test]
fn a_preamble_whose_line_end_was_converted_is_not_ours() {
    assert!(matches!(
        check_preamble(b"OFASP\x01\n\0"),
        Err(FramingError::NotOurs(_))
    ));
    assert_eq!(check_preamble(b"OFASP\x01\r"), Ok(false));
    assert_eq!(check_preamble(b""), Ok(false));
    assert_eq!(check_preamble(b"OFASP\x01\r\nrest"), Ok(true));
}

#[test]
fn a_stream_that_ends_inside_a_message_is_truncated() {
    let stream = stream();
    let mut deframer = Deframer::<512>::new();
    deframer.push(&stream[..20]);
    assert_eq!(deframer.next_message(), Ok(None));
    assert_eq!(deframer.finish(), Err(FramingError::Truncated));
}

#[test]
fn neither_the_deframer_nor_a_raw_message_prints_bodies() {
    let mut deframer = Deframer::<512>::new();
    deframer.push(&stream()[..400]);
    let message = deframer.next_message().unwrap().unwrap();
    assert_eq!(
        std::format!("{message:?}"),
        "RawMessage(type 0x01, 130 bytes)"
    );
    assert_eq!(std::format!("{deframer:?}"), "Deframer(257 of 512 bytes)");
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_never_panic(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        ours in any::<bool>(),
    ) {
        let mut deframer = Deframer::<128>::new();
        if ours {
            deframer.push(&PREAMBLE);
        }
        for piece in pieces {
            deframer.push(&piece);
            while let Ok(Some(message)) = deframer.next_message() {
                let _ = message.decode();
            }
            let _ = deframer.finish();
        }
    }
}
