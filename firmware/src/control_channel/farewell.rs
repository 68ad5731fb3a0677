//! Tells an SSH client, before any keys were exchanged, that it cannot be served now.
//!
//! A greeting and one DISCONNECT message in clear: no state, no cryptography, no memory.
//!
//! Source: RFC 4253 sections 4.2, 6 and 11.1.

/// Names the protocol; every client wants to read that first.
const GREETING: &[u8] = b"SSH-2.0-ascp_appliance\r\n";
/// What the user is told.
const WORDS: &[u8] = b"the appliance is busy with another session; try again later";
/// `SSH_MSG_DISCONNECT` and the reason `SSH_DISCONNECT_TOO_MANY_CONNECTIONS`.
const DISCONNECT: u8 = 1;
const TOO_MANY_CONNECTIONS: u32 = 12;
/// A packet is a multiple of this, without a cipher.
const BLOCK: usize = 8;
/// Least bytes of padding.
const LEAST_PADDING: usize = 4;

/// All that is said to a client that is turned away.
pub(crate) fn turn_away() -> heapless::Vec<u8, 160> {
    let payload = 1 + 4 + 4 + WORDS.len() + 4;
    let unpadded = 4 + 1 + payload;
    let padding = LEAST_PADDING + (BLOCK - (unpadded + LEAST_PADDING) % BLOCK) % BLOCK;
    let mut bytes = heapless::Vec::new();
    // Everything fits: all lengths are known, and a test looks.
    let mut put = |part: &[u8]| {
        let _ = bytes.extend_from_slice(part);
    };
    put(GREETING);
    put(&number(1 + payload + padding));
    put(&[u8::try_from(padding).unwrap_or(0), DISCONNECT]);
    put(&TOO_MANY_CONNECTIONS.to_be_bytes());
    put(&number(WORDS.len()));
    put(WORDS);
    put(&number(0));
    put([0; BLOCK + LEAST_PADDING]
        .get(..padding)
        .unwrap_or_default());
    bytes
}

fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(0).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_whole_and_says_why() {
        let said = turn_away();
        let packet = said.strip_prefix(GREETING).unwrap();
        let (length, packet) = packet.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, packet.len());
        assert_eq!((packet.len() + 4) % BLOCK, 0);
        let padding = usize::from(packet[0]);
        assert!(padding >= LEAST_PADDING);
        let payload = &packet[1..packet.len() - padding];
        assert_eq!(payload[..5], [1, 0, 0, 0, 12]);
        assert_eq!(&payload[9..payload.len() - 4], WORDS);
    }
}
