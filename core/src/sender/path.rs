//! The receiver's address, as a sender that is a server sees it: proven before anything is sent there, followed
//! when it changes.

use core::net::{IpAddr, SocketAddr};

use super::{Blocked, Sender};
use crate::crypto::GcmBackend;
use crate::lane;
use crate::path::{CHALLENGE_BYTES, ChallengeSecret, Taken};
use crate::rate_control::RoundTrip;
use crate::sender::SenderEvent;
use crate::silence::SilenceLimits;
use crate::time::Instant;
use crate::wire::{Frame, FrameWriter, PacketKind};

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// Makes this a server: every address must prove itself, and the receiver may move to another one.
    ///
    /// The host then gives the origin of every datagram with [`Self::handle_datagram_from`], sends to
    /// [`Self::peer_address`], and empties [`Self::poll_challenge`] besides [`Self::poll_transmit`]. A first address at
    /// `trusted`, where the control channel comes from, needs no proof.
    pub fn follow_peer(&mut self, secret: ChallengeSecret, trusted: Option<IpAddr>) {
        self.path.follow(secret, trusted);
    }

    /// Waits as long as `limits` say for a receiver that says nothing.
    pub const fn limit_silence(&mut self, limits: SilenceLimits) {
        self.silence = limits;
    }

    /// Where datagrams go; `None` before the receiver was heard, or if origins were not told.
    #[must_use]
    pub const fn peer_address(&self) -> Option<SocketAddr> {
        self.path.address()
    }

    /// The host knows by other means that the receiver's address is the receiver's.
    pub fn prove_path(&mut self) {
        self.path.prove();
        self.blocked = Blocked::No;
    }

    /// A question because the receiver may have moved, for its old or its new address: its length in `out`, and where it goes.
    pub fn poll_challenge(&mut self, now: Instant, out: &mut [u8]) -> Option<(usize, SocketAddr)> {
        if self.failure.is_some() || !self.sent.has_room_for_path() {
            return None;
        }
        let (to, bits) = self.path.next_question(now)?;
        let body = lane::body_of(out, CHALLENGE_BYTES)?;
        let mut writer = FrameWriter::new(body);
        writer.push(&Frame::PathChallenge(bits)).ok()?;
        let length = writer.len();
        let length = self.dispatch(now, PacketKind::Frames, false, out, length, &[])?;
        Some((length, to))
    }

    pub(super) fn note_path(&mut self, taken: &Taken) {
        let proven = self.path.is_proven();
        self.path.on_taken(taken);
        if self.path.is_proven() != proven {
            self.blocked = Blocked::No;
        }
    }

    pub(super) fn on_path_response(&mut self, now: Instant, bits: u64) {
        self.path.on_response(now, self.arriving_from, bits);
        if self.path.is_proven() {
            self.blocked = Blocked::No;
        }
    }

    /// When the path has something to do.
    pub(super) fn next_path_at(&self) -> Option<Instant> {
        // Without room nothing can be asked; moving needs none and is looked at with every time-out.
        self.path
            .next_at()
            .filter(|_| self.sent.has_room_for_path())
    }

    /// Follows the receiver if it has moved. Another port of the same address is the same path behind a NAT that
    /// has forgotten; another address may be anything, so that nothing measured counts any more.
    pub(super) fn move_path(&mut self, now: Instant) {
        let Some(moved) = self.path.on_time(now) else {
            return;
        };
        if moved.is_to_another_network() {
            self.rate.on_path_change(now);
            self.mtu.restart(now);
            self.round_trip = RoundTrip::new();
            self.delay_zero = None;
            self.report_delay_zero = None;
        }
        self.blocked = Blocked::No;
        let _ = self.events.push_back(SenderEvent::Moved(moved));
    }
}
