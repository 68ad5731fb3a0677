//! Stub.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::control_channel::ControlChannel;

/// What an authenticated client may do.
#[derive(Clone, Debug)]
pub struct SessionRights {
    /// Login name.
    pub user: String,
    /// The tree the session may not leave.
    pub docroot: Option<PathBuf>,
    /// First UDP port to try.
    pub udp_port: u16,
    /// The UDP address to tell the client, when it differs from the one bound.
    pub udp_advertise: Option<SocketAddr>,
}

/// Serves one client.
pub async fn serve(mut channel: ControlChannel, rights: SessionRights) {
    // Placeholder for tests of the channel: says who logged in, then echoes.
    use tokio::io::AsyncWriteExt;
    let greeting = format!("{} {}\n", rights.user, channel.peer);
    let _ = channel.writer.write_all(greeting.as_bytes()).await;
    let _ = channel.writer.flush().await;
    let _ = tokio::io::copy(&mut channel.reader, &mut channel.writer).await;
    channel.finish(0).await;
}

use std::process::ExitCode;

use crate::cli::settings::ServerModeSettings;

/// Serves one session over standard input and output.
pub fn run_stdio(_settings: ServerModeSettings) -> ExitCode {
    ExitCode::FAILURE
}
