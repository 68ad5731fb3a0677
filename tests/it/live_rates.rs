//! A client that speaks the protocol itself changes the rates of a running download.

#![expect(
    clippy::indexing_slicing,
    reason = "the lengths are those that were just written"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant as HostInstant};

use fasp_core::control::choices::{
    OverwriteRule, Preserve, RatePolicy, ResumeLevel, TransferDirection,
};
use fasp_core::control::framing::{HEADER_LEN, PREAMBLE, RawMessage, parse_header};
use fasp_core::control::{ControlMessage, Rate, RecordTerms, SourcePaths};
use fasp_core::crypto::{KeySchedule, Role, SessionSecret};
use fasp_core::fault::Fault;
use fasp_core::negotiation::cipher_choice::CipherWish;
use fasp_core::negotiation::initiator::{Answer, ClientWishes, Initiator};
use fasp_core::negotiation::{Capabilities, KeyInputs};
use fasp_core::receiver::{Block, Receiver};
use fasp_core::time::Instant;
use fasp_core::units::{BitRate, ConnectionId};
use fasp_tests::binaries;
use fasp_tests::tree;
use fasp_tests::world::World;

type Machine = Receiver<256, 64, 1_024, 16_384>;

/// Capacity that nobody has to wait for.
const CAPACITY: u64 = 64 << 20;

/// `ascp --server` and a client that receives what it sends.
struct Download {
    server: Child,
    control: ChildStdin,
    answers: ChildStdout,
    socket: UdpSocket,
    to: SocketAddr,
    receiver: Box<Machine>,
    begin: HostInstant,
}

impl Download {
    fn start(world: &World, rate: u64) -> Self {
        let mut server = Command::new(binaries::ascp())
            .arg("--server")
            .env_clear()
            .env("HOME", world.home())
            .env("SSH_CONNECTION", "127.0.0.1 50000 127.0.0.1 22")
            .current_dir(world.local(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut control = server.stdin.take().unwrap();
        let mut answers = server.stdout.take().unwrap();
        let wishes = wishes(rate);
        let mut bytes = [0; 2_000];
        let secret = SessionSecret::new([7; 32]);
        let (initiator, length) = Initiator::open(&wishes, secret, &mut bytes).unwrap();
        control.write_all(&PREAMBLE).unwrap();
        control.write_all(&bytes[..length]).unwrap();
        let paths: [&[u8]; 1] = [b"f"];
        let sources = ControlMessage::Sources {
            paths: SourcePaths::new(&paths),
            more: false,
        };
        let length = sources.encode(&mut bytes).unwrap();
        control.write_all(&bytes[..length]).unwrap();
        let mut preamble = [0; PREAMBLE.len()];
        answers.read_exact(&mut preamble).unwrap();
        assert_eq!(preamble, PREAMBLE);
        let (kind, body) = next_message(&mut answers);
        let answer = initiator.handle_answer(RawMessage { kind, body: &body });
        let Ok(Answer::Accepted(opened)) = answer else {
            panic!("{answer:?}");
        };
        let KeyInputs {
            client_secret,
            server_secret,
            transcript_hash,
        } = opened.keys;
        let schedule = KeySchedule::new(&client_secret, &server_secret, &transcript_hash);
        let (sealer, opener) = schedule.into_lane(opened.agreement.suite(), Role::Client);
        let now = Instant::from_micros(0);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        Self {
            server,
            control,
            answers,
            socket,
            to: SocketAddr::from(([127, 0, 0, 1], opened.udp_port)),
            receiver: Box::new(Receiver::new(
                &opened.agreement,
                sealer,
                opener,
                CAPACITY,
                now,
            )),
            begin: HostInstant::now(),
        }
    }

    fn ask(&mut self, target: u64) {
        let rate = ControlMessage::Rate(Rate {
            target: BitRate(target),
            minimum: BitRate(0),
            policy: RatePolicy::Fixed,
        });
        let mut bytes = [0; 100];
        let length = rate.encode(&mut bytes).unwrap();
        self.control.write_all(&bytes[..length]).unwrap();
    }

    /// Receives for `span` and returns the rate of the file bytes that came, bit/s.
    fn receive(&mut self, span: Duration) -> u64 {
        let until = HostInstant::now() + span;
        let mut came = 0;
        let mut buffer = [0; 2_048];
        while HostInstant::now() < until {
            let now =
                Instant::from_micros(u64::try_from(self.begin.elapsed().as_micros()).unwrap());
            self.receiver.handle_timeout(now);
            while let Some(length) = self.receiver.poll_transmit(now, &mut buffer) {
                self.socket.send_to(&buffer[..length], self.to).unwrap();
            }
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer)
                && let Ok(arrival) = self.receiver.handle_datagram(now, &mut buffer[..length])
            {
                let blocks = arrival.blocks();
                let bytes: usize = blocks.map(|block| block_bytes(&block)).sum();
                self.receiver.handle_written(bytes as u64);
                came += bytes as u64;
            }
            while self.receiver.poll_event().is_some() {}
        }
        came * 8_000 / u64::try_from(span.as_millis()).unwrap()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn block_bytes(block: &Block<'_>) -> usize {
    match block {
        Block::Bytes { bytes, .. } | Block::Whole { bytes, .. } => bytes.len(),
        Block::Zeros { .. } => 0,
    }
}

pub(crate) fn wishes(rate: u64) -> ClientWishes<'static> {
    ClientWishes {
        direction: TransferDirection::Download,
        cipher: CipherWish::default(),
        connection: ConnectionId::new(77),
        fixed_datagram: None,
        target_rate: BitRate(rate),
        minimum_rate: BitRate(0),
        policy: RatePolicy::Fixed,
        resume: ResumeLevel::Restart,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        udp_port: fasp_tests::server::free_udp_port(),
        destination: b"",
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
            object_window: 64,
            packet_window: 4_096,
            metadata_window: 8_192,
            max_body: 1 << 20,
        },
        program: "test",
    }
}

pub(crate) fn next_message(answers: &mut ChildStdout) -> (u8, Vec<u8>) {
    let mut header = [0; HEADER_LEN];
    answers.read_exact(&mut header).unwrap();
    let (kind, length) = parse_header(&header, 1 << 20).unwrap();
    let mut body = vec![0; usize::try_from(length).unwrap()];
    answers.read_exact(&mut body).unwrap();
    (kind, body)
}

#[test]
fn a_running_download_follows_new_rates_and_an_impossible_one_ends_it() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 30_000_000);
    let mut download = Download::start(&world, 8_000_000);
    let first = download.receive(Duration::from_secs(1));
    assert!((2_000_000..9_000_000).contains(&first), "{first}");
    download.ask(60_000_000);
    download.receive(Duration::from_millis(200));
    let faster = download.receive(Duration::from_secs(1));
    assert!((15_000_000..64_000_000).contains(&faster), "{faster}");
    download.ask(2_000_000);
    download.receive(Duration::from_millis(300));
    let slower = download.receive(Duration::from_secs(1));
    assert!((200_000..2_500_000).contains(&slower), "{slower}");
    download.ask(0);
    let told = loop {
        let (kind, body) = next_message(&mut download.answers);
        let message = RawMessage { kind, body: &body };
        if let Ok(Some(ControlMessage::Cancel { code, text })) = message.decode() {
            assert!(text.contains("impossible rates"), "{text}");
            break code;
        }
    };
    assert_eq!(told, Fault::Protocol.number());
    assert!(!download.server.wait().unwrap().success());
}
