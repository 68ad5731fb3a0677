//! Files that are made up, to test a path without a disk: `faux:///name?size` and `faux:///folder?count=..`.
//!
//! Only their bytes and names are made here; they are sent like any others. As a destination `faux://` takes everything
//! and keeps nothing.
//!
//! Source: the public description of these paths. Where it is silent: the default name is `file`, the default size 0,
//! and `buf_init=none` sends zeros, since memory that nobody filled is nobody's to send.

use fasp_core::fault::Fault;
use fasp_core::metadata::ObjectKind;
use fasp_core::metadata::record::SIZE_LIMIT;

use super::disk_fault::shown;
use super::walk::SourceItem;
use crate::failure::{Failure, Outcome};

/// What every such path begins with.
const SCHEME: &[u8] = b"faux://";
/// More files than this are a mistyped number.
const MOST_FILES: u64 = 10_000_000;
/// Bytes of the longest name of a file, behind which there is room for number and size.
const MOST_NAME: usize = 200;

/// The bytes of a file that is made up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fill {
    /// Zeros.
    Zeros,
    /// Bytes that look random and are the same each time.
    Random(u64),
}

impl Fill {
    /// Writes the bytes from `offset` into `buffer`.
    pub(super) fn write(self, offset: u64, buffer: &mut [u8]) {
        let Self::Random(seed) = self else {
            return buffer.fill(0);
        };
        let (mut at, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let word = mixed(seed ^ (at / 8)).to_be_bytes();
            let within = usize::try_from(at % 8).unwrap_or(0);
            let piece = word.get(within..).unwrap_or_default();
            let length = piece.len().min(rest.len());
            let Some((now, later)) = rest.split_at_mut_checked(length) else {
                return;
            };
            now.copy_from_slice(piece.get(..length).unwrap_or_default());
            at += u64::try_from(length).unwrap_or(0);
            rest = later;
        }
    }
}

/// Scrambles a number: the finalizer of SplitMix64.
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// Whether `path` is made up.
#[must_use]
pub fn is_faux(path: &[u8]) -> bool {
    let start = path.get(..SCHEME.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// The sizes of the files of a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sizes {
    /// Each `step` larger than the one before.
    Sequential,
    /// Up to `step` smaller or larger.
    Random,
}

/// A source that is made up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FauxSource {
    /// Of the file, or of the folder.
    name: Vec<u8>,
    /// Files in the folder; `None` is a single file.
    count: Option<u64>,
    base: Vec<u8>,
    size: u64,
    step: u64,
    sizes: Sizes,
    random_bytes: bool,
    /// Items given so far.
    given: u64,
}

impl FauxSource {
    /// Reads a path.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] with a sentence that names what is wrong in it.
    pub fn parse(path: &[u8]) -> Outcome<Self> {
        let wrong = |what: &str| {
            let text = format!(
                "'{}': {what}; write faux:///name?1G or faux:///folder?count=9&size=1M",
                shown(path)
            );
            Failure::new(Fault::Usage, text)
        };
        let rest = path.get(SCHEME.len()..).unwrap_or_default();
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let question = rest.iter().position(|byte| *byte == b'?');
        let (name, query) = rest.split_at(question.unwrap_or(rest.len()));
        if !is_name(name) {
            return Err(wrong("that is no name of a file"));
        }
        let mut source = Self {
            name: name.to_vec(),
            count: None,
            base: b"file".to_vec(),
            size: 0,
            step: 0,
            sizes: Sizes::Sequential,
            random_bytes: false,
            given: 0,
        };
        let query = std::str::from_utf8(query.get(1..).unwrap_or_default());
        let query = query.map_err(|_| wrong("what follows '?' is no text"))?;
        for field in query.split('&').filter(|field| !field.is_empty()) {
            source.take_field(field).map_err(|what| wrong(&what))?;
        }
        let largest = u128::from(source.step) * u128::from(source.count.unwrap_or(1));
        if u128::from(source.size) + largest >= u128::from(SIZE_LIMIT) {
            return Err(wrong("files of this size cannot be sent"));
        }
        Ok(source)
    }

    fn take_field(&mut self, field: &str) -> Result<(), String> {
        let no_number = || format!("'{field}' has no number");
        let Some((key, value)) = field.split_once('=') else {
            self.size = bytes(field).ok_or_else(no_number)?;
            return Ok(());
        };
        match (key, value) {
            ("count", _) => {
                let count = value.parse().ok().filter(|count| *count <= MOST_FILES);
                self.count = Some(count.ok_or_else(no_number)?);
            }
            ("file", _) if is_name(value.as_bytes()) => self.base = value.as_bytes().to_vec(),
            ("size", _) => self.size = bytes(value).ok_or_else(no_number)?,
            ("inc", _) => self.step = bytes(value).ok_or_else(no_number)?,
            ("seq", "sequential") => self.sizes = Sizes::Sequential,
            ("seq", "random") => self.sizes = Sizes::Random,
            ("buf_init", "none" | "zero") => self.random_bytes = false,
            ("buf_init", "random") => self.random_bytes = true,
            _ => return Err(format!("'{field}' means nothing")),
        }
        Ok(())
    }

    fn file(&self, path: Vec<u8>, size: u64, number: u64) -> SourceItem {
        SourceItem {
            open_path: path.clone(),
            path,
            kind: ObjectKind::File,
            size,
            modified_ns: 0,
            accessed_ns: 0,
            mode: 0o644,
            inode: 0,
            device: 0,
            changed_ns: 0,
            uid: 0,
            gid: 0,
            attributes: None,
            start: 0,
            file_size: size,
            link: None,
            splits: false,
            seal: None,
            made: Some(if self.random_bytes {
                Fill::Random(mixed(number))
            } else {
                Fill::Zeros
            }),
        }
    }

    fn size_of(&self, number: u64) -> u64 {
        match self.sizes {
            Sizes::Sequential => self.size + number * self.step,
            Sizes::Random => {
                let span = 2 * self.step + 1;
                (self.size + mixed(number) % span).saturating_sub(self.step)
            }
        }
    }
}

impl Iterator for FauxSource {
    type Item = SourceItem;

    fn next(&mut self) -> Option<SourceItem> {
        let given = self.given;
        self.given += 1;
        let Some(count) = self.count else {
            return (given == 0).then(|| self.file(self.name.clone(), self.size, 0));
        };
        if given == 0 {
            return Some(SourceItem {
                kind: ObjectKind::Directory,
                mode: 0o755,
                ..self.file(self.name.clone(), 0, 0)
            });
        }
        let number = given - 1;
        if number >= count {
            return None;
        }
        let size = self.size_of(number);
        let end = format!("_{number:05}_{size}");
        let path = [&self.name, b"/".as_slice(), &self.base, end.as_bytes()].concat();
        Some(self.file(path, size, number))
    }
}

fn is_name(name: &[u8]) -> bool {
    let odd = name == b"." || name == b".." || name.len() > MOST_NAME;
    !name.is_empty() && !odd && !name.contains(&b'/') && !name.contains(&0)
}

/// Bytes with a suffix k, m, g, t, p or e for powers of 1024.
fn bytes(text: &str) -> Option<u64> {
    let (number, power) = match text.bytes().last()?.to_ascii_lowercase() {
        letter @ (b'k' | b'm' | b'g' | b't' | b'p' | b'e') => {
            let letters = b"kmgtpe";
            let power = letters.iter().position(|known| *known == letter)? + 1;
            (text.get(..text.len() - 1)?, u32::try_from(power).ok()?)
        }
        _ => (text, 0),
    };
    let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let number = number.parse::<u64>().ok().filter(|_| digits)?;
    number.checked_mul(1024_u64.checked_pow(power)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(path: &str) -> Vec<(String, u64)> {
        let source = FauxSource::parse(path.as_bytes()).unwrap();
        source
            .map(|item| (String::from_utf8(item.path).unwrap(), item.size))
            .collect()
    }

    #[test]
    fn a_file_has_its_name_and_size() {
        for (path, name, size) in [
            ("faux:///f?1k", "f", 1_024),
            ("FAUX:///f%20x?8T", "f%20x", 8 << 40),
            ("faux:///f", "f", 0),
            ("faux:///f?10", "f", 10),
            ("faux:///f?size=2m&buf_init=random", "f", 2 << 20),
        ] {
            assert!(is_faux(path.as_bytes()));
            assert_eq!(items(path), [(name.to_owned(), size)], "{path}");
        }
        assert!(!is_faux(b"faux:/f") && !is_faux(b"./faux:///f"));
    }

    #[test]
    fn a_folder_has_numbered_files_of_growing_or_scattered_sizes() {
        assert_eq!(
            items("faux:///d?count=3&file=x&size=10&inc=5"),
            [
                ("d".to_owned(), 0),
                ("d/x_00000_10".to_owned(), 10),
                ("d/x_00001_15".to_owned(), 15),
                ("d/x_00002_20".to_owned(), 20),
            ]
        );
        let scattered = items("faux:///d?count=500&size=100&inc=50&seq=random");
        let sizes: Vec<u64> = scattered.iter().skip(1).map(|(_, size)| *size).collect();
        assert!(sizes.iter().all(|size| (50..=150).contains(size)));
        assert!(sizes.iter().min() < Some(&60) && sizes.iter().max() > Some(&140));
        assert_eq!(items("faux:///d?count=0").len(), 1);
    }

    #[test]
    fn what_means_nothing_is_named() {
        for (path, part) in [
            ("faux://", "no name"),
            ("faux:///a/b?1k", "no name"),
            ("faux:///..?1k", "no name"),
            ("faux:///f?1x", "'1x' has no number"),
            ("faux:///f?-1", "'-1' has no number"),
            ("faux:///f?8e", "cannot be sent"),
            ("faux:///f?9999999999999999999e", "has no number"),
            ("faux:///d?count=99999999999", "has no number"),
            ("faux:///d?count=2&seq=up", "'seq=up' means nothing"),
            ("faux:///d?colour=2", "'colour=2' means nothing"),
            ("faux:///d?count=10000000&size=1&inc=1p", "cannot be sent"),
        ] {
            let failure = FauxSource::parse(path.as_bytes()).unwrap_err();
            assert_eq!(failure.fault, Fault::Usage);
            assert!(failure.text.contains(part), "{path}: {}", failure.text);
        }
    }

    #[test]
    fn random_bytes_are_the_same_however_they_are_read() {
        let fill = Fill::Random(7);
        let mut whole = vec![0; 1_000];
        fill.write(0, &mut whole);
        for (offset, length) in [(0, 1), (3, 17), (8, 8), (501, 499)] {
            let mut piece = vec![0; length];
            fill.write(offset, &mut piece);
            let start = usize::try_from(offset).unwrap();
            assert_eq!(piece, whole[start..start + length], "{offset} {length}");
        }
        let kinds: std::collections::BTreeSet<u8> = whole.iter().copied().collect();
        assert!(kinds.len() > 200, "{} different bytes", kinds.len());
        Fill::Zeros.write(5, &mut whole);
        assert!(whole.iter().all(|byte| *byte == 0));
    }
}
