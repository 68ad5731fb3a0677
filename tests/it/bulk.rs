//! Much of it: a gigabyte in one file, two thousand files, two sessions at once.

use std::time::Duration;

use fasp_tests::measure::Usage;
use fasp_tests::tree::{self, Plan};

use crate::site::{Arm, Site, alone};

const GIB: u64 = 1 << 30;
/// What a session may keep in memory however large the file is. The benchmark holds release
/// builds to 64 MiB; an unoptimised build carries larger stacks and code.
const MEMORY_LIMIT_KIB: u64 = 96 << 10;
const LARGE_TREE: Plan = Plan {
    seed: 2_000,
    files: 2_000,
    largest_bytes: 400_000,
    awkward_names: true,
};

#[test]
fn a_gigabyte_goes_up_without_memory_that_grows_with_it() {
    let _alone = alone();
    let site = Site::daemon();
    let source = site.world.local("large");
    tree::write_file(&source, 99, GIB);
    let command = fasp_tests::client::Ascp::to(&site.world, &site.server)
        .args(["-l", "4G", "--policy=fair", "-q"])
        .arg(&source)
        .arg(site.server.at(""));
    let mut running = command.start();
    let mut client = Usage::default();
    while running.is_running() {
        client = client.max(Usage::of(running.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    let server = Usage::of(site.server.process_id()).unwrap();
    let ended = running.wait(Duration::from_secs(1));
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    tree::assert_same(&source, &site.world.remote("large"));
    assert!(
        client.peak_kib > 0 && client.peak_kib < MEMORY_LIMIT_KIB,
        "{client:?}"
    );
    assert!(server.peak_kib < MEMORY_LIMIT_KIB, "{server:?}");
}

#[test]
fn a_gigabyte_comes_down_through_sshd() {
    let _alone = alone();
    let Some(site) = Site::open(Arm::OpenSsh) else {
        return;
    };
    let source = site.world.remote("large");
    tree::write_file(&source, 98, GIB);
    fasp_tests::client::Ascp::to(&site.world, &site.server)
        .args(["-l", "4G", "--policy=fair", "-q"])
        .arg(site.server.at("large"))
        .arg(".")
        .within_secs(240)
        .run()
        .succeeded();
    tree::assert_same(&source, &site.world.local("large"));
}

#[test]
fn two_thousand_files_go_up_through_ascpd() {
    up_and_compare(Arm::Daemon);
}

#[test]
fn two_thousand_files_go_up_through_sshd() {
    up_and_compare(Arm::OpenSsh);
}

#[test]
fn two_thousand_files_go_up_through_a_bad_path() {
    up_and_compare(Arm::BadPath);
}

fn up_and_compare(arm: Arm) {
    let Some(site) = Site::open(arm) else { return };
    tree::grow(&site.world.local("tree"), LARGE_TREE);
    let run = site.ascp().arg("tree").arg(site.server.at("")).run();
    run.succeeded();
    tree::assert_same(&site.world.local("tree"), &site.world.remote("tree"));
}

#[test]
fn two_thousand_files_come_down_through_ascpd() {
    let site = Site::daemon();
    tree::grow(&site.world.remote("tree"), LARGE_TREE);
    let run = site.ascp().arg(site.server.at("tree")).arg(".").run();
    run.succeeded();
    tree::assert_same(&site.world.remote("tree"), &site.world.local("tree"));
}

#[test]
fn two_sessions_run_at_once_and_the_second_takes_the_next_udp_port() {
    let site = Site::daemon();
    for (name, seed) in [("one", 1), ("two", 2)] {
        tree::write_file(&site.world.local(name), seed, 12_000_000);
    }
    let start = |name: &str| {
        fasp_tests::client::Ascp::to(&site.world, &site.server)
            .args(["-l", "60M", "--policy=fixed", "-L-", name])
            .arg(site.server.at(""))
            .start()
    };
    let first = start("one");
    std::thread::sleep(Duration::from_millis(400));
    let second = start("two");
    let (first, second) = (
        first.wait(Duration::from_secs(60)),
        second.wait(Duration::from_secs(60)),
    );
    assert_eq!(first.code(), Some(0), "{}", first.err());
    assert_eq!(second.code(), Some(0), "{}", second.err());
    tree::assert_same(&site.world.local(""), &site.world.remote(""));
    let peer = |port: u16| format!("peer=127.0.0.1:{port}");
    let port = site.server.udp_port;
    assert!(first.err().contains(&peer(port)), "{}", first.err());
    assert!(!second.err().contains(&peer(port)), "{}", second.err());
}

#[test]
fn ten_sessions_one_after_another_leave_the_daemon_as_it_was() {
    let mut site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 50_000);
    let open_files = |site: &Site| {
        let folder = format!("/proc/{}/fd", site.server.process_id());
        std::fs::read_dir(folder)
            .expect("the daemon's open files")
            .count()
    };
    let send = |site: &Site, number: u32| {
        let to = site.server.at(format!("copy{number}"));
        site.ascp().arg("f").arg(to).run().succeeded();
    };
    send(&site, 0);
    std::thread::sleep(Duration::from_millis(300));
    let before = open_files(&site);
    for number in 1..=10 {
        send(&site, number);
    }
    std::thread::sleep(Duration::from_millis(300));
    let after = open_files(&site);
    assert!(after <= before + 2, "{before} open files grew to {after}");
    assert!(site.server.is_running());
}
