//! Vectors published with the standards, run through the functions that protect packets.

use aes::{Aes128Enc, Aes192Enc, Aes256Enc};

use super::super::cfb::{self, ShortHmac};
use super::super::key_schedule::{expand, extract};
use super::*;

const fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        b'a'..=b'f' => character - b'a' + 10,
        _ => panic!("not a hexadecimal digit"),
    }
}

/// The bytes written in `text`, which must be `BYTES` long.
fn hex<const BYTES: usize>(text: &str) -> [u8; BYTES] {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    assert_eq!(digits.len(), 2 * BYTES);
    core::array::from_fn(|at| digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]))
}

/// Seals and opens with the software implementation and expects these results.
fn check_gcm(
    key: AesKey<'_>,
    nonce: &[u8; 12],
    aad: &[u8],
    plain: &[u8],
    sealed: &[u8],
    tag: &[u8; 16],
) {
    let key = SoftwareGcm::key(key);
    let mut data = plain.to_vec();
    assert_eq!(&SoftwareGcm::seal(&key, nonce, aad, &mut data), tag);
    assert_eq!(data, sealed);
    assert_eq!(SoftwareGcm::open(&key, nonce, aad, &mut data, tag), Ok(()));
    assert_eq!(data, plain);
}

const GCM_NONCE: &str = "cafebabefacedbaddecaf888";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72
    1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b39";

#[test]
fn gcm_with_a_128_bit_key_matches_the_published_test_case_4() {
    check_gcm(
        AesKey::Aes128(&hex("feffe9928665731c6d6a8f9467308308")),
        &hex(GCM_NONCE),
        &hex::<20>(GCM_AAD),
        &hex::<60>(GCM_PLAIN),
        &hex::<60>(
            "42831ec2217774244b7221b784d0d49c e3aa212f2c02a4e035c17e2329aca12e
             21d514b25466931c7d8f6a5aac84aa05 1ba30b396a0aac973d58e091",
        ),
        &hex("5bc94fbc3221a5db94fae95ae7121a47"),
    );
}

#[test]
fn gcm_with_a_192_bit_key_matches_the_published_test_case_10() {
    check_gcm(
        AesKey::Aes192(&hex("feffe9928665731c6d6a8f9467308308feffe9928665731c")),
        &hex(GCM_NONCE),
        &hex::<20>(GCM_AAD),
        &hex::<60>(GCM_PLAIN),
        &hex::<60>(
            "3980ca0b3c00e841eb06fac4872a2757 859e1ceaa6efd984628593b40ca1e19c
             7d773d00c144c525ac619d18c84a3f47 18e2448b2fe324d9ccda2710",
        ),
        &hex("2519498e80f1478f37ba55bd6d27618c"),
    );
}

#[test]
fn gcm_with_a_256_bit_key_matches_the_published_test_case_16() {
    check_gcm(
        AesKey::Aes256(&hex(
            "feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308",
        )),
        &hex(GCM_NONCE),
        &hex::<20>(GCM_AAD),
        &hex::<60>(GCM_PLAIN),
        &hex::<60>(
            "522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa
             8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662",
        ),
        &hex("76fc6ece0f4e1768cddf8853bb2d551b"),
    );
}

#[test]
fn gcm_without_plaintext_matches_the_published_gmac_vector() {
    check_gcm(
        AesKey::Aes128(&hex("77be63708971c4e240d1cb79e8d77feb")),
        &hex("e0e00f19fed7ba0136a797f3"),
        &hex::<16>("7a43ec1d9c0a5a78a0b16533a6213cab"),
        &[],
        &[],
        &hex("209fcc8d3675ed938e9c7166709dd946"),
    );
}

const CFB_IV: &str = "000102030405060708090a0b0c0d0e0f";
const CFB_PLAIN: &str = "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710";

/// Encrypts and decrypts every length up to the vector's and expects its beginning.
fn check_cfb<C: cfb::Aes>(cipher: &C, sealed: &[u8; 64]) {
    let plain = hex::<64>(CFB_PLAIN);
    for length in 0..=plain.len() {
        let mut data = plain[..length].to_vec();
        cfb::encrypt(cipher, hex(CFB_IV), &mut data);
        assert_eq!(data, sealed[..length]);
        cfb::decrypt(cipher, hex(CFB_IV), &mut data);
        assert_eq!(data, plain[..length]);
    }
}

#[test]
fn cfb128_matches_sp_800_38a_for_every_key_size() {
    use aes::cipher::KeyInit;

    check_cfb(
        &Aes128Enc::new(&hex("2b7e151628aed2a6abf7158809cf4f3c").into()),
        &hex(
            "3b3fd92eb72dad20333449f8e83cfb4a c8a64537a0b3a93fcde3cdad9f1ce58b
             26751f67a3cbb140b1808cf187a4f4df c04b05357c5d1c0eeac4c66f9ff7f2e6",
        ),
    );
    check_cfb(
        &Aes192Enc::new(&hex("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b").into()),
        &hex(
            "cdc80d6fddf18cab34c25909c99a4174 67ce7f7f81173621961a2b70171d3d7a
             2e1e8a1dd59b88b1c8e60fed1efac4c9 c05f9f9ca9834fa042ae8fba584b09ff",
        ),
    );
    check_cfb(
        &Aes256Enc::new(
            &hex("603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4").into(),
        ),
        &hex(
            "dc7e84bfda79164b7ecd8486985d3860 39ffed143b28b1c832113c6331e5407b
             df10132415e54b92a13ed0a8267ae2f9 75a385741ab9cef82031623d55b1e471",
        ),
    );
}

/// Makes and verifies this tag, and expects every other to be refused.
fn check_hmac(key: &[u8], parts: [&[u8]; 3], tag: &[u8; 16]) {
    let mac = ShortHmac::new(key);
    assert_eq!(&mac.tag(parts), tag);
    assert_eq!(mac.verify(parts, tag), Ok(()));
    for bit in 0..128 {
        let mut wrong = *tag;
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(mac.verify(parts, &wrong), Err(AuthenticationFailed));
    }
}

#[test]
fn hmac_matches_rfc_4231_cut_to_16_bytes() {
    check_hmac(
        &[0x0B; 20],
        [b"Hi", b" ", b"There"],
        &hex("b0344c61d8db38535ca8afceaf0bf12b"),
    );
    check_hmac(
        b"Jefe",
        [b"what do ya want ", b"", b"for nothing?"],
        &hex("5bdcc146bf60754e6a042426089575c7"),
    );
    check_hmac(
        &[0x0C; 20],
        [b"", b"Test With Truncation", b""],
        &hex("a3b6167473100ee06e0c796c2955552b"),
    );
}

#[test]
fn hkdf_matches_rfc_5869_test_case_1() {
    let prk = extract(
        &hex::<13>("000102030405060708090a0b0c"),
        &[&[0x0B; 11], &[0x0B; 11]],
    );
    assert_eq!(
        *prk,
        hex::<32>("077709362c2e32df0ddc3f0dc47bba63 90b6c73bb50f9c3122ec844ad7c2b3e5")
    );
    let mut output = [0; 42];
    expand(
        &prk,
        &[&hex::<4>("f0f1f2f3"), &hex::<6>("f4f5f6f7f8f9")],
        &mut output,
    );
    assert_eq!(
        output,
        hex::<42>(
            "3cb25f25faacd57a90434f64d0362f2a 2d2d0a90cf1a5a4c5db02d56ecc4c5bf
             34007208d5b887185865"
        )
    );
}
