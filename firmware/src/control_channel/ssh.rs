//! The SSH server of one visit: logs a client in and carries the bytes of its session.
//!
//! Public keys (Ed25519) and, where the appliance has one, a password. One channel, which runs one command, the one
//! that `ascp` asks for; there is no shell. The cryptography and the protocol are those of the `sunset` crate.

mod login;

use core::fmt;
use core::ops::Range;

use fasp_core::fault::Fault;
use fasp_core::time::{Duration, Instant};
use sunset::{ChanData, ChanHandle, Event, Runner, Server};
use zeroize::Zeroizing;

use crate::appliance::{Configuration, SshMemory};
use crate::host::Host;
use crate::sockets::tcp::Socket;
use login::Login;

/// How long a client may take from the connection to the command.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Ways to log in that a client may try in vain.
const MOST_REFUSALS: u8 = 6;
/// Steps taken in one call: more wait for the next one.
const STEPS: usize = 64;
/// Bytes of the channel looked at together.
const PIECE: usize = 256;

/// How far a client has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SshState {
    /// It has not started the command yet.
    LoggingIn,
    /// Its session may run.
    Open,
    /// Nothing more comes from it.
    Gone,
}

/// What came of an event of the library.
enum Step {
    /// There may be more.
    Again,
    /// Nothing to do until something comes.
    Idle,
}

/// One connection.
pub(crate) struct SshServer<'m> {
    runner: Runner<'m, Server>,
    channel: Option<ChanHandle>,
    state: SshState,
    refusals: u8,
    until: Instant,
    /// Bytes of the channel that the session has not taken yet; a HELLO with its secret passes through.
    piece: Zeroizing<[u8; PIECE]>,
    unread: Range<usize>,
}

impl fmt::Debug for SshServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshServer")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Where the bytes of the session come from and go to.
pub(crate) trait Carried {
    /// Takes bytes of the client and says how many.
    fn take(&mut self, bytes: &[u8]) -> usize;
    /// Bytes for the client.
    fn output(&self) -> &[u8];
    /// So many of them were sent.
    fn sent(&mut self, count: usize);
}

impl<'m> SshServer<'m> {
    /// A server that waits for a client.
    pub(crate) fn new(memory: &'m mut SshMemory) -> Self {
        Self {
            runner: Runner::new_server(&mut memory.incoming, &mut memory.outgoing),
            channel: None,
            state: SshState::LoggingIn,
            refusals: 0,
            until: Instant::default(),
            piece: Zeroizing::new([0; PIECE]),
            unread: 0..0,
        }
    }

    /// The client is there: its time to log in begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.until = now + LOGIN_TIMEOUT;
    }

    /// Whether everything the library had to say is with the socket.
    pub(crate) fn is_flushed(&mut self) -> bool {
        self.runner.output_buf().is_empty()
    }

    pub(crate) const fn state(&self) -> SshState {
        self.state
    }

    /// Why a client that never had a session is gone.
    pub(crate) fn fault(&self, now: Instant) -> Fault {
        if self.refusals > 0 {
            Fault::Authentication
        } else if now >= self.until {
            Fault::TransferTimeout
        } else {
            Fault::TransferError
        }
    }

    /// When a client that has not logged in is given up.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            SshState::LoggingIn => Some(self.until),
            SshState::Open | SshState::Gone => None,
        }
    }

    /// Moves bytes between `socket` and the session until there are no more. `true` if more may wait.
    pub(crate) fn drive<H: Host>(
        &mut self,
        now: Instant,
        socket: &mut Socket<'_>,
        configuration: &Configuration<'_>,
        host: &mut H,
        session: &mut dyn Carried,
    ) -> bool {
        for _ in 0..STEPS {
            match self.step(socket, configuration, host, session) {
                Ok(Step::Again) => {}
                Ok(Step::Idle) => {
                    let late = self.state == SshState::LoggingIn && now >= self.until;
                    if late || self.refusals > MOST_REFUSALS || !socket.may_recv() {
                        self.state = SshState::Gone;
                    }
                    return false;
                }
                // What the client sent is no SSH, or not what this server does.
                Err(_) => {
                    self.flush(socket);
                    self.state = SshState::Gone;
                    return false;
                }
            }
            if self.state == SshState::Gone {
                return false;
            }
        }
        true
    }

    fn step<H: Host>(
        &mut self,
        socket: &mut Socket<'_>,
        configuration: &Configuration<'_>,
        host: &mut H,
        session: &mut dyn Carried,
    ) -> sunset::Result<Step> {
        let mut moved = self.flush(socket);
        moved |= self.read(socket)?;
        moved |= self.carry(session)?;
        match self.runner.progress()? {
            Event::Serv(event) => {
                let mut login = Login {
                    configuration,
                    host,
                    channel: &mut self.channel,
                    state: &mut self.state,
                    refusals: &mut self.refusals,
                };
                login.answer(event)?;
                Ok(Step::Again)
            }
            Event::Progressed => Ok(Step::Again),
            _ if moved => Ok(Step::Again),
            _ => Ok(Step::Idle),
        }
    }

    /// What the library has to say goes to the client; `true` if any did.
    pub(crate) fn flush(&mut self, socket: &mut Socket<'_>) -> bool {
        let mut moved = false;
        loop {
            let waiting = self.runner.output_buf();
            if waiting.is_empty() {
                return moved;
            }
            let Ok(count @ 1..) = socket.send_slice(waiting) else {
                return moved;
            };
            self.runner.consume_output(count);
            moved = true;
        }
    }

    fn read(&mut self, socket: &mut Socket<'_>) -> sunset::Result<bool> {
        if !self.runner.is_input_ready() || !socket.can_recv() {
            return Ok(false);
        }
        let runner = &mut self.runner;
        let taken = socket.recv(|bytes| match runner.input(bytes) {
            Ok(count) => (count, Ok(count)),
            Err(error) => (0, Err(error)),
        });
        match taken {
            Ok(taken) => taken.map(|count| count > 0),
            // The socket was looked at: it had bytes.
            Err(_) => Ok(false),
        }
    }

    /// Bytes of the channel, both ways.
    fn carry(&mut self, session: &mut dyn Carried) -> sunset::Result<bool> {
        let Some(channel) = &self.channel else {
            return Ok(false);
        };
        if self.state != SshState::Open {
            return Ok(false);
        }
        let mut moved = false;
        loop {
            if self.unread.is_empty() {
                if self.runner.read_channel_ready().is_none() {
                    break;
                }
                let count = self.runner.read_channel(
                    channel,
                    ChanData::Normal,
                    self.piece.as_mut_slice(),
                )?;
                self.unread = 0..count;
            }
            let bytes = self.piece.get(self.unread.clone()).unwrap_or_default();
            let count = session.take(bytes);
            self.unread.start += count;
            if count == 0 {
                break;
            }
            moved = true;
        }
        if self.runner.is_channel_eof(channel) && self.unread.is_empty() {
            self.state = SshState::Gone;
        }
        while !session.output().is_empty() {
            let count = self
                .runner
                .write_channel(channel, ChanData::Normal, session.output())?;
            if count == 0 {
                break;
            }
            session.sent(count);
            moved = true;
        }
        Ok(moved)
    }
}
