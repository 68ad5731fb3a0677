//! Before a transfer that deletes: the sender tells all names of its source, the receiver deletes what is not among
//! them, and only then the transfer begins.
//!
//! A source that cannot be read wholly deletes nothing: its list is marked, and only a complete one counts.
//!
//! Source: PROTOCOL.md §6.8.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fasp_core::control::framing::HEADER_LEN;
use fasp_core::control::{ControlMessage, Deleted, Names, SourcePaths};
use fasp_core::fault::Fault;
use fasp_core::negotiation::Agreement;
use fasp_core::selection::EntryKind;
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};

use super::channel::{Message, MessageWriter, Messages};
use crate::cli::terminal::printable;
use crate::failure::{Failure, Outcome};
use crate::storage::destination_tree::DestinationTree;
use crate::storage::docroot::Docroot;
use crate::storage::mirror::{self, Deletion, Keep, Listing};
use crate::storage::selection::{Choice, RuleList, excludes};

/// How long the peer may say nothing at all.
const SILENCE: Duration = Duration::from_secs(60);
/// A side that works says so this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Bytes of one NAMES message, if the peer reads that many.
const MESSAGE_BYTES: usize = 60_000;
/// Names that the walk may be ahead.
const AHEAD: usize = 4_096;

/// What is not deleted although the source has it not.
#[derive(Debug, Default)]
pub(crate) struct KeepRules {
    /// What these rules leave out.
    pub(crate) rules: RuleList,
    /// Partial files with this suffix of the user's.
    pub(crate) partial_suffix: Option<Vec<u8>>,
}

/// Tells the names of `source`, as a session of `choice` sees its links, and waits until the receiver has deleted what is not among them.
///
/// # Errors
///
/// That the peer is gone, or refuses to go on.
pub(crate) async fn tell_names(
    docroot: &Arc<Docroot>,
    source: &[u8],
    choice: &Choice,
    agreement: &Agreement,
    messages: &mut Messages,
    writer: &mut MessageWriter,
) -> Outcome<Deletion> {
    let (sink, mut names) = mpsc::channel::<Vec<u8>>(AHEAD);
    let (docroot, source, choice) = (Arc::clone(docroot), source.to_vec(), choice.clone());
    let walk = tokio::task::spawn_blocking(move || {
        mirror::list(docroot, source, &choice, |name| {
            sink.blocking_send(name).is_ok()
        })
    });
    let most = usize::try_from(agreement.peer_max_body())
        .unwrap_or(MESSAGE_BYTES)
        .min(MESSAGE_BYTES);
    let mut bundle = Bundle::new(most.saturating_sub(64));
    let mut keepalive = interval(KEEPALIVE_INTERVAL);
    loop {
        tokio::select! {
            name = names.recv() => match name {
                Some(name) => if let Some(full) = bundle.add(name) {
                    writer.send_bytes(&encoded(&full, true, false)?).await?;
                },
                None => break,
            },
            _ = keepalive.tick() => writer.send(&ControlMessage::KeepAlive).await?,
        }
    }
    let whole = walk.await.unwrap_or(false);
    let last = encoded(&bundle.names, false, !whole)?;
    writer.send_bytes(&last).await?;
    loop {
        let message = next(messages).await?;
        match message.raw().decode() {
            Ok(Some(ControlMessage::KeepAlive) | None) => {}
            Ok(Some(ControlMessage::Deleted(deleted))) => return Ok(deletion(&deleted)),
            other => return Err(unexpected(other.ok().flatten())),
        }
    }
}

/// Takes the names of the peer's source and deletes in `tree` what is not among them. `name` is what the source folder
/// must be called.
///
/// # Errors
///
/// That the peer is gone or its list cannot be; the sender is not answered then.
pub(crate) async fn take_names(
    tree: Arc<DestinationTree>,
    name: &[u8],
    keeps: KeepRules,
    messages: &mut Messages,
    writer: &mut MessageWriter,
) -> Outcome<Deletion> {
    let (listing, incomplete) = read_names(messages).await?;
    let deletion = if incomplete || listing.root().is_empty() {
        let text = "nothing was deleted: not everything in the source folder could be read";
        Deletion {
            count: 0,
            failure: Some(Failure::new(Fault::DiskRead, text)),
        }
    } else if listing.root() != name {
        let text = "the source folder and the destination must have the same name";
        return Err(Failure::new(Fault::BadConfiguration, text));
    } else {
        let stop = Arc::new(AtomicBool::new(false));
        let guard = StopAtDrop(Arc::clone(&stop));
        let work = tokio::task::spawn_blocking(move || {
            let rules = keeps.rules.parsed();
            let keep = Keep {
                // What is left out of the session is none of its business.
                is_protected: &|path, is_folder| {
                    let kind = if is_folder {
                        EntryKind::Directory
                    } else {
                        EntryKind::File
                    };
                    excludes(&rules, path, kind)
                },
                partial_suffix: keeps.partial_suffix.as_deref(),
            };
            mirror::delete(&tree, &listing, &keep, &stop)
        });
        let deletion = while_working(work, writer).await?;
        drop(guard);
        deletion
    };
    let text: String = deletion
        .failure
        .as_ref()
        .map(|failure| failure.text.chars().take(1_000).collect())
        .unwrap_or_default();
    let failure = deletion.failure.as_ref();
    let answer = ControlMessage::Deleted(Deleted {
        count: u32::try_from(deletion.count).unwrap_or(u32::MAX),
        code: failure.map_or(0, |failure| failure.fault.number()),
        text: &text,
    });
    writer.send(&answer).await?;
    Ok(deletion)
}

/// Whoever gives up waiting stops the deleting.
struct StopAtDrop(Arc<AtomicBool>);

impl Drop for StopAtDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn while_working(
    work: impl Future<Output = Result<Outcome<Deletion>, tokio::task::JoinError>>,
    writer: &mut MessageWriter,
) -> Outcome<Deletion> {
    let mut work = std::pin::pin!(work);
    let mut keepalive = interval(KEEPALIVE_INTERVAL);
    loop {
        tokio::select! {
            done = &mut work => return done.unwrap_or_else(|_| Err(Fault::InternalError.into())),
            _ = keepalive.tick() => writer.send(&ControlMessage::KeepAlive).await?,
        }
    }
}

async fn read_names(messages: &mut Messages) -> Outcome<(Listing, bool)> {
    let mut listing = Listing::default();
    loop {
        let message = next(messages).await?;
        match message.raw().decode() {
            Ok(Some(ControlMessage::KeepAlive) | None) => {}
            Ok(Some(ControlMessage::Names(names))) => {
                for path in names.paths.iter() {
                    listing.add(path)?;
                }
                if !names.more {
                    listing.complete();
                    return Ok((listing, names.incomplete));
                }
            }
            other => return Err(unexpected(other.ok().flatten())),
        }
    }
}

async fn next(messages: &mut Messages) -> Outcome<Message> {
    match timeout(SILENCE, messages.next()).await {
        Ok(Some(message)) => message,
        Ok(None) => Err(Failure::new(
            Fault::ConnectionLost,
            "Connection lost: the control connection was closed",
        )),
        Err(_) => Err(Failure::new(
            Fault::ConnectionLost,
            "Connection lost: the peer says nothing any more",
        )),
    }
}

/// The peer's reason for ending here, or that it said something else than it should.
fn unexpected(message: Option<ControlMessage<'_>>) -> Failure {
    match message {
        Some(ControlMessage::Cancel { code, text } | ControlMessage::Reject { code, text }) => {
            let fault = Fault::from_number(code);
            let text = if text.is_empty() { fault.text() } else { text };
            let text = printable(text.as_bytes());
            Failure::new(fault, format!("Server aborted session: {text}"))
        }
        _ => Failure::new(
            Fault::Protocol,
            "the peer broke off the deleting before the transfer",
        ),
    }
}

fn deletion(deleted: &Deleted<'_>) -> Deletion {
    Deletion {
        count: deleted.count.into(),
        failure: (deleted.code != 0).then(|| {
            let fault = Fault::from_number(deleted.code);
            let text = match deleted.text {
                "" => fault.text(),
                text => text,
            };
            Failure::new(fault, printable(text.as_bytes()))
        }),
    }
}

/// Names on their way into a message.
struct Bundle {
    names: Vec<Vec<u8>>,
    bytes: usize,
    most: usize,
}

impl Bundle {
    const fn new(most: usize) -> Self {
        Self {
            names: Vec::new(),
            bytes: 0,
            most,
        }
    }

    /// Adds a name; gives those before it if there is no more room.
    fn add(&mut self, name: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        let bytes = name.len() + 5;
        let full = (self.bytes + bytes > self.most).then(|| {
            self.bytes = 0;
            std::mem::take(&mut self.names)
        });
        self.bytes += bytes;
        self.names.push(name);
        full
    }
}

fn encoded(names: &[Vec<u8>], more: bool, incomplete: bool) -> Outcome<Vec<u8>> {
    let paths: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let message = ControlMessage::Names(Names {
        paths: SourcePaths::new(&paths),
        more,
        incomplete,
    });
    let mut bytes = vec![0; HEADER_LEN + MESSAGE_BYTES + 64];
    let length = message
        .encode(&mut bytes)
        .map_err(|_| Failure::new(Fault::InternalError, "a list of names is too long"))?;
    bytes.truncate(length);
    Ok(bytes)
}
