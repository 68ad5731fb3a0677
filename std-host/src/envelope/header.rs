//! The textual header of an envelope: written for us, read with suspicion.

use base64ct::{Base64Unpadded, Encoding};

/// Its first line, which no other file begins with.
const VERSION: &[u8] = b"age-encryption.org/v1\n";
const RECIPIENT: &str = "-> scrypt ";
const MAC_MARK: &[u8] = b"---";

/// Base-two logarithm of the work of scrypt in our envelopes: 64 MiB and some tenths of a second for each file.
pub(super) const WORK: u8 = 16;
/// The most work that a foreign envelope may ask for: 1 GiB.
const MOST_WORK: u8 = 20;

/// Characters of 16, and of 32 bytes.
const BASE64_16: usize = 22;
const BASE64_32: usize = 43;

/// Bytes of a header of ours.
pub(super) const LENGTH: usize = VERSION.len()
    + RECIPIENT.len()
    + BASE64_16
    + 4
    + BASE64_32
    + 1
    + MAC_MARK.len()
    + 1
    + BASE64_32
    + 1;
/// Bytes in which a header with a single passphrase ends, whoever made it.
pub(super) const MOST_BYTES: usize = LENGTH + 8;

/// What a header says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Header {
    /// Of scrypt.
    pub(super) salt: [u8; 16],
    /// Base-two logarithm of its work.
    pub(super) work: u8,
    /// The file key, encrypted.
    pub(super) wrapped: [u8; 32],
    /// Over everything before it.
    pub(super) mac: [u8; 32],
    /// Bytes of the header that the MAC covers.
    pub(super) covered: usize,
    /// Bytes of the header.
    pub(super) length: usize,
}

/// The header up to where the MAC stands, over which it goes.
pub(super) fn write(salt: &[u8; 16], wrapped: &[u8; 32]) -> Vec<u8> {
    let salt = Base64Unpadded::encode_string(salt);
    let wrapped = Base64Unpadded::encode_string(wrapped);
    let text = format!("{RECIPIENT}{salt} {WORK}\n{wrapped}\n");
    [VERSION, text.as_bytes(), MAC_MARK].concat()
}

/// Completes what [`write`] began.
pub(super) fn push_mac(header: &mut Vec<u8>, mac: &[u8; 32]) {
    header.push(b' ');
    header.extend_from_slice(Base64Unpadded::encode_string(mac).as_bytes());
    header.push(b'\n');
}

/// The header that `bytes` begin with: exactly one recipient, which is a passphrase, and no more work than is
/// affordable.
pub(super) fn read(bytes: &[u8]) -> Option<Header> {
    let mut rest = bytes.strip_prefix(VERSION)?;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..)?;
        std::str::from_utf8(line).ok()
    };
    let (recipient, body, end) = (line()?, line()?, line()?);
    let length = bytes.len() - rest.len();
    let (salt, work) = recipient.strip_prefix(RECIPIENT)?.split_once(' ')?;
    let mac = end.strip_prefix("--- ")?;
    let is_number = work.bytes().all(|byte| byte.is_ascii_digit()) && !work.starts_with('0');
    let work: u8 = work.parse().ok().filter(|_| is_number)?;
    if !(1..=MOST_WORK).contains(&work) {
        return None;
    }
    Some(Header {
        salt: decoded(salt)?,
        work,
        wrapped: decoded(body)?,
        mac: decoded(mac)?,
        covered: length.checked_sub(end.len() + 1)? + MAC_MARK.len(),
        length,
    })
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = Base64Unpadded::decode(text, &mut bytes).ok()?;
    (decoded.len() == N).then_some(bytes)
}

const _: () =
    assert!(BASE64_16 == (16 * 8_usize).div_ceil(6) && BASE64_32 == (32 * 8_usize).div_ceil(6));

#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    /// Any bytes as the beginning of an envelope: what is read lies within them, and its work is affordable.
    pub(crate) fn header(bytes: &[u8]) {
        if let Some(header) = super::read(bytes) {
            assert!(header.covered <= header.length && header.length <= bytes.len());
            assert!(header.work <= super::MOST_WORK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Vec<u8> {
        let mut header = write(&[1; 16], &[2; 32]);
        push_mac(&mut header, &[3; 32]);
        header
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let bytes = ours();
        assert_eq!(bytes.len(), LENGTH);
        let header = read(&bytes).unwrap();
        assert_eq!((header.salt, header.work), ([1; 16], WORK));
        assert_eq!((header.wrapped, header.mac), ([2; 32], [3; 32]));
        assert_eq!(header.length, LENGTH);
        assert_eq!(bytes[..header.covered], write(&[1; 16], &[2; 32]));
    }

    #[test]
    fn what_is_no_passphrase_envelope_is_refused() {
        let good = String::from_utf8(ours()).unwrap();
        for (from, to) in [
            ("v1\n", "v2\n"),
            ("-> scrypt", "-> X25519"),
            (" 16\n", " 21\n"),
            (" 16\n", " 0\n"),
            (" 16\n", " 016\n"),
            (" 16\n", " +6\n"),
            (" 16\n", " 999\n"),
            (" 16\n", "\n"),
            (" 16\n", " 16 1\n"),
            ("--- ", "-> grease\n\n--- "),
            ("--- ", "---"),
            ("AQEB", "AQ=B"),
            ("AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM\n", ""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good);
            assert_eq!(read(bad.as_bytes()), None, "{from:?} -> {to:?}");
        }
        for length in 0..good.len() {
            assert_eq!(read(&good.as_bytes()[..length]), None);
        }
    }
}
