//! What a client brings for files that are encrypted at rest, and to be let in.
//!
//! Source: PROTOCOL.md §2.2, keys 46 and 47 of HELLO; encryption at rest and tokens are public options of `ascp`
//! (`--file-crypt`, `-W`).

use core::fmt;

use super::cbor::{DecodeError, Full, MapReader, MapWriter};

/// Longest suffix of the names of encrypted files, bytes.
pub const MAX_SUFFIX: usize = 32;

/// Longest token, bytes.
pub const MAX_TOKEN: usize = 4_096;

/// The part of a HELLO about encryption at rest and authorization.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct SecurityTerms<'a> {
    /// A file that takes the name of the destination gets this suffix, if the source has it and the destination does
    /// not: it is encrypted, and its name must tell. Only in an upload.
    pub renamed_suffix: Option<&'a [u8]>,
    /// What authorizes this session; never printed.
    pub token: Option<&'a [u8]>,
}

impl fmt::Debug for SecurityTerms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityTerms")
            .field("renamed_suffix", &self.renamed_suffix)
            .field("token", &self.token.map(|_| ".."))
            .finish()
    }
}

impl<'a> SecurityTerms<'a> {
    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        if let Some(suffix) = self.renamed_suffix {
            map.bytes(46, suffix)?;
        }
        if let Some(token) = self.token {
            map.bytes(47, token)?;
        }
        Ok(())
    }

    pub(super) fn read(map: &mut MapReader<'a>) -> Result<Self, DecodeError> {
        let renamed_suffix = map.optional_bytes(46)?;
        let is_suffix = |bytes: &[u8]| {
            (1..=MAX_SUFFIX).contains(&bytes.len()) && !bytes.iter().any(|b| matches!(b, 0 | b'/'))
        };
        if renamed_suffix.is_some_and(|suffix| !is_suffix(suffix)) {
            return Err(DecodeError::OutOfRange { key: 46 });
        }
        let token = map.optional_bytes(47)?;
        if token.is_some_and(|token| token.is_empty() || token.len() > MAX_TOKEN) {
            return Err(DecodeError::OutOfRange { key: 47 });
        }
        Ok(Self {
            renamed_suffix,
            token,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(terms: SecurityTerms<'_>) -> Result<(), DecodeError> {
        let mut bytes = [0; 8_192];
        let mut map = MapWriter::new(&mut bytes, 0).unwrap();
        terms.write(&mut map).unwrap();
        let length = map.finish().unwrap();
        let mut map = MapReader::new(&bytes[..length]).unwrap();
        assert_eq!(SecurityTerms::read(&mut map)?, terms);
        map.finish()
    }

    #[test]
    fn terms_survive_and_those_out_of_range_are_refused() {
        let long = [b'x'; MAX_TOKEN + 1];
        for (suffix, token, expected) in [
            (None, None, Ok(())),
            (
                Some(b".aspera-env".as_slice()),
                Some(b"t".as_slice()),
                Ok(()),
            ),
            (None, Some(&long[..MAX_TOKEN]), Ok(())),
            (Some(b""), None, Err(46)),
            (Some(b"a/b"), None, Err(46)),
            (Some(b"a\0"), None, Err(46)),
            (Some(&long[..33]), None, Err(46)),
            (None, Some(b""), Err(47)),
            (None, Some(&long), Err(47)),
        ] {
            let terms = SecurityTerms {
                renamed_suffix: suffix,
                token,
            };
            let expected = expected.map_err(|key| DecodeError::OutOfRange { key });
            assert_eq!(read(terms), expected, "{terms:?}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let terms = SecurityTerms {
            token: Some(b"swordfish"),
            ..SecurityTerms::default()
        };
        assert!(!std::format!("{terms:?}").contains("115"));
    }
}
