//! Sources after their transfer, on real folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::walk::SourceWalk;
use super::*;
use crate::storage::selection::Choice;
use crate::storage::source_list::SourceNames;

struct Fixture {
    folder: tempfile::TempDir,
    docroot: Arc<Docroot>,
}

impl Fixture {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, name).unwrap();
            }
        }
        let docroot = Arc::new(Docroot::confined(folder.path()).unwrap());
        Self { folder, docroot }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn items(&self, sources: &[&str]) -> Vec<SourceItem> {
        let sources = owned(sources);
        let choice = Choice::default();
        SourceWalk::new(Arc::clone(&self.docroot), SourceNames::of(sources), &choice)
            .map(Result::unwrap)
            .filter(|item| item.kind == fasp_core::metadata::ObjectKind::File)
            .collect()
    }

    /// Sends `sources`, changes something with `meanwhile`, and treats all as delivered; what went wrong.
    fn run(
        &self,
        wishes: &SourceWishes,
        sources: &[&str],
        meanwhile: impl FnOnce(&Path),
    ) -> Vec<String> {
        let items = self.items(sources);
        meanwhile(self.folder.path());
        let waker = Waker::new().unwrap();
        let docroot = Arc::clone(&self.docroot);
        let care = SourceCare::start(docroot, wishes.clone(), owned(sources), waker).unwrap();
        for item in items {
            care.delivered(item);
        }
        care.end(true);
        let mut troubles = Vec::new();
        loop {
            match care.events.recv().unwrap() {
                CareEvent::Trouble(_, failure) => troubles.push(failure.text),
                CareEvent::Finished => return troubles,
            }
        }
    }

    fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let path = entry.path();
                let name = path.strip_prefix(self.folder.path()).unwrap();
                let mut name = name.display().to_string();
                if entry.file_type().unwrap().is_dir() {
                    name.push('/');
                    folders.push(path);
                }
                found.push(name);
            }
        }
        found.sort();
        found
    }
}

fn owned(sources: &[&str]) -> Vec<Vec<u8>> {
    sources
        .iter()
        .map(|source| source.as_bytes().to_vec())
        .collect()
}

fn removing(empty_folders: bool, source_folder: bool) -> SourceWishes {
    SourceWishes {
        afterwards: AfterTransfer {
            remove_files: true,
            remove_skipped: false,
            remove_empty_folders: empty_folders,
            remove_source_folder: source_folder,
        },
        ..SourceWishes::default()
    }
}

fn moving(to: &str) -> SourceWishes {
    SourceWishes {
        archive: Some(to.as_bytes().to_vec()),
        ..SourceWishes::default()
    }
}

const NONE: [&str; 0] = [];

#[test]
fn files_go_and_folders_as_far_as_wished() {
    let tree = ["d/a", "d/s/b", "d/s/t/c", "d/empty/", "other"];
    let table: [(SourceWishes, &[&str]); 3] = [
        (
            removing(false, false),
            &["d/", "d/empty/", "d/s/", "d/s/t/", "other"],
        ),
        (removing(true, false), &["d/", "other"]),
        (removing(true, true), &["other"]),
    ];
    for (wishes, expected) in table {
        let it = Fixture::new(&tree);
        assert_eq!(it.run(&wishes, &["d/"], |_| {}), NONE);
        assert_eq!(it.left(), expected);
    }
}

#[test]
fn of_a_file_only_the_parent_may_go_and_never_what_has_no_name() {
    let it = Fixture::new(&["p/q/f", "p/x/", "top"]);
    let wishes = removing(true, true);
    assert_eq!(it.run(&wishes, &["p/q/f", "top"], |_| {}), NONE);
    assert_eq!(it.left(), ["p/", "p/x/"]);
    let it = Fixture::new(&["f", "d/g"]);
    assert_eq!(it.run(&wishes, &["."], |_| {}), NONE);
    assert_eq!(
        it.left(),
        NONE,
        "the content of the docroot; it stays itself"
    );
    assert!(it.folder.path().exists());
}

#[test]
fn a_source_that_changed_after_it_was_sent_stays() {
    let it = Fixture::new(&[
        "d/same",
        "d/longer",
        "d/touched",
        "d/moded",
        "d/replaced",
        "d/gone",
    ]);
    let troubles = it.run(&removing(false, false), &["d"], |root| {
        let at = |name: &str| root.join("d").join(name);
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(at("longer"), "longer than it was before").unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH;
        fs::File::open(at("touched"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(at("moded"), mode).unwrap();
        fs::write(at("new"), "d/replaced").unwrap();
        fs::rename(at("new"), at("replaced")).unwrap();
        fs::remove_file(at("gone")).unwrap();
    });
    assert_eq!(
        it.left(),
        ["d/", "d/longer", "d/moded", "d/replaced", "d/touched"]
    );
    assert_eq!(troubles.len(), 5, "{troubles:?}");
    let stays = "the source was changed after it was sent and stays where it is";
    assert_eq!(
        troubles.iter().filter(|text| text.ends_with(stays)).count(),
        4
    );
}

#[test]
fn a_file_with_two_names_goes_under_both() {
    let it = Fixture::new(&["d/a"]);
    fs::hard_link(it.path("d/a"), it.path("d/b")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(it.run(&removing(false, false), &["d"], |_| {}), NONE);
    assert_eq!(it.left(), ["d/"]);
}

#[test]
fn of_a_link_to_a_file_the_link_goes() {
    let it = Fixture::new(&["far/f", "d/a"]);
    symlink("../far/f", it.path("d/link")).unwrap();
    assert_eq!(it.run(&removing(true, false), &["d"], |_| {}), NONE);
    assert_eq!(it.left(), ["d/", "far/", "far/f"]);
}

#[test]
fn behind_a_link_to_a_folder_files_go_and_no_folder() {
    let it = Fixture::new(&["far/s/f", "d/a"]);
    symlink("../far", it.path("d/link")).unwrap();
    assert_eq!(it.run(&removing(true, false), &["d"], |_| {}), NONE);
    assert_eq!(it.left(), ["d/", "d/link", "far/", "far/s/"]);
}

#[test]
fn files_move_to_their_paths_in_the_archive_and_replace_nothing() {
    let it = Fixture::new(&["in/d/a", "in/d/s/b", "in/f", "old/f", "in/d/empty/"]);
    let troubles = it.run(&moving("/old/"), &["in/d", "in/f"], |_| {});
    assert_eq!(
        troubles,
        ["old/f: is in the archive already, the source stays"]
    );
    assert_eq!(
        it.left(),
        [
            "in/",
            "in/d/",
            "in/d/empty/",
            "in/d/s/",
            "in/f",
            "old/",
            "old/d/",
            "old/d/a",
            "old/d/s/",
            "old/d/s/b",
            "old/f"
        ]
    );
    assert_eq!(fs::read_to_string(it.path("old/f")).unwrap(), "old/f");
}

#[test]
fn an_archive_that_cannot_be_made_leaves_the_sources() {
    let it = Fixture::new(&["d/a", "file"]);
    let troubles = it.run(&moving("file/old"), &["d"], |_| {});
    assert_eq!(troubles.len(), 1);
    assert!(troubles[0].starts_with("the archive cannot be used, sources stay: "));
    let troubles = it.run(&moving("../out"), &["d"], |_| {});
    assert!(troubles[0].contains("docroot"), "{troubles:?}");
    assert_eq!(it.left(), ["d/", "d/a", "file"]);
}

#[test]
fn an_archive_inside_a_source_is_refused() {
    let it = Fixture::new(&["d/s/x", "e/", "f"]);
    symlink("d/s", it.path("way")).unwrap();
    let check = |path: &str, sources: &[&str]| {
        check_outside(&it.docroot, path.as_bytes(), &owned(sources)).map_err(|error| error.text)
    };
    for path in [
        "d",
        "d/old",
        "d/s/old/older",
        "d/s",
        "way/old",
        "d/s/../new",
    ] {
        assert!(check(path, &["e", "d"]).is_err(), "{path}");
    }
    for path in ["old", "e", "e/old", "way", "."] {
        let inside = path == "way";
        assert_eq!(check(path, &["f", "d"]).is_err(), inside, "{path}");
    }
    assert!(check("anywhere", &["."]).is_err());
}

#[test]
fn skipped_files_go_only_when_that_is_wished() {
    for remove_skipped in [false, true] {
        let it = Fixture::new(&["d/a"]);
        let mut wishes = removing(false, false);
        wishes.afterwards.remove_skipped = remove_skipped;
        let mut care = Care::new(Arc::clone(&it.docroot), wishes, owned(&["d"]));
        for item in it.items(&["d"]) {
            assert!(care.carry_out(Job::Skipped(item)).is_empty());
        }
        assert_eq!(it.path("d/a").exists(), !remove_skipped);
    }
}

#[test]
fn empty_folders_stay_when_something_failed() {
    let it = Fixture::new(&["d/s/a"]);
    let wishes = removing(true, true);
    let mut care = Care::new(Arc::clone(&it.docroot), wishes, owned(&["d"]));
    for item in it.items(&["d"]) {
        assert!(care.carry_out(Job::Delivered(item)).is_empty());
    }
    assert!(matches!(
        care.carry_out(Job::End(false))[..],
        [CareEvent::Finished]
    ));
    assert_eq!(it.left(), ["d/", "d/s/"]);
}
