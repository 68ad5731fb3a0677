//! What a pattern means, written for the reader and not for speed: every way to match is tried.

use std::vec::Vec;

enum Part {
    Byte(u8),
    One,
    Any,
    Deep,
    Set(bool, Vec<u8>),
}

/// Whether `pattern`, of the few kinds of parts that the property test makes, matches `path`.
pub(super) fn matches(pattern: &[u8], path: &[u8], folder: bool) -> bool {
    let mut parts = parts(pattern);
    let fits = match parts.last() {
        Some(Part::Byte(b'/')) => {
            parts.pop();
            folder
        }
        Some(Part::Any | Part::Deep) => true,
        _ => !folder,
    };
    let rooted: Vec<u8> = [b"/", path].concat();
    let anchored = matches!(parts.first(), Some(Part::Byte(b'/') | Part::Deep) | None);
    fits && if anchored {
        matches_from(&parts, &rooted, 0)
    } else {
        // In `path` itself, so that a dot at the very beginning has no `/` before it.
        (0..path.len())
            .filter(|&at| at == 0 || path[at - 1] == b'/')
            .any(|at| matches_from(&parts, path, at))
    }
}

fn parts(pattern: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        let rest = &pattern[at..];
        let (part, length) = if rest.starts_with(b"/**") {
            (Part::Deep, 3)
        } else {
            match rest[0] {
                b'*' => (Part::Any, 1),
                b'?' => (Part::One, 1),
                b'\\' => (Part::Byte(rest[1]), 2),
                b'[' => {
                    let end = rest.iter().position(|&byte| byte == b']').expect("closed");
                    let negated = matches!(rest[1], b'!' | b'^');
                    let inner = &rest[1 + usize::from(negated)..end];
                    let members = if inner == b"a-b" { b"ab" } else { inner };
                    (Part::Set(negated, members.to_vec()), end + 1)
                }
                byte => (Part::Byte(byte), 1),
            }
        };
        parts.push(part);
        at += length;
    }
    parts
}

fn matches_from(parts: &[Part], text: &[u8], at: usize) -> bool {
    let Some((part, rest)) = parts.split_first() else {
        return at == text.len();
    };
    let open = text.get(at).is_some_and(|&byte| {
        let behind_slash = at > 0 && text[at - 1] == b'/';
        byte != b'/' && !(byte == b'.' && behind_slash)
    });
    match part {
        Part::Byte(byte) => text.get(at) == Some(byte) && matches_from(rest, text, at + 1),
        Part::One => open && matches_from(rest, text, at + 1),
        Part::Set(negated, members) => {
            open && members.contains(&text[at]) != *negated && matches_from(rest, text, at + 1)
        }
        Part::Any => matches_from(rest, text, at) || (open && matches_from(parts, text, at + 1)),
        Part::Deep => {
            text.get(at) == Some(&b'/')
                && if rest.is_empty() {
                    at + 1 < text.len()
                } else {
                    let least = usize::from(!matches!(rest[0], Part::Byte(b'/') | Part::Deep));
                    (at + least..=text.len()).any(|end| matches_from(rest, text, end))
                }
        }
    }
}
