//! Whether a text is JSON. Nothing is made of it.
//!
//! Source: RFC 8259.

use std::fmt;

/// Arrays and objects within each other: more is no metadata.
const MOST_DEPTH: u32 = 64;

/// Where a text stops being JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotJson {
    /// Bytes before it.
    at: usize,
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mistake is behind byte {}", self.at)
    }
}

/// Accepts one value with blanks around it.
///
/// # Errors
///
/// [`NotJson`]; also where values are nested more than 64 deep.
pub(super) fn check(text: &str) -> Result<(), NotJson> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
    };
    reader.value(0)?;
    reader.blanks();
    if reader.at == reader.bytes.len() {
        Ok(())
    } else {
        Err(reader.error())
    }
}

struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    const fn error(&self) -> NotJson {
        NotJson { at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: u8) -> Result<(), NotJson> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: u32) -> Result<(), NotJson> {
        if depth > MOST_DEPTH {
            return Err(self.error());
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.list(b'}', |reader| {
                reader.blanks();
                reader.string()?;
                reader.blanks();
                reader.expect(b':')?;
                reader.value(depth + 1)
            }),
            Some(b'[') => self.list(b']', |reader| reader.value(depth + 1)),
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// What is between two brackets, separated by commas.
    fn list(
        &mut self,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.at += 1;
        self.blanks();
        if self.take(end) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.blanks();
            if self.take(end) {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        word.iter().try_for_each(|letter| self.expect(*letter))
    }

    fn string(&mut self) -> Result<(), NotJson> {
        self.expect(b'"')?;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.error()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|digit| digit.is_ascii_hexdigit()) {
                        return Err(self.error());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.error()),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let before = self.at;
        while self.peek().is_some_and(|digit| digit.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > before {
            Ok(())
        } else {
            Err(self.error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind_are_json() {
        for text in [
            "{}",
            " [ ] ",
            "null",
            "-0.5e+10",
            "0",
            r#""a\u00fF\n\\""#,
            r#"{"aspera":{"xfer_id":"x","n":[1,2.5,true,false,null]},"b":"ü"}"#,
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_goes_wrong() {
        let table = [
            ("", 0),
            ("{", 1),
            ("{a:1}", 1),
            (r#"{"a" 1}"#, 5),
            (r#"{"a":1,}"#, 7),
            ("[1 2]", 3),
            ("01", 1),
            ("1.", 2),
            ("tru", 3),
            ("\"\n\"", 1),
            (r#""\x""#, 2),
            ("{} x", 3),
        ];
        for (text, at) in table {
            assert_eq!(check(text), Err(NotJson { at }), "{text}");
        }
        assert!(check(&"[".repeat(100_000)).is_err(), "nested without end");
    }
}
