//! One SSH session of the client: keys exchanged, user authenticated, command started.
//!
//! Source: RFC 4252 (authentication), RFC 4254 section 6 (sessions), RFC 8332 (RSA with SHA-2).

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fasp_core::fault::Fault;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Disconnect, MethodKind, MethodSet, Preferred, SshId};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Refusal, SshTarget, authentication_failure};
use crate::control_channel::host_key::HostKeyRules;
use crate::control_channel::identity::{Identities, Identity};
use crate::control_channel::{ChannelWriter, ControlChannel, Lifeline, address_of, pump};
use crate::failure::Failure;

/// Our software name in the SSH greeting.
const CLIENT_ID: &str = concat!("SSH-2.0-ascp_", env!("CARGO_PKG_VERSION"));

/// A control channel carries few and small messages.
const WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Silence on the connection after which the server is asked for a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long the last bytes may take to reach the operating system.
const FAREWELL: Duration = Duration::from_secs(1);

/// Rounds of keyboard-interactive questions before we give up.
const MAX_QUESTION_ROUNDS: usize = 4;

/// Our end of the session's callbacks.
struct Watcher {
    rules: HostKeyRules,
    warnings: Arc<Mutex<Vec<String>>>,
}

/// What can end the session's task.
enum SessionError {
    Ssh(russh::Error),
    HostKey(Refusal),
}

impl std::fmt::Debug for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionError")
    }
}

impl From<russh::Error> for SessionError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Ssh(error) => Self::Final(ssh_failure(&error)),
            SessionError::HostKey(refusal) => refusal,
        }
    }
}

impl From<russh::Error> for Refusal {
    fn from(error: russh::Error) -> Self {
        Self::Final(ssh_failure(&error))
    }
}

fn ssh_failure(error: &russh::Error) -> Failure {
    let why = match error {
        russh::Error::HUP | russh::Error::Disconnect | russh::Error::SendError => {
            "the server closed the connection".to_owned()
        }
        russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        russh::Error::Version => "the server does not speak SSH version 2".to_owned(),
        other => other.to_string(),
    };
    let fault = Fault::TransferError;
    Failure::new(fault, format!("{}: {why}", fault.text()))
}

impl client::Handler for Watcher {
    type Error = SessionError;

    async fn check_server_key(
        &mut self,
        presented: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = presented else {
            return Ok(false);
        };
        match self.rules.check(key) {
            Ok(warning) => {
                if let Ok(mut warnings) = self.warnings.lock() {
                    warnings.extend(warning);
                }
                Ok(true)
            }
            Err(failure) => Err(SessionError::HostKey(Refusal::HostKey {
                failure,
                kind: key.algorithm(),
            })),
        }
    }
}

/// Runs the handshake on an open connection and starts the command.
pub(super) async fn start(
    target: &SshTarget,
    stream: TcpStream,
    identities: &Identities,
    rules: &HostKeyRules,
) -> Result<ControlChannel, Refusal> {
    let (peer, local) = (
        address_of(stream.peer_addr()),
        address_of(stream.local_addr()),
    );
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let watcher = Watcher {
        rules: rules.clone(),
        warnings: Arc::clone(&warnings),
    };
    let config = Arc::new(configuration(rules));
    let mut handle = client::connect_stream(config, stream, watcher).await?;
    authenticate(&mut handle, target, identities).await?;
    let channel = handle.channel_open_session().await?;
    // The answer is looked at when it comes, not waited for.
    channel.exec(true, target.remote_command.as_bytes()).await?;
    let (incoming, outgoing) = channel.split();
    let (reader, remote) = pump::start(incoming);
    let warnings = warnings.lock().map(|list| list.clone()).unwrap_or_default();
    Ok(ControlChannel {
        reader: Box::new(reader),
        writer: Box::new(outgoing.make_writer()),
        peer,
        local,
        remote,
        warnings,
        lifeline: Lifeline::new(move |writer, _status| farewell(handle, writer)),
    })
}

async fn farewell(handle: Handle<Watcher>, mut writer: ChannelWriter) {
    // A connection that is gone already has nothing left to flush.
    let _ = tokio::time::timeout(FAREWELL, async {
        let _ = writer.shutdown().await;
        let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
        let _ = handle.await;
    })
    .await;
}

fn configuration(rules: &HostKeyRules) -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        window_size: WINDOW_BYTES,
        keepalive_interval: Some(KEEPALIVE),
        preferred: Preferred {
            key: Cow::Owned(rules.algorithms()),
            ..Preferred::default()
        },
        ..client::Config::default()
    }
}

/// Offers the keys in order, then the password.
async fn authenticate(
    handle: &mut Handle<Watcher>,
    target: &SshTarget,
    identities: &Identities,
) -> Result<(), Refusal> {
    let mut refused = identities.problems.clone();
    let mut methods: Option<MethodSet> = None;
    for identity in &identities.keys {
        if !allows(methods.as_ref(), MethodKind::PublicKey) {
            refused.push(format!("{} is not allowed for keys", target.user));
            break;
        }
        match offer(handle, &target.user, identity).await? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure {
                remaining_methods, ..
            } => methods = Some(remaining_methods),
        }
        refused.push(format!("the server refused {}", identity.name));
    }
    if let Some(password) = &target.password {
        if log_in_by_password(handle, &target.user, password, methods).await? {
            return Ok(());
        }
        refused.push(format!(
            "the server refused the password of {}",
            target.user
        ));
    }
    Err(authentication_failure(&refused).into())
}

fn allows(methods: Option<&MethodSet>, method: MethodKind) -> bool {
    methods.is_none_or(|methods| methods.contains(&method))
}

async fn offer(
    handle: &mut Handle<Watcher>,
    user: &str,
    identity: &Identity,
) -> Result<AuthResult, russh::Error> {
    let hash = if identity.key.algorithm().is_rsa() {
        // A server that does not say accepts SHA-2 or is too old to be safe.
        let best = handle.best_supported_rsa_hash().await?;
        Some(best.flatten().unwrap_or(HashAlg::Sha512))
    } else {
        None
    };
    let key = PrivateKeyWithHashAlg::new(Arc::clone(&identity.key), hash);
    handle.authenticate_publickey(user, key).await
}

async fn log_in_by_password(
    handle: &mut Handle<Watcher>,
    user: &str,
    password: &str,
    mut methods: Option<MethodSet>,
) -> Result<bool, russh::Error> {
    if allows(methods.as_ref(), MethodKind::Password) {
        match handle.authenticate_password(user, password).await? {
            AuthResult::Success => return Ok(true),
            AuthResult::Failure {
                remaining_methods, ..
            } => methods = Some(remaining_methods),
        }
    }
    if !allows(methods.as_ref(), MethodKind::KeyboardInteractive) {
        return Ok(false);
    }
    answer_questions(handle, user, password).await
}

/// Keyboard-interactive: the password answers every question that does not echo.
async fn answer_questions(
    handle: &mut Handle<Watcher>,
    user: &str,
    password: &str,
) -> Result<bool, russh::Error> {
    let mut reply = handle
        .authenticate_keyboard_interactive_start(user, None)
        .await?;
    for _ in 0..MAX_QUESTION_ROUNDS {
        let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = reply else {
            break;
        };
        if prompts.iter().any(|prompt| prompt.echo) {
            return Ok(false);
        }
        let answers = prompts.iter().map(|_| password.to_owned()).collect();
        reply = handle
            .authenticate_keyboard_interactive_respond(answers)
            .await?;
    }
    Ok(matches!(reply, KeyboardInteractiveAuthResponse::Success))
}
