//! Encryption at rest: the published `age` format for a passphrase, so that the stock `age` opens our files and we
//! open its.
//!
//! [`Sealer`] describes what a source becomes and [`Seal`] gives any part of that at any time, as often as it is asked
//! for: retransmissions and resumed files need it, which the crate of the format, a stream writer, cannot give.
//! [`Opener`] turns a received envelope back. Tests hold both against that crate. Nothing here touches the network.
//!
//! Source: the format is the public specification at age-encryption.org/v1 (header with one `scrypt` recipient, then
//! a nonce and chunks of 64 KiB). The work factor and how a resumed file finds its keys again are ours:
//! DECISIONS.md 53 and 54.

mod header;
mod keys;
mod opening;
mod sealing;
#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub(crate) use header::fuzzing;

pub use opening::{Opener, Unopened};
pub use sealing::{Seal, Sealer};

/// What the names of encrypted files end with.
///
/// Source: a public fact.
pub const SUFFIX: &[u8] = b".aspera-env";

/// Fills a piece with what stands from an offset on.
pub type ReadAt<'r, E> = dyn FnMut(u64, &mut [u8]) -> Result<(), E> + 'r;
/// Takes a piece that belongs at an offset.
pub type WriteAt<'w, E> = dyn FnMut(u64, &[u8]) -> Result<(), E> + 'w;

/// Plain bytes of a chunk; the last one of a file may be shorter.
const CHUNK: u64 = 64 * 1024;
/// Bytes that a chunk grows by.
const TAG: u64 = 16;
/// Bytes of the nonce between header and chunks.
const NONCE: usize = 16;
/// Bytes before the first chunk of an envelope of ours.
const PREFIX: u64 = header::LENGTH as u64 + NONCE as u64;

/// Bytes of the envelope of a file of `plain` bytes; saturates far above what a file system takes.
#[must_use]
pub const fn sealed_size(plain: u64) -> u64 {
    let chunks = chunks(plain);
    plain.saturating_add(PREFIX).saturating_add(chunks * TAG)
}

/// An empty file has one chunk, which is empty.
const fn chunks(plain: u64) -> u64 {
    match plain.div_ceil(CHUNK) {
        0 => 1,
        chunks => chunks,
    }
}

/// Whether a file of this name is an envelope.
#[must_use]
pub fn has_suffix(path: &[u8]) -> bool {
    without_suffix(path).is_some()
}

/// The name of what is in the envelope of this name.
#[must_use]
pub fn without_suffix(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_suffix(SUFFIX)?;
    (!rest.is_empty() && !rest.ends_with(b"/")).then_some(rest)
}
