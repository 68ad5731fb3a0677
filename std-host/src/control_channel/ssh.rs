//! The client's control channel: TCP, SSH, and the server's command started.
//!
//! One call from a host name to an authenticated byte stream. Reads no standard input and asks
//! nobody. Round trips are the budget here: nothing is waited for that is not needed to go on.
//!
//! # How it is built
//!
//! Layers, each of which trusts the one below and nothing above it:
//!
//! - `packets`: framing and encryption of a byte stream; bounds every length before it waits
//!   for the bytes, and gives out nothing that was not authenticated.
//! - `key_exchange`: both proposals and the server's signature over all that was said; no I/O.
//! - `connection`: greeting, first keys, new keys; then the host key is judged. Nothing that
//!   belongs to the user is sent, or even queued, before that.
//! - `authentication`: complete attempts, each sent without asking first.
//! - `session`: one channel, one command, and a task that moves bytes.
//!
//! Only what has no known weakness is offered: X25519 (alone or with ML-KEM-768) and P-256 with
//! SHA-256; AES-GCM, and ChaCha20-Poly1305 where key exchange is strict; Ed25519, ECDSA and RSA
//! of 2048 bits or more with SHA-2. A server without any of them is refused with a sentence.
//!
//! # What a hostile server can do
//!
//! Make us wait until the time to connect has passed; keep about 64 KiB per packet, one window
//! (2 MiB) of data nobody has read and 256 KiB of answers it does not read in our memory; say
//! something that is shown as one line of plain text. When `known_hosts` has no key of it and
//! no fingerprint was given, it is believed, and gets the password if there is one.
//!
//! # Limits
//!
//! - New keys are made when the server asks, never on our own; a connection ends after 2^31
//!   packets in one direction.
//! - No host or user certificates, no agent, no GSSAPI, no compression, no `ssh_config`.
//! - The password answers every question that does not echo. If it opened a private key it is
//!   that key's passphrase and is not sent at all.
//!
//! Source: order of keys and password as `ascp` documents `-i` and `ASPERA_SCP_PASS`; error
//! texts are those of `fasp_core::fault` (numbers 12, 13, 19, 51).

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use fasp_core::fault::Fault;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::host_key::HostKeyRules;
use super::identity::{Identities, Sources};
use super::{ControlChannel, known_hosts, server_text};
use crate::failure::{Failure, Outcome};

mod authentication;
mod connection;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod key_exchange;
mod packets;
mod session;
mod wire;

use error::SshError;

/// What the server is asked to run unless told otherwise.
pub const REMOTE_COMMAND: &str = "ascp --server";

/// How long the whole way to the started command may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Where to connect, as whom, and what to trust.
pub struct SshTarget {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port of the SSH service.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// Private keys, in the order in which they are tried.
    pub identity_files: Vec<PathBuf>,
    /// The account's password, and the passphrase of encrypted keys.
    pub password: Option<Zeroizing<String>>,
    /// A private key as text, tried after the files.
    pub key_text: Option<Zeroizing<String>>,
    /// SHA-1 of the host key; it then decides instead of `known_hosts`.
    pub check_sshfp: Option<[u8; 20]>,
    /// Any host key will do that is not revoked, where there is no fingerprint.
    pub ignores_host_key: bool,
    /// Use IPv6 addresses only.
    pub ipv6_only: bool,
    /// The command line the server runs.
    pub remote_command: String,
    /// The folder that holds the user's `.ssh`; without one there are no default keys.
    pub home: Option<PathBuf>,
    /// The file of known host keys.
    pub known_hosts: PathBuf,
    /// How long everything may take.
    pub connect_timeout: Duration,
}

impl SshTarget {
    /// A target with the defaults: port 22, the user's own keys and `known_hosts`.
    #[must_use]
    pub fn new(host: impl Into<String>, user: impl Into<String>) -> Self {
        // An empty name of a folder would be the current one.
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let root = home.clone().unwrap_or_else(|| PathBuf::from("/"));
        let known_hosts = root.join(".ssh/known_hosts");
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            identity_files: Vec::new(),
            password: None,
            key_text: None,
            check_sshfp: None,
            ignores_host_key: false,
            ipv6_only: false,
            remote_command: REMOTE_COMMAND.to_owned(),
            home,
            known_hosts,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

impl std::fmt::Debug for SshTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshTarget")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("identity_files", &self.identity_files)
            .field("remote_command", &self.remote_command)
            .finish_non_exhaustive()
    }
}

/// Connects, authenticates and starts the remote command.
///
/// Returns as soon as bytes may be written; that the command exists shows only when it answers
/// ([`super::RemoteEnd::why_closed`] explains when it does not).
///
/// # Errors
///
/// A [`Failure`] whose fault is one of [`Fault::TransferError`], [`Fault::TransferTimeout`],
/// [`Fault::Authentication`] and [`Fault::InsecureConnection`].
pub async fn connect(target: &SshTarget) -> Outcome<ControlChannel> {
    if !known_hosts::can_be_recorded(&target.host) {
        let host = server_text::one_line(&target.host, server_text::SENTENCE);
        return Err(tcp_words(&format!("cannot resolve the host name {host}")));
    }
    let deadline = Instant::now() + target.connect_timeout;
    let identities = load_identities(target).await?;
    let mut rules = HostKeyRules::new(
        &target.host,
        target.port,
        target.known_hosts.clone(),
        target.check_sshfp,
    )?
    .ignoring(target.ignores_host_key);
    let mut mismatch = None;
    loop {
        let attempt = connect_once(target, deadline, &identities, &rules);
        let (failure, kind) = match timeout_at(deadline, attempt).await {
            Err(_elapsed) => return Err(Fault::TransferTimeout.into()),
            Ok(Ok(channel)) => return Ok(channel),
            // A server without further kinds of key ends the search for the fingerprint.
            Ok(Err(Refusal::Final(failure))) => return Err(mismatch.unwrap_or(failure)),
            Ok(Err(Refusal::HostKey { failure, kind })) => (failure, kind),
        };
        if !(rules.has_fingerprint() && rules.try_another_kind(&kind)) {
            return Err(failure);
        }
        mismatch = Some(failure);
    }
}

/// Why one attempt ended.
enum Refusal {
    /// Trying again would not help.
    Final(Failure),
    /// The host key was refused; the server may have another.
    HostKey {
        failure: Failure,
        kind: russh::keys::Algorithm,
    },
}

impl From<SshError> for Refusal {
    fn from(error: SshError) -> Self {
        Self::Final(error.into())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

async fn connect_once(
    target: &SshTarget,
    deadline: Instant,
    identities: &Identities,
    rules: &HostKeyRules,
) -> Result<ControlChannel, Refusal> {
    let stream = open_tcp(target, deadline).await?;
    session::start(target, stream, identities, rules).await
}

/// Opens the keys away from the reactor: a passphrase is slow to stretch.
async fn load_identities(target: &SshTarget) -> Outcome<Identities> {
    let files = target.identity_files.clone();
    let text = target.key_text.clone();
    let passphrase = target.password.clone();
    let home = target.home.clone();
    let loading = tokio::task::spawn_blocking(move || {
        Identities::load(&Sources {
            files: &files,
            text: text.as_ref().map(|text| text.as_str()),
            passphrase: passphrase.as_ref().map(|text| text.as_str()),
            home: home.as_deref(),
        })
    });
    let identities = loading
        .await
        .map_err(|_panicked| Failure::from(Fault::InternalError))?;
    if identities.keys.is_empty() && target.password.is_none() {
        return Err(authentication_failure(&if identities.problems.is_empty() {
            vec![
                "there is no key and no password to log in with (use -i or ASPERA_SCP_PASS)".into(),
            ]
        } else {
            identities.problems
        }));
    }
    Ok(identities)
}

/// The public words first, then what may help.
fn authentication_failure(details: &[String]) -> Failure {
    let mut text = "failed to authenticate".to_owned();
    if !details.is_empty() {
        text.push_str(": ");
        text.push_str(&details.join("; "));
    }
    Failure::new(Fault::Authentication, text)
}

async fn open_tcp(target: &SshTarget, deadline: Instant) -> Outcome<TcpStream> {
    let addresses = resolve(target).await?;
    let mut remaining = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = None;
    for address in addresses {
        // Each address gets its share, so that a silent one does not starve the next.
        let share = deadline.saturating_duration_since(Instant::now()) / remaining.max(1);
        remaining = remaining.saturating_sub(1);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A kernel that cannot is slower, not wrong.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(tcp_failure(target, &error)),
            Err(_elapsed) => last = Some(Fault::TransferTimeout.into()),
        }
    }
    Err(last.unwrap_or_else(|| Fault::TransferError.into()))
}

async fn resolve(target: &SshTarget) -> Outcome<Vec<SocketAddr>> {
    let host = &target.host;
    let found = tokio::net::lookup_host((host.as_str(), target.port))
        .await
        .map_err(|_| tcp_words(&format!("cannot resolve the host name {host}")))?;
    let usable: Vec<SocketAddr> = found
        .filter(|address| !target.ipv6_only || address.is_ipv6())
        .collect();
    if usable.is_empty() {
        let family = if target.ipv6_only { "IPv6 " } else { "" };
        return Err(tcp_words(&format!("{host} has no {family}address")));
    }
    Ok(usable)
}

fn tcp_failure(target: &SshTarget, error: &io::Error) -> Failure {
    let (host, port) = (&target.host, target.port);
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => return Fault::TransferTimeout.into(),
        _ => {
            let text = error.to_string();
            let words = text.split(" (os error").next().unwrap_or_default();
            words.to_lowercase()
        }
    };
    tcp_words(&format!(
        "{why} ({host} port {port}); check SSH port and firewall"
    ))
}

fn tcp_words(why: &str) -> Failure {
    Failure::new(
        Fault::TransferError,
        format!("Failed to open TCP connection for SSH: {why}"),
    )
}

#[cfg(test)]
mod tests;
