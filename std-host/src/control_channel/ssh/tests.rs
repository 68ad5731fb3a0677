//! The client against OpenSSH's sshd, and against servers of other makes.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};

use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::Auth;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

mod hostile;
mod round_trips;
mod sshd;

use self::sshd::{Sshd, ssh_keygen};
use super::wire::{Fields, number};
use super::*;
use crate::control_channel::tests::skipped;
use crate::daemon::Serving;
use crate::daemon::tests::{Fixture, write_key};

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
    let mut target = server.target("id", &["-t", "ed25519", "-N", ""]);
    std::fs::write(server.folder.path().join("authorized_keys"), "").unwrap();
    // The second time it hangs up before all keys were tried.
    for keys in [1, 5] {
        let first = target.identity_files.first().unwrap().clone();
        target.identity_files.resize(keys, first);
        let Err(failure) = connect(&target).await else {
            panic!("a strange key was accepted");
        };
        assert_eq!(failure.fault, Fault::Authentication);
        assert!(failure.text.starts_with("failed to authenticate"));
    }
}

#[tokio::test]
async fn the_second_key_is_taken_by_sshd_when_the_first_is_strange() {
    let Some(server) = Sshd::start().await else {
        return;
    };
    let mut target = server.target("id", &["-t", "ed25519", "-N", ""]);
    let strange = server.folder.path().join("strange");
    write_key(&strange, &ed25519());
    target.identity_files.insert(0, strange);
    assert_eq!(echoes(&target).await, "ping");
}

#[tokio::test]
async fn sshd_is_understood_with_every_algorithm_we_offer() {
    for (exchange, cipher) in [
        ("curve25519-sha256", "aes256-gcm@openssh.com"),
        ("curve25519-sha256@libssh.org", "aes128-gcm@openssh.com"),
        ("ecdh-sha2-nistp256", "chacha20-poly1305@openssh.com"),
    ] {
        let more = format!("KexAlgorithms {exchange}\nCiphers {cipher}\n");
        let Some(server) = Sshd::start_with(&more).await else {
            return;
        };
        let target = server.target("id", &["-t", "ed25519", "-N", ""]);
        assert_eq!(echoes(&target).await, "ping", "{more}{}", server.log());
    }
}

#[tokio::test]
async fn without_a_common_algorithm_the_servers_are_named() {
    let Some(server) = Sshd::start_with("Ciphers aes128-ctr\n").await else {
        return;
    };
    let target = server.target("id", &["-t", "ed25519", "-N", ""]);
    let Err(failure) = connect(&target).await else {
        panic!("a cipher without authentication was accepted");
    };
    assert_eq!(failure.fault, Fault::TransferError);
    assert!(
        failure.text.contains("no cipher algorithm in common"),
        "{failure}"
    );
    assert!(failure.text.contains("aes128-ctr"), "{failure}");
}

/// Bytes that repeat only after a while.
fn pattern(count: u32) -> Vec<u8> {
    (0..count)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect()
}

#[tokio::test]
async fn megabytes_pass_both_ways_while_the_keys_are_renewed() {
    for cipher in ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let more = format!("RekeyLimit 256K\nCiphers {cipher}\n");
        let Some(server) = Sshd::start_with(&more).await else {
            return;
        };
        let target = server.target("id", &["-t", "ed25519", "-N", ""]);
        let mut channel = connect(&target).await.unwrap();
        let sent = pattern(1_500_000);
        let writing = async {
            channel.writer.write_all(&sent).await.unwrap();
            channel.writer.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (_, read) = tokio::join!(writing, channel.reader.read_to_end(&mut heard));
        read.unwrap();
        assert!(heard == sent, "{} of {} bytes", heard.len(), sent.len());
        let failure = channel.remote.why_closed().await;
        assert_eq!(channel.remote.exit_status(), Some(0), "{failure}");
    }
}

#[tokio::test]
async fn a_reader_that_rests_stops_the_server_not_the_writer() {
    let key = ed25519();
    let serve = |mut channel: ControlChannel, _| async move {
        // Far more than fits into the window, while nobody reads at the other end.
        let (mut writer, mut heard) = (channel.writer, Vec::new());
        let flood = tokio::spawn(async move {
            let _ = writer.write_all(&pattern(2_000_000)).await;
        });
        channel.reader.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"all of this");
        flood.await.unwrap();
    };
    let serve = move |channel, _| -> Serving { Box::pin(serve(channel, ())) };
    let fixture = Fixture::start(&[&key], 8, Box::new(serve)).await;
    let mut channel = connect(&fixture.target_with_key("bob", &key))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    channel.writer.write_all(b"all of this").await.unwrap();
    channel.writer.shutdown().await.unwrap();
    let mut heard = Vec::new();
    channel.reader.read_to_end(&mut heard).await.unwrap();
    assert!(heard == pattern(2_000_000), "{} bytes", heard.len());
}

#[tokio::test]
async fn dropping_the_channel_closes_the_connection() {
    let key = ed25519();
    let (ended, mut endings) = mpsc::unbounded_channel();
    let serve = move |mut channel: ControlChannel, _| -> Serving {
        let ended = ended.clone();
        Box::pin(async move {
            channel.writer.write_all(b"!").await.unwrap();
            let _ = channel.reader.read_to_end(&mut Vec::new()).await;
            ended.send(()).unwrap();
        })
    };
    let fixture = Fixture::start(&[&key], 8, Box::new(serve)).await;
    let mut channel = connect(&fixture.target_with_key("bob", &key))
        .await
        .unwrap();
    channel.reader.read_exact(&mut [0]).await.unwrap();
    drop(channel);
    let seen = tokio::time::timeout(Duration::from_secs(5), endings.recv()).await;
    assert_eq!(seen, Ok(Some(())));
}

/// A relay that changes one bit of what the server sends, `offset` bytes in; keeps the bytes.
async fn flipping_path_to(port: u16, offset: usize) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().port();
    let passed = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&passed);
    tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut client_in, mut client_out) = client.into_split();
        let (mut server_in, mut server_out) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut client_in, &mut server_out).await });
        let mut buffer = vec![0; 4096];
        while let Ok(count) = server_in.read(&mut buffer).await {
            let piece = buffer.get_mut(..count).unwrap();
            let before = {
                let mut record = record.lock().unwrap();
                record.extend_from_slice(piece);
                record.len() - count
            };
            if let Some(byte) = offset.checked_sub(before).and_then(|at| piece.get_mut(at)) {
                *byte ^= 0x04;
            }
            if count == 0 || client_out.write_all(piece).await.is_err() {
                break;
            }
        }
    });
    (near, passed)
}

/// Where padding lies in the packets before encryption starts: the one thing nothing protects.
fn clear_padding(stream: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut padding = Vec::new();
    let mut at = stream.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    loop {
        let packet = stream.get(at..).unwrap();
        let mut fields = Fields::bare(packet);
        let end = at + 4 + usize::try_from(fields.number().unwrap()).unwrap();
        let size = usize::from(*fields.take(1).unwrap().first().unwrap());
        padding.push(end - size..end);
        if fields.take(1).unwrap() == [number::NEWKEYS] {
            return padding;
        }
        at = end;
    }
}

#[tokio::test]
async fn one_changed_bit_of_the_handshake_never_goes_unnoticed() {
    let key = ed25519();
    let fixture = Fixture::listening_first(&[&key]).await;
    let mut target = fixture.target_with_key("bob", &key);
    let server = target.port;
    target.connect_timeout = Duration::from_millis(500);
    let (port, passed) = flipping_path_to(server, usize::MAX).await;
    target.port = port;
    drop(connect(&target).await.unwrap());
    // From the greeting to the packets that say that the login worked and the channel is open;
    // the answer to the command may have come along, so the last bytes are left out.
    let stream = passed.lock().unwrap().clone();
    let padding = clear_padding(&stream);
    let end = stream.len().saturating_sub(40);
    assert!(end > 1700, "{end}");
    for offset in (0..end).step_by(43) {
        if padding.iter().any(|range| range.contains(&offset)) {
            continue;
        }
        std::fs::remove_file(&target.known_hosts).unwrap_or_default();
        target.port = flipping_path_to(server, offset).await.0;
        assert!(
            connect(&target).await.is_err(),
            "byte {offset} of {end} was changed unnoticed"
        );
    }
}

fn ed25519() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

/// A server of another make, which asks for the password as a question.
struct Asking {
    questions: Arc<Mutex<usize>>,
}

impl russh::server::Handler for Asking {
    type Error = russh::Error;

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _methods: &str,
        response: Option<russh::server::Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(answers) = response else {
            *self.questions.lock().unwrap() += 1;
            let question = (Cow::Borrowed("Password: "), false);
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Owned(vec![question]),
            });
        };
        let answers: Vec<_> = answers.collect();
        Ok(
            if matches!(answers.as_slice(), [one] if one == "open sesame") {
                Auth::Accept
            } else {
                Auth::reject()
            },
        )
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<russh::server::Msg>,
        reply: russh::server::ChannelOpenHandle,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        channel.data_bytes("asked and answered").await?;
        channel.close().await
    }
}

async fn asking_server() -> (u16, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let rounds = Arc::new(Mutex::new(0));
    let questions = Arc::clone(&rounds);
    let config = Arc::new(russh::server::Config {
        keys: vec![ed25519()],
        auth_rejection_time: Duration::ZERO,
        ..russh::server::Config::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let questions = Arc::clone(&questions);
            let handler = Asking { questions };
            let session = russh::server::run_stream(Arc::clone(&config), stream, handler);
            tokio::spawn(async move { session.await.unwrap().await });
        }
    });
    (port, rounds)
}

#[tokio::test]
async fn the_password_answers_a_server_that_asks_for_it() {
    let (port, rounds) = asking_server().await;
    let folder = tempfile::tempdir().unwrap();
    let mut target = SshTarget::new("127.0.0.1", "bob");
    target.port = port;
    target.home = None;
    target.known_hosts = folder.path().join("known_hosts");
    let key = folder.path().join("id");
    write_key(&key, &ed25519());
    target.identity_files.push(key);
    target.password = Some(Zeroizing::new("open sesame".to_owned()));
    let mut channel = connect(&target).await.unwrap();
    let mut heard = String::new();
    channel.reader.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "asked and answered");
    assert_eq!(*rounds.lock().unwrap(), 1);

    target.password = Some(Zeroizing::new("wrong".to_owned()));
    let Err(failure) = connect(&target).await else {
        panic!("a wrong answer was accepted");
    };
    assert_eq!(failure.fault, Fault::Authentication);
    assert!(failure.text.starts_with("failed to authenticate"));
}
