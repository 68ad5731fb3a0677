//! What a running process costs: peak memory and processor time, read from `/proc`.

use std::fs;
use std::time::Duration;

/// Clock ticks a second in `/proc/<pid>/stat`; 100 on every Linux this runs on (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// One look at a process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Largest resident memory so far, KiB.
    pub peak_kib: u64,
    /// User and system time so far.
    pub cpu: Duration,
}

impl Usage {
    /// Looks at process `id`; `None` when it is gone. Of a process that has ended and was not yet
    /// waited for, only the processor time is left.
    #[must_use]
    pub fn of(id: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some(Self {
            peak_kib: peak_kib(&status).unwrap_or(0),
            cpu: cpu_time(&stat)?,
        })
    }

    /// The larger of both looks, field by field.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            peak_kib: self.peak_kib.max(other.peak_kib),
            cpu: self.cpu.max(other.cpu),
        }
    }
}

/// Whether process `id` has ended and only waits to be waited for.
#[must_use]
pub fn has_ended(id: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else {
        return true;
    };
    after_name(&stat).is_some_and(|rest| rest.starts_with('Z'))
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn cpu_time(stat: &str) -> Option<Duration> {
    let mut fields = after_name(stat)?.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * (1000 / TICKS_PER_SECOND),
    ))
}

/// The fields from the state on: the program's name before them may hold blanks.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(") ").map(|(_, rest)| rest)
}

/// The middle of `values`; the lower of the two middle ones when their number is even.
///
/// # Panics
///
/// When there are none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len().saturating_sub(1) / 2;
    *sorted.get(middle).expect("at least one value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(3)));
    }

    #[test]
    fn this_process_uses_memory_and_has_not_ended() {
        let own = Usage::of(std::process::id()).unwrap();
        assert!(own.peak_kib > 100);
        assert!(!has_ended(std::process::id()));
    }

    #[test]
    fn the_median_of_three_is_the_middle_one() {
        assert!((median(&[9.0, 1.0, 3.0]) - 3.0).abs() < f64::EPSILON);
    }
}
