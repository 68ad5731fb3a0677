//! Options about checksums, manifests, labels, logs and block sizes.

use fasp_core::control::ChecksumKind;

use super::*;
use crate::cli::environment::COOKIE_VARIABLE;
use crate::cli::settings::{Labels, ManifestWish, RecordWishes};

#[test]
fn options_about_records_arrive_in_every_spelling() {
    for (word, kind) in [
        ("md5", Some(ChecksumKind::Md5)),
        ("sha1", Some(ChecksumKind::Sha1)),
        ("SHA-1", Some(ChecksumKind::Sha1)),
        ("sha256", Some(ChecksumKind::Sha256)),
        ("sha-384", Some(ChecksumKind::Sha384)),
        ("sha-512", Some(ChecksumKind::Sha512)),
        ("none", None),
    ] {
        let parsed = settings(&format!("--file-checksum={word} f h:d"));
        assert_eq!(parsed.records.checksum, kind, "{word}");
    }
    assert_eq!(settings("f h:d").records, RecordWishes::default());
    let records = settings(
        "--file-manifest text --file-manifest-path=/tmp --precalculate-job-size -u \"a b\" \
         --tags64 eyJhIjoxfQ -R logs -S /opt/bin/ascp \"-g 123\" -G 2M f h:d",
    )
    .records;
    let expected = RecordWishes {
        checksum: None,
        manifest: Some(ManifestWish {
            folder: "/tmp".into(),
            suffix: ".aspera-inprogress".to_owned(),
        }),
        job_size: true,
        labels: Labels {
            cookie: None,
            user_string: Some("a b".to_owned()),
            tags: Some("{\"a\":1}".to_owned()),
        },
        remote_log: Some(b"logs".to_vec()),
        remote_program: "/opt/bin/ascp".to_owned(),
        read_size: Some(123),
        write_size: Some(2 << 20),
    };
    assert_eq!(records, expected);
}

#[test]
fn of_contradicting_options_about_records_the_last_one_counts() {
    let records = |line: &str| settings(&format!("{line} f h:d")).records;
    assert!(records("--precalculate-disable --precalculate-job-size").job_size);
    assert!(!records("--precalculate-job-size --precalculate-disable").job_size);
    let tags = |line| records(line).labels.tags.unwrap();
    assert_eq!(tags("--tags {} --tags64 W10="), "[]");
    assert_eq!(tags("--tags64 W10= --tags {}"), "{}");
    let line = "--file-manifest=text --file-manifest-path=/tmp --file-manifest=none";
    assert_eq!(records(line).manifest, None);
}

#[test]
fn command_lines_in_use_stream_through_standard_input_and_output() {
    let parsed = settings("-QT --mode=recv --user=U --host=H f1 f2 stdio-tar://");
    assert_eq!(parsed.destination, b"stdio-tar://");
    let parsed = settings("-l 100m --mode=send --user=u --host=h stdio-tar:// /d");
    assert_eq!(parsed.sources, [b"stdio-tar://"]);
    let parsed = settings("faux:///f?1g h:faux://");
    assert_eq!(parsed.sources, [b"faux:///f?1g"]);
    assert_eq!(parsed.destination, b"faux://");
}

#[test]
fn the_cookie_comes_from_the_environment() {
    let parse = |cookie: &str| {
        let environment = FixedEnvironment {
            variables: vec![(COOKIE_VARIABLE, cookie.into())],
            ..FixedEnvironment::default()
        };
        parse(words("f h:d").into_iter(), &environment)
    };
    let Ok(Parsed::Run(settings)) = parse("job 7") else {
        panic!("a short cookie");
    };
    assert_eq!(settings.records.labels.cookie.as_deref(), Some("job 7"));
    let failure = parse(&"x".repeat(4_097)).unwrap_err();
    assert!(failure.text.contains("ASPERA_SCP_COOKIE: 4097 bytes"));
}

#[test]
fn options_about_records_say_what_is_wrong_with_them() {
    let long = "x".repeat(4_097);
    let table = [
        (
            "--file-checksum=crc32",
            "'crc32' is none of md5, sha1, sha-256",
        ),
        ("--file-manifest=xml", "'xml' is neither text nor none"),
        ("--file-manifest=text", "needs --file-manifest-path"),
        ("--file-manifest-path=/tmp", "need --file-manifest=text"),
        (
            "--file-manifest=text --file-manifest-path=/tmp --file-manifest-inprogress-suffix=a/b",
            "--file-manifest-inprogress-suffix: 'a/b'",
        ),
        (
            "--tags {a:1}",
            "--tags: not valid JSON: the mistake is behind byte 1",
        ),
        ("--tags64 eyJh", "--tags64: not valid JSON"),
        ("--tags64 !!!", "--tags64: the value is not text in base64"),
        (&format!("-u {long}"), "option -u: 4097 bytes are too many"),
        ("-g 0", "option -g: '0' is not a number of bytes from 1 to"),
        ("-G 501M", "option -G: '501M'"),
        ("-S \"ascp --server;id\"", "option -S: 'ascp --server;id'"),
        ("-S -x", "option -S: '-x'"),
        ("-R \"\"", "option -R needs a folder"),
        (
            "-L logs:1K",
            "option -L needs a folder, and a size of at least 4K",
        ),
        ("-L :1M", "option -L needs a folder"),
    ];
    for (options, sentence) in table {
        let text = refusal(&format!("{options} f h:d"));
        assert!(text.contains(sentence), "{options}: {text}");
    }
}
