//! Stopping and going on: Ctrl-C leaves what `-k 1` can use, and complete files are skipped.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use fasp_tests::process::Running;
use fasp_tests::tree;

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        an_interrupted_upload_goes_on_where_it_stopped
        an_interrupted_download_goes_on_where_it_stopped
        complete_files_are_skipped_with_k1
        complete_files_are_sent_again_with_k0
        a_changed_source_is_not_glued_to_an_old_partial_file
        a_wrong_chunk_of_a_partial_upload_is_found_and_sent_again
        a_wrong_chunk_of_a_partial_download_is_found_and_sent_again
        complete_files_are_compared_as_the_level_says
        a_source_overwritten_between_two_runs_is_not_glued_though_size_and_time_are_the_same
        a_source_overwritten_while_it_is_sent_is_not_delivered_though_size_and_time_are_the_same;
    through_sshd = OpenSsh:
        an_interrupted_upload_goes_on_where_it_stopped
        an_interrupted_download_goes_on_where_it_stopped;
}

const SIZE: u64 = 20_000_000;
/// 20 MB take 4 s at this rate.
const SLOW: [&str; 4] = ["-l", "40M", "--policy=fixed", "-k1"];

/// Lets a transfer run until `folder` holds `bytes` of it and presses Ctrl-C.
pub(crate) fn interrupt_when(mut running: Running, folder: &Path, bytes: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while stored_bytes(folder) < bytes {
        assert!(
            running.is_running() && Instant::now() < deadline,
            "over before it was interrupted: {}",
            String::from_utf8_lossy(&running.stderr_so_far())
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    running.interrupt();
    let ended = running.wait(Duration::from_secs(20));
    assert_eq!(ended.code(), Some(130), "{}", ended.err());
    assert!(
        ended.killed_by().is_none(),
        "ascp must stop by itself, not die by the signal"
    );
}

/// Bytes of the files in `folder` that are not zero, counted by pages: what was reserved holds zeros.
fn stored_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| fs::read(entry.path()).ok());
    let count = |file: Vec<u8>| {
        file.chunks(4_096)
            .filter(|page| page.iter().any(|byte| *byte != 0))
            .count()
    };
    4_096 * files.map(count).sum::<usize>() as u64
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
pub(crate) fn sent_bytes(log: &str) -> u64 {
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
    interrupt_when(command().start(), &site.world.remote(""), SIZE / 3);
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
    interrupt_when(command().start(), &site.world.local(""), SIZE / 3);
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
    interrupt_when(command().start(), &site.world.remote(""), SIZE / 5);
    tree::write_file(&source, 77, SIZE / 2);
    command().run().succeeded();
    tree::assert_same(&source, &site.world.remote("big"));
}

/// The last number behind `field` in the line about what was kept.
fn resume_field(log: &str, field: &str) -> u64 {
    let (_, line) = log
        .rsplit_once("FASP Transfer Resume")
        .unwrap_or_else(|| panic!("nothing was kept: {log}"));
    let (_, rest) = line.split_once(field).expect("the field");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

/// Changes bytes of a file in place.
fn spoil(path: &Path, offset: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(b"these bytes are wrong", offset).unwrap();
}

/// Stops a transfer, spoils the beginning of what is there, and goes on at levels 2 and 3.
fn goes_on_after_damage(
    source: &Path,
    delivered: &Path,
    command: &dyn Fn(&str) -> fasp_tests::client::Ascp,
) {
    for (seed, level) in [(1, "-k2"), (2, "-k3")] {
        tree::write_file(source, seed, SIZE);
        let folder = delivered.parent().unwrap();
        interrupt_when(command(level).start(), folder, SIZE / 3);
        std::thread::sleep(Duration::from_millis(300));
        let mut part = delivered.as_os_str().to_owned();
        part.push(".ascp-part");
        // The first sample lies here, so that level 2 must find it too.
        spoil(part.as_ref(), 30_000);
        let run = command(level).arg("-L-").run();
        run.succeeded();
        tree::assert_same(source, delivered);
        let log = run.err();
        assert_eq!(resume_field(&log, "wrong="), 1 << 20, "{level}: {log}");
        assert!(resume_field(&log, "kept=") > SIZE / 10, "{level}: {log}");
        fs::remove_file(delivered).unwrap();
    }
}

fn a_wrong_chunk_of_a_partial_upload_is_found_and_sent_again(site: &Site) {
    let source = site.world.local("big");
    let command = |level: &str| {
        let ascp = site.ascp().args(SLOW).arg(level);
        ascp.arg(&source).arg(site.server.at(""))
    };
    goes_on_after_damage(&source, &site.world.remote("big"), &command);
}

fn a_wrong_chunk_of_a_partial_download_is_found_and_sent_again(site: &Site) {
    let source = site.world.remote("big");
    let command = |level: &str| {
        let ascp = site.ascp().args(SLOW).arg(level);
        ascp.arg(site.server.at("big")).arg(".")
    };
    goes_on_after_damage(&source, &site.world.local("big"), &command);
}

fn complete_files_are_compared_as_the_level_says(site: &Site) {
    let sizes = [("empty", 0), ("small", 5_000), ("large", 5_000_000)];
    for (level, other_is_found) in [("-k1", false), ("-k2", true), ("-k3", true)] {
        for (seed, (name, size)) in (1..).zip(sizes) {
            tree::write_file(&site.world.local(format!("t/same-{name}")), seed, size);
            tree::write_file(&site.world.remote(format!("t/same-{name}")), seed, size);
            tree::write_file(&site.world.local(format!("t/other-{name}")), seed, size);
            tree::write_file(
                &site.world.remote(format!("t/other-{name}")),
                seed + 9,
                size,
            );
        }
        let run = site
            .ascp()
            .args([level, "-L-", "t"])
            .arg(site.server.at(""))
            .run();
        run.succeeded();
        let log = run.err();
        let replaced = u64::from(other_is_found) * 2;
        assert_eq!(
            crate::logs::counter(&log, "passed"),
            replaced,
            "{level}: {log}"
        );
        assert_eq!(
            crate::logs::counter(&log, "skipped"),
            6 - replaced,
            "{level}: {log}"
        );
        if other_is_found {
            tree::assert_same(&site.world.local("t"), &site.world.remote("t"));
        }
        fs::remove_dir_all(site.world.remote("t")).unwrap();
    }
}

/// Other bytes, the same size, the same modification time.
fn overwrite_in_secret(path: &Path, offset: u64) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    spoil(path, offset);
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

fn a_source_overwritten_between_two_runs_is_not_glued_though_size_and_time_are_the_same(
    site: &Site,
) {
    let source = site.world.local("big");
    tree::write_file(&source, 1, SIZE);
    let command = || site.ascp().args(SLOW).arg(&source).arg(site.server.at(""));
    interrupt_when(command().start(), &site.world.remote(""), SIZE / 3);
    std::thread::sleep(Duration::from_millis(300));
    overwrite_in_secret(&source, 30_000);
    command().run().failed_with(&["big", "checksums differ"]);
    let left = tree::names_in(&site.world.remote(""));
    assert!(left.is_empty(), "nothing of it may be kept: {left:?}");
    command().run().succeeded();
    tree::assert_same(&source, &site.world.remote("big"));
}

fn a_source_overwritten_while_it_is_sent_is_not_delivered_though_size_and_time_are_the_same(
    site: &Site,
) {
    let source = site.world.local("big");
    tree::write_file(&source, 1, SIZE);
    let command = site.ascp().args(SLOW).arg(&source);
    let running = command.arg(site.server.at("")).start();
    std::thread::sleep(Duration::from_millis(2000));
    overwrite_in_secret(&source, 30_000);
    let ended = running.wait(Duration::from_secs(30));
    assert_eq!(ended.code(), Some(1), "{}", ended.err());
    assert!(
        ended.err().contains("changed during the transfer"),
        "{}",
        ended.err()
    );
    assert!(!site.world.remote("big").exists());
}
