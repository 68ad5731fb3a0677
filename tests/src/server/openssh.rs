//! Debian's `sshd` on a high port, which starts `ascp --server` for the login user.
//!
//! Runs as whoever runs the tests: as root with privilege separation, else for that one user.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Server, free_tcp_port, free_udp_port};
use crate::process::Running;
use crate::world::{World, is_installed};
use crate::{binaries, keys, skip};

/// How long `sshd` may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// An `sshd` configuration in the making.
#[derive(Debug)]
pub struct OpenSsh {
    search_path: PathBuf,
    forced_command: Option<String>,
}

impl Default for OpenSsh {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenSsh {
    /// An `sshd` whose users find the built `ascp` on their search path.
    #[must_use]
    pub fn new() -> Self {
        Self {
            search_path: binaries::folder().to_path_buf(),
            forced_command: None,
        }
    }

    /// Its users find no `ascp`.
    #[must_use]
    pub fn without_ascp(mut self, world: &World) -> Self {
        self.search_path = world.server_folder().join("no programs here");
        self
    }

    /// Whatever the client asks for, `command` runs.
    #[must_use]
    pub fn forced_command(mut self, command: impl Into<String>) -> Self {
        self.forced_command = Some(command.into());
        self
    }

    /// Starts it; `None`, said as a skip, when `sshd` is not installed.
    ///
    /// # Panics
    ///
    /// When it is installed and does not listen.
    #[must_use]
    pub fn start(self, world: &World) -> Option<Server> {
        let Some(program) = program() else {
            skip::say("sshd is not installed (Debian: openssh-server)");
            return None;
        };
        let port = free_tcp_port();
        let configuration = self.write_configuration(world, port);
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("the folder sshd separates privileges in");
        }
        let mut command = Command::new(program);
        command
            .args(["-D", "-e", "-f"])
            .arg(configuration)
            .stdin(Stdio::null());
        let mut process = Running::start(command);
        wait_until_it_listens(&mut process, port);
        Some(Server {
            process,
            ssh_port: port,
            udp_port: free_udp_port(),
            login: format!("{}@127.0.0.1", login_name()),
            prefix: world.remote(""),
        })
    }

    fn write_configuration(&self, world: &World, port: u16) -> PathBuf {
        let folder = world.server_folder();
        let host_key = folder.join("sshd_host_key");
        keys::generate(&host_key);
        let mut text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\n\
             AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             LogLevel ERROR\nMaxStartups 100\nSetEnv PATH=\"{}:/usr/bin:/bin\"\n",
            host_key.display(),
            folder.join("authorized_keys").display(),
            self.search_path.display(),
        );
        if let Some(command) = &self.forced_command {
            text += &format!("ForceCommand {command}\n");
        }
        let path = folder.join("sshd_config");
        fs::write(&path, text).expect("the configuration of sshd");
        path
    }
}

fn program() -> Option<&'static Path> {
    let program = Path::new("/usr/sbin/sshd");
    (is_installed("sshd") && program.is_file()).then_some(program)
}

fn wait_until_it_listens(process: &mut Running, port: u16) {
    let deadline = Instant::now() + START_LIMIT;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            process.is_running() && Instant::now() < deadline,
            "sshd does not listen: {}",
            String::from_utf8_lossy(&process.stderr_so_far())
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The name of the user who runs the tests, from `/etc/passwd`.
fn login_name() -> String {
    let own_id = rustix::process::geteuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| {
            let name = fields.next()?;
            (fields.nth(1)? == own_id).then(|| name.to_owned())
        })
        .expect("an entry in /etc/passwd for the user who runs the tests")
}
