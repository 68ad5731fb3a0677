//! What is to be sent, by name: operands, or the lines of a list, one at a time.
//!
//! A list may be longer than the memory: it is read as its sources are taken. Lines end with LF or CRLF, the last one
//! may lack its end, empty ones are passed over, and a byte order mark at the very beginning is too. Bytes that are no
//! UTF-8 are taken as they are, since so are the names on this system.

use std::io::{BufRead, Read};

use fasp_core::fault::Fault;

use super::disk_fault::{read_failure, shown};
use super::docroot::Docroot;
use super::faux::{FauxSource, is_faux};
use crate::failure::{Failure, Outcome};

/// Longest line that is looked at; the system takes no longer path.
const LONGEST_LINE: usize = 4_096;
/// What editors put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One source.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NamedSource {
    /// How the docroot reaches it.
    pub path: Vec<u8>,
    /// Its path below the destination; without one it follows from its own.
    pub destination: Option<Vec<u8>>,
}

impl NamedSource {
    /// A source that gives itself its name.
    #[must_use]
    pub const fn new(path: Vec<u8>) -> Self {
        Self {
            path,
            destination: None,
        }
    }
}

/// Sources one after another; an error is about one of them, or ends the list.
pub struct SourceNames(Box<dyn Iterator<Item = Outcome<NamedSource>> + Send>);

impl SourceNames {
    /// Sources that become known as they are taken.
    pub fn new(names: impl Iterator<Item = Outcome<NamedSource>> + Send + 'static) -> Self {
        Self(Box::new(names))
    }

    /// Sources that are all known, by their paths.
    #[must_use]
    pub fn of(paths: Vec<Vec<u8>>) -> Self {
        Self::new(paths.into_iter().map(|path| Ok(NamedSource::new(path))))
    }
}

impl Iterator for SourceNames {
    type Item = Outcome<NamedSource>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

impl std::fmt::Debug for SourceNames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SourceNames")
    }
}

/// A list being read.
pub struct SourceList<R> {
    reader: R,
    /// What the list is called in messages.
    name: String,
    prefix: Option<Vec<u8>>,
    pairs: bool,
    line: u64,
    ended: bool,
}

impl<R: BufRead> SourceList<R> {
    /// The list `reader`; with `pairs` each source is followed by the line of its destination.
    #[must_use]
    pub const fn new(reader: R, name: String, pairs: bool, prefix: Option<Vec<u8>>) -> Self {
        Self {
            reader,
            name,
            prefix,
            pairs,
            line: 0,
            ended: false,
        }
    }

    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next line that is not empty, without its end.
    fn next_line(&mut self) -> Outcome<Option<Vec<u8>>> {
        loop {
            let mut line = Vec::new();
            let most = u64::try_from(LONGEST_LINE).unwrap_or(0) + 2;
            self.line += 1;
            let read = self.reader.by_ref().take(most).read_until(b'\n', &mut line);
            read.map_err(|error| {
                self.broken(Fault::DiskRead, &format!("cannot be read: {error}"))
            })?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.pop_if(|last| *last == b'\n').is_some() {
                line.pop_if(|last| *last == b'\r');
            }
            if self.line == 1 && line.starts_with(BYTE_ORDER_MARK) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            if line.len() > LONGEST_LINE {
                let text = format!("line {} has more than {LONGEST_LINE} bytes", self.line);
                return Err(self.broken(Fault::FilePathTooLong, &text));
            }
            if !line.is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn next_source(&mut self) -> Outcome<Option<NamedSource>> {
        let Some(line) = self.next_line()? else {
            return Ok(None);
        };
        let number = self.line;
        let destination = match self.pairs {
            false => None,
            true => match self.next_line()? {
                Some(destination) => Some(destination),
                None => {
                    let text = format!(
                        "the source in line {number}, '{}', has no destination in the line after it",
                        shown(&line)
                    );
                    return Err(self.broken(Fault::Usage, &text));
                }
            },
        };
        let path = match &self.prefix {
            Some(prefix) => prefixed(prefix, &line),
            None => line,
        };
        let destination = destination
            .map(|typed| pair_destination(&typed))
            .transpose()
            .map_err(|failure| {
                let text = format!("{}: line {}: {}", self.name, self.line, failure.text);
                Failure::new(failure.fault, text)
            })?;
        Ok(Some(NamedSource { path, destination }))
    }

    /// Ends the list.
    fn broken(&mut self, fault: Fault, what: &str) -> Failure {
        self.ended = true;
        Failure::new(fault, format!("{}: {what}", self.name))
    }
}

impl<R: BufRead> Iterator for SourceList<R> {
    type Item = Outcome<NamedSource>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_source().transpose();
        self.ended |= next.is_none();
        next
    }
}

impl<R> std::fmt::Debug for SourceList<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceList")
            .field("name", &self.name)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

/// `path` in the folder `prefix`.
#[must_use]
pub fn prefixed(prefix: &[u8], path: &[u8]) -> Vec<u8> {
    let mut whole = prefix.to_vec();
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    if !whole.ends_with(b"/") {
        whole.push(b'/');
    }
    whole.extend_from_slice(path.get(slashes..).unwrap_or_default());
    whole
}

/// A destination of a pair, as a path below the destination of the session: also where it is written with a `/` in front.
fn pair_destination(typed: &[u8]) -> Outcome<Vec<u8>> {
    match relative(typed) {
        None => Err(Failure::new(
            Fault::OutsideDocroot,
            format!(
                "the destination '{}' must not have '..' in it",
                shown(typed)
            ),
        )),
        Some(path) if path.is_empty() => Err(Failure::new(
            Fault::Usage,
            format!("the destination '{}' names nothing", shown(typed)),
        )),
        Some(path) => Ok(path),
    }
}

/// `path` without empty components and `.`; `None` if it has a `..`.
pub(super) fn relative(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return None,
            name => parts.push(name),
        }
    }
    Some(parts.join(&b'/'))
}

/// If nothing of `sources` is there, nobody needs to be asked for it; `follows` links to what they lead to.
///
/// # Errors
///
/// Why the first of them is not there.
pub fn check(docroot: &Docroot, sources: &[Vec<u8>], follows: bool) -> Outcome<()> {
    let mut first = None;
    for source in sources {
        let outcome = if is_faux(source) {
            FauxSource::parse(source).map(drop)
        } else {
            let stat = if follows {
                docroot.stat(source)
            } else {
                docroot.stat_itself(source)
            };
            stat.map(drop).map_err(|error| read_failure(source, error))
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(failure) => {
                first.get_or_insert(failure);
            }
        }
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(bytes: &[u8], pairs: bool, prefix: Option<&str>) -> Vec<Result<NamedSource, String>> {
        let prefix = prefix.map(|prefix| prefix.as_bytes().to_vec());
        SourceList::new(bytes, "list.txt".to_owned(), pairs, prefix)
            .map(|source| source.map_err(|failure| failure.text))
            .collect()
    }

    fn paths(bytes: &[u8]) -> Vec<Vec<u8>> {
        list(bytes, false, None)
            .into_iter()
            .map(|source| source.unwrap().path)
            .collect()
    }

    #[test]
    fn every_way_to_end_a_line_is_taken() {
        let expected: [&[u8]; 3] = [b"a", b"b c", b"/d/"];
        assert_eq!(paths(b"a\nb c\n/d/"), expected);
        assert_eq!(paths(b"a\r\nb c\r\n/d/\r\n"), expected);
        assert_eq!(paths(b"\xEF\xBB\xBF\na\n\n\r\nb c\n/d/\n\n"), expected);
        assert_eq!(paths(b"\xEF\xBB\xBFa\nb c\n/d/"), expected);
        assert_eq!(paths(b""), [b""; 0]);
        assert_eq!(paths(b"\n\r\n\n"), [b""; 0]);
        assert_eq!(paths(b" a \n"), [b" a "], "blanks are part of a name");
        assert_eq!(paths(b"\xff\xfe\n"), [b"\xff\xfe"], "any bytes are a name");
        assert_eq!(paths(b"a\rb\n"), [b"a\rb"]);
    }

    #[test]
    fn the_lines_of_a_pair_list_alternate() {
        let pair = |path: &str, destination: &str| {
            Ok(NamedSource {
                path: path.as_bytes().to_vec(),
                destination: Some(destination.as_bytes().to_vec()),
            })
        };
        assert_eq!(
            list(b"a\nx/a\n\nb\r\n/y//./b/\r\n", true, None),
            [pair("a", "x/a"), pair("b", "y/b")]
        );
        assert_eq!(
            list(b"a\n../a\nb\n/\nc\nz", true, Some("/p")),
            [
                Err("list.txt: line 2: the destination '../a' must not have '..' in it".to_owned()),
                Err("list.txt: line 4: the destination '/' names nothing".to_owned()),
                pair("/p/c", "z")
            ]
        );
        assert_eq!(
            list(b"a\nx\nb\n", true, None),
            [
                pair("a", "x"),
                Err(
                    "list.txt: the source in line 3, 'b', has no destination in the line after it"
                        .to_owned()
                )
            ]
        );
    }

    #[test]
    fn a_line_without_end_is_not_read_into_memory() {
        let mut bytes = vec![b'x'; 3_000_000];
        let text = "list.txt: line 1 has more than 4096 bytes".to_owned();
        assert_eq!(list(&bytes, false, None), [Err(text)]);
        bytes.truncate(LONGEST_LINE);
        assert_eq!(paths(&bytes).len(), 1);
    }

    #[test]
    fn a_prefix_and_a_path_meet_at_one_slash() {
        for (prefix, path, whole) in [
            ("/a", "b", "/a/b"),
            ("/a/", "b", "/a/b"),
            ("/a/", "//b/", "/a/b/"),
            ("a", "/b", "a/b"),
            ("/", "b", "/b"),
        ] {
            assert_eq!(
                prefixed(prefix.as_bytes(), path.as_bytes()),
                whole.as_bytes()
            );
        }
    }

    #[test]
    fn one_source_that_is_there_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let docroot = Docroot::confined(folder.path()).unwrap();
        let examine = |sources: &[&str]| {
            let sources: Vec<_> = sources
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect();
            check(&docroot, &sources, true)
        };
        assert!(examine(&["gone", "faux:///f?1k"]).is_ok());
        assert!(examine(&["gone"]).unwrap_err().text.contains("gone"));
        assert!(examine(&["faux:///f?1q"]).unwrap_err().text.contains("1q"));
    }
}
