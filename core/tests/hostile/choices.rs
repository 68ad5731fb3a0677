//! Bytes as a row of choices, so that one list of operations serves random tests and fuzzing; and the
//! session both play in, whose keys the hostile side knows.

use fasp_core::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use fasp_core::crypto::{CipherSuite, KeySchedule, Opener, Role, Sealer, SessionSecret};
use fasp_core::negotiation::{Agreement, Terms};
use fasp_core::time::Instant;
use fasp_core::units::{BitRate, ConnectionId};
use fasp_core::wire::{HEADER_BYTES, Header, PacketKind, TAG_BYTES};

/// Takes choices from the front of some bytes; zeros when they are used up.
#[derive(Debug)]
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    pub fn below(&mut self, end: u8) -> u8 {
        self.u8() % end
    }

    pub fn u64(&mut self) -> u64 {
        (0..8).fold(0, |number, _| number << 8 | u64::from(self.u8()))
    }

    pub fn u32(&mut self) -> u32 {
        (self.u64() >> 32) as u32
    }

    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let length = usize::from(self.u8()) % (most + 1);
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.u8()) % choices.len()]
    }

    /// Mostly small, sometimes at the edge of a field, sometimes anything.
    pub fn number(&mut self) -> u64 {
        match self.u8() {
            0..=159 => u64::from(self.below(120)),
            160..=199 => u64::from(self.u8()) * 50,
            200..=239 => self.pick(&[
                u64::from(u32::MAX),
                u64::from(u32::MAX) + 1,
                (1 << 48) - 1,
                (1 << 56) - 2,
                (1 << 56) - 1,
                1 << 56,
                u64::MAX - 1,
                u64::MAX,
            ]),
            _ => self.u64(),
        }
    }
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    pub decides: bool,
    pub sends: bool,
    pub packet_window: u32,
    pub report_size: u16,
}

impl Session {
    pub fn agreement(&self) -> Agreement {
        Agreement::new(Terms {
            version: 1,
            suite: CipherSuite::Aes128Gcm,
            sends: self.sends,
            own_connection: ConnectionId::new(7),
            peer_connection: ConnectionId::new(7),
            target_rate: BitRate(8_000_000),
            minimum_rate: BitRate(0),
            policy: RatePolicy::Fair,
            max_datagram: 1_472,
            fixed_datagram: None,
            report_size: self.report_size,
            resume: if self.decides {
                ResumeLevel::Attributes
            } else {
                ResumeLevel::Restart
            },
            overwrite: OverwriteRule::Diff,
            preserve: Preserve::default(),
            object_window: 16,
            packet_window: self.packet_window,
            metadata_window: 4_354,
            peer_max_body: 1 << 20,
            lanes: 1,
            checksum: None,
            split_from: 0,
        })
        .expect("the terms are within bounds")
    }
}

/// The keys of one side.
pub fn keys(role: Role) -> (Sealer, Opener) {
    KeySchedule::new(
        &SessionSecret::new([1; 32]),
        &SessionSecret::new([2; 32]),
        &[3; 32],
    )
    .into_lane(CipherSuite::Aes128Gcm, role)
}

/// An authentic datagram with this body.
pub fn sealed(sealer: &mut Sealer, kind: PacketKind, clock: u32, body: &[u8]) -> Vec<u8> {
    let header = Header {
        key_phase: false,
        repeated: false,
        kind,
        connection: ConnectionId::new(7),
        packet_number: 0,
        clock,
    };
    let mut datagram = header.encode().to_vec();
    datagram.extend(body);
    datagram.extend([0; TAG_BYTES]);
    assert!(datagram.len() >= HEADER_BYTES + TAG_BYTES);
    sealer.seal(&mut datagram).expect("numbers are left");
    datagram
}

/// After a machine was polled dry, its next deadline must not have passed: its host would spin.
pub fn assert_rests(deadline: Option<Instant>, now: Instant) {
    assert!(
        deadline.is_none_or(|at| at > now),
        "polled dry, the machine asks for {deadline:?} at {now:?}"
    );
}
