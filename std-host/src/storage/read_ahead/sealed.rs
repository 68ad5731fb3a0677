//! Reading what is sent of a source where that is its envelope.

use std::os::fd::OwnedFd;

use fasp_core::metadata::ByteRange;
use rustix::io::Errno;

use super::plan::BLOCK_BYTES;
use super::{Fill, SourceItem, shorter, unreadable};
use crate::envelope::Seal;
use crate::failure::Failure;

/// Fills `out` with bytes of the envelope of `item` from `offset` on; `file` is the source.
pub(in super::super) fn read(
    seal: &Seal,
    item: &SourceItem,
    file: &OwnedFd,
    offset: u64,
    out: &mut [u8],
) -> Result<(), Failure> {
    seal.read(offset, out, &mut |at, piece| {
        read_plain(item, file, item.start + at, piece)
    })
}

/// The hash of a range of the envelope.
pub(super) fn hash_of(
    seal: &Seal,
    item: &SourceItem,
    file: &OwnedFd,
    range: ByteRange,
) -> Result<[u8; 32], Failure> {
    hash_in_pieces(range, |at, piece| read(seal, item, file, at, piece))
}

/// Fills `out` with what is sent of a source that is made up.
pub(super) fn make(
    item: &SourceItem,
    fill: Fill,
    offset: u64,
    out: &mut [u8],
) -> Result<(), Failure> {
    match &item.seal {
        Some(seal) => seal.read(offset, out, &mut |at, piece| {
            fill.write(at, piece);
            Ok(())
        }),
        None => {
            fill.write(offset, out);
            Ok(())
        }
    }
}

/// The hash of a range of what `read` gives.
pub(super) fn hash_in_pieces(
    range: ByteRange,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), Failure>,
) -> Result<[u8; 32], Failure> {
    let mut hasher = blake3::Hasher::new();
    let mut at = range.start;
    let mut block = vec![0; usize::try_from(BLOCK_BYTES).unwrap_or(0)];
    while at < range.end {
        let rest = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let length = block.len().min(rest);
        let piece = block.get_mut(..length).unwrap_or_default();
        read(at, piece)?;
        hasher.update(piece);
        at += u64::try_from(length).unwrap_or(u64::MAX);
    }
    Ok(*hasher.finalize().as_bytes())
}

fn read_plain(
    item: &SourceItem,
    file: &OwnedFd,
    mut offset: u64,
    mut rest: &mut [u8],
) -> Result<(), Failure> {
    while !rest.is_empty() {
        match rustix::io::pread(file, &mut *rest, offset) {
            Ok(0) => return Err(shorter(item)),
            Ok(count) => {
                offset += u64::try_from(count).unwrap_or(0);
                rest = rest.get_mut(count..).unwrap_or_default();
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(unreadable(item, error)),
        }
    }
    Ok(())
}
