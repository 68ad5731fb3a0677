//! Options about what is at the destination already.

use super::*;
use crate::cli::settings::OverwriteRule;

#[test]
fn every_word_of_overwrite_is_taken_in_every_spelling() {
    let table = [
        ("f h:d", OverwriteRule::Diff),
        ("--overwrite=never f h:d", OverwriteRule::Never),
        ("--overwrite always f h:d", OverwriteRule::Always),
        ("f h:d --overwrite=diff", OverwriteRule::Diff),
        ("--overwrite=diff+older f h:d", OverwriteRule::DiffOlder),
        ("--overwrite=OLDER f h:d", OverwriteRule::Older),
        ("-o Overwrite=diff f h:d", OverwriteRule::Diff),
        ("-oOverwrite=never f h:d", OverwriteRule::Never),
        ("-o OVERWRITE=older f h:d", OverwriteRule::Older),
        ("-QTo overwrite=always f h:d", OverwriteRule::Always),
    ];
    for (line, rule) in table {
        assert_eq!(settings(line).overwriting.rule, rule, "{line}");
    }
}

#[test]
fn the_last_of_both_spellings_counts() {
    let rule = |line| settings(line).overwriting.rule;
    assert_eq!(
        rule("--overwrite=never --overwrite=older f h:d"),
        OverwriteRule::Older
    );
    assert_eq!(
        rule("--overwrite=never -o Overwrite=always f h:d"),
        OverwriteRule::Always
    );
    assert_eq!(
        rule("-o Overwrite=always --overwrite=never f h:d"),
        OverwriteRule::Never
    );
}

#[test]
fn wrong_words_are_named_with_those_allowed() {
    let words = "is not one of never, always, diff, diff+older, older";
    let table = [
        (
            "--overwrite=sometimes f h:d",
            format!("option --overwrite: 'sometimes' {words}"),
        ),
        (
            "--overwrite= f h:d",
            format!("option --overwrite: '' {words}"),
        ),
        (
            "--overwrite=x --overwrite=diff f h:d",
            format!("option --overwrite: 'x' {words}"),
        ),
        (
            "-o Overwrite=ever f h:d",
            format!("option -o Overwrite: 'ever' {words}"),
        ),
        (
            "-o Compression=yes f h:d",
            "option -o: the key 'Compression' is not available in this version; only Overwrite is"
                .to_owned(),
        ),
        (
            "-o Overwrite f h:d",
            "option -o: 'Overwrite' is not KEY=VALUE, such as Overwrite=diff".to_owned(),
        ),
        ("f h:d -o", "option -o needs a value".to_owned()),
        (
            "f h:d --overwrite",
            "option --overwrite needs a value".to_owned(),
        ),
        (
            "--partial-file-suffix=a/b h:f .",
            "option --partial-file-suffix: 'a/b' holds a '/', which no name of a file can"
                .to_owned(),
        ),
    ];
    for (line, text) in table {
        assert_eq!(refusal(line), text, "{line}");
    }
    let long = format!("--partial-file-suffix={} h:f .", "x".repeat(65));
    assert!(refusal(&long).contains("is longer than 64 bytes"));
}

#[test]
fn deleting_and_leaving_out_go_together_both_ways() {
    for rule in ["-E *.log", "-N a", "--exclude-older-than=-60"] {
        for line in ["m h:m", "h:m m"] {
            let line = format!("--delete-before-transfer {rule} {line}");
            assert!(settings(&line).overwriting.deletes, "{line}");
        }
    }
}

#[test]
fn a_partial_suffix_is_taken_as_it_is_and_an_empty_one_is_none() {
    let suffix = |line| settings(line).overwriting.partial_suffix;
    assert_eq!(suffix("h:f ."), None);
    assert_eq!(suffix("--partial-file-suffix= h:f ."), None);
    let expected = Some(b".partial".to_vec());
    assert_eq!(suffix("--partial-file-suffix=.partial h:f ."), expected);
    assert_eq!(suffix("--partial-file-suffix .partial h:f ."), expected);
    assert!(
        settings("--save-before-overwrite f h:d")
            .overwriting
            .saves_old
    );
}
