//! The CFB suites: AES in CFB128 mode, then an HMAC over everything.
//!
//! The tag covers header, packet number and ciphertext and is verified before a single byte is
//! decrypted. Initialisation vectors are the packet number encrypted under a key of their own:
//! distinct, unpredictable, never sent.
//!
//! Source: PROTOCOL.md §4.4; CFB128 is NIST SP 800-38A §6.3, HMAC RFC 2104.

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit};
use cfb_mode::{Decryptor, Encryptor};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroize;

use super::key_schedule::{LaneSecret, Purpose};
use super::{AuthenticationFailed, Direction, TAG_BYTES};
use crate::units::PacketNumber;

/// HMAC-SHA-256 cut to its first 16 bytes.
pub(super) struct ShortHmac(Hmac<Sha256>);

impl ShortHmac {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(<Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes any key length"))
    }

    fn over(&self, parts: [&[u8]; 3]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// The tag over the concatenation of `parts`.
    pub(super) fn tag(&self, parts: [&[u8]; 3]) -> [u8; TAG_BYTES] {
        let full: [u8; 32] = self.over(parts).finalize().into_bytes().into();
        *full.first_chunk().expect("a hash is longer than a tag")
    }

    /// Whether `tag` belongs to the concatenation of `parts`, in constant time.
    pub(super) fn verify(
        &self,
        parts: [&[u8]; 3],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), AuthenticationFailed> {
        self.over(parts)
            .verify_truncated_left(tag)
            .map_err(|_| AuthenticationFailed)
    }
}

/// The AES encryption that CFB128 is built on, for any key size.
pub(super) trait Aes: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit {}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit> Aes for C {}

/// Encrypts `data` in place.
pub(super) fn encrypt<C: Aes>(cipher: &C, iv: [u8; 16], data: &mut [u8]) {
    Encryptor::inner_iv_init(cipher, &iv.into()).encrypt(data);
}

/// Decrypts `data` in place.
pub(super) fn decrypt<C: Aes>(cipher: &C, iv: [u8; 16], data: &mut [u8]) {
    Decryptor::inner_iv_init(cipher, &iv.into()).decrypt(data);
}

/// The keys of one epoch of a CFB suite with AES variant `C`.
pub(super) struct CfbKeys<C> {
    cipher: C,
    iv_cipher: C,
    mac: ShortHmac,
    direction: Direction,
}

impl<C: Aes> CfbKeys<C> {
    pub(super) fn derive(secret: &LaneSecret, epoch: u64) -> Self {
        let cipher = |purpose| {
            let mut key = Array::<u8, C::KeySize>::default();
            secret.derive(purpose, epoch, &mut key);
            let cipher = C::new(&key);
            key.as_mut_slice().zeroize();
            cipher
        };
        Self {
            cipher: cipher(Purpose::Key),
            iv_cipher: cipher(Purpose::CfbIvKey),
            mac: ShortHmac::new(secret.array::<32>(Purpose::Mac, epoch).as_slice()),
            direction: secret.direction,
        }
    }

    /// Encrypts `body` in place and returns the tag over `header`, `number` and the result.
    pub(super) fn seal(
        &self,
        number: PacketNumber,
        header: &[u8],
        body: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        encrypt(&self.cipher, self.iv(number), body);
        self.mac.tag([header, &number.0.to_be_bytes(), body])
    }

    /// Verifies `tag`, then decrypts `body` in place; `body` is untouched if the tag is wrong.
    pub(super) fn open(
        &self,
        number: PacketNumber,
        header: &[u8],
        body: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), AuthenticationFailed> {
        self.mac
            .verify([header, &number.0.to_be_bytes(), body], tag)?;
        decrypt(&self.cipher, self.iv(number), body);
        Ok(())
    }

    fn iv(&self, number: PacketNumber) -> [u8; 16] {
        let mut block = [0; 16];
        block[..8].copy_from_slice(&number.0.to_be_bytes());
        block[8] = self.direction.byte();
        let mut block = block.into();
        self.iv_cipher.encrypt_block(&mut block);
        block.into()
    }
}
