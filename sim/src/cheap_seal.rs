//! Packet protection that costs next to nothing: bytes stay in clear, the tag is a checksum.
//!
//! It stands where a host has AES-GCM, so that runs measure the protocol and not the cipher, and so that
//! links can keep datagrams of known file bytes in a few words. It detects damage, not attackers:
//! for the simulation only. Keys, nonces and epochs are those of the real key schedule.

use fasp_core::crypto::{AesKey, AuthenticationFailed, GcmBackend};

const MULTIPLIER: u64 = 0x9FB2_1C65_1E98_DF25;

/// A checksum in the place of AES-GCM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheapSeal;

fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn absorb(lanes: &mut [u64; 4], bytes: &[u8]) {
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, bytes) in lanes.iter_mut().zip(words) {
            *lane = (*lane ^ u64::from_le_bytes(*bytes))
                .wrapping_mul(MULTIPLIER)
                .rotate_left(31);
        }
    }
    for (index, bytes) in rest.chunks(8).enumerate() {
        let lane = &mut lanes[index % 4];
        *lane = (*lane ^ word(bytes) ^ (bytes.len() as u64) << 59)
            .wrapping_mul(MULTIPLIER)
            .rotate_left(31);
    }
}

fn tag(key: u64, nonce: &[u8; 12], aad: &[u8], body: &[u8]) -> [u8; 16] {
    let mut lanes = [
        key,
        key ^ word(&nonce[..8]),
        word(&nonce[4..]),
        body.len() as u64,
    ];
    absorb(&mut lanes, aad);
    absorb(&mut lanes, body);
    let [a, b, c, d] = lanes;
    let low = (a ^ b.rotate_left(17)).wrapping_mul(MULTIPLIER) ^ c.rotate_left(43);
    let high = (c ^ d.rotate_left(29)).wrapping_mul(MULTIPLIER) ^ a.rotate_left(11);
    let mut tag = [0; 16];
    tag[..8].copy_from_slice(&(low ^ low >> 32).to_le_bytes());
    tag[8..].copy_from_slice(&(high ^ high >> 29).to_le_bytes());
    tag
}

impl GcmBackend for CheapSeal {
    type Key = u64;

    fn key(key: AesKey<'_>) -> u64 {
        match key {
            AesKey::Aes128(bytes) => word(&bytes[..8]),
            AesKey::Aes192(bytes) => word(&bytes[..8]),
            AesKey::Aes256(bytes) => word(&bytes[..8]),
        }
    }

    fn seal(key: &u64, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        tag(*key, nonce, aad, in_out)
    }

    fn open(
        key: &u64,
        nonce: &[u8; 12],
        aad: &[u8],
        in_out: &mut [u8],
        expected: &[u8; 16],
    ) -> Result<(), AuthenticationFailed> {
        if tag(*key, nonce, aad, in_out) == *expected {
            Ok(())
        } else {
            Err(AuthenticationFailed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        let mut body = [7; 101];
        let sealed = CheapSeal::seal(&5, &[1; 12], b"head", &mut body);
        assert!(CheapSeal::open(&5, &[1; 12], b"head", &mut body, &sealed).is_ok());
        for bit in 0..101 * 8 {
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(
                CheapSeal::open(&5, &[1; 12], b"head", &mut body, &sealed).is_err(),
                "{bit}"
            );
            body[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(CheapSeal::open(&5, &[2; 12], b"head", &mut body, &sealed).is_err());
    }
}
