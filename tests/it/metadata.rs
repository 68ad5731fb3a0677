//! Times, modes, ciphers: what a user asks for besides the bytes.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fasp_tests::server::Ascpd;
use fasp_tests::tree::{self, Strictness};
use fasp_tests::world::{World, set_mode};

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        with_p_modification_times_go_up
        with_p_modification_times_come_down
        without_p_a_file_is_as_new_as_its_transfer
        downloaded_files_get_the_mode_that_the_mask_allows
        every_cipher_delivers
        large_and_small_datagrams_deliver;
    through_sshd = OpenSsh:
        with_p_modification_times_go_up
        with_p_modification_times_come_down
        every_cipher_delivers;
}

const LONG_AGO: Duration = Duration::from_secs(1_234_567_890);

fn old_file(path: &Path, seed: u64) {
    tree::write_file(path, seed, 5_000);
    let time = SystemTime::UNIX_EPOCH + LONG_AGO + Duration::from_secs(seed);
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_times(FileTimes::new().set_modified(time)))
        .expect("an old file");
}

const WITH_TIMES: Strictness = Strictness { file_times: true };

fn with_p_modification_times_go_up(site: &Site) {
    old_file(&site.world.local("t/one"), 1);
    old_file(&site.world.local("t/sub/two"), 2);
    let run = site.ascp().args(["-p", "t"]).arg(site.server.at("")).run();
    run.succeeded();
    let (sent, arrived) = (site.world.local("t"), site.world.remote("t"));
    tree::assert_same_with(&sent, &arrived, WITH_TIMES);
}

fn with_p_modification_times_come_down(site: &Site) {
    old_file(&site.world.remote("t/one"), 1);
    old_file(&site.world.remote("t/sub/two"), 2);
    let run = site
        .ascp()
        .arg("-p")
        .arg(site.server.at("t"))
        .arg(".")
        .run();
    run.succeeded();
    let (sent, arrived) = (site.world.remote("t"), site.world.local("t"));
    tree::assert_same_with(&sent, &arrived, WITH_TIMES);
}

fn without_p_a_file_is_as_new_as_its_transfer(site: &Site) {
    old_file(&site.world.local("old"), 1);
    let before = SystemTime::now() - Duration::from_secs(2);
    site.ascp()
        .arg("old")
        .arg(site.server.at(""))
        .run()
        .succeeded();
    let written = fs::metadata(site.world.remote("old"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(written >= before, "written {written:?}, started {before:?}");
}

fn downloaded_files_get_the_mode_that_the_mask_allows(site: &Site) {
    tree::write_file(&site.world.remote("d/f"), 1, 10);
    set_mode(&site.world.remote("d/f"), 0o644);
    for (mask, file_mode, folder_mode) in [("022", 0o644, 0o755), ("077", 0o600, 0o700)] {
        let into = format!("with{mask}");
        let from = site.server.at("d");
        let run = site.ascp().arg(from).arg(&into).umask(mask).run();
        run.succeeded();
        let mode = |path: String| {
            let metadata = fs::metadata(site.world.local(path)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode(format!("{into}/f")), file_mode, "umask {mask}");
        assert_eq!(mode(into), folder_mode, "umask {mask}");
    }
}

fn every_cipher_delivers(site: &Site) {
    let source = site.world.local("f");
    tree::write_file(&source, 7, 2_000_000);
    let ciphers = [
        "none",
        "aes128",
        "aes192",
        "aes256",
        "aes128cfb",
        "aes192cfb",
        "aes256cfb",
        "aes128gcm",
        "aes192gcm",
        "aes256gcm",
    ];
    for cipher in ciphers {
        let to = site.server.at(cipher);
        let run = site.ascp().args(["-c", cipher, "f"]).arg(to).run();
        assert_eq!(run.code(), Some(0), "-c {cipher}: {}", run.words());
        tree::assert_same(&source, &site.world.remote(cipher));
    }
    let run = site
        .ascp()
        .args(["-QT", "f"])
        .arg(site.server.at("T"))
        .run();
    run.succeeded();
    tree::assert_same(&source, &site.world.remote("T"));
}

fn large_and_small_datagrams_deliver(site: &Site) {
    let source = site.world.local("f");
    tree::write_file(&source, 8, 1_500_000);
    for size in ["296", "576", "1492", "9000"] {
        let to = site.server.at(size);
        let run = site.ascp().args(["-Z", size, "f"]).arg(to).run();
        assert_eq!(run.code(), Some(0), "-Z {size}: {}", run.words());
        tree::assert_same(&source, &site.world.remote(size));
    }
}

#[test]
fn ipv6_carries_both_directions() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        fasp_tests::skip::say("this machine has no IPv6 loopback");
        return;
    }
    let world = World::new();
    let server = Ascpd::on_ipv6(&world).start();
    tree::write_file(&world.local("f"), 1, 3_000_000);
    let ascp = || fasp_tests::client::Ascp::to(&world, &server).args(["-6", "-l", "100M"]);
    ascp().arg("f").arg(server.at("up")).run().succeeded();
    tree::assert_same(&world.local("f"), &world.remote("up"));
    ascp().arg(server.at("up")).arg("down").run().succeeded();
    tree::assert_same(&world.local("f"), &world.local("down"));
}
