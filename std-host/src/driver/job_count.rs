//! How much there is to send, counted beside the transfer: never a reason to wait with the first byte.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use fasp_core::control::JobSize;
use fasp_core::metadata::ObjectKind;

use crate::storage::docroot::Docroot;
use crate::storage::selection::Choice;
use crate::storage::source_list::SourceNames;
use crate::storage::waker::Waker;
use crate::storage::walk::SourceWalk;

/// A count under way.
#[derive(Debug)]
pub(super) struct JobCount(Receiver<JobSize>);

impl JobCount {
    /// Counts on a thread of its own; without one there is no count, and the transfer goes on.
    pub(super) fn start(
        docroot: Arc<Docroot>,
        sources: Vec<Vec<u8>>,
        choice: Choice,
        waker: Waker,
    ) -> Option<Self> {
        let (sink, result) = sync_channel(1);
        let count = move || {
            let mut size = JobSize::default();
            // What cannot be sent is reported by the walk that sends.
            let sources = SourceNames::of(sources);
            for item in SourceWalk::new(docroot, sources, &choice).flatten() {
                if item.kind == ObjectKind::File && item.link.is_none() {
                    size.files += 1;
                    size.bytes = size.bytes.saturating_add(item.size);
                }
            }
            if sink.send(size).is_ok() {
                waker.wake();
            }
        };
        let thread = std::thread::Builder::new().name("job-count".to_owned());
        thread.spawn(count).ok().map(|_| Self(result))
    }

    /// The result once it is there; the count is over then.
    pub(super) fn take(count: &mut Option<Self>) -> Option<JobSize> {
        let outcome = count.as_ref()?.0.try_recv();
        if outcome != Err(TryRecvError::Empty) {
            *count = None;
        }
        outcome.ok()
    }
}
