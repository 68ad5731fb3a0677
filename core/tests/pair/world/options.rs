//! What differs from test to test, and what follows from it before anything runs.

use std::net::SocketAddr;

use fasp_core::control::choices::{OverwriteRule, Preserve, RatePolicy, ResumeLevel};
use fasp_core::crypto::{CipherSuite, KeySchedule, SessionSecret};
use fasp_core::negotiation::Terms;
use fasp_core::units::{BitRate, ConnectionId};

/// What differs from test to test.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) suite: CipherSuite,
    pub(crate) policy: RatePolicy,
    pub(crate) target: u64,
    pub(crate) decides: bool,
    /// What is there is checked before it is relied on.
    pub(crate) checks: bool,
    pub(crate) capacity: u64,
    pub(crate) write_rate: u64,
    pub(crate) packet_window: u32,
    pub(crate) object_window: u32,
    pub(crate) max_datagram: u16,
    pub(crate) unproven: bool,
    pub(crate) report_size: u16,
    pub(crate) metadata_window: u32,
    /// Clock of both hosts at the start.
    pub(crate) starts_at_us: u64,
    /// Decisions, results and finished writes come up to this much later.
    pub(crate) storage_delay_us: u64,
    /// Who follows the other.
    pub(crate) server: Server,
    /// The control channel comes from elsewhere than the datagrams.
    pub(crate) distrusted: bool,
    /// When the client comes to another port.
    pub(crate) moves_at_us: Vec<u64>,
    /// It comes to another address, too.
    pub(crate) to_another_network: bool,
    /// Somebody sends on the client's datagrams from his own address, faster than they come themselves.
    pub(crate) thief: bool,
}

/// Who follows the other when it moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Server {
    Nobody,
    Sender,
    Receiver,
}

impl Server {
    /// Nobody if `out`: a client that hears nothing for long at the start ends, which is another story.
    pub(crate) fn unless(self, out: bool) -> Self {
        if out { Self::Nobody } else { self }
    }
}

/// Where the thief is.
pub(crate) const THIEF: u16 = 666;
/// The client's first port.
pub(super) const FIRST_PORT: u16 = 1_000;

impl Default for Options {
    fn default() -> Self {
        Self {
            suite: CipherSuite::Aes128Gcm,
            policy: RatePolicy::Fair,
            target: 80_000_000,
            decides: false,
            checks: false,
            capacity: 8 << 20,
            write_rate: u64::MAX,
            packet_window: 4_096,
            object_window: 512,
            max_datagram: 1_472,
            unproven: false,
            report_size: 1_440,
            metadata_window: 8_192,
            starts_at_us: 1,
            storage_delay_us: 0,
            server: Server::Nobody,
            distrusted: false,
            moves_at_us: Vec::new(),
            to_another_network: false,
            thief: false,
        }
    }
}

pub(super) fn terms(options: &Options, sends: bool) -> Terms {
    let (own, peer) = if sends { (11, 22) } else { (22, 11) };
    Terms {
        version: 1,
        suite: options.suite,
        sends,
        own_connection: ConnectionId::new(own),
        peer_connection: ConnectionId::new(peer),
        target_rate: BitRate(options.target),
        minimum_rate: BitRate(0),
        policy: options.policy,
        max_datagram: options.max_datagram,
        fixed_datagram: None,
        report_size: options.report_size,
        resume: if options.checks {
            ResumeLevel::Full
        } else if options.decides {
            ResumeLevel::Attributes
        } else {
            ResumeLevel::Restart
        },
        overwrite: OverwriteRule::Diff,
        preserve: Preserve::default(),
        object_window: options.object_window.max(16),
        packet_window: options.packet_window,
        metadata_window: options.metadata_window,
        peer_max_body: 1 << 20,
        lanes: 1,
        checksum: None,
        split_from: 0,
    }
}

/// The address behind a port: ports are all that tells apart, unless the client moves to other networks.
pub(super) fn address(options: &Options, port: u16) -> SocketAddr {
    let last = match port {
        THIEF => 66,
        port if options.to_another_network => (port - FIRST_PORT) as u8 + 1,
        _ => 1,
    };
    SocketAddr::from(([192, 0, 2, last], port))
}

pub(super) fn keys() -> KeySchedule {
    KeySchedule::new(
        &SessionSecret::new([1; 32]),
        &SessionSecret::new([2; 32]),
        &[3; 32],
    )
}
