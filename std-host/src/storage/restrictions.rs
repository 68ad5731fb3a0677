//! Which paths of a tree exist for its users: an ordered list of patterns, looked at for what a path really leads to.
//!
//! `*` stands for any bytes, also `/`, and `?` for one. The first pattern that matches decides: one with `!` in front
//! forbids, another allows. Where a pattern allows something, what none of them matches is forbidden. What is forbidden
//! takes everything below it along.
//!
//! Source: the meaning of `<restriction>` is public; that a forbidden folder hides its content is our choice.

/// The list of one tree.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Restrictions {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern {
    forbids: bool,
    text: Vec<u8>,
}

impl Restrictions {
    /// The list of `texts`: patterns of absolute paths, with `!` in front to forbid; `None` if there are none.
    #[must_use]
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Option<Self> {
        let patterns: Vec<Pattern> = texts
            .map(|text| Pattern {
                forbids: text.starts_with('!'),
                text: text.strip_prefix('!').unwrap_or(text).into(),
            })
            .collect();
        (!patterns.is_empty()).then_some(Self { patterns })
    }

    /// Whether the file `path`, which begins with `/`, may be used.
    #[must_use]
    pub fn admits(&self, path: &[u8]) -> bool {
        let verdict = self.first(path);
        let allowed = verdict.map_or_else(|| !self.allows_something(), |pattern| !pattern.forbids);
        allowed && !self.lies_in_forbidden(path)
    }

    /// Whether the folder `path` may be used, or may be passed through to something that may.
    #[must_use]
    pub fn admits_folder(&self, path: &[u8]) -> bool {
        if path == b"/" {
            return true;
        }
        let forbidden = self.first(path).is_some_and(|pattern| pattern.forbids);
        if forbidden || self.lies_in_forbidden(path) {
            return false;
        }
        let below = [path, b"/"].concat();
        let leads_on = |pattern: &Pattern| {
            let fixed = pattern.text.iter().take_while(|byte| !is_wild(**byte));
            let fixed: Vec<u8> = fixed.copied().collect();
            !pattern.forbids && (fixed.starts_with(&below) || below.starts_with(&fixed))
        };
        self.admits(path) || self.patterns.iter().any(leads_on)
    }

    fn first(&self, path: &[u8]) -> Option<&Pattern> {
        self.patterns
            .iter()
            .find(|pattern| matches(&pattern.text, path))
    }

    fn allows_something(&self) -> bool {
        self.patterns.iter().any(|pattern| !pattern.forbids)
    }

    fn lies_in_forbidden(&self, path: &[u8]) -> bool {
        path.iter()
            .enumerate()
            .filter(|(at, byte)| *at > 0 && **byte == b'/')
            .filter_map(|(at, _)| path.get(..at))
            .any(|folder| self.first(folder).is_some_and(|pattern| pattern.forbids))
    }
}

const fn is_wild(byte: u8) -> bool {
    matches!(byte, b'*' | b'?')
}

/// Whether all of `path` is what `pattern` says. Goes back to the last `*` only, so it ends in time.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = path.get(at) {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                in_pattern += 1;
                at += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    (in_pattern, at) = (place + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    let rest = pattern.get(in_pattern..).unwrap_or_default();
    rest.iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Restrictions {
        Restrictions::new(texts.iter().copied()).unwrap()
    }

    #[test]
    fn the_first_pattern_that_matches_decides() {
        let rules = list(&["!/in/secret*", "/in/*", "/pub/?.txt"]);
        for (path, admitted) in [
            ("/in/a", true),
            ("/in/a/b", true),
            ("/in/secret", false),
            ("/in/secrets/b", false),
            ("/pub/a.txt", true),
            ("/pub/ab.txt", false),
            ("/other", false),
            ("/in", false),
        ] {
            assert_eq!(rules.admits(path.as_bytes()), admitted, "{path}");
        }
    }

    #[test]
    fn without_anything_allowed_the_rest_is() {
        let rules = list(&["!/private", "!*.key"]);
        assert!(rules.admits(b"/a/b") && rules.admits_folder(b"/a"));
        assert!(!rules.admits(b"/private") && !rules.admits(b"/private/a/b"));
        assert!(!rules.admits_folder(b"/private/a"));
        assert!(!rules.admits(b"/a/x.key"));
    }

    #[test]
    fn folders_on_the_way_may_be_passed_through() {
        let rules = list(&["/a/b/*"]);
        for (path, admitted) in [
            ("/", true),
            ("/a", true),
            ("/a/b", true),
            ("/a/b/c", true),
            ("/ab", false),
            ("/b", false),
        ] {
            assert_eq!(rules.admits_folder(path.as_bytes()), admitted, "{path}");
        }
    }

    #[test]
    fn many_stars_end_in_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches(pattern.as_bytes(), &[b'b'; 4_096]));
        assert!(matches(b"/*/c", b"/a/b/c") && matches(b"*", b""));
    }
}
