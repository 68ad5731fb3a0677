//! Files to the appliance and back, with what users add to the command.

use std::fs;

use fasp_tests::tree::{assert_same, write_file, write_sparse};

use super::bench::{Bench, PASSWORD};

/// Bytes of a file that takes a while, at the rate of these tests.
const LARGE: u64 = 1 << 20;

fn there_and_back(cipher: &[&str]) {
    let bench = Bench::new();
    let image = bench.world.local("image.bin");
    write_file(&image, 1, LARGE);
    let upload = bench.ascp().args(cipher).arg(&image).arg(bench.at("/"));
    upload.run().succeeded();
    let back = bench.world.local("back.bin");
    let download = bench
        .ascp()
        .args(cipher)
        .arg(bench.at("/image.bin"))
        .arg(&back);
    download.run().succeeded();
    assert_same(&image, &back);
    let content = bench.stop();
    assert_eq!(content["image.bin"], Some(fs::read(&image).unwrap()));
}

#[test]
fn a_file_goes_there_and_back_with_gcm() {
    there_and_back(&["-c", "aes128gcm"]);
}

#[test]
fn a_file_goes_there_and_back_with_cfb() {
    there_and_back(&["-c", "aes128cfb"]);
}

#[test]
fn a_file_goes_there_and_back_authenticated_only() {
    there_and_back(&["-T"]);
}

#[test]
fn a_tree_keeps_its_folders_and_names() {
    let bench = Bench::new();
    let tree = bench.world.local("tree");
    for folder in ["a/deeper", "b", "empty"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    let sizes = [0, 1, 100, 1_200, 5_000, 70_000];
    for (seed, size) in sizes.into_iter().enumerate() {
        for folder in ["", "a", "a/deeper", "b"] {
            let path = tree.join(folder).join(format!("file {size}"));
            write_file(&path, seed as u64, size);
        }
    }
    bench.ascp().arg(&tree).arg(bench.at("/")).run().succeeded();
    let back = bench.world.local("back");
    fs::create_dir(&back).unwrap();
    bench
        .ascp()
        .arg(bench.at("tree"))
        .arg(&back)
        .run()
        .succeeded();
    assert_same(&tree, &back.join("tree"));
    let content = bench.stop();
    assert_eq!(content["tree/empty"], None);
    assert!(content.contains_key("tree/a/deeper/file 70000"));
}

#[test]
fn a_source_takes_the_name_of_a_destination_that_is_not_there() {
    let bench = Bench::new();
    let source = bench.world.local("source");
    write_file(&source, 3, 10_000);
    bench
        .ascp()
        .arg(&source)
        .arg(bench.at("/named"))
        .run()
        .succeeded();
    bench
        .ascp()
        .arg("-d")
        .arg(&source)
        .arg(bench.at("/new/folder"))
        .run()
        .succeeded();
    bench
        .ascp()
        .arg(&source)
        .arg(bench.at("/missing/name"))
        .run()
        .failed_with(&["No such file or directory"]);
    bench
        .ascp()
        .arg(&source)
        .arg(bench.at("/../outside"))
        .run()
        .failed_with(&["docroot"]);
    let content = bench.stop();
    let names: Vec<&str> = content.keys().map(String::as_str).collect();
    assert_eq!(names, ["named", "new", "new/folder", "new/folder/source"]);
}

#[test]
fn a_later_upload_replaces_the_file() {
    let bench = Bench::new();
    for seed in [1, 2] {
        let source = bench.world.local("firmware.bin");
        write_file(&source, seed, 200_000);
        bench
            .ascp()
            .arg(&source)
            .arg(bench.at("/"))
            .run()
            .succeeded();
    }
    let expected = fs::read(bench.world.local("firmware.bin")).unwrap();
    assert_eq!(bench.stop()["firmware.bin"], Some(expected));
}

#[test]
fn what_is_there_already_is_skipped_when_resuming() {
    let bench = Bench::new();
    let source = bench.world.local("file");
    write_file(&source, 1, 50_000);
    for _ in 0..2 {
        bench
            .ascp()
            .args(["-k", "1"])
            .arg(&source)
            .arg(bench.at("/"))
            .run()
            .succeeded();
    }
    let done = bench
        .events()
        .iter()
        .filter(|event| event.starts_with("done"))
        .count();
    assert_eq!(done, 1, "{:?}", bench.events());
}

#[test]
fn long_runs_of_zeros_arrive() {
    let bench = Bench::new();
    let source = bench.world.local("sparse");
    write_sparse(&source, 2 << 20, &[0, 700_000, 2_000_000]);
    bench
        .ascp()
        .args(["-k", "1"])
        .arg(&source)
        .arg(bench.at("/"))
        .run()
        .succeeded();
    let expected = fs::read(&source).unwrap();
    assert!(bench.stop()["sparse"].as_ref() == Some(&expected));
}

#[test]
fn a_password_opens_an_appliance_that_has_one() {
    let bench = Bench::with_password();
    let source = bench.world.local("file");
    write_file(&source, 1, 1_000);
    let with = |password| {
        let ascp = bench.ascp_without_key().env("ASPERA_SCP_PASS", password);
        ascp.arg(&source).arg(bench.at("/")).run()
    };
    with("wrong").failed_with(&["failed to authenticate"]);
    with(PASSWORD).succeeded();
}

#[test]
fn what_an_appliance_does_not_do_is_refused_with_a_sentence() {
    let bench = Bench::new();
    bench
        .ascp()
        .arg(bench.at("/not there"))
        .arg(bench.world.local(""))
        .run()
        .failed_with(&["No such file or directory"]);
    bench
        .ascp()
        .args(["-w", "r"])
        .arg(bench.at(""))
        .run()
        .failed_with(&["does not measure"]);
    bench
        .ascp()
        .args(["-E", "*.tmp"])
        .arg(bench.at(""))
        .arg(bench.world.local(""))
        .run()
        .failed_with(&["this appliance sends what it is asked for whole"]);
    for (options, sentence) in [
        (["--file-checksum", "md5"], "does not compute checksums"),
        (["-R", "logs"], "keeps no log"),
        (["-C", "1:2"], "one session at a time"),
        (["-G", "64K"], "blocks of its own size"),
    ] {
        let run = bench.ascp().args(options).arg("/etc/hostname");
        run.arg(bench.at("/")).run().failed_with(&[sentence]);
    }
}

#[test]
fn labels_pass_an_appliance_by() {
    let bench = Bench::new();
    let name = bench.world.local("f");
    write_file(&name, 1, 5_000);
    let labelled = || bench.ascp().args(["-u", "words", "--tags={}", "-L-"]);
    let up = labelled().arg(&name).arg(bench.at("/f")).run();
    up.succeeded();
    assert!(up.err().contains("userstr=\"words\""), "{}", up.words());
    let back = bench.world.local("back");
    let down = labelled().arg(bench.at("/f")).arg(&back).run();
    down.succeeded();
    assert_same(&name, &back);
}
