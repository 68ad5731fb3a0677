//! The sources on their way to the sender: walked, and described, on a thread of their own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver as Items, sync_channel};

use fasp_core::fault::Fault;

use crate::failure::{Failure, Outcome};
use crate::storage::docroot::Docroot;
use crate::storage::stored_attributes::{OwnedAttributes, SentAttributes};
use crate::storage::waker::Waker;
use crate::storage::walk::{SourceItem, SourceProblem, SourceWalk};

/// Items that the walk may be ahead.
const WALK_AHEAD: usize = 2_048;

/// An item with what is sent of it besides its record; `None` if it is not sent at all.
fn described(
    item: Result<SourceItem, SourceProblem>,
    docroot: &Arc<Docroot>,
    sent: SentAttributes,
) -> Option<Result<SourceItem, SourceProblem>> {
    let mut item = match item {
        Ok(item) if sent.any() => item,
        other => return Some(other),
    };
    match sent.read(docroot, &item) {
        Ok(attributes) => {
            let attributes = attributes?;
            let has_any = attributes != OwnedAttributes::default();
            item.attributes = has_any.then(|| Box::new(attributes));
            Some(Ok(item))
        }
        Err(problem) => Some(Err(problem)),
    }
}

/// Walks the sources on a thread of its own, so that a slow folder never delays a datagram.
pub(super) fn walk_ahead(
    docroot: Arc<Docroot>,
    sources: Vec<Vec<u8>>,
    sent: SentAttributes,
    waker: Waker,
) -> Outcome<Items<Result<SourceItem, SourceProblem>>> {
    let (sink, items) = sync_channel(WALK_AHEAD);
    let walk = move || {
        for item in SourceWalk::new(Arc::clone(&docroot), sources) {
            let Some(item) = described(item, &docroot, sent) else {
                continue;
            };
            if sink.send(item).is_err() {
                return;
            }
            waker.wake();
        }
        drop(sink);
        waker.wake();
    };
    std::thread::Builder::new()
        .name("source-walk".to_owned())
        .spawn(walk)
        .map_err(|error| {
            Failure::new(
                Fault::ThreadSpawn,
                format!("Unable to spawn thread: {error}"),
            )
        })?;
    Ok(items)
}
