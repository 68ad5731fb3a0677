//! One session with a client, from its HELLO to the good-bye: control messages and datagrams in and out, files on
//! the storage.
//!
//! It knows no socket and no SSH: bytes of the control channel come by [`Session::take_control`] and go by
//! [`Session::control_output`], datagrams by [`Session::handle_datagram`] and [`Session::poll_transmit`]. What
//! the client wants is judged in `opening`, uploads are `receiving`, downloads `sending`.
//!
//! Source: PROTOCOL.md chapters 2, 5 and 7.

mod destination;
mod opening;
mod outbox;
mod paths;
mod receiving;
mod resume_note;
mod running;
mod sending;
mod source_walk;

use fasp_core::control::framing::Deframer;
use fasp_core::fault::Fault;
use fasp_core::sender::Transmit;
use fasp_core::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpEndpoint};
use zeroize::Zeroize;

use crate::appliance::Configuration;
use crate::host::{Event, Host};
use crate::storage::Storage;
use outbox::Outbox;
use receiving::Receiving;
use sending::Sending;
use source_walk::Sources;

/// Bytes of the longest control message that is read, header included: the shortest that every side must read.
const CONTROL_MESSAGE: usize = 4_608 + 5;
/// Bytes of a HELLO that is kept while the client names its sources.
const HELD_HELLO: usize = 512;
/// How long a client may take to say what it wants.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// A quiet control channel says so this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long the last word of the client is waited for.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often a machine looks at the clock while it knows no address to send to.
const UNHEARD: Duration = Duration::from_millis(100);

/// What a session works with that is not its own.
#[derive(Debug)]
pub struct Ground<'g, 'c, S, H> {
    /// The files.
    pub storage: &'g mut S,
    /// Randomness and the log.
    pub host: &'g mut H,
    /// What the appliance offers.
    pub configuration: &'g Configuration<'c>,
}

/// How far the session has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// The client has not said what it wants.
    Hello,
    /// It wants to receive and has not named all files.
    Sources,
    /// Files are moving.
    Running,
    /// Every file has its result; the last words are being said.
    Settled,
    /// Nothing more happens.
    Over(Option<Fault>),
}

/// What the session does once it is agreed on.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "without an allocator there is nothing to box; there is one session"
)]
enum Work<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    /// Nothing yet.
    None,
    /// An upload.
    Receive(Receiving<S, WORDS, OBJECTS, GAPS, META>),
    /// A download.
    Send(Sending<S, PACKETS, OBJECTS, META>),
}

/// A session with a client.
///
/// The numbers are those of [`crate::appliance::Appliance`].
#[derive(Debug)]
pub struct Session<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    deframer: Deframer<CONTROL_MESSAGE>,
    talk: Talk<S, PACKETS, WORDS, OBJECTS, GAPS, META>,
}

/// Everything of a session but the control message that is being read.
#[derive(Debug)]
struct Talk<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    outbox: Outbox,
    stage: Stage,
    /// When the stage has taken too long, or its farewell.
    until: Instant,
    keepalive_at: Instant,
    client: IpAddress,
    peer: Option<IpEndpoint>,
    held_hello: heapless::Vec<u8, HELD_HELLO>,
    sources: Sources,
    work: Work<S, PACKETS, WORDS, OBJECTS, GAPS, META>,
}

impl<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Session<S, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// A session that waits for the HELLO of the client at `client`, who may be served.
    #[must_use]
    pub fn new(client: IpAddress, now: Instant) -> Self {
        Self {
            deframer: Deframer::new(),
            talk: Talk {
                outbox: Outbox::new(),
                stage: Stage::Hello,
                until: now + HELLO_TIMEOUT,
                keepalive_at: now + KEEPALIVE_INTERVAL,
                client,
                peer: None,
                held_hello: heapless::Vec::new(),
                sources: Sources::new(),
                work: Work::None,
            },
        }
    }

    /// Takes bytes of the control channel and says how many; with fewer than came, [`Self::advance`] makes room.
    pub fn take_control(&mut self, bytes: &[u8]) -> usize {
        if matches!(self.talk.stage, Stage::Over(_)) {
            return bytes.len();
        }
        self.deframer.push(bytes)
    }

    /// The control channel has ended: in order once the session is settled, else the client is gone.
    pub fn control_ended<H: Host>(&mut self, now: Instant, ground: &mut Ground<'_, '_, S, H>) {
        let fault = match self.talk.stage {
            Stage::Settled => None,
            _ => Some(Fault::ConnectionLost),
        };
        self.talk.end(now, fault, ground);
    }

    /// Bytes for the control channel.
    #[must_use]
    pub fn control_output(&self) -> &[u8] {
        self.talk.outbox.waiting()
    }

    /// The first `count` bytes of [`Self::control_output`] were sent.
    pub fn control_sent(&mut self, count: usize) {
        self.talk.outbox.sent(count);
    }

    /// Takes a datagram that came from `source`; it is opened in place.
    pub fn handle_datagram<H: Host>(
        &mut self,
        now: Instant,
        source: IpEndpoint,
        datagram: &mut [u8],
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        let talk = &mut self.talk;
        let authentic = match &mut talk.work {
            Work::None => false,
            Work::Receive(receiving) => {
                receiving.handle_datagram(now, datagram, ground, &mut talk.outbox)
            }
            Work::Send(sending) => sending.handle_datagram(now, datagram),
        };
        // The first authentic address stays: a copy sent on from elsewhere moves nothing.
        if authentic && talk.peer.is_none() {
            talk.peer = Some(source);
            if source.addr == talk.client
                && let Work::Send(sending) = &mut talk.work
            {
                sending.prove_path();
            }
        }
    }

    /// No datagram should be handed in until [`Self::advance`] has done more: the storage is behind.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        match &self.talk.work {
            Work::Receive(receiving) => receiving.is_behind(),
            Work::None | Work::Send(_) => false,
        }
    }

    /// Reads what has come on the control channel and does what is due. Call after every input, and at
    /// [`Self::poll_timeout`].
    pub fn advance<H: Host>(&mut self, now: Instant, ground: &mut Ground<'_, '_, S, H>) {
        while !matches!(self.talk.stage, Stage::Over(_)) {
            match self.deframer.next_message() {
                Ok(Some(message)) => self.talk.on_message(now, message, ground),
                Ok(None) => break,
                Err(_) => self.talk.cancel(now, Fault::Protocol, ground),
            }
        }
        self.talk.advance(now, ground);
    }

    /// Writes datagrams that may leave now to `out`, for [`Self::peer`]. Call until `None`.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        out: &mut [u8],
        storage: &mut S,
    ) -> Option<Transmit> {
        self.talk.peer?;
        match &mut self.talk.work {
            Work::None => None,
            Work::Receive(receiving) => receiving.poll_transmit(now, out),
            Work::Send(sending) => sending.poll_transmit(now, out, storage),
        }
    }

    /// Where datagrams go: where the first authentic one came from.
    #[must_use]
    pub const fn peer(&self) -> Option<IpEndpoint> {
        self.talk.peer
    }

    /// When [`Self::advance`] or [`Self::poll_transmit`] has something to do at the latest.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let talk = &self.talk;
        let machine = match &talk.work {
            Work::None => None,
            Work::Receive(receiving) => receiving.poll_timeout(),
            Work::Send(sending) => sending.poll_timeout(),
        };
        // Without an address there is nobody to send to; only the time-outs count.
        let machine = match talk.peer {
            Some(_) => machine,
            None => machine.map(|at| at.max(now + UNHEARD)),
        };
        let stage = match talk.stage {
            Stage::Running => Some(talk.keepalive_at),
            // Only the words of a session that failed are still sent.
            Stage::Over(Some(_)) => return machine,
            Stage::Over(None) => return None,
            _ => Some(talk.until),
        };
        machine.into_iter().chain(stage).min()
    }

    /// Whether the session is over, and why if it did not end well. What is left in
    /// [`Self::control_output`] should still be sent.
    #[must_use]
    pub const fn outcome(&self) -> Option<Option<Fault>> {
        match self.talk.stage {
            Stage::Over(fault) => Some(fault),
            _ => None,
        }
    }
}

impl<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Talk<S, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// Ends the session and tells the client why.
    fn cancel<H: Host>(&mut self, now: Instant, fault: Fault, ground: &mut Ground<'_, '_, S, H>) {
        if !matches!(self.stage, Stage::Over(_)) {
            self.outbox.push_cancel(fault);
        }
        self.end(now, Some(fault), ground);
    }

    /// Ends the session; what can be resumed is kept.
    fn end<H: Host>(
        &mut self,
        now: Instant,
        fault: Option<Fault>,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        self.stage = Stage::Over(fault);
        self.held_hello.zeroize();
        match &mut self.work {
            Work::None => {}
            Work::Receive(receiving) => receiving.end(now, fault, ground),
            Work::Send(sending) => sending.end(fault, ground),
        }
        ground.host.observe(&Event::Over(fault));
    }
}
