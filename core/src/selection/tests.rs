//! The published examples, row by row, and patterns against an obvious model.

mod model;

use std::vec::Vec;

use proptest::prelude::*;

use super::EntryKind::{Directory, File};
use super::*;

fn matches(pattern: &str, path: &str) -> bool {
    let kind = if path.ends_with('/') { Directory } else { File };
    let path = path.strip_suffix('/').unwrap_or(path);
    let pattern = Pattern::parse(pattern.as_bytes()).expect(pattern);
    pattern.matches(path.as_bytes(), kind)
}

/// What a transfer of `paths` (folders end in `/` and come before what is in them) keeps.
fn kept(rules: &[(char, &str)], paths: &[&str]) -> Vec<std::string::String> {
    let rules: Vec<Rule<'_>> = rules
        .iter()
        .map(|&(sign, pattern)| Rule {
            action: if sign == 'N' {
                Action::Include
            } else {
                Action::Exclude
            },
            pattern: Pattern::parse(pattern.as_bytes()).expect(pattern),
        })
        .collect();
    let (mut kept, mut closed) = (Vec::new(), Vec::new());
    for path in paths {
        if closed.iter().any(|folder: &&str| path.starts_with(folder)) {
            continue;
        }
        let kind = if path.ends_with('/') { Directory } else { File };
        let name = path.strip_suffix('/').unwrap_or(path);
        match decide(rules.iter().copied(), name.as_bytes(), kind).0 {
            Action::Include => kept.push((*path).into()),
            Action::Exclude if kind == Directory => closed.push(path),
            Action::Exclude => {}
        }
    }
    kept
}

#[test]
fn every_row_of_the_public_table_matches_as_it_says() {
    let rows: [(&str, &[&str], &[&str]); 14] = [
        ("abc/def/xyz", &["abc/def/xyz"], &["abc/def"]),
        (r"abc\?", &["abc?"], &[r"abc\?", "abc/D", "abcD"]),
        ("abc*f", &["abcdef", "abc.f"], &["abc/f", "abcefg"]),
        ("abc??", &["abcde", "abc.z"], &["abcdef", "abc/d", "abc/."]),
        ("[abc]def", &["adef", "cdef"], &["abcdef", "ade"]),
        ("[^abc]def", &["zdef", ".def", "2def"], &["bdef", "x/.def"]),
        ("[!abc]def", &["zdef", ".def", "2def"], &["cdef", "x/.def"]),
        ("/[!abc]def", &["zdef", "2def"], &["cdef", ".def"]),
        (
            "[[:lower:]]def",
            &["cdef", "ydef"],
            &["Adef", "2def", ".def"],
        ),
        (
            "a/**/f",
            &["a/f", "a/.z/f", "a/d/e/f"],
            &["a/d/f/", "za/d/f"],
        ),
        ("abc*", &["abc/", "abcfile"], &["xabc"]),
        (
            "abc/**/def",
            &["abc/def", "abc/x/def", "abc/.wxy/def", "abc/wxy/tuv/def"],
            &["abc/xyz/def/", "zabc/wxy/def"],
        ),
        ("abc/*", &["abc/file", "abc/dir/"], &["abc/x/y", "abc/"]),
        (
            "abc/**",
            &["abc/.file", "abc/dir/", "abc/wxy/.dir/", "abc/wxy/tuv/file"],
            &["abc/"],
        ),
    ];
    for (pattern, yes, no) in rows {
        for path in yes {
            assert!(matches(pattern, path), "{pattern} must match {path}");
        }
        for path in no {
            assert!(!matches(pattern, path), "{pattern} must not match {path}");
        }
    }
}

#[test]
fn a_bare_name_may_begin_with_a_dot_at_the_top_only() {
    assert!(matches("*.tmp", ".tmp") && matches("*.tmp", "abcde.tmp"));
    assert!(matches("t?p", "tmp") && !matches("t?p", "temp"));
    assert!(matches("*.tmp", "a/.tmp"), "the star may be nothing");
    assert!(matches("*", ".hidden") && !matches("*", "a/.hidden"));
    assert!(!matches("?hidden", "a/.hidden"));
}

#[test]
fn the_end_of_a_pattern_says_files_folders_or_both() {
    assert!(matches("a", "a") && !matches("a", "a/"));
    assert!(matches("a/", "a/") && !matches("a/", "a"));
    assert!(matches("a*", "ab/") && matches("a*", "ab"));
    assert!(!matches(r"a\*", "a*/"), "a quoted star is a character");
    assert!(matches(r"a\*", "a*"));
    assert!(matches(r"a\/", "a/"), "a path has no other slash");
}

#[test]
fn case_counts_and_a_part_is_not_the_whole() {
    assert!(!matches("debug", "Debug") && matches("[Dd]ebug", "Debug"));
    assert!(!matches("abc", "abcd") && !matches("bcd", "abcd"));
    assert!(matches("def", "abc/def") && !matches("ef", "abc/def"));
}

#[test]
fn an_anchor_is_the_root_of_the_transfer() {
    assert!(matches("/a/b", "a/b") && !matches("/a/b", "x/a/b"));
    assert!(matches("a/b", "x/a/b") && !matches("a/b", "xa/b"));
}

#[test]
fn the_example_of_the_manual_keeps_file2_and_file_a() {
    let rules = [('N', "file2"), ('E', "file[0-9]")];
    let paths = ["icons/", "icons/file1", "icons/file2", "icons/fileA"];
    assert_eq!(
        kept(&rules, &paths),
        ["icons/", "icons/file2", "icons/fileA"]
    );
}

#[test]
fn the_combinations_of_rules_mean_what_the_manual_says() {
    let paths = ["d/", "d/r1", "d/r2", "d/x", "r1", "r2", "y"];
    let all: Vec<&str> = paths.to_vec();
    assert_eq!(
        kept(&[('E', "r1")], &paths),
        ["d/", "d/r2", "d/x", "r2", "y"]
    );
    assert_eq!(kept(&[('N', "r1")], &paths), all);
    let only = [('N', "r1"), ('N', "/**/"), ('E', "/**")];
    assert_eq!(kept(&only, &paths), ["d/", "d/r1", "r1"]);
    let r1_and_rest = [('N', "r1"), ('E', "r*")];
    assert_eq!(kept(&r1_and_rest, &paths), ["d/", "d/r1", "d/x", "r1", "y"]);
    let all_but = [('E', "r1"), ('N', "r2")];
    assert_eq!(kept(&all_but, &paths), ["d/", "d/r2", "d/x", "r2", "y"]);
    let only_r2 = [('E', "r1"), ('N', "r2"), ('N', "/**/"), ('E', "/**")];
    assert_eq!(kept(&only_r2, &paths), ["d/", "d/r2", "r2"]);
    let either = [('N', "r1"), ('N', "r2"), ('N', "/**/"), ('E', "/**")];
    assert_eq!(kept(&either, &paths), ["d/", "d/r1", "d/r2", "r1", "r2"]);
}

#[test]
fn nothing_below_an_excluded_folder_comes_back() {
    let paths = ["images/", "images/icons/", "images/icons/x", "y"];
    let rules = [('E', "/images/"), ('N', "/images/icons/")];
    assert_eq!(kept(&rules, &paths), ["y"]);
    let paths = ["above/", "above/below"];
    assert!(kept(&[('E', "/above/"), ('N', "/above/below")], &paths).is_empty());
}

#[test]
fn an_included_folder_does_not_include_its_files() {
    let paths = ["a/", "a/b/", "a/f"];
    let rules = [('N', "a/"), ('N', "b/"), ('E', "/**")];
    assert_eq!(kept(&rules, &paths), ["a/", "a/b/"]);
}

#[test]
fn an_anchored_inclusion_opens_the_way_to_it() {
    let paths = ["a/", "a/b/", "a/b/c", "a/b/d", "a/x/", "z/"];
    assert_eq!(
        kept(&[('N', "/a/b/c"), ('E', "/**")], &paths),
        ["a/", "a/b/", "a/b/c"]
    );
    let paths = ["a/", "a/b/", "a/b/c/", "a/b/c/d"];
    assert_eq!(
        kept(&[('N', "/a/b/**/c/d"), ('E', "/**")], &paths),
        ["a/", "a/b/"]
    );
    let paths = ["a/", "a/f"];
    assert_eq!(
        kept(&[('E', "/a/f")], &paths),
        ["a/"],
        "an exclusion opens nothing"
    );
}

#[test]
fn trees_with_dot_names_are_filtered_as_published() {
    let paths = [
        "AAA/",
        "AAA/abc/",
        "AAA/abc/.def",
        "AAA/abc/.wxy/",
        "AAA/abc/.wxy/def",
        "AAA/abc/def",
        "AAA/abc/wxy/",
        "AAA/abc/wxy/.def",
        "AAA/abc/wxy/def",
        "AAA/wxy/",
        "AAA/wxy/xyxfile",
        "AAA/wxyfile",
    ];
    let no_dots = [('N', "*"), ('E', "AAA/**")];
    assert_eq!(
        kept(&no_dots, &paths),
        [
            "AAA/",
            "AAA/abc/",
            "AAA/abc/def",
            "AAA/abc/wxy/",
            "AAA/abc/wxy/def",
            "AAA/wxy/",
            "AAA/wxy/xyxfile",
            "AAA/wxyfile"
        ]
    );
    assert_eq!(
        kept(&[('E', "wxy*")], &paths),
        [
            "AAA/",
            "AAA/abc/",
            "AAA/abc/.def",
            "AAA/abc/.wxy/",
            "AAA/abc/.wxy/def",
            "AAA/abc/def"
        ]
    );
    assert_eq!(
        kept(&[('N', "AAA/wxy*"), ('E', "wxy*")], &paths),
        [
            "AAA/",
            "AAA/abc/",
            "AAA/abc/.def",
            "AAA/abc/.wxy/",
            "AAA/abc/.wxy/def",
            "AAA/abc/def",
            "AAA/wxy/",
            "AAA/wxy/xyxfile",
            "AAA/wxyfile"
        ]
    );
}

#[test]
fn a_rule_of_a_configuration_begins_with_its_sign() {
    let rule = Rule::parse(b"- *.tmp").unwrap();
    assert_eq!(rule.action, Action::Exclude);
    assert!(rule.matches(b"a/x.tmp", File));
    assert_eq!(Rule::parse(b"+ a b").unwrap().action, Action::Include);
    assert_eq!(Rule::parse(b"*.tmp"), Err(PatternError::NoSign));
    assert_eq!(Rule::parse(b"-*.tmp"), Err(PatternError::NoSign));
    assert_eq!(Rule::parse(b"- "), Err(PatternError::Empty));
}

#[test]
fn malformed_patterns_are_named_for_what_they_are() {
    let wrong: [(&[u8], PatternError); 9] = [
        (b"", PatternError::Empty),
        (b"a\0b", PatternError::Nul),
        (b"a[bc", PatternError::OpenSet),
        (b"[]", PatternError::OpenSet),
        (b"[!]", PatternError::OpenSet),
        (b"[[:lowest:]]", PatternError::UnknownClass),
        (b"[[:lower]", PatternError::UnknownClass),
        (b"[z-a]", PatternError::Backwards),
        (b"a\\", PatternError::OpenQuote),
    ];
    for (pattern, error) in wrong {
        assert_eq!(Pattern::parse(pattern), Err(error), "{pattern:?}");
    }
    for odd in [
        "[]a]x",
        "[!]]x",
        "[a-]x",
        "[-a]x",
        "[a\\]]x",
        "[[:digit:]-z]x",
    ] {
        assert!(Pattern::parse(odd.as_bytes()).is_ok(), "{odd}");
    }
}

#[test]
fn a_pattern_made_to_take_long_does_not() {
    let pattern = [b"*a".repeat(60).as_slice(), b"b"].concat();
    let path = b"a".repeat(4_000);
    assert!(!Pattern::parse(&pattern).unwrap().matches(&path, File));
    let pattern = [b"/**/a*".repeat(40).as_slice(), b"/b"].concat();
    let path = b"aa/".repeat(300);
    assert!(
        !Pattern::parse(&pattern)
            .unwrap()
            .matches(&path[..path.len() - 1], File)
    );
}

fn pattern_text() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(
        &[
            "a", "b", ".", "/", "*", "?", "/**", "/**/", "[ab]", "[!a]", "[^.]", r"\*", "[a-b]",
            "**",
        ][..],
    );
    prop::collection::vec(part, 1..8).prop_map(|parts| parts.concat().into_bytes())
}

fn path_text() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::string::string_regex("[ab.*]{1,4}").expect("a pattern");
    prop::collection::vec(name, 1..5).prop_map(|names| names.join("/").into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pattern_matches_what_the_model_says(
        pattern in pattern_text(), path in path_text(), folder in any::<bool>()
    ) {
        let kind = if folder { Directory } else { File };
        let expected = model::matches(&pattern, &path, folder);
        let pattern = Pattern::parse(&pattern).unwrap();
        prop_assert_eq!(pattern.matches(&path, kind), expected);
    }

    #[test]
    fn any_bytes_are_a_pattern_or_an_error(
        pattern in prop::collection::vec(any::<u8>(), 0..40), path in prop::collection::vec(any::<u8>(), 0..60)
    ) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.matches(&path, File);
            let _ = pattern.leads_through(&path);
        }
    }
}
