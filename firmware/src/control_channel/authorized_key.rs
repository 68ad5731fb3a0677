//! Reads a public key as `ssh-keygen` writes it, one line of `authorized_keys`.

use crate::appliance::KEY_BYTES;

/// What an Ed25519 key looks like on the wire before its 32 bytes (RFC 8709 section 4).
const HEAD: &[u8; 19] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// The Ed25519 key in `line`; options in front of it and the comment behind it do not matter. `None` if the line
/// holds no such key.
#[must_use]
pub fn parse_authorized_key(line: &str) -> Option<[u8; KEY_BYTES]> {
    let mut words = line.split_ascii_whitespace();
    words.find(|word| *word == "ssh-ed25519")?;
    let encoded = words.next()?.trim_end_matches('=').as_bytes();
    let mut blob = [0; HEAD.len() + KEY_BYTES];
    if encoded.len() != (blob.len() * 4).div_ceil(3) {
        return None;
    }
    for (group, place) in encoded.chunks(4).zip(blob.chunks_mut(3)) {
        let mut bits = 0;
        for character in group {
            bits = bits << 6 | digit(*character)?;
        }
        bits <<= 6 * (4 - group.len());
        for (byte, place) in bits.to_be_bytes().iter().skip(1).zip(place) {
            *place = *byte;
        }
    }
    let key = blob.strip_prefix(HEAD.as_slice())?;
    key.try_into().ok()
}

/// The value of a base64 digit (RFC 4648 section 4).
fn digit(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 32 bytes of the key are 0x5A.
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIFpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa";

    fn parse(before: &str, key: &str, after: &str) -> Option<[u8; KEY_BYTES]> {
        let mut line = heapless::String::<256>::new();
        for part in [before, "ssh-ed25519 ", key, after] {
            line.push_str(part).unwrap();
        }
        parse_authorized_key(&line)
    }

    #[test]
    fn a_key_is_found_between_options_and_comment() {
        assert_eq!(parse("", KEY, ""), Some([0x5A; 32]));
        assert_eq!(
            parse("restrict ", KEY, " someone@somewhere\n"),
            Some([0x5A; 32])
        );
    }

    #[test]
    fn anything_else_is_no_key() {
        assert_eq!(parse_authorized_key(""), None);
        assert_eq!(parse_authorized_key("# nothing"), None);
        assert_eq!(parse_authorized_key("ssh-ed25519"), None);
        assert_eq!(parse("", &KEY[..KEY.len() - 1], ""), None);
        assert_eq!(parse("", &KEY.replace("NzaC1", "NzaC2"), ""), None);
        assert_eq!(parse("", &KEY.replace("WlpaW", "Wl*aW"), ""), None);
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ== someone";
        assert_eq!(parse_authorized_key(rsa), None);
    }
}
