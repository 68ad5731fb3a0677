//! Agreeing on algorithms and keys with an SSH server: pure computation, no I/O.
//!
//! Source: RFC 4253 sections 7 and 8, RFC 5656 section 4 and RFC 8731 (elliptic curves),
//! draft-ietf-sshm-mlkem-hybrid-kex (`mlkem768x25519-sha256`), RFC 8308 (`ext-info-c`),
//! OpenSSH's PROTOCOL section 1.10 (strict key exchange). Every method here hashes with SHA-256.

use aws_lc_rs::agreement::{
    self, ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral,
};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::{digest, kem};
use russh::keys::PublicKey;
use russh::keys::key::parse_public_key;
use russh::keys::signature::Verifier;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::public::KeyData;
use zeroize::Zeroizing;

use super::SshError;
use super::packets::{Cipher, NONCE_SIZE, Opener, Sealer};
use super::wire::{Fields, Message, number};

const COOKIE_SIZE: usize = 16;

/// The size of an ML-KEM-768 ciphertext, which precedes the server's X25519 key.
const MLKEM_CIPHERTEXT: usize = 1088;

/// Numbers of the messages that belong to a method of key exchange (RFC 4250 section 4.1.1).
pub(super) const METHOD_MESSAGES: std::ops::RangeInclusive<u8> = 30..=49;

/// RSA keys of hosts below this size could be taken apart (RFC 9142 section 1.2).
const MIN_RSA_BITS: u32 = 2048;

/// What an RSA key may sign with (RFC 8332); never SHA-1.
const RSA_SIGNATURES: [&str; 2] = ["rsa-sha2-512", "rsa-sha2-256"];

const NO_COMPRESSION: &str = "none";

/// Says that we read EXT_INFO and that we keep to strict key exchange.
const EXT_INFO: &str = "ext-info-c";
const STRICT_CLIENT: &str = "kex-strict-c-v00@openssh.com";
const STRICT_SERVER: &str = "kex-strict-s-v00@openssh.com";

/// Never used, since all ciphers authenticate; a server may want to see a name it knows.
const MACS: [&str; 2] = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"];

/// How the shared secret comes about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    MlKem768X25519,
    X25519,
    P256,
}

impl Method {
    const ALL: [(&'static str, Self); 4] = [
        ("mlkem768x25519-sha256", Self::MlKem768X25519),
        ("curve25519-sha256", Self::X25519),
        ("curve25519-sha256@libssh.org", Self::X25519),
        ("ecdh-sha2-nistp256", Self::P256),
    ];

    /// The one to guess before the server has said what it can.
    pub(super) const FIRST: Self = Self::MlKem768X25519;
}

/// What both sides settled on.
pub(super) struct Agreed {
    pub(super) method: Method,
    pub(super) host_key: String,
    pub(super) outgoing: Cipher,
    pub(super) incoming: Cipher,
    /// Both sides keep to strict key exchange.
    pub(super) strict: bool,
    /// A key we sent on a guess is the right one.
    pub(super) guess_holds: bool,
    /// The server guessed wrong: its next packet does not count.
    pub(super) skip_one: bool,
}

/// Our list of algorithms as a message; `guess` announces that a key follows at once.
pub(super) fn proposal(host_keys: &[String], guess: bool) -> Result<Message, SshError> {
    let mut cookie = [0; COOKIE_SIZE];
    rand::fill(&mut cookie).map_err(|_| SshError::Crypto)?;
    let mut methods: Vec<&str> = Method::ALL.iter().map(|(name, _)| *name).collect();
    methods.extend([EXT_INFO, STRICT_CLIENT]);
    let host_keys: Vec<&str> = host_keys.iter().map(String::as_str).collect();
    let ciphers = Cipher::ALL.map(|(name, _)| name);
    let none = [NO_COMPRESSION];
    Ok(Message::new(number::KEXINIT)
        .raw(&cookie)
        .names(&methods)
        .names(&host_keys)
        .names(&ciphers)
        .names(&ciphers)
        .names(&MACS)
        .names(&MACS)
        .names(&none)
        .names(&none)
        .names(&[])
        .names(&[])
        .flag(guess)
        .number(0))
}

/// Picks, of each list, our first entry that the server has too.
///
/// `strict` says what the first exchange settled; the later ones do not repeat it.
pub(super) fn agree(
    host_keys: &[String],
    theirs: &[u8],
    strict: Option<bool>,
) -> Result<Agreed, SshError> {
    let (kind, mut fields) = Fields::of(theirs)?;
    if kind != number::KEXINIT {
        return Err(SshError::Protocol(
            "the key exchange does not begin with KEXINIT",
        ));
    }
    fields.take(COOKIE_SIZE)?;
    let methods = fields.names()?;
    let their_host_keys = fields.names()?;
    let to_server = fields.names()?;
    let to_client = fields.names()?;
    // The MACs belong to ciphers that we do not have.
    fields.string()?;
    fields.string()?;
    for _ in 0..2 {
        let compressions = fields.names()?;
        if !compressions.iter().any(|name| name == NO_COMPRESSION) {
            return Err(none_common("compression", &compressions));
        }
    }
    // Nor do we have languages.
    fields.string()?;
    fields.string()?;
    let follows = fields.flag()?;
    fields.number()?;
    fields.end()?;

    let (method_name, method) = pick("key exchange", &Method::ALL, &methods)?;
    let host_key = host_keys
        .iter()
        .find(|ours| their_host_keys.contains(ours))
        .ok_or_else(|| none_common("host key", &their_host_keys))?;
    let strict = strict.unwrap_or_else(|| methods.iter().any(|name| name == STRICT_SERVER));
    let same_first = methods.first().map(String::as_str) == Some(Method::ALL[0].0)
        && their_host_keys.first() == host_keys.first();
    Ok(Agreed {
        method,
        host_key: host_key.clone(),
        outgoing: pick_cipher(&to_server, strict)?,
        incoming: pick_cipher(&to_client, strict)?,
        strict,
        guess_holds: same_first && method_name == Method::ALL[0].0,
        skip_one: follows && !same_first,
    })
}

fn pick<T: Copy>(
    what: &'static str,
    ours: &[(&'static str, T)],
    theirs: &[String],
) -> Result<(&'static str, T), SshError> {
    ours.iter()
        .find(|(name, _)| theirs.iter().any(|offered| offered == name))
        .copied()
        .ok_or_else(|| none_common(what, theirs))
}

/// A cipher that numbers its packets as the connection does needs strict key exchange: without
/// it somebody on the way could remove the first packets unnoticed (CVE-2023-48795).
fn pick_cipher(theirs: &[String], strict: bool) -> Result<Cipher, SshError> {
    let allowed: Vec<(&'static str, Cipher)> = Cipher::ALL
        .into_iter()
        .filter(|(_, cipher)| strict || *cipher != Cipher::ChaCha20Poly1305)
        .collect();
    Ok(pick("cipher", &allowed, theirs)?.1)
}

fn none_common(what: &'static str, theirs: &[String]) -> SshError {
    SshError::NothingInCommon {
        what,
        theirs: theirs.join(","),
    }
}

/// Our half of the key agreement; used once.
pub(super) struct Share {
    pub(super) method: Method,
    /// What the server gets.
    pub(super) public: Vec<u8>,
    curve: EphemeralPrivateKey,
    lattice: Option<DecapsulationKey<kem::AlgorithmId>>,
}

impl Share {
    pub(super) fn generate(method: Method) -> Result<Self, SshError> {
        let failed = |_| SshError::Crypto;
        let curve = match method {
            Method::P256 => &ECDH_P256,
            Method::MlKem768X25519 | Method::X25519 => &X25519,
        };
        let curve = EphemeralPrivateKey::generate(curve, &SystemRandom::new()).map_err(failed)?;
        let mut public = Vec::new();
        let mut lattice = None;
        if method == Method::MlKem768X25519 {
            let key = DecapsulationKey::generate(&ML_KEM_768).map_err(failed)?;
            let encapsulation = key.encapsulation_key().map_err(failed)?;
            public.extend_from_slice(encapsulation.key_bytes().map_err(failed)?.as_ref());
            lattice = Some(key);
        }
        public.extend_from_slice(curve.compute_public_key().map_err(failed)?.as_ref());
        Ok(Self {
            method,
            public,
            curve,
            lattice,
        })
    }

    /// The shared secret in the encoding that is hashed.
    pub(super) fn agree(self, reply: &[u8]) -> Result<Zeroizing<Vec<u8>>, SshError> {
        let algorithm: &agreement::Algorithm = match self.method {
            Method::P256 => &ECDH_P256,
            Method::MlKem768X25519 | Method::X25519 => &X25519,
        };
        let Some(lattice) = self.lattice else {
            let peer = UnparsedPublicKey::new(algorithm, reply);
            return agree_ephemeral(self.curve, peer, SshError::Crypto, |secret| {
                Ok(positive_integer(secret))
            });
        };
        let (ciphertext, point) = reply
            .split_at_checked(MLKEM_CIPHERTEXT)
            .ok_or(SshError::Malformed)?;
        let quantum_safe = lattice
            .decapsulate(Ciphertext::from(ciphertext))
            .map_err(|_| SshError::Crypto)?;
        let peer = UnparsedPublicKey::new(algorithm, point);
        agree_ephemeral(self.curve, peer, SshError::Crypto, |classic| {
            let mut both = digest::Context::new(&digest::SHA256);
            both.update(quantum_safe.as_ref());
            both.update(classic);
            let secret = both.finish();
            Ok(Zeroizing::new(
                Message::fields().string(secret.as_ref()).bytes().to_vec(),
            ))
        })
    }
}

/// RFC 4251's `mpint` of an unsigned big-endian number, with its length.
fn positive_integer(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    let first = bytes.iter().position(|byte| *byte != 0);
    let digits = bytes
        .get(first.unwrap_or(bytes.len())..)
        .unwrap_or_default();
    let mut number = Zeroizing::new(Vec::with_capacity(digits.len().saturating_add(1)));
    if digits.first().is_some_and(|byte| byte & 0x80 != 0) {
        number.push(0);
    }
    number.extend_from_slice(digits);
    Zeroizing::new(Message::fields().string(&*number).bytes().to_vec())
}

/// Everything both sides said that the exchange hash covers.
pub(super) struct Transcript<'a> {
    pub(super) client_id: &'a str,
    pub(super) server_id: &'a str,
    pub(super) our_proposal: &'a [u8],
    pub(super) their_proposal: &'a [u8],
}

/// The server's answer, checked: it holds the host key and knows the secret.
pub(super) struct Exchanged {
    pub(super) host_key: PublicKey,
    pub(super) hash: Vec<u8>,
    secret: Zeroizing<Vec<u8>>,
}

/// Checks the server's reply and its signature over all that was said.
pub(super) fn finish(
    share: Share,
    agreed: &Agreed,
    transcript: &Transcript<'_>,
    reply: &[u8],
) -> Result<Exchanged, SshError> {
    let (kind, mut fields) = Fields::of(reply)?;
    if kind != number::KEX_ECDH_REPLY {
        return Err(SshError::Protocol("the key exchange was not answered"));
    }
    let (blob, theirs, signature) = (fields.string()?, fields.string()?, fields.string()?);
    fields.end()?;
    let covered = Message::fields()
        .string(transcript.client_id)
        .string(transcript.server_id)
        .string(transcript.our_proposal)
        .string(transcript.their_proposal)
        .string(blob)
        .string(&share.public)
        .string(theirs);
    let secret = share.agree(theirs)?;
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(covered.bytes());
    hash.update(&secret);
    let hash = hash.finish().as_ref().to_vec();

    let host_key = read_host_key(blob, &agreed.host_key)?;
    // RFC 8332 section 3: the signature is of the kind that was agreed on, not a weaker one.
    if Fields::bare(signature).text()? != agreed.host_key {
        return Err(SshError::Protocol(
            "the host key signed with another algorithm",
        ));
    }
    let signature = Signature::try_from(signature)
        .map_err(|_| SshError::Protocol("the host key or its signature cannot be read"))?;
    host_key
        .key_data()
        .verify(&hash, &signature)
        .map_err(|_| SshError::Protocol("the signature of the host key is wrong"))?;
    Ok(Exchanged {
        host_key,
        hash,
        secret,
    })
}

/// The host key, which must be of the kind that was agreed on and fit for use.
fn read_host_key(blob: &[u8], agreed: &str) -> Result<PublicKey, SshError> {
    let key = parse_public_key(blob)
        .map_err(|_| SshError::Protocol("the host key or its signature cannot be read"))?;
    let fits = match key.key_data() {
        KeyData::Rsa(rsa) if rsa.key_size() < MIN_RSA_BITS => {
            return Err(SshError::Protocol(
                "the RSA key of the host is shorter than 2048 bits; it needs a new one",
            ));
        }
        KeyData::Rsa(_) => RSA_SIGNATURES.contains(&agreed),
        data => data.algorithm().as_str() == agreed,
    };
    if fits {
        Ok(key)
    } else {
        Err(SshError::Protocol(
            "the host key is of another kind than agreed",
        ))
    }
}

impl Exchanged {
    /// The keys of both directions; `session_id` is the hash of the first exchange.
    pub(super) fn keys(
        &self,
        agreed: &Agreed,
        session_id: &[u8],
    ) -> Result<(Sealer, Opener), SshError> {
        let derive = |letter, size| self.derive(letter, session_id, size);
        let (outgoing, incoming) = (agreed.outgoing, agreed.incoming);
        let sealer = Sealer::new(
            outgoing,
            &derive(b'C', outgoing.key_size()),
            &derive(b'A', NONCE_SIZE),
        )?;
        let opener = Opener::new(
            incoming,
            &derive(b'D', incoming.key_size()),
            &derive(b'B', NONCE_SIZE),
        )?;
        Ok((sealer, opener))
    }

    /// RFC 4253 section 7.2.
    fn derive(&self, letter: u8, session_id: &[u8], size: usize) -> Zeroizing<Vec<u8>> {
        let hash_of = |tail: &[&[u8]]| {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(&self.secret);
            context.update(&self.hash);
            for part in tail {
                context.update(part);
            }
            context.finish()
        };
        let mut key = Zeroizing::new(Vec::with_capacity(size.saturating_add(64)));
        key.extend_from_slice(hash_of(&[&[letter], session_id]).as_ref());
        while key.len() < size {
            let more = hash_of(&[&key]);
            key.extend_from_slice(more.as_ref());
        }
        key.truncate(size);
        key
    }
}

#[cfg(test)]
mod tests;
