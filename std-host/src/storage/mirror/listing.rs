//! What a source folder holds, as its sender told: a bounded set of paths.

use fasp_core::destination::split_relative;
use fasp_core::fault::Fault;

use crate::failure::{Failure, Outcome};

/// Bytes of all paths together.
const MOST_BYTES: usize = 64 << 20;

/// What a path of the source is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listed {
    File,
    Folder,
}

/// Paths of one source folder, the folder itself first. A folder's path ends with `/`.
#[derive(Debug, Default)]
pub struct Listing {
    bytes: Vec<u8>,
    /// Where each path starts and ends, sorted by path when the listing is complete.
    spans: Vec<(u32, u32)>,
    root: Vec<u8>,
}

impl Listing {
    /// Adds a path as it came from the peer.
    ///
    /// # Errors
    ///
    /// [`Fault::Protocol`] for a path that no walk below one folder gives, [`Fault::FileTableOverflow`] for too many.
    pub fn add(&mut self, path: &[u8]) -> Outcome<()> {
        let plain = path.strip_suffix(b"/").unwrap_or(path);
        let is_below = plain
            .strip_prefix(self.root.as_slice())
            .is_some_and(|rest| rest.starts_with(b"/"));
        let fits = if self.root.is_empty() {
            plain.len() < path.len() && !plain.contains(&b'/')
        } else {
            is_below
        };
        if !fits || split_relative(plain).is_err() {
            let text = "the peer sent a list of names that cannot be";
            return Err(Failure::new(Fault::Protocol, text));
        }
        if self.bytes.len() + path.len() > MOST_BYTES {
            let text = "the source folder holds too many names to delete before the transfer";
            return Err(Failure::new(Fault::FileTableOverflow, text));
        }
        if self.root.is_empty() {
            self.root = plain.to_vec();
        }
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let start = place(self.bytes.len());
        self.bytes.extend_from_slice(path);
        self.spans.push((start, place(self.bytes.len())));
        Ok(())
    }

    /// No more paths come.
    pub fn complete(&mut self) {
        let bytes = &self.bytes;
        self.spans
            .sort_unstable_by(|a, b| plain(bytes, *a).cmp(plain(bytes, *b)));
    }

    /// The name of the source folder; empty if nothing came.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// What `path` is in the source.
    pub(super) fn find(&self, path: &[u8]) -> Option<Listed> {
        let found = self
            .spans
            .binary_search_by(|span| plain(&self.bytes, *span).cmp(path));
        let span = self.spans.get(found.ok()?)?;
        let whole = slice(&self.bytes, *span);
        Some(if whole.ends_with(b"/") {
            Listed::Folder
        } else {
            Listed::File
        })
    }
}

fn slice(bytes: &[u8], (start, end): (u32, u32)) -> &[u8] {
    let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(place(start)..place(end)).unwrap_or_default()
}

/// The path of a span without the mark of a folder.
fn plain(bytes: &[u8], span: (u32, u32)) -> &[u8] {
    let path = slice(bytes, span);
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_listed_is_found_and_nothing_else() {
        let mut listing = Listing::default();
        for path in ["d/", "d/b", "d/a/", "d/a/x", "d/a.c"] {
            listing.add(path.as_bytes()).unwrap();
        }
        listing.complete();
        assert_eq!(listing.root(), b"d");
        assert_eq!(listing.find(b"d"), Some(Listed::Folder));
        assert_eq!(listing.find(b"d/a"), Some(Listed::Folder));
        assert_eq!(listing.find(b"d/a.c"), Some(Listed::File));
        assert_eq!(listing.find(b"d/a/x"), Some(Listed::File));
        for path in ["d/a/", "a", "d/c", "d/a/x/y", ""] {
            assert_eq!(listing.find(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn names_that_no_walk_gives_are_refused() {
        let refused = |paths: &[&str]| {
            let mut listing = Listing::default();
            let outcomes: Vec<_> = paths
                .iter()
                .map(|path| listing.add(path.as_bytes()))
                .collect();
            assert!(outcomes.last().unwrap().is_err(), "{paths:?}");
        };
        refused(&["d"]);
        refused(&["d/e/"]);
        refused(&["/"]);
        refused(&["../"]);
        refused(&["d/", "e"]);
        refused(&["d/", "d/../e"]);
        refused(&["d/", "de/x"]);
        refused(&["d/", "d//x"]);
        refused(&["d/", ""]);
    }

    #[test]
    fn a_list_without_end_is_given_up() {
        let mut listing = Listing::default();
        listing.add(b"d/").unwrap();
        let name = [&b"d/"[..], &[b'x'; 250]].concat();
        let failure = (0..400_000).find_map(|_| listing.add(&name).err()).unwrap();
        assert_eq!(failure.fault, Fault::FileTableOverflow);
    }
}
