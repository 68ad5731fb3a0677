//! File trees from a seed, and how two trees differ.
//!
//! Names are bytes: blanks, newlines, bytes that are no UTF-8 and components of 255 bytes are
//! part of every awkward tree. Comparison reads every byte and names what differs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::random::SplitMix64;

/// Bytes made or compared at once.
const BLOCK: usize = 1 << 18;
/// Differences named before the rest is only counted.
const NAMED_DIFFERENCES: usize = 12;

/// What a random tree looks like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The same seed grows the same tree.
    pub seed: u64,
    /// Number of regular files.
    pub files: u32,
    /// Largest file, bytes.
    pub largest_bytes: u64,
    /// Whether names are awkward: blanks, newlines, control characters, no UTF-8, 255 bytes.
    pub awkward_names: bool,
}

/// What was grown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Grown {
    /// Regular files.
    pub files: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// What else must be equal besides names, kinds and contents.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strictness {
    /// Modification times of files, whole seconds.
    pub file_times: bool,
}

/// Grows a tree below `root`, which is created.
///
/// # Panics
///
/// When the disk refuses.
pub fn grow(root: &Path, plan: Plan) -> Grown {
    let mut random = SplitMix64::new(plan.seed);
    let mut folders = vec![root.to_path_buf()];
    make_folder(root);
    let mut grown = Grown::default();
    for index in 0..plan.files {
        if random.chance(120) {
            let parent = pick(&mut random, &folders);
            let folder = parent.join(name(&mut random, plan.awkward_names, "d", index));
            if folder.as_os_str().len() < root.as_os_str().len() + 1500 {
                make_folder(&folder);
                folders.push(folder);
            }
        }
        let folder = pick(&mut random, &folders);
        let file = folder.join(name(&mut random, plan.awkward_names, "f", index));
        let size = size(&mut random, plan.largest_bytes);
        write_file(&file, random.next_u64(), size);
        grown.files += 1;
        grown.bytes += size;
    }
    make_folder(&root.join("an empty folder"));
    grown
}

fn pick(random: &mut SplitMix64, folders: &[PathBuf]) -> PathBuf {
    let count = u64::try_from(folders.len()).expect("a small number");
    let index = usize::try_from(random.below(count)).expect("a small number");
    folders.get(index).expect("at least the root").clone()
}

/// Mostly small files, a few empty ones, a few as large as allowed.
fn size(random: &mut SplitMix64, largest: u64) -> u64 {
    match random.below(20) {
        0 => 0,
        1 => largest,
        2..=4 => random.below(largest + 1),
        5..=8 => random.below(largest.min(65_536) + 1),
        _ => random.below(largest.min(4_096) + 1),
    }
}

/// A name that no other index has, so that no two files collide.
fn name(random: &mut SplitMix64, awkward: bool, kind: &str, index: u32) -> OsString {
    let mut bytes = format!("{kind}{index}").into_bytes();
    if awkward {
        match random.below(9) {
            0 => bytes.extend_from_slice(b" with two  blanks "),
            1 => bytes.extend_from_slice(b"\nnew\nline"),
            2 => bytes.extend_from_slice(b"\xff\xfe\x80not utf-8"),
            3 => bytes.resize(255, b'x'),
            4 => bytes.extend_from_slice("-übergröße-日本語".as_bytes()),
            5 => bytes.extend_from_slice(b"%s\t\x1b[31m'\"\\$(x)`;&|*?"),
            6 => bytes.insert(0, b'-'),
            7 => bytes.insert(0, b'.'),
            _ => {}
        }
    }
    OsString::from_vec(bytes)
}

fn make_folder(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|error| panic!("cannot make {path:?}: {error}"));
}

/// Writes a file of `size_bytes` random bytes; parent folders are created.
///
/// # Panics
///
/// When the disk refuses.
pub fn write_file(path: &Path, seed: u64, size_bytes: u64) {
    if let Some(parent) = path.parent() {
        make_folder(parent);
    }
    fill(path, seed, size_bytes).unwrap_or_else(|error| panic!("cannot write {path:?}: {error}"));
}

fn fill(path: &Path, seed: u64, size_bytes: u64) -> io::Result<()> {
    let mut random = SplitMix64::new(seed);
    let mut file = File::create(path)?;
    let mut block = vec![0_u8; BLOCK];
    let mut left = size_bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        let part = block.get_mut(..count).expect("within the block");
        random.fill(part);
        file.write_all(part)?;
        left -= u64::try_from(count).expect("a small number");
    }
    Ok(())
}

/// Writes a file with holes: `size_bytes` long, 64 KiB of data at each of `data_at`.
///
/// # Panics
///
/// When the disk refuses.
pub fn write_sparse(path: &Path, size_bytes: u64, data_at: &[u64]) {
    use std::os::unix::fs::FileExt as _;
    let file = File::create(path).unwrap_or_else(|error| panic!("cannot make {path:?}: {error}"));
    file.set_len(size_bytes).expect("a file with holes");
    let mut block = vec![0_u8; 65_536];
    for &offset in data_at {
        SplitMix64::new(offset).fill(&mut block);
        file.write_all_at(&block, offset).expect("data in a hole");
    }
}

/// Fails unless both trees (or files) have the same names, kinds and contents.
///
/// # Panics
///
/// With the list of differences.
pub fn assert_same(expected: &Path, actual: &Path) {
    assert_same_with(expected, actual, Strictness::default());
}

/// As [`assert_same`], and also what `strictness` asks for.
///
/// # Panics
///
/// With the list of differences.
pub fn assert_same_with(expected: &Path, actual: &Path, strictness: Strictness) {
    let differences = differences(expected, actual, strictness);
    let named = differences
        .iter()
        .take(NAMED_DIFFERENCES)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n  ");
    assert!(
        differences.is_empty(),
        "{} differences between {} and {}:\n  {named}",
        differences.len(),
        expected.display(),
        actual.display()
    );
}

/// Everything that differs, one sentence each.
///
/// # Panics
///
/// When a folder or file cannot be read.
#[must_use]
pub fn differences(expected: &Path, actual: &Path, strictness: Strictness) -> Vec<String> {
    let wanted = list(expected);
    let found = list(actual);
    let mut differences = Vec::new();
    for name in wanted.keys().filter(|name| !found.contains_key(*name)) {
        differences.push(format!("missing: {}", shown(name)));
    }
    for (name, is_folder) in &found {
        let Some(should_be_folder) = wanted.get(name) else {
            differences.push(format!("not expected: {}", shown(name)));
            continue;
        };
        let (left, right) = (joined(expected, name), joined(actual, name));
        if is_folder != should_be_folder {
            differences.push(format!("another kind: {}", shown(name)));
        } else if !is_folder {
            differences.extend(
                file_difference(&left, &right, strictness)
                    .map(|text| format!("{text}: {}", shown(name))),
            );
        }
    }
    differences
}

fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

fn joined(root: &Path, name: &[u8]) -> PathBuf {
    if name.is_empty() {
        return root.to_path_buf();
    }
    root.join(std::ffi::OsStr::from_bytes(name))
}

/// Every name below `root` and whether it is a folder; a file is listed under the empty name.
fn list(root: &Path) -> BTreeMap<Vec<u8>, bool> {
    let mut names = BTreeMap::new();
    let metadata = fs::symlink_metadata(root)
        .unwrap_or_else(|error| panic!("cannot look at {root:?}: {error}"));
    if !metadata.is_dir() {
        names.insert(Vec::new(), false);
        return names;
    }
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder:?}: {e}"));
        for entry in entries {
            let entry = entry.unwrap_or_else(|error| panic!("{folder:?}: {error}"));
            let path = entry.path();
            let below = path.strip_prefix(root).expect("a path below the root");
            let is_folder = entry.file_type().expect("a kind of file").is_dir();
            names.insert(below.as_os_str().as_bytes().to_vec(), is_folder);
            if is_folder {
                open.push(path);
            }
        }
    }
    names
}

fn file_difference(left: &Path, right: &Path, strictness: Strictness) -> Option<String> {
    let (wanted, found) = (metadata(left), metadata(right));
    if wanted.len() != found.len() {
        return Some(format!("{} bytes, not {}", found.len(), wanted.len()));
    }
    if strictness.file_times && wanted.mtime() != found.mtime() {
        return Some(format!("mtime {}, not {}", found.mtime(), wanted.mtime()));
    }
    first_difference(left, right)
        .unwrap_or_else(|error| panic!("cannot compare {right:?}: {error}"))
        .map(|offset| format!("other bytes from offset {offset}"))
}

fn metadata(path: &Path) -> fs::Metadata {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("cannot look at {path:?}: {error}"))
}

fn first_difference(left: &Path, right: &Path) -> io::Result<Option<u64>> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    let (mut one, mut two) = (vec![0_u8; BLOCK], vec![0_u8; BLOCK]);
    let mut offset = 0_u64;
    loop {
        let count = left.read(&mut one)?;
        let (Some(a), Some(b)) = (one.get(..count), two.get_mut(..count)) else {
            return Ok(Some(offset));
        };
        if a.is_empty() {
            return Ok(None);
        }
        right.read_exact(b)?;
        if let Some(index) = a.iter().zip(b.iter()).position(|(a, b)| a != b) {
            return Ok(Some(offset + u64::try_from(index).unwrap_or(0)));
        }
        offset += u64::try_from(count).unwrap_or(0);
    }
}

/// Names directly in `folder`, sorted, as text with escapes.
///
/// # Panics
///
/// When the folder cannot be read.
#[must_use]
pub fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {folder:?}: {error}"))
        .map(|entry| shown(entry.expect("an entry").file_name().as_bytes()))
        .collect();
    names.sort();
    names
}

/// Every path below `folder`, sorted, relative, folders with a `/` at the end.
///
/// # Panics
///
/// When the folder cannot be read.
#[must_use]
pub fn paths_below(folder: &Path) -> Vec<String> {
    list(folder)
        .iter()
        .map(|(name, is_folder)| shown(name) + if *is_folder { "/" } else { "" })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        seed: 5,
        files: 60,
        largest_bytes: 3_000,
        awkward_names: true,
    };

    #[test]
    fn the_same_seed_grows_the_same_tree() {
        let world = tempfile::tempdir().unwrap();
        let (one, two) = (world.path().join("one"), world.path().join("two"));
        assert_eq!(grow(&one, PLAN), grow(&two, PLAN));
        assert_same(&one, &two);
    }

    #[test]
    fn one_changed_byte_is_found_and_named() {
        let world = tempfile::tempdir().unwrap();
        let (one, two) = (world.path().join("one"), world.path().join("two"));
        write_file(&one, 1, 700_000);
        write_file(&two, 1, 700_000);
        let mut bytes = fs::read(&two).unwrap();
        bytes[600_001] ^= 1;
        fs::write(&two, bytes).unwrap();
        let found = differences(&one, &two, Strictness::default());
        assert_eq!(found, ["other bytes from offset 600001: "]);
    }

    #[test]
    fn missing_and_surplus_names_are_both_reported() {
        let world = tempfile::tempdir().unwrap();
        let (one, two) = (world.path().join("one"), world.path().join("two"));
        write_file(&one.join("a"), 1, 1);
        write_file(&two.join("b"), 1, 1);
        let found = differences(&one, &two, Strictness::default());
        assert_eq!(found, ["missing: a", "not expected: b"]);
    }
}
