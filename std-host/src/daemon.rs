//! `ascpd`: the server for machines without sshd, with an SSH service of its own.
//!
//! It authenticates, starts `ascp --server` sessions inside this process, and does nothing else:
//! no shell, no terminal, no forwarding, no other command. What a session may touch is decided
//! by [`crate::server`] from the [`crate::server::SessionRights`] made here.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fasp_core::fault::Fault;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::configuration::{Configuration, SystemUser};
use crate::control_channel::ControlChannel;
use crate::failure::{Failure, Outcome};
use crate::server::rules::SessionRules;
use crate::server::{self, SessionRights};

mod accounts;
mod connection;
mod guests;
mod host_key_file;
mod options;
mod visitor;

pub use options::run;

use accounts::Accounts;
use guests::Guests;

/// Refusals are noted this often at most: a flood of clients is no flood of lines.
const BETWEEN_NOTES: Duration = Duration::from_secs(10);

/// How long running sessions get to end when the daemon stops.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Everything the daemon is told at start.
#[derive(Debug)]
pub struct DaemonSettings {
    /// Where the SSH service listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The tree that sessions are confined to where the configuration names none.
    pub docroot: Option<PathBuf>,
    /// What `aspera.conf` says.
    pub configuration: Configuration,
    /// The daemon's own key; made when missing.
    pub host_key: PathBuf,
    /// Public keys that may log in.
    pub authorized_keys: Option<PathBuf>,
    /// Accounts that may log in by password.
    pub password_file: Option<PathBuf>,
    /// The only login name accepted.
    pub user: Option<String>,
    /// First UDP port a session tries.
    pub udp_port: u16,
    /// The UDP address told to clients instead of the one bound.
    pub udp_advertise: Option<SocketAddr>,
    /// Sessions that may run at once.
    pub max_sessions: usize,
}

impl DaemonSettings {
    /// What holds for `user`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if there is no docroot for this user.
    pub(crate) fn rules_of(&self, user: &str) -> Outcome<SessionRules> {
        let account = SystemUser::named(user);
        let settings = self.configuration.for_user(user, &account.groups);
        let mut rules = SessionRules::new(&settings, account.home.as_deref())?;
        rules.docroot = rules.docroot.or_else(|| self.docroot.clone());
        if rules.docroot.is_none() {
            let text = "no docroot: neither --docroot nor the configuration names one";
            return Err(Failure::new(Fault::BadConfiguration, text));
        }
        Ok(rules)
    }
}

/// What runs a session once its client has logged in.
pub(crate) type Serve = Box<dyn Fn(ControlChannel, SessionRights) -> Serving + Send + Sync>;
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What all connections share.
struct Service {
    settings: DaemonSettings,
    serve: Serve,
    accounts: Accounts,
    ssh: Arc<russh::server::Config>,
    sessions: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// A daemon that listens and has not yet accepted anyone.
pub struct Daemon {
    listener: TcpListener,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl Daemon {
    /// Checks the settings, reads the keys and starts to listen.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] for a file that cannot be used, [`Fault::SocketSetup`] when
    /// the address cannot be listened on.
    pub async fn bind(settings: DaemonSettings) -> Outcome<Self> {
        let serve = |channel, rights| -> Serving { Box::pin(server::serve(channel, rights)) };
        Self::bind_with(settings, Box::new(serve)).await
    }

    async fn bind_with(mut settings: DaemonSettings, serve: Serve) -> Outcome<Self> {
        if let Some(docroot) = &settings.docroot {
            settings.docroot = Some(usable_docroot(docroot)?);
        }
        settings
            .configuration
            .warnings
            .iter()
            .for_each(|warning| note(warning));
        let accounts = Accounts::new(
            settings.authorized_keys.clone(),
            settings.password_file.clone(),
            settings.user.clone(),
        )?;
        let host_key = host_key_file::load_or_create(&settings.host_key)?;
        let methods = accounts.methods();
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            Failure::new(
                Fault::SocketSetup,
                format!("cannot listen on {} ({error})", settings.listen),
            )
        })?;
        let (stop, stopping) = watch::channel(false);
        let service = Service {
            sessions: Arc::new(Semaphore::new(settings.max_sessions)),
            ssh: Arc::new(connection::configuration(host_key, methods)),
            accounts,
            serve,
            settings,
            stopping,
        };
        Ok(Self {
            listener,
            service: Arc::new(service),
            stop,
        })
    }

    /// The address really listened on.
    ///
    /// # Errors
    ///
    /// [`Fault::SocketSetup`] when the system does not know.
    pub fn address(&self) -> Outcome<SocketAddr> {
        self.listener
            .local_addr()
            .map_err(|error| Failure::new(Fault::SocketSetup, error.to_string()))
    }

    /// Accepts connections until `stop` completes, then ends all sessions.
    pub async fn serve_until(self, stop: impl Future<Output = ()>) {
        let guests = Guests::new(self.service.settings.max_sessions);
        let mut noted: Option<Instant> = None;
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let Some(seat) = guests.admit(peer.ip()) else {
                            if noted.is_none_or(|last| last.elapsed() > BETWEEN_NOTES) {
                                note(&format!("{peer}: refused, too many connections"));
                                noted = Some(Instant::now());
                            }
                            continue;
                        };
                        let service = Arc::clone(&self.service);
                        connections.spawn(connection::attend(service, stream, peer, seat));
                    }
                    // Out of descriptors, or a peer that left again: not a reason to stop.
                    Err(error) => {
                        note(&format!("cannot accept a connection ({error})"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_ended) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        let _ = self.stop.send(true);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(STOP_GRACE, all_ended).await;
    }
}

/// Shuts both directions of a connection, whoever still holds it.
struct HardClose(std::net::TcpStream);

impl HardClose {
    fn of(stream: TcpStream) -> std::io::Result<(TcpStream, Self)> {
        let stream = stream.into_std()?;
        let twin = stream.try_clone()?;
        Ok((TcpStream::from_std(stream)?, Self(twin)))
    }
}

impl Drop for HardClose {
    fn drop(&mut self) {
        // Closed already is what we want.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

fn usable_docroot(docroot: &std::path::Path) -> Outcome<PathBuf> {
    let unusable = |why: String| {
        let text = format!("--docroot {}: {why}", docroot.display());
        Failure::new(Fault::BadConfiguration, text)
    };
    let path = docroot
        .canonicalize()
        .map_err(|error| unusable(error.to_string()))?;
    if path.is_dir() {
        Ok(path)
    } else {
        Err(unusable("not a directory".to_owned()))
    }
}

/// One line for the administrator.
fn note(text: &str) {
    // Nobody may be listening on standard error; the service goes on.
    let _ = writeln!(std::io::stderr(), "ascpd: {text}");
}

#[cfg(test)]
pub(crate) mod tests;
