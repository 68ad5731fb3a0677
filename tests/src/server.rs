//! The two real servers a transfer can meet: our `ascpd`, and the system's OpenSSH `sshd`.

pub mod ascpd;
pub mod openssh;

use std::ffi::OsString;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::client::operand;
use crate::process::{Finished, Running};

pub use self::ascpd::Ascpd;
pub use self::openssh::OpenSsh;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Running,
    /// Port of the SSH service.
    pub ssh_port: u16,
    /// UDP port that sessions use first.
    pub udp_port: u16,
    /// `user@host` as it stands in operands.
    pub login: String,
    /// What remote paths must start with to lie in the world's remote folder.
    prefix: PathBuf,
}

impl Server {
    /// `user@host:path` for a path below the world's remote folder.
    #[must_use]
    pub fn at(&self, path: impl AsRef<Path>) -> OsString {
        operand(&self.login, self.path(path))
    }

    /// The remote path alone, as `--mode`/`--host` command lines give it.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> OsString {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return self.prefix.clone().into_os_string();
        }
        self.prefix.join(path).into_os_string()
    }

    /// The user's name alone.
    #[must_use]
    pub fn user(&self) -> &str {
        self.login.split('@').next().unwrap_or_default()
    }

    /// The host alone, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.login.rsplit('@').next().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    /// The server's process id.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What the server has said, for messages and log tests.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = self.process.stdout_so_far();
        words.extend(self.process.stderr_so_far());
        String::from_utf8_lossy(&words).into_owned()
    }

    /// Makes it abort, as a crash does, and gives how it ended.
    #[must_use]
    pub fn crash(self) -> Finished {
        self.process.signal(Signal::ABORT);
        self.process.wait(Duration::from_secs(20))
    }

    /// Whether the server still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }
}

/// How far apart the ports of two servers are: sessions that run at once use the ports after the first.
const PORTS_OF_A_SERVER: u32 = 16;

/// A UDP port that was free a moment ago, on every address of the loopback, and that the system gives to nobody who
/// asks for any port: a server binds it only when a session begins.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn free_udp_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(PORTS_OF_A_SERVER * 7);
    (0..1_000)
        .map(|_| NEXT.fetch_add(PORTS_OF_A_SERVER, Ordering::Relaxed))
        .map(|offset| 10_000 + begin.wrapping_add(offset) % 20_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| UdpSocket::bind(("127.0.0.1", *port)).is_ok())
        .expect("a UDP port")
}

/// A TCP port that was free a moment ago.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn free_tcp_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a TCP port");
    listener.local_addr().expect("its address").port()
}
