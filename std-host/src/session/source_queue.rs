//! Sources that a client sends while the session runs, between the control channel and the walk: bounded, because the
//! client sends no more messages than it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use fasp_core::control::SourcePaths;
use fasp_core::fault::Fault;
use tokio::sync::Notify;

use crate::failure::{Failure, Outcome};
use crate::storage::source_list::{NamedSource, SourceNames};

/// Messages that may be on their way or wait; each has at most as many bytes as we read of any.
const ROOM: u16 = 16;

#[derive(Debug, Default)]
struct Taken {
    messages: AtomicU16,
    news: Notify,
}

/// The session's end.
#[derive(Debug)]
pub(crate) struct SourceQueue {
    sink: Option<SyncSender<Vec<NamedSource>>>,
    taken: Arc<Taken>,
    pairs: bool,
    /// Messages that the client may still send.
    allowed: u16,
}

/// The walk's end: waits for the next message when it has walked through one.
struct QueuedSources {
    incoming: Receiver<Vec<NamedSource>>,
    current: std::vec::IntoIter<NamedSource>,
    taken: Arc<Taken>,
}

/// A queue and the sources that come out of it; with `pairs` a destination follows each path.
pub(crate) fn source_queue(pairs: bool) -> (SourceQueue, SourceNames) {
    let (sink, incoming) = sync_channel(ROOM.into());
    let taken = Arc::new(Taken::default());
    // The first question asks for as much as there is room.
    taken.messages.store(ROOM, Ordering::Relaxed);
    taken.news.notify_one();
    let queue = SourceQueue {
        sink: Some(sink),
        taken: Arc::clone(&taken),
        pairs,
        allowed: 0,
    };
    let sources = QueuedSources {
        incoming,
        current: Vec::new().into_iter(),
        taken,
    };
    (queue, SourceNames::new(sources.map(Ok)))
}

impl SourceQueue {
    /// So many messages are to be asked for; waits until there are some.
    pub(super) async fn room(&mut self) -> u16 {
        loop {
            self.taken.news.notified().await;
            let messages = self.taken.messages.swap(0, Ordering::Relaxed);
            if messages > 0 && self.sink.is_some() {
                self.allowed = self.allowed.saturating_add(messages);
                return messages;
            }
        }
    }

    /// A message came.
    ///
    /// # Errors
    ///
    /// [`Fault::Protocol`] if it was not asked for, or its paths are not what they should be.
    pub(super) fn take(&mut self, paths: SourcePaths<'_>, more: bool) -> Outcome<()> {
        let Some(sink) = self.sink.as_ref().filter(|_| self.allowed > 0) else {
            let text = "the client named sources that it was not asked for";
            return Err(Failure::new(Fault::Protocol, text));
        };
        self.allowed -= 1;
        // There is room for all that were asked for; a walk that is gone needs no more.
        let _ = sink.try_send(named_sources(paths, self.pairs)?);
        if !more {
            self.sink = None;
        }
        Ok(())
    }
}

/// The sources of a message.
///
/// # Errors
///
/// [`Fault::Protocol`] if a destination is missing.
pub(crate) fn named_sources(paths: SourcePaths<'_>, pairs: bool) -> Outcome<Vec<NamedSource>> {
    let mut paths = paths.iter();
    let mut sources = Vec::new();
    while let Some(path) = paths.next() {
        let mut source = NamedSource::new(path.to_vec());
        if pairs {
            let destination = paths.next().ok_or_else(|| {
                Failure::new(
                    Fault::Protocol,
                    "the client named a source without its destination",
                )
            })?;
            source.destination = Some(destination.to_vec());
        }
        sources.push(source);
    }
    Ok(sources)
}

impl Iterator for QueuedSources {
    type Item = NamedSource;

    fn next(&mut self) -> Option<NamedSource> {
        loop {
            if let Some(source) = self.current.next() {
                return Some(source);
            }
            self.current = self.incoming.recv().ok()?.into_iter();
            self.taken.messages.fetch_add(1, Ordering::Relaxed);
            self.taken.news.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths<'a>(list: &'a [&'a [u8]]) -> SourcePaths<'a> {
        SourcePaths::new(list)
    }

    #[tokio::test]
    async fn a_client_sends_what_it_was_asked_for_and_no_more() {
        let (mut queue, mut sources) = source_queue(false);
        assert!(queue.take(paths(&[b"early"]), true).is_err());
        assert_eq!(queue.room().await, ROOM);
        for _ in 0..ROOM {
            queue.take(paths(&[b"a", b"b"]), true).unwrap();
        }
        let failure = queue.take(paths(&[b"a"]), true).unwrap_err();
        assert_eq!(failure.fault, Fault::Protocol);
        for _ in 0..3 {
            assert_eq!(sources.next().unwrap().unwrap().path, b"a");
            assert_eq!(sources.next().unwrap().unwrap().path, b"b");
        }
        assert_eq!(queue.room().await, 3);
        queue.take(paths(&[]), false).unwrap();
        assert!(queue.take(paths(&[]), false).is_err(), "the list has ended");
        assert_eq!(sources.count(), 2 * usize::from(ROOM) - 6);
    }

    #[test]
    fn a_walk_ends_with_its_session() {
        let (queue, mut sources) = source_queue(true);
        drop(queue);
        assert!(sources.next().is_none());
    }

    #[test]
    fn a_source_without_its_destination_is_refused() {
        let named = named_sources(paths(&[b"a", b"x/a"]), true).unwrap();
        assert_eq!(named[0].destination.as_deref(), Some(&b"x/a"[..]));
        let failure = named_sources(paths(&[b"a", b"x", b"b"]), true).unwrap_err();
        assert_eq!(failure.fault, Fault::Protocol);
    }
}
