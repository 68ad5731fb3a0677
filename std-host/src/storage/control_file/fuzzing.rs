//! Any bytes as a slot of a control file, for fuzzing.

use super::{FIXED_BYTES, decode, encode};
use crate::storage::chunks::{Chunks, LEAST_LOG2};

/// Reads `bytes` as a slot about a source whose size they begin with; what is believed is written back as it was.
///
/// The checksum is made right first, or nothing behind it would ever be reached.
pub(crate) fn slot(bytes: &[u8]) {
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else {
        return;
    };
    let chunks = Chunks::of(u64::from_be_bytes(*size) >> 24, LEAST_LOG2);
    assert!(decode(rest, chunks).is_none(), "a checksum came by chance");
    if rest.len() < FIXED_BYTES {
        return;
    }
    let mut slot = rest.to_vec();
    slot.extend_from_slice(blake3::hash(rest).as_bytes());
    let Some((generation, notes)) = decode(&slot, chunks) else {
        return;
    };
    assert_eq!(encode(&notes, generation), slot);
}
