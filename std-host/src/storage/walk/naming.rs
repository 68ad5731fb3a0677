//! What a source is called at the destination, and how paths are put together. Text only.

use super::super::source_list::relative;

/// The name a source gets at the destination; empty if it stands for its content alone.
#[must_use]
pub fn base_name(source: &[u8]) -> &[u8] {
    let trimmed = without_trailing_dots(source);
    let name = trimmed.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
    if name == b"." || name == b".." {
        b""
    } else {
        name
    }
}

/// `source` without the `/` and `/.` at its end; empty for the root.
fn without_trailing_dots(mut source: &[u8]) -> &[u8] {
    loop {
        if let Some(shorter) = source.strip_suffix(b"/") {
            source = shorter;
        } else if let Some(shorter) = source.strip_suffix(b"/.") {
            source = shorter;
        } else {
            return source;
        }
    }
}

/// What the names of a source folder are joined to.
pub(super) fn open_base(source: &[u8], confined: bool) -> Vec<u8> {
    let trimmed = without_trailing_dots(source);
    match trimmed {
        b"" if !source.is_empty() && !confined => b"/".to_vec(),
        b"." => Vec::new(),
        other => other.to_vec(),
    }
}

/// Replaces what follows the first `base_len` bytes of `path` by `name`.
pub(super) fn join(path: &mut Vec<u8>, base_len: usize, name: &[u8]) {
    path.truncate(base_len);
    if path.last().is_some_and(|last| *last != b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

/// What is left of `source` when `base` is stripped from its front: nothing if it is `base` itself, `None` if it lies
/// elsewhere. With `rooted` paths with and without a `/` in front mean the same.
///
/// Compared byte by byte, and only whole components: `d1` is no base of `d10/f`.
pub(super) fn below_base(mut base: &[u8], mut source: &[u8], rooted: bool) -> Option<Vec<u8>> {
    while let Some(shorter) = base.strip_suffix(b"/") {
        base = shorter;
    }
    if rooted {
        base = without_slashes_before(base);
        source = without_slashes_before(source);
    }
    let rest = source.strip_prefix(base)?;
    let is_whole = rest.is_empty() || rest.starts_with(b"/") || (rooted && base.is_empty());
    is_whole.then(|| relative(rest)).flatten()
}

fn without_slashes_before(mut path: &[u8]) -> &[u8] {
    while let Some(shorter) = path.strip_prefix(b"/") {
        path = shorter;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_stripped_by_whole_components() {
        for (base, source, rest) in [
            ("d1", "d1/d2/f2", Some("d2/f2")),
            ("d1/", "d1/d2/f2", Some("d2/f2")),
            ("d1", "d1", Some("")),
            ("d1", "d1/", Some("")),
            ("d1", "d10/f", None),
            ("d1", "./d1/f", None),
            ("d1", "d1/../f", None),
            ("d1", "d1/./x//f/.", Some("x/f")),
            ("/a/b", "/a/b/c", Some("c")),
            ("/a/b", "a/b/c", None),
            ("/", "/a/b", Some("a/b")),
            ("/", "a/b", None),
        ] {
            let found = below_base(base.as_bytes(), source.as_bytes(), false);
            assert_eq!(found.as_deref(), rest.map(str::as_bytes), "{base} {source}");
        }
        for (base, source, rest) in [
            ("/a/b", "a/b/c", Some("c")),
            ("a/b", "//a/b/c", Some("c")),
            ("/", "a/b", Some("a/b")),
            ("/a", "ab", None),
        ] {
            let found = below_base(base.as_bytes(), source.as_bytes(), true);
            assert_eq!(found.as_deref(), rest.map(str::as_bytes), "{base} {source}");
        }
    }
}
