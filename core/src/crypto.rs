//! Packet protection: which suites there are and how the two flows of a session are told apart.
//!
//! The parts below it derive keys ([`KeySchedule`]), protect and open datagrams in place
//! ([`Sealer`], [`Opener`]) and remember which numbers arrived ([`replay`]). None of them decides
//! which suite a session uses, makes random bytes, or touches a socket.
//!
//! Source: PROTOCOL.md chapter 4. The algorithms are public standards: AES-GCM (NIST SP 800-38D),
//! CFB128 (NIST SP 800-38A), HMAC (RFC 2104), HKDF (RFC 5869).

mod cfb;
mod gcm;
mod key_schedule;
mod opener;
mod packet_keys;
pub mod replay;
mod sealer;
mod secret;

pub use gcm::{AesKey, AuthenticationFailed, GcmBackend, SoftwareGcm, SoftwareGcmKey};
pub use key_schedule::KeySchedule;
pub use opener::{OpenError, Opener};
pub use sealer::{SealError, Sealer};
pub use secret::{SessionSecret, Transcript};

use crate::units::PacketNumber;

/// Bytes of the clear, authenticated header every datagram starts with.
pub const HEADER_BYTES: usize = 12;

/// Bytes of the authentication tag every datagram ends with, whatever the suite.
pub const TAG_BYTES: usize = 16;

/// The first packet number that may not be used any more.
pub const PACKET_NUMBER_LIMIT: PacketNumber = PacketNumber(1 << 62);

/// Keys live for this many packet numbers, written as a power of two.
const EPOCH_SHIFT: u32 = 22;

/// Bit of the header's first byte that carries the lowest bit of the epoch.
const KEY_PHASE_BIT: u8 = 0x20;

/// The epoch whose keys protect packet `number`.
const fn epoch_of(number: PacketNumber) -> u64 {
    number.0 >> EPOCH_SHIFT
}

/// The key phase bit of `epoch`, in its place in the header's first byte.
const fn key_phase(epoch: u64) -> u8 {
    if epoch & 1 == 1 { KEY_PHASE_BIT } else { 0 }
}

/// How the datagrams of a session are protected; every suite authenticates.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum CipherSuite {
    /// Nothing is encrypted; a 128-bit GMAC authenticates header and body.
    AuthOnly = 0x01,
    /// AES-128-GCM.
    Aes128Gcm = 0x10,
    /// AES-192-GCM.
    Aes192Gcm = 0x11,
    /// AES-256-GCM.
    Aes256Gcm = 0x12,
    /// AES-128 in CFB128 mode, then HMAC-SHA-256 cut to 128 bits.
    Aes128Cfb = 0x20,
    /// AES-192 in CFB128 mode, then HMAC-SHA-256 cut to 128 bits.
    Aes192Cfb = 0x21,
    /// AES-256 in CFB128 mode, then HMAC-SHA-256 cut to 128 bits.
    Aes256Cfb = 0x22,
}

impl CipherSuite {
    /// Every suite, by id.
    pub const ALL: [Self; 7] = [
        Self::AuthOnly,
        Self::Aes128Gcm,
        Self::Aes192Gcm,
        Self::Aes256Gcm,
        Self::Aes128Cfb,
        Self::Aes192Cfb,
        Self::Aes256Cfb,
    ];

    /// The suite with this id on the wire; `None` for a reserved or unknown id.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    /// The id on the wire.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The name users know: as in `aes-128-gcm`; `none` for the suite that does not encrypt.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthOnly => "none",
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes192Gcm => "aes-192-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
            Self::Aes128Cfb => "aes-128-cfb",
            Self::Aes192Cfb => "aes-192-cfb",
            Self::Aes256Cfb => "aes-256-cfb",
        }
    }

    /// Bits of the AES key.
    #[must_use]
    pub const fn key_bits(self) -> u16 {
        match self {
            Self::AuthOnly | Self::Aes128Gcm | Self::Aes128Cfb => 128,
            Self::Aes192Gcm | Self::Aes192Cfb => 192,
            Self::Aes256Gcm | Self::Aes256Cfb => 256,
        }
    }

    /// Whether file data is hidden from those who watch the path.
    #[must_use]
    pub const fn encrypts(self) -> bool {
        !matches!(self, Self::AuthOnly)
    }
}

/// Which way a datagram travels; each way has its own keys and packet numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// From the side that opened the control channel.
    ClientToServer,
    /// From the side that answered it.
    ServerToClient,
}

impl Direction {
    /// The three letters that stand for the direction in a key label.
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ClientToServer => b"c2s",
            Self::ServerToClient => b"s2c",
        }
    }

    /// The byte that stands for the direction in a CFB initialisation vector.
    const fn byte(self) -> u8 {
        match self {
            Self::ClientToServer => 0,
            Self::ServerToClient => 1,
        }
    }
}

/// Which end of the control channel this side is; not who sends files.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Role {
    /// Opened the control channel.
    Client,
    /// Answered it.
    Server,
}

impl Role {
    /// The direction of what this side sends.
    #[must_use]
    pub const fn outbound(self) -> Direction {
        match self {
            Self::Client => Direction::ClientToServer,
            Self::Server => Direction::ServerToClient,
        }
    }

    /// The direction of what this side receives.
    #[must_use]
    pub const fn inbound(self) -> Direction {
        match self {
            Self::Client => Direction::ServerToClient,
            Self::Server => Direction::ClientToServer,
        }
    }
}

#[cfg(test)]
mod tests;
