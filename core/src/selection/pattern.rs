//! One pattern of `-E` or `-N`: its grammar, and matching a path against it.

use super::EntryKind;

/// Why a pattern cannot be used. Shown after the option and the pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PatternError {
    /// Nothing is there.
    #[error("a pattern must not be empty")]
    Empty,
    /// No path has such a byte.
    #[error("a pattern must not contain a NUL byte")]
    Nul,
    /// `[` without its `]`.
    #[error("a '[' has no ']' behind it; write '\\[' for the character itself")]
    OpenSet,
    /// `[[:name:]]` of no known name, or `[:` without `:]`.
    #[error(
        "a character class is not one of alnum, alpha, blank, cntrl, digit, graph, lower, print, punct, space, upper, xdigit"
    )]
    UnknownClass,
    /// `[z-a]`.
    #[error("a range in '[...]' ends before it begins")]
    Backwards,
    /// `\` at the end.
    #[error("a '\\' at the end quotes nothing; write '\\\\' for the character itself")]
    OpenQuote,
    /// A rule of a configuration without `+ ` or `- ` in front.
    #[error("a rule must begin with '+ ' or '- '")]
    NoSign,
}

/// What a pattern may match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    Files,
    Directories,
    Anything,
}

/// A pattern that can be used.
///
/// * `*` any number of characters and `?` one character, but no `/` and no `.` that begins a name behind a `/`;
///   `[...]`, `[!...]`, `[^...]` one character of a set, with ranges and `[:class:]`, under the same exceptions;
///   `\` quotes the next character; `/**` is a `/` and any text behind it, `/` and leading dots included: at the end at
///   least one character, before another `/` also nothing at all (`a/**/f` matches `a/f`).
/// * Ends in `/`: folders only. Ends in `*`: files and folders. Ends otherwise: files only.
/// * Begins with `/`: the whole path, from the root of what is transferred. Begins otherwise: the whole path or
///   its last components.
///
/// Ours, where the public text is silent: `**` without a `/` before it is one `*`; a `]` right after the opening of
/// a set belongs to the set; letters are compared byte by byte, so that no locale changes what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pattern<'a> {
    /// Without the `/` at the end.
    body: &'a [u8],
    target: Target,
}

/// One part of a pattern.
#[derive(Clone, Copy)]
enum Element<'a> {
    Byte(u8),
    One,
    Star,
    /// `/**`
    Deep,
    Set {
        negated: bool,
        members: &'a [u8],
    },
}

impl<'a> Pattern<'a> {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if it cannot be used.
    pub fn parse(text: &'a [u8]) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.contains(&0) {
            return Err(PatternError::Nul);
        }
        let (mut rest, mut target, mut body) = (text, Target::Files, text);
        while let Some((element, next)) = next_element(rest)? {
            target = match element {
                Element::Star | Element::Deep => Target::Anything,
                Element::Byte(b'/') if next.is_empty() => {
                    body = text.get(..text.len() - rest.len()).unwrap_or_default();
                    Target::Directories
                }
                _ => Target::Files,
            };
            rest = next;
        }
        Ok(Self { body, target })
    }

    /// Whether the pattern matches `path`, which is relative to the root of what is transferred.
    #[must_use]
    pub fn matches(&self, path: &[u8], kind: EntryKind) -> bool {
        let fits = match self.target {
            Target::Anything => true,
            Target::Directories => kind == EntryKind::Directory,
            Target::Files => kind == EntryKind::File,
        };
        fits && self.matches_text(path)
    }

    fn matches_text(&self, path: &[u8]) -> bool {
        let rooted = self.is_anchored();
        let text = Text { path, rooted };
        if rooted {
            return run(self.body, text, 0);
        }
        let starts = path
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'/')
            .map(|(at, _)| at + 1);
        core::iter::once(0)
            .chain(starts)
            .any(|start| run(self.body, text, start))
    }

    /// Whether the folder `path` lies on the way to what an anchored pattern matches.
    #[must_use]
    pub fn leads_through(&self, path: &[u8]) -> bool {
        if !self.is_anchored() {
            return false;
        }
        let text = Text { path, rooted: true };
        let mut rest = self.body;
        while let Ok(Some((element, next))) = next_element(rest) {
            let before = self.body.len() - rest.len();
            let separates = matches!(element, Element::Byte(b'/') | Element::Deep);
            if separates && before > 0 {
                let prefix = self.body.get(..before).unwrap_or_default();
                if run(prefix, text, 0) {
                    return true;
                }
            }
            if matches!(element, Element::Deep) {
                return false;
            }
            rest = next;
        }
        false
    }

    fn is_anchored(&self) -> bool {
        self.body.first() == Some(&b'/') || (self.body.is_empty())
    }
}

/// A path, for an anchored pattern with the `/` of the root in front.
#[derive(Clone, Copy)]
struct Text<'a> {
    path: &'a [u8],
    rooted: bool,
}

impl Text<'_> {
    fn at(self, place: usize) -> Option<u8> {
        if !self.rooted {
            return self.path.get(place).copied();
        }
        match place.checked_sub(1) {
            None => Some(b'/'),
            Some(place) => self.path.get(place).copied(),
        }
    }

    fn length(self) -> usize {
        self.path.len() + usize::from(self.rooted)
    }

    /// The byte there, unless no wildcard may stand for it.
    fn open_to_wildcards(self, place: usize) -> Option<u8> {
        let byte = self.at(place)?;
        let begins_name = place.checked_sub(1).and_then(|before| self.at(before)) == Some(b'/');
        (byte != b'/' && !(byte == b'.' && begins_name)).then_some(byte)
    }
}

/// Where to go on when the rest does not match: the pattern behind a wildcard, and how far that reaches now.
#[derive(Clone, Copy)]
struct Fork<'a> {
    rest: &'a [u8],
    end: usize,
}

/// Whether `pattern` matches all of `text` from `start` on.
///
/// Only the last `*` and the last `/**` are ever tried again: whatever an earlier one could take, a later one of
/// its kind can take too, and a `/**` all that a `*` before it could.
fn run(pattern: &[u8], text: Text<'_>, start: usize) -> bool {
    let (mut pattern, mut place) = (pattern, start);
    let (mut star, mut deep): (Option<Fork<'_>>, Option<Fork<'_>>) = (None, None);
    loop {
        let goes_on = match next_element(pattern) {
            Err(_) => return false,
            Ok(None) if place == text.length() => return true,
            Ok(None) => None,
            Ok(Some((Element::Star, rest))) => {
                star = Some(Fork { rest, end: place });
                Some((rest, place))
            }
            Ok(Some((Element::Deep, _))) if text.at(place) != Some(b'/') => None,
            Ok(Some((Element::Deep, []))) if place + 1 < text.length() => return true,
            Ok(Some((Element::Deep, []))) => None,
            Ok(Some((Element::Deep, rest))) => {
                let end = place + usize::from(rest.first() != Some(&b'/'));
                (deep, star) = (Some(Fork { rest, end }), None);
                Some((rest, end))
            }
            Ok(Some((element, rest))) => {
                matches_one(element, text, place).then_some((rest, place + 1))
            }
        };
        let next = goes_on
            .or_else(|| longer_star(&mut star, text))
            .or_else(|| {
                star = None;
                longer_deep(&mut deep, text)
            });
        let Some(next) = next else { return false };
        (pattern, place) = next;
    }
}

fn longer_star<'a>(star: &mut Option<Fork<'a>>, text: Text<'_>) -> Option<(&'a [u8], usize)> {
    let fork = star.as_mut()?;
    text.open_to_wildcards(fork.end)?;
    fork.end += 1;
    Some((fork.rest, fork.end))
}

fn longer_deep<'a>(deep: &mut Option<Fork<'a>>, text: Text<'_>) -> Option<(&'a [u8], usize)> {
    let fork = deep.as_mut()?;
    text.at(fork.end)?;
    fork.end += 1;
    Some((fork.rest, fork.end))
}

fn matches_one(element: Element<'_>, text: Text<'_>, place: usize) -> bool {
    match element {
        Element::Byte(byte) => text.at(place) == Some(byte),
        Element::One => text.open_to_wildcards(place).is_some(),
        Element::Set { negated, members } => text
            .open_to_wildcards(place)
            .is_some_and(|byte| is_member(members, byte) != negated),
        Element::Star | Element::Deep => false,
    }
}

/// The first element of `pattern` and what follows it.
fn next_element(pattern: &[u8]) -> Result<Option<(Element<'_>, &[u8])>, PatternError> {
    Ok(Some(match pattern {
        [] => return Ok(None),
        [b'/', b'*', b'*', rest @ ..] => (Element::Deep, rest),
        [b'*', rest @ ..] => (Element::Star, rest),
        [b'?', rest @ ..] => (Element::One, rest),
        [b'\\'] => return Err(PatternError::OpenQuote),
        [b'\\', byte, rest @ ..] => (Element::Byte(*byte), rest),
        [b'[', rest @ ..] => return set(rest).map(Some),
        [byte, rest @ ..] => (Element::Byte(*byte), rest),
    }))
}

/// The set that begins behind its `[`.
fn set(behind: &[u8]) -> Result<(Element<'_>, &[u8]), PatternError> {
    let (negated, inner) = match behind {
        [b'!' | b'^', inner @ ..] => (true, inner),
        inner => (false, inner),
    };
    let mut rest = inner;
    let mut first = true;
    loop {
        if let [b']', after @ ..] = rest
            && !first
        {
            let members = inner.get(..inner.len() - rest.len()).unwrap_or_default();
            return Ok((Element::Set { negated, members }, after));
        }
        first = false;
        (_, rest) = member(rest)?.ok_or(PatternError::OpenSet)?;
    }
}

/// One member of a set.
enum Member<'a> {
    Class(&'a [u8]),
    Range(u8, u8),
}

fn member(set: &[u8]) -> Result<Option<(Member<'_>, &[u8])>, PatternError> {
    if let [b'[', b':', rest @ ..] = set {
        let end = rest.windows(2).position(|two| two == b":]");
        let name = rest.get(..end.ok_or(PatternError::UnknownClass)?);
        let name = name.unwrap_or_default();
        in_class(name, b'a').ok_or(PatternError::UnknownClass)?;
        let rest = rest.get(name.len() + 2..).unwrap_or_default();
        return Ok(Some((Member::Class(name), rest)));
    }
    let Some((low, rest)) = single(set)? else {
        return Ok(None);
    };
    match rest {
        [b'-', after @ ..] if !matches!(after, [] | [b']', ..]) => {
            let Some((high, rest)) = single(after)? else {
                return Ok(None);
            };
            if high < low {
                return Err(PatternError::Backwards);
            }
            Ok(Some((Member::Range(low, high), rest)))
        }
        _ => Ok(Some((Member::Range(low, low), rest))),
    }
}

fn single(set: &[u8]) -> Result<Option<(u8, &[u8])>, PatternError> {
    match set {
        [] => Ok(None),
        [b'\\'] => Err(PatternError::OpenQuote),
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => Ok(Some((*byte, rest))),
    }
}

fn is_member(members: &[u8], byte: u8) -> bool {
    let mut rest = members;
    while let Ok(Some((member, after))) = member(rest) {
        let holds = match member {
            Member::Class(name) => in_class(name, byte) == Some(true),
            Member::Range(low, high) => (low..=high).contains(&byte),
        };
        if holds {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether `byte` belongs to the POSIX class `name`; `None` for a name that is none.
fn in_class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0B,
        b"upper" => byte.is_ascii_uppercase(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
