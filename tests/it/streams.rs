//! Sources that are no files yet, and what is left of them when the user stops: growing files, standard input and output.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::Running;
use fasp_tests::tree;
use rustix::process::Signal;

use crate::site::Site;

const PATIENCE: Duration = Duration::from_secs(60);

fn growing(path: &Path, query: &str) -> String {
    format!("file://{}{query}", path.display())
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Stops `running` as Ctrl-C does, which must end it with status 130.
fn interrupt(running: Running) -> Outcome {
    running.signal(Signal::INT);
    let run = Outcome(running.wait(PATIENCE));
    assert_eq!(run.code(), Some(130), "{}", run.words());
    run
}

#[test]
fn a_source_is_sent_when_it_has_stopped_growing() {
    let site = Site::daemon();
    let source = site.world.local("grows");
    let mut file = File::create(&source).unwrap();
    let run = site
        .ascp()
        .arg(growing(&source, "?grow=2"))
        .arg(site.server.at("copy"))
        .start();
    wait_until("it says that it waits", || !run.stderr_so_far().is_empty());
    let said = String::from_utf8(run.stderr_so_far()).unwrap();
    assert!(said.contains("has not grown for 2 s"), "{said}");
    for number in 0..20 {
        writeln!(file, "line {number}").unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    Outcome(run.wait(PATIENCE)).succeeded();
    tree::assert_same(&source, &site.world.remote("copy"));
}

#[test]
fn a_source_with_the_scheme_is_a_file_like_others() {
    let site = Site::daemon();
    let (source, other) = (site.world.local("d/f"), site.world.local("other"));
    tree::write_file(&source, 1, 30_000);
    tree::write_file(&other, 2, 30_000);
    let old = File::options().write(true).open(&other).unwrap();
    old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    // Nobody has written to the second one for an hour.
    let run = site
        .ascp()
        .args(["-k", "1", "--remove-after-transfer"])
        .arg(growing(&source, ""))
        .arg(growing(&other, "?grow=3600&wait_start=mtime"))
        .arg(site.server.at(""))
        .run();
    run.succeeded();
    assert!(!source.exists() && !other.exists());
    assert_eq!(tree::names_in(&site.world.remote("")), ["f", "other"]);
    let gone = site.ascp().arg(growing(&source, "?grow=3600"));
    gone.arg(site.server.at(""))
        .run()
        .failed_with(&["no such file", "d/f"]);
}

#[test]
fn what_cannot_grow_is_refused_before_any_connection() {
    let site = Site::daemon();
    let there = site.server.at("f").into_string().unwrap();
    for (words, part) in [
        (
            vec!["file:///f?grow=1&confirm_stop=true", &there],
            "confirm_stop",
        ),
        (vec!["file:///f?speed=1", &there], "behind '?'"),
        (vec!["file://f", &there], "whole path"),
        (vec![&*there, "file:///f"], "sources of an upload"),
        (
            vec!["--source-prefix=/d", "file:///f?grow=1", &there],
            "--source-prefix",
        ),
        (
            vec!["--mode=recv", "--host=127.0.0.1", "file:///f?grow=1", "."],
            "sources of an upload",
        ),
    ] {
        let run = site.ascp().args(&words).run();
        assert_eq!(run.code(), Some(1), "{words:?}: {}", run.words());
        assert!(run.err().contains(part), "{words:?}: {}", run.words());
    }
}

#[test]
fn a_wait_ends_with_ctrl_c() {
    let site = Site::daemon();
    let source = site.world.local("grows");
    tree::write_file(&source, 1, 10);
    let run = site.ascp().arg(growing(&source, "?grow=3600"));
    let run = run.arg(site.server.at("")).start();
    wait_until("it says that it waits", || !run.stderr_so_far().is_empty());
    interrupt(run);
    assert!(tree::names_in(&site.world.remote("")).is_empty());
}

#[test]
fn nothing_is_left_of_standard_input_and_output_after_ctrl_c() {
    let site = Site::daemon();
    let spool = site.world.root().join("spool");
    fs::create_dir(&spool).unwrap();
    let is_used = || {
        let names = tree::names_in(&spool);
        let first = names.first().map(|name| spool.join(name));
        // It goes between two looks at most at the end, and that is not now.
        first.is_some_and(|folder| folder.is_dir() && !tree::names_in(&folder).is_empty())
    };
    let with_spool = |ascp: Ascp| ascp.env("TMPDIR", &spool);

    // Standard input, of which something has come and that stays open.
    for source in ["stdio:///raw", "stdio-tar://"] {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer
            .write_all(b"\nFile: d/f\0\nSize: 9999\n\nabc")
            .unwrap();
        let ascp = with_spool(site.ascp()).arg(source).arg(site.server.at(""));
        let run = ascp.with(|command| {
            command.stdin(Stdio::from(reader));
        });
        let run = run.start();
        wait_until("input is kept", is_used);
        interrupt(run);
        assert!(tree::names_in(&spool).is_empty(), "{source}");
        drop(writer);
    }

    // Standard output, with a file on its way.
    tree::write_file(&site.world.remote("large"), 1, 20_000_000);
    let ascp = with_spool(site.ascp()).args(["-l", "10M"]);
    let run = ascp.arg(site.server.at("large")).arg("stdio://").start();
    wait_until("the file is on its way", is_used);
    let run = interrupt(run);
    assert!(run.stdout.is_empty(), "half a file");
    assert!(tree::names_in(&spool).is_empty());
}
