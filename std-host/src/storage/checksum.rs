//! Checksums of whole files for the user (`--file-checksum`), made while the bytes pass by.
//!
//! Unlike the tree that the protocol uses, these run from the first byte to the last. What comes out of order is
//! read once more when its turn has come.

use std::fmt;

use aws_lc_rs::digest as fast;
use fasp_core::control::ChecksumKind;
use md5::{Digest, Md5};

/// The checksum of a whole file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checksum {
    /// How it was made.
    pub kind: ChecksumKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Checksum {
    /// `md5:` and lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.name())?;
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Clone)]
enum State {
    Md5(Md5),
    Fast(fast::Context),
}

/// A checksum in the making.
#[derive(Clone)]
pub(super) struct RunningChecksum {
    kind: ChecksumKind,
    position: u64,
    state: State,
}

impl RunningChecksum {
    pub(super) fn new(kind: ChecksumKind) -> Self {
        let fast = |algorithm| State::Fast(fast::Context::new(algorithm));
        let state = match kind {
            ChecksumKind::Md5 => State::Md5(Md5::new()),
            ChecksumKind::Sha1 => fast(&fast::SHA1_FOR_LEGACY_USE_ONLY),
            ChecksumKind::Sha256 => fast(&fast::SHA256),
            ChecksumKind::Sha384 => fast(&fast::SHA384),
            ChecksumKind::Sha512 => fast(&fast::SHA512),
        };
        Self {
            kind,
            position: 0,
            state,
        }
    }

    /// Bytes from the start of the file that are in it.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Takes `bytes` from `offset`, if they go on where it stands; others are passed over.
    pub(super) fn add(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.position {
            return;
        }
        match &mut self.state {
            State::Md5(state) => state.update(bytes),
            State::Fast(state) => state.update(bytes),
        }
        self.position += u64::try_from(bytes.len()).unwrap_or(0);
    }

    /// The checksum of what was taken.
    pub(super) fn finish(self) -> Checksum {
        let bytes = match self.state {
            State::Md5(state) => state.finalize().to_vec(),
            State::Fast(state) => state.finish().as_ref().to_vec(),
        };
        Checksum {
            kind: self.kind,
            bytes,
        }
    }
}

impl fmt::Debug for RunningChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningChecksum")
            .field("kind", &self.kind)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: ChecksumKind, pieces: &[&[u8]]) -> String {
        let mut running = RunningChecksum::new(kind);
        for piece in pieces {
            running.add(running.position(), piece);
        }
        running.finish().to_string()
    }

    #[test]
    fn the_published_values_of_abc_come_out_in_pieces_too() {
        let table = [
            (ChecksumKind::Md5, "md5:900150983cd24fb0d6963f7d28e17f72"),
            (
                ChecksumKind::Sha1,
                "sha1:a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
            (
                ChecksumKind::Sha256,
                "sha-256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                ChecksumKind::Sha384,
                "sha-384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                ChecksumKind::Sha512,
                "sha-512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        for (kind, expected) in table {
            assert_eq!(of(kind, &[b"abc"]), expected);
            assert_eq!(of(kind, &[b"a", b"", b"bc"]), expected);
        }
    }

    #[test]
    fn what_comes_out_of_order_is_passed_over() {
        let mut running = RunningChecksum::new(ChecksumKind::Md5);
        running.add(1, b"bc");
        assert_eq!(running.position(), 0);
        running.add(0, b"a");
        running.add(0, b"a");
        running.add(1, b"bc");
        assert_eq!(
            running.finish().to_string(),
            "md5:900150983cd24fb0d6963f7d28e17f72"
        );
    }
}
