//! The sender's address, as a receiver that is a server sees it: little is sent there before it is proven, and it
//! is followed when it changes.

use core::net::{IpAddr, SocketAddr};

use super::Receiver;
use crate::crypto::GcmBackend;
use crate::lane;
use crate::path::{CHALLENGE_BYTES, ChallengeSecret};
use crate::silence::SilenceLimits;
use crate::time::Instant;
use crate::wire::{Frame, FrameWriter, PacketKind};

impl<const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize, G: GcmBackend>
    Receiver<WORDS, OBJECTS, GAPS, META, G>
{
    /// Makes this a server: every address must prove itself, and the sender may move to another one.
    ///
    /// The host then gives the origin of every datagram with [`Self::handle_datagram_from`], sends to
    /// [`Self::peer_address`], and empties [`Self::poll_challenge`] besides [`Self::poll_transmit`]. A first address at
    /// `trusted`, where the control channel comes from, needs no proof.
    pub fn follow_peer(&mut self, secret: ChallengeSecret, trusted: Option<IpAddr>) {
        self.path.follow(secret, trusted);
    }

    /// Waits as long as `limits` say for a sender that says nothing.
    pub const fn limit_silence(&mut self, limits: SilenceLimits) {
        self.silence = limits;
    }

    /// Where datagrams go; `None` before the sender was heard, or if origins were not told.
    #[must_use]
    pub const fn peer_address(&self) -> Option<SocketAddr> {
        self.path.address()
    }

    /// A question because the sender may have moved, for its old or its new address: its length in `out`, and where it goes.
    pub fn poll_challenge(&mut self, now: Instant, out: &mut [u8]) -> Option<(usize, SocketAddr)> {
        if self.failure.is_some() {
            return None;
        }
        let (to, bits) = self.path.next_question(now)?;
        let body = lane::body_of(out, CHALLENGE_BYTES)?;
        let mut writer = FrameWriter::new(body);
        writer.push(&Frame::PathChallenge(bits)).ok()?;
        let length = writer.len() + lane::PACKET_OVERHEAD;
        let datagram = out.get_mut(..length)?;
        self.outbound
            .pack(now, PacketKind::Frames, false, datagram)
            .ok()?;
        Some((length, to))
    }

    pub(super) fn move_path(&mut self, now: Instant) {
        if let Some(moved) = self.path.on_time(now) {
            self.moved = Some(moved);
        }
    }
}
