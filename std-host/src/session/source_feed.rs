//! The client's list of sources on its way to a server that walks them: read on a thread, sent when it is asked for.

use fasp_core::control::{ControlMessage, SourcePaths};
use fasp_core::fault::Fault;
use tokio::sync::mpsc;

use crate::failure::{Failure, Outcome};
use crate::storage::source_list::{NamedSource, SourceNames};

/// Bytes of one message; a server may read less.
const MOST_BYTES: usize = 56 * 1_024;
/// Bytes of a message besides its paths.
const MESSAGE_OVERHEAD: usize = 64;
/// Bytes of a path besides itself.
const PATH_OVERHEAD: usize = 5;
/// Messages read ahead.
const AHEAD: usize = 4;

/// What the thread brings.
#[derive(Debug)]
pub(super) enum Fed {
    /// Paths of one message.
    Paths(Vec<Vec<u8>>),
    /// A line of the list is no source.
    Failed(Failure),
    /// There are no more.
    End,
}

/// A list that is sent piece by piece.
#[derive(Debug)]
pub(crate) struct SourceFeed {
    incoming: mpsc::Receiver<Fed>,
    /// Messages that the server has room for.
    wanted: u32,
    ended: bool,
}

impl SourceFeed {
    /// Begins to read `names` for a server that reads bodies of `peer_max_body` bytes.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub(crate) fn start(names: SourceNames, peer_max_body: u32) -> Outcome<Self> {
        let (sink, incoming) = mpsc::channel(AHEAD);
        let peer = usize::try_from(peer_max_body).unwrap_or(usize::MAX);
        let most = peer.saturating_sub(MESSAGE_OVERHEAD).min(MOST_BYTES);
        std::thread::Builder::new()
            .name("source-list".to_owned())
            .spawn(move || read(names, most, &sink))
            .map_err(|error| {
                let text = format!("Unable to spawn thread: {error}");
                Failure::new(Fault::ThreadSpawn, text)
            })?;
        Ok(Self {
            incoming,
            wanted: 0,
            ended: false,
        })
    }

    /// The server has room for so many messages more.
    pub(super) fn want(&mut self, messages: u16) {
        self.wanted = self.wanted.saturating_add(messages.into());
    }

    /// The next piece, once the server has room for it.
    pub(super) async fn next(&mut self) -> Fed {
        if self.wanted == 0 || self.ended {
            return std::future::pending().await;
        }
        let fed = self.incoming.recv().await.unwrap_or(Fed::End);
        match fed {
            Fed::Failed(_) => {}
            Fed::Paths(_) => self.wanted -= 1,
            Fed::End => self.ended = true,
        }
        fed
    }
}

/// The message with these paths, header included.
pub(super) fn message(paths: &[Vec<u8>], more: bool) -> Outcome<Vec<u8>> {
    let lengths: usize = paths.iter().map(|path| path.len() + PATH_OVERHEAD).sum();
    let mut bytes = vec![0; lengths + MESSAGE_OVERHEAD];
    let paths: Vec<&[u8]> = paths.iter().map(Vec::as_slice).collect();
    let message = ControlMessage::Sources {
        paths: SourcePaths::new(&paths),
        more,
    };
    let length = message
        .encode(&mut bytes)
        .map_err(|_| Failure::new(Fault::InternalError, "a list of sources is too long"))?;
    bytes.truncate(length);
    Ok(bytes)
}

fn read(names: SourceNames, most: usize, sink: &mpsc::Sender<Fed>) {
    let mut paths: Vec<Vec<u8>> = Vec::new();
    let mut held = 0;
    for name in names {
        let NamedSource { path, destination } = match name {
            Ok(name) => name,
            Err(failure) => {
                if sink.blocking_send(Fed::Failed(failure)).is_err() {
                    return;
                }
                continue;
            }
        };
        let parts = std::iter::once(path).chain(destination);
        let parts: Vec<Vec<u8>> = parts.collect();
        let bytes: usize = parts.iter().map(|part| part.len() + PATH_OVERHEAD).sum();
        if held + bytes > most && !paths.is_empty() {
            held = 0;
            if sink
                .blocking_send(Fed::Paths(std::mem::take(&mut paths)))
                .is_err()
            {
                return;
            }
        }
        held += bytes;
        paths.extend(parts);
    }
    if !paths.is_empty() {
        // Without a session there is nobody to tell.
        let _ = sink.blocking_send(Fed::Paths(paths));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_goes_in_messages_that_the_server_reads_and_only_when_it_has_room() {
        let names = (0..5_000).map(|number| {
            Ok(NamedSource {
                path: format!("source {number:060}").into_bytes(),
                destination: Some(b"d".to_vec()),
            })
        });
        let mut feed = SourceFeed::start(SourceNames::new(names), 4_608).unwrap();
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(20), feed.next());
        assert!(nothing.await.is_err(), "nothing was asked for");
        let (mut sources, mut messages) = (0, 0);
        loop {
            feed.want(1);
            match feed.next().await {
                Fed::Paths(paths) => {
                    assert_eq!(paths.len() % 2, 0, "pairs stay together");
                    let bytes = message(&paths, true).unwrap();
                    assert!(bytes.len() <= 5 + 4_608, "{}", bytes.len());
                    messages += 1;
                    sources += paths.len() / 2;
                }
                Fed::Failed(failure) => panic!("{failure}"),
                Fed::End => break,
            }
        }
        assert_eq!(sources, 5_000);
        assert!((80..200).contains(&messages), "{messages}");
    }
}
