//! Options about attributes that copies get.

use super::*;
use crate::cli::settings::{AttributeWishes, Direction, Preserve, Store, Stores};

#[test]
fn each_option_keeps_its_own_attribute() {
    assert_eq!(settings("f h:d").attributes, AttributeWishes::default());
    let kept = |line: &str| settings(line).attributes.kept;
    assert_eq!(kept("-p f h:d"), Preserve::TIMES);
    assert_eq!(
        kept("--preserve-modification-time --preserve-access-time f h:d"),
        Preserve::TIMES
    );
    let table = [
        ("--preserve-modification-time", 1),
        ("--preserve-access-time", 2),
        ("--preserve-source-access-time", 4),
        ("--preserve-file-owner-uid", 8),
        ("--preserve-file-owner-gid", 16),
        ("--preserve-creation-time", 0),
    ];
    for (option, number) in table {
        assert_eq!(
            kept(&format!("{option} f h:d")).number(),
            number,
            "{option}"
        );
        let text = refusal(&format!("{option}=yes f h:d"));
        assert_eq!(text, format!("option {option} takes no value"));
    }
    let notes = settings("--preserve-creation-time f h:d").notes;
    assert!(
        notes[0].starts_with("--preserve-creation-time changes nothing"),
        "{notes:?}"
    );
}

#[test]
fn where_attributes_are_is_said_for_both_sides() {
    let xattrs = |line| settings(line).attributes.xattrs;
    use Store::{Metafile, Native, None};
    assert_eq!(xattrs("--preserve-xattrs=native f h:d"), (Native, Native));
    assert_eq!(xattrs("--preserve-xattrs none f h:d"), (None, None));
    assert_eq!(
        xattrs("--preserve-xattrs=Native --remote-preserve-xattrs=metafile f h:d"),
        (Native, Metafile)
    );
    assert_eq!(
        xattrs("--preserve-xattrs=native --remote-preserve-xattrs=none f h:d"),
        (Native, None)
    );
    let line = "--preserve-acls=native --remote-preserve-acls=metafile";
    let up = settings(&format!("{line} f h:d"));
    let acls = |settings: &TransferSettings| settings.attributes.stored(settings.direction).acls;
    let (from, to) = (Native, Metafile);
    assert_eq!(
        (up.direction, acls(&up)),
        (Direction::Send, Stores { from, to })
    );
    let down = settings(&format!("{line} h:f ."));
    assert_eq!(acls(&down), Stores { from: to, to: from });
}

#[test]
fn wrong_words_are_named_with_those_allowed() {
    for option in [
        "--preserve-xattrs",
        "--remote-preserve-xattrs",
        "--preserve-acls",
        "--remote-preserve-acls",
    ] {
        assert_eq!(
            refusal(&format!("{option}=all f h:d")),
            format!("option {option}: 'all' is not one of native, metafile, none")
        );
    }
    assert_eq!(
        refusal("--remote-preserve-xattrs=native f h:d"),
        "option --remote-preserve-xattrs needs --preserve-xattrs"
    );
    assert_eq!(
        refusal("--preserve-acls=none --remote-preserve-acls=metafile f h:d"),
        "option --remote-preserve-acls needs --preserve-acls"
    );
}
