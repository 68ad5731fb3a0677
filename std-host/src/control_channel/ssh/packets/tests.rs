//! Packets of a hostile other side.

use proptest::prelude::*;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn keys(cipher: Cipher) -> (Sealer, Opener) {
    let key = vec![7; cipher.key_size()];
    let nonce = [9; NONCE_SIZE];
    (
        Sealer::new(cipher, &key, &nonce).unwrap(),
        Opener::new(cipher, &key, &nonce).unwrap(),
    )
}

fn all() -> Vec<Option<Cipher>> {
    let ciphers = Cipher::ALL.into_iter().map(|(_, cipher)| Some(cipher));
    ciphers.chain([None]).collect()
}

/// Both halves of a connection that is encrypted like this; the sending one writes into memory.
fn pair(cipher: Option<Cipher>) -> (Outgoing<Vec<u8>>, Opener) {
    let mut outgoing = Outgoing::new(Vec::new());
    let opener = cipher.map_or(Opener::Clear, |cipher| {
        let (sealer, opener) = keys(cipher);
        outgoing.renew(sealer, true);
        opener
    });
    (outgoing, opener)
}

fn sent(outgoing: &mut Outgoing<Vec<u8>>) -> Vec<u8> {
    runtime().block_on(outgoing.flush()).unwrap();
    std::mem::take(&mut outgoing.stream)
}

fn reading(bytes: &[u8], opener: Opener) -> Incoming<&[u8]> {
    let mut incoming = Incoming::new(bytes);
    incoming.renew(opener, true);
    incoming
}

/// Reads packets until the first error; gives them and the most memory that was held.
fn drain(incoming: &mut Incoming<&[u8]>) -> (Vec<Vec<u8>>, SshError, usize) {
    let (mut packets, mut most) = (Vec::new(), 0);
    let error = runtime().block_on(async {
        loop {
            match incoming.packet().await {
                Ok(packet) => packets.push(packet),
                Err(error) => return error,
            }
            most = most.max(incoming.inbox.capacity());
        }
    });
    (packets, error, most.max(incoming.inbox.capacity()))
}

#[test]
fn packets_of_every_size_arrive_as_they_were_sent() {
    for cipher in all() {
        let (mut outgoing, opener) = pair(cipher);
        let payloads: Vec<Vec<u8>> = (0..300).chain([35_000]).map(|n| vec![5; n]).collect();
        for (index, payload) in payloads.iter().enumerate() {
            if index % 2 == 0 {
                outgoing.queue(payload).unwrap();
            } else {
                outgoing.queue_veiled(payload).unwrap();
            }
        }
        let bytes = sent(&mut outgoing);
        let (packets, error, most) = drain(&mut reading(&bytes, opener));
        assert!(packets == payloads, "{cipher:?}: {error:?}");
        assert!(matches!(error, SshError::Closed), "{error:?}");
        assert!(most <= 4 * MAX_PACKET, "{most}");
    }
}

#[test]
fn a_veiled_packet_does_not_tell_the_length_of_a_password() {
    let size = |cipher, length: usize| {
        let (mut outgoing, _) = pair(cipher);
        outgoing.queue_veiled(&vec![1; 60 + length]).unwrap();
        sent(&mut outgoing).len()
    };
    for cipher in all() {
        for length in 1..40 {
            assert_eq!(size(cipher, length), size(cipher, 1), "{cipher:?} {length}");
        }
    }
}

#[test]
fn a_packet_out_of_order_or_sent_twice_is_forged() {
    for (_, cipher) in Cipher::ALL {
        let (mut outgoing, _) = pair(Some(cipher));
        outgoing.queue(b"first").unwrap();
        let first = sent(&mut outgoing);
        outgoing.queue(b"second").unwrap();
        let second = sent(&mut outgoing);
        for stream in [[&*second, &*first], [&*first, &*first]] {
            let (_, opener) = keys(cipher);
            let (packets, error, _) = drain(&mut reading(&stream.concat(), opener));
            assert!(packets.iter().all(|packet| packet == b"first"));
            // ChaCha hides the length, which is then nonsense.
            assert!(
                matches!(
                    error,
                    SshError::Forged | SshError::Protocol(_) | SshError::Closed
                ),
                "{error:?}"
            );
        }
    }
}

#[test]
fn a_sequence_number_is_never_used_twice() {
    let (mut outgoing, opener) = pair(Some(Cipher::ChaCha20Poly1305));
    outgoing.sequence = MAX_SEQUENCE - 1;
    outgoing.queue(b"last").unwrap();
    assert!(outgoing.queue(b"one too many").is_err());
    let bytes = sent(&mut outgoing);
    let mut incoming = reading(&bytes, opener);
    incoming.sequence = MAX_SEQUENCE - 1;
    let last = runtime().block_on(incoming.packet());
    assert_eq!(last.unwrap(), b"last");
    incoming.opener = Opener::Clear;
    incoming.stream = &[0, 0, 0, 12, 4, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0];
    let next = runtime().block_on(incoming.packet());
    assert!(matches!(next, Err(SshError::Protocol(_))), "{next:?}");
}

#[test]
fn impossible_lengths_and_paddings_are_refused_at_once() {
    let packet = |length: u32, padding: u8| {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.push(padding);
        bytes.resize(64, 1);
        bytes
    };
    let too_long = u32::try_from(MAX_PACKET).unwrap() + 4;
    for (length, padding) in [
        (0, 4),
        (4, 3),
        (13, 4),
        (too_long, 4),
        (u32::MAX, 4),
        (u32::MAX - 3, 4),
        // Less than RFC 4253 section 6 asks for, and more than there is.
        (12, 3),
        (12, 0),
        (12, 12),
        (12, 255),
    ] {
        let bytes = packet(length, padding);
        let (packets, error, most) = drain(&mut reading(&bytes, Opener::Clear));
        assert!(packets.is_empty(), "{length} {padding}");
        assert!(
            matches!(error, SshError::Protocol(_) | SshError::Malformed),
            "{length} {padding}: {error:?}"
        );
        assert!(most <= 2 * READ_SIZE, "{most}");
    }
}

#[test]
fn a_greeting_without_an_end_is_given_up() {
    let endless = [b'x'; 100_000];
    let mut incoming = Incoming::new(&endless[..]);
    assert!(runtime().block_on(incoming.line()).is_err());
    assert!(incoming.inbox.capacity() <= 2 * READ_SIZE);
    let late = [&[b'x'; MAX_LINE][..], b"\n"].concat();
    assert!(runtime().block_on(Incoming::new(&*late).line()).is_err());
}

#[test]
fn answers_that_nobody_reads_are_counted_and_those_sent_are_let_go() {
    let (mut outgoing, _) = pair(None);
    for _ in 0..100 {
        outgoing.queue(&[0; 10_000]).unwrap();
    }
    let queued = outgoing.backlog();
    assert!(queued > 1_000_000);
    outgoing.written = queued - 10;
    assert_eq!(outgoing.backlog(), 10);
    outgoing.queue(b"more").unwrap();
    assert!(outgoing.outbox.len() < 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bytes_of_any_kind_never_panic_and_never_take_more_than_a_packet(
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
        small in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if small {
            // Lengths that are believed, so that the rest is reached as well.
            for head in bytes.chunks_mut(16) {
                head.iter_mut().take(3).for_each(|byte| *byte = 0);
            }
        }
        for cipher in all() {
            let opener = pair(cipher).1;
            let (packets, _, most) = drain(&mut reading(&bytes, opener));
            prop_assert!(cipher.is_none() || packets.is_empty());
            prop_assert!(most <= 4 * MAX_PACKET);
        }
        let mut incoming = Incoming::new(&*bytes);
        while runtime().block_on(incoming.line()).is_ok() {}
    }

    #[test]
    fn one_changed_bit_is_noticed_in_every_encrypted_packet(
        payload in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        for (_, cipher) in Cipher::ALL {
            let (mut outgoing, opener) = pair(Some(cipher));
            outgoing.queue(&payload).unwrap();
            let mut bytes = sent(&mut outgoing);
            let at = at.index(bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1u8 << bit;
            }
            prop_assert!(drain(&mut reading(&bytes, opener)).0.is_empty());
        }
    }
}
