//! Cipher suite numbers.

/// How datagrams are protected.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
#[repr(u8)]
pub enum CipherSuite {
    /// Authenticated, not encrypted.
    AuthOnly = 0x01,
    /// AES-128-GCM.
    Aes128Gcm = 0x10,
    /// AES-192-GCM.
    Aes192Gcm = 0x11,
    /// AES-256-GCM.
    Aes256Gcm = 0x12,
    /// AES-128-CFB with HMAC-SHA-256.
    Aes128Cfb = 0x20,
    /// AES-192-CFB with HMAC-SHA-256.
    Aes192Cfb = 0x21,
    /// AES-256-CFB with HMAC-SHA-256.
    Aes256Cfb = 0x22,
}

impl CipherSuite {
    /// The suite with this number on the wire, if there is one.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0x01 => Some(Self::AuthOnly),
            0x10 => Some(Self::Aes128Gcm),
            0x11 => Some(Self::Aes192Gcm),
            0x12 => Some(Self::Aes256Gcm),
            0x20 => Some(Self::Aes128Cfb),
            0x21 => Some(Self::Aes192Cfb),
            0x22 => Some(Self::Aes256Cfb),
            _ => None,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }
}
