//! Our standalone daemon, started with a world's keys on a port of its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Server, free_udp_port};
use crate::binaries;
use crate::process::Running;
use crate::world::World;

/// How long the daemon may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);
/// The words before the address in the line that says it listens.
const LISTENING: &str = "listening on ";

/// A daemon's command line in the making.
#[derive(Debug)]
pub struct Ascpd {
    command: Command,
    listen: String,
    docroot: PathBuf,
    udp_port: u16,
    login_host: &'static str,
}

impl Ascpd {
    /// A daemon for `world` on the IPv4 loopback; its root is the world's remote folder.
    #[must_use]
    pub fn new(world: &World) -> Self {
        Self::listening(world, "127.0.0.1:0", "127.0.0.1")
    }

    /// A daemon for `world` on the IPv6 loopback.
    #[must_use]
    pub fn on_ipv6(world: &World) -> Self {
        Self::listening(world, "[::1]:0", "[::1]")
    }

    fn listening(world: &World, listen: &str, login_host: &'static str) -> Self {
        let udp_port = free_udp_port();
        let folder = world.server_folder();
        let mut command = Command::new(binaries::ascpd());
        command
            .env_clear()
            .env("HOME", folder.as_os_str())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .arg("--authorized-keys")
            .arg(folder.join("authorized_keys"))
            .arg("--host-key")
            .arg(folder.join("host_key"))
            .args(["--udp-port", &udp_port.to_string()]);
        Self {
            command,
            listen: listen.into(),
            docroot: world.remote(""),
            udp_port,
            login_host,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.command.arg(argument.into());
        self
    }

    /// Takes another folder as root of all remote paths.
    #[must_use]
    pub fn docroot(mut self, folder: PathBuf) -> Self {
        self.docroot = folder;
        self
    }

    /// Listens on this port of the IPv4 loopback instead of any free one.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.listen = format!("127.0.0.1:{port}");
        self
    }

    /// Tells clients to send their datagrams to `address` instead.
    #[must_use]
    pub fn advertising(self, address: SocketAddr) -> Self {
        self.arg("--udp-advertise").arg(address.to_string())
    }

    /// The UDP port its first session will use.
    #[must_use]
    pub const fn udp_port(&self) -> u16 {
        self.udp_port
    }

    /// Changes the command in a way not foreseen here.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it ends or stays silent instead.
    #[must_use]
    pub fn start(mut self) -> Server {
        self.command
            .args(["--listen", &self.listen, "--docroot"])
            .arg(&self.docroot);
        let mut process = Running::start(self.command);
        let ssh_port = listening_port(&mut process);
        Server {
            process,
            ssh_port,
            udp_port: self.udp_port,
            login: format!("user@{}", self.login_host),
            prefix: PathBuf::from("/"),
        }
    }
}

fn listening_port(process: &mut Running) -> u16 {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let text = String::from_utf8_lossy(&process.stdout_so_far()).into_owned();
        if let Some(port) = port_in(&text) {
            return port;
        }
        let stopped = !process.is_running();
        assert!(
            !stopped && Instant::now() < deadline,
            "ascpd does not listen: {text}{}",
            String::from_utf8_lossy(&process.stderr_so_far())
        );
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The port in a complete line `... listening on ADDRESS:PORT`.
fn port_in(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(LISTENING)?;
    let (line, _) = rest.split_once('\n')?;
    let address: SocketAddr = line.split_whitespace().next()?.parse().ok()?;
    Some(address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_only_from_a_complete_line() {
        assert_eq!(port_in("ascpd listening on 127.0.0.1:22"), None);
        assert_eq!(port_in("ascpd listening on 127.0.0.1:2201\n"), Some(2201));
        assert_eq!(port_in("listening on [::1]:2201\nmore"), Some(2201));
    }
}
