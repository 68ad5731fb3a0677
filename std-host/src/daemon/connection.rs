//! One connection to the daemon from the first byte to the last.
//!
//! Nothing that happens here reaches another connection: a session that panics is noted and its
//! client is disconnected.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::server::{Config, RunningSession};
use russh::{Disconnect, MethodSet, Preferred, SshId, cipher, kex, mac};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::guests::Seat;
use super::visitor::{Admitted, Visitor};
use super::{HardClose, Service, Stage, note};
use crate::control_channel::address_of;
use crate::control_channel::host_key::ALGORITHMS;
use crate::server::SessionRights;

/// From accept to the started command.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// How long a client may take to hang up after its session has ended.
const LINGER: Duration = Duration::from_secs(5);

/// How long a session may take to notice that the daemon stops.
const STOP: Duration = Duration::from_secs(3);

/// Silence after which the client is asked for a sign of life, and how often.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TRIES: usize = 4;

/// A refused log-in takes this long, whatever the reason.
const REJECTION: Duration = Duration::from_millis(500);

/// Log-ins that may be refused before the connection ends.
const MAX_TRIES: usize = 6;

/// A control channel carries few and small messages.
const WINDOW_BYTES: u32 = 2 * 1024 * 1024;

/// Messages of a client that may wait for its session. The library does not hold clients to the
/// window, so this is what bounds the memory of one: 16 packets of at most 256 KiB.
const WAITING_MESSAGES: usize = 16;

const SERVER_ID: &str = concat!("SSH-2.0-ascpd_", env!("CARGO_PKG_VERSION"));

const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];

/// What the daemon offers on SSH: modern algorithms, six tries.
pub(super) fn configuration(host_key: PrivateKey, methods: MethodSet) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed(SERVER_ID)),
        methods,
        auth_rejection_time: REJECTION,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        window_size: WINDOW_BYTES,
        channel_buffer_size: WAITING_MESSAGES,
        preferred: Preferred {
            kex: Cow::Borrowed(KEY_EXCHANGES),
            key: Cow::Owned(ALGORITHMS.to_vec()),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            ..Preferred::default()
        },
        max_auth_attempts: MAX_TRIES,
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVE_TRIES,
        nodelay: true,
        ..Config::default()
    }
}

/// Serves one connection; returns when nothing of it is left.
pub(super) async fn attend(
    service: Arc<Service>,
    stream: TcpStream,
    peer: SocketAddr,
    mut seat: Seat,
) {
    let deadline = Instant::now() + HANDSHAKE;
    let local = address_of(stream.local_addr());
    // A kernel that cannot is slower, not wrong.
    let _ = stream.set_nodelay(true);
    // Dropped last: whatever still hangs on the socket then ends too.
    let Ok((stream, _hard_close)) = HardClose::of(stream) else {
        return;
    };
    let (sender, admitted) = oneshot::channel();
    let peer_ip = peer.ip().to_canonical();
    let log_in = Arc::new(LogIn {
        service: Arc::clone(&service),
        peer: peer_ip,
        refused: AtomicBool::new(false),
        admitted: AtomicBool::new(false),
    });
    let visitor = Visitor::new(Arc::clone(&service), (peer_ip, local), sender, log_in);
    let greeting = russh::server::run_stream(Arc::clone(&service.ssh), stream, visitor);
    let Ok(Ok(mut session)) = timeout_at(deadline, greeting).await else {
        return;
    };
    let mut stages = service.stage.clone();
    let admitted = tokio::select! {
        _ended = &mut session => return,
        () = reached(&mut stages, Stage::Draining) => return,
        admitted = timeout_at(deadline, admitted) => admitted,
    };
    match admitted {
        Ok(Ok(admitted)) => {
            seat.on_logged_in();
            host(&service, peer, session, admitted).await;
        }
        // The client hung up, or was refused too often.
        Ok(Err(_gone)) => {
            let _ = timeout(LINGER, session).await;
        }
        Err(_elapsed) => {
            let limit = HANDSHAKE.as_secs();
            note(&format!("{peer}: no log-in within {limit} s"));
        }
    }
}

/// Runs the session of a client that logged in.
async fn host(
    service: &Service,
    peer: SocketAddr,
    mut session: RunningSession<Visitor>,
    admitted: Admitted,
) {
    let Admitted {
        user,
        channel,
        permit: _permit,
        place: _place,
    } = admitted;
    let rules = match service.settings.rules_of(&service.configuration(), &user) {
        Ok(rules) => rules,
        Err(failure) => {
            note(&format!("{peer}: user {user}: {failure}"));
            say_goodbye(&session, "the configuration of the server is invalid").await;
            return;
        }
    };
    note(&format!("{peer}: user {user}: session started"));
    let rights = SessionRights {
        user: user.clone(),
        rules,
        udp_port: service.settings.udp_port,
        udp_advertise: service.settings.udp_advertise,
        hook: service.settings.hook.clone(),
    };
    let mut serving = tokio::spawn((service.serve)(channel, rights));
    let mut stages = service.stage.clone();
    tokio::select! {
        ended = &mut serving => {
            if ended.is_err() {
                note(&format!("{peer}: user {user}: internal error"));
                say_goodbye(&session, "internal error of the server").await;
            }
            let _ = timeout(LINGER, session).await;
        }
        // The session sees the end of its channel and ends itself.
        _gone = &mut session => {
            let _ = serving.await;
        }
        () = reached(&mut stages, Stage::Stopping) => stop(session, serving).await,
    }
    note(&format!("{peer}: user {user}: session ended"));
}

async fn stop(session: RunningSession<Visitor>, mut serving: JoinHandle<()>) {
    let _ = timeout(STOP, async {
        say_goodbye(&session, "the server is shutting down").await;
        let _ = session.await;
        let _ = (&mut serving).await;
    })
    .await;
    serving.abort();
}

async fn say_goodbye(session: &RunningSession<Visitor>, why: &str) {
    let reason = Disconnect::ByApplication;
    // A client that is gone already need not be told.
    let _ = session
        .handle()
        .disconnect(reason, why.to_owned(), String::new())
        .await;
}

/// Completes when the daemon has come to `stage`.
async fn reached(stages: &mut watch::Receiver<Stage>, stage: Stage) {
    // A daemon that is gone has stopped.
    let _ = stages.wait_for(|now| *now >= stage).await;
}

/// What came of the tries to log in on one connection; told when it ends.
pub(super) struct LogIn {
    service: Arc<Service>,
    peer: IpAddr,
    refused: AtomicBool,
    admitted: AtomicBool,
}

impl LogIn {
    /// One was refused.
    pub(super) fn on_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// One succeeded.
    pub(super) fn on_admitted(&self) {
        self.admitted.store(true, Ordering::Relaxed);
        self.service.back_off.on_success(self.peer);
    }
}

impl Drop for LogIn {
    fn drop(&mut self) {
        let (refused, admitted) = (self.refused.get_mut(), self.admitted.get_mut());
        if *refused && !*admitted {
            note(&format!("{}: no log-in succeeded", self.peer));
            self.service
                .back_off
                .on_failure(self.peer, std::time::Instant::now());
        }
    }
}
