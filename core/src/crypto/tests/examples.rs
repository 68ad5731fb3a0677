//! The worked examples that PROTOCOL.md points to; made by a second, independent implementation.

use std::vec::Vec;

use super::super::key_schedule::Purpose;
use super::*;

const EXAMPLES: &str = include_str!("../../../../tests/vectors/crypto.hex");

/// The words of every line that starts with `keyword`.
fn lines(keyword: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let keyword = Vec::from(keyword);
    EXAMPLES.lines().filter_map(move |line| {
        let mut words = line.split(' ');
        (words.next()?.as_bytes() == keyword).then(|| words.collect())
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    if hex == "-" {
        return Vec::new();
    }
    assert_eq!(hex.len() % 2, 0, "half a byte in {hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn value(keyword: &str) -> Vec<u8> {
    bytes(lines(keyword).next().expect("the line is there")[0])
}

fn number(hex: &str) -> u64 {
    u64::from_str_radix(hex, 16).unwrap()
}

fn suite(hex: &str) -> CipherSuite {
    CipherSuite::from_id(u8::from_str_radix(hex, 16).unwrap()).unwrap()
}

fn direction(name: &str) -> Direction {
    match name {
        "c2s" => Direction::ClientToServer,
        "s2c" => Direction::ServerToClient,
        other => panic!("no direction is called {other}"),
    }
}

fn example_schedule() -> KeySchedule {
    let secret = |keyword| SessionSecret::new(value(keyword).try_into().unwrap());
    let mut transcript = Transcript::new();
    transcript.absorb(&value("hello"));
    transcript.absorb(&value("accept"));
    KeySchedule::new(
        &secret("client-secret"),
        &secret("server-secret"),
        &transcript.finish(),
    )
}

#[test]
fn the_root_of_the_key_schedule_is_the_one_in_the_example() {
    let mut transcript = Transcript::new();
    for byte in [value("hello"), value("accept")].concat() {
        transcript.absorb(&[byte]);
    }
    assert_eq!(transcript.finish().to_vec(), value("transcript-hash"));
    assert_eq!(example_schedule().prk().to_vec(), value("prk"));
}

#[test]
fn derived_secrets_are_those_in_the_examples() {
    let schedule = example_schedule();
    let mut checked = 0;
    for words in lines("derived") {
        let [id, way, epoch, purpose, expected] = words[..] else {
            panic!("a derived line has five values: {words:?}");
        };
        let purpose = match purpose {
            "key" => Purpose::Key,
            "iv" => Purpose::Iv,
            "mac" => Purpose::Mac,
            "civ" => Purpose::CfbIvKey,
            other => panic!("no purpose is called {other}"),
        };
        let mut derived = std::vec![0; bytes(expected).len()];
        schedule.lane_secret(suite(id), direction(way), 0).derive(
            purpose,
            number(epoch),
            &mut derived,
        );
        assert_eq!(derived, bytes(expected), "{words:?}");
        checked += 1;
    }
    assert_eq!(checked, 14);
}

#[test]
fn sealed_datagrams_are_those_in_the_examples_and_open_again() {
    let schedule = example_schedule();
    let mut checked = 0;
    for words in lines("sealed") {
        let [id, way, packet, header, body, expected] = words[..] else {
            panic!("a sealed line has six values: {words:?}");
        };
        let packet = PacketNumber(number(packet));
        let mut sealer: Sealer = Sealer::new(&schedule, suite(id), direction(way), 0);
        sealer.skip_to(packet);
        let mut datagram = [bytes(header), bytes(body), [0; TAG_BYTES].to_vec()].concat();
        assert_eq!(sealer.seal(&mut datagram), Ok(packet));
        assert_eq!(datagram, bytes(expected), "{words:?}");

        let mut opener: Opener = Opener::new(&schedule, suite(id), direction(way), 0);
        opener.skip_to_epoch(epoch_of(packet));
        assert_eq!(opener.open(packet, &mut datagram).unwrap(), bytes(body));
        checked += 1;
    }
    assert_eq!(checked, CipherSuite::ALL.len() * 5);
}
