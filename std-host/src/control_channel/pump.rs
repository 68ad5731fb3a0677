//! From SSH channel messages to a plain byte stream.
//!
//! The pipe in between is small and full means wait: a reader that stops reading stops the SSH
//! window, not this process's memory.

use russh::{ChannelMsg, ChannelReadHalf};
use tokio::io::{AsyncWriteExt, DuplexStream};

use super::{ChannelReader, RemoteEnd, RemoteObserver};

/// Bytes between the session and whoever reads.
const PIPE_BYTES: usize = 64 * 1024;

/// Standard error, the only extended data there is (RFC 4254 section 5.2).
const STDERR: u32 = 1;

/// Starts moving messages; ends with the channel.
pub(crate) fn start(incoming: ChannelReadHalf) -> (ChannelReader, RemoteEnd) {
    let (reader, pipe) = tokio::io::duplex(PIPE_BYTES);
    let (observer, remote) = RemoteObserver::new();
    tokio::spawn(pump(incoming, pipe, observer));
    (Box::new(reader), remote)
}

/// Moves what the peer sends to the reader and to the observer, until the channel closes.
async fn pump(mut incoming: ChannelReadHalf, pipe: DuplexStream, observer: RemoteObserver) {
    let mut pipe = Some(pipe);
    while let Some(message) = incoming.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if let Some(open) = pipe.as_mut()
                    && open.write_all(&data).await.is_err()
                {
                    pipe = None;
                }
            }
            ChannelMsg::ExtendedData { data, ext: STDERR } => observer.on_stderr(&data),
            ChannelMsg::ExitStatus { exit_status } => observer.on_exit_status(exit_status),
            ChannelMsg::Failure => {
                observer.on_refused();
                break;
            }
            ChannelMsg::Eof => pipe = None,
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    observer.on_closed();
}
