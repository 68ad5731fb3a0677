//! How large a datagram the path carries: probes of several sizes at once, the largest that arrives wins.
//!
//! Probes are padding, so a lost one costs nothing but its bytes. A path that stops carrying what it
//! carried (a black hole) is noticed by a run of losses of large datagrams only.
//! Source: the idea of probing with the transport's own packets is RFC 8899; rungs and counts are our choice.

use crate::time::{Duration, Instant};

/// Every path must carry this much UDP payload.
pub(super) const BASE_BYTES: u16 = 1_200;
/// Sizes tried: jumbo frames, FDDI-like, Ethernet over IPv4 and IPv6, common tunnels.
const RUNGS: [u16; 8] = [8_972, 8_952, 4_352, 2_048, 1_472, 1_452, 1_400, 1_300];
/// Each size is tried this often.
const ROUNDS: u8 = 3;
/// A search begins anew after this time.
const RAISE_AFTER: Duration = Duration::from_secs(600);
/// So many losses of large datagrams in a row, over some time, mean a black hole.
const BLACK_HOLE: u16 = 48;
/// A burst that overflows a buffer is shorter than this.
const BLACK_HOLE_TIME: Duration = Duration::from_millis(500);

/// The search and its result.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathMtu {
    current: u16,
    most: u16,
    fixed: bool,
    rung: usize,
    round: u8,
    next_round_at: Instant,
    losses_in_a_row: u16,
    arrived_at: Instant,
}

impl PathMtu {
    /// Searches up to `most`; with `fixed` there is no search.
    pub(super) fn new(most: u16, fixed: Option<u16>, now: Instant) -> Self {
        let current = fixed.unwrap_or(BASE_BYTES).min(most);
        Self {
            current,
            most,
            fixed: fixed.is_some(),
            rung: 0,
            round: 0,
            next_round_at: now,
            losses_in_a_row: 0,
            arrived_at: now,
        }
    }

    /// The datagram size to use.
    pub(super) const fn current(&self) -> u16 {
        self.current
    }

    /// The size of a probe that is due, if any; it counts as sent.
    pub(super) fn next_probe(&mut self, now: Instant, round_trip: Duration) -> Option<u16> {
        if self.fixed || now < self.next_round_at {
            return None;
        }
        while let Some(size) = self.size_of(self.rung) {
            self.rung += 1;
            if size > self.current && size <= self.most {
                return Some(size);
            }
        }
        self.rung = 0;
        self.round += 1;
        self.next_round_at = now + round_trip.scaled(3, 2) + Duration::from_millis(20);
        if self.round >= ROUNDS || self.current >= self.most {
            self.round = 0;
            self.next_round_at = now + RAISE_AFTER;
        }
        None
    }

    /// When the next probe is due; `None` with a fixed size.
    pub(super) fn next_probe_at(&self) -> Option<Instant> {
        (!self.fixed).then_some(self.next_round_at)
    }

    /// A probe of `size` arrived; `true` if the size to use grew.
    pub(super) fn on_probe_arrived(&mut self, size: u16) -> bool {
        let grew = size > self.current;
        self.current = self.current.max(size);
        grew
    }

    /// A datagram of `size` with content arrived.
    pub(super) fn on_arrived(&mut self, now: Instant, size: u16) {
        if size > BASE_BYTES {
            self.arrived_at = now;
            self.losses_in_a_row = 0;
        }
    }

    /// A datagram of `size` with content was lost; `true` if the path is taken for a black hole.
    pub(super) fn on_lost(&mut self, now: Instant, size: u16) -> bool {
        if self.fixed || size <= BASE_BYTES {
            return false;
        }
        self.losses_in_a_row = self.losses_in_a_row.saturating_add(1);
        if self.losses_in_a_row < BLACK_HOLE || now.since(self.arrived_at) < BLACK_HOLE_TIME {
            return false;
        }
        self.restart(now);
        true
    }

    /// Nothing is known of the path any more: the search begins anew, unless the size is fixed.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.fixed {
            return;
        }
        self.losses_in_a_row = 0;
        self.current = BASE_BYTES.min(self.most);
        self.rung = 0;
        self.round = 0;
        self.next_round_at = now;
    }

    /// The largest size first, then the rungs below it.
    fn size_of(&self, rung: usize) -> Option<u16> {
        match rung.checked_sub(1) {
            None => Some(self.most),
            Some(index) => RUNGS
                .get(index)
                .copied()
                .map(|size| if size == self.most { 0 } else { size }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(10);

    fn probes(mtu: &mut PathMtu, now: Instant) -> Vec<u16> {
        core::iter::from_fn(|| mtu.next_probe(now, ROUND_TRIP)).collect()
    }

    #[test]
    fn all_sizes_up_to_the_most_are_probed_at_once_and_the_largest_that_arrives_is_used() {
        let mut mtu = PathMtu::new(1_472, None, Instant::from_micros(0));
        assert_eq!(
            probes(&mut mtu, Instant::from_micros(0)),
            [1_472, 1_452, 1_400, 1_300]
        );
        assert!(mtu.on_probe_arrived(1_400));
        assert!(!mtu.on_probe_arrived(1_300));
        assert_eq!(mtu.current(), 1_400);
        let later = mtu.next_probe_at().unwrap();
        assert_eq!(probes(&mut mtu, later), [1_472, 1_452]);
    }

    #[test]
    fn a_fixed_size_is_used_and_never_probed() {
        let mut mtu = PathMtu::new(1_472, Some(900), Instant::from_micros(0));
        assert_eq!(mtu.current(), 900);
        assert_eq!(mtu.next_probe(Instant::from_micros(0), ROUND_TRIP), None);
    }

    #[test]
    fn the_search_rests_after_three_rounds() {
        let mut mtu = PathMtu::new(1_472, None, Instant::from_micros(0));
        let mut sent = 0;
        let mut now = Instant::from_micros(0);
        while now < Instant::from_micros(60_000_000) {
            sent += probes(&mut mtu, now).len();
            now += Duration::from_millis(1);
        }
        assert_eq!(sent, 12);
    }

    #[test]
    fn a_run_of_large_losses_is_a_black_hole_and_mixed_losses_are_not() {
        let now = Instant::from_micros(0);
        let mut mtu = PathMtu::new(1_472, None, now);
        mtu.on_probe_arrived(1_472);
        for _ in 0..200 {
            assert!(!mtu.on_lost(now, 1_472));
            mtu.on_arrived(now, 1_472);
        }
        assert!(
            !(0..BLACK_HOLE).any(|_| mtu.on_lost(now, 1_472)),
            "one burst is no black hole"
        );
        assert!(mtu.on_lost(now + BLACK_HOLE_TIME, 1_472));
        assert_eq!(mtu.current(), BASE_BYTES);
    }
}
