//! The disk refuses: at the server while a file comes, at the client while one comes, and where it is read.

use std::ffi::OsString;

use fasp_tests::process::launched_by;

use super::{BOTH, Way, Wire, tries};

/// Where the disk begins to fail: half of the file is there by then.
const FAILS_FROM: &str = "6000000";

/// `disk_fault` and its arguments before the program's.
fn launcher(call: &str, errno: &str) -> Vec<OsString> {
    let program = env!("CARGO_BIN_EXE_disk_fault");
    [program, call, errno, FAILS_FROM]
        .map(OsString::from)
        .into()
}

/// Copies with a failing disk at the `fails_at` end; then the next run on a sound one must complete.
fn fails(way: Way, call: &str, errno: &str, words: &str) {
    let at_the_server = (call == "pwrite") == (way == Way::Up);
    let wire = Wire::with(fasp_tests::relay::Badness::default(), |daemon| {
        if at_the_server {
            daemon.with(|command| *command = launched_by(command, &launcher(call, errno)))
        } else {
            daemon
        }
    });
    wire.make(way, super::SIZE);
    let retry = ["-k1", "--retry-timeout", "60"];
    let command = wire.command(way, &retry);
    let command = if at_the_server {
        command
    } else {
        command.with(|command| *command = launched_by(command, &launcher(call, errno)))
    };
    let run = command.run();
    run.failed_with(&[words]);
    assert_eq!(
        tries(&run.err()),
        0,
        "{way:?} {call} {errno}: {}",
        run.words()
    );
    assert!(!wire.copy(way).exists(), "{way:?} {call} {errno}");

    let sound = Wire::on_the_world_of(wire);
    sound.command(way, &["-k1"]).run().succeeded();
    sound.assert_delivered(way);
}

#[test]
fn a_full_disk_and_a_used_up_quota_end_the_run_with_their_words() {
    for way in BOTH {
        fails(way, "pwrite", "28", "no space left");
        fails(way, "pwrite", "122", "no space left");
    }
}

#[test]
fn a_disk_that_cannot_write_ends_the_run_with_its_words() {
    for way in BOTH {
        fails(way, "pwrite", "5", "disk write error");
    }
}

#[test]
fn a_disk_that_becomes_read_only_ends_the_run_with_its_words() {
    for way in BOTH {
        fails(way, "pwrite", "30", "read only filesystem");
    }
}

#[test]
fn a_disk_that_cannot_read_ends_the_run_with_its_words() {
    for way in BOTH {
        fails(way, "pread", "5", "disk read error");
    }
}
