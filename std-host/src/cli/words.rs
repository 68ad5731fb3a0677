//! The spellings that scripts use, brought to the one the parser reads.
//!
//! Takes bundles apart (`-pQTk1` is `-p -Q -T -k 1`), trims a value that stands in one word with
//! its option (`"-O 33001"`), and replaces the old short forms of `--policy` and of `-c none`, so
//! that the last of several wins whichever way it is written. Judges nothing: what is unknown is
//! passed on for the parser to complain about.
//!
//! Source: command lines in public scripts. `-Q` is fair, `-QQ` is low; `-Q -Q` in two words is
//! a repetition, so fair (our choice).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command};

use super::command::FULL_HELP;
use super::later_options::SINGLE_DASH;

/// The words of the command line, one option a word and every value a word of its own.
pub(super) fn separated(args: impl Iterator<Item = OsString>, command: &Command) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut args = args;
    while let Some(word) = args.next() {
        if word == "--" {
            words.push(word);
            words.extend(args);
            break;
        }
        let needs_value = push_word(&mut words, &word, command);
        if needs_value {
            words.extend(args.next());
        }
    }
    words
}

/// Appends what `word` stands for; tells whether the next word is the value of its last option.
fn push_word(words: &mut Vec<OsString>, word: &OsStr, command: &Command) -> bool {
    if let Some((_, long)) = SINGLE_DASH.iter().find(|(typed, _)| word == *typed) {
        words.push((*long).into());
        return false;
    }
    match word.as_bytes() {
        [b'-', b'-', long @ ..] => {
            words.push(word.to_owned());
            takes_value(command, |arg| {
                arg.get_long().is_some_and(|name| name.as_bytes() == long)
            })
        }
        [b'-', bundle @ ..] if !bundle.is_empty() => push_bundle(words, bundle, command),
        _ => {
            words.push(word.to_owned());
            false
        }
    }
}

fn push_bundle(words: &mut Vec<OsString>, bundle: &[u8], command: &Command) -> bool {
    let mut rest = bundle;
    while let [letter, after @ ..] = rest {
        rest = after;
        let letter = *letter;
        match letter {
            b'Q' if rest.first() == Some(&b'Q') => {
                while let [b'Q', more @ ..] = rest {
                    rest = more;
                }
                words.push("--policy=low".into());
            }
            b'Q' => words.push("--policy=fair".into()),
            b'T' => words.extend(["-c".into(), "none".into()]),
            b'h' if rest.first() == Some(&b'h') => {
                while let [b'h', more @ ..] = rest {
                    rest = more;
                }
                words.push(FULL_HELP.into());
            }
            _ if takes_value(command, |arg| arg.get_short() == Some(char::from(letter))) => {
                words.push(OsString::from_vec(vec![b'-', letter]));
                return push_attached(words, rest);
            }
            _ if letter.is_ascii_graphic() => {
                words.push(OsString::from_vec(vec![b'-', letter]));
            }
            _ => {
                // No option is spelt like this: leave the remainder in one piece for the error.
                words.push(OsString::from_vec([b"-", &[letter], rest].concat()));
                return false;
            }
        }
    }
    false
}

/// Appends the value attached to a short option; `true` if there is none.
fn push_attached(words: &mut Vec<OsString>, attached: &[u8]) -> bool {
    let value = attached.strip_prefix(b"=").unwrap_or(attached);
    let value = value.trim_ascii_start();
    if value.is_empty() {
        return true;
    }
    words.push(OsStr::from_bytes(value).to_owned());
    false
}

fn takes_value(command: &Command, is_meant: impl Fn(&Arg) -> bool) -> bool {
    command
        .get_arguments()
        .any(|arg| is_meant(arg) && arg.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::command;

    fn separate(args: &[&str]) -> Vec<String> {
        separated(args.iter().map(OsString::from), &command())
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn every_joined_spelling_comes_apart() {
        let fair = "--policy=fair";
        let table: [(&[&str], &[&str]); 19] = [
            (&["-QT"], &[fair, "-c", "none"]),
            (&["-QTk1"], &[fair, "-c", "none", "-k", "1"]),
            (&["-pQTk1"], &["-p", fair, "-c", "none", "-k", "1"]),
            (&["-vQT"], &["-v", fair, "-c", "none"]),
            (&["-QTr"], &[fair, "-c", "none", "-r"]),
            (&["-Ql100m"], &[fair, "-l", "100m"]),
            (&["-QQ"], &["--policy=low"]),
            (&["-QQQT"], &["--policy=low", "-c", "none"]),
            (&["-Q", "-Q"], &[fair, fair]),
            (&["-O 33001"], &["-O", "33001"]),
            (&["-QTl  9m"], &[fair, "-c", "none", "-l", "9m"]),
            (&["-l", "-T"], &["-l", "-T"]),
            (&["-k=1"], &["-k", "1"]),
            (&["-DDL-"], &["-D", "-D", "-L", "-"]),
            (&["-L", "-", "-"], &["-L", "-", "-"]),
            (&["-SSH"], &["--ssh"]),
            (&["-hh"], &["--full-help"]),
            (&["-Thh"], &["-c", "none", "--full-help"]),
            (&["a", "--", "-QT", "--x"], &["a", "--", "-QT", "--x"]),
        ];
        for (typed, separate_words) in table {
            assert_eq!(separate(typed), separate_words, "{typed:?}");
        }
    }

    #[test]
    fn the_value_of_a_long_option_is_not_taken_apart() {
        assert_eq!(
            separate(&["--user", "-QT", "-QQ"]),
            ["--user", "-QT", "--policy=low"]
        );
        assert_eq!(separate(&["--user=-QT"]), ["--user=-QT"]);
    }

    #[test]
    fn bytes_that_are_no_text_survive() {
        let odd = OsString::from_vec(b"dir/\xff".to_vec());
        let attached = OsString::from_vec(b"-Tidir/\xff".to_vec());
        let words = separated([attached, odd.clone()].into_iter(), &command());
        assert_eq!(
            words,
            ["-c".into(), "none".into(), "-i".into(), odd.clone(), odd]
        );
    }
}
