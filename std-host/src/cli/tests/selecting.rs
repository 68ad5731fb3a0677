//! Which files go, under which names: what the options come to, and what is refused.

use fasp_core::control::WantedBytes;
use fasp_core::selection::links::LinkMethod;

use super::*;
use crate::cli::settings::{Direction, ListPlace, TimeLimit};

fn rule_texts(line: &str) -> Vec<String> {
    let settings = settings(line);
    let texts = settings.selection.rules.texts();
    texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

#[test]
fn rules_keep_their_order_whichever_option_they_come_from() {
    for line in [
        "-E r1 -N r2 -E -r3 -N r4 f h:d",
        "-Er1 -N=r2 f -E-r3 h:d -Nr4",
        "-QTEr1 -N \"r2\" -E -r3 -N r4 f h:d",
    ] {
        assert_eq!(
            rule_texts(line),
            ["- r1", "+ r2", "- -r3", "+ r4"],
            "{line}"
        );
    }
    assert_eq!(rule_texts("f h:d"), [""; 0]);
}

#[test]
fn times_are_absolute_or_before_now() {
    for (typed, limit, at_1000) in [
        ("0", TimeLimit::At(0), 0),
        ("1700000000", TimeLimit::At(1_700_000_000), 1_700_000_000),
        ("-86400", TimeLimit::BeforeNow(86_400), -85_400),
        ("-0", TimeLimit::BeforeNow(0), 1_000),
    ] {
        for (option, is_newer) in [
            ("--exclude-newer-than", true),
            ("--exclude-older-than", false),
        ] {
            for line in [
                format!("{option}={typed} f h:d"),
                format!("{option} {typed} f h:d"),
            ] {
                let selection = settings(&line).selection;
                let (newer, older) = (selection.newer_than, selection.older_than);
                assert_eq!(if is_newer { newer } else { older }, Some(limit), "{line}");
                assert_eq!(if is_newer { older } else { newer }, None, "{line}");
            }
        }
        assert_eq!(limit.seconds(1_000), at_1000, "{typed}");
    }
    assert_eq!(TimeLimit::BeforeNow(u64::MAX).seconds(0), -i64::MAX);
}

#[test]
fn a_list_takes_the_place_of_the_operands_and_the_last_one_counts() {
    let login = "--mode=recv --host=h --user=u";
    let settings_of = |line: &str| settings(&format!("{login} {line}"));
    let from_script =
        settings("-i k --mode recv --host h --user u --file-list l.txt -k 1 -QT -l 200m /p");
    let list = from_script.selection.list.clone().unwrap();
    assert_eq!(list.place, ListPlace::File("l.txt".into()));
    assert_eq!(from_script.direction, Direction::Receive);
    assert_eq!(from_script.destination, b"/p");
    assert!(!list.pairs && from_script.makes_destination() && !from_script.only_measures());
    let ignored = settings_of("--file-list=- a b .");
    assert!(ignored.sources.is_empty() && ignored.source_count() > 1);
    assert_eq!(
        ignored.selection.list.unwrap().place,
        ListPlace::StandardInput
    );
    let pairs = settings_of("--file-list=a --file-pair-list=b d")
        .selection
        .list
        .unwrap();
    assert_eq!(
        (pairs.place, pairs.pairs),
        (ListPlace::File("b".into()), true)
    );
    let plain = settings_of("--file-pair-list=b --file-list=a d")
        .selection
        .list
        .unwrap();
    assert_eq!(
        (plain.place, plain.pairs),
        (ListPlace::File("a".into()), false)
    );
    let user_is_optional = settings("--mode=send --host=h --file-list=l d");
    assert_eq!(user_is_optional.sources, [b""; 0]);
}

#[test]
fn prefixes_bases_and_destinations_come_plain_and_in_base64() {
    let prefixed = settings("--source-prefix=/p/ a /b h:d");
    assert_eq!(prefixed.sources, [b"/p/a", b"/p/b"]);
    assert_eq!(settings("--source-prefix64=L3A= a h:d").sources, [b"/p/a"]);
    assert_eq!(settings("--source-prefix64=L3A a h:d").sources, [b"/p/a"]);
    let last = settings("--source-prefix=x --source-prefix64=L3A= --source-prefix y a h:d");
    assert_eq!(last.sources, [b"y/a"]);
    let base = |line: &str| settings(line).selection.base.map(String::from_utf8);
    assert_eq!(base("--src-base=d1 d1/a h:d"), Some(Ok("d1".to_owned())));
    assert_eq!(
        base("--src-base64=ZDE= d1/a h:d"),
        Some(Ok("d1".to_owned()))
    );
    assert_eq!(
        base("--src-base64=ZDE= --src-base=e d1/a h:d"),
        Some(Ok("e".to_owned()))
    );
    assert!(settings("--src-base=d d/a h:d").makes_destination());
    assert!(!settings("--src-base=d d/a d/b h:d").makes_destination());
    for (line, destination) in [
        ("--dest64 f h:L3RtcC94", &b"/tmp/x"[..]),
        ("--dest64 f h:", b"."),
        ("--dest64 h:f YSBi", b"a b"),
        ("--mode=send --user=u --host=h --dest64 f Lg==", b"."),
        (
            "--mode=send --host=h --dest64 --file-list=/t gP8=",
            b"\x80\xff",
        ),
    ] {
        assert_eq!(settings(line).destination, destination, "{line}");
    }
}

#[test]
fn links_special_files_and_parts_are_what_they_say() {
    assert_eq!(settings("f h:d").selection.links, LinkMethod::Follow);
    for method in LinkMethod::ALL {
        let line = format!("--symbolic-links={} f h:d", method.name());
        assert_eq!(settings(&line).selection.links, method);
    }
    settings("--skip-dir-traversal-dupes f h:d");
    assert!(
        settings("--skip-special-files f h:d")
            .selection
            .skip_special
    );
    let part = |typed: &str| settings(&format!("-@ {typed} h:f .")).selection.part;
    let wanted = |start, end| Some(WantedBytes { start, end });
    assert_eq!(part("0:999"), wanted(0, Some(1_000)));
    assert_eq!(part("10:10"), wanted(10, Some(11)));
    assert_eq!(part("1000:"), wanted(1_000, None));
    assert_eq!(part(":5"), wanted(0, Some(6)));
    assert_eq!(part(":"), wanted(0, None));
    assert_eq!(settings("-@5:7 h:f .").selection.part, wanted(5, Some(8)));
}

/// What is refused, and parts of the sentence.
const MISTAKES: &[(&str, &[&str])] = &[
    ("-E [a f h:d", &["option -E: '[a'", "has no ']'"]),
    ("-N a\\ f h:d", &["option -N: 'a\\'", "quotes nothing"]),
    ("-E \"\" f h:d", &["option -E: ''", "must not be empty"]),
    ("-E [[:word:]] f h:d", &["option -E", "alnum"]),
    (
        "--exclude-newer-than=soon f h:d",
        &["option --exclude-newer-than: 'soon'"],
    ),
    (
        "--exclude-older-than=--5 f h:d",
        &["option --exclude-older-than: '--5'"],
    ),
    ("--exclude-older-than=1.5 f h:d", &["'1.5' is neither"]),
    (
        "--exclude-older-than=99999999999999999999 f h:d",
        &["is neither"],
    ),
    ("--exclude-older-than= f h:d", &["'' is neither"]),
    ("--file-list=l h:d", &["option --file-list needs --mode"]),
    (
        "--file-pair-list=l --mode=send h:d",
        &["option --file-pair-list needs", "--host"],
    ),
    (
        "--file-list=l --mode=send --host=h",
        &["option --file-list", "give the destination"],
    ),
    (
        "--file-list= --mode=send --host=h d",
        &["option --file-list needs the name of a list"],
    ),
    (
        "--src-base=. a h:d",
        &["option --src-base: '.' cannot be the source base"],
    ),
    (
        "--src-base=././ a h:d",
        &["option --src-base", "cannot be the source base"],
    ),
    (
        "--src-base64=Lg== a h:d",
        &["option --src-base64: '.' cannot"],
    ),
    ("--src-base= a h:d", &["option --src-base needs a path"]),
    (
        "--src-base64=?? a h:d",
        &["option --src-base64: '??' is not base64"],
    ),
    (
        "--src-base64=AA== a h:d",
        &["option --src-base64", "no zero byte"],
    ),
    (
        "--src-base=d --file-pair-list=l --mode=send --host=h d",
        &["--src-base and option --file-pair-list exclude one another"],
    ),
    (
        "--source-prefix= a h:d",
        &["option --source-prefix needs a path"],
    ),
    (
        "--source-prefix=s3://b a h:d",
        &["option --source-prefix", "s3://"],
    ),
    (
        "--dest64 f h:/tmp/x!",
        &["option --dest64", "is not base64"],
    ),
    ("--dest64 f h:czM6Ly9i", &["option --dest64", "s3://"]),
    (
        "--symbolic-links=maybe f h:d",
        &["'maybe' is none of follow, copy, copy+force, skip"],
    ),
    ("-@ 5 h:f .", &["option -@: '5' is not START:END"]),
    ("-@ a:b h:f .", &["option -@: 'a:b' is not"]),
    ("-@ 1:+5 h:f .", &["option -@: '1:+5' is not"]),
    ("-@ 9:8 h:f .", &["option -@: '9:8' ends before it begins"]),
    ("-@ 0:8 f h:d", &["option -@ works for downloads only"]),
    ("-@ 0:8 h:f h:g .", &["option -@ needs a single source"]),
    (
        "-@ 0:8 --mode=recv --host=h --file-list=l .",
        &["option -@ needs a single source"],
    ),
    (
        "-@ 0:8 -k1 h:f .",
        &["option -@ and option -k exclude one another"],
    ),
    ("f h:d -E", &["option -E needs a value"]),
    ("f h:d --file-list", &["option --file-list needs a value"]),
];

#[test]
fn what_cannot_be_meant_names_the_option_and_the_word() {
    for (line, parts) in MISTAKES {
        let text = refusal(line);
        for part in *parts {
            assert!(text.contains(part), "{line}: {text}");
        }
    }
}

#[test]
fn patterns_are_bounded_in_length_and_number() {
    let long = refusal(&format!("-E {} f h:d", "x".repeat(3_999)));
    assert!(long.contains("more than 3998 bytes"), "{long}");
    let many = refusal(&format!("{} f h:d", "-E x ".repeat(1_001)));
    assert!(
        many.contains("option -E: 'x': at most 1000 patterns"),
        "{many}"
    );
    let most = settings(&format!("{} f h:d", "-N x ".repeat(1_000)));
    assert_eq!(most.selection.rules.texts().count(), 1_000);
}
