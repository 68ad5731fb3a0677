//! The client against servers that break the rules, on purpose or by accident.
//!
//! The server here is the smallest one that can finish a handshake, so that every later step can
//! be got wrong. Its side of the key derivation is written again, not shared with the client.

use std::future::Future;
use std::time::Duration;

use aws_lc_rs::digest;
use fasp_core::fault::Fault;
use proptest::prelude::*;
use russh::keys::PrivateKey;
use russh::keys::signature::Signer;
use russh::keys::ssh_key::Signature;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::key_exchange::{Method, Share};
use super::super::packets::{Cipher, Incoming, NONCE_SIZE, Opener, Outgoing, Sealer};
use super::super::wire::{Fields, Message, number};
use super::super::{SshError, SshTarget, connect};
use super::{ed25519, ssh_keygen};
use crate::control_channel::ControlChannel;
use crate::failure::Failure;

const PASSWORD: &str = "open sesame";

/// No test waits longer for something that should happen.
const SOON: Duration = Duration::from_secs(20);

/// How the server behaves before the first keys.
#[derive(Clone)]
struct Manner {
    server_id: &'static str,
    key: PrivateKey,
    strict: bool,
    cipher: (&'static str, Cipher),
    /// Packets between its proposal and its half of the key.
    small_talk: Vec<Vec<u8>>,
    /// Packets between its half of the key and its switch of keys.
    late_talk: Vec<Vec<u8>>,
}

impl Manner {
    fn proper() -> Self {
        Self {
            server_id: "SSH-2.0-OpenSSH_of_a_test",
            key: ed25519(),
            strict: true,
            cipher: ("aes256-gcm@openssh.com", Cipher::Aes256Gcm),
            small_talk: Vec::new(),
            late_talk: Vec::new(),
        }
    }
}

/// The server's end of a connection.
struct Server {
    incoming: Incoming<OwnedReadHalf>,
    outgoing: Outgoing<OwnedWriteHalf>,
    client_id: String,
    session_id: Vec<u8>,
    manner: Manner,
}

impl Server {
    async fn greet(stream: TcpStream, manner: Manner) -> Result<Self, SshError> {
        let (reading, writing) = stream.into_split();
        let mut server = Self {
            incoming: Incoming::new(reading),
            outgoing: Outgoing::new(writing),
            client_id: String::new(),
            session_id: Vec::new(),
            manner,
        };
        server.outgoing.queue_line(server.manner.server_id);
        server.client_id = server.incoming.line().await?;
        Ok(server)
    }

    /// Up to the keys of both directions.
    async fn accept(stream: TcpStream, manner: Manner) -> Result<Self, SshError> {
        let mut server = Self::greet(stream, manner).await?;
        server.exchange().await?;
        Ok(server)
    }

    fn proposal(&self) -> Message {
        let strict: &[&str] = &["curve25519-sha256", "kex-strict-s-v00@openssh.com"];
        let methods = if self.manner.strict {
            strict
        } else {
            &["curve25519-sha256"]
        };
        Message::new(number::KEXINIT)
            .raw(&[7; 16])
            .names(methods)
            .string("ssh-ed25519")
            .string(self.manner.cipher.0)
            .string(self.manner.cipher.0)
            .string("hmac-sha2-256")
            .string("hmac-sha2-256")
            .string("none")
            .string("none")
            .string("")
            .string("")
            .flag(false)
            .number(0)
    }

    async fn exchange(&mut self) -> Result<(), SshError> {
        let is_first = self.session_id.is_empty();
        let ours = self.proposal();
        self.outgoing.queue(ours.bytes())?;
        self.outgoing.flush().await?;
        let theirs = self.wanted(number::KEXINIT).await?;
        if is_first {
            // The client's guess, which was another method.
            self.incoming.packet().await?;
        }
        let share = self.wanted(number::KEX_ECDH_INIT).await?;
        let client = Fields::of(&share)?.1.string()?.to_vec();
        for packet in self.manner.small_talk.clone() {
            self.outgoing.queue(&packet)?;
        }
        let (hash, secret) = self.reply(&ours, &theirs, &client)?;
        if is_first {
            self.session_id.clone_from(&hash);
        }
        for packet in self.manner.late_talk.clone() {
            self.outgoing.queue(&packet)?;
        }
        self.outgoing.queue(&[number::NEWKEYS])?;
        let size = self.manner.cipher.1.key_size();
        let key = |letter| derived(&secret, &hash, letter, &self.session_id, size);
        let nonce = |letter| derived(&secret, &hash, letter, &self.session_id, NONCE_SIZE);
        let cipher = self.manner.cipher.1;
        let sealer = Sealer::new(cipher, &key(b'D'), &nonce(b'B'))?;
        let opener = Opener::new(cipher, &key(b'C'), &nonce(b'A'))?;
        self.outgoing.renew(sealer, self.manner.strict);
        self.outgoing.flush().await?;
        self.wanted(number::NEWKEYS).await?;
        self.incoming.renew(opener, self.manner.strict);
        Ok(())
    }

    /// Queues our half and gives the hash and the secret.
    fn reply(
        &mut self,
        ours: &Message,
        theirs: &[u8],
        client: &[u8],
    ) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), SshError> {
        let blob = self.manner.key.public_key().to_bytes().unwrap();
        let share = Share::generate(Method::X25519)?;
        let public = share.public.clone();
        let covered = Message::fields()
            .string(&self.client_id)
            .string(self.manner.server_id)
            .string(theirs)
            .string(ours.bytes())
            .string(&blob)
            .string(client)
            .string(&public);
        let secret = share.agree(client)?;
        let all = [covered.bytes(), &secret].concat();
        let hash = digest::digest(&digest::SHA256, &all).as_ref().to_vec();
        let signature: Signature = self.manner.key.key_data().try_sign(&hash).unwrap();
        let reply = Message::new(number::KEX_ECDH_REPLY)
            .string(&blob)
            .string(&public)
            .string(Vec::try_from(signature).unwrap());
        self.outgoing.queue(reply.bytes())?;
        Ok((hash, secret))
    }

    async fn wanted(&mut self, kind: u8) -> Result<Vec<u8>, SshError> {
        let packet = self.incoming.packet().await?;
        assert_eq!(packet.first(), Some(&kind));
        Ok(packet)
    }

    async fn send(&mut self, packet: &[u8]) -> Result<(), SshError> {
        self.outgoing.queue(packet)?;
        self.outgoing.flush().await
    }

    /// Reads up to the first attempt to log in and what follows it at once.
    async fn hear_login(&mut self) -> Result<(), SshError> {
        self.wanted(number::SERVICE_REQUEST).await?;
        self.wanted(number::USERAUTH_REQUEST).await?;
        self.wanted(number::CHANNEL_OPEN).await?;
        Ok(())
    }

    /// Lets anybody in and opens the channel with a window of 1 MiB.
    async fn admit(&mut self) -> Result<(), SshError> {
        self.hear_login().await?;
        self.outgoing.queue(&[number::USERAUTH_SUCCESS])?;
        self.send(opened().bytes()).await?;
        self.wanted(number::CHANNEL_REQUEST).await?;
        Ok(())
    }
}

fn derived(secret: &[u8], hash: &[u8], letter: u8, session_id: &[u8], size: usize) -> Vec<u8> {
    let all = [secret, hash, &[letter], session_id].concat();
    let mut key = digest::digest(&digest::SHA256, &all).as_ref().to_vec();
    while key.len() < size {
        let all = [secret, hash, &key].concat();
        key.extend(digest::digest(&digest::SHA256, &all).as_ref());
    }
    key.truncate(size);
    key
}

fn opened() -> Message {
    Message::new(number::CHANNEL_OPEN_CONFIRMATION)
        .number(0)
        .number(5)
        .number(1 << 20)
        .number(1 << 15)
}

fn data(bytes: &[u8]) -> Message {
    Message::new(number::CHANNEL_DATA).number(0).string(bytes)
}

fn ignored() -> Vec<u8> {
    Message::new(number::IGNORE).string("x").bytes().to_vec()
}

struct Place {
    folder: tempfile::TempDir,
    target: SshTarget,
    listener: TcpListener,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Small buffers of the kernel: what one end does not take the other end soon feels.
        SockRef::from(&listener)
            .set_recv_buffer_size(1 << 14)
            .unwrap();
        SockRef::from(&listener)
            .set_send_buffer_size(1 << 14)
            .unwrap();
        let mut target = SshTarget::new("127.0.0.1", "bob");
        target.port = listener.local_addr().unwrap().port();
        target.home = None;
        target.known_hosts = folder.path().join("known_hosts");
        target.password = Some(Zeroizing::new(PASSWORD.to_owned()));
        target.connect_timeout = SOON;
        Self {
            folder,
            target,
            listener,
        }
    }

    async fn stream(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// Runs the client against a server that does this.
    async fn meet<S, T>(
        &self,
        server: impl FnOnce(TcpStream) -> S,
    ) -> (Result<ControlChannel, Failure>, T)
    where
        S: Future<Output = T>,
    {
        let serving = async { server(self.stream().await).await };
        timeout(2 * SOON, async {
            tokio::join!(connect(&self.target), serving)
        })
        .await
        .expect("the client hangs")
    }
}

fn refused(outcome: Result<ControlChannel, Failure>) -> Failure {
    outcome.map_or_else(|failure| failure, |_| panic!("the client put up with it"))
}

/// Serves a client that was let in; the connection stays open until dropped.
async fn let_in(stream: TcpStream, manner: Manner) -> Server {
    let mut server = Server::accept(stream, manner).await.unwrap();
    server.admit().await.unwrap();
    server
}

#[tokio::test]
async fn a_server_that_keeps_the_rules_is_understood() {
    for (strict, (name, cipher)) in [
        (true, ("aes128-gcm@openssh.com", Cipher::Aes128Gcm)),
        (false, ("aes256-gcm@openssh.com", Cipher::Aes256Gcm)),
        (
            true,
            ("chacha20-poly1305@openssh.com", Cipher::ChaCha20Poly1305),
        ),
    ] {
        let place = Place::new().await;
        let cipher = (name, cipher);
        let manner = Manner {
            strict,
            cipher,
            ..Manner::proper()
        };
        let (channel, mut server) = place.meet(|stream| let_in(stream, manner)).await;
        let mut channel = channel.unwrap();
        // New keys twice, with small talk, which only the first exchange forbids.
        for _ in 0..2 {
            server.manner.small_talk = vec![ignored()];
            server.manner.late_talk = vec![ignored()];
            timeout(SOON, server.exchange()).await.unwrap().unwrap();
            server.send(data(b"!").bytes()).await.unwrap();
            let mut heard = [0];
            channel.reader.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"!", "{name}");
        }
    }
}

#[tokio::test]
async fn small_talk_in_a_strict_first_exchange_ends_it() {
    for (strict, is_late) in [(true, false), (true, true), (false, false), (false, true)] {
        let place = Place::new().await;
        let mut manner = Manner {
            strict,
            ..Manner::proper()
        };
        if is_late {
            manner.late_talk = vec![ignored()];
        } else {
            manner.small_talk = vec![ignored()];
        }
        let (outcome, _) = place
            .meet(|stream| async {
                let mut server = Server::accept(stream, manner).await?;
                server.admit().await?;
                Ok::<_, SshError>(server)
            })
            .await;
        assert_eq!(
            outcome.is_err(),
            strict,
            "strict {strict}, late {is_late}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn nothing_but_the_key_exchange_is_believed_before_the_keys_are_switched() {
    for kind in [
        number::USERAUTH_SUCCESS,
        number::EXT_INFO,
        number::KEXINIT,
        number::UNIMPLEMENTED,
    ] {
        for is_late in [false, true] {
            let place = Place::new().await;
            let mut manner = Manner {
                strict: false,
                ..Manner::proper()
            };
            let talk = vec![Message::new(kind).number(0).bytes().to_vec()];
            if is_late {
                manner.late_talk = talk;
            } else {
                manner.small_talk = talk;
            }
            let (outcome, _) = place.meet(|stream| Server::accept(stream, manner)).await;
            let failure = refused(outcome);
            assert_eq!(failure.fault, Fault::TransferError, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_host_with_a_changed_key_gets_nothing_that_belongs_to_the_user() {
    let place = Place::new().await;
    let other = ed25519().public_key().to_openssh().unwrap();
    let line = format!("[127.0.0.1]:{} {other}\n", place.target.port);
    std::fs::write(&place.target.known_hosts, line).unwrap();
    let (outcome, after) = place
        .meet(|stream| async {
            let outcome = Server::accept(stream, Manner::proper()).await;
            // Not even the client's switch of keys comes after its half of the key.
            outcome.map(|_| ())
        })
        .await;
    assert!(matches!(after, Err(SshError::Closed)), "{after:?}");
    assert_eq!(refused(outcome).fault, Fault::InsecureConnection);
}

#[tokio::test]
async fn the_passphrase_of_a_key_is_not_sent_as_a_password() {
    let mut place = Place::new().await;
    ssh_keygen(
        place.folder.path(),
        "locked",
        &["-t", "ed25519", "-N", PASSWORD],
    );
    place.target.identity_files = vec![place.folder.path().join("locked")];
    let (outcome, methods) = place
        .meet(|stream| async {
            let mut server = Server::accept(stream, Manner::proper()).await.unwrap();
            let mut methods = Vec::new();
            while let Ok(packet) = server.incoming.packet().await {
                let (kind, mut fields) = Fields::of(&packet).unwrap();
                if kind == number::USERAUTH_REQUEST {
                    fields.string().unwrap();
                    fields.string().unwrap();
                    methods.push(fields.text().unwrap());
                    let refusal = Message::new(number::USERAUTH_FAILURE)
                        .string("publickey,password,keyboard-interactive")
                        .flag(false);
                    server.send(refusal.bytes()).await.unwrap();
                }
            }
            methods
        })
        .await;
    assert_eq!(methods, ["publickey"]);
    let failure = refused(outcome);
    assert_eq!(failure.fault, Fault::Authentication);
    assert!(
        failure.text.contains("was not sent as a password"),
        "{failure}"
    );
    assert!(!failure.text.contains(PASSWORD));
}

#[tokio::test]
async fn a_request_that_came_before_the_verdict_is_made_again() {
    let place = Place::new().await;
    let (channel, _server) = place
        .meet(|stream| async {
            let mut server = Server::accept(stream, Manner::proper()).await.unwrap();
            server.hear_login().await.unwrap();
            let early = server.incoming.last_sequence();
            let refusal = Message::new(number::UNIMPLEMENTED).number(early);
            server.outgoing.queue(refusal.bytes()).unwrap();
            server.send(&[number::USERAUTH_SUCCESS]).await.unwrap();
            server.wanted(number::CHANNEL_OPEN).await.unwrap();
            server.send(opened().bytes()).await.unwrap();
            server.wanted(number::CHANNEL_REQUEST).await.unwrap();
            server
        })
        .await;
    assert!(channel.is_ok(), "{channel:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_on_a_login_has_refused_it() {
    let place = Place::new().await;
    let (outcome, ()) = place
        .meet(|stream| async {
            let mut server = Server::accept(stream, Manner::proper()).await.unwrap();
            server.hear_login().await.unwrap();
        })
        .await;
    assert_eq!(refused(outcome).fault, Fault::Authentication);
}

#[tokio::test]
async fn a_server_of_another_make_is_asked_for_a_session_after_the_login_only() {
    let place = Place::new().await;
    let manner = Manner {
        server_id: "SSH-2.0-another_make",
        ..Manner::proper()
    };
    let (channel, _server) = place
        .meet(|stream| async {
            let mut server = Server::accept(stream, manner).await.unwrap();
            server.wanted(number::SERVICE_REQUEST).await.unwrap();
            server.wanted(number::USERAUTH_REQUEST).await.unwrap();
            let early = timeout(Duration::from_millis(300), server.incoming.packet()).await;
            assert!(early.is_err(), "{early:?}");
            server.send(&[number::USERAUTH_SUCCESS]).await.unwrap();
            server.wanted(number::CHANNEL_OPEN).await.unwrap();
            server.send(opened().bytes()).await.unwrap();
            server.wanted(number::CHANNEL_REQUEST).await.unwrap();
            server
        })
        .await;
    assert!(channel.is_ok(), "{channel:?}");
}

#[tokio::test]
async fn a_server_that_asks_too_much_gets_no_answers() {
    let place = Place::new().await;
    let (outcome, heard) = place
        .meet(|stream| async {
            let mut server = Server::accept(stream, Manner::proper()).await.unwrap();
            server.hear_login().await.unwrap();
            let refusal = Message::new(number::USERAUTH_FAILURE)
                .string("keyboard-interactive")
                .flag(false);
            server.send(refusal.bytes()).await.unwrap();
            server.wanted(number::USERAUTH_REQUEST).await.unwrap();
            let mut questions = Message::new(number::USERAUTH_INFO_REQUEST)
                .string("")
                .string("")
                .string("")
                .number(5000);
            for _ in 0..5000 {
                questions = questions.string("").flag(false);
            }
            server.send(questions.bytes()).await.unwrap();
            server.incoming.packet().await
        })
        .await;
    assert!(matches!(heard, Err(SshError::Closed)), "{heard:?}");
    refused(outcome);
}

#[tokio::test]
async fn words_of_the_server_reach_the_user_without_terminal_codes() {
    let evil = "\x1b]0;owned\x07\u{202e}no\r\nroom";
    let refusals = [
        Message::new(number::CHANNEL_OPEN_FAILURE)
            .number(0)
            .number(4)
            .string(evil)
            .string(""),
        Message::new(number::DISCONNECT)
            .number(2)
            .string(evil)
            .string(""),
    ];
    for refusal in refusals {
        let place = Place::new().await;
        let (outcome, _server) = place
            .meet(|stream| async {
                let mut server = Server::accept(stream, Manner::proper()).await.unwrap();
                server.hear_login().await.unwrap();
                server.outgoing.queue(&[number::USERAUTH_SUCCESS]).unwrap();
                server.send(refusal.bytes()).await.unwrap();
                server
            })
            .await;
        let failure = refused(outcome);
        assert!(failure.text.contains("]0;ownedno; room"), "{failure}");
        assert!(
            !failure.text.contains(char::is_control),
            "{:?}",
            failure.text
        );
    }
}

#[tokio::test]
async fn a_server_that_says_goodbye_at_once_is_quoted() {
    let place = Place::new().await;
    let (outcome, _server) = place
        .meet(|stream| async {
            let mut server = Server::greet(stream, Manner::proper()).await.unwrap();
            let goodbye = Message::new(number::DISCONNECT)
                .number(12)
                .string("too many connections")
                .string("");
            server.send(goodbye.bytes()).await.unwrap();
            server
        })
        .await;
    let failure = refused(outcome);
    assert!(failure.text.contains("too many connections"), "{failure}");
}

#[tokio::test]
async fn endless_talk_ends_with_the_time_to_connect() {
    let banner = Message::new(number::USERAUTH_BANNER)
        .string("hello")
        .string("");
    let request = Message::new(number::GLOBAL_REQUEST).string("x").flag(true);
    for (talk, is_admitted) in [
        (banner.bytes().to_vec(), false),
        (ignored(), false),
        (ignored(), true),
        (request.bytes().to_vec(), true),
    ] {
        let mut place = Place::new().await;
        place.target.connect_timeout = Duration::from_millis(1500);
        let (outcome, ()) = place
            .meet(|stream| async {
                let mut server = Server::accept(stream, Manner::proper()).await.unwrap();
                server.hear_login().await.unwrap();
                if is_admitted {
                    server.outgoing.queue(&[number::USERAUTH_SUCCESS]).unwrap();
                }
                loop {
                    for _ in 0..500 {
                        server.outgoing.queue(&talk).unwrap();
                    }
                    // A client that answers must not be made to wait for us.
                    let mut reading = [0; 1 << 16];
                    let sent = tokio::select! {
                        sent = server.outgoing.flush() => sent.is_ok(),
                        _ = server.incoming.discard(&mut reading) => true,
                    };
                    if !sent {
                        break;
                    }
                }
            })
            .await;
        assert_eq!(refused(outcome), Failure::from(Fault::TransferTimeout));
    }
}

#[tokio::test]
async fn a_server_that_asks_and_never_listens_is_not_heard_any_more() {
    let place = Place::new().await;
    let (channel, mut server) = place.meet(|stream| let_in(stream, Manner::proper())).await;
    let _channel = channel.unwrap();
    let request = Message::new(number::GLOBAL_REQUEST).string("x").flag(true);
    // Each question is answered, and nobody reads the answers: what the client holds is bounded
    // by what it stops to take. The rest is what the kernels buffer.
    let mut sent = 0_usize;
    while sent < 32 << 20 {
        for _ in 0..2000 {
            server.outgoing.queue(request.bytes()).unwrap();
        }
        sent += server.outgoing.backlog();
        match timeout(Duration::from_secs(2), server.outgoing.flush()).await {
            Ok(flushed) => flushed.unwrap(),
            Err(_stalled) => return,
        }
    }
    panic!("the client took {sent} bytes");
}

#[tokio::test]
async fn more_than_the_window_ends_the_session() {
    let place = Place::new().await;
    let (channel, mut server) = place.meet(|stream| let_in(stream, Manner::proper())).await;
    let channel = channel.unwrap();
    let piece = data(&[1; 32_000]);
    let flood = async {
        for _ in 0..200 {
            if server.send(piece.bytes()).await.is_err() {
                break;
            }
        }
    };
    let mut reader = channel.reader;
    let heard = async {
        // Late enough for the flood to be there.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut heard = 0;
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            heard += count;
        }
        heard
    };
    let ((), heard) = timeout(SOON, async { tokio::join!(flood, heard) })
        .await
        .unwrap();
    assert!(heard <= (4 << 20), "{heard}");
    let failure = channel.remote.why_closed().await;
    assert!(failure.text.contains("sent more than it may"), "{failure}");
}

#[tokio::test]
async fn what_came_before_the_connection_broke_is_still_read() {
    for is_orderly in [true, false] {
        let place = Place::new().await;
        let (channel, mut server) = place.meet(|stream| let_in(stream, Manner::proper())).await;
        let mut channel = channel.unwrap();
        let whole: Vec<u8> = (0..1_000_000_u32)
            .flat_map(|n| n.to_le_bytes())
            .take(1_500_000)
            .collect();
        for piece in whole.chunks(30_000) {
            server.send(data(piece).bytes()).await.unwrap();
        }
        if is_orderly {
            let close = Message::new(number::CHANNEL_CLOSE).number(0);
            server.send(close.bytes()).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(server);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let mut heard = Vec::new();
        let reading = channel.reader.read_to_end(&mut heard);
        timeout(SOON, reading).await.unwrap().unwrap();
        assert!(heard == whole, "{} of {} bytes", heard.len(), whole.len());
        assert!(channel.writer.write_all(&[0; 100_000]).await.is_err());
    }
}

#[tokio::test]
async fn no_door_is_opened_to_the_server() {
    let place = Place::new().await;
    let (channel, mut server) = place.meet(|stream| let_in(stream, Manner::proper())).await;
    let _channel = channel.unwrap();
    for kind in [
        "forwarded-tcpip",
        "x11",
        "auth-agent@openssh.com",
        "session",
    ] {
        let open = Message::new(number::CHANNEL_OPEN)
            .string(kind)
            .number(9)
            .number(1000)
            .number(1000);
        server.send(open.bytes()).await.unwrap();
        let refusal = timeout(SOON, server.wanted(number::CHANNEL_OPEN_FAILURE)).await;
        let refusal = refusal.unwrap().unwrap();
        let (_, mut fields) = Fields::of(&refusal).unwrap();
        assert_eq!(fields.number().unwrap(), 9);
        assert_eq!(fields.number().unwrap(), 1, "{kind}");
    }
    // A channel that is not ours ends the session.
    server
        .send(
            Message::new(number::CHANNEL_DATA)
                .number(1)
                .string("x")
                .bytes(),
        )
        .await
        .unwrap();
    let end = timeout(SOON, server.incoming.packet()).await.unwrap();
    assert!(matches!(end, Err(SshError::Closed)), "{end:?}");
}

#[tokio::test]
async fn another_host_key_when_keys_are_renewed_ends_the_session() {
    let place = Place::new().await;
    let (channel, mut server) = place.meet(|stream| let_in(stream, Manner::proper())).await;
    let channel = channel.unwrap();
    server.manner.key = ed25519();
    let renewed = timeout(SOON, server.exchange()).await.unwrap();
    assert!(renewed.is_err());
    let failure = channel.remote.why_closed().await;
    assert!(failure.text.contains("host key changed"), "{failure}");
}

/// Where in its talk the server starts to send nonsense.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Greeting,
    Proposal,
    Reply,
    Login,
    Channel,
    Session,
}

async fn talk_nonsense(place: &Place, stage: Stage, nonsense: &[Vec<u8>]) {
    let serving = |stream: TcpStream| async move {
        if let Stage::Greeting = stage {
            let mut stream = stream;
            let _ = stream.write_all(&nonsense.concat()).await;
            return;
        }
        let mut server = Server::greet(stream, Manner::proper()).await.unwrap();
        match stage {
            Stage::Greeting | Stage::Proposal => {}
            Stage::Reply => server.manner.small_talk = nonsense.to_vec(),
            Stage::Login | Stage::Channel | Stage::Session => {}
        }
        if !matches!(stage, Stage::Proposal) && server.exchange().await.is_err() {
            return;
        }
        let ready = match stage {
            Stage::Login => server.hear_login().await,
            Stage::Channel => match server.hear_login().await {
                Ok(()) => server.outgoing.queue(&[number::USERAUTH_SUCCESS]),
                Err(error) => Err(error),
            },
            Stage::Session => server.admit().await,
            _ => Ok(()),
        };
        if ready.is_ok() {
            for packet in nonsense {
                if server.send(packet).await.is_err() {
                    break;
                }
            }
        }
    };
    let (outcome, ()) = place.meet(serving).await;
    match (stage, outcome) {
        (Stage::Session | Stage::Channel, Ok(mut channel)) => {
            let mut heard = Vec::new();
            let reading = channel.reader.read_to_end(&mut heard);
            let _ = timeout(SOON, reading).await.expect("the session hangs");
            let _ = channel.remote.why_closed().await;
        }
        (Stage::Session, Err(_)) | (_, Err(_)) => {}
        (_, Ok(_)) => panic!("nonsense was taken for a session at {stage:?}"),
    }
}

fn nonsense() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        // Believable numbers and lengths, so that fields are reached.
        prop::collection::vec(prop_oneof![Just(0_u8), 0..4_u8, any::<u8>()], 0..80),
    ];
    let kind = prop_oneof![1..8_u8, 20..32_u8, 50..62_u8, 80..101_u8, any::<u8>()];
    let packet = (kind, body).prop_map(|(kind, mut body)| {
        // A success would be the truth, not nonsense.
        let kind = if kind == number::USERAUTH_SUCCESS {
            number::USERAUTH_BANNER
        } else {
            kind
        };
        body.insert(0, kind);
        body
    });
    prop::collection::vec(packet, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nonsense_at_any_stage_neither_panics_nor_hangs(nonsense in nonsense()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for stage in [
                Stage::Greeting,
                Stage::Proposal,
                Stage::Reply,
                Stage::Login,
                Stage::Channel,
                Stage::Session,
            ] {
                let mut place = Place::new().await;
                place.target.connect_timeout = Duration::from_secs(5);
                talk_nonsense(&place, stage, &nonsense).await;
            }
        });
    }
}
