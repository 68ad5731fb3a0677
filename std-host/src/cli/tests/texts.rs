//! The texts that are printed instead of a transfer.

use super::*;
use crate::cli::command::command;
use crate::cli::exit_code::ExitStatus;

fn printed(line: &str) -> (String, ExitStatus) {
    match parse_line(line) {
        Ok(Parsed::Print { text, status }) => (text, status),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn without_arguments_the_short_usage_comes_with_status_112() {
    let (text, status) = printed("");
    assert_eq!(
        text,
        "Usage: ascp [OPTION] SRC... DEST\n          SRC to DEST, or multiple SRC to DEST dir\n          SRC, DEST format: [[user@]host:]PATH\nDisplay full usage: -h,--help\n"
    );
    assert_eq!(status, ExitStatus::NoArguments);
}

#[test]
fn help_comes_in_every_spelling_and_with_status_0() {
    let (text, status) = printed("-h");
    assert_eq!(status, ExitStatus::Success);
    assert!(text.starts_with("Usage: ascp [OPTION] SRC... DEST\n"));
    for line in ["--help", "-Th", "f h:d -h", "-k 2 -h"] {
        assert_eq!(printed(line), (text.clone(), ExitStatus::Success), "{line}");
    }
}

/// Whether `text` has a line for the option.
fn lists(text: &str, spelling: &str) -> bool {
    text.lines().any(|line| {
        let option = line.trim_start().starts_with('-');
        option && line.split([' ', ',', '.']).any(|word| word == spelling)
    })
}

#[test]
fn help_names_the_options_in_daily_use_and_the_long_help_all_that_work() {
    let (short, (long, status)) = (printed("--help").0, printed("-hh"));
    assert_eq!(status, ExitStatus::Success);
    assert!(short.lines().count() < long.lines().count());
    for arg in command().get_arguments() {
        let spellings = [
            arg.get_short().map(|short| format!("-{short}")),
            arg.get_long().map(|long| format!("--{long}")),
        ];
        for spelling in spellings.into_iter().flatten() {
            let daily = !arg.is_hide_set() && !arg.is_hide_short_help_set();
            assert_eq!(lists(&short, &spelling), daily, "{spelling}\n{short}");
            assert_eq!(
                lists(&long, &spelling),
                !arg.is_hide_set(),
                "{spelling}\n{long}"
            );
        }
    }
}

#[test]
fn help_fits_a_terminal_and_looks_like_no_progress_line() {
    for line in ["--help", "-hh"] {
        let (text, _) = printed(line);
        assert!(!text.contains('%') && !text.contains('\x1b') && !text.contains('\r'));
        for line in text.lines() {
            assert!(line.len() <= 83, "{line}");
        }
        assert!(text.ends_with(".\n") && !text.ends_with("\n\n"), "{text:?}");
    }
}

#[test]
fn the_version_comes_in_every_spelling_and_with_status_0() {
    let (text, status) = printed("-A");
    assert_eq!(status, ExitStatus::Success);
    assert!(text.contains("\nascp version 4."));
    assert_eq!(printed("--version").0, text);
    assert_eq!(printed("-TA").0, text);
}
