//! From the walk over the sources to objects that the core knows.

use std::sync::Arc;
use std::sync::mpsc::{Receiver as Items, TryRecvError, sync_channel};

use fasp_core::fault::Fault;
use fasp_core::metadata::{LinkRecord, ObjectKind, OpenRecord};
use fasp_core::sender::OfferError;
use fasp_core::units::ObjectId;

use super::super::message::{FileReport, FileVerdict, TransferEvent};
use super::describing::{attributes_of, described};
use super::{Offered, Sending};
use crate::failure::{Failure, Outcome};
use crate::storage::docroot::Docroot;
use crate::storage::selection::Choice;
use crate::storage::source_list::SourceNames;
use crate::storage::stored_attributes::SentAttributes;
use crate::storage::waker::Waker;
use crate::storage::walk::{SourceItem, SourceProblem, SourceWalk};

/// Items that the walk may be ahead.
const WALK_AHEAD: usize = 2_048;

impl Sending {
    pub(super) fn offer(&mut self) {
        while !self.walk_ended {
            let Some(item) = self.next_item.take().or_else(|| self.next_from_walk()) else {
                return;
            };
            let Some(object) = self.sender.next_object() else {
                self.next_item = Some(item);
                return;
            };
            let offered = match &item.link {
                Some(link) => self.sender.offer_link(&LinkRecord {
                    object,
                    path: &item.path,
                    target: &link.target,
                    replaces: link.replaces,
                }),
                None => {
                    let attributes = attributes_of(object, &item);
                    let record = record_of(object, &item);
                    self.sender.offer_with(&record, attributes.as_ref())
                }
            };
            match offered {
                Ok(()) => self.register(object, item),
                Err(OfferError::Full) => {
                    self.next_item = Some(item);
                    return;
                }
                Err(_) => {
                    let failure = Failure::new(
                        Fault::FilePathTooLong,
                        format!(
                            "the path cannot be sent: {}",
                            String::from_utf8_lossy(&item.path)
                        ),
                    );
                    self.problem(item.path, failure);
                }
            }
        }
    }

    fn register(&mut self, object: ObjectId, item: SourceItem) {
        let is_folder = item.kind == ObjectKind::Directory || item.link.is_some();
        let offered = Offered {
            name: item.path.clone(),
            size: item.size,
            is_folder,
            started: None,
            present: 0,
            compares: false,
        };
        self.offered.insert(object, offered);
        if !is_folder {
            self.source.files.register(object, item);
        }
    }

    fn next_from_walk(&mut self) -> Option<SourceItem> {
        loop {
            match self.walk.try_recv() {
                Ok(Ok(item)) => return Some(item),
                Ok(Err(problem)) if problem.only_logged => {
                    self.ends.tell(TransferEvent::PassedOver(problem.text));
                }
                Ok(Err(problem)) => {
                    let failure = Failure::new(problem.fault, problem.text);
                    self.problem(problem.path, failure);
                }
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    self.walk_ended = true;
                    self.sender.end_offers();
                    return None;
                }
            }
        }
    }

    /// A source that never becomes an object.
    fn problem(&mut self, name: Vec<u8>, failure: Failure) {
        self.report.totals.failed += 1;
        self.ends.tell(TransferEvent::File(FileReport {
            object: None,
            name,
            size: 0,
            start_byte: 0,
            elapsed: None,
            verdict: FileVerdict::Failed(failure),
            peer_gave_up: false,
            is_folder: false,
            checksum: None,
        }));
    }
}

fn record_of(object: ObjectId, item: &SourceItem) -> OpenRecord<'_> {
    OpenRecord {
        object,
        path: &item.path,
        kind: item.kind,
        size: item.size,
        modified_ns: item.modified_ns,
        accessed_ns: item.accessed_ns,
        mode: item.mode,
    }
}

/// Walks the sources on a thread of its own, so that a slow folder never delays a datagram.
pub(super) fn walk_ahead(
    docroot: Arc<Docroot>,
    sources: SourceNames,
    choice: Choice,
    sent: SentAttributes,
    waker: Waker,
) -> Outcome<Items<Result<SourceItem, SourceProblem>>> {
    let (sink, items) = sync_channel(WALK_AHEAD);
    let walk = move || {
        for item in SourceWalk::new(Arc::clone(&docroot), sources, &choice) {
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
