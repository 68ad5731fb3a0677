//! Lists and places that are not what they should be: what is said, and that nothing else happens.

use std::fs;

use fasp_tests::tree;
use fasp_tests::world::set_mode;

use super::{Site, Way, grow_sources};
use crate::site::bodies;

bodies! {
    through_ascpd = Daemon:
        every_mistake_says_what_it_is
        what_is_wrong_with_one_line_leaves_the_others
        a_list_that_may_not_be_read_is_named;
}

struct Row {
    arguments: &'static [&'static str],
    list: &'static [u8],
    sources: &'static [&'static str],
    destination: &'static str,
    says: &'static [&'static str],
}

/// Nothing is transferred, and nobody needs to be called for most of them.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { arguments: &["--file-list=LIST"], list: b"", sources: &[], destination: ".", says: &["Nothing to transfer", "is empty"] },
    Row { arguments: &["--file-list=LIST"], list: b"\n\r\n\n", sources: &[], destination: ".", says: &["is empty"] },
    Row { arguments: &["--file-list=LIST.no"], list: b"", sources: &[], destination: ".", says: &["No such file or directory", ".no"] },
    Row { arguments: &["--file-list=/"], list: b"", sources: &[], destination: ".", says: &["cannot be read"] },
    Row { arguments: &["--file-pair-list=LIST"], list: b"top", sources: &[], destination: ".", says: &["line 1", "'top'", "no destination"] },
    Row { arguments: &["--file-list=LIST"], list: b"top", sources: &[], destination: "a file", says: &["Target must be a directory"] },
    Row { arguments: &["--file-list=LIST"], list: b"top", sources: &[], destination: "a file/x", says: &["directory"] },
    Row { arguments: &["--src-base=s"], list: b"", sources: &["s/sub"], destination: "a file", says: &["Target must be a directory"] },
    Row { arguments: &["-E", "[[:alpha:]"], list: b"", sources: &["top"], destination: ".", says: &["-E", "[[:alpha:]"] },
    Row { arguments: &["--file-list=LIST", "-k1", "--retry-timeout=5", "--file-list=-"], list: b"top", sources: &[], destination: ".", says: &["--retry-timeout", "standard input"] },
];

fn every_mistake_says_what_it_is(site: &Site) {
    for way in Way::BOTH {
        grow_sources(&way.source_root(site));
        let into = way.destination(site, "into");
        fs::create_dir(&into).unwrap();
        fs::write(into.join("a file"), "x").unwrap();
        for (number, row) in TABLE.iter().enumerate() {
            let list = site.world.root().join(format!("list{number}"));
            fs::write(&list, row.list).unwrap();
            let path = list.to_str().unwrap();
            let arguments = row.arguments.iter().map(|word| word.replace("LIST", path));
            let sources = row.sources.iter().map(|source| way.source(site, source));
            let outcome = way
                .ascp(site)
                .args(arguments)
                .args(sources)
                .arg(way.target(site, &format!("into/{}", row.destination)))
                .run();
            let words = outcome.words();
            assert_eq!(
                outcome.code(),
                Some(1),
                "{way:?} {:?}: {words}",
                row.arguments
            );
            for part in row.says {
                assert!(outcome.err().contains(part), "{way:?} {part}: {words}");
            }
            assert_eq!(tree::paths_below(&into), ["a file"], "{words}");
        }
        let outcome = way
            .ascp(site)
            .args(["-@", "200:"])
            .arg(way.source(site, "top"))
            .arg(way.target(site, "into"))
            .run();
        let expected = match way {
            Way::Up => "option -@ works for downloads only",
            Way::Down => "begins behind the end",
        };
        assert!(outcome.err().contains(expected), "{}", outcome.words());
    }
}

fn what_is_wrong_with_one_line_leaves_the_others(site: &Site) {
    let list = site.world.root().join("list");
    for way in Way::BOTH {
        grow_sources(&way.source_root(site));
        let cases: [(&str, &[u8], &str, &[&str]); 5] = [
            (
                "--file-list",
                b"no\ntop\n",
                "No such file or directory",
                &["top"],
            ),
            (
                "--file-pair-list",
                b"s/a.txt\n../x\ntop\ny\n",
                "must not have '..'",
                &["y"],
            ),
            (
                "--file-pair-list",
                b"top\ny\ns/a.txt\n",
                "no destination",
                &["y"],
            ),
            (
                "--file-list",
                &[b"top\n", [b'x'; 5_000].as_slice()].concat(),
                "more than 4096 bytes",
                &["top"],
            ),
            (
                "--file-list",
                b"../local/../remote/../server/host_key\ntop",
                "",
                &["top"],
            ),
        ];
        for (number, (option, text, says, expected)) in cases.into_iter().enumerate() {
            if says.is_empty() && way == Way::Up {
                continue;
            }
            fs::write(&list, text).unwrap();
            let into = format!("case{number}");
            let outcome = way
                .ascp(site)
                .arg(option)
                .arg(&list)
                .arg(way.target(site, &into))
                .run();
            let text = outcome.failure();
            let says = if says.is_empty() {
                "outside 'docroot' hierarchy"
            } else {
                says
            };
            assert!(text.contains(says), "{way:?} {says}: {}", outcome.words());
            let found = tree::paths_below(&way.destination(site, &into));
            assert_eq!(found, expected, "{way:?} {says}");
        }
    }
}

fn a_list_that_may_not_be_read_is_named(site: &Site) {
    let list = site.world.local("list");
    fs::write(&list, "top").unwrap();
    set_mode(&list, 0o000);
    let outcome = Way::Down
        .ascp(site)
        .arg("--file-list=list")
        .arg(".")
        .with(|command| site.world.lower_privileges(command))
        .run();
    outcome.failed_with(&["Insufficient permissions", "the list list"]);
}
