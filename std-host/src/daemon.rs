//! `ascpd`: the server for machines without sshd, with an SSH service of its own.
//!
//! It authenticates, starts `ascp --server` sessions inside this process, and does nothing else:
//! no shell, no terminal, no forwarding, no other command. What a session may touch is decided
//! by [`crate::server`] from the [`crate::server::SessionRights`] made here.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use fasp_core::fault::Fault;
use russh::keys::PrivateKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::configuration::{Configuration, SystemUser};
use crate::control_channel::ControlChannel;
use crate::control_channel::host_key::sha1_fingerprint;
use crate::failure::{Failure, Outcome};
use crate::server::HookProgram;
use crate::server::rules::SessionRules;
use crate::server::{self, SessionRights};

mod accounts;
mod back_off;
mod connection;
mod guests;
mod host_key_file;
mod options;
mod privileges;
mod service_manager;
mod user_limits;
mod visitor;

pub use options::run;
pub use visitor::starts_a_transfer;

use accounts::Accounts;
use back_off::BackOff;
use guests::Guests;
use user_limits::UserLimits;

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
    /// Sessions of one user that may run at once.
    pub max_sessions_per_user: usize,
    /// How long running sessions may go on when the daemon is told to end.
    pub drain: Duration,
    /// What is run at the start and the end of sessions and files.
    pub hook: Option<HookProgram>,
}

/// What the daemon may be told while it serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// Read the configuration again.
    Reload,
    /// Take no more clients and end when the running sessions have.
    Drain,
    /// End now.
    Stop,
}

/// How far the daemon has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Serving,
    /// Running sessions go on.
    Draining,
    /// Everything ends.
    Stopping,
}

impl DaemonSettings {
    /// What `configuration` says about `user`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if there is no docroot for this user.
    pub(crate) fn rules_of(
        &self,
        configuration: &Configuration,
        user: &str,
    ) -> Outcome<SessionRules> {
        let account = SystemUser::named(user);
        let settings = configuration.for_user(user, &account.groups);
        let mut rules = SessionRules::new(&settings, account.home.as_deref())?;
        if let (true, Some(docroot)) = (rules.docroots.is_empty(), &self.docroot) {
            rules.confine(docroot.clone());
        }
        if rules.docroots.is_empty() {
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
    host_key: PrivateKey,
    ssh: Arc<russh::server::Config>,
    sessions: Arc<Semaphore>,
    users: UserLimits,
    back_off: BackOff,
    /// What holds for sessions that begin now.
    configuration: RwLock<Arc<Configuration>>,
    stage: watch::Receiver<Stage>,
}

impl Service {
    fn configuration(&self) -> Arc<Configuration> {
        let read = self.configuration.read();
        Arc::clone(&read.unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the configuration again; a wrong one changes nothing.
    fn reload(&self) {
        let Some(path) = &self.settings.configuration.path else {
            note("told to read the configuration again, but there is no file");
            return;
        };
        service_manager::reloading();
        let read = Configuration::read(path).and_then(|read| {
            check_fingerprint(&read, &self.host_key)?;
            check_parties(&read)?;
            Ok(read)
        });
        match read {
            Ok(read) => {
                read.warnings.iter().for_each(|warning| note(warning));
                let place = self.configuration.write();
                *place.unwrap_or_else(PoisonError::into_inner) = Arc::new(read);
                note(&format!("{}: read again", path.display()));
            }
            Err(failure) => note(&format!("{failure}; the old configuration stays in force")),
        }
        service_manager::ready();
    }
}

/// Whether there are rules for everybody who has some of his own: what is wrong is found before he comes.
fn check_parties(configuration: &Configuration) -> Outcome<()> {
    let everybody = configuration.for_user("user", &[]);
    SessionRules::new(&everybody, Some("/"))?;
    for user in &configuration.users {
        let settings = configuration.for_user(&user.name, &[]);
        SessionRules::new(&settings, Some("/"))?;
    }
    for group in &configuration.groups {
        let groups = [group.name.clone()];
        SessionRules::new(&configuration.for_user("user", &groups), Some("/"))?;
    }
    Ok(())
}

/// A daemon that listens and has not yet accepted anyone.
pub struct Daemon {
    listener: TcpListener,
    service: Arc<Service>,
    stage: watch::Sender<Stage>,
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
        check_fingerprint(&settings.configuration, &host_key)?;
        check_parties(&settings.configuration)?;
        let methods = accounts.methods();
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            Failure::new(
                Fault::SocketSetup,
                format!("cannot listen on {} ({error})", settings.listen),
            )
        })?;
        let (stage, stages) = watch::channel(Stage::Serving);
        let service = Service {
            sessions: Arc::new(Semaphore::new(settings.max_sessions)),
            ssh: Arc::new(connection::configuration(host_key.clone(), methods)),
            host_key,
            users: UserLimits::new(settings.max_sessions_per_user),
            back_off: BackOff::default(),
            configuration: RwLock::new(Arc::new(settings.configuration.clone())),
            accounts,
            serve,
            settings,
            stage: stages,
        };
        Ok(Self {
            listener,
            service: Arc::new(service),
            stage,
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
        let (sender, orders) = mpsc::channel(1);
        let forward = async {
            stop.await;
            let _ = sender.send(Order::Stop).await;
            std::future::pending().await
        };
        tokio::select! {
            () = self.serve(orders) => {}
            () = forward => {}
        }
    }

    /// Accepts connections and does what `orders` say, until one of them ends it.
    pub async fn serve(self, mut orders: mpsc::Receiver<Order>) {
        service_manager::ready();
        let mut connections = JoinSet::new();
        let last = self.accept(&mut orders, &mut connections).await;
        service_manager::stopping();
        drop(self.listener);
        if last == Order::Drain {
            let running = connections.len();
            let limit = self.service.settings.drain;
            let seconds = limit.as_secs();
            note(&format!(
                "told to end: {running} connections may go on for {seconds} s"
            ));
            let _ = self.stage.send(Stage::Draining);
            tokio::select! {
                () = all_ended(&mut connections) => {}
                () = tokio::time::sleep(limit) => note("the running sessions are ended"),
                () = told_again(&mut orders) => note("told to end again: the running sessions are ended"),
            }
        }
        let _ = self.stage.send(Stage::Stopping);
        let _ = tokio::time::timeout(STOP_GRACE, all_ended(&mut connections)).await;
    }

    /// Accepts connections until an order ends that.
    async fn accept(
        &self,
        orders: &mut mpsc::Receiver<Order>,
        connections: &mut JoinSet<()>,
    ) -> Order {
        let guests = Guests::new(self.service.settings.max_sessions);
        let mut noted: Option<Instant> = None;
        let mut refused = |peer: SocketAddr, why: &str| {
            if noted.is_none_or(|last| last.elapsed() > BETWEEN_NOTES) {
                note(&format!("{peer}: refused, {why}"));
                noted = Some(Instant::now());
            }
        };
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Reload) => self.service.reload(),
                    Some(order) => return order,
                    None => return Order::Stop,
                },
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        if self.service.back_off.wait(peer.ip(), Instant::now()).is_some() {
                            refused(peer, "too many failed log-ins from this address");
                            continue;
                        }
                        let Some(seat) = guests.admit(peer.ip()) else {
                            refused(peer, "too many connections");
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
    }
}

async fn all_ended(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

/// Completes when the daemon is told to end once more.
async fn told_again(orders: &mut mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        if order != Order::Reload {
            return;
        }
    }
    std::future::pending().await
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

/// A configuration that names the host key means that key and no other.
fn check_fingerprint(configuration: &Configuration, key: &PrivateKey) -> Outcome<()> {
    let Some(named) = configuration.server.value("ssh_host_key_fingerprint") else {
        return Ok(());
    };
    let own: String = sha1_fingerprint(key.public_key())?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    if named.text.replace(':', "").eq_ignore_ascii_case(&own) {
        return Ok(());
    }
    let (line, path) = (named.line, configuration.path.clone().unwrap_or_default());
    let text = format!(
        "{}, line {line}: <ssh_host_key_fingerprint>: the host key has another one, {own}",
        path.display()
    );
    Err(Failure::new(Fault::BadConfiguration, text))
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
