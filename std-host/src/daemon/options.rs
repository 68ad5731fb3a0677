//! The command line of `ascpd`.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use fasp_core::fault::Fault;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::accounts::{self, password_line};
use super::{Daemon, DaemonSettings, Order, note, privileges};
use crate::configuration::elements::SESSION;
use crate::configuration::{
    self, Configuration, Effective, Origin, SystemUser, example_file, reference_table,
};
use crate::failure::{Failure, Outcome};
use crate::server::HookProgram;
use crate::server::rules::SessionRules;

/// What holds the elements of a docroot.
const DOCROOT: &str = "file_system/access/paths/path";
const DEFAULT_UDP_PORT: u16 = 33001;
const DEFAULT_MAX_SESSIONS: usize = 64;
const DEFAULT_SESSIONS_PER_USER: usize = 32;
const DEFAULT_DRAIN_SECONDS: u64 = 30;

/// Transfer server with its own SSH service: no shell, no other command.
#[derive(Debug, Parser)]
#[command(
    name = "ascpd",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Example:\n  ascpd --listen 0.0.0.0:2222 --docroot /srv/files \\\n        \
                  --authorized-keys keys --host-key host_key"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Address and TCP port of the SSH service; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,

    /// Rights and limits of users [default: ../etc/aspera.conf beside the
    /// program, /opt/aspera/etc/aspera.conf, /etc/aspera.conf]
    #[arg(short = 'f', long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print what the configuration says about USER, and where, and stop
    #[arg(long, value_name = "USER")]
    check_config: Option<String>,

    /// Print all elements of a configuration, and stop
    #[arg(long)]
    config_reference: bool,

    /// Print a commented configuration to begin with, and stop
    #[arg(long)]
    config_example: bool,

    /// Folder that clients see as /; they cannot leave it. A docroot in the
    /// configuration goes first
    #[arg(long, value_name = "DIR")]
    docroot: Option<PathBuf>,

    /// Public keys that may log in, as in ~/.ssh/authorized_keys but without
    /// options; %u in the path is the login name
    #[arg(long, value_name = "FILE")]
    authorized_keys: Option<PathBuf>,

    /// Accounts that may log in by password: lines of `ascpd hash-password`, or
    /// of /etc/shadow with yescrypt or sha512-crypt
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Private key that identifies this server; made when the file does not exist
    #[arg(long, value_name = "FILE")]
    host_key: Option<PathBuf>,

    /// Accept this login name only
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// First UDP port tried for data
    #[arg(long, value_name = "N", default_value_t = DEFAULT_UDP_PORT)]
    udp_port: u16,

    /// UDP address told to clients, for servers behind NAT or port forwarding
    #[arg(long, value_name = "ADDR:PORT")]
    udp_advertise: Option<SocketAddr>,

    /// Sessions that may run at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_SESSIONS)]
    max_sessions: usize,

    /// Sessions of one user that may run at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SESSIONS_PER_USER)]
    max_sessions_per_user: usize,

    /// How long running sessions may go on after SIGTERM; a second SIGTERM ends
    /// them at once
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_DRAIN_SECONDS)]
    drain_seconds: u64,

    /// Give up root and serve all sessions as this user of the system
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,

    /// Program that is run at the start and the end of sessions and files
    /// [default: /opt/aspera/var/aspera-prepost, if it exists]
    #[arg(long, value_name = "FILE")]
    prepost: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads a password from standard input and prints a line for --password-file
    HashPassword {
        /// Login name of the account
        user: String,
    },
}

/// Runs `ascpd` with the arguments of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Some(Command::HashPassword { user }) => print_password_line(user),
        None if arguments.config_reference => print(&reference_table()),
        None if arguments.config_example => print(&example_file()),
        None => match &arguments.check_config {
            Some(user) => check_config(arguments.config.as_deref(), user),
            None => start(arguments),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(&failure.text);
            ExitCode::FAILURE
        }
    }
}

fn settings(arguments: Arguments) -> Outcome<DaemonSettings> {
    let missing = |option: &str| {
        let text = format!("{option} is required; see ascpd --help");
        Failure::new(Fault::Usage, text)
    };
    if arguments.max_sessions == 0 {
        let text = "--max-sessions must be at least 1";
        return Err(Failure::new(Fault::Usage, text));
    }
    if arguments.max_sessions_per_user == 0 {
        let text = "--max-sessions-per-user must be at least 1";
        return Err(Failure::new(Fault::Usage, text));
    }
    let hook = hook(arguments.prepost)?;
    let configuration = configuration(arguments.config.as_deref())?;
    let keys = arguments.authorized_keys.as_deref();
    let anybody_is_anybody = keys.is_some_and(|path| !accounts::is_per_user(path));
    if configuration.path.is_some() && anybody_is_anybody && arguments.user.is_none() {
        let text = "--authorized-keys FILE lets every key log in under every name, and the configuration \
                    has rules for names; give --user NAME, or a FILE with %u in its path";
        return Err(Failure::new(Fault::BadConfiguration, text));
    }
    let has_docroot = configuration
        .for_user("", &[])
        .said("file_system/access/paths/path/absolute")
        .is_some();
    if arguments.docroot.is_none() && !has_docroot {
        return Err(missing(
            "--docroot, or a docroot in <default> of the configuration,",
        ));
    }
    Ok(DaemonSettings {
        listen: arguments.listen.ok_or_else(|| missing("--listen"))?,
        docroot: arguments.docroot,
        host_key: arguments.host_key.ok_or_else(|| missing("--host-key"))?,
        authorized_keys: arguments.authorized_keys,
        password_file: arguments.password_file,
        user: arguments.user,
        udp_port: arguments.udp_port,
        udp_advertise: arguments.udp_advertise,
        max_sessions: most_sessions(&configuration, arguments.max_sessions),
        configuration,
        max_sessions_per_user: arguments.max_sessions_per_user,
        drain: Duration::from_secs(arguments.drain_seconds),
        hook,
    })
}

/// What the configuration says goes, if it is less.
fn most_sessions(configuration: &Configuration, most: usize) -> usize {
    let named = configuration.server.value("max_running_ascp");
    let named = named.and_then(|setting| setting.text.parse().ok());
    most.min(named.filter(|named| *named > 0).unwrap_or(most))
}

fn hook(named: Option<PathBuf>) -> Outcome<Option<HookProgram>> {
    match named {
        Some(path) if path.is_absolute() && path.is_file() => Ok(Some(HookProgram(path))),
        Some(path) => {
            let text = format!(
                "--prepost {}: not the absolute path of a program",
                path.display()
            );
            Err(Failure::new(Fault::BadConfiguration, text))
        }
        None => Ok(HookProgram::usual()),
    }
}

/// Gives up what it need not be, listens, and serves.
fn start(arguments: Arguments) -> Outcome<()> {
    let run_as = arguments.run_as.clone();
    match &run_as {
        // Nothing was read and no thread started yet.
        Some(user) => privileges::become_user(user)?,
        None if rustix::process::geteuid().is_root() => {
            note("runs as root: so do all sessions, in their docroots; --run-as USER changes that");
        }
        None => {}
    }
    settings(arguments).and_then(serve)
}

/// The configuration at `path`, or where it usually lies, or the built-in one.
fn configuration(path: Option<&Path>) -> Outcome<Configuration> {
    match path.map(Path::to_owned).or_else(configuration::find) {
        Some(path) => Configuration::read(&path),
        None => Ok(Configuration::default()),
    }
}

/// Shows every element with what holds for `user` and where that stands.
fn check_config(path: Option<&Path>, user: &str) -> Outcome<()> {
    let configuration = configuration(path)?;
    configuration
        .warnings
        .iter()
        .for_each(|warning| note(warning));
    let account = SystemUser::named(user);
    let settings = configuration.for_user(user, &account.groups);
    // A docroot that cannot be is found here and not at the first log-in.
    SessionRules::new(&settings, account.home.as_deref())?;
    let file = configuration.path.as_ref().map_or_else(
        || "no configuration file".to_owned(),
        |path| path.display().to_string(),
    );
    let mut text = format!(
        "# {file}\n# user {user}, groups: {}\n",
        account.groups.join(", ")
    );
    for element in SESSION {
        let (value, origin) = settings.text(element);
        if element.path.starts_with(DOCROOT) {
            continue;
        }
        let is_secret = element.path.ends_with("/encryption_key") && !value.is_empty();
        let value = if is_secret { "(not shown)" } else { value };
        let origin = shown(&origin);
        text.push_str(&format!("{} = {value}  ({origin})\n", element.path));
    }
    text.push_str(&docroots(&settings));
    print(&text)
}

/// The elements of every docroot.
fn docroots(settings: &Effective<'_>) -> String {
    let mut text = String::new();
    let docroots = settings.docroots();
    let names = SESSION.iter().filter_map(|element| {
        let name = element.path.strip_prefix(DOCROOT)?;
        Some((element, name.strip_prefix('/')?))
    });
    for (element, name) in names {
        if docroots.is_empty() {
            let (value, origin) = settings.text(element);
            text.push_str(&format!(
                "{} = {value}  ({})\n",
                element.path,
                shown(&origin)
            ));
        }
        for (number, docroot) in docroots.iter().enumerate() {
            let place = match number {
                0 => DOCROOT.to_owned(),
                number => format!("{DOCROOT}[{}]", number + 1),
            };
            let (value, origin) = docroot.text(name);
            text.push_str(&format!("{place}/{name} = {value}  ({})\n", shown(&origin)));
        }
    }
    text
}

fn shown(origin: &Origin) -> String {
    match origin {
        Origin::User(line) => format!("user, line {line}"),
        Origin::Group(name, line) => format!("group {name}, line {line}"),
        Origin::Default(line) => format!("default, line {line}"),
        Origin::BuiltIn => "built in".to_owned(),
    }
}

fn print(text: &str) -> Outcome<()> {
    let trouble = |error: std::io::Error| Failure::new(Fault::InternalError, error.to_string());
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(trouble)
}

/// Keeps what is typed off the screen while it lives.
struct EchoOff(Termios);

impl EchoOff {
    /// Nothing if standard input is no terminal.
    fn on_terminal() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
        let _ = writeln!(std::io::stderr());
    }
}

fn print_password_line(user: &str) -> Outcome<()> {
    let mut password = Zeroizing::new(String::new());
    let trouble = |error: std::io::Error| Failure::new(Fault::InternalError, error.to_string());
    let echo = EchoOff::on_terminal();
    if echo.is_some() {
        write!(std::io::stderr(), "Password for {user}: ").map_err(trouble)?;
    }
    let read = std::io::stdin().lock().read_line(&mut password);
    drop(echo);
    read.map_err(trouble)?;
    let line = password_line(user, password.trim_end_matches(['\n', '\r']))?;
    writeln!(std::io::stdout(), "{line}").map_err(trouble)
}

fn serve(settings: DaemonSettings) -> Outcome<()> {
    let trouble = |error: std::io::Error| Failure::new(Fault::InternalError, error.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(trouble)?;
    runtime.block_on(async {
        crate::client::guard_process();
        let daemon = Daemon::bind(settings).await?;
        let mut terminate = signal(SignalKind::terminate()).map_err(trouble)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(trouble)?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(trouble)?;
        announce(daemon.address()?);
        let (sender, orders) = mpsc::channel(4);
        tokio::spawn(async move {
            loop {
                let order = tokio::select! {
                    _ = terminate.recv() => Order::Drain,
                    _ = interrupt.recv() => Order::Stop,
                    _ = hang_up.recv() => Order::Reload,
                };
                // A daemon that has ended needs no orders.
                let _ = sender.send(order).await;
            }
        });
        daemon.serve(orders).await;
        Outcome::Ok(())
    })?;
    // Sessions had their time; a worker stuck in a system call is not waited for.
    runtime.shutdown_background();
    Ok(())
}

/// The one line on standard output; scripts wait for it.
fn announce(address: SocketAddr) {
    let mut stdout = std::io::stdout();
    // The service is worth running even if nobody reads this.
    let _ = writeln!(stdout, "ascpd: listening on {address}").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_missing_option_is_named() {
        let arguments = Arguments::parse_from(["ascpd", "--listen", "127.0.0.1:0"]);
        let failure = settings(arguments).unwrap_err();
        assert!(failure.text.starts_with("--docroot"), "{failure}");
    }

    #[test]
    fn the_udp_address_for_clients_takes_both_families() {
        for address in ["192.0.2.1:33001", "[2001:db8::1]:33001"] {
            let arguments = Arguments::parse_from(["ascpd", "--udp-advertise", address]);
            assert_eq!(arguments.udp_advertise.unwrap().to_string(), address);
        }
    }
}
