//! Lists, pairs, prefixes and bases: which names things get, row by row, both ways.

use std::fs;

use super::{Site, Way, assert_delivered, grow_sources, named};
use crate::site::bodies;

bodies! {
    through_ascpd = Daemon:
        every_row_holds_for_uploads
        every_row_holds_for_downloads
        what_is_outside_of_the_base_is_only_logged;
}

struct Row {
    says: &'static str,
    arguments: &'static [&'static str],
    /// What the list holds; its path stands for `LIST` in the arguments.
    list: &'static [u8],
    /// Operands besides the destination.
    sources: &'static [&'static str],
    destination: &'static str,
    expected: &'static [&'static str],
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row {
        says: "a list makes the destination and takes no operands",
        arguments: &["--file-list=LIST"],
        list: b"top\ns/sub/c\nicons\n",
        sources: &["s", "nothing"],
        destination: "new/folder",
        expected: &["c", "icons/", "icons/file1", "icons/file2", "icons/fileA", "top"],
    },
    Row {
        says: "CRLF, empty lines, a byte order mark and a last line without end",
        arguments: &["--file-list", "LIST"],
        list: b"\xEF\xBB\xBFtop\r\n\r\ns/sub/c\r\n\r\nodd \xff",
        sources: &[],
        destination: "new",
        expected: &["c", "odd \\xff", "top"],
    },
    Row {
        says: "one source in a list goes into the folder",
        arguments: &["--file-list", "LIST"],
        list: b"top",
        sources: &[],
        destination: "new",
        expected: &["top"],
    },
    Row {
        says: "the last of several lists counts",
        arguments: &["--file-pair-list=nowhere", "--file-list=LIST"],
        list: b"top",
        sources: &[],
        destination: ".",
        expected: &["top"],
    },
    Row {
        says: "a prefix goes before every line",
        arguments: &["--source-prefix=s", "--file-list=LIST"],
        list: b"sub/c\n/a.txt\n",
        sources: &[],
        destination: ".",
        expected: &["a.txt", "c"],
    },
    Row {
        says: "a prefix goes before every operand",
        arguments: &["--source-prefix64=cy8="],
        list: b"",
        sources: &["sub/c", "a.txt"],
        destination: ".",
        expected: &["a.txt", "c"],
    },
    Row {
        says: "pairs give new names, below the destination and with folders made",
        arguments: &["--file-pair-list=LIST"],
        list: b"top\nx/y/z\ns/sub\n/d//e/.\nicons/file1\nfile1",
        sources: &["s"],
        destination: "new",
        expected: &["d/", "d/e/", "d/e/b.tmp", "d/e/c", "d/e/deep/", "d/e/deep/.hidden", "d/e/deep/file", "file1", "x/", "x/y/", "x/y/z"],
    },
    Row {
        says: "rules look at the names that the sources of pairs have",
        arguments: &["--file-pair-list=LIST", "-E", "/sub/c", "-E", "top"],
        list: b"top\nx\ns/sub\nc\ns/a.txt\ntop",
        sources: &[],
        destination: ".",
        expected: &["c/", "c/b.tmp", "c/deep/", "c/deep/.hidden", "c/deep/file", "top"],
    },
    Row {
        says: "a base keeps the folders below it",
        arguments: &["--src-base=s", "-d"],
        list: b"",
        sources: &["s/sub/c", "s/a.txt", "s/sub/deep"],
        destination: "new",
        expected: &["a.txt", "sub/", "sub/c", "sub/deep/", "sub/deep/.hidden", "sub/deep/file"],
    },
    Row {
        says: "a base that is the source leaves its content",
        arguments: &["--src-base=icons/"],
        list: b"",
        sources: &["icons/"],
        destination: "new",
        expected: &["file1", "file2", "fileA"],
    },
    Row {
        says: "a single source keeps its folders too",
        arguments: &["--src-base64=cw=="],
        list: b"",
        sources: &["s/sub/c"],
        destination: "new",
        expected: &["sub/", "sub/c"],
    },
    Row {
        says: "what is outside of the base is left out",
        arguments: &["--src-base=s"],
        list: b"",
        sources: &["s/sub/c", "top", "s/../top"],
        destination: ".",
        expected: &["sub/", "sub/c"],
    },
    Row {
        says: "a base works on a list, and rules on what it leaves",
        arguments: &["--src-base=s", "--file-list=LIST", "-E", "/sub/c"],
        list: b"s/sub/c\ns/sub/b.tmp\ns/a.txt",
        sources: &[],
        destination: ".",
        expected: &["a.txt", "sub/", "sub/b.tmp"],
    },
    Row {
        says: "a prefix first, then the base",
        arguments: &["--source-prefix=s", "--src-base=s/sub"],
        list: b"",
        sources: &["sub/c", "sub/deep/file"],
        destination: ".",
        expected: &["c", "deep/", "deep/file"],
    },
];

fn every_row_holds_for_uploads(site: &Site) {
    every_row_holds(site, Way::Up);
}

fn every_row_holds_for_downloads(site: &Site) {
    every_row_holds(site, Way::Down);
}

fn every_row_holds(site: &Site, way: Way) {
    grow_sources(&way.source_root(site));
    let odd = way.source_root(site).join(named(b"odd \xff"));
    fs::write(odd, "odd").unwrap();
    for (number, row) in TABLE.iter().enumerate() {
        let list = site.world.root().join(format!("list{number}"));
        fs::write(&list, row.list).unwrap();
        let into = format!("row{number}");
        fs::create_dir(way.destination(site, &into)).unwrap();
        let path = list.to_str().unwrap();
        let arguments = row.arguments.iter().map(|word| word.replace("LIST", path));
        let destination = format!("{into}/{}", row.destination);
        let outcome = way
            .ascp(site)
            .args(arguments)
            .args(row.sources)
            .arg(way.target(site, &destination))
            .run();
        let destination = way.destination(site, &destination);
        assert_delivered(row.says, &outcome, &destination, row.expected);
    }
}

fn what_is_outside_of_the_base_is_only_logged(site: &Site) {
    let way = Way::Up;
    grow_sources(&way.source_root(site));
    let outcome = way
        .ascp(site)
        .args(["--src-base=s", "-L-", "top", "s/a.txt"])
        .arg(way.target(site, "."))
        .run();
    outcome.succeeded();
    assert!(
        outcome.err().contains("source passed over: top: outside"),
        "{}",
        outcome.words()
    );
    let failed = outcome.err();
    let failed = failed
        .lines()
        .find(|line| line.contains("transfers failed"));
    assert!(
        failed.is_some_and(|line| line.ends_with(": 0")),
        "{failed:?}"
    );
}
