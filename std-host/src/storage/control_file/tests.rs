//! Slots in turn, damage of every kind, and files that are not ours.

use std::fs;

use super::*;

fn notes(durable: &[u64]) -> Notes {
    Notes {
        chunks: Chunks::of(100_000, 12),
        modified_ns: -5,
        fingerprint: NO_FINGERPRINT,
        durable: durable
            .iter()
            .map(|index| (*index, [u8::try_from(*index).unwrap(); 32]))
            .collect(),
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    handle: OwnedFd,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let handle = OwnedFd::from(fs::File::open(folder.path()).unwrap());
        Self { folder, handle }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("f.aspx")
    }

    fn load(&self) -> Option<Notes> {
        let expected = notes(&[]);
        ControlFile::new(b"f.aspx".to_vec()).load(
            &self.handle,
            expected.chunks,
            expected.modified_ns,
            NO_FINGERPRINT,
        )
    }

    fn saved(&self, generations: &[&[u64]]) -> ControlFile {
        let mut control = ControlFile::new(b"f.aspx".to_vec());
        for durable in generations {
            control.save(&self.handle, &notes(durable)).unwrap();
        }
        control
    }
}

#[test]
fn a_slot_has_the_specified_bytes() {
    let bytes = encode(&notes(&[0, 9, 24]), 7);
    let mut expected = b"OFASPctl\0\0\0\x02".to_vec();
    expected.extend_from_slice(&7_u64.to_be_bytes());
    expected.extend_from_slice(&100_000_u64.to_be_bytes());
    expected.extend_from_slice(&(-5_i64).to_be_bytes());
    expected.extend_from_slice(&[0; 32]);
    expected.extend_from_slice(&[0, 0, 0, 12, 0, 0, 0, 25]);
    assert_eq!(expected.len(), FIXED_BYTES);
    expected.extend_from_slice(&[0x80, 0x40, 0, 0x80]);
    for index in [0, 9, 24] {
        expected.extend_from_slice(&[index; 32]);
    }
    let checksum = blake3::hash(&expected);
    expected.extend_from_slice(checksum.as_bytes());
    assert_eq!(bytes, expected);
    assert_eq!(
        decode(&bytes, notes(&[]).chunks),
        Some((7, notes(&[0, 9, 24])))
    );
}

#[test]
fn a_slot_that_is_damaged_anywhere_is_ignored() {
    let bytes = encode(&notes(&[1, 24]), 1);
    for length in 0..bytes.len() {
        assert_eq!(
            decode(&bytes[..length], notes(&[]).chunks),
            None,
            "{length} bytes"
        );
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert_eq!(decode(&flipped, notes(&[]).chunks), None, "byte {at}");
    }
}

#[test]
fn the_newest_slot_counts_and_the_older_one_stands_in_for_it() {
    let it = Fixture::new();
    it.saved(&[&[1], &[1, 2], &[1, 2, 3]]);
    assert_eq!(it.load(), Some(notes(&[1, 2, 3])));
    // Generation 3 is in the first slot.
    let mut bytes = fs::read(it.path()).unwrap();
    bytes[100] ^= 1;
    fs::write(it.path(), &bytes).unwrap();
    assert_eq!(it.load(), Some(notes(&[1, 2])));
    bytes[slot_bytes(notes(&[]).chunks) + 100] ^= 1;
    fs::write(it.path(), &bytes).unwrap();
    assert_eq!(it.load(), None);
}

#[test]
fn a_note_goes_on_from_the_slot_that_was_loaded() {
    let it = Fixture::new();
    it.saved(&[&[1], &[2]]);
    let mut control = ControlFile::new(b"f.aspx".to_vec());
    let expected = notes(&[]);
    let mut load = |chunks, modified_ns, fingerprint| {
        control.load(&it.handle, chunks, modified_ns, fingerprint)
    };
    assert_eq!(
        load(expected.chunks, -5, [1; 32]),
        None,
        "another fingerprint"
    );
    assert!(load(expected.chunks, -5, NO_FINGERPRINT).is_some());
    control.save(&it.handle, &notes(&[3])).unwrap();
    assert_eq!((control.generation, it.load()), (3, Some(notes(&[3]))));
    assert_eq!(
        control.load(&it.handle, expected.chunks, -6, NO_FINGERPRINT),
        None,
        "another time"
    );
    assert_eq!(
        control.load(&it.handle, Chunks::of(99_999, 12), -5, NO_FINGERPRINT),
        None,
        "another size"
    );
}

#[test]
fn what_is_not_ours_is_neither_believed_nor_replaced_nor_removed() {
    let mut newer = encode(&notes(&[1]), 1);
    newer[11] = 3;
    for foreign in [&b"a web page"[..], b"", b"OFASPctx", &newer] {
        let it = Fixture::new();
        fs::write(it.path(), foreign).unwrap();
        assert_eq!(
            ControlFile::owner(&it.handle, b"f.aspx"),
            Owner::SomebodyElse
        );
        assert_eq!(it.load(), None);
        let mut control = ControlFile::new(b"f.aspx".to_vec());
        assert_eq!(control.save(&it.handle, &notes(&[])), Err(Errno::EXIST));
        ControlFile::remove(&it.handle, b"f.aspx");
        assert_eq!(fs::read(it.path()).unwrap(), foreign);
        assert_eq!(fs::read_dir(it.folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_note_of_the_first_version_is_ours_and_not_believed() {
    let it = Fixture::new();
    fs::write(it.path(), b"OFASPctl\0\0\0\x01 and more").unwrap();
    assert_eq!(ControlFile::owner(&it.handle, b"f.aspx"), Owner::Us);
    assert_eq!(it.load(), None);
    it.saved(&[&[4]]);
    assert_eq!(it.load(), Some(notes(&[4])));
}

#[test]
fn a_note_that_was_replaced_meanwhile_is_not_written_to() {
    let it = Fixture::new();
    let mut control = it.saved(&[&[1]]);
    let copy = fs::read(it.path()).unwrap();
    fs::write(it.folder.path().join("other"), &copy).unwrap();
    fs::rename(it.folder.path().join("other"), it.path()).unwrap();
    assert_eq!(control.save(&it.handle, &notes(&[1, 2])), Err(Errno::STALE));
    assert_eq!(fs::read(it.path()).unwrap(), copy);
}
