//! One way of a link: delay, a rate with a queue, and everything that can go wrong, from one seed.

use std::collections::BTreeMap;

/// What one direction does; chances are per mille.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) seed: u64,
    pub(crate) delay_us: u64,
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) reorder: u64,
    pub(crate) flip: u64,
    pub(crate) rate_bps: u64,
    pub(crate) most_bytes: usize,
    pub(crate) shrink_at_us: u64,
    pub(crate) shrink_to: usize,
    pub(crate) dies_at_us: u64,
    pub(crate) outage_us: Option<(u64, u64)>,
    /// Only the way from the sender to the receiver is out.
    pub(crate) outage_is_one_way: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            seed: 1,
            delay_us: 1_000,
            loss: 0,
            duplicate: 0,
            reorder: 0,
            flip: 0,
            rate_bps: 100_000_000,
            most_bytes: usize::MAX,
            shrink_at_us: u64::MAX,
            shrink_to: usize::MAX,
            dies_at_us: u64::MAX,
            outage_us: None,
            outage_is_one_way: false,
        }
    }
}

impl Link {
    /// The link as it is on the way from the receiver to the sender.
    pub(crate) fn backward(&self) -> Self {
        Self {
            outage_us: self.outage_us.filter(|_| !self.outage_is_one_way),
            ..self.clone()
        }
    }

    /// The same link with its times counted from `start_us`.
    pub(crate) fn starting_at(self, start_us: u64) -> Self {
        Self {
            shrink_at_us: self.shrink_at_us.saturating_add(start_us),
            dies_at_us: self.dies_at_us.saturating_add(start_us),
            outage_us: self
                .outage_us
                .map(|(from, to)| (from + start_us, to + start_us)),
            ..self
        }
    }
}

/// Datagrams under way.
#[derive(Debug)]
pub(crate) struct Direction {
    link: Link,
    state: u64,
    free_at_us: u64,
    serial: u64,
    arrivals: BTreeMap<(u64, u64), (u16, Vec<u8>)>,
}

impl Direction {
    pub(crate) fn new(link: &Link, salt: u64) -> Self {
        let state = link.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt;
        Self {
            link: link.clone(),
            state,
            free_at_us: 0,
            serial: 0,
            arrivals: BTreeMap::new(),
        }
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.random() % 1_000 < per_mille
    }

    /// Sends a datagram that is tagged with the client's port: where it comes from, or where it goes.
    pub(crate) fn send(&mut self, now_us: u64, port: u16, datagram: &[u8]) {
        let most = if now_us >= self.link.shrink_at_us {
            self.link.shrink_to
        } else {
            self.link.most_bytes
        };
        let out = self
            .link
            .outage_us
            .is_some_and(|(from, to)| (from..to).contains(&now_us));
        if datagram.len() > most
            || out
            || now_us >= self.link.dies_at_us
            || self.chance(self.link.loss)
        {
            return;
        }
        let start = self.free_at_us.max(now_us);
        if start - now_us > 200_000 {
            return;
        }
        self.free_at_us = start + datagram.len() as u64 * 8_000_000 / self.link.rate_bps;
        let mut copies = 1;
        if self.chance(self.link.duplicate) {
            copies = 2;
        }
        for _ in 0..copies {
            let mut bytes = datagram.to_vec();
            if self.chance(self.link.flip) {
                let at = self.random() as usize % bytes.len();
                bytes[at] ^= 1 << (self.random() % 8);
            }
            let late = if self.chance(self.link.reorder) {
                self.random() % 8_000
            } else {
                0
            };
            self.serial += 1;
            self.arrivals.insert(
                (self.free_at_us + self.link.delay_us + late, self.serial),
                (port, bytes),
            );
        }
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.arrivals.keys().next().map(|&(at, _)| at)
    }

    pub(crate) fn receive(&mut self, now_us: u64) -> Option<(u16, Vec<u8>)> {
        let (&key, _) = self.arrivals.iter().next()?;
        if key.0 > now_us {
            return None;
        }
        self.arrivals.remove(&key)
    }
}
