//! What is done of the whole job, for the line that a person watches, and the hint at the default target rate.

use std::time::Duration;

use fasp_core::control::JobSize;
use fasp_core::negotiation::DEFAULT_TARGET_RATE;

use crate::cli::progress::Completion;
use crate::driver::{FileReport, FileVerdict};

/// Shorter transfers are not worth a hint.
const LEAST_FOR_A_HINT: Duration = Duration::from_secs(3);

/// Files and bytes that are over.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What all sources hold, once that is known.
    pub(super) total: Option<JobSize>,
    /// Files of which a part was there.
    pub(super) resumed: u64,
    files: u64,
    skipped: u64,
    failed: u64,
    bytes: u64,
}

impl Tally {
    /// A file is over.
    pub(super) fn count(&mut self, report: &FileReport) {
        match report.verdict {
            FileVerdict::Delivered => self.files += 1,
            FileVerdict::Skipped => self.skipped += 1,
            FileVerdict::Failed(_) => self.failed += 1,
        }
        self.bytes = self.bytes.saturating_add(report.size);
    }

    /// Bytes done of the job and its bytes, with `moving` bytes of the file that moves; `None` while the job is not
    /// known, or if it grew meanwhile.
    pub(super) fn of_job(&self, moving: u64) -> Option<(u64, u64)> {
        let total = self.total?;
        let done = self.bytes.saturating_add(moving);
        (done <= total.bytes && total.bytes > 0).then_some((done, total.bytes))
    }

    /// `3/120 files, 2 resumed, 5 skipped`; empty while one file is all there is.
    pub(super) fn words(&self) -> String {
        let over = self.files + self.skipped + self.failed;
        let several = self.total.is_some_and(|total| total.files > 1);
        if over == 0 && !several && self.resumed == 0 {
            return String::new();
        }
        let mut words = match self.total {
            Some(total) if several => format!("{over}/{} files", total.files.max(over)),
            _ => format!("{over} done"),
        };
        for (count, what) in [
            (self.resumed, "resumed"),
            (self.skipped, "skipped"),
            (self.failed, "failed"),
        ] {
            if count > 0 {
                words.push_str(&format!(", {count} {what}"));
            }
        }
        words
    }
}

/// What to tell a user who chose no target rate; `None` where it was not the target that limited the transfer.
pub(super) fn rate_hint(target_rate_bps: u64, completion: &Completion) -> Option<String> {
    let nanos = completion.elapsed.as_nanos();
    let bits = u128::from(completion.bytes) * 8_000_000_000;
    let rate = bits.checked_div(nanos)?;
    let limited = rate * 4 >= u128::from(target_rate_bps) * 3;
    (target_rate_bps == DEFAULT_TARGET_RATE.0 && limited && completion.elapsed >= LEAST_FOR_A_HINT)
        .then(|| {
            "ascp: this ran at the default target rate of 10 Mbit/s; -l 100M, for example, allows more\n"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: FileVerdict, size: u64) -> FileReport {
        FileReport {
            object: None,
            name: Vec::new(),
            size,
            start_byte: 0,
            elapsed: None,
            verdict,
            peer_gave_up: false,
            is_folder: false,
            checksum: None,
        }
    }

    #[test]
    fn counts_are_shown_once_there_is_more_than_one_file() {
        let mut tally = Tally::default();
        assert_eq!(tally.words(), "");
        tally.count(&report(FileVerdict::Delivered, 10));
        assert_eq!(tally.words(), "1 done");
        tally.count(&report(FileVerdict::Skipped, 10));
        tally.resumed = 1;
        tally.total = Some(JobSize {
            files: 120,
            bytes: 100,
        });
        assert_eq!(tally.words(), "2/120 files, 1 resumed, 1 skipped");
        assert_eq!(tally.of_job(5), Some((25, 100)));
        assert_eq!(tally.of_job(95), None, "the job grew");
    }

    #[test]
    fn only_a_long_transfer_at_the_default_rate_gets_a_hint() {
        let completion = |bytes, seconds| Completion {
            bytes,
            elapsed: Duration::from_secs(seconds),
            ..Completion::default()
        };
        let default = DEFAULT_TARGET_RATE.0;
        let hint = rate_hint(default, &completion(12_000_000, 10)).unwrap();
        assert!(hint.contains("-l 100M") && !hint.contains('%'));
        for (target, completion) in [
            (default, completion(2_400_000, 2)),
            (default, completion(5_000_000, 10)),
            (default, completion(0, 0)),
            (100_000_000, completion(120_000_000, 10)),
        ] {
            assert_eq!(rate_hint(target, &completion), None);
        }
    }
}
