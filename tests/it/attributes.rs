//! Attributes that copies get: times, owners, extended attributes, access lists, both ways.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fasp_tests::client::Outcome;
use fasp_tests::{skip, tree};
use rustix::fs::XattrFlags;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        each_time_is_kept_when_it_is_asked_for
        access_times_of_sources_can_be_left_alone
        owners_come_down_and_go_up_only_to_root
        extended_attributes_go_from_any_store_to_any
        access_lists_go_both_ways
        attributes_beyond_a_record_fail_their_file_alone;
    through_sshd = OpenSsh:
        owners_go_up_to_root;
}

/// 2001, 2017.
const ACCESSED: i64 = 1_000_000_000;
const MODIFIED: i64 = 1_500_000_000;

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

fn set_times(path: &Path) {
    let times = FileTimes::new()
        .set_accessed(time(ACCESSED))
        .set_modified(time(MODIFIED));
    File::open(path).unwrap().set_times(times).unwrap();
}

/// Sources `d/small`, `d/sub/large` at one side; the folders of both sides.
fn grow(site: &Site, world: &str, upload: bool) -> (PathBuf, PathBuf) {
    let (here, there) = (site.world.local(world), site.world.remote(world));
    let (from, to) = if upload { (here, there) } else { (there, here) };
    tree::write_file(&from.join("d/small"), 1, 300);
    tree::write_file(&from.join("d/sub/large"), 2, 400_000);
    fs::create_dir_all(&to).unwrap();
    (from, to)
}

fn copy(site: &Site, world: &str, upload: bool, options: &[&str]) -> Outcome {
    let ascp = site
        .ascp()
        .args(options)
        .current_dir(&site.world.local(world));
    if upload {
        ascp.arg("d").arg(site.server.at(world)).run()
    } else {
        ascp.arg(site.server.at(format!("{world}/d")))
            .arg(".")
            .run()
    }
}

const ALL: [&str; 4] = ["d", "d/small", "d/sub", "d/sub/large"];

fn each_time_is_kept_when_it_is_asked_for(site: &Site) {
    let table: [(&[&str], bool, bool); 4] = [
        (&["-p"], true, true),
        (&["--preserve-modification-time"], true, false),
        (&["--preserve-access-time", "-k1"], false, true),
        (&[], false, false),
    ];
    for (number, (options, modified, accessed)) in table.into_iter().enumerate() {
        for upload in [true, false] {
            let world = format!("times{number}{upload}");
            let (from, to) = grow(site, &world, upload);
            ALL.iter().for_each(|name| set_times(&from.join(name)));
            copy(site, &world, upload, options).succeeded();
            for name in ALL {
                let facts = fs::metadata(to.join(name)).unwrap();
                let is_kept = (facts.mtime() == MODIFIED, facts.atime() == ACCESSED);
                assert_eq!(is_kept, (modified, accessed), "{options:?} {name} {upload}");
            }
        }
    }
    let note = "ascp: note: --preserve-creation-time changes nothing";
    grow(site, "creation", true);
    let run = copy(site, "creation", true, &["--preserve-creation-time"]);
    assert!(run.succeeded().err().starts_with(note), "{}", run.words());
}

fn access_times_of_sources_can_be_left_alone(site: &Site) {
    for upload in [true, false] {
        for option in [true, false] {
            let world = format!("quiet{upload}{option}");
            let (from, _) = grow(site, &world, upload);
            ALL.iter().for_each(|name| set_times(&from.join(name)));
            let options: &[&str] = match option {
                true => &["--preserve-source-access-time"],
                false => &[],
            };
            copy(site, &world, upload, options).succeeded();
            let accessed = |name: &&str| fs::metadata(from.join(name)).unwrap().atime();
            let is_kept = ALL.iter().all(|name| accessed(name) == ACCESSED);
            if option {
                assert!(is_kept, "upload {upload}");
            } else if is_kept {
                skip::say("this file system does not keep access times");
                return;
            }
        }
    }
}

fn give_away(root: &Path) -> bool {
    ALL.iter()
        .all(|name| std::os::unix::fs::chown(root.join(name), Some(1_234), Some(2_345)).is_ok())
}

fn owners(root: &Path) -> Vec<(u32, u32)> {
    let owner = |name: &&str| {
        let facts = fs::metadata(root.join(name)).unwrap();
        (facts.uid(), facts.gid())
    };
    ALL.iter().map(owner).collect()
}

fn owners_come_down_and_go_up_only_to_root(site: &Site) {
    if !rustix::process::geteuid().is_root() {
        skip::say("only root gives files away");
        return;
    }
    let table: [(&[&str], (u32, u32)); 4] = [
        (&[], (0, 0)),
        (&["--preserve-file-owner-uid"], (1_234, 0)),
        (&["--preserve-file-owner-gid", "-k2"], (0, 2_345)),
        (
            &["--preserve-file-owner-uid", "--preserve-file-owner-gid"],
            (1_234, 2_345),
        ),
    ];
    for (number, (options, owner)) in table.into_iter().enumerate() {
        let world = format!("owner{number}");
        let (from, to) = grow(site, &world, false);
        assert!(give_away(&from));
        copy(site, &world, false, options).succeeded();
        assert_eq!(owners(&to), [owner; 4], "{options:?}");
    }
    let (_, to) = grow(site, "up", true);
    let refused = copy(site, "up", true, &["--preserve-file-owner-uid"]);
    refused.failed_with(&["need root at the receiving side", "this login is not root"]);
    assert!(tree::paths_below(&to).is_empty());
    let ascp = site
        .ascp()
        .arg("--preserve-file-owner-gid")
        .with(|command| {
            site.world.lower_privileges(command);
        });
    let run = ascp.arg(site.server.at("owner0/d")).arg(".").run();
    run.failed_with(&["need root at the receiving side, which is here"]);
}

fn owners_go_up_to_root(site: &Site) {
    let (from, to) = grow(site, "up", true);
    if !rustix::process::geteuid().is_root() || !give_away(&from) {
        return;
    }
    let options = [
        "--preserve-file-owner-uid",
        "--preserve-file-owner-gid",
        "-p",
    ];
    copy(site, "up", true, &options).succeeded();
    assert_eq!(owners(&to), [(1_234, 2_345); 4]);
}

fn set(path: &Path, name: &str, value: &[u8]) -> bool {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).is_ok()
}

fn get(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 9_000];
    let length = rustix::fs::getxattr(path, name, bytes.as_mut_slice()).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

const NOTE: &str = "user.note";
const VALUE: &[u8] = b"a value\0\xff";
const TEXT: &str = "OFASP-META 1\nxattr user.note 612076616c756500ff\n";

fn extended_attributes_go_from_any_store_to_any(site: &Site) {
    // Here, there, and whether anything travels.
    let table = [
        ("native", "native"),
        ("native", "metafile"),
        ("metafile", "native"),
        ("metafile", "metafile"),
        ("native", "none"),
        ("none", "none"),
    ];
    for (number, (here, there)) in table.into_iter().enumerate() {
        for upload in [true, false] {
            let level = if number % 2 == 0 { "-k0" } else { "-k1" };
            let world = format!("x{number}{upload}");
            let (from, to) = grow(site, &world, upload);
            let (store, into) = if upload { (here, there) } else { (there, here) };
            for name in ["d/small", "d/sub/large"] {
                let path = from.join(name);
                if store == "metafile" {
                    fs::write(from.join(format!("{name}.aspera-meta")), TEXT).unwrap();
                } else if !set(&path, NOTE, VALUE) {
                    skip::say("this file system has no extended attributes");
                    return;
                }
            }
            let local = format!("--preserve-xattrs={here}");
            let remote = format!("--remote-preserve-xattrs={there}");
            copy(site, &world, upload, &[level, "-p", &local, &remote]).succeeded();
            let case = format!("{store} to {into}, upload {upload}");
            for name in ["d/small", "d/sub/large"] {
                let value = get(&to.join(name), NOTE);
                let beside = fs::read_to_string(to.join(format!("{name}.aspera-meta"))).ok();
                let travels = store != "none" && into != "none";
                assert_eq!(value.is_some(), travels && into == "native", "{case}");
                assert_eq!(beside.is_some(), travels && into == "metafile", "{case}");
                assert!(value.is_none_or(|value| value == VALUE), "{case}");
                assert!(beside.is_none_or(|text| text == TEXT), "{case}");
                assert_eq!(
                    fs::read(from.join(name)).unwrap(),
                    fs::read(to.join(name)).unwrap()
                );
            }
        }
    }
}

/// The list of a file that its user and user 1234 may read and write.
fn access_list() -> Vec<u8> {
    let entry = |tag: u16, rights: u16, id: u32| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes
    };
    let none = u32::MAX;
    let entries = [
        (1, 6, none),
        (2, 6, 1_234),
        (4, 4, none),
        (16, 6, none),
        (32, 0, none),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    list.extend(
        entries
            .into_iter()
            .flat_map(|(tag, rights, id)| entry(tag, rights, id)),
    );
    list
}

fn access_lists_go_both_ways(site: &Site) {
    const LIST: &str = "system.posix_acl_access";
    for (number, there) in ["native", "metafile"].into_iter().enumerate() {
        let (world, list) = (format!("acl{number}"), access_list());
        let (from, to) = grow(site, &world, true);
        if !set(&from.join("d/small"), LIST, &list) {
            skip::say("this file system has no access lists");
            return;
        }
        let remote = format!("--remote-preserve-acls={there}");
        let options = ["--preserve-acls=native", &remote];
        copy(site, &world, true, &options).succeeded();
        let is_native = there == "native";
        assert_eq!(get(&to.join("d/small"), LIST).is_some(), is_native);
        assert_eq!(to.join("d/small.aspera-meta").exists(), !is_native);
        assert_eq!(get(&to.join("d/sub/large"), LIST), None);
        fs::remove_dir_all(from.join("d")).unwrap();
        copy(site, &world, false, &options).succeeded();
        assert_eq!(
            get(&from.join("d/small"), LIST),
            Some(list),
            "and back from {there}"
        );
    }
}

fn attributes_beyond_a_record_fail_their_file_alone(site: &Site) {
    for upload in [true, false] {
        let world = format!("much{upload}");
        let (from, to) = grow(site, &world, upload);
        // In a file beside it, because not every file system takes that much.
        let text = format!("OFASP-META 1\nxattr user.much {}\n", "00".repeat(4_400));
        fs::write(from.join("d/small.aspera-meta"), text).unwrap();
        let run = copy(site, &world, upload, &["--preserve-xattrs=metafile"]);
        run.failed_with(&["d/small", "more than the 4320 bytes that can be sent"]);
        assert_eq!(tree::paths_below(&to.join("d")), ["sub/", "sub/large"]);
    }
}
