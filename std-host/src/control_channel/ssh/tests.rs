//! The client against OpenSSH's sshd, and how many round trips it takes.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::*;
use crate::control_channel::tests::skipped;
use crate::daemon::tests::Fixture;

/// OpenSSH's server on a loopback port with keys of its own; ends with the test.
struct Sshd {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
    user: String,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn ssh_keygen(folder: &Path, file: &str, arguments: &[&str]) {
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
    async fn start() -> Option<Self> {
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
             PasswordAuthentication no\nPrintMotd no\nMaxAuthTries 20\n",
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

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A target that logs in with a new key made by `ssh-keygen` with these arguments.
    fn target(&self, key: &str, arguments: &[&str]) -> SshTarget {
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

async fn echoes(target: &SshTarget) -> String {
    let mut channel = connect(target).await.unwrap();
    channel.writer.write_all(b"ping").await.unwrap();
    channel.writer.shutdown().await.unwrap();
    let mut heard = String::new();
    channel.reader.read_to_string(&mut heard).await.unwrap();
    channel.finish(0).await;
    heard
}

#[tokio::test]
async fn sshd_takes_every_kind_and_form_of_key() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let forms: [(&str, &[&str]); 8] = [
        ("ed25519", &["-t", "ed25519", "-N", ""]),
        ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""]),
        ("ecdsa-sec1", &["-t", "ecdsa", "-m", "PEM", "-N", ""]),
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]),
        (
            "rsa-pkcs1",
            &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""],
        ),
        (
            "rsa-pkcs8",
            &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""],
        ),
        ("ecdsa-pkcs8", &["-t", "ecdsa", "-m", "PKCS8", "-N", ""]),
        ("locked", &["-t", "ed25519", "-N", "pass phrase"]),
    ];
    for (name, arguments) in forms {
        let mut target = server.target(name, arguments);
        target.password = Some(Zeroizing::new("pass phrase".to_owned()));
        let heard = tokio::time::timeout(Duration::from_secs(20), echoes(&target)).await;
        assert_eq!(heard.as_deref(), Ok("ping"), "{name}: {}", server.log());
    }
}

#[tokio::test]
async fn a_host_known_by_one_kind_of_key_is_not_refused_for_another() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let target = server.target("id", &["-t", "ed25519", "-N", ""]);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let public = server.folder.path().join(format!("host_{kind}.pub"));
        let key = std::fs::read_to_string(public).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", server.port);
        std::fs::write(&target.known_hosts, &line).unwrap();
        assert_eq!(echoes(&target).await, "ping");
        assert_eq!(std::fs::read_to_string(&target.known_hosts).unwrap(), line);
    }
}

#[tokio::test]
async fn the_fingerprint_may_be_that_of_any_host_key() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let mut target = server.target("id", &["-t", "ed25519", "-N", ""]);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let public = server.folder.path().join(format!("host_{kind}.pub"));
        let key = russh::keys::load_public_key(public).unwrap();
        let algorithm = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
        let digest = aws_lc_rs::digest::digest(algorithm, &key.to_bytes().unwrap());
        target.check_sshfp = Some(digest.as_ref().try_into().unwrap());
        assert_eq!(echoes(&target).await, "ping", "{kind}");
    }
}

#[tokio::test]
async fn a_host_without_ascp_says_that_it_was_not_found() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let mut target = server.target("id", &["-t", "ed25519", "-N", ""]);
    target.remote_command = "/nonexistent/ascp --server".to_owned();
    let mut channel = connect(&target).await.unwrap();
    let mut heard = Vec::new();
    channel.reader.read_to_end(&mut heard).await.unwrap();
    let failure = channel.remote.why_closed().await;
    let expected = "Server aborted session: ascp was not found on the remote host";
    assert!(failure.text.starts_with(expected), "{failure}");
    assert!(failure.text.contains("/nonexistent/ascp"), "{failure}");
}

#[tokio::test]
async fn sshd_refuses_a_strange_key_with_the_public_words() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let target = server.target("id", &["-t", "ed25519", "-N", ""]);
    std::fs::write(server.folder.path().join("authorized_keys"), "").unwrap();
    let Err(failure) = connect(&target).await else {
        panic!("a strange key was accepted");
    };
    assert_eq!(failure.fault, Fault::Authentication);
    assert!(failure.text.starts_with("failed to authenticate"));
}

const ONE_WAY: Duration = Duration::from_millis(50);

/// A TCP relay that delivers every byte 50 ms late.
async fn slow_path_to(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (client_in, client_out) = client.into_split();
            let (server_in, server_out) = server.into_split();
            tokio::spawn(delay(client_in, server_out));
            tokio::spawn(delay(server_in, client_out));
        }
    });
    near
}

async fn delay(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
    to.as_ref().set_nodelay(true).unwrap();
    let (queue, mut late) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = late.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    let mut buffer = vec![0; 65536];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let bytes = buffer.get(..count).unwrap().to_vec();
        queue.send((Instant::now() + ONE_WAY, bytes)).unwrap();
    }
}

/// Round trips from the first SYN to the first byte of an answer, over 100 ms.
///
/// The relay answers the SYN at once, so one round trip is added for it.
async fn round_trips(target: &mut SshTarget) -> f64 {
    target.port = slow_path_to(target.port).await;
    let start = Instant::now();
    let mut channel = connect(target).await.unwrap();
    channel.writer.write_all(b"HELLO").await.unwrap();
    channel.writer.flush().await.unwrap();
    let mut first = [0];
    channel.reader.read_exact(&mut first).await.unwrap();
    1.0 + start.elapsed().as_secs_f64() / (2.0 * ONE_WAY.as_secs_f64())
}

#[tokio::test]
async fn measure() {
    if let Some(server) = Sshd::start().await {
        let mut target = server.target("id", &["-t", "ed25519", "-N", ""]);
        let trips = round_trips(&mut target).await;
        skipped(&format!("sshd key: {trips:.2}"));
    }
    let key = russh::keys::PrivateKey::random(
        &mut russh::keys::key::safe_rng(),
        russh::keys::Algorithm::Ed25519,
    )
    .unwrap();
    let fixture = Fixture::listening_first(&[&key]).await;
    let mut target = fixture.target_with_key("bob", &key);
    let trips = round_trips(&mut target).await;
    skipped(&format!("ascpd key: {trips:.2}"));
    let mut target = fixture.target("bob");
    target.password = Some(Zeroizing::new("open sesame".to_owned()));
    let trips = round_trips(&mut target).await;
    skipped(&format!("ascpd password: {trips:.2}"));
}
