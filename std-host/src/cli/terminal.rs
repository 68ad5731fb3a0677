//! Text that is safe to put on a terminal, and the two lines of a failed run.
//!
//! A file name is data from a stranger: it must not move the cursor, start a second line or
//! reverse the text around it. Writing fails silently here, since a closed terminal is no reason
//! to stop a transfer.
//!
//! Source: the failure lines are a public fact of the original program; the escapes are our choice.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::failure::Failure;

/// `bytes` with everything unprintable escaped: `\n`, `\x1b`, `\xff`, `\u{202e}`.
///
/// A backslash stands for itself, so the text is for reading and cannot be turned back.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_printable(&mut shown, character);
        }
        for byte in chunk.invalid() {
            push_byte(&mut shown, *byte);
        }
    }
    shown
}

/// `word` for an error text: printable, and without what may be a password.
#[must_use]
pub fn redacted(word: &[u8]) -> String {
    let at = word.iter().rposition(|byte| *byte == b'@');
    let colon = word.iter().position(|byte| *byte == b':');
    match (colon, at) {
        (Some(colon), Some(at)) if colon < at => {
            let (user, rest) = (word.get(..colon), word.get(at..));
            format!(
                "{}:***{}",
                printable(user.unwrap_or_default()),
                printable(rest.unwrap_or_default())
            )
        }
        _ => printable(word),
    }
}

/// How many terminal columns a character takes: 0 for combining marks, 2 for wide scripts.
///
/// An approximation by block, good enough to keep a padded line in its width.
#[must_use]
pub(super) const fn columns(character: char) -> usize {
    match character as u32 {
        0x0300..=0x036F | 0x200B..=0x200D | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F900..=0x1F9FF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// What standard output says when a session fails.
#[must_use]
pub fn session_stop_text(failure: &Failure) -> String {
    let text = printable(failure.text.as_bytes());
    format!("\r\nSession Stop  (Error: {text})\n")
}

/// What standard error says when a run fails.
#[must_use]
pub fn exiting_text(failure: &Failure) -> String {
    let text = printable(failure.text.as_bytes());
    format!("ascp: {text}, exiting.\n")
}

/// Reports a failed session: on standard output unless `quiet`, and on standard error.
pub fn report_session_failure(failure: &Failure, quiet: bool) {
    if !quiet {
        print_stdout(&session_stop_text(failure));
    }
    print_stderr(&exiting_text(failure));
}

/// Writes to standard output and flushes.
pub fn print_stdout(text: &str) {
    let mut output = io::stdout().lock();
    let _closed = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
}

/// Writes to standard error.
pub fn print_stderr(text: &str) {
    let _closed = io::stderr().lock().write_all(text.as_bytes());
}

fn push_printable(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        '\0'..='\x1F' | '\x7F' => push_byte(shown, u8::try_from(character).unwrap_or(0x7F)),
        // C1 controls, line separators and the marks that reverse a line.
        '\u{80}'..='\u{9F}'
        | '\u{061C}'
        | '\u{200E}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2066}'..='\u{2069}' => {
            let _infallible = write!(shown, "\\u{{{:x}}}", u32::from(character));
        }
        other => shown.push(other),
    }
}

fn push_byte(shown: &mut String, byte: u8) {
    let _infallible = write!(shown, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use fasp_core::fault::Fault;

    use super::*;

    #[test]
    fn a_name_cannot_control_the_terminal() {
        let table: [(&[u8], &str); 6] = [
            (b"plain name.txt", "plain name.txt"),
            (b"two\nlines\r\t", "two\\nlines\\r\\t"),
            (b"\x1b[2Jgone\x07\x7f\0", "\\x1b[2Jgone\\x07\\x7f\\x00"),
            (b"latin \xe9 alone", "latin \\xe9 alone"),
            ("grün 数据".as_bytes(), "grün 数据"),
            ("a\u{202e}b\u{85}".as_bytes(), "a\\u{202e}b\\u{85}"),
        ];
        for (bytes, shown) in table {
            assert_eq!(printable(bytes), shown);
        }
    }

    #[test]
    fn what_may_be_a_password_is_starred_out() {
        assert_eq!(redacted(b"u:secret@h:p"), "u:***@h:p");
        assert_eq!(redacted(b"u:p@ss@h:p\n"), "u:***@h:p\\n");
        assert_eq!(redacted(b"u@h:p"), "u@h:p");
        assert_eq!(redacted(b"plain"), "plain");
    }

    #[test]
    fn a_failed_session_has_its_two_public_lines() {
        let failure = Failure::new(Fault::Authentication, "failed to authenticate");
        assert_eq!(
            session_stop_text(&failure),
            "\r\nSession Stop  (Error: failed to authenticate)\n"
        );
        assert_eq!(
            exiting_text(&failure),
            "ascp: failed to authenticate, exiting.\n"
        );
    }

    #[test]
    fn a_failure_that_names_a_file_stays_on_one_line() {
        let failure = Failure::new(Fault::NoSuchFile, "cannot read 'a\nb'");
        assert_eq!(
            exiting_text(&failure),
            "ascp: cannot read 'a\\nb', exiting.\n"
        );
    }
}
