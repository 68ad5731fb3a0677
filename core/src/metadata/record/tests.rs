//! File records against bytes made elsewhere, against themselves, and against damage.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::control::tests::vector;

const RANGES: [ByteRange; 2] = [
    ByteRange {
        start: 0,
        end: 65_536,
    },
    ByteRange {
        start: 1 << 20,
        end: 1 << 33,
    },
];
const ROOT: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

fn open(object: u32, path: &[u8]) -> OpenRecord<'_> {
    OpenRecord {
        object: ObjectId(object),
        path,
        kind: ObjectKind::File,
        size: 0,
        modified_ns: 0,
        accessed_ns: 0,
        mode: 0,
    }
}

fn meta_samples() -> Vec<(&'static str, MetaRecord<'static>)> {
    let mut samples = object_samples();
    samples.extend(link_samples());
    samples
}

fn object_samples() -> Vec<(&'static str, MetaRecord<'static>)> {
    let file = OpenRecord {
        size: 1 << 33,
        modified_ns: 1_700_000_000_123_456_789,
        accessed_ns: -1,
        mode: 0o644,
        ..open(1, b"d3/f 1")
    };
    let directory = OpenRecord {
        kind: ObjectKind::Directory,
        mode: 0o755,
        ..open(300, b"d3")
    };
    let object = ObjectId(1);
    vec![
        ("open_file", MetaRecord::Open(file)),
        ("open_directory", MetaRecord::Open(directory)),
        ("open_empty", MetaRecord::Open(open(2, b"e"))),
        (
            "close",
            MetaRecord::Close {
                object,
                fault: None,
                root: None,
                checksum: None,
            },
        ),
        (
            "close_failed",
            MetaRecord::Close {
                object,
                fault: Some(Fault::DiskRead),
                root: None,
                checksum: None,
            },
        ),
        (
            "end",
            MetaRecord::End {
                objects: 301,
                bytes: 1 << 33,
            },
        ),
        (
            "sending",
            MetaRecord::Sending {
                object: ObjectId(7),
                ranges: Ranges::new(&RANGES),
            },
        ),
        ("recheck", MetaRecord::Recheck(ObjectId(7))),
        (
            "close_hashed",
            MetaRecord::Close {
                object,
                fault: None,
                root: Some(&ROOT),
                checksum: None,
            },
        ),
    ]
}

fn link_samples() -> Vec<(&'static str, MetaRecord<'static>)> {
    vec![
        (
            "link",
            MetaRecord::Link(LinkRecord {
                object: ObjectId(9),
                path: b"d3/l",
                target: b"../t",
                replaces: false,
            }),
        ),
        (
            "link_replacing",
            MetaRecord::Link(LinkRecord {
                object: ObjectId(9),
                path: b"l",
                target: b"/\xff",
                replaces: true,
            }),
        ),
    ]
}

fn resume(object: u32, missing: &[(u64, u64)]) -> DecideRecord {
    DecideRecord::Resume {
        object: ObjectId(object),
        missing: missing
            .iter()
            .map(|(start, end)| ByteRange {
                start: *start,
                end: *end,
            })
            .collect(),
    }
}

fn decide_samples() -> Vec<(&'static str, DecideRecord)> {
    let go = |first, last| DecideRecord::Go {
        first: ObjectId(first),
        last: ObjectId(last),
    };
    let result = |first, last, fault| DecideRecord::Result {
        first: ObjectId(first),
        last: ObjectId(last),
        fault,
    };
    vec![
        ("go", go(1, 300)),
        ("go_one", go(4, 4)),
        (
            "skip",
            DecideRecord::Skip {
                first: ObjectId(5),
                last: ObjectId(6),
            },
        ),
        ("resume", resume(7, &[(0, 65_536), (1 << 20, 1 << 33)])),
        ("resume_nothing_missing", resume(7, &[])),
        ("compare", DecideRecord::Compare(ObjectId(7))),
        ("result", result(1, 6, None)),
        ("result_failed", result(7, 7, Some(Fault::DiskWrite))),
    ]
}

fn written(encode: impl FnOnce(&mut [u8]) -> Result<usize, Full>) -> Vec<u8> {
    let mut out = vec![0xEE; PREFIX_LEN + MAX_RECORD];
    let len = encode(&mut out).unwrap();
    out.truncate(len);
    out
}

#[test]
fn a_hash_of_another_size_is_refused() {
    let mut bytes = vector("close_hashed")[PREFIX_LEN..].to_vec();
    assert_eq!(bytes[7], 32);
    bytes[7] = 31;
    bytes.pop();
    assert_eq!(decode_meta(&bytes), Err(RecordError::BadRoot));
}

#[test]
fn every_record_is_written_and_read_as_the_specification_says() {
    for (name, record) in meta_samples() {
        let bytes = vector(name);
        assert_eq!(written(|out| encode_meta(&record, out)), bytes, "{name}");
        let (body, taken) = next_record(&bytes).unwrap().unwrap();
        assert_eq!(taken, bytes.len(), "{name}");
        assert_eq!(decode_meta(body), Ok(record), "{name}");
    }
    for (name, record) in decide_samples() {
        let bytes = vector(name);
        assert_eq!(written(|out| encode_decide(&record, out)), bytes, "{name}");
        let (body, taken) = next_record(&bytes).unwrap().unwrap();
        assert_eq!(taken, bytes.len(), "{name}");
        assert_eq!(decode_decide(body), Ok(record), "{name}");
    }
}

#[test]
fn every_truncated_record_is_an_error() {
    for (name, _) in meta_samples() {
        let bytes = vector(name);
        for len in 2..bytes.len() {
            let error = RecordError::Malformed(DecodeError::Truncated);
            assert_eq!(decode_meta(&bytes[2..len]), Err(error), "{name} {len}");
        }
    }
    for (name, _) in decide_samples() {
        let bytes = vector(name);
        for len in 2..bytes.len() {
            let error = RecordError::Malformed(DecodeError::Truncated);
            assert_eq!(decode_decide(&bytes[2..len]), Err(error), "{name} {len}");
        }
    }
}

#[test]
fn a_record_fits_a_buffer_of_its_own_size_and_no_smaller_one() {
    for (name, record) in meta_samples() {
        let mut out = vector(name);
        assert_eq!(encode_meta(&record, &mut out), Ok(out.len()), "{name}");
        for len in 0..out.len() {
            assert_eq!(encode_meta(&record, &mut out[..len]), Err(Full), "{name}");
        }
    }
}

#[test]
fn a_stream_is_cut_at_record_boundaries() {
    let mut stream = vector("close");
    stream.extend(vector("end"));
    let mut rest = &stream[..];
    let mut kinds = Vec::new();
    while let Some((record, taken)) = next_record(rest).unwrap() {
        kinds.push(decode_meta(record).unwrap());
        rest = &rest[taken..];
    }
    assert_eq!(kinds, [meta_samples()[3].1, meta_samples()[5].1]);
    assert_eq!(rest, b"");
    for len in 0..7 {
        assert_eq!(next_record(&stream[..len]), Ok(None), "{len}");
    }
    assert_eq!(next_record(b"\0\0"), Err(RecordError::Length(0)));
    assert_eq!(next_record(b"\x11\x01"), Err(RecordError::Length(4_353)));
    assert_eq!(next_record(b"\x11\x00"), Ok(None));
}

#[test]
fn the_longest_path_fits_the_largest_record() {
    let path = [&b"x"[..]; 2_048].join(&b'/');
    let record = OpenRecord {
        size: SIZE_LIMIT - 1,
        modified_ns: i64::MIN,
        accessed_ns: i64::MAX,
        mode: 0o7777,
        ..open(u32::MAX, &path)
    };
    let bytes = written(|out| encode_open(&record, out));
    assert_eq!(decode_open(&bytes), Ok(record));
    assert!(bytes.len() < MAX_RECORD);
    let too_long = vec![b'x'; 4_400];
    let mut out = vec![0; 9_000];
    assert_eq!(encode_open(&open(1, &too_long), &mut out), Err(Full));
    let record = MetaRecord::Open(open(1, &too_long));
    assert_eq!(encode_meta(&record, &mut out), Err(Full));
}

#[test]
fn an_open_record_alone_is_only_an_open_record() {
    assert_eq!(
        decode_open(&vector("close")[2..]),
        Err(RecordError::UnknownKind(2))
    );
    assert_eq!(
        decode_open(&vector("end")[2..]),
        Err(RecordError::UnknownKind(3))
    );
}

#[test]
fn an_open_record_that_breaks_a_rule_is_refused() {
    let good = open(1, b"f");
    for (record, error) in [
        (open(0, b"f"), RecordError::BadObjects),
        (open(1, b""), RecordError::BadPath(PathError::Empty)),
        (open(1, b"/f"), RecordError::BadPath(PathError::Absolute)),
        (
            open(1, b"a/../f"),
            RecordError::BadPath(PathError::DotComponent),
        ),
        (open(1, b"a\0f"), RecordError::BadPath(PathError::Nul)),
        (
            OpenRecord {
                size: SIZE_LIMIT,
                ..good
            },
            RecordError::BadSize,
        ),
        (
            OpenRecord {
                kind: ObjectKind::Directory,
                size: 1,
                ..good
            },
            RecordError::BadSize,
        ),
        (
            OpenRecord {
                mode: 0o10000,
                ..good
            },
            RecordError::BadMode,
        ),
    ] {
        let bytes = written(|out| encode_open(&record, out));
        assert_eq!(decode_open(&bytes), Err(error), "{record:?}");
    }
}

#[test]
fn missing_ranges_that_break_a_rule_are_refused() {
    for missing in [
        &[(5, 5)][..],
        &[(6, 5)],
        &[(0, 5), (4, 9)],
        &[(4, 9), (0, 2)],
        &[(0, (1 << 56) + 1)],
    ] {
        let bytes = written(|out| encode_decide(&resume(1, missing), out));
        assert_eq!(
            decode_decide(&bytes[2..]),
            Err(RecordError::BadRanges),
            "{missing:?}"
        );
    }
    assert_eq!(
        decode_decide(b"\xA3\x00\x03\x01\x01\x02\x83\x00\x01\x02"),
        Err(RecordError::BadRanges),
        "a start without an end"
    );
    let touching = resume(1, &[(0, 5), (5, 1 << 56)]);
    let bytes = written(|out| encode_decide(&touching, out));
    assert_eq!(decode_decide(&bytes[2..]), Ok(touching));
}

#[test]
fn more_than_64_missing_ranges_are_refused() {
    let many: Vec<_> = (0..64).map(|i| (i * 10, i * 10 + 5)).collect();
    let full = resume(1, &many);
    let mut bytes = written(|out| encode_decide(&full, out))[2..].to_vec();
    assert_eq!(decode_decide(&bytes), Ok(full));
    let at = bytes.iter().position(|byte| *byte == 0x98).unwrap();
    bytes[at + 1] += 2;
    bytes.extend_from_slice(b"\x19\x10\x00\x19\x10\x01");
    assert_eq!(decode_decide(&bytes), Err(RecordError::BadRanges));
}

#[test]
fn object_ranges_that_break_a_rule_are_refused() {
    for body in [
        &b"\xA2\x00\x01\x01\x00"[..],
        b"\xA3\x00\x02\x01\x05\x02\x04",
        b"\xA3\x00\x03\x01\x00\x02\x80",
        b"\xA3\x00\x04\x01\x00\x02\x04",
    ] {
        assert_eq!(
            decode_decide(body),
            Err(RecordError::BadObjects),
            "{body:?}"
        );
    }
    assert_eq!(
        decode_meta(b"\xA2\x00\x02\x01\x00"),
        Err(RecordError::BadObjects)
    );
}

#[test]
fn a_link_that_cannot_be_is_refused() {
    let link = |path, target| {
        let record = MetaRecord::Link(LinkRecord {
            object: ObjectId(1),
            path,
            target,
            replaces: true,
        });
        written(|out| encode_meta(&record, out))[PREFIX_LEN..].to_vec()
    };
    let longest = [b'x'; MAX_TARGET + 1];
    assert!(decode_meta(&link(b"l", &longest[1..])).is_ok());
    for target in [&b""[..], b"a\0b", &longest] {
        assert_eq!(
            decode_meta(&link(b"l", target)),
            Err(RecordError::BadTarget)
        );
    }
    assert!(matches!(
        decode_meta(&link(b"../l", b"t")),
        Err(RecordError::BadPath(_))
    ));
    assert_eq!(
        decode_meta(b"\xA5\x00\x06\x01\x01\x02\x41l\x03\x41t\x04\x02"),
        Err(DecodeError::OutOfRange { key: 4 }.into())
    );
}

#[test]
fn an_unknown_kind_of_record_is_refused() {
    assert_eq!(
        decode_meta(b"\xA1\x00\x08"),
        Err(RecordError::UnknownKind(8))
    );
    assert_eq!(
        decode_decide(b"\xA1\x00\x05"),
        Err(RecordError::UnknownKind(5))
    );
}

#[test]
fn a_key_of_a_later_version_is_skipped() {
    assert_eq!(
        decode_meta(b"\xA3\x00\x02\x01\x01\x09\x43new"),
        Ok(meta_samples()[3].1)
    );
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8.., 1..40)
        .prop_map(|bytes| bytes.into_iter().filter(|byte| *byte != b'/').collect())
        .prop_filter("a name", |name: &Vec<u8>| {
            !matches!(&name[..], b"" | b"." | b"..")
        })
}

prop_compose! {
    fn fault()(number in prop::option::of(0_u16..67)) -> Option<Fault> {
        number.map(Fault::from_number)
    }
}

proptest! {
    #[test]
    fn open_records_survive_the_wire_and_know_their_length(
        object in 1_u32..,
        parts in prop::collection::vec(component(), 1..6),
        size in prop::option::of(0..SIZE_LIMIT),
        times in any::<[i64; 2]>(),
        small in any::<[i8; 2]>(),
        use_small in any::<bool>(),
        mode in 0_u32..=0o7777,
    ) {
        let path = parts.join(&b'/');
        let record = OpenRecord {
            kind: size.map_or(ObjectKind::Directory, |_| ObjectKind::File),
            size: size.unwrap_or(0),
            modified_ns: if use_small { small[0].into() } else { times[0] },
            accessed_ns: if use_small { small[1].into() } else { times[1] },
            mode,
            ..open(object, &path)
        };
        let alone = written(|out| encode_open(&record, out));
        prop_assert_eq!(alone.len(), open_record_len(&record));
        prop_assert_eq!(decode_open(&alone), Ok(record));
        let streamed = written(|out| encode_meta(&MetaRecord::Open(record), out));
        prop_assert_eq!(&streamed[PREFIX_LEN..], &alone[..]);
    }

    #[test]
    fn other_records_survive_the_wire(
        ends in (1_u32.., 1_u32..),
        bytes in any::<u64>(),
        fault in fault(),
        root in any::<Option<[u8; 32]>>(),
        mut edges in prop::collection::btree_set(0..=SIZE_LIMIT, 0..128),
    ) {
        let (first, last) = (ObjectId(ends.0.min(ends.1)), ObjectId(ends.0.max(ends.1)));
        for record in [
            MetaRecord::Close { object: first, fault, root: root.as_ref(), checksum: root.as_ref().map(|root| &root[..20]) },
            MetaRecord::End { objects: last.0, bytes },
        ] {
            let out = written(|out| encode_meta(&record, out));
            prop_assert_eq!(decode_meta(&out[2..]), Ok(record));
        }
        let mut missing = heapless::Vec::new();
        while let (Some(start), Some(end)) = (edges.pop_first(), edges.pop_first()) {
            missing.push(ByteRange { start, end }).unwrap();
        }
        let sending = MetaRecord::Sending { object: first, ranges: Ranges::new(&missing) };
        let out = written(|out| encode_meta(&sending, out));
        prop_assert_eq!(decode_meta(&out[2..]), Ok(sending));
        let missing = missing.clone();
        for record in [
            DecideRecord::Go { first, last },
            DecideRecord::Skip { first, last },
            DecideRecord::Resume { object: first, missing },
            DecideRecord::Result { first, last, fault },
        ] {
            let out = written(|out| encode_decide(&record, out));
            prop_assert_eq!(decode_decide(&out[2..]), Ok(record));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = decode_meta(&bytes);
        let _ = decode_decide(&bytes);
        let _ = decode_open(&bytes);
        let _ = next_record(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics(
        which in 0_usize..17,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let names: Vec<_> = meta_samples()
            .iter()
            .map(|(name, _)| *name)
            .chain(decide_samples().iter().map(|(name, _)| *name))
            .collect();
        let mut bytes = vector(names[which])[2..].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode_meta(&bytes);
        let _ = decode_decide(&bytes);
    }
}
