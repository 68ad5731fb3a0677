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
    for line in ["--help", "-hh", "-Th", "f h:d -h", "-k 2 -h"] {
        assert_eq!(printed(line), (text.clone(), ExitStatus::Success), "{line}");
    }
}

#[test]
fn help_names_every_option_of_this_version_and_no_other() {
    let (text, _) = printed("--help");
    for arg in command().get_arguments() {
        let spellings = [
            arg.get_short().map(|short| format!("  -{short}")),
            arg.get_long().map(|long| format!("--{long}")),
        ];
        for spelling in spellings.into_iter().flatten() {
            let listed = text.lines().any(|line| {
                line.trim_start().starts_with('-')
                    && line
                        .split([' ', ',', '.'])
                        .any(|word| word == spelling.trim_start())
            });
            assert_eq!(
                listed,
                !arg.is_hide_set() && !arg.is_hide_short_help_set(),
                "{spelling}\n{text}"
            );
        }
    }
}

#[test]
fn help_fits_a_terminal_and_looks_like_no_progress_line() {
    let (text, _) = printed("--help");
    assert!(!text.contains('%') && !text.contains('\x1b') && !text.contains('\r'));
    for line in text.lines() {
        assert!(line.len() <= 83, "{line}");
    }
    assert!(text.ends_with(".\n") && !text.ends_with("\n\n"), "{text:?}");
}

#[test]
fn the_version_comes_in_every_spelling_and_with_status_0() {
    let (text, status) = printed("-A");
    assert_eq!(status, ExitStatus::Success);
    assert!(text.contains("\nascp version 4."));
    assert_eq!(printed("--version").0, text);
    assert_eq!(printed("-TA").0, text);
}
