//! The authenticated byte stream between `ascp` and the far side, whoever carries it.
//!
//! Three carriers: our own SSH connection on the client ([`ssh`]), standard input and output
//! when the system's sshd started us ([`stdio`]), and a session of the daemon
//! ([`crate::daemon`]). It moves bytes and says why they stopped; what the bytes mean is
//! `fasp_core::control`.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) mod host_key;
mod identity;
pub(crate) mod known_hosts;
pub(crate) mod pump;
mod remote_end;
pub(crate) mod server_text;
pub mod ssh;
pub mod stdio;

pub use remote_end::RemoteEnd;
pub(crate) use remote_end::RemoteObserver;

/// The half that receives.
pub type ChannelReader = Box<dyn AsyncRead + Send + Unpin>;

/// The half that sends.
pub type ChannelWriter = Box<dyn AsyncWrite + Send + Unpin>;

type Farewell = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One open control channel.
///
/// The fields may be taken apart; the connection lasts as long as its [`Lifeline`] is kept.
pub struct ControlChannel {
    /// Bytes from the far side; ends when the far side closed its half.
    pub reader: ChannelReader,
    /// Bytes to the far side.
    pub writer: ChannelWriter,
    /// The address of the TCP peer; unspecified when it is not known.
    pub peer: IpAddr,
    /// Our address on that TCP connection; unspecified when it is not known.
    pub local: IpAddr,
    /// What the remote command said outside the byte stream.
    pub remote: RemoteEnd,
    /// Sentences worth showing to the user, though the channel works.
    pub warnings: Vec<String>,
    /// Closes the connection when dropped.
    pub lifeline: Lifeline,
}

impl ControlChannel {
    /// Ends the channel in order; see [`Lifeline::finish`].
    pub async fn finish(self, exit_status: u32) {
        self.lifeline.finish(self.writer, exit_status).await;
    }
}

impl fmt::Debug for ControlChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlChannel")
            .field("peer", &self.peer)
            .field("local", &self.local)
            .field("remote", &self.remote)
            .finish_non_exhaustive()
    }
}

/// Keeps a control channel's connection open; dropping it closes the connection at once.
pub struct Lifeline(Box<dyn FnOnce(ChannelWriter, u32) -> Farewell + Send>);

impl Lifeline {
    /// A lifeline whose orderly end is `farewell`.
    pub(crate) fn new<F, E>(farewell: F) -> Self
    where
        F: FnOnce(ChannelWriter, u32) -> E + Send + 'static,
        E: Future<Output = ()> + Send + 'static,
    {
        Self(Box::new(move |writer, status| {
            Box::pin(farewell(writer, status))
        }))
    }

    /// Hands everything written so far to the operating system, then closes.
    ///
    /// Waits for no answer of the peer. `exit_status` is what a server tells its client; a
    /// client has nobody to tell and the number is ignored.
    pub async fn finish(self, writer: ChannelWriter, exit_status: u32) {
        (self.0)(writer, exit_status).await;
    }
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifeline")
    }
}

/// One end of a connection; unspecified when the system does not know it.
pub(crate) fn address_of(end: io::Result<SocketAddr>) -> IpAddr {
    end.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
        address.ip().to_canonical()
    })
}

#[cfg(test)]
pub(crate) mod tests;
