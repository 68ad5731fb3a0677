//! The time of day jumps in mid-transfer: nothing but log lines may depend on it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fasp_tests::binaries::workspace_root;
use fasp_tests::relay::Badness;
use fasp_tests::skip;
use fasp_tests::world::World;

use super::{BOTH, Way, Wire};

/// The library that sets the clock; `None` without a C compiler, which is said.
fn clock_step(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("clock_step.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(workspace_root().join("tests/clock_step.c"))
        .arg("-ldl")
        .status();
    if built.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    skip::say("there is no C compiler to build a clock that jumps");
    None
}

/// Seconds of the day of the first and the last line of the client's log.
fn span_of(log: &str) -> (i64, i64) {
    let second = |line: &str| -> Option<i64> {
        let time = line.get(11..19)?;
        let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
        Some(parts.next()?? * 3_600 + parts.next()?? * 60 + parts.next()??)
    };
    let times: Vec<i64> = log.lines().filter_map(second).collect();
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        panic!("a log without times: {log}");
    };
    (*first, *last)
}

fn jumps(step: &str, at_the_server: bool) {
    let tools = tempfile::tempdir().unwrap();
    let Some(library) = clock_step(tools.path()) else {
        return;
    };
    for way in BOTH {
        let world = World::new();
        let destination = match way {
            Way::Up => world.remote(""),
            Way::Down => world.local(""),
        };
        let environment = [
            ("LD_PRELOAD", library.as_os_str()),
            ("CLOCK_STEP", OsStr::new(step)),
            ("CLOCK_STEP_IN", destination.as_os_str()),
        ];
        let wire = Wire::in_world(world, Badness::default(), |daemon| {
            if at_the_server {
                daemon.with(|command| {
                    command.envs(environment);
                })
            } else {
                daemon
            }
        });
        wire.make(way, super::SIZE);
        let logs = tools.path().join(format!("{way:?}"));
        fs::create_dir(&logs).unwrap();
        let mut command = wire.command(way, &["-L", logs.to_str().unwrap()]);
        if !at_the_server {
            for (name, value) in environment {
                command = command.env(name, value);
            }
        }
        let run = command.run();
        run.succeeded();
        wire.assert_delivered(way);
        assert!(run.took.as_secs() < 20, "{way:?}: {}", run.words());
        if !at_the_server {
            let log = fs::read_to_string(logs.join("aspera-scp-transfer.log")).unwrap();
            let (first, last) = span_of(&log);
            let jumped = (last - first).rem_euclid(86_400);
            let expected = step.parse::<i64>().unwrap().rem_euclid(86_400);
            assert!(
                (jumped - expected).abs() < 60,
                "the clock must have jumped: {log}"
            );
        }
    }
}

#[test]
fn an_hour_forward_changes_nothing() {
    jumps("3600", false);
    jumps("3600", true);
}

#[test]
fn an_hour_back_changes_nothing() {
    jumps("-3600", false);
    jumps("-3600", true);
}

#[test]
fn the_time_of_day_is_asked_for_log_lines_ages_times_before_now_tokens_and_accounts_only() {
    let allowed = [
        "std-host/src/client/growing.rs",
        "std-host/src/client/selecting.rs",
        "std-host/src/daemon/accounts.rs",
        "std-host/src/logging.rs",
        "std-host/src/logging/timestamp.rs",
        "std-host/src/server/tokens.rs",
        "std-host/src/token/generator.rs",
        "std-host/src/udp.rs",
    ];
    let mut offenders = Vec::new();
    for folder in ["core/src", "std-host/src", "firmware/src"] {
        visit(&workspace_root().join(folder), &mut |path, text| {
            let name = path
                .strip_prefix(workspace_root())
                .unwrap()
                .display()
                .to_string();
            if text.contains("SystemTime")
                && !name.contains("/tests")
                && !allowed.contains(&name.as_str())
            {
                offenders.push(name);
            }
        });
    }
    offenders.retain(|name| !name.starts_with("std-host/src/storage/"));
    assert!(offenders.is_empty(), "{offenders:?}");
}

fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}
