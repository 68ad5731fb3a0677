//! AES-GCM by aws-lc: several times faster than the portable implementation on servers.
//!
//! Only the GCM and authentication-only suites run on it; the CFB suites stay with core's own.
//! Plug it in as the type parameter of `KeySchedule::into_lane`.
//!
//! Source: the contract is `fasp_core::crypto::GcmBackend`.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use fasp_core::crypto::{AesKey, AuthenticationFailed, GcmBackend, TAG_BYTES};

/// The aws-lc implementation; picks the fastest code for the processor at run time.
#[derive(Clone, Copy, Debug)]
pub struct AwsGcm;

/// A key of [`AwsGcm`].
pub struct AwsGcmKey(LessSafeKey);

impl fmt::Debug for AwsGcmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsGcmKey").finish_non_exhaustive()
    }
}

impl GcmBackend for AwsGcm {
    type Key = AwsGcmKey;

    fn key(key: AesKey<'_>) -> AwsGcmKey {
        let key = match key {
            AesKey::Aes128(bytes) => UnboundKey::new(&AES_128_GCM, bytes),
            AesKey::Aes192(bytes) => UnboundKey::new(&AES_192_GCM, bytes),
            AesKey::Aes256(bytes) => UnboundKey::new(&AES_256_GCM, bytes),
        };
        AwsGcmKey(LessSafeKey::new(
            key.expect("a key of the right size is accepted"),
        ))
    }

    fn seal(
        key: &AwsGcmKey,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        key.0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), in_out)
            .ok()
            .and_then(|tag| tag.as_ref().try_into().ok())
            .expect("a datagram is far below the length limit of GCM")
    }

    fn open(
        key: &AwsGcmKey,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        in_out: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), AuthenticationFailed> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        key.0
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, in_out)
            .map(|_| ())
            .map_err(|_| AuthenticationFailed)
    }
}

#[cfg(test)]
mod tests {
    use fasp_core::crypto::{
        CipherSuite, HEADER_BYTES, KeySchedule, OpenError, Opener, Role, Sealer, SessionSecret,
        SoftwareGcm,
    };
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = Vec<u8>> {
        prop::sample::select(vec![16_usize, 24, 32])
            .prop_flat_map(|size| prop::collection::vec(any::<u8>(), size))
    }

    fn aes_key(bytes: &[u8]) -> AesKey<'_> {
        match bytes.len() {
            16 => AesKey::Aes128(bytes.try_into().unwrap()),
            24 => AesKey::Aes192(bytes.try_into().unwrap()),
            _ => AesKey::Aes256(bytes.try_into().unwrap()),
        }
    }

    /// Client and server of one session, each on its own implementation.
    fn pair<C: GcmBackend, S: GcmBackend>(suite: CipherSuite) -> (Sealer<C>, Opener<S>) {
        let schedule = || {
            KeySchedule::new(
                &SessionSecret::new([1; 32]),
                &SessionSecret::new([2; 32]),
                &[3; 32],
            )
        };
        let (sealer, _) = schedule().into_lane(suite, Role::Client);
        let (_, opener) = schedule().into_lane(suite, Role::Server);
        (sealer, opener)
    }

    fn talks<C: GcmBackend, S: GcmBackend>(suite: CipherSuite) {
        let (mut sealer, mut opener) = pair::<C, S>(suite);
        for length in [0, 1, 15, 16, 17, 1432, 8932] {
            let body = vec![0x5A; length];
            let mut datagram = [&[0x42; HEADER_BYTES], &body[..], &[0; TAG_BYTES]].concat();
            let number = sealer.seal(&mut datagram).unwrap();
            let mut forged = datagram.clone();
            *forged.last_mut().unwrap() ^= 1;
            assert_eq!(opener.open(number, &mut forged), Err(OpenError::Forged));
            assert_eq!(opener.open(number, &mut datagram).unwrap(), body);
        }
    }

    #[test]
    fn both_implementations_talk_to_each_other_in_every_suite() {
        for suite in CipherSuite::ALL {
            talks::<AwsGcm, SoftwareGcm>(suite);
            talks::<SoftwareGcm, AwsGcm>(suite);
            talks::<AwsGcm, AwsGcm>(suite);
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = AwsGcm::key(AesKey::Aes128(&[0xA7; 16]));
        assert_eq!(format!("{key:?}"), "AwsGcmKey { .. }");
    }

    proptest! {
        #[test]
        fn both_implementations_agree_on_every_byte(
            key in any_key(),
            nonce in any::<[u8; NONCE_LEN]>(),
            aad in prop::collection::vec(any::<u8>(), 0..100),
            body in prop::collection::vec(any::<u8>(), 0..1600),
            flip in any::<prop::sample::Index>(),
        ) {
            let fast = AwsGcm::key(aes_key(&key));
            let portable = SoftwareGcm::key(aes_key(&key));
            let (mut one, mut two) = (body.clone(), body.clone());
            let tag = AwsGcm::seal(&fast, &nonce, &aad, &mut one);
            prop_assert_eq!(SoftwareGcm::seal(&portable, &nonce, &aad, &mut two), tag);
            prop_assert_eq!(&one, &two);

            let mut wrong = tag;
            wrong[flip.index(TAG_BYTES)] ^= 0x80;
            let outcome = AwsGcm::open(&fast, &nonce, &aad, &mut one.clone(), &wrong);
            prop_assert_eq!(outcome, Err(AuthenticationFailed));
            prop_assert_eq!(AwsGcm::open(&fast, &nonce, &aad, &mut one, &tag), Ok(()));
            prop_assert_eq!(one, body);
        }
    }
}
