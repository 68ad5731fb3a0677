//! Where the peer is: which address datagrams go to, and when another one takes its place.
//!
//! A client behind a NAT may come from another address at any moment. The server then asks both addresses a
//! question (PATH_CHALLENGE) that only the holder of the session's keys can answer, and moves when the new
//! one has answered and the old one has not. An address that has not answered gets no more than three times
//! what came from it. A client's own path never moves: it sends where ACCEPT says. No I/O, no clock.
//!
//! Source: PROTOCOL.md §5.4; the factor of three is that of RFC 9000 §8. Asking the old address as well,
//! and letting its answer win, keeps somebody who sends copies of datagrams from elsewhere from moving anything.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::time::{Duration, Instant};
use crate::units::PacketNumber;

/// An address is asked this often until it answers.
const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// An address that has not answered for so long is forgotten.
const CANDIDATE_TIME: Duration = Duration::from_secs(5);
/// One that was asked less often gets four times as long.
const ENOUGH_ASKS: u8 = 3;
/// After an address was turned down, others are not looked at for so long.
const REST: Duration = Duration::from_secs(1);
/// The old address gets half of the time that the new one took to answer, within these bounds.
const LEAST_GRACE: Duration = Duration::from_millis(20);
const MOST_GRACE: Duration = Duration::from_millis(250);
/// The origin of a datagram whose host does not say.
pub(crate) const NO_ADDRESS: SocketAddr =
    SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED), 0);
/// Bytes sent to an unproven address for each byte that came from it.
const AMPLIFICATION: u64 = 3;

/// What challenges are made from: 32 unpredictable bytes, fresh for every session.
///
/// Overwritten when dropped; `Debug` shows no byte of it.
pub struct ChallengeSecret(Zeroizing<[u8; 32]>);

impl ChallengeSecret {
    /// The secret made of these bytes, which must come from a good random source.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for ChallengeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeSecret").finish_non_exhaustive()
    }
}

/// The peer came to another address, which has proven itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Move {
    /// Where it was.
    pub from: SocketAddr,
    /// Where datagrams go from now on.
    pub to: SocketAddr,
}

impl Move {
    /// Another machine or network, not just another port of the same NAT.
    #[must_use]
    pub fn is_to_another_network(&self) -> bool {
        self.from.ip() != self.to.ip()
    }
}

/// A datagram that was opened, was not seen before and was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) now: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) number: PacketNumber,
    /// No larger number came before.
    pub(crate) newest: bool,
    pub(crate) length: usize,
}

/// An address and the question it is asked.
#[derive(Clone, Copy, Debug)]
struct Asked {
    address: Option<SocketAddr>,
    challenge: u64,
    /// `None` = not yet.
    asked_at: Option<Instant>,
    /// Bytes that may still go there; without a bound once it is proven.
    budget: Option<u64>,
}

/// Another address that datagrams of the peer came from.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    asked: Asked,
    address: SocketAddr,
    since: Instant,
    /// The first number that came from there.
    first: PacketNumber,
    answered_at: Option<Instant>,
    asks: u8,
    /// What the present address is asked meanwhile.
    old_challenge: u64,
    old_asked_at: Option<Instant>,
}

/// The peer's address, and the one that may take its place.
#[derive(Debug)]
pub(crate) struct PathGuard {
    present: Asked,
    candidate: Option<Candidate>,
    /// Without one the peer's first address stays.
    secret: Option<ChallengeSecret>,
    trusted: Option<IpAddr>,
    challenges_made: u64,
    rests_until: Instant,
}

impl PathGuard {
    /// A path whose address the host knows: it is proven and stays.
    pub(crate) const fn proven() -> Self {
        Self::with(0, None)
    }

    /// A path whose first address must answer `challenge`.
    pub(crate) const fn unproven(challenge: u64) -> Self {
        Self::with(challenge, Some(0))
    }

    const fn with(challenge: u64, budget: Option<u64>) -> Self {
        Self {
            present: Asked {
                address: None,
                challenge,
                asked_at: None,
                budget,
            },
            candidate: None,
            secret: None,
            trusted: None,
            challenges_made: 0,
            rests_until: Instant::from_micros(0),
        }
    }

    /// From now on every address must prove itself before much is sent there, and the peer may move. A first
    /// address at `trusted`, where its control channel comes from, is proven already.
    pub(crate) fn follow(&mut self, secret: ChallengeSecret, trusted: Option<IpAddr>) {
        self.secret = Some(secret);
        self.trusted = trusted;
        let challenge = self.fresh_challenge();
        self.present = Asked {
            address: None,
            challenge,
            asked_at: None,
            budget: Some(0),
        };
    }

    /// Where datagrams go; `None` before the peer was heard.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.present.address
    }

    /// Whether content may go there.
    pub(crate) const fn is_proven(&self) -> bool {
        self.present.budget.is_none()
    }

    pub(crate) const fn prove(&mut self) {
        self.present.budget = None;
    }

    /// Bytes that may go to the present address now.
    pub(crate) fn allowance(&self) -> usize {
        self.present.budget.map_or(usize::MAX, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        })
    }

    /// `length` bytes leave for the present address.
    pub(crate) const fn on_sent(&mut self, length: usize) {
        self.present.spend(length);
    }

    /// Notes where a datagram came from.
    pub(crate) fn on_taken(&mut self, taken: &Taken) {
        let earned = AMPLIFICATION * taken.length as u64;
        let Some(present) = self.present.address else {
            self.present.address = Some(taken.from);
            if self.trusted == Some(taken.from.ip()) {
                self.prove();
            }
            self.present.earn(earned);
            return;
        };
        if taken.from == present {
            self.present.earn(earned);
            if self
                .candidate
                .is_some_and(|candidate| taken.number > candidate.first)
            {
                // Newer datagrams still come the old way: nobody has moved.
                self.turn_down(taken.now);
            }
            return;
        }
        match &mut self.candidate {
            Some(candidate) if candidate.address == taken.from => candidate.asked.earn(earned),
            Some(_) => {}
            None if taken.newest && taken.now >= self.rests_until && self.secret.is_some() => {
                self.consider(taken, earned);
            }
            None => {}
        }
    }

    fn consider(&mut self, taken: &Taken, earned: u64) {
        let (challenge, old_challenge) = (self.fresh_challenge(), self.fresh_challenge());
        self.candidate = Some(Candidate {
            asked: Asked {
                address: Some(taken.from),
                challenge,
                asked_at: None,
                budget: Some(earned),
            },
            address: taken.from,
            since: taken.now,
            first: taken.number,
            answered_at: None,
            asks: 0,
            old_challenge,
            old_asked_at: None,
        });
    }

    fn turn_down(&mut self, now: Instant) {
        self.candidate = None;
        self.rests_until = now + REST;
    }

    /// The peer answered a challenge from address `from`.
    pub(crate) fn on_response(&mut self, now: Instant, from: SocketAddr, bits: u64) {
        let asked = self.present.asked_at.is_some();
        if asked && bits == self.present.challenge && self.present.address == Some(from) {
            self.prove();
        }
        let Some(candidate) = &mut self.candidate else {
            return;
        };
        if candidate.old_asked_at.is_some() && bits == candidate.old_challenge {
            // The question went to the present address only, so the peer still hears us there.
            self.turn_down(now);
        } else if candidate.asked.asked_at.is_some()
            && bits == candidate.asked.challenge
            && from == candidate.address
        {
            candidate.answered_at.get_or_insert(now);
        }
    }

    /// Time has passed: the move, if it is made now.
    pub(crate) fn on_time(&mut self, now: Instant) -> Option<Move> {
        let candidate = self.candidate?;
        match candidate.moves_at() {
            Some(at) if now >= at => {
                let from = self.present.address?;
                self.candidate = None;
                self.rests_until = now + REST;
                self.present = Asked {
                    budget: None,
                    ..candidate.asked
                };
                Some(Move {
                    from,
                    to: candidate.address,
                })
            }
            None if now >= candidate.ends_at() => {
                self.turn_down(now);
                None
            }
            _ => None,
        }
    }

    /// When there is something to do at the latest; `None` while nothing moves.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let candidate = self.candidate?;
        let end = candidate.moves_at().unwrap_or_else(|| candidate.ends_at());
        let ask = |asked_at: Option<Instant>| match asked_at {
            None => candidate.since,
            Some(at) => at + ASK_INTERVAL,
        };
        let mut next = end;
        if self.present.allows(CHALLENGE_BYTES) {
            next = next.min(ask(candidate.old_asked_at));
        }
        if candidate.answered_at.is_none() && candidate.asked.allows(CHALLENGE_BYTES) {
            next = next.min(ask(candidate.asked.asked_at));
        }
        Some(next)
    }

    /// What the present address must be asked now; it counts as asked.
    pub(crate) fn present_challenge(&mut self, now: Instant) -> Option<u64> {
        self.present_is_due(now).then(|| {
            self.present.asked_at = Some(now);
            self.present.challenge
        })
    }

    /// Whether [`Self::present_challenge`] has something to ask.
    pub(crate) fn present_is_due(&self, now: Instant) -> bool {
        !self.is_proven() && is_due(self.present.asked_at, now)
    }

    /// Who must be asked what now because the peer may have moved, in a datagram of [`CHALLENGE_BYTES`] of its own;
    /// it counts as asked.
    pub(crate) fn next_question(&mut self, now: Instant) -> Option<(SocketAddr, u64)> {
        let present = self.present.address?;
        let old_may = self.present.allows(CHALLENGE_BYTES);
        let candidate = self.candidate.as_mut()?;
        let asked = &mut candidate.asked;
        let new_is_due = candidate.answered_at.is_none()
            && is_due(asked.asked_at, now)
            && asked.allows(CHALLENGE_BYTES);
        let old_is_due = old_may && is_due(candidate.old_asked_at, now);
        // Where there is room for one question only, both get their turn.
        if old_is_due && (!new_is_due || candidate.old_asked_at < asked.asked_at) {
            candidate.old_asked_at = Some(now);
            self.present.spend(CHALLENGE_BYTES);
            return Some((present, candidate.old_challenge));
        }
        if !new_is_due {
            return None;
        }
        asked.asked_at = Some(now);
        asked.spend(CHALLENGE_BYTES);
        candidate.asks = candidate.asks.saturating_add(1);
        Some((candidate.address, asked.challenge))
    }

    /// Bits that nobody can guess who has not read them at the address they went to.
    fn fresh_challenge(&mut self) -> u64 {
        self.challenges_made += 1;
        let Some(secret) = &self.secret else {
            return 0;
        };
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*secret.0).expect("a key of any length makes an HMAC");
        mac.update(&self.challenges_made.to_be_bytes());
        let digest = mac.finalize().into_bytes();
        digest
            .first_chunk()
            .map_or(0, |bits| u64::from_be_bytes(*bits))
    }
}

/// Bytes of a datagram that carries a challenge and nothing else.
pub(crate) const CHALLENGE_BYTES: usize = crate::lane::PACKET_OVERHEAD + 9;

impl Asked {
    const fn earn(&mut self, bytes: u64) {
        if let Some(budget) = self.budget {
            self.budget = Some(budget.saturating_add(bytes));
        }
    }

    const fn spend(&mut self, bytes: usize) {
        if let Some(budget) = self.budget {
            self.budget = Some(budget.saturating_sub(bytes as u64));
        }
    }

    fn allows(&self, bytes: usize) -> bool {
        self.budget.is_none_or(|budget| budget >= bytes as u64)
    }
}

impl Candidate {
    /// When it is forgotten unless it answers: it may be long before there is room to ask it.
    fn ends_at(&self) -> Instant {
        let time = if self.asks < ENOUGH_ASKS {
            CANDIDATE_TIME.scaled(4, 1)
        } else {
            CANDIDATE_TIME
        };
        self.since + time
    }

    /// When the peer is taken to be there, unless the old address answers before.
    fn moves_at(&self) -> Option<Instant> {
        // An address that was not asked had no chance to answer.
        self.old_asked_at?;
        let answered_at = self.answered_at?;
        let took = answered_at.since(self.since);
        Some(answered_at + took.scaled(1, 2).max(LEAST_GRACE).min(MOST_GRACE))
    }
}

fn is_due(asked_at: Option<Instant>, now: Instant) -> bool {
    asked_at.is_none_or(|at| now.since(at) >= ASK_INTERVAL)
}

#[cfg(test)]
mod tests;
