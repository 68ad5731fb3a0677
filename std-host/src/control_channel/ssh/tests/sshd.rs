//! OpenSSH's server, started for a test.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// OpenSSH's server on a loopback port with keys of its own; ends with the test.
pub(super) struct Sshd {
    pub(super) folder: tempfile::TempDir,
    process: Child,
    pub(super) port: u16,
    pub(super) user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(super) fn ssh_keygen(folder: &Path, file: &str, arguments: &[&str]) {
    let made = Command::new("ssh-keygen")
        .current_dir(folder)
        .args(["-q", "-f", file])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success(), "ssh-keygen {arguments:?}: {made:?}");
}

impl Sshd {
    /// None, and a word about it, on a machine without OpenSSH's server.
    pub(super) async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    pub(super) async fn start_with(more: &str) -> Option<Self> {
        let program = "/usr/sbin/sshd";
        if !Path::new(program).exists() {
            skipped("no /usr/sbin/sshd on this machine (package openssh-server)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for kind in ["ed25519", "ecdsa", "rsa"] {
            let file = format!("host_{kind}");
            ssh_keygen(folder.path(), &file, &["-t", kind, "-N", ""]);
        }
        std::fs::write(at("authorized_keys"), "").unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nHostKey {}\nHostKey {}\n\
             AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nPrintMotd no\nMaxAuthTries 3\n{more}",
            at("host_ed25519"),
            at("host_ecdsa"),
            at("host_rsa"),
            at("authorized_keys"),
        );
        std::fs::write(at("sshd_config"), configuration).unwrap();
        // Privilege separation wants this folder, which an init script would have made.
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = Command::new(program)
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let server = Self {
            port,
            user: String::from_utf8(user).unwrap().trim().to_owned(),
            process,
            folder,
        };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("sshd did not start: {}", server.log());
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A target that logs in with a new key made by `ssh-keygen` with these arguments.
    pub(super) fn target(&self, key: &str, arguments: &[&str]) -> SshTarget {
        ssh_keygen(self.folder.path(), key, arguments);
        let path = self.folder.path().join(key);
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let list = self.folder.path().join("authorized_keys");
        let others = std::fs::read_to_string(&list).unwrap();
        std::fs::write(&list, others + &public).unwrap();
        let mut target = SshTarget::new("127.0.0.1", self.user.clone());
        target.port = self.port;
        target.home = None;
        target.known_hosts = self.folder.path().join("known_hosts");
        target.identity_files.push(path);
        target.remote_command = "cat".to_owned();
        target
    }
}
