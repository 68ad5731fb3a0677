//! What `-L` writes: the lines that pipelines grep for.

use std::fs;

use fasp_tests::tree;

use crate::site::Site;

/// The number in `LOG - Source file transfers <kind> : N`, the last one in the log.
pub(crate) fn counter(log: &str, kind: &str) -> u64 {
    let prefix = format!("LOG - Source file transfers {kind}");
    let line = log
        .lines()
        .rev()
        .find_map(|line| line.split_once(&prefix))
        .unwrap_or_else(|| panic!("no line {prefix:?} in the log:\n{log}"));
    let (blanks, number) = line.1.split_once(':').expect("a colon");
    assert!(blanks.chars().all(|c| c == ' '), "{blanks:?}");
    number.trim().parse().expect("a number after the colon")
}

#[test]
fn a_log_folder_gets_the_session_from_start_to_statistics() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("one file"), 1, 300_000);
    fs::create_dir(site.world.local("logs")).unwrap();
    let run = site.ascp().args(["-L", "logs", "one file"]);
    run.arg(site.server.at("")).run().succeeded();
    let log = fs::read_to_string(site.world.local("logs/aspera-scp-transfer.log")).unwrap();
    for line in [
        "LOG FASP Session Start uuid=",
        "status=started",
        "LOG FASP Transfer Start uuid=",
        "LOG FASP Transfer Stop uuid=",
        "LOG FASP Session Stop uuid=",
        "status=success",
        "LOG FASP Session Statistics [Sender]",
        "op=send",
        "size=300000",
    ] {
        assert!(log.contains(line), "{line:?} is missing in\n{log}");
    }
    assert_eq!(counter(&log, "passed"), 1);
    assert_eq!(counter(&log, "failed"), 0);
    assert_eq!(counter(&log, "skipped"), 0);
    for line in log.lines() {
        assert!(has_a_time_in_front(line), "no time in front of {line:?}");
    }
}

/// `YYYY-MM-DD HH:MM:SS`.
fn has_a_time_in_front(line: &str) -> bool {
    let shape: String = line
        .chars()
        .take(19)
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    shape == "0000-00-00 00:00:00"
}

#[test]
fn a_dash_sends_the_log_to_stderr_and_leaves_stdout_as_it_is() {
    let site = Site::daemon();
    tree::write_file(&site.world.remote("f"), 1, 300_000);
    let run = site
        .ascp()
        .arg("-L-")
        .arg(site.server.at("f"))
        .arg(".")
        .run();
    run.succeeded();
    assert!(!run.out().contains("LOG"), "{}", run.words());
    assert_eq!(counter(&run.err(), "passed"), 1);
    assert!(run.err().contains("op=recv"), "{}", run.words());
}

#[test]
fn a_failed_file_is_counted_and_the_others_arrive() {
    let site = Site::daemon();
    for name in ["a", "c"] {
        tree::write_file(&site.world.remote(name), 1, 5_000);
    }
    let run = site
        .ascp()
        .arg("-L-")
        .args(["a", "b", "c"].map(|name| site.server.at(name)))
        .arg(".")
        .run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    tree::assert_same(&site.world.remote(""), &site.world.local(""));
    assert_eq!(counter(&run.err(), "passed"), 2);
    assert_eq!(counter(&run.err(), "failed"), 1);
}

#[test]
fn a_log_tells_neither_password_nor_key() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 5_000);
    let run = site
        .ascp()
        .args(["-DDL-", "f"])
        .env("ASPERA_SCP_PASS", "tell-nobody-7")
        .arg(site.server.at(""))
        .run();
    run.succeeded();
    assert!(!run.err().contains("tell-nobody-7"), "{}", run.words());
    assert!(!run.err().contains("PRIVATE KEY"), "{}", run.words());
}

#[test]
fn a_log_that_cannot_be_opened_is_said_and_nothing_is_sent() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 5_000);
    let run = site.ascp().args(["-L", "/proc/no/such", "f"]);
    let run = run.arg(site.server.at("")).run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    assert!(
        run.out().contains("Cannot open log file: "),
        "{}",
        run.words()
    );
}
