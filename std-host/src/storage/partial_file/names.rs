//! Names of the files that accompany a file while it is received.
//!
//! Source: `.aspx` is the public default suffix of control files; the others are our choice.

use std::hash::{BuildHasher, RandomState};

use aws_lc_rs::digest::{SHA256, digest};

const NAME_MAX: usize = 255;

const PART_SUFFIX: &[u8] = b".ascp-part";
const CONTROL_SUFFIX: &[u8] = b".aspx";

/// The name of a file that can be continued by a later session; `suffix` is the user's, if there is one.
pub(in super::super) fn part_name(name: &[u8], suffix: Option<&[u8]>) -> Vec<u8> {
    derived_name(b"", name, suffix.unwrap_or(PART_SUFFIX))
}

/// The name of the note beside it. With a suffix of the user's it says that suffix too: what has no note of ours may
/// be a file of the user's. `control_suffix` stands for `.aspx`.
pub(in super::super) fn control_name(
    name: &[u8],
    suffix: Option<&[u8]>,
    control_suffix: Option<&[u8]>,
) -> Vec<u8> {
    let control_suffix = control_suffix.unwrap_or(CONTROL_SUFFIX);
    let suffix = [suffix.unwrap_or_default(), control_suffix].concat();
    derived_name(b"", name, &suffix)
}

/// The name of the common file of the parts that several sessions receive; those of what lies beside it begin so.
pub(in super::super) fn parts_name(name: &[u8]) -> Vec<u8> {
    const LONGEST: &[u8] = b".128.aspx";
    let mut name = derived_name(b"", name, &[b".ascp-parts", LONGEST].concat());
    name.truncate(name.len() - LONGEST.len());
    name
}

/// As [`temporary_name`], with a suffix of the user's.
pub(super) fn temporary_name_with(name: &[u8], suffix: &[u8]) -> Vec<u8> {
    let random = RandomState::new().hash_one(name) & 0xFFFF_FFFF;
    let suffix = [format!(".{random:08x}").as_bytes(), suffix].concat();
    derived_name(b"", name, &suffix)
}

/// A name for a file that lives for one session.
pub(in super::super) fn temporary_name(name: &[u8]) -> Vec<u8> {
    // Each `RandomState` is seeded by the system's randomness and a count: enough to avoid a name
    // in use, and an existing one is never opened.
    let random = RandomState::new().hash_one(name);
    let suffix = format!(".{:08x}.ascp-part", random & 0xFFFF_FFFF);
    derived_name(b".", name, suffix.as_bytes())
}

/// `prefix name suffix`; a name too long for that is cut and carries its hash instead of its end.
fn derived_name(prefix: &[u8], name: &[u8], suffix: &[u8]) -> Vec<u8> {
    let room = NAME_MAX.saturating_sub(prefix.len() + suffix.len());
    if name.len() <= room {
        return [prefix, name, suffix].concat();
    }
    let hash: String = digest(&SHA256, name)
        .as_ref()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut keep = room.saturating_sub(hash.len() + 1);
    // Not within a character: some file systems take valid UTF-8 only.
    while keep > 0 && name.get(keep).is_some_and(|byte| byte & 0xC0 == 0x80) {
        keep -= 1;
    }
    let head = name.get(..keep).unwrap_or_default();
    [prefix, head, b"~", hash.as_bytes(), suffix].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_stays_its_own() {
        let one = [b'a'; 255];
        let mut two = one;
        two[254] = b'b';
        let derived = derived_name(b".", &one, b".ascp-part");
        assert!(derived.len() <= 255);
        assert!(derived.ends_with(b".ascp-part"));
        assert_ne!(derived, derived_name(b".", &two, b".ascp-part"));
        assert_eq!(derived, derived_name(b".", &one, b".ascp-part"));
        let umlauts = "ü".repeat(127);
        let derived = derived_name(b".", umlauts.as_bytes(), b".ascp-part");
        assert!(String::from_utf8(derived).is_ok());
    }

    #[test]
    fn what_lies_beside_a_file_in_parts_has_room_for_its_suffix() {
        assert_eq!(parts_name(b"x"), b"x.ascp-parts");
        let long = parts_name(&[b'a'; 255]);
        assert_eq!(long.len(), 246);
        assert!(long.ends_with(b".ascp-parts"));
    }

    #[test]
    fn a_temporary_name_is_hidden_and_differs_each_time() {
        let name = temporary_name(b"x");
        assert!(name.starts_with(b".x.") && name.ends_with(b".ascp-part"));
        assert_eq!(name.len(), ".x.".len() + 8 + ".ascp-part".len());
        assert_ne!(name, temporary_name(b"x"));
    }
}
