//! `-C` and what stands beside it.

use fasp_core::control::Share;

use super::*;

#[test]
fn a_share_is_read_in_every_spelling_and_nothing_else_is() {
    for (options, node, count) in [
        ("", 1, 1),
        ("-C 1:1", 1, 1),
        ("-C 1:2", 1, 2),
        ("-C2:2", 2, 2),
        ("-TC128:128 --multi-session-threshold=0", 128, 128),
        ("-C 9:9 -C 3:4 --multi-session-threshold 0", 3, 4),
    ] {
        let read = settings(&format!("{options} f h:d"));
        assert_eq!(
            Some(read.splitting.share),
            Share::new(node, count),
            "{options}"
        );
        // Whoever comes second must find the same destination as the first one.
        assert_eq!(read.makes_destination(), count > 1, "{options}");
    }
    for value in [
        "0:2", "3:2", "1:129", "1", "1:", ":2", "a:b", "1:2:3", "+1:2", "1 :2", "300:300",
    ] {
        let text = refusal(&format!("-C \"{value}\" f h:d"));
        let expected = format!(
            "option -C: '{value}' is not NODE:COUNT, each from 1 to 128, NODE not above COUNT"
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn what_sessions_would_take_from_each_other_is_refused_by_name() {
    for (line, part) in [
        ("-C 1:2 -@0:5 h:f d", "-@"),
        (
            "-C 1:2 --delete-before-transfer d h:d",
            "--delete-before-transfer",
        ),
        (
            "--remove-empty-directories -C 1:2 d h:d",
            "--remove-empty-directories",
        ),
        ("-C 1:2 stdio-tar:// h:d", "stdio://"),
        ("-C 1:2 h:d stdio://", "stdio://"),
        (
            "--multi-session-threshold=5M f h:d",
            "option --multi-session-threshold needs -C",
        ),
        (
            "--multi-session-threshold=-1 f h:d",
            "option --multi-session-threshold",
        ),
        (
            "--multi-session-threshold= f h:d",
            "option --multi-session-threshold",
        ),
    ] {
        let text = refusal(line);
        assert!(text.contains(part), "{line}: {text}");
    }
    // One session of one is none of several.
    let alone = settings("-C 1:1 --remove-empty-directories d h:d");
    assert!(alone.splitting.share.is_all());
    for line in [
        "-C 1:2 --remove-after-transfer d h:d",
        "-C 1:2 --move-after-transfer=/a d h:d",
    ] {
        assert!(!settings(line).splitting.share.is_all(), "{line}");
    }
}

#[test]
fn a_threshold_is_read_and_what_needs_whole_files_is_refused_with_it() {
    for (options, from) in [
        ("-C 1:2 --multi-session-threshold=5000000", 5_000_000),
        ("-C 2:2 --multi-session-threshold 1", 1),
        ("-C 2:2 --multi-session-threshold=000", 0),
        ("-C 1:1 --multi-session-threshold=7", 0),
        ("-C 1:2", 0),
    ] {
        let read = settings(&format!("{options} f h:d"));
        assert_eq!(read.splitting.from, from, "{options}");
    }
    for option in [
        "-k 2",
        "-k 3",
        "--file-checksum=md5",
        "--remove-after-transfer",
        "--move-after-transfer=/a",
        "--preserve-source-access-time",
        "--preserve-xattrs=native",
        "--preserve-acls=native",
        "--file-manifest=text --file-manifest-path=/m",
    ] {
        let line = format!("-C 1:2 --multi-session-threshold=5M {option} f h:d");
        let name = match option {
            "-k 2" | "-k 3" => option,
            _ => option.split(['=', ' ']).next().unwrap(),
        };
        let expected = format!("option --multi-session-threshold does not go with {name}: ");
        let text = refusal(&line);
        assert!(text.starts_with(&expected), "{line}: {text}");
        settings(&line.replace("=5M", "=0"));
    }
    let text = refusal("-C 1:2 --multi-session-threshold=5M --partial-file-suffix=.part h:f d");
    assert!(text.contains("--partial-file-suffix"), "{text}");
}
