//! Files in flash: what was written is read, names change in one step, and a cut at any byte leaves the old or the
//! new state.

extern crate std;

use std::vec;
use std::vec::Vec as StdVec;

use super::*;
use crate::flash::power_cut::PowerCut;
use crate::flash::prepare;

const SIZE: usize = 61 * SECTOR as usize;
type Files = FileSystem<PowerCut, 8>;

fn blank() -> Files {
    let mut flash = PowerCut::new(SIZE);
    prepare(&mut flash).unwrap();
    Files::mount(flash).unwrap()
}

fn again(files: Files) -> Files {
    let mut flash = files.unmount();
    flash.left = u64::MAX;
    Files::mount(flash).unwrap()
}

fn low(number: usize) -> u8 {
    number.to_le_bytes()[0]
}

fn content(seed: u8, size: usize) -> StdVec<u8> {
    (0..size)
        .map(|index| low(index).wrapping_mul(31).wrapping_add(seed) ^ low(index >> 8))
        .collect()
}

fn write(files: &mut Files, path: &[u8], bytes: &[u8]) -> Result<(), StorageError> {
    let mut partial = files.create(path, bytes.len() as u64)?;
    // Out of order, in pieces that cross sectors.
    let mut pieces: StdVec<(usize, &[u8])> = bytes
        .chunks(1400)
        .scan(0, |at, piece| {
            let start = *at;
            *at += piece.len();
            Some((start, piece))
        })
        .collect();
    pieces.reverse();
    for (at, piece) in pieces {
        files.write_at(&mut partial, at as u64, piece)?;
    }
    files.commit(partial, 77)
}

fn read(files: &mut Files, path: &[u8]) -> Result<StdVec<u8>, StorageError> {
    let (mut file, entry) = files.open(path)?;
    let mut bytes = vec![0; usize::try_from(entry.size).unwrap()];
    for (index, piece) in bytes.chunks_mut(999).enumerate() {
        files.read_at(&mut file, index as u64 * 999, piece)?;
    }
    files.close(file);
    Ok(bytes)
}

fn names(files: &mut Files, folder: &[u8]) -> StdVec<StdVec<u8>> {
    let mut found: StdVec<StdVec<u8>> = vec![];
    let mut name = [0; LONGEST_PATH];
    loop {
        let after = found.last().cloned().unwrap_or_default();
        let Some((length, _)) = files.list(folder, &after, &mut name).unwrap() else {
            return found;
        };
        found.push(name[..length].to_vec());
    }
}

#[test]
fn files_come_back_after_a_start_with_names_sizes_and_times() {
    let mut files = blank();
    let all_free = files.free_bytes();
    files.make_folder(b"logs").unwrap();
    for (path, size) in [(&b"a"[..], 0), (b"logs/b", 1), (b"z", 20_000)] {
        write(&mut files, path, &content(1, size)).unwrap();
    }
    let mut files = again(files);
    assert_eq!(names(&mut files, b""), [&b"a"[..], b"logs", b"z"]);
    assert_eq!(names(&mut files, b"logs"), [b"b"]);
    assert_eq!(read(&mut files, b"z").unwrap(), content(1, 20_000));
    assert_eq!(read(&mut files, b"logs/b").unwrap(), content(1, 1));
    let entry = files.stat(b"a").unwrap();
    assert_eq!(
        (entry.size, entry.modified_ns, entry.is_folder),
        (0, 77, false)
    );
    assert_eq!(files.remove(b"logs"), Err(StorageError::Refused));
    for path in [&b"logs/b"[..], b"logs", b"a", b"z"] {
        files.remove(path).unwrap();
    }
    assert_eq!(files.free_bytes(), all_free);
    assert_eq!(names(&mut again(files), b""), StdVec::<StdVec<u8>>::new());
}

#[test]
fn what_does_not_fit_is_refused_and_room_comes_back() {
    let mut files = blank();
    let capacity = files.capacity();
    assert_eq!(
        files.create(b"f", capacity + 1),
        Err(StorageError::TooLarge)
    );
    assert_eq!(files.create(b"f", u64::MAX), Err(StorageError::TooLarge));
    let first = files.create(b"f", capacity - 1).unwrap();
    assert_eq!(files.create(b"g", 1), Err(StorageError::Full));
    files.abandon(first, false);
    for number in 0..8_u8 {
        write(&mut files, &[b'f', b'0' + number], &[number]).unwrap();
    }
    assert_eq!(files.create(b"ninth", 1), Err(StorageError::Full));
    files.remove(b"f3").unwrap();
    write(&mut files, b"ninth", &[9]).unwrap();
}

#[test]
fn a_file_may_lie_scattered_and_one_that_was_replaced_is_no_longer_read() {
    let mut files = blank();
    let pieces = usize::try_from(files.capacity()).unwrap() / SECTOR as usize;
    let each = SECTOR as usize * (pieces / 5);
    for name in [b"0", b"1", b"2", b"3"] {
        write(&mut files, name, &content(name[0], each)).unwrap();
    }
    files.remove(b"0").unwrap();
    files.remove(b"2").unwrap();
    let big = content(9, each * 3);
    write(&mut files, b"big", &big).unwrap();
    assert_eq!(read(&mut again(files), b"big").unwrap(), big);
    let mut files = blank();
    write(&mut files, b"f", &content(1, 5000)).unwrap();
    let (mut old, _) = files.open(b"f").unwrap();
    write(&mut files, b"f", &content(2, 6000)).unwrap();
    assert_eq!(
        files.read_at(&mut old, 0, &mut [0; 10]),
        Err(StorageError::NotFound)
    );
    assert_eq!(read(&mut files, b"f").unwrap(), content(2, 6000));
}

#[test]
fn nothing_is_read_or_written_outside_a_file() {
    let mut files = blank();
    let mut partial = files.create(b"f", 100).unwrap();
    for (offset, length) in [(100, 1), (99, 2), (u64::MAX, 1), (u64::from(u32::MAX), 9)] {
        let bytes = vec![0; length];
        assert_eq!(
            files.write_at(&mut partial, offset, &bytes),
            Err(StorageError::Refused)
        );
    }
    files.write_at(&mut partial, 0, &[7; 100]).unwrap();
    files.commit(partial, 0).unwrap();
    let (mut file, _) = files.open(b"f").unwrap();
    assert_eq!(
        files.read_at(&mut file, 50, &mut [0; 51]),
        Err(StorageError::Refused)
    );
    assert_eq!(
        files.create(&[b'x'; LONGEST_PATH + 1], 1),
        Err(StorageError::Refused)
    );
}

#[test]
fn a_partial_goes_on_after_a_start_and_rewound_blocks_take_other_bytes() {
    let mut files = blank();
    let mut partial = files.create(b"f", 10_000).unwrap();
    files.write_at(&mut partial, 0, &content(1, 4096)).unwrap();
    files.sync(&mut partial, b"first").unwrap();
    files
        .write_at(&mut partial, 4096, &content(5, 2000))
        .unwrap();
    let mut files = again(files);
    assert_eq!(names(&mut files, b""), StdVec::<StdVec<u8>>::new());
    let mut note = [0; LONGEST_NOTE];
    let (mut partial, length) = files.resume(b"f", &mut note).unwrap();
    assert_eq!(&note[..length], b"first");
    files.rewind(&mut partial, 4096, 10_000).unwrap();
    files
        .write_at(&mut partial, 4096, &content(2, 5904))
        .unwrap();
    files.commit(partial, 1).unwrap();
    let mut expected = content(1, 4096);
    expected.extend(content(2, 5904));
    assert_eq!(read(&mut files, b"f").unwrap(), expected);
    assert_eq!(files.resume(b"f", &mut note), Err(StorageError::NotFound));
}

#[test]
fn bytes_that_flash_does_not_take_are_told() {
    let mut files = blank();
    let mut partial = files.create(b"f", 100).unwrap();
    files.write_at(&mut partial, 0, &[0x0F; 50]).unwrap();
    assert_eq!(
        files.write_at(&mut partial, 0, &[0xF0; 50]),
        Err(StorageError::Damaged)
    );
}

/// What an upload does, with a resume in the middle: replaces `f`, keeps `g`.
fn upload(files: &mut Files, old: &[u8], new: &[u8]) -> Result<(), StorageError> {
    let _ = old;
    let mut partial = files.create(b"f", new.len() as u64)?;
    files.write_at(&mut partial, 0, &new[..4096])?;
    files.sync(&mut partial, b"one")?;
    files.write_at(&mut partial, 4096, &new[4096..8192])?;
    files.sync(&mut partial, b"two")?;
    files.write_at(&mut partial, 8192, &new[8192..])?;
    files.commit(partial, 5)
}

/// What must be true after a cut; gives whether the new file is there.
fn inspect(files: &mut Files, old: &[u8], new: &[u8], told_done: bool) -> bool {
    assert_eq!(read(files, b"g").unwrap(), content(3, 3000));
    let now = read(files, b"f").unwrap();
    let is_new = now == new;
    assert!(is_new || now == old, "the old or the new file, whole");
    assert!(is_new || !told_done, "what was said to be done is done");
    let mut note = [0; LONGEST_NOTE];
    if let Ok((mut partial, length)) = files.resume(b"f", &mut note) {
        let durable = match &note[..length] {
            b"one" => 4096,
            b"two" => 8192,
            other => panic!("a note that nobody wrote: {other:?}"),
        };
        let mut bytes = vec![0; durable];
        files.read_at(&mut partial, 0, &mut bytes).unwrap();
        assert_eq!(bytes, new[..durable], "the note's bytes are there");
        let rest = durable as u64;
        files.rewind(&mut partial, rest, new.len() as u64).unwrap();
        files.write_at(&mut partial, rest, &new[durable..]).unwrap();
        files.commit(partial, 6).unwrap();
        assert_eq!(read(files, b"f").unwrap(), new);
    }
    is_new
}

#[test]
fn a_cut_at_any_byte_of_an_upload_leaves_the_old_file_or_the_new_one() {
    let (old, new) = (content(1, 7000), content(2, 9000));
    let mut files = blank();
    write(&mut files, b"g", &content(3, 3000)).unwrap();
    write(&mut files, b"f", &old).unwrap();
    let before = files.unmount();
    let mut whole = before.clone();
    whole.left = u64::MAX / 2;
    let mut files = Files::mount(whole).unwrap();
    upload(&mut files, &old, &new).unwrap();
    let steps = u64::MAX / 2 - files.unmount().left;
    let (mut kept, mut replaced) = (0, 0);
    // Every cut within records, and a sample of those within the bytes of the file.
    for left in (1..steps).filter(|left| left % 7 == 0 || *left < 600 || steps - left < 700) {
        let mut flash = before.clone();
        (flash.left, flash.torn) = (left, u64::to_le_bytes(left * 37)[0]);
        let Ok(mut files) = Files::mount(flash.clone()) else {
            panic!("mounting writes nothing here");
        };
        let done = upload(&mut files, &old, &new).is_ok();
        assert!(!done, "cut at {left} of {steps}");
        let mut files = again(files);
        match inspect(&mut files, &old, &new, done) {
            true => replaced += 1,
            false => kept += 1,
        }
        let mut files = again(files);
        inspect(&mut files, &old, &new, done);
        write(&mut files, b"f", &old).unwrap();
        assert_eq!(read(&mut files, b"f").unwrap(), old);
    }
    assert!(kept > 500 && replaced > 10, "{kept} {replaced}");
}

#[test]
fn hundreds_of_files_come_and_go_with_cuts_in_between() {
    let mut random = 1_u64;
    let mut next = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % bound
    };
    let mut files = blank();
    let mut known: [StdVec<u8>; 3] = [vec![], vec![], vec![]];
    for round in 0..400_u64 {
        let which = usize::try_from(next(3)).unwrap();
        let path = [b'a' + low(which)];
        let new = content(
            round.to_le_bytes()[0],
            usize::try_from(next(15_000)).unwrap(),
        );
        let mut flash = files.unmount();
        flash.left = next(40_000);
        flash.torn = next(256).to_le_bytes()[0];
        let Ok(mounted) = Files::mount(flash.clone()) else {
            files = again_from(flash);
            continue;
        };
        files = mounted;
        let done = write(&mut files, &path, &new).is_ok();
        files = again(files);
        for (index, old) in known.iter_mut().enumerate() {
            let now = read(&mut files, &[b'a' + low(index)]).unwrap_or_default();
            let replaced = index == which && now == new;
            assert!(now == *old || replaced, "round {round}, file {index}");
            assert!(replaced || !done || index != which, "round {round}");
            *old = now;
        }
    }
}

fn again_from(mut flash: PowerCut) -> Files {
    flash.left = u64::MAX;
    Files::mount(flash).unwrap()
}
