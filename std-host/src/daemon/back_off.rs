//! Addresses from which nobody manages to log in have to wait, longer each time.
//!
//! A few mistakes are everybody's; after those every failed connection doubles the time in which the next one from the
//! same address is turned away. One log-in that succeeds clears the address. The memory of it is bounded: when it is
//! full, the address that failed longest ago is forgotten.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::guests::site_of;

/// Failed connections that cost nothing.
const FREE: u32 = 10;
/// The first wait; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// After so long without a failure an address is as good as new.
const FORGIVEN: Duration = Duration::from_secs(3_600);
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Record {
    failures: u32,
    last: Instant,
}

/// What one daemon remembers.
#[derive(Debug, Default)]
pub(super) struct BackOff(Mutex<HashMap<IpAddr, Record>>);

impl BackOff {
    fn records(&self) -> MutexGuard<'_, HashMap<IpAddr, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a client from `address` must still wait; nothing if it need not.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let record = *self.records().get(&site_of(address))?;
        let beyond = record.failures.checked_sub(FREE)?;
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(beyond));
        let wait = wait.min(LONGEST_WAIT);
        wait.checked_sub(now.duration_since(record.last))
            .filter(|left| !left.is_zero())
    }

    /// A connection from `address` ended without a log-in that it tried.
    pub(super) fn on_failure(&self, address: IpAddr, now: Instant) {
        let mut records = self.records();
        let site = site_of(address);
        if !records.contains_key(&site) && records.len() >= MOST_ADDRESSES {
            let oldest = records.iter().min_by_key(|(_, record)| record.last);
            if let Some(oldest) = oldest.map(|(site, _)| *site) {
                records.remove(&oldest);
            }
        }
        let record = records.entry(site).or_insert(Record {
            failures: 0,
            last: now,
        });
        if now.duration_since(record.last) > FORGIVEN {
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        record.last = now;
    }

    /// Somebody from `address` logged in.
    pub(super) fn on_success(&self, address: IpAddr) {
        self.records().remove(&site_of(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_mistakes_cost_nothing_and_more_cost_ever_more() {
        let back_off = BackOff::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        let now = Instant::now();
        for _ in 1..FREE {
            back_off.on_failure(address, now);
            assert_eq!(back_off.wait(address, now), None);
        }
        for seconds in [1, 2, 4, 8] {
            back_off.on_failure(address, now);
            assert_eq!(
                back_off.wait(address, now),
                Some(Duration::from_secs(seconds))
            );
        }
        assert_eq!(back_off.wait(address, now + Duration::from_secs(9)), None);
        for _ in 0..100 {
            back_off.on_failure(address, now);
        }
        assert_eq!(back_off.wait(address, now), Some(LONGEST_WAIT));
        assert_eq!(back_off.wait(IpAddr::from([192, 0, 2, 2]), now), None);
        back_off.on_success(address);
        assert_eq!(back_off.wait(address, now), None);
    }

    #[test]
    fn the_memory_of_addresses_is_bounded() {
        let back_off = BackOff::default();
        let now = Instant::now();
        for number in 0..MOST_ADDRESSES + 50 {
            let bits = u32::try_from(number).unwrap();
            back_off.on_failure(IpAddr::from(bits.to_be_bytes()), now);
        }
        assert_eq!(back_off.records().len(), MOST_ADDRESSES);
    }
}
