//! Somebody on the path, or a hostile peer: garbage, replay, flooding, escape from the root.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::time::Duration;

use fasp_core::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use fasp_core::control::{Accept, ControlMessage, Secret};
use fasp_core::units::{BitRate, ConnectionId};
use fasp_tests::client::{Ascp, operand};
use fasp_tests::process::Running;
use fasp_tests::random::SplitMix64;
use fasp_tests::relay::{Badness, Relay, Toward};
use fasp_tests::server::{Ascpd, OpenSsh};
use fasp_tests::tree;
use fasp_tests::world::World;

use crate::site::Site;

const SIZE: u64 = 10_000_000;
/// [`SIZE`] takes 2 s at this rate.
const RATE: [&str; 3] = ["-l", "40M", "--policy=fixed"];

/// A transfer that runs through a relay while the test does harm; tells how many datagrams the client refused.
fn while_sending(harm: impl Fn(&Relay, &mut Running)) -> u64 {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, SIZE);
    let daemon = Ascpd::new(&world);
    let relay = Relay::start(daemon.udp_port(), 1, Badness::default());
    let server = daemon.advertising(relay.address()).start();
    let command = Ascp::to(&world, &server).args(RATE).args(["-L-", "f"]);
    let mut running = command.arg(server.at("")).start();
    while relay.count(Toward::Server).seen < 20 && running.is_running() {
        std::thread::sleep(Duration::from_millis(5));
    }
    harm(&relay, &mut running);
    let ended = running.wait(Duration::from_secs(60));
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    tree::assert_same(&world.local("f"), &world.remote("f"));
    let text = ended.err();
    let counted = text
        .lines()
        .find_map(|line| line.strip_prefix("LOG refused datagrams: "));
    counted
        .expect("the log must count refused datagrams")
        .parse()
        .unwrap()
}

#[test]
fn garbage_datagrams_are_dropped_and_counted() {
    let refused = while_sending(|relay, running| {
        let mut random = SplitMix64::new(9);
        let mut count = 0;
        while running.is_running() && count < 20_000 {
            let length = usize::try_from(random.below(1500)).unwrap();
            let mut datagram = vec![0_u8; length];
            random.fill(&mut datagram);
            relay.inject(Toward::Server, &datagram);
            relay.inject(Toward::Client, &datagram);
            count += 1;
            if count % 20 == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        assert!(count > 1000, "the transfer ended too early: {count}");
    });
    assert!(refused > 500, "{refused}");
}

#[test]
fn replayed_datagrams_are_dropped_and_counted() {
    let refused = while_sending(|relay, running| {
        let mut count = 0;
        while running.is_running() && count < 20_000 {
            for toward in [Toward::Server, Toward::Client] {
                for copy in relay.copies(toward).iter().take(30) {
                    relay.inject(toward, &copy.bytes);
                    count += 1;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(count > 1000, "the transfer ended too early: {count}");
    });
    assert!(refused > 500, "{refused}");
}

#[test]
fn datagrams_reflected_to_their_sender_are_dropped() {
    let _ = while_sending(|relay, running| {
        let mut count = 0;
        while running.is_running() && count < 20_000 {
            for copy in relay.copies(Toward::Server).iter().take(30) {
                relay.inject(Toward::Client, &copy.bytes);
                count += 1;
            }
            for copy in relay.copies(Toward::Client).iter().take(30) {
                relay.inject(Toward::Server, &copy.bytes);
                count += 1;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(count > 1000, "the transfer ended too early: {count}");
    });
}

#[test]
fn header_bits_changed_in_a_copy_do_no_harm() {
    let _ = while_sending(|relay, running| {
        let mut random = SplitMix64::new(12);
        let mut count = 0;
        while running.is_running() && count < 20_000 {
            for toward in [Toward::Server, Toward::Client] {
                for mut copy in relay.copies(toward).into_iter().take(30) {
                    let byte = usize::try_from(random.below(12)).unwrap();
                    copy.bytes[byte] ^= 1 << random.below(8);
                    relay.inject(toward, &copy.bytes);
                    count += 1;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(count > 1000, "the transfer ended too early: {count}");
    });
}

#[test]
fn a_stranger_who_floods_the_port_does_not_stop_a_transfer() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, SIZE);
    let command = Ascp::to(&site.world, &site.server).args(RATE).arg("f");
    let mut running = command.arg(site.server.at("")).start();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagram = [0x41_u8; 1200];
    while running.is_running() {
        for _ in 0..20 {
            // Refused while no session is open.
            let _ = stranger.send_to(&datagram, ("127.0.0.1", site.server.udp_port));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let ended = running.wait(Duration::from_secs(1));
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    tree::assert_same(&site.world.local("f"), &site.world.remote("f"));
}

#[test]
fn dots_and_absolute_paths_do_not_leave_the_root() {
    let site = Site::daemon();
    let secret = site.world.root().join("secret");
    fs::write(&secret, "top secret").unwrap();
    tree::write_file(&site.world.local("f"), 1, 100);
    let login = &site.server.login;
    let absolute = secret.display().to_string();
    for path in ["../secret", "/../secret", "a/../../secret", &absolute] {
        let down = site.ascp().arg(operand(login, path)).arg("stolen").run();
        assert_eq!(down.code(), Some(1), "{path}: {}", down.words());
        assert!(!site.world.local("stolen").exists(), "{path}");
        let up = site.ascp().arg("f").arg(operand(login, path)).run();
        assert_eq!(
            fs::read(&secret).unwrap(),
            b"top secret",
            "{path}: {}",
            up.words()
        );
    }
}

#[test]
fn symbolic_links_do_not_leave_the_root() {
    let site = Site::daemon();
    let outside = site.world.root().join("outside");
    tree::write_file(&outside.join("secret"), 1, 100);
    tree::write_file(&site.world.local("f"), 2, 200);
    symlink(&outside, site.world.remote("door")).unwrap();
    symlink(outside.join("secret"), site.world.remote("window")).unwrap();
    for path in ["door/secret", "window", "door"] {
        let run = site.ascp().arg(site.server.at(path)).arg("stolen").run();
        assert_eq!(run.code(), Some(1), "{path}: {}", run.words());
        let stolen = site.world.local("stolen");
        assert!(
            !stolen.is_file() && !stolen.join("secret").exists(),
            "{path}"
        );
    }
    let before = fs::read(outside.join("secret")).unwrap();
    for path in ["door/", "door/new", "window"] {
        let up = site.ascp().arg("f").arg(site.server.at(path)).run();
        assert_eq!(
            tree::names_in(&outside),
            ["secret"],
            "{path}: {}",
            up.words()
        );
        assert_eq!(fs::read(outside.join("secret")).unwrap(), before, "{path}");
    }
}

/// A server that says `script` on the SSH channel instead of speaking the protocol.
fn against(script: &str) -> Option<fasp_tests::client::Outcome> {
    against_with(script, &[])
}

/// As [`against`], with options of the client.
fn against_with(script: &str, options: &[&str]) -> Option<fasp_tests::client::Outcome> {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 100);
    let server = OpenSsh::new().forced_command(script).start(&world)?;
    let command = Ascp::to(&world, &server).args(options).arg("f");
    Some(command.arg(server.at("")).within_secs(30).run())
}

#[test]
fn random_bytes_on_the_ssh_channel_are_a_clear_failure() {
    let Some(run) = against("head -c 100000 /dev/urandom; sleep 2") else {
        return;
    };
    assert!(!run.failure().is_empty());
    assert!(run.took < Duration::from_secs(20), "{}", run.words());
}

#[test]
fn a_talkative_login_shell_is_a_clear_failure() {
    let Some(run) = against("echo Welcome to this machine; sleep 2") else {
        return;
    };
    let text = run.failure();
    assert!(text.len() > 20, "a sentence, not {text:?}");
}

#[test]
fn a_peer_that_hangs_up_at_once_is_a_clear_failure() {
    let Some(run) = against("true") else { return };
    assert!(!run.failure().is_empty());
}

/// The greeting of the protocol (PROTOCOL.md §2.1) as a shell's `printf` writes it.
const GREETING: &str = r"\117\106\101\123\120\001\015\012";

#[test]
fn a_peer_of_another_version_is_named_as_such() {
    let scripts = [
        // Another greeting.
        r"printf '\117\106\101\123\120\002\015\012'; sleep 2".to_owned(),
        // REJECT {0: 1, 1: "no common version"}.
        format!(
            r"printf '{GREETING}\000\000\000\026\003\242\000\001\001\161no common version'; sleep 2"
        ),
        // ACCEPT {0: 7}.
        format!(r"printf '{GREETING}\000\000\000\003\002\241\000\007'; sleep 2"),
    ];
    for script in scripts {
        let Some(run) = against(&script) else { return };
        let text = run.failure();
        assert!(text.contains("version"), "{script}: {text}");
    }
}

#[test]
fn a_reject_reaches_the_user_without_control_characters() {
    // REJECT {0: 5, 1: "no\x1b[31m way\n"}.
    let script = format!(
        r"printf '{GREETING}\000\000\000\022\003\242\000\005\001\155no\033[31m way\012\012'; sleep 2"
    );
    let Some(run) = against(&script) else { return };
    assert!(run.failure().contains("no"), "{}", run.words());
    assert!(!run.out().contains('\x1b') && !run.err().contains('\x1b'));
}

#[test]
fn a_length_that_promises_four_gigabytes_is_refused_at_once() {
    let script = format!(r"printf '{GREETING}\377\377\377\377\002'; cat /dev/zero");
    let Some(run) = against(&script) else { return };
    assert!(!run.failure().is_empty());
    assert!(run.took < Duration::from_secs(15), "{}", run.words());
}

/// ACCEPT with a cipher suite, as a shell's `printf` writes it.
fn accept_with(suite: u8) -> String {
    let accept = Accept {
        version: 1,
        secret: Secret(&[9; 32]),
        suite,
        connection: ConnectionId::new(5),
        max_datagram: 1_472,
        fixed_datagram: None,
        report_size: 1_440,
        target_rate: BitRate(1_000_000),
        minimum_rate: BitRate(0),
        policy: RatePolicy::Fair,
        resume: ResumeLevel::Restart,
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        udp_port: 9,
        object_window: 64,
        packet_window: 64,
        max_body: 4_608,
        program: "someone in the middle",
        metadata_window: 4_354,
        lanes: 1,
        checksum: None,
        split_from: 0,
        udp_address: None,
        renames: false,
    };
    let mut bytes = [0; 400];
    let length = ControlMessage::Accept(accept).encode(&mut bytes).unwrap();
    bytes
        .iter()
        .take(length)
        .map(|byte| format!("\\{byte:03o}"))
        .collect()
}

#[test]
fn a_cipher_that_was_not_asked_for_is_refused_before_a_byte_is_sent() {
    for (asked, suites) in [
        ("aes256gcm", &[0x01, 0x10, 0x20, 0x22][..]),
        ("aes128gcm", &[0x01, 0x20, 0x21][..]),
        ("aes192", &[0x01, 0x10, 0x20][..]),
        ("none", &[0x10][..]),
    ] {
        for &suite in suites {
            let script = format!("printf '{GREETING}{}'; sleep 2", accept_with(suite));
            let Some(run) = against_with(&script, &["-c", asked]) else {
                return;
            };
            let text = run.failure();
            assert!(text.contains("cipher"), "{asked}, {suite:#x}: {text}");
            assert!(run.took < Duration::from_secs(15), "{}", run.words());
        }
    }
}
