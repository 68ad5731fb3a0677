//! Control messages over the byte stream: one task that reads, one place that writes.

use fasp_core::control::ControlMessage;
use fasp_core::control::framing::{
    FramingError, Garbage, HEADER_LEN, PREAMBLE, RawMessage, check_preamble, parse_header,
};
use fasp_core::fault::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::MAX_BODY;
use crate::control_channel::{ChannelReader, ChannelWriter};
use crate::failure::{Failure, Outcome};

/// Messages read ahead of the session.
const AHEAD: usize = 16;
/// Bytes of a foreign greeting that are shown.
const SHOWN: usize = 64;

/// One message as it came.
#[derive(Debug)]
pub(crate) struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Message {
    pub(crate) fn raw(&self) -> RawMessage<'_> {
        RawMessage {
            kind: self.kind,
            body: &self.body,
        }
    }
}

/// Messages from the peer, in order; ends when the channel does.
#[derive(Debug)]
pub(crate) struct Messages {
    incoming: mpsc::Receiver<Outcome<Message>>,
}

impl Messages {
    /// Begins to read.
    pub(crate) fn read(mut reader: ChannelReader) -> Self {
        let (sink, incoming) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            if let Err(failure) = greet(&mut reader).await {
                let _ = sink.send(Err(failure)).await;
                return;
            }
            loop {
                match next(&mut reader).await {
                    Ok(Some(message)) => {
                        if sink.send(Ok(message)).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(failure) => {
                        let _ = sink.send(Err(failure)).await;
                        return;
                    }
                }
            }
        });
        Self { incoming }
    }

    /// The next message; `None` at the end of the channel.
    pub(crate) async fn next(&mut self) -> Option<Outcome<Message>> {
        self.incoming.recv().await
    }
}

async fn greet(reader: &mut ChannelReader) -> Outcome<()> {
    let mut came = Vec::with_capacity(PREAMBLE.len());
    while came.len() < PREAMBLE.len() {
        let mut bytes = [0; PREAMBLE.len()];
        let room = bytes.get_mut(came.len()..).unwrap_or_default();
        let count = reader.read(room).await.unwrap_or(0);
        if count == 0 {
            return Err(not_ours(&if came.is_empty() {
                FramingError::ClosedEarly
            } else {
                FramingError::NotOurs(Garbage::new(&came))
            }));
        }
        came.extend_from_slice(room.get(..count).unwrap_or_default());
        match check_preamble(&came) {
            Ok(_) => {}
            Err(FramingError::NotOurs(_)) => {
                return Err(not_ours(&FramingError::NotOurs(
                    read_garbage(reader, came).await,
                )));
            }
            Err(error) => return Err(not_ours(&error)),
        }
    }
    Ok(())
}

/// Reads a little more of a foreign greeting, so that it can be shown.
async fn read_garbage(reader: &mut ChannelReader, mut came: Vec<u8>) -> Garbage {
    let read_on = async {
        while came.len() < SHOWN && !came.contains(&b'\n') {
            let mut bytes = [0; SHOWN];
            match reader.read(&mut bytes).await {
                Ok(count) if count > 0 => {
                    came.extend_from_slice(bytes.get(..count).unwrap_or_default())
                }
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(300), read_on).await;
    Garbage::new(&came)
}

async fn next(reader: &mut ChannelReader) -> Outcome<Option<Message>> {
    let mut header = [0; HEADER_LEN];
    match reader.read(&mut header).await {
        Ok(0) | Err(_) => return Ok(None),
        Ok(count) => {
            let rest = header.get_mut(count..).unwrap_or_default();
            reader
                .read_exact(rest)
                .await
                .map_err(|_| not_ours(&FramingError::Truncated))?;
        }
    }
    let (kind, length) = parse_header(&header, MAX_BODY).map_err(|error| not_ours(&error))?;
    let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
    reader
        .read_exact(&mut body)
        .await
        .map_err(|_| not_ours(&FramingError::Truncated))?;
    Ok(Some(Message { kind, body }))
}

fn not_ours(error: &FramingError) -> Failure {
    Failure::new(Fault::Protocol, format!("Server aborted session: {error}"))
}

/// Writes messages to the peer.
pub(crate) struct MessageWriter {
    writer: ChannelWriter,
}

impl std::fmt::Debug for MessageWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageWriter")
    }
}

impl MessageWriter {
    pub(crate) const fn new(writer: ChannelWriter) -> Self {
        Self { writer }
    }

    /// Sends bytes as they are: the preamble, or a message encoded elsewhere.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Outcome<()> {
        let lost = |error: std::io::Error| {
            Failure::new(Fault::ConnectionLost, format!("Connection lost: {error}"))
        };
        self.writer.write_all(bytes).await.map_err(lost)?;
        self.writer.flush().await.map_err(lost)
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: &ControlMessage<'_>) -> Outcome<()> {
        let mut bytes = vec![0; 16 * 1024];
        let length = message
            .encode(&mut bytes)
            .map_err(|_| Failure::new(Fault::InternalError, "a control message is too long"))?;
        self.send_bytes(bytes.get(..length).unwrap_or_default())
            .await
    }

    pub(crate) fn into_inner(self) -> ChannelWriter {
        self.writer
    }
}
