//! What becomes of a source that is sent encrypted: another name, another size, and a name for its present state.

use std::sync::Arc;

use super::SourceItem;
use crate::envelope::{SUFFIX, Seal, Sealer};

/// Puts `item`, a file, into an envelope of `sealer`.
///
/// No two states of a source that can be told apart have the same envelope: a key stream that is used for two
/// contents gives away how they differ. The time of the last change of any kind, which nobody can set, tells them
/// apart, and the reader refuses a file in which it has moved on.
pub(super) fn seal(item: &mut SourceItem, sealer: &Arc<Sealer>) {
    let mut identity = Vec::with_capacity(item.open_path.len() + 72);
    for number in [
        item.device,
        item.inode,
        item.file_size,
        item.start,
        item.size,
    ] {
        identity.extend_from_slice(&number.to_be_bytes());
    }
    for time in [item.modified_ns, item.changed_ns] {
        identity.extend_from_slice(&time.to_be_bytes());
    }
    identity.extend_from_slice(&item.open_path);
    let seal = Seal::new(Arc::clone(sealer), identity, item.size);
    item.path.extend_from_slice(SUFFIX);
    item.size = seal.size();
    item.seal = Some(Arc::new(seal));
}
