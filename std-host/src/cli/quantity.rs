//! Numbers as they are typed: rates with suffixes, numbers in a range, fingerprints.
//!
//! Pure text to value; the option's name is added by the caller's sentence.
//!
//! Source: suffixes `G/g`, `M/m`, `K/k` stand for powers of 1000 and a bare number for Kbit/s,
//! with decimals allowed, as in the public option table. Percentages belong to a later version.

use std::fmt;

use super::terminal::redacted;

/// Why a quantity cannot be used. Shown after the option's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum QuantityError {
    /// Percent of the link: needs a known link speed.
    Percent,
    /// Not a rate.
    NotARate(String),
    /// More bits per second than 64 bits count.
    TooFast(String),
    /// Not a whole number of the range.
    OutOfRange(String, u64, u64),
    /// Not a SHA-1 fingerprint.
    NotAFingerprint(String),
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // No percent sign: programs take any line with one for a progress line.
            Self::Percent => f.write_str(
                "a rate in percent of the link is not available in this version; \
                 give it in bits per second, such as 100M",
            ),
            Self::NotARate(text) => write!(
                f,
                "'{text}' is not a rate; write a number and K, M or G, such as 300M"
            ),
            Self::TooFast(text) => write!(f, "the rate '{text}' is too large"),
            Self::OutOfRange(text, low, high) => {
                write!(f, "'{text}' is not a whole number from {low} to {high}")
            }
            Self::NotAFingerprint(text) => write!(
                f,
                "'{text}' is not a SHA-1 fingerprint of 40 hexadecimal digits"
            ),
        }
    }
}

/// Bits per second of `300m`, `1.5G` or `10000` (Kbit/s); surrounding blanks do not count.
///
/// Fractions of a bit are dropped.
pub(super) fn rate_bps(text: &str) -> Result<u64, QuantityError> {
    let text = text.trim();
    let not_a_rate = || QuantityError::NotARate(redacted(text.as_bytes()));
    let (number, unit) = match text.as_bytes().last() {
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 1_000_000_000_u128),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 1_000_000),
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 1_000),
        Some(b'%' | b'P' | b'p') => return Err(QuantityError::Percent),
        _ => (Some(text), 1_000),
    };
    let number = number.ok_or_else(not_a_rate)?.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
        return Err(not_a_rate());
    }
    let too_fast = || QuantityError::TooFast(redacted(text.as_bytes()));
    let bits = digits(whole)
        .and_then(|count| count.checked_mul(unit))
        .and_then(|bits| bits.checked_add(fraction_of(unit, fraction)))
        .ok_or_else(too_fast)?;
    u64::try_from(bits).map_err(|_| too_fast())
}

/// A whole number from `low` to `high`; surrounding blanks do not count.
pub(super) fn number_in(text: &str, low: u64, high: u64) -> Result<u64, QuantityError> {
    let text = text.trim();
    let number = is_digits(text)
        .then(|| text.parse::<u64>().ok())
        .flatten()
        .filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| QuantityError::OutOfRange(redacted(text.as_bytes()), low, high))
}

/// The 20 bytes of a SHA-1 fingerprint; colons between the digits do not count.
pub(super) fn sha1_fingerprint(text: &str) -> Result<[u8; 20], QuantityError> {
    let text = text.trim();
    let wrong = || QuantityError::NotAFingerprint(redacted(text.as_bytes()));
    let mut nibbles = text.bytes().filter(|byte| *byte != b':').map(nibble);
    let mut fingerprint = [0; 20];
    for byte in &mut fingerprint {
        let high = nibbles.next().flatten().ok_or_else(wrong)?;
        let low = nibbles.next().flatten().ok_or_else(wrong)?;
        *byte = high << 4 | low;
    }
    match nibbles.next() {
        None => Ok(fingerprint),
        Some(_) => Err(wrong()),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn digits(text: &str) -> Option<u128> {
    if text.is_empty() {
        return Some(0);
    }
    text.parse().ok()
}

/// `unit` × 0.`fraction`, rounded down; digits beyond the unit's own precision do not count.
fn fraction_of(unit: u128, fraction: &str) -> u128 {
    let mut place = unit;
    let mut sum = 0;
    for digit in fraction.bytes() {
        place /= 10;
        sum += place * u128::from(digit.saturating_sub(b'0'));
    }
    sum
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_rate_has_its_bits_per_second() {
        let table = [
            ("10000", 10_000_000),
            ("1000000", 1_000_000_000),
            ("300m", 300_000_000),
            ("300M", 300_000_000),
            (" 33K ", 33_000),
            ("64k", 64_000),
            ("1g", 1_000_000_000),
            ("5000m", 5_000_000_000),
            ("1.5G", 1_500_000_000),
            ("0.25m", 250_000),
            (".5g", 500_000_000),
            ("2.", 2_000),
            ("1.00000000009G", 1_000_000_000),
            ("0", 0),
            ("100 M", 100_000_000),
        ];
        for (text, bps) in table {
            assert_eq!(rate_bps(text), Ok(bps), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "m", ".", "-1", "+1m", "1e6", "10Mbps", "1.2.3", "ten"] {
            assert!(
                matches!(rate_bps(text), Err(QuantityError::NotARate(_))),
                "{text}"
            );
        }
        assert!(matches!(
            rate_bps("99999999999999999999G"),
            Err(QuantityError::TooFast(_))
        ));
        assert!(matches!(
            rate_bps(&"9".repeat(60)),
            Err(QuantityError::TooFast(_))
        ));
    }

    #[test]
    fn a_percentage_is_refused_without_printing_a_percent_sign() {
        for text in ["80%", "80p", "80P"] {
            let error = rate_bps(text).unwrap_err();
            assert_eq!(error, QuantityError::Percent);
            assert!(!error.to_string().contains('%'));
        }
    }

    #[test]
    fn a_number_must_lie_in_its_range() {
        assert_eq!(number_in(" 33001", 1, 65535), Ok(33001));
        assert_eq!(number_in("1", 1, 65535), Ok(1));
        assert_eq!(number_in("65535", 1, 65535), Ok(65535));
        for text in ["0", "65536", "", "-1", "+1", "1x", "99999999999999999999"] {
            assert!(number_in(text, 1, 65535).is_err(), "{text}");
        }
    }

    #[test]
    fn a_fingerprint_is_forty_digits_with_or_without_colons() {
        let plain = sha1_fingerprint("f74e5de9ed0d62feaf0616ed1e851133c42a0082").unwrap();
        assert_eq!(plain[0], 0xF7);
        assert_eq!(plain[19], 0x82);
        let colons = "F7:4E:5D:E9:ED:0D:62:FE:AF:06:16:ED:1E:85:11:33:C4:2A:00:82";
        assert_eq!(sha1_fingerprint(colons), Ok(plain));
        for text in ["", "f74e", "g74e5de9ed0d62feaf0616ed1e851133c42a0082"] {
            assert!(sha1_fingerprint(text).is_err(), "{text}");
        }
        assert!(sha1_fingerprint("f74e5de9ed0d62feaf0616ed1e851133c42a008200").is_err());
    }
}
