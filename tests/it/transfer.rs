//! Files and trees arrive byte for byte, both ways, whatever the server and the path.

use std::fs;

use fasp_tests::tree::{self, Plan};

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        one_file_goes_up
        one_file_comes_down
        an_awkward_tree_goes_up
        an_awkward_tree_comes_down
        many_sources_go_into_one_folder
        many_sources_come_into_one_folder
        empty_and_sparse_files_go_up
        empty_and_sparse_files_come_down
        mode_host_and_user_name_an_upload
        mode_host_and_user_name_a_download
        names_of_every_awkward_kind_go_both_ways;
    through_sshd = OpenSsh:
        one_file_goes_up
        one_file_comes_down
        an_awkward_tree_goes_up
        an_awkward_tree_comes_down
        many_sources_go_into_one_folder
        many_sources_come_into_one_folder
        empty_and_sparse_files_go_up
        empty_and_sparse_files_come_down
        mode_host_and_user_name_an_upload
        mode_host_and_user_name_a_download
        names_of_every_awkward_kind_go_both_ways;
    through_a_bad_path = BadPath:
        one_file_goes_up
        one_file_comes_down
        an_awkward_tree_goes_up
        an_awkward_tree_comes_down
        many_sources_go_into_one_folder
        many_sources_come_into_one_folder
        empty_and_sparse_files_go_up
        empty_and_sparse_files_come_down
        mode_host_and_user_name_an_upload
        mode_host_and_user_name_a_download
        names_of_every_awkward_kind_go_both_ways;
}

const FILE_BYTES: u64 = 8_000_001;
const TREE: Plan = Plan {
    seed: 11,
    files: 150,
    largest_bytes: 300_000,
    awkward_names: true,
};

fn one_file_goes_up(site: &Site) {
    let source = site.world.local("some file.bin");
    tree::write_file(&source, 1, FILE_BYTES);
    let run = site.ascp().arg(&source).arg(site.server.at("")).run();
    run.succeeded();
    tree::assert_same(&source, &site.world.remote("some file.bin"));
    assert_eq!(tree::names_in(&site.world.remote("")), ["some file.bin"]);
}

fn one_file_comes_down(site: &Site) {
    let source = site.world.remote("some file.bin");
    tree::write_file(&source, 2, FILE_BYTES);
    let run = site.ascp().arg(site.server.at("some file.bin")).arg(".");
    run.run().succeeded();
    tree::assert_same(&source, &site.world.local("some file.bin"));
    assert_eq!(tree::names_in(&site.world.local("")), ["some file.bin"]);
}

fn an_awkward_tree_goes_up(site: &Site) {
    let source = site.world.local("tree");
    tree::grow(&source, TREE);
    let run = site.ascp().arg("tree").arg(site.server.at("")).run();
    run.succeeded();
    tree::assert_same(&source, &site.world.remote("tree"));
}

fn an_awkward_tree_comes_down(site: &Site) {
    let source = site.world.remote("tree");
    tree::grow(&source, TREE);
    let run = site.ascp().arg(site.server.at("tree")).arg(".").run();
    run.succeeded();
    tree::assert_same(&source, &site.world.local("tree"));
}

fn many_sources_go_into_one_folder(site: &Site) {
    let expected = site.world.root().join("expected");
    let sources: Vec<_> = (0..9_u64)
        .map(|number| {
            let name = format!("part {number}");
            let source = site.world.local(format!("from/{number}/{name}"));
            tree::write_file(&source, number, 40_000 * number);
            tree::write_file(&expected.join(&name), number, 40_000 * number);
            source
        })
        .collect();
    fs::create_dir(site.world.remote("into")).unwrap();
    let run = site.ascp().args(&sources).arg(site.server.at("into")).run();
    run.succeeded();
    tree::assert_same(&expected, &site.world.remote("into"));
}

fn many_sources_come_into_one_folder(site: &Site) {
    let expected = site.world.root().join("expected");
    let sources: Vec<_> = (0..9_u64)
        .map(|number| {
            let name = format!("from/{number}/part {number}");
            tree::write_file(&site.world.remote(&name), number, 40_000 * number);
            let copy = expected.join(format!("part {number}"));
            tree::write_file(&copy, number, 40_000 * number);
            site.server.at(name)
        })
        .collect();
    let into = site.world.local("into");
    fs::create_dir(&into).unwrap();
    site.ascp().args(sources).arg(&into).run().succeeded();
    tree::assert_same(&expected, &into);
}

/// Grows a tree of empty files and of files that are mostly holes.
fn grow_holes(root: &std::path::Path) {
    tree::write_file(&root.join("empty"), 1, 0);
    tree::write_file(&root.join("sub/empty too"), 1, 0);
    tree::write_sparse(&root.join("nothing but a hole"), 3_000_000, &[]);
    tree::write_sparse(&root.join("hole at both ends"), 9_000_000, &[4_000_000]);
    tree::write_sparse(&root.join("hole inside"), 6_065_536, &[0, 6_000_000]);
}

fn empty_and_sparse_files_go_up(site: &Site) {
    let source = site.world.local("holes");
    grow_holes(&source);
    let run = site.ascp().arg(&source).arg(site.server.at("")).run();
    run.succeeded();
    tree::assert_same(&source, &site.world.remote("holes"));
}

fn empty_and_sparse_files_come_down(site: &Site) {
    let source = site.world.remote("holes");
    grow_holes(&source);
    let run = site.ascp().arg(site.server.at("holes")).arg(".").run();
    run.succeeded();
    tree::assert_same(&source, &site.world.local("holes"));
}

fn mode_host_and_user_name_an_upload(site: &Site) {
    let source = site.world.local("a");
    tree::write_file(&source, 3, 100_000);
    let run = site
        .ascp()
        .arg("--mode=send")
        .args(["--host", site.server.host()])
        .arg(format!("--user={}", site.server.user()))
        .arg("a")
        .arg(site.server.path("b"))
        .run();
    run.succeeded();
    tree::assert_same(&source, &site.world.remote("b"));
}

fn mode_host_and_user_name_a_download(site: &Site) {
    tree::write_file(&site.world.remote("one"), 4, 100_000);
    tree::write_file(&site.world.remote("two"), 5, 100_000);
    let run = site
        .ascp()
        .args(["--mode", "recv"])
        .arg(format!("--host={}", site.server.host()))
        .args(["--user", site.server.user()])
        .arg(site.server.path("one"))
        .arg(site.server.path("two"))
        .arg("./")
        .run();
    run.succeeded();
    tree::assert_same(&site.world.remote(""), &site.world.local(""));
}

fn names_of_every_awkward_kind_go_both_ways(site: &Site) {
    use std::os::unix::ffi::OsStrExt as _;
    let long = [b'n'; 255];
    let names: [&[u8]; 9] = [
        b" blank at both ends ",
        b"new\nline",
        b"\xff\xfe\x00"[..2].as_ref(),
        &long,
        b"-q",
        b"...",
        b"back\\slash",
        b"per%cent",
        "grün".as_bytes(),
    ];
    for (seed, name) in (0_u64..).zip(names) {
        let below = std::path::Path::new(std::ffi::OsStr::from_bytes(name));
        let folder = site.world.local("up").join(below);
        tree::write_file(&folder.join(below), seed, 500);
    }
    let up = site.ascp().arg("up").arg(site.server.at("")).run();
    up.succeeded();
    tree::assert_same(&site.world.local("up"), &site.world.remote("up"));
    let down = site.world.local("down");
    site.ascp()
        .arg(site.server.at("up"))
        .arg(&down)
        .run()
        .succeeded();
    tree::assert_same(&site.world.local("up"), &down);
}
