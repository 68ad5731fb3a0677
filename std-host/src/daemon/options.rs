//! The command line of `ascpd`.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fasp_core::fault::Fault;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::accounts::password_line;
use super::{Daemon, DaemonSettings, note};
use crate::failure::{Failure, Outcome};

const DEFAULT_UDP_PORT: u16 = 33001;
const DEFAULT_MAX_SESSIONS: usize = 64;

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

    /// Folder that clients see as /; they cannot leave it
    #[arg(long, value_name = "DIR")]
    docroot: Option<PathBuf>,

    /// Public keys that may log in, as in ~/.ssh/authorized_keys but without options
    #[arg(long, value_name = "FILE")]
    authorized_keys: Option<PathBuf>,

    /// Accounts that may log in by password; lines come from `ascpd hash-password`
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
        None => settings(arguments).and_then(serve),
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
    Ok(DaemonSettings {
        listen: arguments.listen.ok_or_else(|| missing("--listen"))?,
        docroot: arguments.docroot.ok_or_else(|| missing("--docroot"))?,
        host_key: arguments.host_key.ok_or_else(|| missing("--host-key"))?,
        authorized_keys: arguments.authorized_keys,
        password_file: arguments.password_file,
        user: arguments.user,
        udp_port: arguments.udp_port,
        udp_advertise: arguments.udp_advertise,
        max_sessions: arguments.max_sessions,
    })
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
        announce(daemon.address()?);
        daemon
            .serve_until(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            })
            .await;
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
