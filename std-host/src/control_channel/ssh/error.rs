//! What can go wrong on an SSH connection once TCP is open.

use std::{fmt, io};

use fasp_core::fault::Fault;

use crate::control_channel::server_text;
use crate::failure::Failure;

/// Why the connection cannot go on.
#[derive(Debug)]
pub(super) enum SshError {
    /// The server closed the connection, or is gone.
    Closed,
    Io(io::Error),
    /// The server said goodbye with this text, as it came.
    Disconnected(String),
    /// A message ends too early or makes no sense.
    Malformed,
    /// A packet was not made by the server.
    Forged,
    /// The server broke a rule.
    Protocol(&'static str),
    /// Our own cryptography failed.
    Crypto,
    NothingInCommon {
        what: &'static str,
        theirs: String,
    },
    /// No sign of life.
    Silent,
}

impl From<io::Error> for SshError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for SshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The server's words, and those of anybody on the way to it.
        let said = |text: &str| server_text::one_line(text, server_text::SENTENCE);
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Io(error) => error.fmt(f),
            Self::Disconnected(text) if text.is_empty() => {
                f.write_str("the server closed the connection")
            }
            Self::Disconnected(text) => {
                write!(f, "the server closed the connection: {}", said(text))
            }
            Self::Malformed => f.write_str("the server sent a malformed message"),
            Self::Forged => f.write_str("a packet was damaged or forged on the way"),
            Self::Protocol(what) => f.write_str(what),
            Self::Crypto => f.write_str("key agreement or encryption failed"),
            Self::NothingInCommon { what, theirs } => {
                let theirs = said(theirs);
                write!(f, "no {what} algorithm in common (the server has {theirs})")
            }
            Self::Silent => f.write_str("the server no longer answers"),
        }
    }
}

impl From<SshError> for Failure {
    fn from(error: SshError) -> Self {
        let fault = Fault::TransferError;
        Self::new(fault, format!("{}: {error}", fault.text()))
    }
}
