//! What is refused, and that the sentence says why.

use std::os::unix::ffi::OsStringExt;

use fasp_core::fault::Fault;
use proptest::prelude::*;

use super::*;

fn assert_refused(line: &str, part: &str) {
    let text = refusal(line);
    assert!(text.contains(part), "{line}: {text}");
}

#[rustfmt::skip]
const VALUED: &[&str] = &[
    "-e", "-M", "-y", "-j", "-t", "-x", "-I", "-Y", "--proxy", "--ssh-arg",
];

#[rustfmt::skip]
const FLAGS: &[&str] = &[
    "--faspmgr-io",
    "--keepalive", "--no-read", "--no-write", "--ws-connect",
];

#[test]
fn options_of_later_versions_are_named_and_never_ignored() {
    for option in VALUED {
        let sentence = format!("option {option} is not available in this version");
        assert_eq!(refusal(&format!("{option} 1 f h:d")), sentence);
        assert_eq!(refusal(&format!("f h:d {option} 1")), sentence);
        let attached = if option.starts_with("--") { "=1" } else { "1" };
        assert_eq!(refusal(&format!("{option}{attached} f h:d")), sentence);
    }
    for option in FLAGS {
        let sentence = format!("option {option} is not available in this version");
        assert_eq!(refusal(&format!("{option} f h:d")), sentence);
    }
    assert_refused("-SSH f h:d", "--ssh ");
    assert_refused("-no-mgmt-port-files f h:d", "--no-mgmt-port-files");
}

#[test]
fn an_accepted_value_does_not_cover_for_a_refused_one() {
    assert_refused("-y 1 -y 0 f h:d", "-y ");
}

#[test]
fn command_lines_in_use_that_need_later_options_stop_at_the_first() {
    let table = [
        ("-T -l 300m -P33001 -k 2 -i k -M 9 u@h:/a .", "-M"),
        (
            "-M 54321 -q -i K -k 2 --mode recv --user U --host H --dest64 --file-list=/t Lg==",
            "-M",
        ),
        (
            "--ws-connect -c aes256gcm -d --mode send --host H -P 443 --tags64 eyJ f d",
            "--ws-connect",
        ),
        (
            "-C 1:2 -M5000 -uid --mode=send -q \"-O 33001\" \"-P 22\" --host=H .",
            "-M",
        ),
    ];
    for (line, option) in table {
        assert_eq!(
            refusal(line),
            format!("option {option} is not available in this version"),
            "{line}"
        );
    }
}

#[test]
fn a_misspelt_option_is_named_with_the_one_that_was_meant() {
    assert_refused(
        "--overwite=diff f h:d",
        "'--overwite' (did you mean '--overwrite')",
    );
    assert_refused("--polcy=fair f h:d", "did you mean '--policy'");
    assert_refused("-z f h:d", "unknown option '-z'");
    assert_refused("-QTz f h:d", "unknown option '-z'");
    assert_refused("--gibberish-qqq f h:d", "unknown option '--gibberish-qqq'");
    assert_refused("-T\u{e9} f h:d", "unknown option");
}

#[test]
fn a_missing_or_needless_value_is_named() {
    assert_eq!(refusal("f h:d -P"), "option -P needs a value");
    assert_eq!(refusal("f h:d --mode"), "option --mode needs a value");
    assert_refused(
        "--preserve-times=yes f h:d",
        "--preserve-times takes no value",
    );
}

#[test]
fn values_out_of_range_are_named_with_their_range() {
    let table = [
        (
            "-P 0 f h:d",
            "option -P: '0' is not a whole number from 1 to 65535",
        ),
        ("-O 65536 f h:d", "option -O: '65536'"),
        ("-Z 295 f h:d", "from 296 to 65507"),
        ("-Z 65508 f h:d", "from 296 to 65507"),
        ("-X 127 f h:d", "from 128 to 1440"),
        ("-X 1441 f h:d", "from 128 to 1440"),
        ("-k 4 f h:d", "option -k: '4'"),
        ("-l fast f h:d", "option -l: 'fast' is not a rate"),
        ("-l 0 f h:d", "option -l: the target rate must be above 0"),
        ("-m -5 f h:d", "option -m: '-5' is not a rate"),
        ("-l 180% f h:d", "at most 100 percent"),
        ("--policy=rude f h:d", "option --policy: 'rude'"),
        ("-c rot13 f h:d", "option -c: 'rot13'"),
        ("--mode=push --host=h f d", "option --mode: 'push'"),
        ("--check-sshfp=abc f h:d", "option --check-sshfp: 'abc'"),
        ("-L \"\" f h:d", "option -L"),
        ("-i \"\" f h:d", "option -i needs the name of a key file"),
        ("--mode=send --host= f d", "option --host"),
        ("--user= f h:d", "option --user"),
    ];
    for (line, part) in table {
        assert_refused(line, part);
    }
}

#[test]
fn a_minimum_above_the_target_names_both() {
    let text = refusal("-m 20m -l 10m f h:d");
    assert!(
        text.contains("-m, 20000000") && text.contains("-l, 10000000"),
        "{text}"
    );
}

#[test]
fn a_typographic_dash_is_explained() {
    assert_refused(
        "\u{2013}l100m f h:d",
        "'\u{2013}l100m' begins with a typographic dash",
    );
    assert_refused("f h:d \u{2014}policy=low", "typographic dash");
    assert_eq!(
        settings("./\u{2013}l100m h:d").sources,
        ["./\u{2013}l100m".as_bytes()]
    );
}

#[test]
fn operands_that_make_no_route_are_explained() {
    let table = [
        ("-T", "no source and no destination"),
        ("-DDL-", "no source and no destination"),
        ("f", "'f' stands alone"),
        ("a b", "all on this computer"),
        ("h:a g:b", "both source 'h:a' and the destination"),
        ("h:a g:b .", "different accounts, 'h' and 'g'"),
        ("u@h:a v@h:b .", "different accounts, 'u@h' and 'v@h'"),
        ("a h:b .", "'a' is on this computer"),
        ("a h:b g:c", "both source 'h:b'"),
        ("--user=v u@h:a .", "the operands name the user 'u'"),
        ("--host=h a b", "--host needs --mode"),
        ("--mode=recv a b", "--mode needs --host"),
        ("--server f h:d", "--server takes no operands"),
        ("--server -T", "--server takes no operands"),
        ("\"\" h:d", "is empty"),
        ("u@:a .", "is not a host name"),
    ];
    for (line, part) in table {
        assert_refused(line, part);
    }
}

#[test]
fn every_refusal_is_a_usage_fault_and_keeps_passwords_to_itself() {
    let lines = [
        "u:swordfish@h:a",
        "u:swordfish@h:a v:swordfish@h:b .",
        "u:swordfish@h:a g:b",
        "-k 9 u:swordfish@h:a .",
        "stdio://u:swordfish@h:a .",
        "--user=v u:swordfish@h:a .",
        "u:swordfish@h:a u:swordfish@g:b h:c",
    ];
    for line in lines {
        let failure = parse_line(line).unwrap_err();
        assert_eq!(failure.fault, Fault::Usage, "{line}");
        assert!(!failure.text.contains("swordfish"), "{}", failure.text);
    }
}

#[test]
fn a_password_that_slid_into_an_option_is_not_repeated() {
    for line in [
        "-P u:swordfish@h:a .",
        "-l u:swordfish@h:a .",
        "--policy u:swordfish@h:a .",
    ] {
        let text = refusal(line);
        assert!(!text.contains("swordfish"), "{text}");
    }
}

#[test]
fn no_refusal_uses_the_words_by_which_programs_decide_to_retry() {
    let lines = [
        "-T",
        "f",
        "a b",
        "h:a g:b",
        "-P 0 f h:d",
        "--overwite f h:d",
        "-k 5 f h:d",
        "-l 500% f h:d",
        "-M 1 f h:d",
        "--mode=recv a b",
        "u@:a .",
        "\u{2013}T f h:d",
        "s3://b/k h:d",
    ];
    let words = [
        "authentication",
        "permission denied",
        "no such file",
        "connection",
        "timeout",
        "timed out",
        "refused",
        "unreachable",
        "%",
    ];
    for line in lines {
        let text = refusal(line).to_lowercase();
        for word in words {
            assert!(!text.contains(word), "{line}: {text}");
        }
    }
}

#[test]
fn an_option_value_that_is_no_text_is_named() {
    let args = [b"-l\xff".to_vec(), b"f".to_vec(), b"h:d".to_vec()];
    let args = args.into_iter().map(OsString::from_vec);
    let failure = parse(args, &FixedEnvironment::default()).unwrap_err();
    assert_eq!(failure.text, "option -l: '\\xff' is not valid UTF-8 text");
}

proptest! {
    #[test]
    fn no_words_whatever_stop_the_parser_or_break_a_line(
        words in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>().prop_filter("argv has no NUL", |b| *b != 0), 0..12),
                "-{0,2}[QTkplLDiPhvé=@ ]{0,5}".prop_map(String::into_bytes),
                "[a-z]{0,2}:?[a-z/]{0,3}@?\\[?[a-z:]{0,4}\\]?:?[a-z/]{0,2}".prop_map(String::into_bytes),
                "--(mode|host|user|policy|server|tags)=?[a-z]{0,4}".prop_map(String::into_bytes),
            ],
            1..6,
        )
    ) {
        let words = words.into_iter().map(OsString::from_vec);
        match parse(words, &FixedEnvironment::default()) {
            Err(failure) => {
                prop_assert_eq!(failure.fault, Fault::Usage);
                prop_assert!(!failure.text.is_empty());
                prop_assert!(!failure.text.contains(char::is_control), "{:?}", failure.text);
            }
            Ok(Parsed::Run(settings)) => {
                prop_assert!(!settings.sources.is_empty());
                prop_assert!(settings.sources.iter().all(|source| !source.is_empty()));
                prop_assert!(!settings.destination.is_empty());
                prop_assert!(!settings.remote.host.is_empty());
                prop_assert!(!settings.remote.user.is_empty());
            }
            Ok(_) => {}
        }
    }
}

#[test]
fn measuring_is_refused_when_it_is_not_clear_what_or_how() {
    assert_refused("-K 100 f h:d", "option -K needs -w");
    assert_refused("-w x f h:d", "'x' is neither r (from the server) nor f");
    assert_refused("-w f -K 0 h:", "the probe rate must be above 0");
    assert_refused("-w f -K 50% h:", "option -K: '50 percent' is not a rate");
    assert_refused("-w f somewhere", "write user@host:");
    assert_refused("-w f", "no source and no destination");
    assert_refused("-l 120% f h:d", "more than the whole link");
    assert_refused("-l 0% f h:d", "the target rate must be above 0");
    assert_refused("-l 10% -m 20% f h:d", "above the target rate");
}
