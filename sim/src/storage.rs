//! The receiving host's disk: how fast it writes, when it stands still, how much fits.

use std::collections::VecDeque;

use crate::link::{MICROSECOND, RateSchedule};

/// What a disk is like.
#[derive(Clone, Debug)]
pub(crate) struct StorageOptions {
    /// Writing speed over time; `None` writes at once.
    pub(crate) speed: Option<RateSchedule>,
    /// From the end of a write until the host hears of it, µs.
    pub(crate) latency_us: u64,
    /// How long it takes to make one file durable, one after another, µs.
    pub(crate) sync_us: u64,
    /// Bytes that fit.
    pub(crate) space: u64,
    /// Bytes the host holds in memory until they are written.
    pub(crate) buffer: u64,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            speed: None,
            latency_us: 0,
            sync_us: 0,
            space: u64::MAX,
            buffer: 4 << 30,
        }
    }
}

/// A disk at work.
#[derive(Debug)]
pub(crate) struct Storage {
    options: StorageOptions,
    used: u64,
    free_at: u64,
    synced_at: u64,
    /// When each write is done, µs, and its bytes.
    writes: VecDeque<(u64, u64)>,
    waiting: u64,
    most_waiting: u64,
}

impl Storage {
    pub(crate) fn new(options: StorageOptions) -> Self {
        Self {
            options,
            used: 0,
            free_at: 0,
            synced_at: 0,
            writes: VecDeque::new(),
            waiting: 0,
            most_waiting: 0,
        }
    }

    pub(crate) const fn buffer(&self) -> u64 {
        self.options.buffer
    }

    /// Begins to write `bytes`; `false` if they do not fit. They count as written in either case
    /// once [`Storage::written`] returns them.
    pub(crate) fn write(&mut self, now_us: u64, bytes: u64) -> bool {
        self.used = self.used.saturating_add(bytes);
        self.waiting += bytes;
        self.most_waiting = self.most_waiting.max(self.waiting);
        let done = match &mut self.options.speed {
            None => now_us,
            Some(speed) => {
                let start = self.free_at.max(now_us * MICROSECOND);
                self.free_at = speed.finish(start, bytes).unwrap_or(u64::MAX);
                self.free_at.div_ceil(MICROSECOND)
            }
        };
        let told = done.saturating_add(self.options.latency_us);
        self.writes.push_back((told, bytes));
        self.used <= self.options.space
    }

    /// When a file whose last byte has come at `now_us` is written and durable, µs.
    pub(crate) fn sync(&mut self, now_us: u64) -> u64 {
        let written = self.writes.back().map_or(now_us, |write| write.0);
        self.synced_at = written
            .max(self.synced_at)
            .saturating_add(self.options.sync_us);
        self.synced_at
    }

    /// Bytes whose writing has ended by `now_us` since the last call.
    pub(crate) fn written(&mut self, now_us: u64) -> u64 {
        let mut sum = 0;
        while let Some(&(done, bytes)) = self.writes.front()
            && done <= now_us
        {
            self.writes.pop_front();
            sum += bytes;
        }
        self.waiting -= sum;
        sum
    }

    /// When the next write ends, µs.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.writes.front().map(|&(done, _)| done)
    }

    /// The most bytes that were waiting at a time.
    pub(crate) const fn most_waiting(&self) -> u64 {
        self.most_waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_writes_at_its_speed_and_stands_still_when_told() {
        let speed = RateSchedule::constant(8_000_000)
            .then(1_000_000, 0)
            .then(3_000_000, 8_000_000);
        let mut storage = Storage::new(StorageOptions {
            speed: Some(speed),
            space: 1_500_000,
            ..StorageOptions::default()
        });
        assert!(storage.write(0, 900_000));
        assert!(storage.write(0, 200_000));
        assert!(!storage.write(0, 500_000));
        assert_eq!(storage.written(899_999), 0);
        assert_eq!(storage.written(900_000), 900_000);
        assert_eq!(storage.next_at(), Some(3_100_000));
        assert_eq!(storage.most_waiting(), 1_600_000);
    }

    #[test]
    fn files_become_durable_one_after_another_and_writes_are_told_late() {
        let mut storage = Storage::new(StorageOptions {
            latency_us: 500,
            sync_us: 3_000,
            ..StorageOptions::default()
        });
        assert!(storage.write(1_000, 10));
        assert_eq!(
            (storage.written(1_499), storage.next_at()),
            (0, Some(1_500))
        );
        assert_eq!((storage.sync(1_000), storage.sync(1_100)), (4_500, 7_500));
        assert_eq!(storage.written(1_500), 10);
        assert_eq!(storage.sync(20_000), 23_000);
    }
}
