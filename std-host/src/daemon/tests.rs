//! The daemon over loopback: who gets in, and for what.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::RsaKeypair;
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::*;
use crate::configuration::Configuration;
use crate::control_channel::ssh::{SshTarget, connect};

/// A daemon on loopback whose sessions name the user and then echo.
pub(crate) struct Fixture {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<()>,
}

async fn echo(mut channel: ControlChannel, rights: SessionRights) {
    let greeting = format!("{} from {}\n", rights.user, channel.peer);
    channel.writer.write_all(greeting.as_bytes()).await.unwrap();
    tokio::io::copy(&mut channel.reader, &mut channel.writer)
        .await
        .unwrap();
    channel.finish(7).await;
}

pub(crate) fn write_key(path: &Path, key: &PrivateKey) {
    std::fs::write(path, key.to_openssh(LineEnding::LF).unwrap()).unwrap();
}

fn random_key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), algorithm).unwrap()
}

impl Fixture {
    pub(crate) async fn start(keys: &[&PrivateKey], max_sessions: usize, serve: Serve) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let lines: Vec<String> = keys
            .iter()
            .map(|key| format!("{}\n", key.public_key().to_openssh().unwrap()))
            .collect();
        std::fs::write(at("keys"), lines.concat()).unwrap();
        let line = accounts::password_line("bob", "open sesame").unwrap();
        std::fs::write(at("passwords"), format!("{line}\n")).unwrap();
        let settings = DaemonSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            docroot: Some(folder.path().to_owned()),
            configuration: Configuration::default(),
            host_key: at("host_key"),
            authorized_keys: Some(at("keys")),
            password_file: Some(at("passwords")),
            user: None,
            udp_port: 33001,
            udp_advertise: None,
            max_sessions,
            max_sessions_per_user: max_sessions,
            drain: Duration::from_secs(5),
            hook: None,
        };
        let daemon = Daemon::bind_with(settings, serve).await.unwrap();
        let port = daemon.address().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(daemon.serve_until(async {
            let _ = stopped.await;
        }));
        Self {
            folder,
            port,
            stop: Some(stop),
            ended,
        }
    }

    pub(crate) async fn echoing(keys: &[&PrivateKey]) -> Self {
        Self::start(
            keys,
            8,
            Box::new(|channel, rights| Box::pin(echo(channel, rights))),
        )
        .await
    }

    /// Sessions that speak only when spoken to.
    pub(crate) async fn listening_first(keys: &[&PrivateKey]) -> Self {
        let serve: Serve = Box::new(|mut channel, _rights| {
            Box::pin(async move {
                let copied = tokio::io::copy(&mut channel.reader, &mut channel.writer).await;
                copied.unwrap();
                channel.finish(0).await;
            })
        });
        Self::start(keys, 8, serve).await
    }

    pub(crate) fn target(&self, user: &str) -> SshTarget {
        let mut target = SshTarget::new("127.0.0.1", user);
        target.port = self.port;
        target.home = None;
        target.known_hosts = self.folder.path().join("known/hosts");
        target
    }

    pub(crate) fn target_with_key(&self, user: &str, key: &PrivateKey) -> SshTarget {
        let path = self.folder.path().join("id_test");
        write_key(&path, key);
        let mut target = self.target(user);
        target.identity_files.push(path);
        target
    }

    fn target_with_password(&self, user: &str, password: &str) -> SshTarget {
        let mut target = self.target(user);
        target.password = Some(Zeroizing::new(password.to_owned()));
        target
    }
}

async fn refusal(target: &SshTarget) -> Failure {
    match connect(target).await {
        Err(failure) => failure,
        Ok(_) => panic!("the connection was not refused"),
    }
}

/// Says something, hears the greeting and the echo, and ends the session in order.
async fn converse(target: &SshTarget) -> String {
    let mut channel = connect(target).await.unwrap();
    channel.writer.write_all(b"hello").await.unwrap();
    channel.writer.flush().await.unwrap();
    channel.writer.shutdown().await.unwrap();
    let mut heard = String::new();
    channel.reader.read_to_string(&mut heard).await.unwrap();
    let _ = channel.remote.why_closed().await;
    assert_eq!(channel.remote.exit_status(), Some(7));
    channel.finish(0).await;
    heard
}

#[tokio::test]
async fn every_kind_of_key_logs_in() {
    let rsa = PrivateKey::from(RsaKeypair::random(&mut safe_rng(), 2048).unwrap());
    let p256 = random_key(Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    });
    let p521 = random_key(Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    });
    let ed25519 = random_key(Algorithm::Ed25519);
    let keys = [&rsa, &p256, &p521, &ed25519];
    let fixture = Fixture::echoing(&keys).await;
    for key in keys {
        let target = fixture.target_with_key("anyone", key);
        assert_eq!(converse(&target).await, "anyone from 127.0.0.1\nhello");
    }
}

#[tokio::test]
async fn key_text_and_password_log_in_too() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let mut target = fixture.target("anyone");
    target.key_text = Some(key.to_openssh(LineEnding::LF).unwrap());
    assert_eq!(converse(&target).await, "anyone from 127.0.0.1\nhello");
    let target = fixture.target_with_password("bob", "open sesame");
    assert_eq!(converse(&target).await, "bob from 127.0.0.1\nhello");
}

#[tokio::test]
async fn the_password_helps_when_the_key_is_refused() {
    let fixture = Fixture::echoing(&[]).await;
    let mut target = fixture.target_with_key("bob", &random_key(Algorithm::Ed25519));
    target.password = Some(Zeroizing::new("open sesame".to_owned()));
    assert_eq!(converse(&target).await, "bob from 127.0.0.1\nhello");
}

#[tokio::test]
async fn a_second_key_helps_when_the_first_is_refused() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let mut target = fixture.target_with_key("bob", &key);
    let other = fixture.folder.path().join("other");
    write_key(&other, &random_key(Algorithm::Ed25519));
    target.identity_files.insert(0, other);
    assert_eq!(converse(&target).await, "bob from 127.0.0.1\nhello");
}

#[tokio::test]
async fn a_strangers_key_and_a_wrong_password_fail_to_authenticate() {
    let fixture = Fixture::echoing(&[&random_key(Algorithm::Ed25519)]).await;
    let stranger = random_key(Algorithm::Ed25519);
    for target in [
        fixture.target_with_key("bob", &stranger),
        fixture.target_with_password("bob", "open seasame"),
        fixture.target_with_password("nobody", "open sesame"),
    ] {
        let failure = refusal(&target).await;
        assert_eq!(failure.fault, Fault::Authentication);
        assert!(failure.text.starts_with("failed to authenticate"));
        assert!(!failure.text.contains("sesame"), "{failure}");
    }
}

#[tokio::test]
async fn a_key_file_that_cannot_be_used_is_named() {
    let fixture = Fixture::echoing(&[]).await;
    let mut target = fixture.target("bob");
    target.identity_files.push("/nonexistent/key".into());
    let failure = refusal(&target).await;
    assert_eq!(failure.fault, Fault::Authentication);
    assert!(failure.text.starts_with("failed to authenticate"));
    assert!(failure.text.contains("/nonexistent/key"), "{failure}");
}

#[tokio::test]
async fn another_command_is_refused_with_a_sentence() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let mut target = fixture.target_with_key("bob", &key);
    target.remote_command = "cat /etc/passwd".to_owned();
    let mut channel = connect(&target).await.unwrap();
    let mut heard = Vec::new();
    channel.reader.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty());
    let failure = channel.remote.why_closed().await;
    assert_eq!(channel.remote.exit_status(), Some(126));
    assert!(failure.text.contains("and nothing else"), "{failure}");
}

#[tokio::test]
async fn one_session_too_many_is_told_so() {
    let key = random_key(Algorithm::Ed25519);
    let serve: Serve = Box::new(|channel, rights| Box::pin(echo(channel, rights)));
    let fixture = Fixture::start(&[&key], 1, serve).await;
    let target = fixture.target_with_key("bob", &key);
    let mut first = connect(&target).await.unwrap();
    let mut byte = [0];
    first.reader.read_exact(&mut byte).await.unwrap();
    let mut second = connect(&target).await.unwrap();
    assert_eq!(second.reader.read(&mut byte).await.unwrap(), 0);
    let failure = second.remote.why_closed().await;
    assert!(failure.text.contains("try again later"), "{failure}");
    first.finish(0).await;
    // The seat is free again as soon as the daemon has seen the end.
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let mut next = connect(&target).await.unwrap();
            if next.reader.read(&mut byte).await.unwrap() == 1 {
                break;
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_session_that_panics_leaves_the_daemon_running() {
    let key = random_key(Algorithm::Ed25519);
    let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let serve: Serve = Box::new(move |channel, rights| {
        let first = calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        Box::pin(async move {
            assert!(!first, "this session panics on purpose");
            echo(channel, rights).await;
        })
    });
    let fixture = Fixture::start(&[&key], 8, serve).await;
    let target = fixture.target_with_key("bob", &key);
    let mut channel = connect(&target).await.unwrap();
    let mut heard = Vec::new();
    let ending = channel.reader.read_to_end(&mut heard);
    tokio::time::timeout(Duration::from_secs(10), ending)
        .await
        .expect("the client of the broken session was left hanging")
        .unwrap();
    assert_eq!(converse(&target).await, "bob from 127.0.0.1\nhello");
}

#[tokio::test]
async fn stopping_the_daemon_ends_its_sessions() {
    let key = random_key(Algorithm::Ed25519);
    let mut fixture = Fixture::echoing(&[&key]).await;
    let target = fixture.target_with_key("bob", &key);
    let mut channel = connect(&target).await.unwrap();
    let mut byte = [0];
    channel.reader.read_exact(&mut byte).await.unwrap();
    fixture.stop.take().unwrap().send(()).unwrap();
    let mut rest = Vec::new();
    channel.reader.read_to_end(&mut rest).await.unwrap();
    (&mut fixture.ended).await.unwrap();
    assert_eq!(refusal(&target).await.fault, Fault::TransferError);
}

#[tokio::test]
async fn an_unknown_host_key_is_recorded_and_a_changed_one_refused() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let target = fixture.target_with_key("bob", &key);
    converse(&target).await;
    let recorded = std::fs::read_to_string(&target.known_hosts).unwrap();
    let name = format!("[127.0.0.1]:{} ssh-ed25519 ", fixture.port);
    assert!(recorded.starts_with(&name), "{recorded}");
    converse(&target).await;
    assert_eq!(
        std::fs::read_to_string(&target.known_hosts).unwrap(),
        recorded
    );

    let other = random_key(Algorithm::Ed25519);
    let encoded = other.public_key().to_openssh().unwrap();
    let changed = format!("# mine\n[127.0.0.1]:{} {encoded}\n", fixture.port);
    std::fs::write(&target.known_hosts, &changed).unwrap();
    let failure = refusal(&target).await;
    assert_eq!(failure.fault, Fault::InsecureConnection);
    assert!(
        failure
            .text
            .starts_with("Remote host is not who we expected")
    );
    assert!(failure.text.contains("line 2"), "{failure}");
    assert_eq!(
        std::fs::read_to_string(&target.known_hosts).unwrap(),
        changed
    );
}

#[tokio::test]
async fn the_fingerprint_decides_instead_of_the_file() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let host_key = host_key_file::load_or_create(&fixture.folder.path().join("host_key")).unwrap();
    let blob = host_key.public_key().to_bytes().unwrap();
    let algorithm = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    let digest = aws_lc_rs::digest::digest(algorithm, &blob);
    let mut target = fixture.target_with_key("bob", &key);
    target.check_sshfp = Some(digest.as_ref().try_into().unwrap());
    assert_eq!(converse(&target).await, "bob from 127.0.0.1\nhello");
    assert!(!target.known_hosts.exists());

    target.check_sshfp = Some([7; 20]);
    let failure = refusal(&target).await;
    assert_eq!(failure.fault, Fault::InsecureConnection);
    assert!(failure.text.contains("--check-sshfp"), "{failure}");
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_say_so() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    let mut target = SshTarget::new("127.0.0.1", "bob");
    target.port = port;
    target.home = None;
    target.password = Some(Zeroizing::new("x".to_owned()));
    let failure = refusal(&target).await;
    assert_eq!(failure.fault, Fault::TransferError);
    assert_eq!(
        failure.text,
        format!(
            "Failed to open TCP connection for SSH: connection refused \
             (127.0.0.1 port {port}); check SSH port and firewall"
        )
    );
    target.host = "no such host.invalid".to_owned();
    let failure = refusal(&target).await;
    assert!(failure.text.contains("cannot resolve"), "{failure}");
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = SshTarget::new("127.0.0.1", "bob");
    target.port = silent.local_addr().unwrap().port();
    target.home = None;
    target.password = Some(Zeroizing::new("x".to_owned()));
    target.connect_timeout = Duration::from_millis(200);
    let failure = refusal(&target).await;
    assert_eq!(failure, Failure::from(Fault::TransferTimeout));
}

/// A client of another make that believes every host key.
struct Curious;

impl russh::client::Handler for Curious {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn curious(fixture: &Fixture, key: PrivateKey) -> russh::client::Handle<Curious> {
    let stream = TcpStream::connect(("127.0.0.1", fixture.port))
        .await
        .unwrap();
    let config = Arc::new(russh::client::Config::default());
    let mut handle = russh::client::connect_stream(config, stream, Curious)
        .await
        .unwrap();
    assert!(!handle.authenticate_none("bob").await.unwrap().success());
    let key = russh::keys::PrivateKeyWithHashAlg::new(Arc::new(key), None);
    let outcome = handle.authenticate_publickey("bob", key).await.unwrap();
    assert!(outcome.success());
    handle
}

#[tokio::test]
async fn nothing_but_one_session_and_its_command_is_granted() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let client = curious(&fixture, key).await;
    assert!(client.tcpip_forward("127.0.0.1", 0).await.is_err());
    assert!(client.streamlocal_forward("/tmp/x").await.is_err());
    let (host, port) = ("127.0.0.1", u32::from(fixture.port));
    assert!(
        client
            .channel_open_direct_tcpip(host, port, host, 1)
            .await
            .is_err()
    );
    assert!(
        client
            .channel_open_direct_streamlocal("/tmp/x")
            .await
            .is_err()
    );
    assert!(client.channel_open_x11(host, 1).await.is_err());

    let mut channel = client.channel_open_session().await.unwrap();
    assert!(client.channel_open_session().await.is_err());
    channel.set_env(true, "LD_PRELOAD", "/tmp/x").await.unwrap();
    channel
        .request_pty(true, "xterm", 80, 24, 0, 0, &[])
        .await
        .unwrap();
    channel.agent_forward(true).await.unwrap();
    channel
        .request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0)
        .await
        .unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    for request in 0..5 {
        let answer = tokio::time::timeout(Duration::from_secs(10), channel.wait()).await;
        assert!(
            matches!(answer, Ok(Some(russh::ChannelMsg::Failure))),
            "{request}: {answer:?}"
        );
    }
    // A shell says why not, and the channel ends.
    channel.request_shell(true).await.unwrap();
    let mut status = None;
    while let Some(message) = channel.wait().await {
        if let russh::ChannelMsg::ExitStatus { exit_status } = message {
            status = Some(exit_status);
        }
    }
    assert_eq!(status, Some(126));
}

#[tokio::test]
async fn strangers_who_say_nothing_do_not_keep_others_out() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let mut silent = Vec::new();
    let mut refused = 0;
    for _ in 0..60 {
        let mut stream = TcpStream::connect(("127.0.0.1", fixture.port))
            .await
            .unwrap();
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => silent.push(stream),
            _ => refused += 1,
        }
    }
    assert!(refused >= 20, "{refused} of 60 were refused");
    // As soon as one of them leaves there is a seat again, even for the same address.
    silent.truncate(1);
    let target = fixture.target_with_key("bob", &key);
    let mut heard = String::new();
    for _ in 0..50 {
        if let Ok(mut channel) = connect(&target).await {
            channel.writer.shutdown().await.unwrap();
            channel.reader.read_to_string(&mut heard).await.unwrap();
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(heard, "bob from 127.0.0.1\n");
}

#[tokio::test]
async fn a_login_name_that_would_forge_the_log_is_refused() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let target = fixture.target_with_key("bob\nascpd: user root: session started", &key);
    assert_eq!(refusal(&target).await.fault, Fault::Authentication);
}

#[tokio::test]
async fn bytes_of_any_kind_end_a_connection_and_not_the_daemon() {
    let key = random_key(Algorithm::Ed25519);
    let fixture = Fixture::echoing(&[&key]).await;
    let mut state = 0x1234_5678_u32;
    for round in 0..40 {
        let mut stream = TcpStream::connect(("127.0.0.1", fixture.port))
            .await
            .unwrap();
        let mut bytes = if round % 2 == 0 {
            b"SSH-2.0-x\r\n".to_vec()
        } else {
            Vec::new()
        };
        if round % 4 == 0 {
            bytes.extend([0, 0, 3, 0xfc, 4, 20]);
        }
        for _ in 0..2000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(state.to_be_bytes().first().copied().unwrap());
        }
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let ending = stream.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(10), ending)
            .await
            .expect("the daemon keeps a connection that makes no sense");
    }
    assert_eq!(
        converse(&fixture.target_with_key("bob", &key)).await,
        "bob from 127.0.0.1\nhello"
    );
}
