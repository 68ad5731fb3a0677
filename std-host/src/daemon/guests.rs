//! Seats for clients that have connected and not logged in yet.
//!
//! A stranger costs memory and a descriptor until the time to log in has passed. All strangers
//! together have a limited number of seats, and one address gets half of them at most, so that a
//! single one that connects and says nothing does not keep the others out. Does not limit
//! sessions: those are counted where they start.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that may be logging in at once, on top of the running sessions.
const MAX_GUESTS: usize = 64;

/// How many of them may come from one address.
const MAX_PER_ADDRESS: usize = MAX_GUESTS / 2;

/// The bits of an IPv6 address that tell one household from another.
const IPV6_SITE: u128 = !0 << 64;

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// All seats of one daemon.
pub(super) struct Guests {
    seats: Arc<Semaphore>,
    counts: Counts,
}

/// One connection's seat, until dropped.
pub(super) struct Seat {
    _seat: OwnedSemaphorePermit,
    guest: Option<Guest>,
}

/// Counts one guest of an address, until dropped.
struct Guest {
    counts: Counts,
    site: IpAddr,
}

impl Guests {
    pub(super) fn new(max_sessions: usize) -> Self {
        let seats = max_sessions
            .saturating_add(MAX_GUESTS)
            .min(Semaphore::MAX_PERMITS);
        Self {
            seats: Arc::new(Semaphore::new(seats)),
            counts: Counts::default(),
        }
    }

    /// A seat for a client from this address, if there is one.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Seat> {
        let seat = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        let site = site_of(address);
        let mut counts = locked(&self.counts);
        let count = counts.entry(site).or_default();
        if *count >= MAX_PER_ADDRESS {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Seat {
            _seat: seat,
            guest: Some(Guest {
                counts: Arc::clone(&self.counts),
                site,
            }),
        })
    }
}

impl Seat {
    /// The client is no stranger any more.
    pub(super) fn on_logged_in(&mut self) {
        self.guest = None;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = locked(&self.counts).entry(self.site) {
            let left = entry.get().saturating_sub(1);
            if left == 0 {
                entry.remove();
            } else {
                entry.insert(left);
            }
        }
    }
}

/// Numbers are whole at any time, so a panic elsewhere did not break them.
fn locked(counts: &Counts) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn site_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & IPV6_SITE)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_every_seat() {
        let guests = Guests::new(1);
        let (greedy, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut seats: Vec<Seat> = std::iter::from_fn(|| guests.admit(greedy)).collect();
        assert_eq!(seats.len(), MAX_PER_ADDRESS);
        assert!(guests.admit(other).is_some());
        assert!(guests.admit(address("::ffff:192.0.2.1")).is_none());
        seats.pop();
        let mut next = guests.admit(greedy).unwrap();
        assert!(guests.admit(greedy).is_none());
        // Who has logged in is no stranger.
        next.on_logged_in();
        assert!(guests.admit(greedy).is_some());
    }

    #[test]
    fn all_strangers_together_are_limited_and_leave_nothing_behind() {
        let guests = Guests::new(3);
        let seats: Vec<Seat> = (0..=255)
            .filter_map(|last| guests.admit(IpAddr::from([198, 51, 100, last])))
            .collect();
        assert_eq!(seats.len(), 3 + MAX_GUESTS);
        drop(seats);
        assert!(locked(&guests.counts).is_empty());
    }

    #[test]
    fn a_site_with_many_ipv6_addresses_is_one() {
        assert_eq!(
            site_of(address("2001:db8:1:2:aaaa::1")),
            site_of(address("2001:db8:1:2:bbbb::2"))
        );
        assert_ne!(
            site_of(address("2001:db8:1:2::1")),
            site_of(address("2001:db8:1:3::1"))
        );
    }
}
