//! Our envelopes against the crate of the format, in both directions, and against damage.

use std::io::{Read, Write};
use std::sync::Arc;

use age::secrecy::SecretString;

use super::*;
use crate::cli::secret::Secret;
use crate::failure::Failure;

const PASSPHRASE: &str = "correct horse";
const SIZES: [usize; 9] = [0, 1, 100, 65_535, 65_536, 65_537, 131_072, 262_144, 300_001];

fn plain(size: usize) -> Vec<u8> {
    (0..=250).cycle().step_by(31).take(size).collect()
}

fn sealer(resumed_at: Option<&[u8]>) -> Arc<Sealer> {
    Arc::new(Sealer::new(Secret::new(PASSPHRASE.to_owned()), resumed_at).unwrap())
}

fn seal(sealer: &Arc<Sealer>, identity: &[u8], bytes: &[u8]) -> Seal {
    Seal::new(Arc::clone(sealer), identity.to_vec(), bytes.len() as u64)
}

fn read(seal: &Seal, bytes: &[u8], offset: usize, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let mut source = |at: u64, piece: &mut [u8]| {
        let at = usize::try_from(at).unwrap();
        piece.copy_from_slice(&bytes[at..at + piece.len()]);
        Ok::<(), Failure>(())
    };
    seal.read(offset as u64, &mut out, &mut source).unwrap();
    out
}

fn sealed(identity: &[u8], bytes: &[u8]) -> Vec<u8> {
    let seal = seal(&sealer(None), identity, bytes);
    read(&seal, bytes, 0, usize::try_from(seal.size()).unwrap())
}

fn open(passphrase: &str, envelope: &[u8]) -> Result<Vec<u8>, Unopened> {
    let opener = Opener::new(Secret::new(passphrase.to_owned()), false);
    let mut out = Vec::new();
    let size = opener
        .open::<()>(
            envelope.len() as u64,
            &mut |at, piece| {
                let at = usize::try_from(at).unwrap();
                piece.copy_from_slice(&envelope[at..at + piece.len()]);
                Ok(())
            },
            &mut |at, piece| {
                assert_eq!(at, out.len() as u64);
                out.extend_from_slice(piece);
                Ok(())
            },
        )
        .unwrap()?;
    assert_eq!(size, out.len() as u64);
    Ok(out)
}

#[test]
fn the_crate_of_the_format_opens_our_envelopes_of_every_size() {
    for size in SIZES {
        let bytes = plain(size);
        let envelope = sealed(b"a", &bytes);
        assert_eq!(envelope.len() as u64, sealed_size(size as u64));
        let passphrase = SecretString::from(PASSPHRASE.to_owned());
        let decryptor = age::Decryptor::new(envelope.as_slice()).unwrap();
        assert!(decryptor.is_scrypt());
        let identity = age::scrypt::Identity::new(passphrase);
        let mut reader = decryptor
            .decrypt(std::iter::once(&identity as &dyn age::Identity))
            .unwrap();
        let mut opened = Vec::new();
        reader.read_to_end(&mut opened).unwrap();
        assert!(opened == bytes, "{size} bytes");
    }
}

#[test]
fn we_open_envelopes_of_that_crate() {
    for size in SIZES {
        let bytes = plain(size);
        let mut recipient = age::scrypt::Recipient::new(SecretString::from(PASSPHRASE.to_owned()));
        recipient.set_work_factor(if size == 1 { 9 } else { 12 });
        let encryptor =
            age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
                .unwrap();
        let mut envelope = Vec::new();
        let mut writer = encryptor.wrap_output(&mut envelope).unwrap();
        writer.write_all(&bytes).unwrap();
        writer.finish().unwrap();
        assert!(open(PASSPHRASE, &envelope) == Ok(bytes), "{size} bytes");
        assert_eq!(open("another", &envelope), Err(Unopened::WrongPassphrase));
    }
}

#[test]
fn any_part_of_an_envelope_is_the_same_whenever_it_is_read() {
    let bytes = plain(200_000);
    let seal = seal(&sealer(None), b"a", &bytes);
    let size = usize::try_from(seal.size()).unwrap();
    let whole = read(&seal, &bytes, 0, size);
    for (offset, length) in [
        (0, 1),
        (100, 200),
        (170, 1),
        (65_000, 2_000),
        (size - 1, 1),
        (65_700, 65_552),
        (3, size - 3),
        (0, 0),
    ] {
        assert!(
            read(&seal, &bytes, offset, length) == whole[offset..offset + length],
            "{offset} {length}"
        );
    }
    let mut beyond = [0; 2];
    let outcome: Result<(), Failure> = seal.read(size as u64 - 1, &mut beyond, &mut |_, _| Ok(()));
    assert!(outcome.is_err());
}

#[test]
fn only_a_resumable_run_finds_the_same_keys_again_and_only_for_the_same_state() {
    let bytes = plain(10);
    let envelope = |sealer: &Arc<Sealer>, identity: &[u8]| {
        read(&seal(sealer, identity, &bytes), &bytes, 0, 150)
    };
    let (one, again, elsewhere, fresh) = (
        sealer(Some(b"h:d")),
        sealer(Some(b"h:d")),
        sealer(Some(b"h:e")),
        sealer(None),
    );
    let first = envelope(&one, b"a");
    assert_eq!(first, envelope(&again, b"a"));
    let others = [
        envelope(&one, b"b"),
        envelope(&elsewhere, b"a"),
        envelope(&fresh, b"a"),
        envelope(&fresh, b"a"),
    ];
    for (index, other) in others.iter().enumerate() {
        assert_ne!(first, *other);
        assert!(!others[..index].contains(other));
    }
}

#[test]
fn every_damage_is_noticed() {
    let bytes = plain(70_000);
    let envelope = sealed(b"a", &bytes);
    assert!(open(PASSPHRASE, &envelope) == Ok(bytes));
    let header = usize::try_from(PREFIX).unwrap() - NONCE;
    let flipped = |at: usize| {
        let mut bad = envelope.clone();
        // In the header another letter, so that it stays text.
        bad[at] = match (at < header, bad[at]) {
            (true, b'A') => b'B',
            (true, _) => b'A',
            (false, byte) => byte ^ 1,
        };
        open(PASSPHRASE, &bad)
    };
    for (at, expected) in [
        (0, Unopened::Foreign),
        (header - 10, Unopened::Damaged),
        (header, Unopened::Damaged),
        (header + NONCE, Unopened::Damaged),
        (envelope.len() - 1, Unopened::Damaged),
        (70, Unopened::WrongPassphrase),
    ] {
        assert_eq!(flipped(at), Err(expected), "byte {at}");
    }
    let first_chunk = header + NONCE + 65_552;
    for length in [
        0,
        10,
        header,
        header + 3,
        header + NONCE,
        header + NONCE + 15,
        first_chunk,
        first_chunk + 16,
        envelope.len() - 1,
    ] {
        let expected = if length < header {
            Unopened::Foreign
        } else {
            Unopened::Damaged
        };
        assert_eq!(
            open(PASSPHRASE, &envelope[..length]),
            Err(expected),
            "{length} bytes"
        );
    }
    let longer = [envelope.as_slice(), b"x"].concat();
    assert_eq!(open(PASSPHRASE, &longer), Err(Unopened::Damaged));
}

#[test]
fn names_tell_what_is_an_envelope() {
    for (name, expected) in [
        (b"a.aspera-env".as_slice(), Some(b"a".as_slice())),
        (b"d/a.txt.aspera-env", Some(b"d/a.txt")),
        (b".aspera-env", None),
        (b"d/.aspera-env", None),
        (b"a.txt", None),
        (b"a.aspera-env.x", None),
    ] {
        assert_eq!(without_suffix(name), expected);
        assert_eq!(has_suffix(name), expected.is_some());
    }
}
