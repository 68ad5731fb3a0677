//! Numbers as they are typed: rates with suffixes, numbers in a range, fingerprints.
//!
//! Pure text to value; the option's name is added by the caller's sentence.
//!
//! Source: suffixes `G/g`, `M/m`, `K/k` stand for powers of 1000 and a bare number for Kbit/s,
//! `P`, `p` or `%` for percent, with decimals allowed, as in the public option table. It does not say
//! percent of what: here of the speed of the network interface towards the server.

use std::fmt;

use super::settings::RateWish;
use super::terminal::redacted;

/// Why a quantity cannot be used. Shown after the option's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum QuantityError {
    /// More of a link than there is.
    BeyondLink(String),
    /// Not a rate.
    NotARate(String),
    /// More bits per second than 64 bits count.
    TooFast(String),
    /// Not a whole number of the range.
    OutOfRange(String, u64, u64),
    /// Not a number of bytes up to the most.
    NotASize(String, u64),
    /// Not a SHA-1 fingerprint.
    NotAFingerprint(String),
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // No percent sign: programs take any line with one for a progress line.
            Self::BeyondLink(text) => write!(
                f,
                "'{text}' is more than the whole link; write at most 100 percent"
            ),
            Self::NotARate(text) => write!(
                f,
                "'{text}' is not a rate; write a number and K, M or G, such as 300M"
            ),
            Self::TooFast(text) => write!(f, "the rate '{text}' is too large"),
            Self::OutOfRange(text, low, high) => {
                write!(f, "'{text}' is not a whole number from {low} to {high}")
            }
            Self::NotASize(text, most) => write!(
                f,
                "'{text}' is not a number of bytes from 1 to {most}; write a number and K or M, such as 256K"
            ),
            Self::NotAFingerprint(text) => write!(
                f,
                "'{text}' is not a SHA-1 fingerprint of 40 hexadecimal digits"
            ),
        }
    }
}

/// One hundred percent, in the unit of [`RateWish::OfLink`].
const WHOLE_LINK: u128 = 1_000_000;

/// A rate as it is typed: bits per second of `300m`, `1.5G` or `10000` (Kbit/s), or a part of the link as in
/// `80%` or `12.5p`; surrounding blanks do not count.
///
/// Fractions of a bit, and of a millionth of the link, are dropped.
pub(super) fn rate(text: &str) -> Result<RateWish, QuantityError> {
    let text = text.trim();
    let Some(number) = text.strip_suffix(['%', 'P', 'p']) else {
        return rate_bps(text).map(RateWish::Bps);
    };
    let beyond = || QuantityError::BeyondLink(redacted_percent(text));
    let millionths = scaled(number, WHOLE_LINK / 100, text)?.ok_or_else(beyond)?;
    if millionths > WHOLE_LINK {
        return Err(beyond());
    }
    let millionths = u32::try_from(millionths).map_err(|_| beyond())?;
    Ok(RateWish::OfLink(millionths))
}

/// Bits per second of `300m`, `1.5G` or `10000` (Kbit/s); surrounding blanks do not count.
///
/// Fractions of a bit are dropped.
pub(crate) fn rate_bps(text: &str) -> Result<u64, QuantityError> {
    let text = text.trim();
    let (number, unit) = match text.as_bytes().last() {
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 1_000_000_000_u128),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 1_000_000),
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 1_000),
        _ => (Some(text), 1_000),
    };
    let too_fast = || QuantityError::TooFast(redacted(text.as_bytes()));
    let bits = scaled(number.unwrap_or_default(), unit, text)?.ok_or_else(too_fast)?;
    u64::try_from(bits).map_err(|_| too_fast())
}

/// `number`, which may have decimals, times `unit`, rounded down; `None` if no number counts so far.
fn scaled(number: &str, unit: u128, typed: &str) -> Result<Option<u128>, QuantityError> {
    let number = number.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
        return Err(QuantityError::NotARate(redacted_percent(typed)));
    }
    Ok(digits(whole)
        .and_then(|count| count.checked_mul(unit))
        .and_then(|sum| sum.checked_add(fraction_of(unit, fraction))))
}

/// The word as it may be shown: no line but those of progress has a percent sign.
fn redacted_percent(text: &str) -> String {
    redacted(text.as_bytes()).replace('%', " percent")
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

/// A number of bytes from 1 to `most`, with K, M or G for powers of 1024 and decimals; surrounding blanks do not count.
pub(super) fn byte_count(text: &str, most: u64) -> Result<u64, QuantityError> {
    let text = text.trim();
    let wrong = || QuantityError::NotASize(redacted_percent(text), most);
    let (number, unit) = match text.as_bytes().last() {
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 1 << 30),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 1 << 20),
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 1 << 10),
        _ => (Some(text), 1),
    };
    let bytes = scaled(number.unwrap_or_default(), unit, text).map_err(|_| wrong())?;
    bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .filter(|bytes| (1..=most).contains(bytes))
        .ok_or_else(wrong)
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

/// `unit` × 0.`fraction`, rounded down; digits behind the eighteenth do not count.
fn fraction_of(unit: u128, fraction: &str) -> u128 {
    let mut whole = 1;
    let mut part = 0;
    for digit in fraction.bytes().take(18) {
        whole *= 10;
        part = part * 10 + u128::from(digit.saturating_sub(b'0'));
    }
    unit * part / whole
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
    fn a_percentage_is_a_part_of_the_link() {
        let table = [
            ("80%", 800_000),
            ("80p", 800_000),
            ("80 P", 800_000),
            ("100%", 1_000_000),
            ("12.5%", 125_000),
            ("0.00019%", 1),
            (".5p", 5_000),
            ("0%", 0),
        ];
        for (text, millionths) in table {
            assert_eq!(rate(text), Ok(RateWish::OfLink(millionths)), "{text}");
        }
        assert_eq!(rate("300m"), Ok(RateWish::Bps(300_000_000)));
    }

    #[test]
    fn an_impossible_percentage_is_refused_without_printing_a_percent_sign() {
        for text in [
            "100.0001%",
            "200p",
            "99999999999999999999999999999999999999999%",
        ] {
            let error = rate(text).unwrap_err();
            assert!(matches!(error, QuantityError::BeyondLink(_)), "{text}");
            assert!(!error.to_string().contains('%'));
        }
        for text in ["%", ".%", "-1%", "1.2.3%", "5%%", "ten%"] {
            let error = rate(text).unwrap_err();
            assert!(matches!(error, QuantityError::NotARate(_)), "{text}");
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
    fn sizes_are_bytes_with_powers_of_1024() {
        for (text, bytes) in [
            ("123", 123),
            (" 256K", 262_144),
            ("1.5m", 1_572_864),
            ("476M", 499_122_176),
        ] {
            assert_eq!(byte_count(text, 500_000_000), Ok(bytes), "{text}");
        }
        for text in ["", "0", "K", "501M", "-1", "1T", "9999999999999999999999G"] {
            assert!(byte_count(text, 500_000_000).is_err(), "{text}");
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
