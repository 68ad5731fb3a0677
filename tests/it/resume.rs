//! Stopping and going on: Ctrl-C leaves what `-k 1` can use, and complete files are skipped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use fasp_tests::process::Running;
use fasp_tests::tree;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        an_interrupted_upload_goes_on_where_it_stopped
        an_interrupted_download_goes_on_where_it_stopped
        complete_files_are_skipped_with_k1
        complete_files_are_sent_again_with_k0
        a_changed_source_is_not_glued_to_an_old_partial_file;
    through_sshd = OpenSsh:
        an_interrupted_upload_goes_on_where_it_stopped
        an_interrupted_download_goes_on_where_it_stopped;
}

const SIZE: u64 = 20_000_000;
/// 20 MB take 4 s at this rate.
const SLOW: [&str; 4] = ["-l", "40M", "--policy=fixed", "-k1"];

/// Lets a transfer run for a while and presses Ctrl-C.
fn interrupt_after(mut running: Running, time: Duration) {
    std::thread::sleep(time);
    assert!(
        running.is_running(),
        "over before it was interrupted: {}",
        String::from_utf8_lossy(&running.stderr_so_far())
    );
    running.interrupt();
    let ended = running.wait(Duration::from_secs(10));
    assert_eq!(ended.code(), Some(130), "{}", ended.err());
    assert!(
        ended.took < time + Duration::from_secs(5),
        "{:?}",
        ended.took
    );
    assert!(
        ended.killed_by().is_none(),
        "ascp must stop by itself, not die by the signal"
    );
}

/// Where a log says the file that arrived was begun.
fn kept_bytes(log: &str) -> u64 {
    let (_, rest) = log
        .rsplit_once("start_byte=")
        .unwrap_or_else(|| panic!("no start_byte in the log: {log}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number after start_byte")
}

/// The bytes a log says were sent in the last session.
fn sent_bytes(log: &str) -> u64 {
    let (_, rest) = log
        .rsplit_once("tx_bytes ")
        .unwrap_or_else(|| panic!("no tx_bytes in the log: {log}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number after tx_bytes")
}

fn an_interrupted_upload_goes_on_where_it_stopped(site: &Site) {
    let source = site.world.local("big");
    tree::write_file(&source, 1, SIZE);
    let command = || site.ascp().args(SLOW).arg(&source).arg(site.server.at(""));
    interrupt_after(command().start(), Duration::from_millis(2500));
    std::thread::sleep(Duration::from_millis(300));
    let left = tree::names_in(&site.world.remote(""));
    assert!(
        !left.contains(&"big".into()),
        "no complete file yet: {left:?}"
    );
    assert!(!left.is_empty(), "a partial file must be left");
    let run = command().arg("-L-").run();
    run.succeeded();
    tree::assert_same(&source, &site.world.remote("big"));
    assert_eq!(tree::names_in(&site.world.remote("")), ["big"]);
    let sent = sent_bytes(&run.err());
    assert!(
        sent < SIZE * 9 / 10,
        "{sent} of {SIZE} bytes were sent again"
    );
}

fn an_interrupted_download_goes_on_where_it_stopped(site: &Site) {
    let source = site.world.remote("big");
    tree::write_file(&source, 2, SIZE);
    let command = || site.ascp().args(SLOW).arg(site.server.at("big")).arg(".");
    interrupt_after(command().start(), Duration::from_millis(2500));
    let left = tree::names_in(&site.world.local(""));
    assert!(
        !left.contains(&"big".into()),
        "no complete file yet: {left:?}"
    );
    let run = command().arg("-L-").run();
    run.succeeded();
    tree::assert_same(&source, &site.world.local("big"));
    assert_eq!(tree::names_in(&site.world.local("")), ["big"]);
    let kept = kept_bytes(&run.err());
    assert!(kept > SIZE / 10, "only {kept} of {SIZE} bytes were kept");
}

fn complete_files_are_skipped_with_k1(site: &Site) {
    for number in 0..5 {
        tree::write_file(&site.world.local(format!("t/f{number}")), number, 60_000);
    }
    let command = || {
        site.ascp()
            .args(["-k1", "-L-", "t"])
            .arg(site.server.at(""))
    };
    command().run().succeeded();
    let inode = |name: &str| fs::metadata(site.world.remote(name)).unwrap().ino();
    let before = inode("t/f3");
    fs::remove_file(site.world.remote("t/f4")).unwrap();
    let run = command().run();
    run.succeeded();
    tree::assert_same(&site.world.local("t"), &site.world.remote("t"));
    assert_eq!(inode("t/f3"), before, "a complete file must be left alone");
    let log = run.err();
    assert_eq!(crate::logs::counter(&log, "skipped"), 4, "{log}");
    assert_eq!(crate::logs::counter(&log, "passed"), 1, "{log}");
}

fn complete_files_are_sent_again_with_k0(site: &Site) {
    let name = "f";
    tree::write_file(&site.world.local(name), 1, 60_000);
    tree::write_file(&site.world.remote(name), 2, 60_000);
    let run = site
        .ascp()
        .args(["-k0", name])
        .arg(site.server.at(""))
        .run();
    run.succeeded();
    tree::assert_same(&site.world.local(name), &site.world.remote(name));
}

fn a_changed_source_is_not_glued_to_an_old_partial_file(site: &Site) {
    let source = site.world.local("big");
    tree::write_file(&source, 1, SIZE);
    let command = || site.ascp().args(SLOW).arg(&source).arg(site.server.at(""));
    interrupt_after(command().start(), Duration::from_millis(1500));
    tree::write_file(&source, 77, SIZE / 2);
    command().run().succeeded();
    tree::assert_same(&source, &site.world.remote("big"));
}
