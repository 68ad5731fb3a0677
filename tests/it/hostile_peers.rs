//! A client that has the session's keys and keeps no rule: the server stays within its bounds of memory, open files,
//! disk and sending, and lives on.
//!
//! | peer | refused by |
//! |---|---|
//! | asks for everything again for ever | numbers that are settled or unknown mean nothing; the rate |
//! | acknowledges what was never sent | the same |
//! | sends beyond the end, twice, nothing, and for objects that do not exist | the size in the record; each byte counts once |
//! | offers as many files as it can and finishes none | the window of objects; few files open at a time |
//! | promises files of 64 PiB, all of them holes | nothing is stored for a promise |
//! | asks questions for ever | four answers at a time |
//! | uploads faster than the configuration allows | its session ends |

#![expect(
    clippy::indexing_slicing,
    reason = "the lengths are those that were just written"
)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fasp_core::control::choices::{ResumeLevel, TransferDirection};
use fasp_core::control::framing::{PREAMBLE, RawMessage};
use fasp_core::control::{ControlMessage, SourcePaths};
use fasp_core::crypto::{KeySchedule, Role, Sealer, SessionSecret};
use fasp_core::metadata::record::encode_meta;
use fasp_core::metadata::{MetaRecord, ObjectKind, OpenRecord};
use fasp_core::negotiation::initiator::{Answer, ClientWishes, Initiator};
use fasp_core::units::{ConnectionId, ObjectId};
use fasp_core::wire::{DataBlock, Frame, FrameWriter, Header, PacketKind, ReportFields, TAG_BYTES};
use fasp_tests::binaries;
use fasp_tests::tree;
use fasp_tests::world::World;

use crate::live_rates::{next_message, wishes};

/// How long each peer is hostile.
const SPAN: Duration = Duration::from_secs(4);
/// Turns that it takes at least, however busy the machine is, and how long it may wait for them.
const LEAST_TURNS: u32 = 120;
const MOST_TIME: Duration = Duration::from_secs(60);
const RATE: u64 = 40_000_000;
/// What a server may use more than one that has just begun, MiB: reading ahead, packets in flight, credit.
const MOST_MEMORY: u64 = 160;
const MOST_FILES: usize = 600;

/// A session of which the test holds the keys.
struct Peer {
    server: Child,
    control: ChildStdin,
    answers: ChildStdout,
    socket: UdpSocket,
    sealer: Sealer,
    connection: ConnectionId,
    /// Largest packet number of the server so far.
    largest: u32,
    came: u64,
    resident_before: u64,
    /// How long it was hostile.
    spent: Duration,
}

impl Peer {
    fn open(world: &World, direction: TransferDirection) -> Self {
        Self::open_at(&binaries::ascp(), world, direction)
    }

    /// A session of the server program at `program`.
    fn open_at(program: &Path, world: &World, direction: TransferDirection) -> Self {
        let mut server = Command::new(program)
            .arg("--server")
            .env_clear()
            .env("HOME", world.home())
            .env("SSH_CONNECTION", "127.0.0.1 50000 127.0.0.1 22")
            .current_dir(world.remote(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut control = server.stdin.take().unwrap();
        let mut answers = server.stdout.take().unwrap();
        let upload = direction == TransferDirection::Upload;
        let wishes = ClientWishes {
            direction,
            destination: if upload { b"." } else { b"" },
            resume: if upload {
                ResumeLevel::Attributes
            } else {
                ResumeLevel::Restart
            },
            ..wishes(RATE)
        };
        let mut bytes = [0; 2_000];
        let (initiator, length) =
            Initiator::open(&wishes, SessionSecret::new([7; 32]), &mut bytes).unwrap();
        control.write_all(&PREAMBLE).unwrap();
        control.write_all(&bytes[..length]).unwrap();
        if !upload {
            let paths: [&[u8]; 1] = [b"f"];
            let sources = ControlMessage::Sources {
                paths: SourcePaths::new(&paths),
                more: false,
            };
            let length = sources.encode(&mut bytes).unwrap();
            control.write_all(&bytes[..length]).unwrap();
        }
        let mut preamble = [0; PREAMBLE.len()];
        answers.read_exact(&mut preamble).unwrap();
        let (kind, body) = next_message(&mut answers);
        let answer = initiator.handle_answer(RawMessage { kind, body: &body });
        let Ok(Answer::Accepted(opened)) = answer else {
            panic!("{answer:?}");
        };
        let keys = opened.keys;
        let schedule = KeySchedule::new(
            &keys.client_secret,
            &keys.server_secret,
            &keys.transcript_hash,
        );
        let (sealer, _) = schedule.into_lane(opened.agreement.suite(), Role::Client);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], opened.udp_port));
        socket.connect(to).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let resident_before = resident_mib(server.id());
        Self {
            server,
            control,
            answers,
            socket,
            sealer,
            connection: opened.agreement.peer_connection(),
            largest: 0,
            came: 0,
            resident_before,
            spent: Duration::ZERO,
        }
    }

    /// Sends a body of which every byte is authentic.
    fn send(&mut self, kind: PacketKind, body: &[u8]) {
        let header = Header {
            key_phase: false,
            repeated: false,
            kind,
            connection: self.connection,
            packet_number: 0,
            clock: 0,
        };
        let mut datagram = header.encode().to_vec();
        datagram.extend_from_slice(body);
        datagram.extend_from_slice(&[0; TAG_BYTES]);
        self.sealer.seal(&mut datagram).unwrap();
        // A server that has ended hears nothing more.
        let _ = self.socket.send(&datagram);
    }

    fn send_frame(&mut self, frame: &Frame<'_>) {
        let mut body = [0; 1_400];
        let mut writer = FrameWriter::new(&mut body);
        writer.push(frame).unwrap();
        let length = writer.len();
        self.send(PacketKind::Frames, &body[..length]);
    }

    /// A report whose map says of `count` numbers from `base` on that all came, or none did.
    fn report(&mut self, sequence: u16, largest: u32, base: u32, count: u32, missing: bool) {
        let fields = ReportFields {
            sequence,
            largest,
            received: 100,
            passed: 100,
            covered_us: 1_000,
            credit_kib: u32::MAX,
            ..ReportFields::default()
        };
        let block = [if missing { u64::MAX } else { 0 }; 8];
        let mut body = [0; 1_200];
        let mut writer = FrameWriter::new(&mut body);
        writer
            .push_report_with(&fields, base, 1_150, |map| {
                for _ in 0..count / 512 {
                    if map.push_block(&block, 512).is_err() {
                        return;
                    }
                }
            })
            .unwrap();
        let length = writer.len();
        self.send(PacketKind::Frames, &body[..length]);
    }

    fn offer(&mut self, stream_offset: u64, object: u32, size: u64) -> u64 {
        let path = format!("file{object}");
        let record = MetaRecord::Open(OpenRecord {
            object: ObjectId(object),
            path: path.as_bytes(),
            kind: ObjectKind::File,
            size,
            modified_ns: 0,
            accessed_ns: 0,
            mode: 0o644,
        });
        let mut bytes = [0; 200];
        let length = encode_meta(&record, &mut bytes).unwrap();
        self.send_frame(&Frame::Meta {
            offset: stream_offset,
            bytes: &bytes[..length],
        });
        stream_offset + length as u64
    }

    fn data(&mut self, object: u32, offset: u64, bytes: &[u8]) {
        let mut body = DataBlock::encode_prefix(ObjectId(object), offset, false, false).to_vec();
        body.extend_from_slice(bytes);
        self.send(PacketKind::Data, &body);
    }

    fn zeros(&mut self, object: u32, offset: u64, length: u64) {
        let mut body = DataBlock::encode_prefix(ObjectId(object), offset, false, true).to_vec();
        body.extend_from_slice(&length.to_be_bytes());
        self.send(PacketKind::Data, &body);
    }

    /// Takes what the server sent meanwhile.
    fn drain(&mut self) {
        let mut buffer = [0; 9_000];
        for _ in 0..64 {
            let Ok(length) = self.socket.recv(&mut buffer) else {
                return;
            };
            self.came += length as u64;
            if let Some(number) = buffer[..length].get(4..8) {
                let number = u32::from_be_bytes(number.try_into().unwrap());
                self.largest = self.largest.max(number);
            }
        }
    }

    /// Is hostile for a while by `act`, which gets the number of its turn; the server must stay within its bounds.
    fn harass(mut self, mut act: impl FnMut(&mut Self, u32)) -> (Self, u64) {
        let begun = Instant::now();
        let (mut turn, mut most_memory, mut most_files) = (0, 0, 0);
        while begun.elapsed() < SPAN || turn < LEAST_TURNS {
            assert!(begun.elapsed() < MOST_TIME, "only {turn} turns");
            act(&mut self, turn);
            self.drain();
            turn += 1;
            if turn % 50 == 0 {
                most_memory = resident_mib(self.server.id()).max(most_memory);
                most_files = open_files(self.server.id()).max(most_files);
            }
        }
        self.spent = begun.elapsed();
        let grown = most_memory.saturating_sub(self.resident_before);
        assert!(grown < MOST_MEMORY, "{grown} MiB more than at the start");
        assert!(most_files < MOST_FILES, "{most_files} open files");
        (self, most_memory)
    }

    /// The server still hears its user: it ends by itself, in order, when the control channel closes.
    fn ends_in_order(mut self) {
        drop(self.control);
        drop(self.answers);
        let deadline = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = self.server.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server hangs");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.code().is_some(), "the server crashed: {status:?}");
    }
}

fn resident_mib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let digits = line.map(|line| {
        line.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    });
    digits
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        / 1_024
}

fn open_files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

fn download() -> (World, Peer) {
    let world = World::new();
    tree::write_file(&world.remote("f"), 1, 200_000_000);
    let mut peer = Peer::open(&world, TransferDirection::Download);
    peer.send_frame(&Frame::Ping { id: 0 });
    (world, peer)
}

fn upload() -> (World, Peer) {
    let world = World::new();
    let peer = Peer::open(&world, TransferDirection::Upload);
    (world, peer)
}

#[test]
fn a_receiver_that_asks_for_everything_for_ever_gets_no_more_than_the_rate() {
    let (_world, peer) = download();
    let (peer, _) = peer.harass(|peer, turn| {
        let sequence = u16::try_from(turn % 60_000).unwrap();
        let (largest, count) = (peer.largest, peer.largest.next_multiple_of(512).max(512));
        peer.report(sequence, largest, 0, count, true);
        peer.report(sequence, largest, largest.saturating_sub(600), 512, true);
    });
    let most = RATE / 8 * (peer.spent.as_secs() + 3);
    assert!(
        peer.came > 100_000 && peer.came < most,
        "{} bytes came",
        peer.came
    );
    peer.ends_in_order();
}

#[test]
fn a_receiver_that_acknowledges_what_was_never_sent_gains_nothing() {
    let (_world, peer) = download();
    let (peer, _) = peer.harass(|peer, turn| {
        let sequence = u16::try_from(turn % 60_000).unwrap();
        let ahead = peer.largest.wrapping_add(1_000_000);
        peer.report(sequence, ahead, peer.largest, 1 << 19, false);
        peer.report(sequence, u32::MAX, u32::MAX - 5_000, 4_096, turn % 2 == 0);
    });
    let most = RATE / 8 * (peer.spent.as_secs() + 3);
    assert!(peer.came < most, "{} bytes came", peer.came);
    peer.ends_in_order();
}

#[test]
fn a_receiver_that_asks_questions_for_ever_is_answered_in_proportion() {
    let (_world, peer) = download();
    let mut asked = 0;
    let (peer, _) = peer.harass(|peer, turn| {
        for number in 0..10 {
            peer.send_frame(&Frame::PathChallenge(u64::from(turn * 10 + number)));
            peer.send_frame(&Frame::Ping { id: turn });
            asked += 2;
        }
    });
    assert!(asked > 1_000);
    peer.ends_in_order();
}

#[test]
fn a_sender_of_bytes_that_fit_nowhere_fills_neither_memory_nor_disk() {
    let (world, peer) = upload();
    let mut offset = 0;
    let (peer, _) = peer.harass(|peer, turn| {
        if turn == 0 {
            offset = peer.offer(offset, 1, 1_000_000);
        }
        let at = u64::from(turn % 5_000) * 100;
        for object in [1, 2, 8_000, u32::MAX] {
            peer.data(object, at, &[1; 1_000]);
            peer.data(object, at + 50, &[2; 1_000]);
            peer.data(object, 999_500, &[3; 1_000]);
            peer.data(object, (1 << 55) + at, &[4; 1_000]);
            peer.data(object, at, &[]);
        }
    });
    peer.ends_in_order();
    let stored: u64 = fs::read_dir(world.remote(""))
        .unwrap()
        .flatten()
        .map(|entry| entry.metadata().unwrap().len())
        .sum();
    assert!(stored <= 1_100_000, "{stored} bytes");
    assert!(!world.remote("file1").exists());
}

#[test]
fn a_sender_that_offers_without_end_and_finishes_nothing_holds_few_files() {
    let (_world, peer) = upload();
    let (mut offset, mut object) = (0, 1);
    let (peer, _) = peer.harass(|peer, _| {
        for _ in 0..20 {
            // Beyond the window nothing is taken, and the stream does not move on.
            offset = peer.offer(offset, object, 1_000_000);
            peer.data(object, 0, &[5; 500]);
            object += 1;
        }
    });
    assert!(object > 2_000, "{object}");
    peer.ends_in_order();
}

#[test]
fn promised_petabytes_of_holes_take_no_room() {
    let (world, peer) = upload();
    let mut offset = 0;
    let (peer, _) = peer.harass(|peer, turn| {
        if turn < 100 {
            offset = peer.offer(offset, turn + 1, 1 << 50);
        }
        let object = turn % 100 + 1;
        peer.zeros(object, u64::from(turn) << 20, 1 << 40);
        peer.zeros(object, 1 << 49, 1 << 49);
    });
    peer.ends_in_order();
    use std::os::unix::fs::MetadataExt as _;
    let blocks: u64 = fs::read_dir(world.remote(""))
        .unwrap()
        .flatten()
        .map(|entry| entry.metadata().unwrap().blocks() * 512)
        .sum();
    assert!(blocks < 20_000_000, "{blocks} bytes on disk");
}

/// A server program of its own place, with this `aspera.conf` beside it.
fn program_with(world: &World, configuration: &str) -> std::path::PathBuf {
    let place = world.server_folder().join("program");
    fs::create_dir_all(place.join("bin")).unwrap();
    fs::create_dir_all(place.join("etc")).unwrap();
    fs::copy(binaries::ascp(), place.join("bin/ascp")).unwrap();
    fs::write(place.join("etc/aspera.conf"), configuration).unwrap();
    place.join("bin/ascp")
}

#[test]
fn a_sender_that_ignores_the_cap_or_its_share_of_a_trunk_is_ended_and_the_log_says_why() {
    let flow = |inside: &str| {
        format!("<default><transfer><in><bandwidth>{inside}</bandwidth></in></transfer></default>")
    };
    let cap = flow("<flow><target_rate><cap>2M</cap></target_rate></flow>");
    let trunk = flow("<aggregate><trunk_id>9</trunk_id></aggregate>");
    for (number, elements) in [cap, trunk].into_iter().enumerate() {
        let world = World::new();
        let trunks = format!(
            "<trunks><run_directory>{}</run_directory><trunk><id>9</id><on>true</on>\
             <capacity><schedule>2M</schedule></capacity></trunk></trunks>",
            world.root().join("run").display()
        );
        let program = program_with(&world, &format!("<CONF>{elements}{trunks}</CONF>"));
        let mut peer = Peer::open_at(&program, &world, TransferDirection::Upload);
        peer.offer(0, 1, 1 << 40);
        let begun = Instant::now();
        let mut offset = 0;
        while peer.server.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < MOST_TIME, "{number}: it goes on and on");
            for _ in 0..20 {
                peer.data(1, offset, &[6; 1_000]);
                offset += 1_000;
            }
            peer.drain();
        }
        // The channel's last words are a CANCEL with the reason.
        let mut words = Vec::new();
        peer.answers.read_to_end(&mut words).unwrap();
        let words = String::from_utf8_lossy(&words).into_owned();
        assert!(words.contains("2000000 bit/s that it may"), "{words}");
    }
}
