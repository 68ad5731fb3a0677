//! The disk as every storage must be: names in order, room known at once, partials that outlive a power cut.

extern crate std;

use std::prelude::v1::*;

use super::*;

type Disk<'m> = RamDisk<'m, 16, 8>;

const BYTES: usize = 64 * 16;

fn put(disk: &mut Disk<'_>, path: &[u8], bytes: &[u8]) -> Result<(), StorageError> {
    let mut partial = disk.create(path, bytes.len() as u64)?;
    for (index, piece) in bytes.chunks(50).enumerate() {
        disk.write_at(&mut partial, (index * 50) as u64, piece)?;
    }
    disk.commit(partial, 7)
}

#[test]
fn what_was_written_reads_back_across_blocks() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    let mut bytes = [0; 300];
    for (byte, value) in bytes.iter_mut().zip((0..=u8::MAX).cycle()) {
        *byte = value;
    }
    put(&mut disk, b"a", &bytes).unwrap();
    let (mut file, entry) = disk.open(b"a").unwrap();
    assert_eq!((entry.size, entry.modified_ns), (300, 7));
    let mut read = [0; 200];
    disk.read_at(&mut file, 60, &mut read).unwrap();
    assert_eq!(read, bytes[60..260]);
}

#[test]
fn a_file_that_does_not_fit_is_refused_before_its_first_byte() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    assert_eq!(disk.create(b"a", 64 * 16 + 1), Err(StorageError::TooLarge));
    put(&mut disk, b"a", &[1; 64 * 10]).unwrap();
    assert_eq!(disk.create(b"b", 64 * 7), Err(StorageError::Full));
    assert_eq!(disk.free_bytes(), 64 * 6);
    disk.remove(b"a").unwrap();
    assert!(disk.create(b"b", 64 * 16).is_ok());
}

#[test]
fn a_full_table_of_entries_is_full() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    for name in 0..8 {
        put(&mut disk, &[b'a' + name], b"").unwrap();
    }
    assert_eq!(put(&mut disk, b"z", b""), Err(StorageError::Full));
}

#[test]
fn a_replaced_file_is_no_longer_readable_by_its_old_handle() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    put(&mut disk, b"a", b"old").unwrap();
    let (mut file, _) = disk.open(b"a").unwrap();
    let mut partial = disk.create(b"a", 3).unwrap();
    disk.write_at(&mut partial, 0, b"new").unwrap();
    let mut read = [0; 3];
    disk.read_at(&mut file, 0, &mut read).unwrap();
    assert_eq!(&read, b"old", "until the new one has the name");
    disk.commit(partial, 0).unwrap();
    assert_eq!(
        disk.read_at(&mut file, 0, &mut read),
        Err(StorageError::NotFound)
    );
}

#[test]
fn names_come_in_order_and_partials_do_not_come() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    disk.make_folder(b"d").unwrap();
    for path in [&b"d/b"[..], b"d/a", b"c", b"dd"] {
        put(&mut disk, path, b"x").unwrap();
    }
    disk.create(b"d/partial", 1).unwrap();
    let mut name = [0; LONGEST_PATH];
    let mut list = |folder: &[u8], after: &[u8]| {
        let found = disk.list(folder, after, &mut name).unwrap();
        found.map(|(length, entry)| (name[..length].to_vec(), entry.is_folder))
    };
    assert_eq!(list(b"", b""), Some((b"c".to_vec(), false)));
    assert_eq!(list(b"", b"c"), Some((b"d".to_vec(), true)));
    assert_eq!(list(b"", b"d"), Some((b"dd".to_vec(), false)));
    assert_eq!(list(b"", b"dd"), None);
    assert_eq!(list(b"d", b""), Some((b"a".to_vec(), false)));
    assert_eq!(list(b"d", b"a"), Some((b"b".to_vec(), false)));
    assert_eq!(list(b"d", b"b"), None);
}

#[test]
fn only_a_synced_partial_outlives_a_power_cut() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    let mut kept = disk.create(b"kept", 100).unwrap();
    disk.write_at(&mut kept, 0, &[5; 60]).unwrap();
    disk.sync(&mut kept, b"first").unwrap();
    disk.sync(&mut kept, b"second").unwrap();
    disk.create(b"lost", 100).unwrap();
    disk.cut_power();
    let mut note = [0; LONGEST_NOTE];
    assert_eq!(disk.resume(b"lost", &mut note), Err(StorageError::NotFound));
    let (partial, length) = disk.resume(b"kept", &mut note).unwrap();
    assert_eq!(&note[..length], b"second");
    disk.abandon(partial, true);
    let (partial, _) = disk.resume(b"kept", &mut note).unwrap();
    disk.abandon(partial, false);
    assert_eq!(disk.resume(b"kept", &mut note), Err(StorageError::NotFound));
    assert_eq!(disk.free_bytes(), 64 * 16);
}

#[test]
fn a_folder_that_holds_something_stays() {
    let mut memory = [0; BYTES];
    let mut disk = Disk::new(&mut memory);
    disk.make_folder(b"d").unwrap();
    put(&mut disk, b"d/a", b"x").unwrap();
    assert_eq!(disk.remove(b"d"), Err(StorageError::Refused));
    disk.remove(b"d/a").unwrap();
    disk.remove(b"d").unwrap();
    assert_eq!(disk.remove(b"d"), Err(StorageError::NotFound));
}
