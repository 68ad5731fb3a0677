//! A client of the appliance: SSH over smoltcp's TCP, HELLO by core's initiator, a machine of core over UDP.

use fasp_core::control::choices::TransferDirection;
use fasp_core::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use fasp_core::control::framing::{Deframer, PREAMBLE};
use fasp_core::control::{ControlMessage, RecordTerms, SourcePaths, Summary};
use fasp_core::crypto::{KeySchedule, Role, SessionSecret};
use fasp_core::metadata::{ObjectKind, OpenRecord};
use fasp_core::negotiation::Capabilities;
use fasp_core::negotiation::cipher_choice::CipherWish;
use fasp_core::negotiation::initiator::{Answer, ClientWishes, Initiator, Opened};
use fasp_core::receiver::{Block, Receiver, ReceiverEvent};
use fasp_core::sender::{
    FinishOutcome, ObjectSource, PathTrust, ReadOutcome, Sender, SenderEvent, Transmit,
};
use fasp_core::time::Instant;
use fasp_core::units::{BitRate, ConnectionId, ObjectId};
use fasp_firmware::udp_bridge::UdpBridge;
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::Medium;
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{IpAddress, IpEndpoint};
use sunset::ed25519_dalek::SigningKey;
use sunset::{ChanData, ChanHandle, CliEvent, Event, Runner, SessionCommand, SignKey};

use super::{APPLIANCE, CLIENT, CONTROL_PORT, DATA_PORT, FILE, IP_MTU, NAME, address, interface};
use crate::frames::Frames;
use crate::pattern;
use crate::random::Random;

/// The secret key of the only user.
pub(super) const KEY: [u8; 32] = [9; 32];
const OBJECT: ObjectId = ObjectId(1);
const RATE: BitRate = BitRate(8_000_000);

/// The public half of [`KEY`].
pub(super) fn public_key() -> [u8; 32] {
    SigningKey::from_bytes(&KEY).verifying_key().to_bytes()
}

type Sending = Sender<1_024, 16, 65_536>;
type Receiving = Receiver<64, 16, 256, 65_536>;

enum Work {
    None,
    Send(Box<Sending>),
    Receive(Box<Receiving>),
}

/// The one file, made of the pattern.
struct OneFile {
    bytes: u64,
}

impl OneFile {
    fn record(&self) -> OpenRecord<'static> {
        OpenRecord {
            object: OBJECT,
            path: NAME,
            kind: ObjectKind::File,
            size: self.bytes,
            modified_ns: 1,
            accessed_ns: 1,
            mode: 0o644,
        }
    }
}

impl ObjectSource for OneFile {
    fn read(&mut self, _: ObjectId, offset: u64, buffer: &mut [u8]) -> ReadOutcome {
        pattern::fill(FILE, offset, buffer);
        ReadOutcome::Filled
    }

    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        FinishOutcome::Unchanged
    }

    fn describe(&mut self, _: ObjectId) -> Option<OpenRecord<'_>> {
        Some(self.record())
    }
}

/// The client.
pub(super) struct Client {
    pub(super) frames: Frames,
    interface: Interface,
    sockets: SocketSet<'static>,
    tcp: SocketHandle,
    bridge: UdpBridge<Vec<u8>>,
    ssh: Runner<'static, sunset::Client>,
    channel: Option<ChanHandle>,
    is_open: bool,
    to_say: Vec<u8>,
    deframer: Box<Deframer<8_192>>,
    initiator: Option<Initiator>,
    upload: bool,
    file: OneFile,
    work: Work,
    received: u64,
    done_at: Option<Instant>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = formatter.debug_struct("Client");
        text.field("is_open", &self.is_open)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that wants to send, or to have, the file of `bytes`.
    pub(super) fn new(seed: u64, upload: bool, bytes: usize) -> Self {
        let mut frames = Frames::new(Medium::Ethernet, IP_MTU);
        let mut interface = interface(&mut frames, CLIENT);
        let buffer = || tcp::SocketBuffer::new(vec![0; 16_384]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        let there = IpAddress::Ipv4(address(APPLIANCE));
        socket
            .connect(interface.context(), (there, CONTROL_PORT), 40_000)
            .expect("a new socket can connect");
        let packets =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 98_304]);
        let mut datagrams = udp::Socket::new(packets(), packets());
        datagrams.bind(40_000).expect("a new socket can be bound");
        let mut sockets = SocketSet::new(Vec::new());
        let (tcp, data) = (sockets.add(socket), sockets.add(datagrams));
        let peer = IpEndpoint::new(there, DATA_PORT);
        let (initiator, to_say) = hello(seed, upload);
        // The library borrows its buffers for good; a few kilobytes a run are gone with them.
        let buffer = || Box::leak(vec![0; 4_096].into_boxed_slice());
        Self {
            frames,
            interface,
            sockets,
            tcp,
            bridge: UdpBridge::new(data, peer, vec![0; 2_048], vec![0; 2_048]),
            ssh: Runner::new_client(buffer(), buffer()),
            channel: None,
            is_open: false,
            to_say,
            deframer: Box::default(),
            initiator: Some(initiator),
            upload,
            file: OneFile {
                bytes: bytes as u64,
            },
            work: Work::None,
            received: 0,
            done_at: None,
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.done_at.is_some()
    }

    pub(super) fn done_us(&self) -> u64 {
        self.done_at.map_or(0, Instant::as_micros)
    }

    /// Does what there is to do; when the next turn is due.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Instant> {
        self.receive(now);
        self.talk();
        self.read_messages(now);
        self.take_events(now);
        self.talk();
        if self.is_done() && self.to_say.is_empty() {
            // As a program that ends.
            self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp).close();
            self.work = Work::None;
        }
        let Self {
            bridge,
            interface,
            frames,
            sockets,
            work,
            file,
            ..
        } = self;
        bridge.transmit(now, interface, frames, sockets, |out| match work {
            Work::None => None,
            Work::Send(sender) => sender.poll_transmit(now, out, 1, file),
            Work::Receive(receiver) => {
                let length = receiver.poll_transmit(now, out)?;
                Some(Transmit {
                    length,
                    segment_size: length,
                })
            }
        });
        let machine = match work {
            Work::None => None,
            Work::Send(sender) => sender.poll_timeout(),
            Work::Receive(receiver) => receiver.poll_timeout(),
        };
        bridge.poll_timeout(now, machine, interface, sockets)
    }

    fn receive(&mut self, now: Instant) {
        let Self {
            bridge,
            interface,
            frames,
            sockets,
            work,
            received,
            ..
        } = self;
        while bridge.receive(now, interface, frames, sockets, |_, datagram| {
            match work {
                Work::None => {}
                Work::Send(sender) => drop(sender.handle_datagram(now, datagram)),
                Work::Receive(receiver) => {
                    let Ok(arrival) = receiver.handle_datagram(now, datagram) else {
                        return true;
                    };
                    for block in arrival.blocks() {
                        let Block::Bytes { offset, bytes, .. } = block else {
                            panic!("the file is neither small nor empty");
                        };
                        assert!(pattern::matches(FILE, offset, bytes), "other bytes came");
                        *received += bytes.len() as u64;
                        receiver.handle_written(bytes.len() as u64);
                    }
                }
            }
            true
        }) {}
    }

    /// Bytes of the control channel, through SSH and TCP.
    fn talk(&mut self) {
        loop {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.tcp);
            let mut moved = false;
            let waiting = self.ssh.output_buf();
            if let Ok(count @ 1..) = socket.send_slice(waiting) {
                self.ssh.consume_output(count);
                moved = true;
            }
            if self.ssh.is_input_ready() && socket.can_recv() {
                let ssh = &mut self.ssh;
                let taken = socket.recv(|bytes| {
                    let count = ssh.input(bytes).expect("the appliance speaks SSH");
                    (count, count)
                });
                moved |= taken.is_ok_and(|count| count > 0);
            }
            moved |= self.carry();
            let mut authenticated = false;
            match self.ssh.progress().expect("the appliance keeps the rules") {
                Event::Cli(event) => match event {
                    CliEvent::Hostkey(ask) => ask.accept().expect("in order"),
                    CliEvent::Username(ask) => ask.username("somebody").expect("in order"),
                    CliEvent::Pubkey(ask) => {
                        let key = SignKey::Ed25519(SigningKey::from_bytes(&KEY));
                        ask.pubkey(key).expect("in order");
                    }
                    CliEvent::Authenticated => authenticated = true,
                    CliEvent::SessionOpened(mut opener) => {
                        let command = SessionCommand::Exec("ascp --server");
                        opener.cmd(&command).expect("in order");
                        self.is_open = true;
                    }
                    CliEvent::Password(_) => panic!("the key was refused"),
                    _ => {}
                },
                Event::Progressed => {}
                _ if moved => {}
                _ => return,
            }
            if authenticated {
                self.channel = Some(self.ssh.open_client_session().expect("in order"));
            }
        }
    }

    fn carry(&mut self) -> bool {
        let Some(channel) = self.channel.as_ref().filter(|_| self.is_open) else {
            return false;
        };
        let mut moved = false;
        let mut bytes = [0; 512];
        while self.ssh.read_channel_ready().is_some() {
            let read = self.ssh.read_channel(channel, ChanData::Normal, &mut bytes);
            let count = read.expect("bytes were there");
            assert_eq!(self.deframer.push(&bytes[..count]), count, "room for all");
            moved = true;
        }
        if !self.to_say.is_empty() {
            let written = self
                .ssh
                .write_channel(channel, ChanData::Normal, &self.to_say);
            let count = written.expect("the channel is open");
            self.to_say.drain(..count);
            moved |= count > 0;
        }
        moved
    }

    fn read_messages(&mut self, now: Instant) {
        loop {
            let message = self.deframer.next_message().expect("messages");
            let Some(message) = message else { return };
            if let Some(initiator) = self.initiator.take() {
                match initiator.handle_answer(message).expect("an answer") {
                    Answer::Accepted(opened) => {
                        self.work = work(&opened, &self.file, self.upload, now);
                    }
                    Answer::Rejected { text, .. } => panic!("rejected: {text}"),
                }
                continue;
            }
            match message.decode().expect("a message") {
                Some(ControlMessage::Summary(summary)) => {
                    assert_eq!((summary.delivered, summary.failed), (1, 0));
                    say(&mut self.to_say, &ControlMessage::SummaryAck { code: 0 });
                    self.done_at = Some(now);
                }
                Some(ControlMessage::SummaryAck { .. }) => self.done_at = Some(now),
                Some(ControlMessage::Cancel { text, .. }) => panic!("cancelled: {text}"),
                Some(ControlMessage::FileError(error)) => panic!("{}", error.text),
                _ => {}
            }
        }
    }

    fn take_events(&mut self, now: Instant) {
        match &mut self.work {
            Work::None => {}
            Work::Send(sender) => {
                sender.handle_timeout(now);
                while let Some(event) = sender.poll_event() {
                    match event {
                        SenderEvent::Finished { fault, .. } => assert_eq!(fault, None),
                        SenderEvent::Failed(fault) if self.done_at.is_none() => panic!("{fault}"),
                        _ => {}
                    }
                }
            }
            Work::Receive(receiver) => {
                receiver.handle_timeout(now);
                let (mut complete, mut settled) = (None, false);
                while let Some(event) = receiver.poll_event() {
                    match event {
                        ReceiverEvent::Complete(object) => complete = Some(object),
                        ReceiverEvent::Settled => settled = true,
                        ReceiverEvent::Failed(fault) if self.done_at.is_none() => panic!("{fault}"),
                        _ => {}
                    }
                    if let Some(object) = complete.take() {
                        assert_eq!(self.received, self.file.bytes);
                        receiver.handle_result(object, None);
                    }
                }
                if settled {
                    let summary = Summary {
                        code: 0,
                        text: "",
                        delivered: 1,
                        failed: 0,
                        skipped: 0,
                        bytes: self.received,
                    };
                    say(&mut self.to_say, &ControlMessage::Summary(summary));
                }
            }
        }
    }
}

fn say(to_say: &mut Vec<u8>, message: &ControlMessage<'_>) {
    let mut bytes = [0; 1_024];
    let length = message.encode(&mut bytes).expect("a short message");
    to_say.extend_from_slice(&bytes[..length]);
}

/// Preamble, HELLO and for a download the name of the file.
fn hello(seed: u64, upload: bool) -> (Initiator, Vec<u8>) {
    let mut random = Random::named(seed, "client");
    let wishes = ClientWishes {
        direction: if upload {
            TransferDirection::Upload
        } else {
            TransferDirection::Download
        },
        cipher: CipherWish::default(),
        connection: ConnectionId::new(random.next() as u32),
        fixed_datagram: None,
        target_rate: RATE,
        minimum_rate: BitRate(0),
        policy: RatePolicy::Fair,
        resume: ResumeLevel::Restart,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        udp_port: DATA_PORT,
        destination: if upload { b"/" } else { b"" },
        create_destination: false,
        measures: false,
        renames_again: false,
        selects: false,
        saves_old: false,
        deletes: false,
        files: fasp_core::control::FileWishes::default(),
        records: RecordTerms::default(),
        security: fasp_core::control::SecurityTerms::default(),
        sources: 1,
        capabilities: Capabilities {
            max_datagram: 1_472,
            report_size: 1_440,
            object_window: 16,
            packet_window: 1_024,
            metadata_window: 60_000,
            max_body: 8_000,
        },
        program: "sim",
    };
    let mut secret = [0; 32];
    for piece in secret.chunks_mut(8) {
        piece.copy_from_slice(&random.next().to_le_bytes());
    }
    let mut bytes = [0; 1_024];
    let opened = Initiator::open(&wishes, SessionSecret::new(secret), &mut bytes);
    let (initiator, length) = opened.expect("possible wishes");
    let mut to_say = PREAMBLE.to_vec();
    to_say.extend_from_slice(&bytes[..length]);
    if !upload {
        let paths = SourcePaths::new(&[NAME]);
        say(&mut to_say, &ControlMessage::Sources { paths, more: false });
    }
    (initiator, to_say)
}

fn work(opened: &Opened<'_>, file: &OneFile, upload: bool, now: Instant) -> Work {
    let keys = &opened.keys;
    let schedule = KeySchedule::new(
        &keys.client_secret,
        &keys.server_secret,
        &keys.transcript_hash,
    );
    let agreement = &opened.agreement;
    let (sealer, opener) = schedule.into_lane(agreement.suite(), Role::Client);
    if upload {
        let mut sender = Box::new(Sending::new(
            agreement,
            sealer,
            opener,
            PathTrust::Proven,
            now,
        ));
        sender.offer(&file.record()).expect("room for one");
        sender.end_offers();
        Work::Send(sender)
    } else {
        let capacity = 1 << 22;
        Work::Receive(Box::new(Receiving::new(
            agreement, sealer, opener, capacity, now,
        )))
    }
}
