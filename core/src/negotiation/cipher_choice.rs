//! Which cipher suite protects the datagrams: the client's wish × what the server allows.
//!
//! Suites authenticate whatever is chosen; `none` gives up secrecy only.
//!
//! Source: the public meaning of `-c` and `-T` and the public client/server matrix: a key size
//! without a mode takes GCM where the server allows it and CFB otherwise, a named mode is kept or
//! refused, `none` is never a fallback. A key shorter than the server's is raised to it, never one shortened.

use crate::crypto::CipherSuite;

/// Bits of an AES key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum KeyBits {
    /// 128.
    B128,
    /// 192.
    B192,
    /// 256.
    B256,
}

/// What the client asked for with `-c` or `-T`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum CipherWish {
    /// `none`, `-T`: not encrypted, still authenticated.
    None,
    /// A key size in whichever mode the server allows, GCM first.
    Aes(KeyBits),
    /// A key size in GCM mode only.
    AesGcm(KeyBits),
    /// A key size in CFB mode only.
    AesCfb(KeyBits),
}

impl Default for CipherWish {
    /// AES-128, the public default.
    fn default() -> Self {
        Self::Aes(KeyBits::B128)
    }
}

impl CipherWish {
    /// The suites that fulfil the wish, best first: the key size asked for, then longer ones, which a server may
    /// demand.
    #[must_use]
    pub const fn suites(self) -> &'static [CipherSuite] {
        use CipherSuite::{
            Aes128Cfb, Aes128Gcm, Aes192Cfb, Aes192Gcm, Aes256Cfb, Aes256Gcm, AuthOnly,
        };
        match self {
            Self::None => &[AuthOnly],
            Self::Aes(KeyBits::B128) => &[
                Aes128Gcm, Aes128Cfb, Aes192Gcm, Aes192Cfb, Aes256Gcm, Aes256Cfb,
            ],
            Self::Aes(KeyBits::B192) => &[Aes192Gcm, Aes192Cfb, Aes256Gcm, Aes256Cfb],
            Self::Aes(KeyBits::B256) => &[Aes256Gcm, Aes256Cfb],
            Self::AesGcm(KeyBits::B128) => &[Aes128Gcm, Aes192Gcm, Aes256Gcm],
            Self::AesGcm(KeyBits::B192) => &[Aes192Gcm, Aes256Gcm],
            Self::AesGcm(KeyBits::B256) => &[Aes256Gcm],
            Self::AesCfb(KeyBits::B128) => &[Aes128Cfb, Aes192Cfb, Aes256Cfb],
            Self::AesCfb(KeyBits::B192) => &[Aes192Cfb, Aes256Cfb],
            Self::AesCfb(KeyBits::B256) => &[Aes256Cfb],
        }
    }

    /// The suites of the key size named and no other: what a server that names a cipher allows.
    #[must_use]
    pub const fn exact_suites(self) -> &'static [CipherSuite] {
        let modes = match self {
            Self::Aes(_) => 2,
            Self::None | Self::AesGcm(_) | Self::AesCfb(_) => 1,
        };
        self.suites().split_at(modes).0
    }

    /// The wish that an argument of `-c` spells, with or without hyphens: `none`, `aes128`,
    /// `aes-256-gcm`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "none" {
            return Some(Self::None);
        }
        let rest = name.strip_prefix("aes")?;
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let (bits, mode) = rest.split_at_checked(3)?;
        let bits = match bits {
            "128" => KeyBits::B128,
            "192" => KeyBits::B192,
            "256" => KeyBits::B256,
            _ => return None,
        };
        match mode {
            "" => Some(Self::Aes(bits)),
            "gcm" | "-gcm" => Some(Self::AesGcm(bits)),
            "cfb" | "-cfb" => Some(Self::AesCfb(bits)),
            _ => None,
        }
    }
}

/// The first suite in the client's order that the server allows; numbers that this program does
/// not know are passed over.
#[must_use]
pub fn choose(offered: &[u8], allowed: &[CipherSuite]) -> Option<CipherSuite> {
    offered
        .iter()
        .filter_map(|id| CipherSuite::from_id(*id))
        .find(|suite| allowed.contains(suite))
}

#[cfg(test)]
mod tests;
