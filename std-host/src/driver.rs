//! The threads that drive the core machines: sockets, timers and storage on one side, facts on the other.
//!
//! One thread a session, no locks on the way of a datagram. It decides nothing about the protocol; what it
//! learns goes to the session as [`TransferEvent`]s.

mod answers;
mod clock;
mod job_count;
mod measuring;
mod message;
mod progress;
mod receiving;
mod sending;
mod wait;
mod write_runs;

pub use measuring::Measuring;
pub use message::{Command, FileReport, FileVerdict, KeptReport, TransferEvent, TransferReport};
pub use progress::{Progress, ProgressBoard};
pub use receiving::Receiving;
pub use sending::Sending;

use std::net::{IpAddr, SocketAddr};
use std::thread::JoinHandle;

use fasp_core::crypto::{KeySchedule, Opener, Role, Sealer};
use fasp_core::fault::Fault;
use fasp_core::negotiation::{Agreement, KeyInputs};
use fasp_core::path::ChallengeSecret;
use fasp_core::silence::SilenceLimits;
use tokio::sync::mpsc;

use crate::aws_gcm::AwsGcm;
use crate::failure::{Failure, Outcome};
use crate::storage::waker::Waker;
use crate::udp::UdpPort;

/// Packets a sender may have in flight.
pub const PACKETS: usize = 65_536;
/// Objects unfinished at a time.
pub const OBJECTS: usize = 8_192;
/// Bytes of file records held in each direction.
pub const METADATA: usize = 256 * 1024;
/// Missing ranges a receiver remembers.
pub const GAPS: usize = 16_384;
/// Words of a receiver's packet window.
pub const WINDOW_WORDS: usize = 4_096;
/// What is announced of [`METADATA`]: a record that is not whole yet must fit besides.
pub const METADATA_ANNOUNCED: u32 = 256 * 1024 - 8_192;

type HostSender = fasp_core::sender::Sender<PACKETS, OBJECTS, METADATA, AwsGcm>;
type HostReceiver = fasp_core::receiver::Receiver<WINDOW_WORDS, OBJECTS, GAPS, METADATA, AwsGcm>;

/// What seals our datagrams, and what opens the peer's.
type Protection = (Sealer<AwsGcm>, Opener<AwsGcm>);

/// Stack of a transfer thread: the machines are built there before they move to the heap.
const STACK_BYTES: usize = 64 << 20;
/// Events on their way to the session before the thread waits.
const EVENTS: usize = 4_096;

/// What both directions need.
#[derive(Debug)]
pub struct Lane {
    /// What was agreed.
    pub agreement: Agreement,
    /// What the keys come from.
    pub keys: KeyInputs,
    /// Client or server.
    pub role: Role,
    /// Our socket.
    pub udp: UdpPort,
    /// Where the peer listens, if it is known before it speaks.
    pub peer: Option<SocketAddr>,
    /// The address the control channel comes from; unspecified if not known.
    pub trusted: IpAddr,
    /// A server's: its client may come from another address, and every address must prove itself.
    pub follow: Option<ChallengeSecret>,
    /// Bytes that move to or from the disk at a time, if somebody asked for a size.
    pub block_size: Option<u32>,
    /// The sender counts all that is to be sent, beside sending it.
    pub counts_job: bool,
    /// How long a silent peer is waited for.
    pub silence: SilenceLimits,
    /// Rings the thread when a command waits; its clones ring it for storage.
    pub waker: Waker,
}

impl Lane {
    fn protection(keys: KeyInputs, agreement: &Agreement, role: Role) -> Protection {
        KeySchedule::new(
            &keys.client_secret,
            &keys.server_secret,
            &keys.transcript_hash,
        )
        .into_lane(agreement.suite(), role)
    }
}

/// The address that proves itself by being where the control channel comes from, if that is known.
fn trusted(address: IpAddr) -> Option<IpAddr> {
    (!address.is_unspecified()).then_some(address)
}

/// Bytes of the largest datagram to an address that has not proven itself.
const CHALLENGE_ROOM: usize = 64;

/// A running transfer, as the session holds it.
#[derive(Debug)]
pub struct Transfer {
    /// What the thread tells.
    pub events: mpsc::Receiver<TransferEvent>,
    /// What is moving now.
    pub board: ProgressBoard,
    commands: std::sync::mpsc::Sender<Command>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// The thread's own ends.
#[derive(Debug)]
pub(crate) struct ThreadEnds {
    pub(crate) events: mpsc::Sender<TransferEvent>,
    pub(crate) commands: std::sync::mpsc::Receiver<Command>,
    pub(crate) board: ProgressBoard,
}

impl ThreadEnds {
    /// Tells the session; a session that is gone needs to know nothing.
    pub(crate) fn tell(&self, event: TransferEvent) {
        let _ = self.events.blocking_send(event);
    }
}

impl Transfer {
    /// Starts the thread of a transfer.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub(crate) fn start(
        waker: Waker,
        body: impl FnOnce(ThreadEnds) -> TransferReport + Send + 'static,
    ) -> Outcome<Self> {
        let (events_in, events) = mpsc::channel(EVENTS);
        let (commands, commands_out) = std::sync::mpsc::channel();
        let board = ProgressBoard::default();
        let ends = ThreadEnds {
            events: events_in.clone(),
            commands: commands_out,
            board: board.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("transfer".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let report = body(ends);
                let _ = events_in.blocking_send(TransferEvent::Over(report));
            })
            .map_err(|error| {
                Failure::new(
                    Fault::ThreadSpawn,
                    format!("Unable to spawn thread: {error}"),
                )
            })?;
        Ok(Self {
            events,
            board,
            commands,
            waker,
            thread: Some(thread),
        })
    }

    /// Gives the thread a command; one that has ended needs none.
    pub fn command(&self, command: Command) {
        let _ = self.commands.send(command);
        self.waker.wake();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.command(Command::Stop(Failure::from(Fault::UserCancelled)));
        self.events.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}
