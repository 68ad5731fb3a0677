//! The thread that reads what is at the destination already and hashes it, so that the sender can compare.
//!
//! At level 3 everything is read, at level 2 samples at places that nobody can foresee. A writer never waits for it.
//!
//! Source: PROTOCOL.md §6.5.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use fasp_core::metadata::ByteRange;
use fasp_core::metadata::check::{MAX_CHECKS, RangeCheck};
use fasp_core::units::ObjectId;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::byte_ranges::ByteRanges;
use super::chunks::Chunks;
use super::write_behind::{Completion, Decision, Shared, start_thread};
use crate::failure::Outcome;

/// Bytes of a sample.
const SAMPLE: u64 = 64 * 1024;
/// Samples at random places, besides the first and the last.
const SAMPLES: u64 = 32;
/// What has no more samples than this is checked whole.
const FEW: u64 = 35;
/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;

/// What is to be checked.
#[derive(Debug)]
pub(super) struct CheckJob {
    pub(super) object: ObjectId,
    pub(super) file: Arc<OwnedFd>,
    /// Where in it the object begins.
    pub(super) base: u64,
    /// Sorted and disjoint, from there.
    pub(super) ranges: Vec<ByteRange>,
    /// What to ask of the sender after the checks.
    pub(super) then: Decision,
}

/// Starts the thread; it ends when nobody can bring it anything.
pub(super) fn start(
    shared: &Arc<Shared>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Outcome<Sender<CheckJob>> {
    let (jobs, incoming) = channel();
    let own = Arc::clone(shared);
    threads.push(start_thread("file-checker", move || run(&own, &incoming))?);
    Ok(jobs)
}

fn run(shared: &Shared, jobs: &Receiver<CheckJob>) {
    for job in jobs {
        if shared.is_stopping(0) {
            continue;
        }
        let object = job.object;
        let decision = match check(shared, &job) {
            Some(()) => job.then,
            // What cannot be read cannot stay.
            None => Decision::Go,
        };
        shared.complete(Completion::Decided { object, decision });
    }
}

/// Tells the hashes of all ranges; `None` if they cannot be had.
fn check(shared: &Shared, job: &CheckJob) -> Option<()> {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    for group in job.ranges.chunks(MAX_CHECKS) {
        let mut checks = Vec::with_capacity(group.len());
        for range in group {
            if shared.is_stopping(0) {
                return None;
            }
            let hash = hash_of(&job.file, shifted(*range, job.base), &mut buffer).ok()?;
            checks.push(RangeCheck {
                range: *range,
                hash,
            });
        }
        let object = job.object;
        shared.complete(Completion::Checked { object, checks });
    }
    Some(())
}

/// The BLAKE3 hash of `range` of a file.
///
/// # Errors
///
/// What the system says; `IO` if the file ends before.
pub(super) fn hash_of(
    file: &OwnedFd,
    range: ByteRange,
    buffer: &mut Vec<u8>,
) -> Result<[u8; 32], Errno> {
    let mut hasher = blake3::Hasher::new();
    let mut at = range.start;
    while at < range.end {
        buffer.clear();
        match rustix::io::pread(file, spare_capacity(buffer), at) {
            Ok(0) => return Err(Errno::IO),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        let rest = usize::try_from(range.end - at).unwrap_or(usize::MAX);
        let piece = buffer.get(..buffer.len().min(rest)).unwrap_or_default();
        hasher.update(piece);
        at += u64::try_from(piece.len()).unwrap_or(0);
    }
    Ok(*hasher.finalize().as_bytes())
}

/// The bytes of an object in a file in which it begins at `base`.
pub(super) fn shifted(range: ByteRange, base: u64) -> ByteRange {
    ByteRange {
        start: base.saturating_add(range.start),
        end: base.saturating_add(range.end),
    }
}

/// All of `kept`, in pieces of one chunk at most.
pub(super) fn everything(kept: &[ByteRange], chunks: Chunks) -> Vec<ByteRange> {
    pieces(kept, 1 << chunks.log2())
}

/// Samples of `kept`, chosen with `random`, which gives a number below its argument.
pub(super) fn samples(kept: &[ByteRange], mut random: impl FnMut(u64) -> u64) -> Vec<ByteRange> {
    let all = pieces(kept, SAMPLE);
    let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
    if count <= FEW {
        return all;
    }
    let mut chosen: Vec<u64> = (0..SAMPLES).map(|_| random(count)).collect();
    chosen.extend([0, count - 1]);
    chosen.sort_unstable();
    chosen.dedup();
    let at = |index: &u64| all.get(usize::try_from(*index).ok()?).copied();
    chosen.iter().filter_map(at).collect()
}

/// `kept` cut at the multiples of `length`.
fn pieces(kept: &[ByteRange], length: u64) -> Vec<ByteRange> {
    let mut pieces = Vec::new();
    for range in kept {
        let mut start = range.start;
        while start < range.end {
            let end = (start / length + 1).saturating_mul(length).min(range.end);
            pieces.push(ByteRange { start, end });
            start = end;
        }
    }
    pieces
}

/// What of `0..size` is in `written`.
pub(super) fn kept(written: &ByteRanges, size: u64) -> Vec<ByteRange> {
    let mut present = ByteRanges::default();
    let mut at = 0;
    for hole in written.missing_within(0, size) {
        present.insert(at, hole.start);
        at = hole.end;
    }
    present.insert(at, size);
    present.all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange { start, end }
    }

    #[test]
    fn everything_is_cut_at_chunks() {
        let kept = [range(0, 1 << 20), range(3 << 20, (4 << 20) + 5)];
        let expected = [
            kept[0],
            range(3 << 20, 4 << 20),
            range(4 << 20, (4 << 20) + 5),
        ];
        assert_eq!(everything(&kept, Chunks::of(5 << 20, 20)), expected);
    }

    #[test]
    fn a_small_file_is_sampled_whole_and_a_large_one_at_its_ends_and_at_random() {
        let small = samples(&[range(0, 2_000_000)], |_| panic!("nothing to choose"));
        let bytes: u64 = small.iter().map(|range| range.end - range.start).sum();
        assert_eq!(bytes, 2_000_000);
        let mut at = 0;
        let large = samples(&[range(0, 1 << 30)], |bound| {
            at += 499;
            at % bound
        });
        assert_eq!(large.len(), 34);
        assert_eq!(large[0], range(0, SAMPLE));
        assert_eq!(large[33], range((1 << 30) - SAMPLE, 1 << 30));
        assert!(large.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }

    #[test]
    fn samples_find_a_fraction_of_wrong_pieces_as_often_as_is_said() {
        let mut seed = 1_u64;
        let mut found = 0;
        for _ in 0..2_000 {
            let chosen = samples(&[range(0, 1_000 * SAMPLE)], |bound| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % bound
            });
            // A tenth of the pieces, in the middle, is wrong.
            let wrong = range(400 * SAMPLE, 500 * SAMPLE);
            found += u32::from(
                chosen
                    .iter()
                    .any(|piece| wrong.start <= piece.start && piece.end <= wrong.end),
            );
        }
        // 1 - 0.9^32 = 96.6 %.
        assert!((1_910..=1_955).contains(&found), "{found} of 2000");
    }

    #[test]
    fn what_is_kept_is_what_is_not_missing() {
        let mut written = ByteRanges::default();
        written.insert(0, 10);
        written.insert(20, 30);
        assert_eq!(kept(&written, 40), [range(0, 10), range(20, 30)]);
        assert_eq!(kept(&ByteRanges::default(), 40), []);
    }
}
