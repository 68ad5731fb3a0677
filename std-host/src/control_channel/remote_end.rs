//! What the remote command says outside the byte stream: standard error and exit status.
//!
//! The carrier reports through [`RemoteObserver`]; whoever uses the channel asks [`RemoteEnd`]
//! why it went silent. Nothing here grows with what the peer sends.

use std::time::Duration;

use fasp_core::fault::Fault;
use tokio::sync::watch;

use super::server_text;
use crate::failure::Failure;

/// At most this much of the remote's standard error is kept.
const STDERR_CAPACITY: usize = 4096;

/// How long an exit status may trail behind the end of the stream.
const EXIT_STATUS_GRACE: Duration = Duration::from_secs(2);

/// The exit status a shell gives for a command it cannot find.
const COMMAND_NOT_FOUND: u32 = 127;

/// The exit status a shell gives for a command it may not run.
const COMMAND_NOT_EXECUTABLE: u32 = 126;

#[derive(Clone, Debug, Default)]
struct State {
    stderr: Vec<u8>,
    exit_status: Option<u32>,
    refused: bool,
    broken: Option<String>,
    closed: bool,
}

/// The reporting side, held by the carrier.
#[derive(Debug)]
pub(crate) struct RemoteObserver(watch::Sender<State>);

/// A shared view of the remote command.
#[derive(Clone, Debug)]
pub struct RemoteEnd(watch::Receiver<State>);

impl RemoteObserver {
    pub(crate) fn new() -> (Self, RemoteEnd) {
        let (sender, receiver) = watch::channel(State::default());
        (Self(sender), RemoteEnd(receiver))
    }

    /// Keeps `bytes` of standard error as far as there is room.
    pub(crate) fn on_stderr(&self, bytes: &[u8]) {
        self.0.send_modify(|state| {
            let room = STDERR_CAPACITY.saturating_sub(state.stderr.len());
            let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
            state.stderr.extend_from_slice(kept);
        });
    }

    pub(crate) fn on_exit_status(&self, status: u32) {
        self.0.send_modify(|state| state.exit_status = Some(status));
    }

    /// The server declined to run the command.
    pub(crate) fn on_refused(&self) {
        self.0.send_modify(|state| state.refused = true);
    }

    /// The connection ended before the command did.
    pub(crate) fn on_broken(&self, why: &str) {
        self.0
            .send_modify(|state| state.broken = Some(why.to_owned()));
    }

    pub(crate) fn on_closed(&self) {
        self.0.send_modify(|state| state.closed = true);
    }
}

impl RemoteEnd {
    /// A remote that reports nothing: the view of a server on its client.
    #[must_use]
    pub fn silent() -> Self {
        RemoteObserver::new().1
    }

    /// The remote's standard error so far, at most 4 KiB, made printable.
    #[must_use]
    pub fn stderr(&self) -> String {
        printable(&self.0.borrow().stderr)
    }

    /// The exit status of the remote command, once known.
    #[must_use]
    pub fn exit_status(&self) -> Option<u32> {
        self.0.borrow().exit_status
    }

    /// Waits until the carrier has closed, at most two seconds, and explains it.
    ///
    /// For the moment when the reader has ended before the peer said why.
    pub async fn why_closed(&self) -> Failure {
        let mut receiver = self.0.clone();
        // An elapsed grace or a gone carrier changes nothing: the state is explained as it is.
        let _ = tokio::time::timeout(EXIT_STATUS_GRACE, async {
            let _ = receiver.wait_for(|state| state.closed).await;
        })
        .await;
        let state = self.0.borrow().clone();
        explain(&state)
    }
}

fn explain(state: &State) -> Failure {
    let stderr = printable(&state.stderr);
    let lowered = stderr.to_ascii_lowercase();
    let said = if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    };
    let text = match state.exit_status {
        _ if state.refused => format!(
            "Server aborted session: the server refused to run ascp (is the account limited to \
             other commands?){said}"
        ),
        Some(COMMAND_NOT_FOUND) => {
            format!("Server aborted session: ascp was not found on the remote host{said}")
        }
        None if lowered.contains("command not found") => {
            format!("Server aborted session: ascp was not found on the remote host{said}")
        }
        Some(COMMAND_NOT_EXECUTABLE) => {
            format!("Server aborted session: ascp could not be run on the remote host{said}")
        }
        Some(status) => {
            format!("Server aborted session: the remote command ended with status {status}{said}")
        }
        None => {
            let why = state.broken.as_deref();
            let why = why.unwrap_or("the server closed the SSH connection");
            format!("Server aborted session: {why}{said}")
        }
    };
    Failure::new(Fault::PeerAborted, text)
}

/// One line of printable text of what was kept.
fn printable(bytes: &[u8]) -> String {
    server_text::one_line(&String::from_utf8_lossy(bytes), STDERR_CAPACITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_ascp_is_named_with_what_the_shell_said() {
        let (observer, remote) = RemoteObserver::new();
        observer.on_stderr(b"sh: 1: ascp: not found\n");
        observer.on_exit_status(127);
        observer.on_closed();
        let failure = remote.why_closed().await;
        assert_eq!(
            failure.text,
            "Server aborted session: ascp was not found on the remote host: \
             sh: 1: ascp: not found"
        );
        assert_eq!(failure.fault, Fault::PeerAborted);
    }

    #[tokio::test]
    async fn a_status_that_trails_the_end_of_the_stream_is_waited_for() {
        let (observer, remote) = RemoteObserver::new();
        let asking = tokio::spawn(async move { remote.why_closed().await });
        tokio::task::yield_now().await;
        observer.on_exit_status(3);
        observer.on_closed();
        assert!(asking.await.unwrap().text.contains("status 3"));
    }

    #[test]
    fn standard_error_is_bounded_and_carries_no_terminal_codes() {
        let (observer, remote) = RemoteObserver::new();
        observer.on_stderr(b"\x1b[31mred\r\n\nnext");
        assert_eq!(remote.stderr(), "[31mred; next");
        observer.on_stderr(&[b'x'; 10_000]);
        assert!(remote.stderr().len() <= STDERR_CAPACITY);
    }
}
