//! Packet protection against published vectors, our own worked examples, and hostile datagrams.

mod epochs;
mod examples;
mod protection;
mod published;

use std::vec::Vec;

use super::*;

const HEADER: [u8; HEADER_BYTES] = [0x41, 0xAB, 0xCD, 0xEF, 0, 0, 0, 0, 1, 2, 3, 4];

fn schedule() -> KeySchedule {
    KeySchedule::new(
        &SessionSecret::new([0xA7; 32]),
        &SessionSecret::new([0xB8; 32]),
        &[0xC9; 32],
    )
}

/// The sealer of a client and the opener of the server it talks to.
fn client_to_server<G: GcmBackend>(suite: CipherSuite) -> (Sealer<G>, Opener<G>) {
    let (sealer, _) = schedule().into_lane(suite, Role::Client);
    let (_, opener) = schedule().into_lane(suite, Role::Server);
    (sealer, opener)
}

/// Header, body and room for the tag.
fn unsealed(body: &[u8]) -> Vec<u8> {
    [&HEADER, body, &[0; TAG_BYTES]].concat()
}

/// A datagram with this body, and the number it was sealed under.
fn sealed<G: GcmBackend>(sealer: &mut Sealer<G>, body: &[u8]) -> (PacketNumber, Vec<u8>) {
    let mut datagram = unsealed(body);
    let number = sealer.seal(&mut datagram).unwrap();
    (number, datagram)
}
