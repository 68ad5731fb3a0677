//! Published lines of the original program, reproduced exactly.

use super::*;

fn facts(
    name: &'static str,
    bytes: u64,
    rate_mbps_tenths: u64,
    seconds: u64,
) -> ProgressFacts<'static> {
    ProgressFacts {
        name: name.as_bytes(),
        counts: String::new(),
        bytes_done: bytes,
        bytes_total: bytes,
        rate_bps: Some(rate_mbps_tenths * 100_000),
        state: FileState::Complete(Some(Duration::from_secs(seconds))),
    }
}

#[test]
fn published_lines_of_finished_files_are_reproduced() {
    let unknown = ProgressFacts {
        rate_bps: None,
        state: FileState::Complete(None),
        ..facts("02054141.001.52628.fcs", 236 * 1024, 0, 0)
    };
    let table = [
        (
            facts("testfile_10GB", 10 << 30, 5760, 116),
            "testfile_10GB                                 100%   10GB  576Mb/s    01:56    ",
        ),
        (
            facts("1GB", 1025 << 20, 69, 498),
            "1GB                                           100% 1025MB  6.9Mb/s    08:18    ",
        ),
        (
            facts("myfile", 1 << 20, 143, 0),
            "myfile                                        100% 1024KB 14.3Mb/s    00:00    ",
        ),
        (
            unknown,
            "02054141.001.52628.fcs                        100%  236KB             --:--    ",
        ),
    ];
    for (facts, line) in table {
        assert_eq!(progress_line(&facts, 80), line);
    }
}

#[test]
fn published_lines_of_a_wider_terminal_are_reproduced() {
    let in_flight = ProgressFacts {
        bytes_done: 39 << 20,
        bytes_total: 5 << 30,
        state: FileState::InFlight(Some(Duration::from_secs(447))),
        ..facts("5GB", 0, 972, 0)
    };
    let failed = ProgressFacts {
        state: FileState::Failed(50, "Source: No such file or directory"),
        ..facts("SRR12397036_2.fastq.gz", 0, 0, 0)
    };
    let table = [
        (
            facts("200MB", 200 << 20, 978, 18),
            "200MB                                                     100%  200MB 97.8Mb/s    00:18    ",
        ),
        (
            in_flight,
            "5GB                                                         0%   39MB 97.2Mb/s    07:27 ETA",
        ),
        (
            failed,
            "SRR12397036_2.fastq.gz                                    100%    0              - error - \n                                           Error 50 [Source: No such file or directory]     ",
        ),
    ];
    for (facts, line) in table {
        assert_eq!(progress_line(&facts, 92), line);
    }
}

#[test]
fn a_day_of_transfer_shows_its_hours() {
    let line = progress_line(&facts("f", 1, 10, 25 * 3600 + 61), 80);
    assert!(line.ends_with("  1.0Mb/s 25:01:01    "), "{line:?}");
}

#[test]
fn sizes_never_take_more_than_four_digits() {
    let table = [
        (0, "   0  "),
        (9_999, "9999  "),
        (10_000, "  10KB"),
        (9_999 * 1024, "9999KB"),
        (10_000 * 1024, "  10MB"),
        (5 << 40, "5120GB"),
        (u64::MAX, "  16EB"),
    ];
    for (bytes, shown) in table {
        assert_eq!(size(bytes), shown);
    }
}

#[test]
fn rates_keep_their_eight_columns_up_to_ten_gigabits() {
    let table = [
        (0, "0.00Mb/s"),
        (64_000, "0.06Mb/s"),
        (996_000, " 1.0Mb/s"),
        (99_940_000, "99.9Mb/s"),
        (99_960_000, " 100Mb/s"),
        (4_012_000_000, "4012Mb/s"),
    ];
    for (bps, shown) in table {
        assert_eq!(rate(Some(bps)), shown);
    }
}

#[test]
fn a_file_is_at_a_hundred_percent_only_when_all_of_it_is_there() {
    let at = |bytes_done, bytes_total| {
        percent(&ProgressFacts {
            bytes_done,
            bytes_total,
            ..facts("f", 0, 0, 0)
        })
    };
    assert_eq!(at(999_999, 1_000_000), 99);
    assert_eq!(at(u64::MAX - 1, u64::MAX), 99);
    assert_eq!(at(0, 0), 100);
    assert_eq!(at(7, 5), 100);
}

#[test]
fn a_long_name_is_cut_between_characters_and_the_line_keeps_its_width() {
    for name in ["ü".repeat(300), "数".repeat(300), "x".repeat(300)] {
        let line = progress_line(
            &ProgressFacts {
                name: name.as_bytes(),
                ..facts("", 1, 10, 1)
            },
            80,
        );
        let width: usize = line.chars().map(columns).sum();
        assert_eq!(width, 79, "{line}");
        assert!(line.contains(" 100% "));
    }
}

#[test]
fn a_name_cannot_add_a_line_or_move_the_cursor() {
    let line = progress_line(
        &ProgressFacts {
            name: b"a\nb\x1b[2J\xff",
            ..facts("", 1, 10, 1)
        },
        80,
    );
    assert!(line.starts_with("a\\nb\\x1b[2J\\xff "), "{line}");
}

#[test]
fn a_narrow_terminal_still_shows_the_start_of_the_name() {
    assert!(progress_line(&facts("abcdefghij", 1, 10, 1), 10).starts_with("abcdefgh 100%"));
}

#[test]
fn the_published_completion_is_reproduced() {
    let text = completion_text(&Completion {
        bytes: 10 << 30,
        elapsed: Duration::from_micros(116_320_300),
        files: 1,
        ..Completion::default()
    });
    assert_eq!(
        text,
        "Completed: 10485760K bytes transferred in 116 seconds\n (738472K bits/sec), in 1 file.\n"
    );
}

#[test]
fn a_completion_counts_what_failed_and_what_was_skipped() {
    let all = Completion {
        bytes: 2048,
        elapsed: Duration::from_millis(500),
        files: 3,
        failed: 0,
        skipped: 2,
    };
    assert_eq!(
        completion_text(&all),
        "Completed: 2K bytes transferred in 0 seconds\n (32K bits/sec), in 3 files, 2 files skipped.\n"
    );
    let partial = Completion {
        files: 1,
        failed: 1,
        skipped: 0,
        ..all
    };
    assert_eq!(
        completion_text(&partial),
        "Partial Completion: 2K bytes transferred in 0 seconds\n (32K bits/sec), in 1 file, 1 file failed.\n"
    );
}

#[test]
fn nothing_moved_in_no_time_is_a_completion_too() {
    assert_eq!(
        completion_text(&Completion::default()),
        "Completed: 0K bytes transferred in 0 seconds\n (0K bits/sec), in 0 files.\n"
    );
}

#[test]
fn counts_of_the_job_stand_behind_the_name_and_change_no_column() {
    let in_flight = |name: &'static str, counts: &str| {
        progress_line(
            &ProgressFacts {
                counts: counts.to_owned(),
                bytes_done: 39 << 20,
                bytes_total: 5 << 30,
                state: FileState::InFlight(Some(Duration::from_secs(447))),
                ..facts(name, 0, 972, 0)
            },
            80,
        )
    };
    assert_eq!(
        in_flight("5GB", "3/120 files"),
        "5GB (3/120 files)                               0%   39MB 97.2Mb/s    07:27 ETA"
    );
    let long = in_flight("a name that is much longer than its column", "3/120 files");
    assert_eq!(
        long,
        "a name that is much longer than (3/120 files)   0%   39MB 97.2Mb/s    07:27 ETA"
    );
    // Where they would leave too little of the name they are left out.
    let counts = "3/120 files, 12 resumed, 24 skipped, 1 failed";
    assert_eq!(in_flight("5GB", counts), in_flight("5GB", ""));
}
