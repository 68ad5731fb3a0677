//! Files that are there already: left, replaced or kept, and names of the user's for those on their way.

use fasp_core::control::choices::OverwriteRule;

use super::*;

const OLD: i64 = 1_500_000_000_000_000_000;

fn with_rules(resume_level: u8, rules: FileRules) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let waker = Waker::new().unwrap();
    let preserve = Preserve::default();
    let writer = start_with(folder.path(), resume_level, preserve, rules, &waker);
    Fixture {
        folder,
        writer: Some(writer),
        waker,
    }
}

fn ruled(rule: OverwriteRule) -> FileRules {
    FileRules {
        overwrite: rule,
        ..FileRules::default()
    }
}

fn put(it: &Fixture, name: &str, bytes: &[u8], modified_ns: i64) {
    fs::write(it.path(name), bytes).unwrap();
    let seconds = u64::try_from(modified_ns / 1_000_000_000).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let file = fs::File::options().write(true).open(it.path(name)).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn each_rule_decides_as_the_table_of_the_core_does() {
    use fasp_core::overwrite::{self, Attributes, Verdict};
    let rules = [
        OverwriteRule::Never,
        OverwriteRule::Always,
        OverwriteRule::Diff,
        OverwriteRule::DiffOlder,
        OverwriteRule::Older,
    ];
    let source = file(b"f", 5);
    for rule in rules {
        for level in 0..4 {
            for (bytes, age) in [
                (&b"12345"[..], OLD),
                (b"1234", OLD),
                (b"12345", i64::MAX / 4),
            ] {
                let it = with_rules(level, ruled(rule));
                put(&it, "f", bytes, age);
                let there = overwrite::Present {
                    complete: Some(Attributes {
                        size: bytes.len().try_into().unwrap(),
                        modified_ns: age,
                    }),
                    partial: false,
                };
                let offered = Attributes {
                    size: source.size,
                    modified_ns: source.modified_ns,
                };
                let resume = ResumeLevel::from_number(level).unwrap();
                let expected = match overwrite::decide(rule, resume, offered, there) {
                    Verdict::Skip => Decision::Skip,
                    Verdict::Compare(_) => Decision::Compare,
                    Verdict::Send | Verdict::Continue => Decision::Go,
                };
                let mut answer = it.open(1, source.clone());
                if matches!(answer, Completion::Checked { .. }) {
                    answer = it.next();
                }
                assert_eq!(answer, decided(1, expected), "{rule:?} -k{level} {bytes:?}");
            }
        }
    }
}

#[test]
fn under_never_a_file_that_appears_meanwhile_is_not_replaced() {
    for level in [0, 1] {
        let it = with_rules(level, ruled(OverwriteRule::Never));
        assert_eq!(it.open(1, file(b"f", 3)), go(1));
        it.write(1, 0, b"new");
        fs::write(it.path("f"), b"appeared").unwrap();
        let failure = it.commit(1).unwrap_err();
        assert_eq!(failure.fault, Fault::AlreadyExists);
        assert_eq!(failure.text, "File or directory already exists: f");
        assert_eq!(fs::read(it.path("f")).unwrap(), b"appeared");
    }
}

#[test]
fn a_replaced_file_is_kept_with_its_attributes() {
    let rules = FileRules {
        saves_old: true,
        ..FileRules::default()
    };
    let it = with_rules(0, rules);
    assert_eq!(it.whole(file(b"f.txt", 5), b"first"), Ok(()));
    assert_eq!(it.names(), ["f.txt"], "there was nothing to keep");
    put(&it, "f.txt", b"first", OLD);
    fs::set_permissions(it.path("f.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    let inode = fs::metadata(it.path("f.txt")).unwrap().ino();
    assert_eq!(it.whole(file(b"f.txt", 6), b"second"), Ok(()));
    assert_eq!(it.whole(file(b"f.txt", 5), b"third"), Ok(()));
    assert_eq!(fs::read(it.path("f.txt")).unwrap(), b"third");
    let names = it.names();
    assert_eq!(names.len(), 3, "{names:?}");
    let kept = names
        .iter()
        .map(|name| fs::metadata(it.path(name)).unwrap())
        .find(|facts| facts.ino() == inode)
        .expect("the first file");
    assert_eq!(kept.mode() & 0o777, 0o640);
    assert_eq!(kept.mtime(), OLD / 1_000_000_000);
    for name in names.iter().filter(|name| *name != "f.txt") {
        let numbers: Vec<&str> = name.split('.').collect();
        assert_eq!(
            (numbers.len(), numbers[0], numbers[8]),
            (9, "f", "txt"),
            "{name}"
        );
        assert!(
            numbers[1..8].iter().all(|part| part.parse::<u32>().is_ok()),
            "{name}"
        );
    }
}

fn suffixed() -> FileRules {
    FileRules {
        partial_suffix: Some(b".partial".to_vec()),
        ..FileRules::default()
    }
}

#[test]
fn a_suffix_of_the_users_names_what_is_on_its_way_and_goes_at_the_end() {
    for (level, during, left) in [
        (0, vec!["f.partial"], vec![]),
        (1, vec!["f.partial"], vec!["f.partial", "f.partial.aspx"]),
    ] {
        let mut it = with_rules(level, suffixed());
        assert_eq!(it.open(1, file(b"f", 4_096)), go(1));
        it.write(1, 0, &[1; 1_024]);
        assert_eq!(it.names(), during);
        assert_eq!(it.writer.take().unwrap().stop(true), []);
        assert_eq!(it.names(), left);
        let preserve = Preserve::default();
        let again = start_with(it.folder.path(), level, preserve, suffixed(), &it.waker);
        it.writer = Some(again);
        let missing = vec![ByteRange {
            start: 1_024,
            end: 4_096,
        }];
        let expected = match level {
            0 => Decision::Go,
            _ => Decision::Resume { missing },
        };
        assert_eq!(it.open(1, file(b"f", 4_096)), decided(1, expected));
        it.write(1, 0, &[1; 4_096]);
        assert_eq!(it.commit_as(1, &[1; 4_096]), Ok(()));
        assert_eq!(it.names(), ["f"]);
    }
}

#[test]
fn a_file_of_the_users_that_has_the_partial_name_is_not_touched() {
    for level in [0, 1] {
        let it = with_rules(level, suffixed());
        // Of the size of the source, so that only the missing note tells.
        fs::write(it.path("f.partial"), [9; 4_096]).unwrap();
        assert_eq!(it.open(1, file(b"f", 4_096)), go(1));
        it.write(1, 0, &[1; 4_096]);
        assert_eq!(it.commit_as(1, &[1; 4_096]), Ok(()));
        assert_eq!(it.names(), ["f", "f.partial"]);
        assert_eq!(fs::read(it.path("f.partial")).unwrap(), [9; 4_096]);
    }
}

#[test]
fn a_partial_file_whose_name_was_taken_over_is_not_delivered() {
    for level in [0, 1] {
        let it = with_rules(level, suffixed());
        assert_eq!(it.open(1, file(b"f", 4)), go(1));
        it.write(1, 0, b"sent");
        fs::write(it.path("other"), b"else").unwrap();
        fs::rename(it.path("other"), it.path("f.partial")).unwrap();
        assert!(it.commit(1).is_err());
        assert!(!it.path("f").exists());
        assert_eq!(fs::read(it.path("f.partial")).unwrap(), b"else");
    }
}
