//! Tokens: what lets one user transfer one way below some paths until some time, signed by the server's key.
//!
//! Text for a command line or an environment variable: `ascp1.FIELDS.SIGNATURE`, both in base64url without padding.
//! Nothing in it is secret but that it works. A server trusts no field before the signature is right, and compares
//! signatures in constant time. Several keys may be valid: the first signs, all verify.
//!
//! Source: the layout is ours (PROTOCOL.md chapter 11); tokens of others have no published layout.

pub mod generator;

use std::fmt;

use aws_lc_rs::hmac;
use base64ct::{Base64UrlUnpadded, Encoding};
use fasp_core::control::MAX_TOKEN;
use fasp_core::control::choices::TransferDirection;
use fasp_core::fault::Fault;

use crate::failure::{Failure, Outcome};

/// What a token begins with.
const MARK: &str = "ascp1.";
/// What is signed begins with.
const LABEL: &[u8] = b"ascp token v1\0";
/// Paths of a token.
const MOST_PATHS: usize = 64;
/// Keys that are valid at a time.
const MOST_KEYS: usize = 8;
/// Characters of a key; shorter ones can be guessed.
const LEAST_KEY: usize = 16;

/// What a token allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// Upload or download.
    pub direction: TransferDirection,
    /// Login name at the server.
    pub user: String,
    /// Seconds since 1970 at which it ends.
    pub expires: u64,
    /// Paths at the server, each with all below it; `/` is everything.
    pub paths: Vec<Vec<u8>>,
}

/// Why a token does not help; for the server's log, never for the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// None came.
    Missing,
    /// It is no token of this sort.
    Malformed,
    /// No key of the server made its signature.
    WrongSignature,
    /// It ended this many seconds ago.
    Expired(u64),
    /// It is for this other user.
    OtherUser(String),
    /// It is for the other direction.
    OtherDirection,
    /// This path is not below its paths.
    Outside(Vec<u8>),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no token came"),
            Self::Malformed => f.write_str("the token is malformed"),
            Self::WrongSignature => f.write_str("no key made the signature of the token"),
            Self::Expired(seconds) => write!(f, "the token has expired {seconds} s ago"),
            Self::OtherUser(user) => {
                write!(f, "the token is for the user {}", shown(user.as_bytes()))
            }
            Self::OtherDirection => f.write_str("the token is for the other direction"),
            Self::Outside(path) => write!(f, "the token does not cover {}", shown(path)),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    crate::cli::terminal::printable(bytes)
        .chars()
        .take(200)
        .collect()
}

/// The keys of a server; never printed.
#[derive(Clone)]
pub struct Keys(Vec<hmac::Key>);

impl PartialEq for Keys {
    /// The same keys in the same order.
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&hmac::Key, &hmac::Key)| {
            hmac::verify(one, LABEL, hmac::sign(other, LABEL).as_ref()).is_ok()
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl Eq for Keys {}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// The keys in `text`, between blanks and line ends.
    ///
    /// # Errors
    ///
    /// A part of a sentence, without the keys: there is none, there are more than 8, or one has fewer than 16
    /// characters.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let keys: Vec<&str> = text.split_whitespace().collect();
        if keys.is_empty() {
            return Err("there is no key");
        }
        if keys.len() > MOST_KEYS {
            return Err("there are more than 8 keys");
        }
        if keys.iter().any(|key| key.len() < LEAST_KEY) {
            return Err("a key has fewer than 16 characters");
        }
        let keys = keys.into_iter();
        Ok(Self(
            keys.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
                .collect(),
        ))
    }

    /// Signs a grant with the first key.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for a grant that no token can carry.
    pub fn sign(&self, grant: &Grant) -> Outcome<String> {
        let fields = grant.encoded()?;
        let key = self.0.first().ok_or(Fault::InternalError)?;
        let signature = hmac::sign(key, &signed(&fields));
        let token = format!(
            "{MARK}{}.{}",
            Base64UrlUnpadded::encode_string(&fields),
            Base64UrlUnpadded::encode_string(signature.as_ref())
        );
        if token.len() > MAX_TOKEN {
            return Err(usage("the paths are too long for a token"));
        }
        Ok(token)
    }

    /// What a token with a right signature says. Whether it fits a session is asked of the grant.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] or [`Refusal::WrongSignature`].
    pub fn read(&self, token: &[u8]) -> Result<Grant, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Malformed);
        }
        let parts = std::str::from_utf8(token).ok().and_then(|text| {
            let (fields, signature) = text.strip_prefix(MARK)?.split_once('.')?;
            let fields = Base64UrlUnpadded::decode_vec(fields).ok()?;
            let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
            Some((fields, signature))
        });
        let (fields, signature) = parts.ok_or(Refusal::Malformed)?;
        let message = signed(&fields);
        let is_ours = |key: &hmac::Key| hmac::verify(key, &message, &signature).is_ok();
        if !self.0.iter().any(is_ours) {
            return Err(Refusal::WrongSignature);
        }
        Grant::decoded(&fields).ok_or(Refusal::Malformed)
    }
}

fn signed(fields: &[u8]) -> Vec<u8> {
    [LABEL, fields].concat()
}

impl Grant {
    /// Whether it is for such a session at `now`, seconds since 1970.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, user: &str, direction: TransferDirection, now: u64) -> Result<(), Refusal> {
        if self.user != user {
            return Err(Refusal::OtherUser(self.user.clone()));
        }
        if self.direction != direction {
            return Err(Refusal::OtherDirection);
        }
        match now.checked_sub(self.expires) {
            Some(late) => Err(Refusal::Expired(late)),
            None => Ok(()),
        }
    }

    /// Whether `path` is one of its paths or below one. In a docroot (`confined`) a leading `/` means nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal::Outside`], also for every path with `..` in it.
    pub fn check_path(&self, path: &[u8], confined: bool) -> Result<(), Refusal> {
        let covered = components(path, confined).is_some_and(|asked| {
            let covers = |allowed: &Vec<u8>| {
                components(allowed, confined).is_some_and(|allowed| asked.starts_with(&allowed))
            };
            self.paths.iter().any(covers)
        });
        if covered {
            Ok(())
        } else {
            Err(Refusal::Outside(path.to_vec()))
        }
    }

    fn encoded(&self) -> Outcome<Vec<u8>> {
        let user_len = u8::try_from(self.user.len()).ok().filter(|len| *len > 0);
        let user_len = user_len.ok_or_else(|| usage("a user has 1 to 255 bytes"))?;
        if self.paths.is_empty() || self.paths.len() > MOST_PATHS {
            return Err(usage("a token has 1 to 64 paths"));
        }
        let mut fields = vec![u8::from(self.direction == TransferDirection::Download)];
        fields.extend_from_slice(&self.expires.to_be_bytes());
        fields.push(user_len);
        fields.extend_from_slice(self.user.as_bytes());
        for path in &self.paths {
            let length = u16::try_from(path.len()).ok().filter(|len| *len > 0);
            let length = length.ok_or_else(|| usage("a path has 1 to 65,535 bytes"))?;
            if components(path, false).is_none() {
                return Err(usage("a path of a token has no '..' and no zero byte"));
            }
            fields.extend_from_slice(&length.to_be_bytes());
            fields.extend_from_slice(path);
        }
        Ok(fields)
    }

    fn decoded(fields: &[u8]) -> Option<Self> {
        let (direction, rest) = fields.split_first()?;
        let direction = match direction {
            0 => TransferDirection::Upload,
            1 => TransferDirection::Download,
            _ => return None,
        };
        let (expires, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first()?;
        let (user, mut rest) = rest.split_at_checked(usize::from(*length))?;
        let user = std::str::from_utf8(user)
            .ok()
            .filter(|user| !user.is_empty())?;
        let mut paths = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk()?;
            let (path, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            if path.is_empty() || paths.len() == MOST_PATHS {
                return None;
            }
            paths.push(path.to_vec());
            rest = after;
        }
        (!paths.is_empty()).then(|| Self {
            direction,
            user: user.to_owned(),
            expires: u64::from_be_bytes(*expires),
            paths,
        })
    }
}

/// The components of a path, behind an empty one if it begins at the root and that matters; `None` for a path that
/// could lead elsewhere.
fn components(path: &[u8], confined: bool) -> Option<Vec<&[u8]>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    if !confined && path.starts_with(b"/") {
        parts.push(b"/");
    }
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part if part.contains(&0) => return None,
            part => parts.push(part),
        }
    }
    Some(parts)
}

fn usage(text: &str) -> Failure {
    Failure::new(Fault::Usage, text)
}

#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    use super::{Grant, Keys, TransferDirection};

    /// Any bytes as a token, and as the fields of one that is signed: a refusal, or a grant that can be signed again.
    pub(crate) fn token(bytes: &[u8]) {
        if let Ok(keys) = Keys::parse("0123456789abcdef0123456789abcdef") {
            let _ = keys.read(bytes);
        }
        let Some(grant) = Grant::decoded(bytes) else {
            return;
        };
        let _ = grant.check("a", TransferDirection::Upload, 1);
        for path in &grant.paths {
            let reaches_itself = grant.check_path(path, true).is_ok();
            assert_eq!(reaches_itself, super::components(path, true).is_some());
        }
        if let Ok(again) = grant.encoded() {
            assert_eq!(again, bytes);
        }
    }
}

#[cfg(test)]
mod tests;
