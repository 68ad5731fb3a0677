//! Virtual links: all sessions of a host that belong to one share its capacity, also those of other processes.
//!
//! Every session says how much it could use; `sharing` divides the capacity by weight among those that can use it,
//! and the session holds its rate at its share. Processes tell one another by files (`neighbours`) that end with
//! them, however they end.
//!
//! Source: what a trunk is is public; how the capacity is shared is our choice (DECISIONS.md).

mod neighbours;
mod sharing;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use fasp_core::control::Rate;
use fasp_core::fault::Fault;
use fasp_core::units::BitRate;

use crate::failure::{Failure, Outcome};
use neighbours::Neighbours;
use sharing::Claim;

/// Shares are looked at this often.
pub(crate) const TICK: Duration = Duration::from_millis(250);
/// Everybody could use everything so long: a session that begins has no rate yet.
const GRACE: Duration = Duration::from_secs(3);
/// Rates are measured over so long.
const WINDOW: Duration = Duration::from_millis(1_000);
/// Who moves less than this part of its share, in percent, could use no more than
const SATISFIED: u64 = 85;
/// this part of what it moves.
const HEADROOM: u64 = 120;
/// Nobody's claim is smaller than this part of the capacity.
const LEAST_CLAIM: u64 = 50;
/// No share is smaller, bit/s: the protocol takes no rate of nothing.
const LEAST_SHARE: u64 = 10_000;

/// The virtual link of the sessions of one user in one direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrunkRule {
    /// Its number and its direction, which tell it from others.
    pub name: String,
    /// What its sessions share, bit/s.
    pub capacity_bps: u64,
    /// How many shares a session gets.
    pub weight: u32,
    /// The folder where processes find one another.
    pub folder: PathBuf,
}

/// The sessions of this process on one link.
#[derive(Debug)]
struct Link {
    capacity_bps: u64,
    neighbours: Neighbours,
    claims: HashMap<u64, Claim>,
    shares: HashMap<u64, u64>,
    looked_at: Option<Instant>,
}

type Links = HashMap<String, Link>;

/// A session on a link, until dropped.
#[derive(Debug)]
pub(crate) struct Member {
    link: String,
    number: u64,
    /// What it would do without the link.
    wish: Rate,
    /// What it was told last.
    told: Rate,
    began: Instant,
    measured: Measure,
}

/// Bytes over time.
#[derive(Debug)]
struct Measure {
    since: Instant,
    bytes: u64,
    rate_bps: u64,
}

fn links() -> MutexGuard<'static, Links> {
    static LINKS: OnceLock<Mutex<Links>> = OnceLock::new();
    let links = LINKS.get_or_init(Mutex::default);
    links.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Member {
    /// Joins the link of `rule` with a session that would move at `wish`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if other processes cannot be found: a limit that is not kept is none.
    pub(crate) fn join(rule: &TrunkRule, wish: Rate) -> Outcome<Self> {
        let now = Instant::now();
        let mut links = links();
        if !links.contains_key(&rule.name) {
            let neighbours = Neighbours::join(&rule.folder, &rule.name).map_err(|error| {
                let text = format!(
                    "the virtual link {} cannot be joined in {}: {error}",
                    rule.name,
                    rule.folder.display()
                );
                Failure::new(Fault::BadConfiguration, text)
            })?;
            let link = Link {
                capacity_bps: rule.capacity_bps,
                neighbours,
                claims: HashMap::new(),
                shares: HashMap::new(),
                looked_at: None,
            };
            links.insert(rule.name.clone(), link);
        }
        let number = links
            .values()
            .flat_map(|link| link.claims.keys())
            .max()
            .map_or(0, |last| last + 1);
        if let Some(link) = links.get_mut(&rule.name) {
            // A new configuration may have changed it.
            link.capacity_bps = rule.capacity_bps;
            let claim = Claim {
                weight: rule.weight.max(1),
                most_bps: wish.target.0,
            };
            link.claims.insert(number, claim);
            link.looked_at = None;
        }
        Ok(Self {
            link: rule.name.clone(),
            number,
            wish,
            told: wish,
            began: now,
            measured: Measure {
                since: now,
                bytes: 0,
                rate_bps: 0,
            },
        })
    }

    /// The peer wishes for other rates from now on; what it gets is told at the next look.
    pub(crate) fn wish(&mut self, wish: Rate) {
        self.wish = wish;
        // Whatever was told before is void.
        self.told.target = BitRate(0);
        self.began = Instant::now();
    }

    /// The rates to hold from now on, if they changed; `bytes` is what the session has moved so far.
    pub(crate) fn look(&mut self, bytes: u64, now: Instant) -> Option<Rate> {
        self.measured.take(bytes, now);
        let mut links = links();
        let link = links.get_mut(&self.link)?;
        let share = link.shares.get(&self.number).copied();
        let most_bps = self.claim(share.unwrap_or(0), link.capacity_bps, now);
        if let Some(claim) = link.claims.get_mut(&self.number) {
            claim.most_bps = most_bps;
        }
        link.look(now);
        let share = link.shares.get(&self.number).copied()?;
        let share = BitRate(share.max(LEAST_SHARE));
        let rate = Rate {
            target: self.wish.target.min(share),
            minimum: self.wish.minimum.min(share),
            policy: self.wish.policy,
        };
        let (old, new) = (self.told.target.0, rate.target.0);
        // A hundredth more or less is no news.
        if old.abs_diff(new) <= old / 100 && self.told.minimum == rate.minimum {
            return None;
        }
        self.told = rate;
        Some(rate)
    }

    /// What the session may move at most, as of the last look.
    pub(crate) fn share(&self) -> Option<BitRate> {
        let links = links();
        let share = links.get(&self.link)?.shares.get(&self.number)?;
        Some(BitRate((*share).max(LEAST_SHARE)))
    }

    /// How much this session could use.
    fn claim(&self, share: u64, capacity_bps: u64, now: Instant) -> u64 {
        let wish = self.wish.target.0;
        let rate = self.measured.rate_bps;
        let is_new = now.duration_since(self.began) < GRACE;
        if is_new || rate.saturating_mul(100) >= share.min(wish).saturating_mul(SATISFIED) {
            return wish;
        }
        let used = rate.saturating_mul(HEADROOM) / 100;
        used.max(capacity_bps / LEAST_CLAIM).min(wish)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut links = links();
        let Some(link) = links.get_mut(&self.link) else {
            return;
        };
        link.claims.remove(&self.number);
        link.shares.remove(&self.number);
        link.looked_at = None;
        if link.claims.is_empty() {
            links.remove(&self.link);
        }
    }
}

impl Link {
    /// Tells the neighbours and hears them, if that was long ago.
    fn look(&mut self, now: Instant) {
        let fresh = self
            .looked_at
            .is_some_and(|last| now.duration_since(last) < TICK / 2);
        if fresh {
            return;
        }
        self.looked_at = Some(now);
        let (numbers, own): (Vec<u64>, Vec<Claim>) = self
            .claims
            .iter()
            .map(|(number, claim)| (*number, *claim))
            .unzip();
        let mut claims = own.clone();
        claims.extend(self.neighbours.exchange(&own));
        let shares = sharing::divide(self.capacity_bps, &claims);
        self.shares = numbers.into_iter().zip(shares).collect();
    }
}

impl Measure {
    fn take(&mut self, bytes: u64, now: Instant) {
        let elapsed = now.duration_since(self.since);
        if elapsed < WINDOW {
            return;
        }
        let moved = bytes.saturating_sub(self.bytes).saturating_mul(8);
        let millis = u64::try_from(elapsed.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        self.rate_bps = moved.saturating_mul(1_000) / millis;
        (self.since, self.bytes) = (now, bytes);
    }
}

#[cfg(test)]
mod tests {
    use fasp_core::control::choices::RatePolicy;

    use super::*;

    fn wish(target: u64) -> Rate {
        Rate {
            target: BitRate(target),
            minimum: BitRate(0),
            policy: RatePolicy::Fair,
        }
    }

    #[test]
    fn sessions_of_one_process_share_and_wishes_may_change() {
        let folder = tempfile::tempdir().unwrap();
        let rule = TrunkRule {
            name: "200-in".to_owned(),
            capacity_bps: 100_000_000,
            weight: 1,
            folder: folder.path().to_owned(),
        };
        let mut one = Member::join(&rule, wish(900_000_000)).unwrap();
        let now = Instant::now();
        assert_eq!(one.look(0, now).unwrap().target, BitRate(100_000_000));
        let mut two = Member::join(&rule, wish(900_000_000)).unwrap();
        assert_eq!(two.look(0, now).unwrap().target, BitRate(50_000_000));
        assert_eq!(one.look(0, now).unwrap().target, BitRate(50_000_000));
        assert!(one.look(0, now).is_none(), "nothing is new");
        two.wish(wish(10_000_000));
        let later = now + TICK;
        assert_eq!(two.look(0, later).unwrap().target, BitRate(10_000_000));
        let later = later + TICK;
        assert!(one.look(0, later).unwrap().target > BitRate(89_000_000));
        drop(two);
        assert_eq!(one.look(0, later).unwrap().target, BitRate(100_000_000));
        drop(one);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
