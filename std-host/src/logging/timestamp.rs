//! The date and time of a log line, in UTC.
//!
//! Plain calendar arithmetic on seconds since 1970; knows no time zone and no leap second.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 86_400;

/// `YYYY-MM-DD HH:MM:SS.mmm`; a clock before 1970 shows 1970.
pub(super) fn utc(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (
        since.as_secs() / SECONDS_PER_DAY,
        since.as_secs() % SECONDS_PER_DAY,
    );
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:03}",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// The date that lies `days` after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let mut left = days;
    // Whole cycles of 400 years first, so that the loop below is short for any clock.
    year += left / 146_097 * 400;
    left %= 146_097;
    while left >= days_of_year(year) {
        left -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while left >= days_of_month(year, month) {
        left -= days_of_month(year, month);
        month += 1;
    }
    (year, month, left + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_moments_have_their_dates() {
        let table = [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_399_999, "2000-02-28 23:59:59.999"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (1_430_392_394_007, "2015-04-30 11:13:14.007"),
            (1_735_689_599_000, "2024-12-31 23:59:59.000"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
            (253_402_300_799_999, "9999-12-31 23:59:59.999"),
        ];
        for (millis, shown) in table {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn a_clock_before_1970_still_gives_a_line() {
        let before = UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(utc(before), "1970-01-01 00:00:00.000");
    }
}
