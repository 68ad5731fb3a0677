//! Words of the other side, made fit for a terminal and a log.
//!
//! A server may write what it likes into its greetings, refusals and goodbyes, some of it before
//! anybody knows who it is. None of that may move a cursor, change a colour, turn the direction
//! of writing or fill the screen. What the words say is not judged here.
//!
//! Source: ECMA-48 (control functions), Unicode TR36 section 3 (invisible and bidirectional
//! characters); RFC 4251 section 9.2 asks for this.

/// Characters of one sentence that are shown.
pub(crate) const SENTENCE: usize = 400;

/// One line of at most `limit` characters: line ends become `; `, what steers a terminal or
/// cannot be seen vanishes, and `...` stands for what is left out.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut room = limit;
    for part in text.lines() {
        let part: String = part.chars().filter(|c| is_harmless(*c)).collect();
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str("; ");
        }
        let size = part.chars().count();
        line.extend(part.chars().take(room));
        if size > room {
            line.push_str("...");
            break;
        }
        room = room.saturating_sub(size);
    }
    line
}

/// False for controls (C0, C1, DEL) and for characters that hide or reorder others.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let text = "\x1b]0;title\x07\x1b[2J red\r\n\n\u{9b}31m \u{202e}gnp.exe\u{200b}\x7f";
        assert_eq!(one_line(text, SENTENCE), "]0;title[2J red; 31m gnp.exe");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(one_line("abc\ndefg", 5), "abc; de...");
        assert_eq!(one_line("abcde", 5), "abcde");
        let endless = "x\n".repeat(100_000);
        assert!(one_line(&endless, SENTENCE).chars().count() < 4 * SENTENCE);
    }
}
