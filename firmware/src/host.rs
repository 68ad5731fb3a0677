//! What an appliance asks of the machine it runs on, besides time, network and storage.

use core::fmt;
use core::net::IpAddr;

use fasp_core::fault::Fault;

/// Randomness in, news out.
pub trait Host {
    /// Fills `out` with bytes that nobody can predict: session secrets are made of them.
    ///
    /// SSH takes its own from the `getrandom` crate, which a board has to provide too.
    fn random(&mut self, out: &mut [u8]);

    /// Something happened that a log should tell. Called from within [`crate::appliance::Visit::poll`].
    fn observe(&mut self, event: &Event<'_>) {
        let _ = event;
    }
}

/// What happened on an appliance. No secret and no content of files is in any of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event<'e> {
    /// A client has connected to the control port.
    Connected(IpAddr),
    /// A client was told that the appliance is busy.
    TurnedAway(IpAddr),
    /// The client has proved who it is.
    LoggedIn,
    /// A way to log in was refused.
    LoginRefused,
    /// A session was agreed on.
    Accepted {
        /// Files go to the appliance.
        upload: bool,
    },
    /// The session was refused before it began.
    Refused(Fault),
    /// A file is complete and has its name; or has been sent.
    Done {
        /// Its path, bytes as the peer named them.
        path: &'e [u8],
        /// Bytes.
        size: u64,
    },
    /// An upload goes on where an earlier one stopped.
    Resumed {
        /// The path.
        path: &'e [u8],
        /// Bytes that were there.
        present: u64,
    },
    /// A file failed.
    Failed {
        /// Its path.
        path: &'e [u8],
        /// Why.
        fault: Fault,
    },
    /// The visit is over, well or for this reason.
    Over(Option<Fault>),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected(address) => write!(f, "connected: {address}"),
            Self::TurnedAway(address) => write!(f, "turned away, busy: {address}"),
            Self::LoggedIn => f.write_str("logged in"),
            Self::LoginRefused => f.write_str("login refused"),
            Self::Accepted { upload: true } => f.write_str("session accepted: upload"),
            Self::Accepted { upload: false } => f.write_str("session accepted: download"),
            Self::Refused(fault) => write!(f, "session refused: {fault}"),
            Self::Done { path, size } => {
                write!(f, "done: {} ({size} bytes)", path.escape_ascii())
            }
            Self::Resumed { path, present } => {
                write!(f, "goes on: {} (has {present} bytes)", path.escape_ascii())
            }
            Self::Failed { path, fault } => write!(f, "failed: {} ({fault})", path.escape_ascii()),
            Self::Over(None) => f.write_str("over"),
            Self::Over(Some(fault)) => write!(f, "over: {fault}"),
        }
    }
}
