//! SSH's binary packets over a byte stream: framing, encryption, sequence numbers.
//!
//! Only authenticated ciphers: after the first key exchange every byte that is believed was
//! authenticated. Reading and flushing may be cancelled at any await and lose nothing.
//!
//! Source: RFC 4253 section 6 (packets), RFC 5647 section 7 as `aes*-gcm@openssh.com` uses it
//! (length in clear as associated data), OpenSSH's PROTOCOL.chacha20poly1305.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey, chacha20_poly1305_openssh};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::SshError;

/// Longest packet believed; RFC 4253 section 6.1 asks for 35000 bytes.
const MAX_PACKET: usize = 64 * 1024;

/// Longest greeting line and most lines before the greeting (RFC 4253 section 4.2).
const MAX_LINE: usize = 1024;

const LENGTH_SIZE: usize = 4;
const TAG_SIZE: usize = 16;
const MIN_PADDING: usize = 4;

/// Packets that hide how long their content is are filled up to a multiple of this.
const VEILED_BLOCK: usize = 128;

/// Bytes already sent that are kept in front of those that are not.
const SENT_SLACK: usize = 64 * 1024;
const READ_SIZE: usize = 16 * 1024;

/// After this many packets in one direction the connection ends rather than repeat a number.
const MAX_SEQUENCE: u32 = u32::MAX / 2;

/// A cipher both sides know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cipher {
    Aes256Gcm,
    Aes128Gcm,
    ChaCha20Poly1305,
}

impl Cipher {
    /// By preference; the names of the ciphers on the wire.
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("aes256-gcm@openssh.com", Self::Aes256Gcm),
        ("aes128-gcm@openssh.com", Self::Aes128Gcm),
        ("chacha20-poly1305@openssh.com", Self::ChaCha20Poly1305),
    ];

    pub(super) fn key_size(self) -> usize {
        match self {
            Self::Aes256Gcm => 32,
            Self::Aes128Gcm => 16,
            Self::ChaCha20Poly1305 => chacha20_poly1305_openssh::KEY_LEN,
        }
    }
}

/// Bytes of the first GCM nonce.
pub(super) const NONCE_SIZE: usize = 12;

/// A GCM key with the nonce of the next packet.
pub(super) struct Gcm {
    key: LessSafeKey,
    fixed: [u8; 4],
    counter: u64,
}

impl Gcm {
    fn new(cipher: &'static aead::Algorithm, key: &[u8], nonce: &[u8]) -> Result<Self, SshError> {
        let unusable = |_| SshError::Crypto;
        let (fixed, counter) = nonce.split_at_checked(4).ok_or(SshError::Crypto)?;
        let key = UnboundKey::new(cipher, key).map_err(unusable)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            fixed: fixed.try_into().map_err(|_| SshError::Crypto)?,
            counter: u64::from_be_bytes(counter.try_into().map_err(|_| SshError::Crypto)?),
        })
    }

    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = [0; NONCE_SIZE];
        let (fixed, counter) = nonce.split_at_mut(4);
        fixed.copy_from_slice(&self.fixed);
        counter.copy_from_slice(&self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// How packets leave.
pub(super) enum Sealer {
    Clear,
    Gcm(Gcm),
    ChaCha(chacha20_poly1305_openssh::SealingKey),
}

/// How packets arrive.
pub(super) enum Opener {
    Clear,
    Gcm(Gcm),
    ChaCha(chacha20_poly1305_openssh::OpeningKey),
}

fn chacha_key(key: &[u8]) -> Result<&[u8; chacha20_poly1305_openssh::KEY_LEN], SshError> {
    key.try_into().map_err(|_| SshError::Crypto)
}

impl Sealer {
    pub(super) fn new(cipher: Cipher, key: &[u8], nonce: &[u8]) -> Result<Self, SshError> {
        Ok(match cipher {
            Cipher::Aes256Gcm => Self::Gcm(Gcm::new(&aead::AES_256_GCM, key, nonce)?),
            Cipher::Aes128Gcm => Self::Gcm(Gcm::new(&aead::AES_128_GCM, key, nonce)?),
            Cipher::ChaCha20Poly1305 => {
                let key = chacha_key(key)?;
                Self::ChaCha(chacha20_poly1305_openssh::SealingKey::new(key))
            }
        })
    }
}

impl Opener {
    pub(super) fn new(cipher: Cipher, key: &[u8], nonce: &[u8]) -> Result<Self, SshError> {
        Ok(match cipher {
            Cipher::Aes256Gcm => Self::Gcm(Gcm::new(&aead::AES_256_GCM, key, nonce)?),
            Cipher::Aes128Gcm => Self::Gcm(Gcm::new(&aead::AES_128_GCM, key, nonce)?),
            Cipher::ChaCha20Poly1305 => {
                let key = chacha_key(key)?;
                Self::ChaCha(chacha20_poly1305_openssh::OpeningKey::new(key))
            }
        })
    }
}

/// The sending half of a connection.
pub(super) struct Outgoing<W> {
    stream: W,
    outbox: Vec<u8>,
    written: usize,
    sealer: Sealer,
    sequence: u32,
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    pub(super) fn new(stream: W) -> Self {
        Self {
            stream,
            outbox: Vec::new(),
            written: 0,
            sealer: Sealer::Clear,
            sequence: 0,
        }
    }

    /// Queues bytes outside any packet: the greeting.
    pub(super) fn queue_line(&mut self, line: &str) {
        self.outbox.extend_from_slice(line.as_bytes());
        self.outbox.extend_from_slice(b"\r\n");
    }

    /// Seals one packet and queues it; [`Outgoing::flush`] sends it.
    pub(super) fn queue(&mut self, payload: &[u8]) -> Result<(), SshError> {
        self.queue_padded(payload, 1)
    }

    /// As [`Outgoing::queue`], for a password: its length does not show on the wire.
    pub(super) fn queue_veiled(&mut self, payload: &[u8]) -> Result<(), SshError> {
        self.queue_padded(payload, VEILED_BLOCK)
    }

    fn queue_padded(&mut self, payload: &[u8], at_least: usize) -> Result<(), SshError> {
        if self.sequence >= MAX_SEQUENCE {
            return Err(SshError::Protocol("too many packets under one key"));
        }
        // GCM and ChaCha leave the length field out of the padded part.
        let (block, covered) = match &self.sealer {
            Sealer::Clear => (8, LENGTH_SIZE),
            Sealer::Gcm(_) => (16, 0),
            Sealer::ChaCha(_) => (8, 0),
        };
        let block = at_least.max(block);
        let unpadded = payload.len().saturating_add(1 + covered);
        let mut padding = block - unpadded % block;
        if padding < MIN_PADDING {
            padding += block;
        }
        let length = payload.len().saturating_add(padding + 1);
        self.make_room(length.saturating_add(LENGTH_SIZE + TAG_SIZE));
        let length = u32::try_from(length).map_err(|_| SshError::Malformed)?;
        let start = self.outbox.len();
        self.outbox.extend_from_slice(&length.to_be_bytes());
        self.outbox.push(u8::try_from(padding).unwrap_or(u8::MAX));
        self.outbox.extend_from_slice(payload);
        let padded = self.outbox.len().saturating_add(padding);
        self.outbox.resize(padded, 0);
        let packet = self.outbox.get_mut(start..).ok_or(SshError::Malformed)?;
        if let Some(tag) = seal(&mut self.sealer, self.sequence, packet)? {
            self.outbox.extend_from_slice(&tag);
        }
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Room for a whole packet, so that growing leaves no copy of what is not yet sealed; what
    /// was sent makes place first.
    fn make_room(&mut self, size: usize) {
        if self.written > SENT_SLACK {
            self.outbox.drain(..self.written);
            self.written = 0;
        }
        self.outbox.reserve(size);
    }

    /// Bytes queued that the operating system has not taken yet.
    pub(super) fn backlog(&self) -> usize {
        self.outbox.len().saturating_sub(self.written)
    }

    /// Seals what follows with a new key; strict key exchange counts from 0 again.
    pub(super) fn renew(&mut self, sealer: Sealer, restart: bool) {
        self.sealer = sealer;
        if restart {
            self.sequence = 0;
        }
    }

    /// The number of the packet queued last.
    pub(super) fn last_sequence(&self) -> u32 {
        self.sequence.wrapping_sub(1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.backlog() == 0
    }

    /// Hands everything queued to the operating system.
    pub(super) async fn flush(&mut self) -> Result<(), SshError> {
        while let Some(rest) = self.outbox.get(self.written..).filter(|r| !r.is_empty()) {
            let count = self.stream.write(rest).await?;
            if count == 0 {
                return Err(SshError::Closed);
            }
            self.written = self.written.saturating_add(count);
        }
        self.outbox.clear();
        self.written = 0;
        Ok(())
    }

    /// Says that nothing more will come.
    pub(super) async fn shutdown(&mut self) -> Result<(), SshError> {
        Ok(self.stream.shutdown().await?)
    }
}

fn seal(
    sealer: &mut Sealer,
    sequence: u32,
    packet: &mut [u8],
) -> Result<Option<[u8; TAG_SIZE]>, SshError> {
    let mut tag = [0; TAG_SIZE];
    match sealer {
        Sealer::Clear => return Ok(None),
        Sealer::Gcm(gcm) => {
            let nonce = gcm.next_nonce();
            let (length, body) = packet
                .split_at_mut_checked(LENGTH_SIZE)
                .ok_or(SshError::Malformed)?;
            let sealed = gcm
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(&*length), body)
                .map_err(|_| SshError::Crypto)?;
            tag.copy_from_slice(sealed.as_ref());
        }
        Sealer::ChaCha(key) => key.seal_in_place(sequence, packet, &mut tag),
    }
    Ok(Some(tag))
}

/// The receiving half of a connection.
pub(super) struct Incoming<R> {
    stream: R,
    inbox: Vec<u8>,
    /// Bytes at the front of the inbox that were dealt with.
    taken: usize,
    opener: Opener,
    sequence: u32,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(stream: R) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            taken: 0,
            opener: Opener::Clear,
            sequence: 0,
        }
    }

    /// The number of the packet received last.
    pub(super) fn last_sequence(&self) -> u32 {
        self.sequence.wrapping_sub(1)
    }

    /// Opens what follows with a new key; strict key exchange counts from 0 again.
    pub(super) fn renew(&mut self, opener: Opener, restart: bool) {
        self.opener = opener;
        if restart {
            self.sequence = 0;
        }
    }

    /// One line of the greeting, without its end.
    pub(super) async fn line(&mut self) -> Result<String, SshError> {
        let too_long = SshError::Protocol("the server does not speak SSH");
        loop {
            let waiting = self.inbox.get(self.taken..).unwrap_or_default();
            let seen = waiting.get(..MAX_LINE).unwrap_or(waiting);
            if let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
                let text = String::from_utf8_lossy(seen.get(..end).unwrap_or_default());
                let line = text.strip_suffix('\r').unwrap_or(&text).to_owned();
                self.taken = self.taken.saturating_add(end).saturating_add(1);
                return Ok(line);
            }
            if seen.len() == MAX_LINE {
                return Err(too_long);
            }
            self.read().await?;
        }
    }

    /// The payload of the next packet.
    pub(super) async fn packet(&mut self) -> Result<Vec<u8>, SshError> {
        loop {
            if let Some(payload) = self.decode()? {
                return Ok(payload);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), SshError> {
        self.inbox.drain(..self.taken.min(self.inbox.len()));
        self.taken = 0;
        self.inbox.reserve(READ_SIZE);
        match self.stream.read_buf(&mut self.inbox).await? {
            0 => Err(SshError::Closed),
            _ => Ok(()),
        }
    }

    /// Reads past whatever comes next.
    #[cfg(test)]
    pub(super) async fn discard(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buffer).await
    }

    /// Takes one whole packet out of the inbox, if it holds one.
    fn decode(&mut self) -> Result<Option<Vec<u8>>, SshError> {
        let waiting = self.inbox.get_mut(self.taken..).unwrap_or_default();
        let Some(head) = waiting.first_chunk::<LENGTH_SIZE>().copied() else {
            return Ok(None);
        };
        let (head, block, tag_size) = match &self.opener {
            Opener::Clear => (head, 8, 0),
            Opener::Gcm(_) => (head, 16, TAG_SIZE),
            Opener::ChaCha(key) => (key.decrypt_packet_length(self.sequence, head), 8, TAG_SIZE),
        };
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        let aligned = if tag_size == 0 {
            length.wrapping_add(LENGTH_SIZE)
        } else {
            length
        };
        if !(MIN_PADDING + 1..=MAX_PACKET).contains(&length) || aligned % block != 0 {
            return Err(SshError::Protocol("a packet has an impossible length"));
        }
        let whole = LENGTH_SIZE + length + tag_size;
        let Some(packet) = waiting.get_mut(..whole) else {
            return Ok(None);
        };
        if self.sequence >= MAX_SEQUENCE {
            return Err(SshError::Protocol("too many packets under one key"));
        }
        let (packet, tag) = packet.split_at_mut(LENGTH_SIZE + length);
        let body = open(&mut self.opener, self.sequence, packet, tag)?;
        let payload = without_padding(body)?.to_vec();
        self.sequence = self.sequence.wrapping_add(1);
        self.taken = self.taken.saturating_add(whole);
        Ok(Some(payload))
    }
}

/// The payload between the length of the padding and the padding.
fn without_padding(body: &[u8]) -> Result<&[u8], SshError> {
    let (padding, body) = body.split_first().ok_or(SshError::Malformed)?;
    let padding = usize::from(*padding);
    if padding < MIN_PADDING {
        return Err(SshError::Protocol("a packet has too little padding"));
    }
    body.len()
        .checked_sub(padding)
        .and_then(|length| body.get(..length))
        .ok_or(SshError::Malformed)
}

/// Decrypts a packet in place and gives what follows its length field.
fn open<'a>(
    opener: &mut Opener,
    sequence: u32,
    packet: &'a mut [u8],
    tag: &[u8],
) -> Result<&'a [u8], SshError> {
    let forged = |_| SshError::Forged;
    match opener {
        Opener::Clear => packet.get(LENGTH_SIZE..).ok_or(SshError::Malformed),
        Opener::Gcm(gcm) => {
            let nonce = gcm.next_nonce();
            let (length, body) = packet
                .split_at_mut_checked(LENGTH_SIZE)
                .ok_or(SshError::Malformed)?;
            gcm.key
                .open_in_place_separate_tag(nonce, Aad::from(&*length), tag, body)
                .map_err(forged)
                .map(|opened| &*opened)
        }
        Opener::ChaCha(key) => {
            let tag = tag.try_into().map_err(|_| SshError::Malformed)?;
            key.open_in_place(sequence, packet, tag).map_err(forged)
        }
    }
}

#[cfg(test)]
mod tests;
